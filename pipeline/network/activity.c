#include "pipeline/network/activity.h"

#include "encoders/spikes.h"
#include "pipeline/network/math.h"

void sw_activity_init(struct sw_activity *line) { *line = (struct sw_activity){0}; }

double sw_activity_spikes(const struct sw_activity_params *params, struct sw_activity *line, bool frozen, double seen,
                          double value)
{
    if (seen == 0.0) {
        line->previous = value;
        for (int j = 0; j < SW_STEPS; j++)
            line->reference[j] = value;
    }
    double change = sw_absolute(value - line->previous);
    line->previous = value;
    if (seen > 0.0 && !frozen)
        line->change += (change - line->change) / sw_least(seen, params->slow);
    double step = params->smallest * line->change;
    double fired = 0.0;
    if (step > 0.0)
        for (int j = 0; j < SW_STEPS; j++) {
            if (sw_absolute(value - line->reference[j]) >= step) {
                line->reference[j] = value;
                fired += 1.0;
            }
            step *= 2.0;
        }
    return fired;
}

double sw_activity_unusual(const struct sw_activity_params *params, struct sw_activity *line, bool frozen,
                           double seen, double elapsed, double fired)
{
    double share = sw_leak(1.0 / sw_least(seen + 1.0, params->membrane), elapsed);
    line->activity += share * (fired - line->activity);
    double error = line->activity - line->mean;
    double surprise = sw_absolute(error) / (sw_square_root(line->variance) + 0.05);
    if (frozen)
        return surprise;
    double rate = 1.0 / sw_least(seen + 1.0, params->reference);
    line->mean += rate * error;
    line->variance += rate * (error * (line->activity - line->mean) - line->variance);
    return surprise;
}

double sw_activity_silence(const struct sw_activity_params *params, struct sw_activity *line, bool frozen,
                           double seen, double elapsed, double fired, bool *is_long)
{
    double quiet = fired == 0.0 ? line->quiet + sw_least(elapsed, 1.0) : 0.0; /* a gap is no evidence */
    line->quiet = quiet;
    *is_long = quiet > params->long_quiet * (1.0 + line->usual_quiet);
    if (!frozen)
        line->usual_quiet += (quiet - line->usual_quiet) / sw_least(seen + 1.0, params->slow);
    return quiet;
}
