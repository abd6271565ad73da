/* Evolving populations: neurons are recruited for what is new and replaced when nobody needs them.

   A value arrives as spike times t. Each neuron j holds one delay d per synapse; where its delays undo the pattern of
   the input its spikes coincide and it fires early: its lateness is
       (1 - worst) mean |t - d| + worst max |t - d|.
   The first to fire inhibits the rest, so its lateness says how unlike everything known the input is. The winner
   moves its delays towards the input; an input later than the vigilance limit recruits a neuron of its own, and the
   limit is kept, by homeostasis, where a wanted share of inputs is new.

   Latency code and coincidence of delays: Hopfield (1995). Evolving spiking networks: Kasabov (2007); for streams:
   Maciag et al., OeSNN-UAD (2021). Vigilance: adaptive resonance, Carpenter and Grossberg (1987).

   Three populations of each line work this way, and the machine's condition uses the same pieces over all lines. The
   modes of a machine compete alike. Delays, times and strengths are whole numbers, see delay.h and counts.h. */
#ifndef SW_EVOLVING_H
#define SW_EVOLVING_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/counts.h"
#include "pipeline/network/delay.h"
#include "pipeline/network/traces.h"

enum {
    SW_NEURONS = 64,
    SW_LANES = 32 /* neurons that are compared side by side; divides the size of every population */
};

/* Times in cycles of the population. */
struct sw_evolving_params {
    sw_real novel;     /* wanted share of inputs that recruit */
    sw_real move;      /* least learning rate of a winner's delays */
    int32_t full;      /* wins of all neurons at which their strengths lose an eighth */
    sw_real worst;     /* weight of the latest synapse in a neuron's lateness; the mean has the rest */
    sw_real vigilance; /* where the limit starts */
    sw_real start;     /* readings of the line before its populations begin */
};

/* Who has won how often, of neurons that compete. */
struct sw_competition {
    int32_t recruited;
    int32_t winner;  /* of the newest input that was learned */
    uint32_t wins;   /* sum of all strengths */
    uint32_t inputs; /* that were learned, from 0 again after the largest number */
};

/* A population but for its delays. */
struct sw_evolving {
    struct sw_competition competition;
    uint16_t strength[SW_NEURONS]; /* faded wins, see counts.h */
    sw_real vigilance;
};

/* Room for one cycle; nothing in it outlives the cycle. */
struct sw_evolving_room {
    sw_sum total[SW_NEURONS];   /* mismatch of all synapses of a neuron ... */
    sw_late latest[SW_NEURONS]; /* ... and the largest */
};

/* Weights of the mean and the latest mismatch in a lateness, as whole numbers, for so many synapses. */
struct sw_shares {
    sw_sum total;  /* of the sum of all mismatches ... */
    sw_sum latest; /* ... and of the largest ... */
    sw_real unit;  /* ... and what makes compressed units of both */
};

/* What an input teaches. */
struct sw_lesson {
    int32_t neuron;
    int32_t rate;  /* in parts of SW_WHOLE */
    uint32_t dice; /* another number for every lesson */
};

void sw_evolving_init(const struct sw_evolving_params *params, struct sw_evolving *population);

/* Add the mismatch of one synapse of every neuron to the total, and keep the largest. */
void sw_evolving_hear(sw_time time, const sw_delay *delays, int32_t neurons, struct sw_evolving_room *room);

struct sw_shares sw_evolving_shares(const struct sw_evolving_params *params, int64_t synapses);

/* Lateness of a neuron that has been heard, in compressed units. */
sw_real sw_evolving_lateness(const struct sw_shares *shares, const struct sw_evolving_room *room, int32_t neuron);

/* The vigilance limit after an input that was novel or not; homeostasis, faster while young. */
sw_real sw_evolving_surprise_limit(const struct sw_evolving_params *params, sw_real limit, sw_real cycle, bool novel);

/* Who of so many neurons learns an input that `winner` is nearest to; a novel one recruits another, or takes the place
   of the weakest. `full`: wins at which strengths fade; `move`: least rate of a winner. */
struct sw_lesson sw_competition_settle(struct sw_competition *competition, uint16_t *strength, int32_t neurons,
                                       int32_t winner, bool novel, int32_t full, sw_real move);

/* A delay after a lesson: moved towards the time. `synapse`: each of a neuron is rounded for itself. */
sw_delay sw_lesson_moved(const struct sw_lesson *lesson, sw_delay delay, sw_time time, uint32_t synapse);

/* One cycle of a line's population: lateness of the first neuron to fire; then somebody learns, unless the line is
   frozen. `delays` (synapses, SW_NEURONS), of 3, 4 or 6 synapses. NaN while the population is too young to be
   asked. */
sw_real sw_evolving_step(const struct sw_evolving_params *params, struct sw_evolving *population, sw_delay *delays,
                         int synapses, bool frozen, sw_real seen, const sw_real *spike_times);

#endif
