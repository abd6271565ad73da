/* Synaptic traces: what the encoder's spikes leave behind, over longer and longer times.

   A cascade of leaky membranes over the reconstruction of the delta code gives an evolving population the recent past
   at five time scales; two membranes of its roughness say how restless the signal is. */
#ifndef SW_TRACES_H
#define SW_TRACES_H

#include <stdint.h>

enum {
    SW_CASCADE = 5,               /* membranes behind the reconstruction itself */
    SW_LEVELS_HEARD = SW_CASCADE + 1,   /* synapses of the populations that hear the traces */
    SW_PATTERN_HEARD = 3,
    SW_CHANGES_HEARD = SW_CASCADE - 1,
    SW_SYNAPSES = SW_LEVELS_HEARD + SW_PATTERN_HEARD + SW_CHANGES_HEARD
};

/* Shares a membrane forgets in one interval, and the scaling of roughness. */
struct sw_traces_params {
    double step; /* of the encoder: what one spike adds to the level */
    double forget[SW_CASCADE];
    double forget_fast;
    double forget_slow;
    double rough_weight;
    double rough_floor;
};

/* One line, in compressed units. */
struct sw_traces {
    double level; /* the reconstruction: what the spikes so far add up to */
    double trace[SW_CASCADE];
    double rough[2];
};

void sw_traces_init(struct sw_traces *line);

/* Let a reading's spikes run down the cascade. What the populations hear goes to `spike_times`: where the signal is,
   now and on every time scale; slow level and roughness; how it moved between neighbouring time scales. */
void sw_traces_step(const struct sw_traces_params *params, struct sw_traces *line, double seen, double elapsed,
                    int64_t spikes, double spike_times[SW_SYNAPSES]);

#endif
