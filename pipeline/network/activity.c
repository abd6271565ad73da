#include "pipeline/network/activity.h"

#include "encoders/spikes.h"
#include "pipeline/network/math.h"

void sw_activity_init(struct sw_activity *line) { *line = (struct sw_activity){0}; }

sw_real sw_activity_spikes(const struct sw_activity_params *params, struct sw_activity *line, bool frozen, sw_real seen,
                           sw_real value)
{
    if (seen == 0.0) {
        line->previous = value;
        for (int j = 0; j < SW_STEPS; j++)
            line->reference[j] = value;
    }
    sw_real change = sw_absolute(value - line->previous);
    line->previous = value;
    if (seen > 0.0 && !frozen)
        line->change += (change - line->change) / sw_least(seen, params->slow);
    sw_real step = params->smallest * line->change;
    sw_real fired = 0.0;
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

sw_real sw_activity_unusual(const struct sw_activity_params *params, struct sw_activity *line, bool frozen,
                            sw_real seen, sw_real elapsed, sw_real fired)
{
    sw_real share = sw_leak(1.0 / sw_least(seen + 1.0, params->membrane), elapsed);
    line->activity += share * (fired - line->activity);
    sw_real error = line->activity - line->mean;
    sw_real surprise = sw_absolute(error) / (sw_square_root(line->variance) + 0.05);
    if (frozen)
        return surprise;
    sw_real rate = 1.0 / sw_least(seen + 1.0, params->reference);
    line->mean += rate * error;
    line->variance += rate * (error * (line->activity - line->mean) - line->variance);
    return surprise;
}

sw_real sw_activity_silence(const struct sw_activity_params *params, struct sw_activity *line, bool frozen,
                            sw_real seen, sw_real elapsed, sw_real fired, bool *is_long)
{
    sw_real quiet = fired == 0.0 ? line->quiet + sw_least(elapsed, 1.0) : 0.0; /* a gap is no evidence */
    line->quiet = quiet;
    *is_long = quiet > params->long_quiet * (1.0 + line->usual_quiet);
    if (!frozen)
        line->usual_quiet += (quiet - line->usual_quiet) / sw_least(seen + 1.0, params->slow);
    return quiet;
}
