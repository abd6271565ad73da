/* Operating modes: how far may a sensor be off in what the machine is doing now?

   Residuals are rough while a machine moves between modes and small while it runs steadily. Mode neurons over all
   lines (where each is, how it moves; at most eight deviations) are recruited for what is new, as in evolving.h, and keep the usual size of
   each line's residual in their mode. For each line the *other* lines choose the mode, so a fault cannot choose its
   own. */
#ifndef SW_MODES_H
#define SW_MODES_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/evolving.h"

struct sw_cohort;
struct sw_room;
struct sw_view;

enum {
    SW_MODES = 32,
    SW_PLACE = 2 /* where a line is and how it moves */
};

/* Times in rows. */
struct sw_modes_params {
    sw_real begin;       /* rows of a machine before modes are told apart */
    sw_real vigilance;   /* mean distance, in deviations, from which a state is a new mode; where it starts */
    sw_real wider;       /* the limit grows by this when all neurons are taken */
    sw_real move;        /* least learning rate of the winner's centre */
    int32_t full;        /* rows in all modes at which their use loses an eighth, see counts.h */
    sw_real size_memory; /* of the usual sizes in a mode */
    sw_real shrink;      /* rows in a mode that weigh as much as the line's overall size */
};

/* One line; sizes are squared residuals, in the line's units. */
struct sw_modes_line {
    int32_t winner;         /* mode of the newest row, as the other lines see it */
    sw_time place[SW_PLACE]; /* in parts of a deviation, as times are */
    sw_delay centre[SW_PLACE][SW_MODES];
    float rows[SW_MODES];   /* that the sizes are made of */
    float size[SW_MODES];   /* of the residual */
    float size_new[SW_MODES]; /* of the innovation */
};

struct sw_modes_machine {
    struct sw_competition competition;
    uint16_t use[SW_MODES]; /* faded rows */
    sw_real vigilance;
};

void sw_modes_init_line(struct sw_modes_line *line);
void sw_modes_init_machine(const struct sw_modes_params *params, struct sw_modes_machine *machine);

/* Where each line of a cohort is, as the cohort heard it. */
void sw_modes_locate(const struct sw_cohort *cohort, const struct sw_room *room);

/* Find each line's mode in a complete row; the population learns first, unless it is frozen. */
void sw_modes_choose(const struct sw_modes_params *params, const struct sw_view *view, bool frozen,
                     struct sw_room *room);

/* Usual squared residual in a mode that was seen in so many rows, shrunk towards the overall one. */
sw_real sw_modes_usual(const struct sw_modes_params *params, sw_real rows, sw_real size, sw_real overall);

/* Let the sizes of a line's present mode take in a row; `most`: squared size one row may teach. */
void sw_modes_learn(const struct sw_modes_params *params, struct sw_modes_line *line, sw_real gate, sw_real residual,
                    sw_real innovation, sw_real most, sw_real most_new);

#endif
