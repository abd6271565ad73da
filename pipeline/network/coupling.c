#include "pipeline/network/coupling.h"

#include "encoders/spikes.h"
#include "pipeline/network/view.h"
#include "pipeline/network/math.h"

void sw_coupling_init(struct sw_coupling *line) { *line = (struct sw_coupling){0}; }

void sw_coupling_follow(const struct sw_coupling_params *params, struct sw_coupling *line, sw_real seen,
                        sw_real elapsed, sw_real sigmas)
{
    sw_real taken = seen > 20.0 ? sw_clip(sigmas, params->clip) : 0.0;
    line->trace += sw_leak(1.0 / params->trace, elapsed) * (taken - line->trace);
}

sw_real sw_coupling_power(const struct sw_view *view)
{
    sw_real total = 1e-3;
    for (int64_t i = 0; i < view->machine->rows.size; i++)
        total += sw_square(sw_at(view, i)->coupling.trace) + 0.3;
    return total;
}

sw_real sw_coupling_step(const struct sw_coupling_params *params, const struct sw_view *view, int64_t place,
                         bool frozen, sw_real age, sw_real power)
{
    struct sw_coupling *line = &sw_at(view, place)->coupling;
    float *weights = view->coupling + place * view->lines;
    int64_t size = view->machine->rows.size;
    sw_real predicted = 0.0;
    for (int64_t i = 0; i < size; i++)
        if (i != place)
            predicted += (sw_real)weights[i] * sw_at(view, i)->coupling.trace;
    sw_real error = line->trace - predicted;
    sw_real squared = error * error;
    sw_real usual = line->usual;
    sw_real taken = age > params->after ? sw_least(squared, 25.0 * usual + 0.1) : 0.0;
    line->error += (taken - line->error) / params->membrane;
    sw_real surprise = line->error / (usual + 1e-3);
    if (frozen)
        return surprise;
    line->usual += (sw_least(squared, 9.0 * usual + 1.0) - usual) / sw_least(age, params->usual);
    sw_real gain = params->rate * sw_clip(error, 1.0) / power;
    for (int64_t i = 0; i < size; i++)
        if (i != place)
            weights[i] = (float)((sw_real)weights[i] + gain * sw_at(view, i)->coupling.trace);
    return surprise;
}
