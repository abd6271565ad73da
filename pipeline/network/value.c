#include "pipeline/network/value.h"

#include "pipeline/network/math.h"

#define OVERFLOW_SURPRISE 20.0 /* of leaving the range by its own width */

void sw_value_init(struct sw_value *line) { *line = (struct sw_value){0}; }

sw_real sw_value_deviation(sw_real variance, sw_real mean)
{
    return sw_square_root(variance) + 1e-6 * sw_absolute(mean) + 1e-12;
}

sw_real sw_value_overflow(struct sw_value *line, bool frozen, sw_real seen, sw_real value)
{
    if (seen == 0.0)
        line->low = line->high = value;
    sw_real low = line->low, high = line->high;
    sw_real outside = sw_most(sw_most(value - high, low - value), 0.0);
    if (!frozen) {
        line->low = sw_least(low, value);
        line->high = sw_most(high, value);
    }
    if (outside <= 0.0)
        return 0.0;
    return high > low ? OVERFLOW_SURPRISE * outside / (high - low) : OVERFLOW_SURPRISE;
}

sw_real sw_value_distance(const struct sw_value_params *params, struct sw_value *line, bool frozen, sw_real seen,
                          sw_real value)
{
    if (seen == 0.0)
        line->mean = value;
    sw_real mean = line->mean;
    sw_real sigmas = (value - mean) / sw_value_deviation(line->variance, mean);
    if (frozen)
        return sigmas;
    sw_real rate = 1.0 / sw_least(seen + 1.0, params->slow);
    sw_real error = value - mean;
    line->mean = mean + rate * error;
    if (seen > 0.0)
        line->variance += rate * (error * (value - line->mean) - line->variance);
    return sigmas;
}
