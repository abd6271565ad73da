/* What the network says becomes what a person reads: score in [0, 1], severity, state, and when to write them down.

   A score is 1 - 10^(-2 x) of a surprise or state of x units: 0.99 is one unit, 0.999 one and a half, on every machine
   and sensor alike. */
#ifndef SW_SCORING_H
#define SW_SCORING_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

struct sw_row;

enum { SW_NORMAL, SW_WARNING, SW_CRITICAL };

/* What a machine is in. Where several hold, the last does: it is what to act on first. */
enum { SW_READY, SW_DRIFTING, SW_CHANGED, SW_LEARNING, SW_FROZEN, SW_FAULT };

/* What a row has its score from: something just happened, the machine as a whole is unlike its past, a sensor is
   not where the others expect it, or not where it usually is at this hour. */
enum { SW_VOICE_EVENT, SW_VOICE_CONDITION, SW_VOICE_EXPECTATION, SW_VOICE_RHYTHM };

struct sw_scoring_params {
    int64_t every_ns;         /* longest time without a written score, in the time of the data; 0 writes every one */
    int64_t sensors_every_ns; /* the same for the sensors of a score that is written */
};

/* One machine. */
struct sw_scoring {
    sw_real warning;    /* score from which severity is a warning */
    sw_real critical;
    int64_t written_ns; /* time of the last score that was due */
    int64_t sensors_ns; /* time of the last score whose sensors were due */
    int64_t severity;   /* of the last score that was due; -1 before the first */
    int64_t state;      /* of the newest score */
    sw_real newest;     /* score */
};

void sw_scoring_init(struct sw_scoring *machine);

/* Score a row: its severity and state, and whether it is due to be written: on change, in alarm, or after a while.
   Its sensors are due with it, on change or after a while of their own, in alarm no more often: there are many. */
void sw_scoring_step(const struct sw_scoring_params *params, struct sw_scoring *machine, bool frozen,
                     struct sw_row *row);

/* Share of the warm-up that is done by a machine that knows about so many readings. */
sw_real sw_scoring_learned(sw_real age);

/* What an event, or a line's surprise, of this size counts, so that 1 is an alarm; given the number of lines. */
sw_real sw_scoring_size_of_event(sw_real size, int64_t lines);

/* Score of an event, or of a line's surprise, of this size; given the number of the machine's lines. */
sw_real sw_scoring_of_event(sw_real size, int64_t lines);

/* Score of a machine's raw state, or of a line's level: of a machine of one line it raises no alarm. */
sw_real sw_scoring_of_state(sw_real state, int64_t lines);

/* Scores of so many lines of rows: the largest of what their surprise, their rhythm and, beside others, their level
   make. */
void sw_scoring_of_lines(int64_t count, const sw_real *dendrite, const sw_real *level, const sw_real *rhythm,
                         const int64_t *lines, sw_real *score);

#endif
