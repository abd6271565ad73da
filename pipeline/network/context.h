/* Context: does this level follow from those before it?

   The other populations of a line ask what is new; this one learns *order*. A population rate code on three membranes
   says where the line is; axons with delays bring the same fields from some readings ago, and synapses between
   delayed and present fields learn which follows which. Each of the four units is surprised as far as the present
   fields were not predicted; their common surprise, on three membranes, is what the dendrite hears, so a course that
   was never seen counts more than a single odd step.

   The weights are a large part of a line's memory, so a block has them only if a dendrite hears them. Delays count
   readings, membranes elapsed time.

   Hebbian (outstar) learning of the next pattern: Grossberg, "Some networks that can learn, remember, and reproduce
   any number of complicated space-time patterns", J. Math. Mech. 19 (1969). */
#ifndef SW_CONTEXT_H
#define SW_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "encoders/rate.h"
#include "pipeline/network/rank.h"

enum {
    SW_REACH = 32,   /* longest axonal delay, readings */
    SW_UNITS_OF_CONTEXT = 4,
    SW_READOUTS = 3  /* membranes of the common surprise, each a population of the dendrite */
};

struct sw_context_params {
    struct sw_rate_params code;
    sw_real least_rate;                            /* learning rate of a field that has fired often */
    sw_real floor;                                 /* probability at which surprise ends */
    sw_real readouts[SW_READOUTS];                 /* time constants, usual sampling intervals */
    sw_real innate[SW_UNITS_OF_CONTEXT][SW_BINS];  /* counts a unit's rank neuron is born with */
};

/* One line. */
struct sw_context {
    struct sw_rate code;
    sw_real membrane[SW_READOUTS];                          /* of the units' mean rarity */
    float places[SW_RATE_MEMBRANES][SW_REACH];              /* the axons: places among the fields, a ring */
    float weights[SW_UNITS_OF_CONTEXT][SW_FIELDS][SW_FIELDS]; /* from delayed to present fields */
    float fired[SW_UNITS_OF_CONTEXT][SW_FIELDS];            /* how often a delayed field fired: it slows learning */
    uint16_t units[SW_UNITS_OF_CONTEXT][SW_BINS];           /* rank neurons of the units ... */
    uint16_t tails[SW_READOUTS][SW_BINS];                   /* ... and of what the dendrite hears */
    float rarity[SW_READOUTS];                              /* -log10 p in the open or newest row */
    uint32_t spare;                                         /* so that there are no hidden bytes */
};

/* Begin; `innate`: counts that the rank neurons of what the dendrite hears are born with. */
void sw_context_init(const struct sw_context_params *params, const struct sw_rank_params *ranks,
                     const sw_real innate[SW_READOUTS][SW_BINS], struct sw_context *line);

/* A reading's membranes of the common surprise; NaN before all units run. */
void sw_context_step(const struct sw_context_params *params, const struct sw_rank_params *ranks,
                     struct sw_context *line, bool frozen, sw_real elapsed, sw_real value,
                     sw_real surprise[SW_READOUTS]);

/* Spikes that travelled for a reading of a line that had seen so many before: two fields for each unit that ran. */
int64_t sw_context_travelled(sw_real seen);

#endif
