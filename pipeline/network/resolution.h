/* Resolution: how finely does a sensor speak, and how often does it say something new?

   A set point, a switch or a valve stands still for thousands of rows and then moves. Such a row is no new evidence:
   what stands still says the same thing again. So of every line the smallest step is kept, how often it has moved and
   how far, and how far it was from what the others expected at the end of each of its holds. Three things follow.

   A reading is known to its step and no better: the variance of rounding to it, step^2 / 12, is added to what a line
   is usually off (Widrow, Kollar, "Quantization Noise", 2008). What has moved n times is known to n / (n + proof),
   and as far as it is not known it may move as far again; before its first move a line is not known at all. And a
   line that holds its values is off by as much for as long as it holds them, which counts as one deviation and not as
   many.

   A line that moves with nearly every reading holds nothing: of all this only its rounding touches it. */
#ifndef SW_RESOLUTION_H
#define SW_RESOLUTION_H

#include <stdbool.h>

#include "pipeline/network/real.h"

struct sw_resolution_params {
    sw_real proof;  /* moves that what is not known yet weighs as much as */
    sw_real memory; /* of moves and of what was left at the end of holds, in moves */
    sw_real long_;  /* readings running that are a long hold; the word is C's own */
    sw_real begin;  /* moves from which a line may be a counter ... */
    sw_real back;   /* ... if no more of them go the other way */
};

/* One line; values in the sensor's unit. */
struct sw_resolution {
    sw_real readings; /* so far, the first not counted */
    sw_real moves;    /* of these, that were not equal to the one before */
    sw_real rises;    /* of the moves, that went up */
    sw_real step;     /* smallest move; 0 before one */
    sw_real jump;     /* mean square of the moves */
    sw_real off;      /* residual of the newest reading that was judged, which need not be of the newest row */
    sw_real left;     /* mean square of that at the end of a hold */
};

void sw_resolution_init(struct sw_resolution *line);

/* Take in a reading after one of `before`, the end of a hold if they differ. A shut line teaches no size, a frozen
   one nothing. */
void sw_resolution_follow(const struct sw_resolution_params *params, struct sw_resolution *line, bool frozen,
                          sw_real before, sw_real value, bool shut);

/* Variance of a reading from being rounded to the line's step. */
sw_real sw_resolution_rounding(const struct sw_resolution *line);

/* Square of how far a membrane of `tau` readings fills while the line holds a value; 0 if it holds none. */
sw_real sw_resolution_holds(const struct sw_resolution *line, sw_real tau);

/* Mean squared residual to be expected of a line while it holds a value. */
sw_real sw_resolution_unexplained(const struct sw_resolution_params *params, const struct sw_resolution *line);

/* Whether a line is a counter: it goes one way, but for its resets. How high it is says nothing of a machine. */
bool sw_resolution_counts(const struct sw_resolution_params *params, const struct sw_resolution *line);

/* Variance that the line's own past does not show, because it has moved so seldom; infinite for a counter. */
sw_real sw_resolution_unsure(const struct sw_resolution_params *params, const struct sw_resolution *line);

#endif
