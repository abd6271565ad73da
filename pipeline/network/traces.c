#include "pipeline/network/traces.h"

#include "encoders/spikes.h"
#include "pipeline/network/math.h"

void sw_traces_init(struct sw_traces *line) { *line = (struct sw_traces){0}; }

void sw_traces_step(const struct sw_traces_params *params, struct sw_traces *line, sw_real seen, sw_real elapsed,
                    int64_t spikes, sw_real spike_times[SW_SYNAPSES])
{
    sw_real youth = 1.0 / (seen + 1.0);
    sw_real *levels = spike_times, *pattern = levels + SW_LEVELS_HEARD, *changes = pattern + SW_PATTERN_HEARD;
    line->level += (sw_real)spikes * params->step;
    sw_real before = line->level;
    levels[0] = before;
    for (int k = 0; k < SW_CASCADE; k++) {
        line->trace[k] += sw_most(sw_leak(params->forget[k], elapsed), youth) * (before - line->trace[k]);
        if (k < SW_CHANGES_HEARD)
            changes[k] = before - line->trace[k];
        before = line->trace[k];
        levels[k + 1] = before;
    }
    sw_real jump = sw_absolute(line->level - line->trace[1]);
    line->rough[0] += sw_most(sw_leak(params->forget_fast, elapsed), youth) * (jump - line->rough[0]);
    line->rough[1] += sw_most(sw_leak(params->forget_slow, elapsed), youth) * (jump - line->rough[1]);
    pattern[0] = line->trace[3];
    pattern[1] = params->rough_weight * sw_log(line->rough[0] + params->rough_floor);
    pattern[2] = params->rough_weight * sw_log(line->rough[1] + params->rough_floor);
}
