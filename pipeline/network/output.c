#include "pipeline/network/output.h"

#include "pipeline/network/math.h"

void sw_output_init(struct sw_output *machine) { *machine = (struct sw_output){0}; }

double sw_output_surprise(const struct sw_output_params *params, double best, int64_t size, double oldest,
                          double innate)
{
    double allowed = sw_most(best - params->lines_power * sw_log10((double)size), 0.0);
    double reach = sw_log10(2.0 * (sw_least(oldest, 1e4) + innate));
    return allowed * sw_power(4.3 / reach, params->young);
}

double sw_output_step(const struct sw_output_params *params, struct sw_output *machine, double elapsed,
                      double oldest, double surprise)
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
