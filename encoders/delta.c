#include "encoders/delta.h"

#include "pipeline/network/math.h"

void sw_delta_init(struct sw_delta *line) { *line = (struct sw_delta){0}; }

bool sw_delta_declare(struct sw_delta *line, sw_real low, sw_real high)
{
    if (!(low < high))
        return false;
    line->low = low;
    line->high = high;
    line->declared = 1;
    return true;
}

/* The unit is what was known before this reading, so that a jump is measured with the old ruler. */
static sw_real compress(const struct sw_delta_params *params, const struct sw_delta *line, sw_real value)
{
    sw_real distance = sw_absolute(value - line->baseline);
    sw_real share = line->declared ? params->coarse_declared : params->coarse;
    sw_real unit = line->scale + share * (line->high - line->low);
    if (unit <= 0.0)
        unit = distance > 0.0 ? distance : 1.0;
    sw_real units = sw_least(distance / unit / params->squash, SW_REAL_MOST); /* so that spikes can be counted */
    return sw_with_sign(params->squash * sw_log1p(units), value - line->baseline);
}

static void learn(const struct sw_delta_params *params, struct sw_delta *line, sw_real seen, sw_real elapsed,
                  sw_real value)
{
    sw_real baseline = line->baseline;
    sw_real scale = line->scale;
    sw_real distance = sw_absolute(value - baseline);
    if (!line->declared) {
        line->low = sw_least(line->low + (baseline - line->low) / params->range_intervals, value);
        line->high = sw_most(line->high - (line->high - baseline) / params->range_intervals, value);
    }
    sw_real capped = seen > 50.0 && scale > 0.0 ? sw_least(distance, params->scale_cap * scale) : distance;
    scale += sw_most(1.0 / (seen + 1.0), 1.0 / params->scale_intervals) * (capped - scale);
    line->scale = scale;
    /* The baseline walks towards the value with a speed limit: a running median that drift leads, a fault cannot. */
    sw_real reach = (seen > 100.0 ? params->walk : params->walk_early) * scale * elapsed;
    line->baseline = value > baseline ? sw_least(baseline + reach, value) : sw_most(baseline - reach, value);
}

int64_t sw_delta_step(const struct sw_delta_params *params, struct sw_delta *line, bool frozen, sw_real elapsed,
                      sw_real value)
{
    sw_real seen = line->seen;
    line->seen = seen + 1.0;
    if (seen == 0.0) {
        line->baseline = value;
        if (!line->declared)
            line->low = line->high = value;
    }
    sw_real compressed = compress(params, line, value);
    if (!frozen)
        learn(params, line, seen, elapsed, value);
    if (seen == 0.0) {
        line->compressed = compressed;
        return 0;
    }
    sw_real moved = compressed - line->compressed;
    int64_t spikes = (int64_t)(sw_absolute(moved) / params->step);
    if (moved < 0.0)
        spikes = -spikes;
    line->compressed += (sw_real)spikes * params->step;
    return spikes;
}
