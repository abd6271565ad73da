/* Dendrite and output neuron: many rare surprises become one event.

   The dendrite of a line adds the cubes of its populations' rarities: a soft OR, moved by one very rare surprise or by
   several fair ones. The machine listens to its most surprised line, allows for the number of lines, and an output
   neuron, whose threshold jumps when it fires and then decays, turns the surprise into single events. */
#ifndef SW_OUTPUT_H
#define SW_OUTPUT_H

#include <stdint.h>

/* Times in readings of the machine's oldest line. */
struct sw_output_params {
    double warm;        /* readings of a line before it may speak */
    double lines_power; /* allowance for many lines, in decades of their number */
    double young;       /* allowance for young rank neurons, which cannot answer as high */
    double rise;        /* threshold after an event, in its size */
    double threshold;   /* time constant of the threshold's decay */
    double hold_share;  /* the threshold is held for this share of the machine's life ... */
    double hold_least;  /* ... but at least and at most so long */
    double hold_most;
};

struct sw_output {
    double threshold;
    double hold; /* intervals until the threshold begins to decay */
};

void sw_output_init(struct sw_output *machine);

/* Surprise of a machine of so many lines whose most surprised dendrite says `best`. `innate`: readings that a rank
   neuron is born with. */
double sw_output_surprise(const struct sw_output_params *params, double best, int64_t size, double oldest,
                          double innate);

/* Size of the event the output neuron makes of a row's surprise; 0 for none. */
double sw_output_step(const struct sw_output_params *params, struct sw_output *machine, double elapsed,
                      double oldest, double surprise);

#endif
