#include "pipeline/network/output.h"

#include "pipeline/network/math.h"

void sw_output_init(struct sw_output *machine) { *machine = (struct sw_output){0}; }

sw_real sw_output_surprise(const struct sw_output_params *params, sw_real best, int64_t size, sw_real oldest,
                           sw_real innate)
{
    sw_real allowed = sw_most(best - params->lines_power * sw_log10((sw_real)size), 0.0);
    sw_real reach = sw_log10(2.0 * (sw_least(oldest, 1e4) + innate));
    return allowed * sw_power(4.3 / reach, params->young);
}

sw_real sw_output_step(const struct sw_output_params *params, struct sw_output *machine, sw_real elapsed,
                       sw_real oldest, sw_real surprise)
{
    if (machine->hold > 0.0)
        machine->hold = sw_most(machine->hold - elapsed, 0.0);
    else
        machine->threshold *= sw_exp(-elapsed / params->threshold);
    if (surprise <= machine->threshold)
        return 0.0;
    machine->threshold = params->rise * surprise;
    machine->hold = sw_least(params->hold_most, sw_most(params->hold_least, params->hold_share * oldest));
    return surprise;
}
