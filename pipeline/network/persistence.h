/* Persistence: a membrane over all populations before it, for what is rather strange for rather long. */
#ifndef SW_PERSISTENCE_H
#define SW_PERSISTENCE_H

struct sw_persistence_params {
    double membrane; /* time constant, readings */
    double start;    /* readings of the line before its evolving populations begin */
};

struct sw_persistence {
    double membrane; /* of the populations' mean rarity */
};

void sw_persistence_init(struct sw_persistence *line);

/* The membrane after a reading, given the rarity of so many populations; NaN before they run. */
double sw_persistence_step(const struct sw_persistence_params *params, struct sw_persistence *line, double seen,
                           const double *rarity, int populations);

#endif
