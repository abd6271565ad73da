/* Wear: how far has which sensor of a machine moved since commissioning, and how sure is that?

   What all others say of a sensor tells load from ageing, but they age too: by drift.h, a sensor also moves when
   those it is held against do. Here all sensors of a cohort are asked at once. Each keeps the mean of what it read at
   commissioning and the mean of late, of the same rows. The difference has two parts: every sensor's own movement,
   independent of the others', and the machine having been loaded differently, which moves sensors together, as they
   have moved together all along. The first is Gaussian with one size for the whole cohort, the second has the
   cohort's covariance, shrunk by the length of the means; so the most probable movement of each, and its uncertainty,
   follow from one inverse (a ridge regression whose size is fitted to what is found: empirical Bayes, as in MacKay,
   "Bayesian interpolation", 1992). A movement that only looks like another load is taken for one. The pace follows in
   the same way from two means of different memories, and is drawn towards what the sensor has done so far.

   Learns nothing that a score depends on; takes no row that drift.h does not find comparable with commissioning. */
#ifndef SW_WEAR_H
#define SW_WEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

struct sw_cohort;
struct sw_drift_params;
struct sw_params;
struct sw_room;

/* Times in rows, distances in deviations at commissioning. From judgement. */
struct sw_wear_params {
    sw_real usual; /* a sensor moves by so much ... */
    sw_real life;  /* ... in so many rows, before anything is known ... */
    sw_real trust; /* ... and so many lines must say otherwise to be believed as much */
    sw_real bend;  /* share of its mean pace so far by which a sensor's pace may usually have changed */
    sw_real doubt; /* times the variance of the pace, as mean pace and trend rest on the same late mean; measured */
};

/* One line; what was heard, in units of the line as in expectation.h. */
struct sw_wear {
    sw_real rows;    /* that were taken in since the newest commissioning began */
    sw_real past;    /* and before that, since the first was complete */
    sw_real then;    /* mean at commissioning */
    sw_real now;     /* mean of late */
    sw_real before;  /* a slower one */
    sw_real middle;  /* a faster one */
    sw_real wander;  /* mean square of the faster one about the mean of late */
    sw_real carried; /* movement before the newest commissioning */
    int64_t told_ns; /* time of the row with which this was last told */
};

/* What `measure` says of a line. Movements in the sensor's own unit, pace per row. */
struct sw_wear_measured {
    sw_real known;      /* share of commissioning that is done; before 1 the others are NaN, but `usual_ns` */
    sw_real deviation;  /* what the others left unexplained at commissioning */
    sw_real mean;       /* reading at commissioning */
    sw_real moved;      /* since then, as of so many rows ago: */
    sw_real lag;
    sw_real moved_error; /* one standard deviation */
    sw_real pace;
    sw_real pace_error;
    sw_real gain;       /* against commissioning; NaN for a sensor that nobody speaks of */
    sw_real usual_ns;   /* sampling interval; not for `measure` to say */
};

void sw_wear_init(struct sw_wear *line);

/* Take in what was heard of a line in a complete row. */
void sw_wear_follow(const struct sw_drift_params *params, struct sw_wear *line, sw_real heard);

/* Commission a line anew; its movement goes on from what it is. */
void sw_wear_restart(const struct sw_drift_params *params, struct sw_wear *line);

/* Whether a line is to be told of with this row: it is commissioned, and was not told of for so long. */
bool sw_wear_due(const struct sw_drift_params *params, struct sw_wear *line, int64_t time_ns, int64_t every_ns);

/* Say what is known of the cohort's lines in the places from `begin` until `end`, one after the other. */
void sw_wear_measure(const struct sw_params *params, const struct sw_cohort *cohort, int64_t begin, int64_t end,
                     struct sw_room *room, struct sw_wear_measured *out);

#endif
