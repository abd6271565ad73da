/* Persistence: a membrane over all populations before it, for what is rather strange for rather long. */
#ifndef SW_PERSISTENCE_H
#define SW_PERSISTENCE_H

#include "pipeline/network/real.h"

struct sw_persistence_params {
    sw_real membrane; /* time constant, readings */
    sw_real start;    /* readings of the line before its evolving populations begin */
};

struct sw_persistence {
    sw_real membrane; /* of the populations' mean rarity */
};

void sw_persistence_init(struct sw_persistence *line);

/* The membrane after a reading, given the rarity of so many populations; NaN before they run. */
sw_real sw_persistence_step(const struct sw_persistence_params *params, struct sw_persistence *line, sw_real seen,
                            const sw_real *rarity, int populations);

#endif
