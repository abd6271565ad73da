#include "encoders/rate.h"

#include "encoders/spikes.h"
#include "pipeline/network/math.h"

void sw_rate_init(struct sw_rate *line) { *line = (struct sw_rate){0}; }

bool sw_rate_declare(struct sw_rate *line, sw_real low, sw_real high)
{
    if (!(low < high))
        return false;
    line->low = low;
    line->high = high;
    line->declared = 1;
    return true;
}

void sw_rate_follow(const struct sw_rate_params *params, struct sw_rate *line, bool frozen, sw_real elapsed,
                    sw_real value)
{
    sw_real seen = line->seen;
    line->seen = seen + 1.0;
    if (!line->declared) {
        if (seen == 0.0) {
            line->low = line->high = value;
        } else if (!frozen) {
            line->low = sw_least(line->low, value);
            line->high = sw_most(line->high, value);
        }
    }
    for (int m = 0; m < SW_RATE_MEMBRANES; m++) {
        sw_real share = sw_leak(1.0 / sw_least(seen + 1.0, params->membranes[m]), elapsed);
        line->membrane[m] += share * (value - line->membrane[m]);
    }
}

sw_real sw_rate_place(const struct sw_rate *line, int membrane)
{
    sw_real width = line->high - line->low;
    if (width <= 0.0)
        return 0.5 * (SW_FIELDS - 1); /* nothing known about the range yet: the middle */
    sw_real share = sw_least(sw_most((line->membrane[membrane] - line->low) / width, 0.0), 1.0);
    return share * (SW_FIELDS - 1);
}

int sw_rate_field(sw_real place)
{
    int lower = (int)place;
    return lower < SW_FIELDS - 2 ? lower : SW_FIELDS - 2;
}

void sw_rate_step(const struct sw_rate_params *params, struct sw_rate *line, bool frozen, sw_real elapsed,
                  sw_real value, int64_t spikes[SW_FIELDS])
{
    sw_rate_follow(params, line, frozen, elapsed, value);
    sw_real here = sw_rate_place(line, 0);
    int first = sw_rate_field(here);
    sw_real nearness = here - (sw_real)first;
    for (int field = 0; field < SW_FIELDS; field++)
        spikes[field] = 0;
    for (int side = 0; side < 2; side++) {
        sw_real rate = side == 0 ? 1.0 - nearness : nearness;
        sw_real phase = line->phase[first + side] + rate * params->spikes_per_reading;
        spikes[first + side] = (int64_t)phase;
        line->phase[first + side] = phase - (sw_real)spikes[first + side];
    }
}
