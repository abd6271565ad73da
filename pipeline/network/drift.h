/* Drift: how far has a sensor moved since commissioning, and is it still moving?

   The expectation follows ageing, and in time takes sensors that age side by side for sensors that belong together.
   So once a line has been known for a while, what the others say of it is written down as it is then: one weight for
   each of their features. From there on the line's distance from that is a *residual at commissioning*, which load
   and mode do not move, and ageing does. Two slow means of it, one slower than the other, say how far the line has
   moved (its *shift*, in its own deviations at commissioning) and that it goes on moving the same way. A lone sensor
   has nobody to tell its load: its means wander, and as far as they do, that is no drift.

   Learns nothing that a score depends on. A shut line is not listened to, so a fault is no drift. Neither is a
   reading that commissioning knows nothing of: where what the others say, to it or to most of the machine's lines, is
   outside everything they said then (a mode that was never entered), or far from where the line has got to. A line
   that is nowhere else any more, and every line of a machine whose lasting change was accepted, is commissioned anew,
   and its shift goes on from what it was.

   How the residual at commissioning leans on what the others say is kept too: where that has changed, the sensor's
   *gain* has. */
#ifndef SW_DRIFT_H
#define SW_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

struct sw_cohort;

/* Times in rows of the line, distances in deviations at commissioning. */
struct sw_drift_params {
    sw_real begin; /* rows after which what the others say of a line is written down ... */
    sw_real known; /* ... and after which its residual at commissioning is known */
    sw_real fast;  /* memory of the two slow means */
    sw_real slow;
    sw_real wider;  /* share of what the others said in all by which that may be exceeded */
    sw_real far;    /* distance from the fast mean at which a reading is not comparable ... */
    sw_real lost;   /* ... and so many of these running begin a new commissioning */
    sw_real middle; /* memory of a third mean, whose wandering says how uncertain the others are */
    sw_real shift;  /* shift from which a line may be drifting ... */
    sw_real sure;   /* ... if it is also so many times its own uncertainty ... */
    sw_real ahead;  /* ... and the fast mean is so far ahead of the slow one */
    sw_real stay;   /* share of these limits at which a drifting machine stops drifting */
    sw_real gains;  /* by which gains usually change; what is not surer than that is taken for no change */
};

/* One line, in the units of its expectation; its weights are a row of the cohort's joint matrix. */
struct sw_drift_line {
    sw_real rows;      /* that were listened to */
    sw_real reference; /* mean residual at commissioning */
    sw_real variance;  /* of the residual at commissioning */
    sw_real fast;
    sw_real slow;
    sw_real said;     /* mean of what the others say as at commissioning, of the fast mean's memory */
    sw_real swing;    /* its variance */
    sw_real joint;    /* its covariance with the residual at commissioning */
    sw_real slope;    /* of the residual over it at commissioning */
    sw_real gain;     /* before this commissioning, against the first */
    float low;        /* least that the others said at commissioning */
    float high;
    float carried;    /* shift before this commissioning, in deviations */
    float middle;
    float wander;     /* mean square of the middle mean about the fast one */
    float strays;     /* rows running that were not comparable */
};

struct sw_drift_machine {
    int64_t drifting;  /* a line of it is */
    int64_t elsewhere; /* in the newest row most of its lines heard from the others what was new */
};

void sw_drift_init_line(struct sw_drift_line *line);
void sw_drift_init_machine(struct sw_drift_machine *machine);

/* Let the line in a place of a cohort take in its reading of a complete row, unless the machine is `elsewhere`.
   Returns 1 where what the others say is new, -1 where it is not, 0 before that can be told. */
int64_t sw_drift_follow(const struct sw_drift_params *params, const struct sw_cohort *cohort, int64_t place,
                        bool elsewhere);

/* Commission a line anew; its shift goes on from what it is. */
void sw_drift_restart(const struct sw_drift_params *params, struct sw_drift_line *line);

/* How far a line has moved, in deviations at commissioning. */
sw_real sw_drift_shift(const struct sw_drift_params *params, const struct sw_drift_line *line);

/* How far it moves in a row, by the two slow means. Until these have different memories they are one and the same. */
sw_real sw_drift_pace(const struct sw_drift_params *params, const struct sw_drift_line *line);

/* Rows by which a mean of that memory lags behind what moves steadily, after so many rows. */
sw_real sw_drift_lag(sw_real rows, sw_real memory);

/* What a line shows now of a movement that the others tell, against what it showed of it when first commissioned. As
   the spread of what the others say is sure to tell; 1 for a line that nobody speaks of. */
sw_real sw_drift_gain(const struct sw_drift_params *params, const struct sw_drift_line *line);

/* Whether a line is beyond that share of the limits: far from its reference, and going farther. */
bool sw_drift_moving(const struct sw_drift_params *params, const struct sw_drift_line *line, sw_real share);

/* Variance of the fast mean against that at commissioning, as a share of the middle mean's. The variance of a mean
   falls with its length; an exponential one of memory m is as long as 2 m rows. */
sw_real sw_drift_shares(const struct sw_drift_params *params);

#endif
