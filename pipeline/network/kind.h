/* Kind: what does a line do, and so, what of it is held against the others?

   Most lines are their value. A *counter* (a total, running hours) goes one way, but for its resets: how high it is
   says nothing, how fast it goes says all. So from the reading on with which it has proved to be one (resolution.h),
   it begins anew as another signal, its *pace*: what it gains in a usual interval, averaged over some of its usual
   waits from one step to the next. So one that counts with every reading is known at once, one that counts once an
   hour after hours. A step against its way is a roll-over, a reset or a new meter, and says nothing of its pace.

     pace -> gained / elapsed by leak(1 / smooth, elapsed),  smooth = waits x wait,  wait a running median

   A *discrete* line (a state, a code, a switch) shows few values: one neuron for each that it has shown, up to
   SW_FEW; a line that shows more is none. A move is an observation, and a hold none. A value without a neuron on a
   line that has made many moves since its newest value, and twice as many as before that, is *unseen*: it is odd for
   as long as it lasts, not only when it comes. (The chance of an unseen value falls as the inverse of the moves
   without one: Good, "The population frequencies of species", Biometrika 1953.) A few readings must agree, so that
   one glitch is an event and no more. Recurrence makes familiar: when it comes the third time it gets a neuron. */
#ifndef SW_KIND_H
#define SW_KIND_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

enum { SW_FEW = 24 }; /* values that a discrete line shows at most */

struct sw_kind_params {
    sw_real waits;  /* usual waits that a pace is averaged over */
    sw_real visits; /* moves since a line's newest value after which another is unseen */
    sw_real stay;   /* readings that an unseen value must stay for, as a time constant */
    sw_real again;  /* unseen values after which the next one is learned */
};

/* One line. */
struct sw_kind {
    sw_real value;   /* newest reading, in the sensor's unit */
    int64_t counts;  /* it is a counter */
    sw_real begun;   /* readings before it began anew as another kind */
    sw_real pace;    /* of a counter, per usual interval */
    sw_real wait;    /* usual intervals from one step of a counter to the next */
    sw_real waited;  /* since the newest step */
    int64_t few;     /* values that have a neuron; more than SW_FEW: it is not discrete */
    sw_real visits;  /* moves so far */
    sw_real newest;  /* of these, before the newest neuron */
    sw_real unseen;  /* membrane: whether recent readings were of an unseen value, 0 to 1 */
    int64_t odd;     /* it was unseen in the newest row */
    sw_real returns; /* times that something unseen came since the newest neuron */
    float level[SW_FEW];
};

void sw_kind_init(struct sw_kind *line);

/* Let a counter's pace take in a reading. `rises`: it counts up. */
void sw_kind_count(const struct sw_kind_params *params, struct sw_kind *line, bool frozen, bool rises,
                   sw_real elapsed, sw_real value);

/* Let a line's levels take in a reading; `first`: there was none before. */
void sw_kind_visit(const struct sw_kind_params *params, struct sw_kind *line, bool frozen, bool first, sw_real value);

/* What stands for the line: its newest reading, or its pace. */
sw_real sw_kind_says(const struct sw_kind *line);

/* Whether the line shows a value that it never did, though it has long shown few. */
bool sw_kind_is_unseen(const struct sw_kind *line);

/* The value that the line shows is one of its own. */
void sw_kind_accept(struct sw_kind *line);

/* Usual intervals over which a counter's steps are averaged; 1 for any other line. */
sw_real sw_kind_smooth(const struct sw_kind_params *params, const struct sw_kind *line);

#endif
