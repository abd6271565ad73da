/* What machines of one kind have in common, so that a new one need not learn it again.

   How a kind's sensors move together, how far they usually are from what the others expect, and how rough they are
   carries over from machine to machine; where they stand does not: mounting and age shift it, so every machine learns
   its own means from its first reading on. A prior counts as many rows of experience about the former and as none
   about the latter. */
#ifndef SW_PRIOR_H
#define SW_PRIOR_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

enum { SW_PRIOR_ROWS = 2000 }; /* of experience that a prior counts as; by measurement */

/* Of n sensors, in their units. */
struct sw_prior {
    int64_t sensors;
    const sw_real *covariance; /* (n, n, SW_FEATURES, SW_FEATURES), over the features of all, sensor by sensor */
    const sw_real *residual;   /* (n,), mean square */
    const sw_real *innovation; /* (n,), mean square */
    const sw_real *spread;     /* (n, SW_MEMBRANES), as in evidence.h */
    const sw_real *energy;     /* (n,), as in evidence.h */
};

/* Let a machine that has seen nothing know that its kind is known. */
void sw_prior_begin(void *block);

/* Let a line that has seen nothing, by its number, begin with what is known of its kind's `sensor`. `others`: the
   sensors of the lines with smaller numbers, in their order; negative for one that the prior does not know. False,
   and nothing changed, for a line or a sensor that is not there. */
bool sw_prior_give(const struct sw_prior *prior, void *block, int64_t number, int64_t sensor, const int64_t *others);

#endif
