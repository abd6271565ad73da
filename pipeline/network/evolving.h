/* Evolving populations: neurons are recruited for what is new and replaced when nobody needs them.

   A value arrives as spike times t. Each neuron j holds one delay d per synapse; where its delays undo the pattern of
   the input its spikes coincide and it fires early: its lateness is
       (1 - worst) mean |t - d| + worst max |t - d|.
   The first to fire inhibits the rest, so its lateness says how unlike everything known the input is. The winner
   moves its delays towards the input; an input later than the vigilance limit recruits a neuron of its own, and the
   limit is kept, by homeostasis, where a wanted share of inputs is new.

   Latency code and coincidence of delays: Hopfield (1995). Evolving spiking networks: Kasabov (2007); for streams:
   Maciag et al., OeSNN-UAD (2021). Vigilance: adaptive resonance, Carpenter and Grossberg (1987).

   Three populations of each line work this way, and the machine's condition uses the same pieces over all lines.
   Delays and what is compared with them are floats; every step that learns is done in doubles and then rounded. Delays
   may have fewer bits, see delay.h. */
#ifndef SW_EVOLVING_H
#define SW_EVOLVING_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/delay.h"
#include "pipeline/network/traces.h"

enum {
    SW_NEURONS = 64,
    SW_LANES = 16 /* neurons that are compared side by side; divides the size of every population */
};

/* Times in cycles of the population. */
struct sw_evolving_params {
    sw_real novel;     /* wanted share of inputs that recruit */
    sw_real move;      /* least learning rate of a winner's delays */
    sw_real memory;    /* strength of an unused neuron fades with this time constant */
    sw_real worst;     /* weight of the latest synapse in a neuron's lateness; the mean has the rest */
    sw_real vigilance; /* where the limit starts */
    sw_real start;     /* readings of the line before its populations begin */
};

/* A population but for its delays. */
struct sw_evolving {
    float strength[SW_NEURONS]; /* ln(faded wins) + last win / memory: order needs no fading */
    int64_t recruited;
    sw_real vigilance;
};

/* Room for one cycle; nothing in it outlives the cycle. */
struct sw_evolving_room {
    float total[SW_NEURONS]; /* mismatch of all synapses of a neuron, then its lateness */
    float latest[SW_NEURONS];
};

void sw_evolving_init(const struct sw_evolving_params *params, struct sw_evolving *population);

/* Add the mismatch of one synapse of every neuron to the total, and keep the largest. */
void sw_evolving_hear(sw_real spike_time, const sw_delay *delays, int64_t neurons, struct sw_evolving_room *room);

/* Lateness and number of the first neuron to fire, 0 and -1 if there is none; leaves lateness in the total. */
sw_real sw_evolving_fire(const struct sw_evolving_params *params, int64_t synapses, int64_t neurons,
                         struct sw_evolving_room *room, int64_t *winner);

/* The vigilance limit after an input that was novel or not; homeostasis, faster while young. */
sw_real sw_evolving_surprise_limit(const struct sw_evolving_params *params, sw_real limit, sw_real cycle, bool novel);

/* Which neuron learns this input and at which rate; a novel one takes its place. Keeps strengths. */
int64_t sw_evolving_settle(const struct sw_evolving_params *params, float *strength, int64_t neurons,
                           int64_t recruited, int64_t winner, bool novel, sw_real cycle, sw_real *rate);

/* By which a delay is rounded in a cycle: another number for each synapse of a winner. */
uint32_t sw_evolving_dice(sw_real cycle, int64_t synapse);

/* A delay after an input: moved towards it, or made for it; `dice` as of `sw_evolving_dice`. */
sw_delay sw_evolving_moved(sw_delay delay, sw_real spike_time, sw_real rate, bool novel, uint32_t dice);

/* One cycle of a line's population: lateness of the first neuron to fire; then somebody learns, unless the line is
   frozen. `delays` (synapses, SW_NEURONS), of 3, 4 or 6 synapses. NaN while the population is too young to be
   asked. */
sw_real sw_evolving_step(const struct sw_evolving_params *params, struct sw_evolving *population, sw_delay *delays,
                         int synapses, bool frozen, sw_real seen, const sw_real *spike_times);

#endif
