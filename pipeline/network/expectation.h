/* Expectation: where should a sensor be, given what the machine's other sensors say?

   Load, mode and shared process move all sensors of a machine, a fault moves one. So every line keeps its value and
   two traces of it, each machine one slowly leaking covariance over them, and the inverse of that covariance gives
   each line's *residual* (value minus what all other lines expect, its own past left out) and its *innovation* (the
   same with its own past let in, which is sharp for what comes suddenly). A least-squares relative of the delta-rule
   coupling, without a learning rate.

   Lines that are missing, or shut because they are in alarm, are replaced by what the others expect, so a fault
   neither spreads to its neighbours nor is learned. A reading far outside its expectation is doubted: the worst
   first, and the others are asked again without it, so that one culprit is not taken for many (a greedy robust
   regression).

   Lines are joined in cohorts, in order of their first readings, which bounds memory and time. Conditional Gaussian
   through the precision matrix: Lauritzen, "Graphical Models" (1996), ch. 5. Adding a replaced value's own variance
   to the covariance: the E step for missing data of Dempster, Laird, Rubin (1977).

   Covariance and precision are kept as floats and used as doubles. Three things are done in floats, as their results
   are no better known: the square roots of variances, and the elimination of a line's own block of the precision. */
#ifndef SW_EXPECTATION_H
#define SW_EXPECTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

struct sw_cohort;
struct sw_params;
struct sw_room;
struct sw_joint_room;

enum {
    SW_COHORT = 16,                        /* lines that expect each other */
    SW_FEATURES = 3,                       /* of a line: its value and two traces */
    SW_JOINT = SW_COHORT * SW_FEATURES     /* features of a cohort */
};

/* Times in rows, forgetting in shares per usual interval. */
struct sw_expectation_params {
    sw_real forget[SW_FEATURES]; /* of the features; the value has no memory */
    sw_real memory;              /* of means and covariance */
    sw_real ridge;               /* on the diagonal of the correlations */
    sw_real ridge_young;         /* times (features / rows)^2, against chance correlations */
    sw_real begin;               /* rows before a line joins the others' expectation */
    int64_t renew;               /* rows between two inversions */
    sw_real doubt;               /* usual residuals from which a reading is doubted */
    sw_real teach;               /* usual residuals a doubted reading may teach at most */
    sw_real reach;               /* deviations a line may be expected to lie off its mean, and a reading off it teach */
    sw_real beyond;              /* share of what a line has shown by which its expectation may lie outside of it */
    sw_real been;                /* mean squared deviation of the others from which they are where they never were */
    sw_real alike;               /* rows running that say the same, as to that */
    sw_real price;               /* squared usual residuals that blaming one more line must explain */
    sw_real farthest;            /* squared usual residuals that one line counts for at most in that */
};

/* One line. Features and what is made of them are in `unit`s, relative to `offset`. */
struct sw_expectation {
    sw_real value;             /* newest reading, in the sensor's unit; of a counter, its pace */
    sw_real elapsed;           /* usual intervals before it */
    sw_real offset;            /* first reading */
    sw_real unit;              /* power of two below the first movement; 0 before one */
    sw_real own;               /* rows learned from */
    sw_real given;             /* of these, that its kind's prior counts as; they say nothing about its mean */
    sw_real settled;           /* rows that its mean is known from; few when a change has been accepted */
    sw_real used[SW_FEATURES]; /* features as the others hear them */
    sw_real real[SW_FEATURES]; /* features as they were read */
    sw_real mean[SW_FEATURES];
    sw_real variance;         /* of the value */
    sw_real low;              /* least and greatest value shown; one glitch widens what was shown by `beyond` at most */
    sw_real high;
    sw_real gain[SW_FEATURES]; /* from the precision-weighted deviation to the residual */
    sw_real residual;          /* against the others; 0 of a line that was not judged in the newest row */
    sw_real innovation;        /* against the others and the line's own past */
};

void sw_expectation_init(struct sw_expectation *line);

/* Keep a reading for the row that is open; the first movement of a line sets its unit. */
void sw_expectation_follow(struct sw_expectation *line, sw_real seen, sw_real elapsed, sw_real value);

/* The newest reading in the line's units, relative to its first; 0 for one that has never moved. */
sw_real sw_expectation_place(const struct sw_expectation *line);

/* The line's value as the others hear it, in the sensor's unit. */
sw_real sw_expectation_heard(const struct sw_expectation *line);

/* A line that was not listened to has been off by as much as it is now all the time. */
void sw_expectation_believe(struct sw_expectation *line);

/* A variance of the sensor in the line's units; 0 for one that has never moved. */
sw_real sw_expectation_in_units(const struct sw_expectation *line, sw_real variance);

/* Residual and innovation of each line of the cohort in a complete row. Lines with fewer than `evidence.settle` rows
   are not doubted. `elapsed`: usual intervals since the machine's previous row. The rows of a frozen machine do not
   make it older. */
void sw_expectation_predict(const struct sw_params *params, const struct sw_cohort *cohort, bool frozen,
                            sw_real elapsed, struct sw_room *room);

/* Let traces, means and covariance take in the row as the cohort heard it, doubted readings within limits. In a
   frozen machine the traces alone go on. */
void sw_expectation_learn(const struct sw_expectation_params *params, const struct sw_cohort *cohort, bool frozen,
                          struct sw_room *room);

/* Place in the cohort of the line with a level above `least` that explains this row better than all shut ones; -1
   for none. Lines that depend on each other all leave their expectation when one of them breaks, and the first to be
   noticed need not be the broken one. */
int64_t sw_expectation_culprit(const struct sw_expectation_params *params, const struct sw_cohort *cohort,
                               sw_real least, struct sw_room *room);

/* Invert the cohort's covariance, in units of its own deviations; lines too young stay out. */
void sw_expectation_renew(const struct sw_params *params, const struct sw_cohort *cohort, struct sw_room *room);

/* Inverse of the symmetric matrix in the lower triangle of the room's, which is used up; false if not definite.
   Cholesky in a fixed order, so that every machine computes the same bits: Golub, Van Loan, "Matrix Computations". */
bool sw_expectation_invert(const struct sw_joint_room *joint, int64_t size);

#endif
