/* Activity and silence: is the signal busier, calmer, or stiller than it ever was?

   Ten send-on-delta neurons with steps that double: their spike count is a logarithm of how much the signal moves,
   whatever its unit. A membrane of that count is the activity; a run of readings without any spike is the silence
   that a stuck sensor makes. */
#ifndef SW_ACTIVITY_H
#define SW_ACTIVITY_H

#include <stdbool.h>

#include "pipeline/network/real.h"

enum { SW_STEPS = 10 };

/* Times in readings. */
struct sw_activity_params {
    sw_real smallest;   /* step of the first neuron, in mean absolute changes */
    sw_real slow;       /* memory of the mean absolute change and of the usual quiet run */
    sw_real membrane;   /* time constant of the activity */
    sw_real reference;  /* memory of its usual mean and variance */
    sw_real long_quiet; /* silence counts beyond this many usual quiet runs */
};

/* One line; values in the sensor's unit. */
struct sw_activity {
    sw_real previous;
    sw_real change;              /* mean absolute change from reading to reading */
    sw_real reference[SW_STEPS]; /* value at each neuron's last spike */
    sw_real activity;
    sw_real mean;
    sw_real variance;
    sw_real quiet;              /* usual sampling intervals since any spike */
    sw_real usual_quiet;
};

void sw_activity_init(struct sw_activity *line);

/* How many of the ten neurons spike on this reading. */
sw_real sw_activity_spikes(const struct sw_activity_params *params, struct sw_activity *line, bool frozen, sw_real seen,
                           sw_real value);

/* Distance of the activity from its usual level, in its own deviations; then that level learns. */
sw_real sw_activity_unusual(const struct sw_activity_params *params, struct sw_activity *line, bool frozen,
                            sw_real seen, sw_real elapsed, sw_real fired);

/* Length of the present quiet run in usual intervals, and whether it is long for this line; then learns. */
sw_real sw_activity_silence(const struct sw_activity_params *params, struct sw_activity *line, bool frozen,
                            sw_real seen, sw_real elapsed, sw_real fired, bool *is_long);

#endif
