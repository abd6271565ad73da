/* Dendrite and output neuron: many rare surprises become one event.

   The dendrite of a line adds the cubes of its populations' rarities: a soft OR, moved by one very rare surprise or by
   several fair ones. The machine listens to its most surprised line, allows for the number of lines, and an output
   neuron, whose threshold jumps when it fires and then decays, turns the surprise into single events. */
#ifndef SW_OUTPUT_H
#define SW_OUTPUT_H

#include <stdint.h>

#include "pipeline/network/real.h"

/* Times in readings of the machine's oldest line. */
struct sw_output_params {
    sw_real warm;        /* readings of a line before it may speak */
    sw_real lines_power; /* allowance for many lines, in decades of their number */
    sw_real young;       /* allowance for young rank neurons, which cannot answer as high */
    sw_real rise;        /* threshold after an event, in its size */
    sw_real threshold;   /* time constant of the threshold's decay */
    sw_real hold_share;  /* the threshold is held for this share of the machine's life ... */
    sw_real hold_least;  /* ... but at least and at most so long */
    sw_real hold_most;
};

struct sw_output {
    sw_real threshold;
    sw_real hold; /* intervals until the threshold begins to decay */
};

void sw_output_init(struct sw_output *machine);

/* Surprise of a machine of so many lines whose most surprised dendrite says `best`. `innate`: readings that a rank
   neuron is born with. */
sw_real sw_output_surprise(const struct sw_output_params *params, sw_real best, int64_t size, sw_real oldest,
                           sw_real innate);

/* Size of the event the output neuron makes of a row's surprise; 0 for none. */
sw_real sw_output_step(const struct sw_output_params *params, struct sw_output *machine, sw_real elapsed,
                       sw_real oldest, sw_real surprise);

#endif
