/* The condition of a whole machine: is it *now* in a state it has not been in for long?

   Two witnesses. The level says how far the lines are from a baseline that learns only as fast as a gate allows. The
   lateness of an evolving population over all lines says how unlike every *mature* neuron the machine is: a neuron
   counts only after a while, so a fault that lasts recruits neurons of its own without being excused by them. While
   level and lateness are both high the gate closes: ageing is followed, a fault is not learned away.

   How far a line lies from its baseline counts as much as its past is known. Noise without memory is known after a
   few readings; a line that wanders, as one that follows a load or the hours of a day does, is known only after it has
   turned back several times, however many readings that takes. The mean of `trace` readings has 1 / (2 trace - 1) of
   their variance if they have no memory; where it has r times that, n readings are worth n / r^3 independent ones.
   A turn of the trace is worth `turn`. What a line's past is worth may rise at once, and falls slowly, so that a fault
   that begins does not excuse itself. What the other lines do not let expect counts in any case, and once they are
   known for long nothing else does: a load moves all of them as it always does. That a variance from few independent
   values says little is Student's (1908).

   The gate is a third factor in the sense of neuromodulated plasticity: Fremaux and Gerstner (2016). */
#ifndef SW_CONDITION_H
#define SW_CONDITION_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/evolving.h"
#include "pipeline/network/real.h"

struct sw_view;
struct sw_params;
struct sw_room;

enum { SW_CONDITION_NEURONS = 48 };

/* Times in readings of the machine's oldest line. */
struct sw_condition_params {
    sw_real trace;     /* time constant of the traces whose baseline is kept */
    sw_real slow;      /* memory of that baseline */
    sw_real clip;      /* sigmas a line counts for at most */
    sw_real squash;    /* knee of the logarithmic compression */
    sw_real gate_at;   /* level at which the gate is half closed */
    sw_real familiar;  /* weight of lateness against level in the gate */
    sw_real gate_least;
    sw_real settle;     /* readings before the gate may close */
    sw_real ripe_share; /* a neuron is mature after this share of the machine's life ... */
    sw_real ripe_most;  /* ... or after this many readings */
    sw_real late;       /* membrane of the lateness */
    sw_real late_cap;
    sw_real level_unit;
    sw_real late_unit;
    sw_real growth;    /* of the state's unit per decade of age beyond a thousand readings */
    sw_real alone;     /* times the state of a lone line is the surprise that its dendrite hears */
    sw_real warm;      /* readings before there is a state */
    sw_real enough;    /* independent readings after which a line's past counts half */
    sw_real turn;      /* independent readings that a turn of the trace is worth */
    sw_real side;      /* deviations on either side of the baseline between which it turns */
    sw_real fade;      /* pace at which the worth of a line's past may fall, in its inverse age */
    sw_real agreed;    /* readings from which what the other lines let expect counts less ... */
    sw_real agreed_over; /* ... and within so many more not at all */
    sw_real noise;     /* memory of the noise */
    sw_real far;       /* noises from its baseline at which a line is in another regime ... */
    sw_real regime;    /* ... and rows of alarm after which most lines there are one ... */
    sw_real quiet;     /* ... and rows without alarm until the state there may be one again */
};

/* One line. */
struct sw_condition_line {
    sw_real trace;                      /* in the sensor's unit, as are mean and (squared) variance */
    sw_real mean;
    sw_real variance;
    sw_real sigmas;                     /* distance of the trace from its baseline */
    sw_real spread;                     /* variance of the readings about the baseline, from reading `trace` on */
    sw_real wander;                     /* the same of the trace */
    sw_real noise;                      /* half the mean square of steps */
    sw_real turns;                      /* of the trace, from one side of the baseline to the other */
    sw_real side;                       /* 1 above, -1 below, 0 before the first */
    sw_real worth;                      /* independent readings that the line's past is worth */
    sw_real apart;                      /* of the trace, what the other lines do not let expect */
    sw_delay delays[SW_CONDITION_NEURONS]; /* this line's synapse on the machine's population */
};

struct sw_condition_machine {
    struct sw_competition competition;
    uint16_t strength[SW_CONDITION_NEURONS]; /* as in evolving.h */
    sw_real born[SW_CONDITION_NEURONS];      /* cycle in which the neuron was recruited */
    sw_real vigilance;
    sw_real usual;                        /* usual lateness of the first mature neuron */
    sw_real late;                         /* membrane of the lateness, in usual latenesses */
    sw_real gate;                         /* 1 learns fully, `gate_least` protects the baseline */
    sw_real elsewhere;                    /* rows in alarm in which most lines were in another regime */
    sw_real quiet;                        /* rows without alarm until its state may be one, after such a regime */
};

void sw_condition_init_line(struct sw_condition_line *line);
void sw_condition_init_machine(const struct sw_params *params, struct sw_condition_machine *machine);

/* Let a line's trace take in a reading, and place it against the baseline; `unsure`: variance beyond its own. */
void sw_condition_follow(const struct sw_condition_params *params, struct sw_condition_line *line, sw_real seen,
                         sw_real elapsed, sw_real value, sw_real unsure);

/* Learn from a reading what the line's past is worth. `before`: the reading before it. */
void sw_condition_study(const struct sw_condition_params *params, struct sw_condition_line *line, bool frozen,
                        sw_real seen, sw_real before, sw_real value);

/* Take in what the others do not let expect of a line. */
void sw_condition_compare(const struct sw_condition_params *params, struct sw_condition_line *line, sw_real off);

/* Raw state of the machine after a row (1 unit is a score of 0.99); sets the gate for `learn`. The population and
   the usual lateness of a frozen machine learn nothing. `elapsed`: intervals since the machine's previous row. */
sw_real sw_condition_step(const struct sw_params *params, const struct sw_view *view, bool frozen, sw_real elapsed,
                          struct sw_room *room);

/* Let a line's baseline learn from its trace, as far as the gate allows. `age`: readings, the newest, `value`,
   included. */
void sw_condition_learn(const struct sw_condition_params *params, struct sw_condition_line *line, sw_real age,
                        sw_real gate, sw_real value);

/* Whether most lines are farther from their baselines than any fault of one part would bring them, and have been for a
   while: a start, a stop, another product. `alarms`: whether the machine is in alarm. */
bool sw_condition_moved(const struct sw_condition_params *params, const struct sw_view *view, bool alarms);

/* Take a line's present trace as its baseline. */
void sw_condition_accept_line(struct sw_condition_line *line);

/* Make every neuron mature: what the machine has been in is familiar. */
void sw_condition_accept_machine(struct sw_condition_machine *machine);

#endif
