/* Send-on-delta with an adaptive step: spikes when a value has moved.

   A line follows its own baseline b and its own noise scale s, expresses the value in the unit
       u = s + coarse (high - low),
   compresses it, y = squash ln(1 + |x - b| / u / squash) with the sign of x - b, and sends one ON (or OFF) spike for
   every `step` that y has moved since the last spike. The sum of spikes times the step is its reconstruction.

   Miskowicz, "Send-on-delta concept: an event-based data reporting strategy", Sensors 6 (2006). */
#ifndef SW_DELTA_H
#define SW_DELTA_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

/* Sizes relative to the line's own unit, memories in readings, speeds per usual interval; see `Params` in delta.py. */
struct sw_delta_params {
    sw_real step;
    sw_real squash;
    sw_real scale_intervals;
    sw_real scale_cap;
    sw_real walk;
    sw_real walk_early;
    sw_real coarse;
    sw_real coarse_declared;
    sw_real range_intervals;
};

/* One line; values in the sensor's unit unless said otherwise. */
struct sw_delta {
    sw_real seen;      /* readings so far */
    sw_real baseline;  /* slow running median */
    sw_real scale;     /* mean distance from the baseline, capped */
    sw_real low;       /* leaky learned range, or the declared one */
    sw_real high;
    int64_t declared;   /* the range is */
    sw_real compressed; /* what the spikes so far add up to, in compressed units */
};

void sw_delta_init(struct sw_delta *line);

/* Tell a line the range of its sensor, as a data sheet does; false, and nothing changed, unless low < high. */
bool sw_delta_declare(struct sw_delta *line, sw_real low, sw_real high);

/* Signed number of spikes one reading causes; learns from it unless the line is frozen. */
int64_t sw_delta_step(const struct sw_delta_params *params, struct sw_delta *line, bool frozen, sw_real elapsed,
                      sw_real value);

#endif
