/* Synaptic traces: what the encoder's spikes leave behind, over longer and longer times.

   A cascade of leaky membranes over the reconstruction of the delta code gives an evolving population the recent past
   at five time scales; two membranes of its roughness say how restless the signal is. */
#ifndef SW_TRACES_H
#define SW_TRACES_H

#include <stdint.h>

#include "pipeline/network/real.h"

enum {
    SW_CASCADE = 5,               /* membranes behind the reconstruction itself */
    SW_LEVELS_HEARD = SW_CASCADE + 1,   /* synapses of the populations that hear the traces */
    SW_PATTERN_HEARD = 3,
    SW_CHANGES_HEARD = SW_CASCADE - 1,
    SW_SYNAPSES = SW_LEVELS_HEARD + SW_PATTERN_HEARD + SW_CHANGES_HEARD
};

/* Shares a membrane forgets in one interval, and the scaling of roughness. */
struct sw_traces_params {
    sw_real step; /* of the encoder: what one spike adds to the level */
    sw_real forget[SW_CASCADE];
    sw_real forget_fast;
    sw_real forget_slow;
    sw_real rough_weight;
    sw_real rough_floor;
};

/* One line, in compressed units. */
struct sw_traces {
    sw_real level; /* the reconstruction: what the spikes so far add up to */
    sw_real trace[SW_CASCADE];
    sw_real rough[2];
};

void sw_traces_init(struct sw_traces *line);

/* Let a reading's spikes run down the cascade. What the populations hear goes to `spike_times`: where the signal is,
   now and on every time scale; slow level and roughness; how it moved between neighbouring time scales. */
void sw_traces_step(const struct sw_traces_params *params, struct sw_traces *line, sw_real seen, sw_real elapsed,
                    int64_t spikes, sw_real spike_times[SW_SYNAPSES]);

#endif
