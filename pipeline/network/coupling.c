#include "pipeline/network/coupling.h"

#include "encoders/spikes.h"
#include "pipeline/network/view.h"
#include "pipeline/network/math.h"

void sw_coupling_init(struct sw_coupling *line) { *line = (struct sw_coupling){0}; }

void sw_coupling_follow(const struct sw_coupling_params *params, struct sw_coupling *line, double seen,
                        double elapsed, double sigmas)
{
    double taken = seen > 20.0 ? sw_clip(sigmas, params->clip) : 0.0;
    line->trace += sw_leak(1.0 / params->trace, elapsed) * (taken - line->trace);
}

double sw_coupling_power(const struct sw_view *view)
{
    double total = 1e-3;
    for (int64_t i = 0; i < view->machine->rows.size; i++)
        total += sw_square(sw_at(view, i)->coupling.trace) + 0.3;
    return total;
}

double sw_coupling_step(const struct sw_coupling_params *params, const struct sw_view *view, int64_t place,
                        bool frozen, double age, double power)
{
    struct sw_coupling *line = &sw_at(view, place)->coupling;
    float *weights = view->coupling + place * view->lines;
    int64_t size = view->machine->rows.size;
    double predicted = 0.0;
    for (int64_t i = 0; i < size; i++)
        if (i != place)
            predicted += (double)weights[i] * sw_at(view, i)->coupling.trace;
    double error = line->trace - predicted;
    double squared = error * error;
    double usual = line->usual;
    double taken = age > params->after ? sw_least(squared, 25.0 * usual + 0.1) : 0.0;
    line->error += (taken - line->error) / params->membrane;
    double surprise = line->error / (usual + 1e-3);
    if (frozen)
        return surprise;
    line->usual += (sw_least(squared, 9.0 * usual + 1.0) - usual) / sw_least(age, params->usual);
    double gain = params->rate * sw_clip(error, 1.0) / power;
    for (int64_t i = 0; i < size; i++)
        if (i != place)
            weights[i] = (float)((double)weights[i] + gain * sw_at(view, i)->coupling.trace);
    return surprise;
}
