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

/* Sizes relative to the line's own unit, memories in readings, speeds per usual interval; see `Params` in delta.py. */
struct sw_delta_params {
    double step;
    double squash;
    double scale_intervals;
    double scale_cap;
    double walk;
    double walk_early;
    double coarse;
    double coarse_declared;
    double range_intervals;
};

/* One line; values in the sensor's unit unless said otherwise. */
struct sw_delta {
    double seen;       /* readings so far */
    double baseline;   /* slow running median */
    double scale;      /* mean distance from the baseline, capped */
    double low;        /* leaky learned range, or the declared one */
    double high;
    int64_t declared;  /* the range is */
    double compressed; /* what the spikes so far add up to, in compressed units */
};

void sw_delta_init(struct sw_delta *line);

/* Tell a line the range of its sensor, as a data sheet does; false, and nothing changed, unless low < high. */
bool sw_delta_declare(struct sw_delta *line, double low, double high);

/* Signed number of spikes one reading causes; learns from it unless the line is frozen. */
int64_t sw_delta_step(const struct sw_delta_params *params, struct sw_delta *line, bool frozen, double elapsed,
                      double value);

#endif
