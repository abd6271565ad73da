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

struct sw_view;
struct sw_params;
struct sw_room;

enum { SW_CONDITION_NEURONS = 48 };

/* Times in readings of the machine's oldest line. */
struct sw_condition_params {
    double trace;      /* time constant of the traces whose baseline is kept */
    double slow;       /* memory of that baseline */
    double clip;       /* sigmas a line counts for at most */
    double squash;     /* knee of the logarithmic compression */
    double gate_at;    /* level at which the gate is half closed */
    double familiar;   /* weight of lateness against level in the gate */
    double gate_least;
    double settle;     /* readings before the gate may close */
    double ripe_share; /* a neuron is mature after this share of the machine's life ... */
    double ripe_most;  /* ... or after this many readings */
    double late;       /* membrane of the lateness */
    double late_cap;
    double level_unit;
    double late_unit;
    double growth;     /* of the state's unit per decade of age beyond a thousand readings */
    double alone;      /* times the state of a lone line is the surprise that its dendrite hears */
    double warm;       /* readings before there is a state */
    double enough;     /* independent readings after which a line's past counts half */
    double turn;       /* independent readings that a turn of the trace is worth */
    double side;       /* deviations on either side of the baseline between which it turns */
    double fade;       /* pace at which the worth of a line's past may fall, in its inverse age */
    double agreed;     /* readings from which what the other lines let expect counts less ... */
    double agreed_over; /* ... and within so many more not at all */
    double noise;      /* memory of the noise */
    double far;        /* noises from its baseline at which a line is in another regime ... */
    double regime;     /* ... and rows of alarm after which most lines there are one ... */
    double quiet;      /* ... and rows without alarm until the state there may be one again */
};

/* One line. */
struct sw_condition_line {
    double trace;                       /* in the sensor's unit, as are mean and (squared) variance */
    double mean;
    double variance;
    double sigmas;                      /* distance of the trace from its baseline */
    double spread;                      /* variance of the readings about the baseline, from reading `trace` on */
    double wander;                      /* the same of the trace */
    double noise;                       /* half the mean square of steps */
    double turns;                       /* of the trace, from one side of the baseline to the other */
    double side;                        /* 1 above, -1 below, 0 before the first */
    double worth;                       /* independent readings that the line's past is worth */
    double apart;                       /* of the trace, what the other lines do not let expect */
    float delays[SW_CONDITION_NEURONS]; /* this line's synapse on the machine's population */
};

struct sw_condition_machine {
    float strength[SW_CONDITION_NEURONS]; /* as in evolving.h */
    double born[SW_CONDITION_NEURONS];    /* cycle in which the neuron was recruited */
    int64_t recruited;
    double vigilance;
    double usual;                         /* usual lateness of the first mature neuron */
    double late;                          /* membrane of the lateness, in usual latenesses */
    double gate;                          /* 1 learns fully, `gate_least` protects the baseline */
    double elsewhere;                     /* rows in alarm in which most lines were in another regime */
    double quiet;                         /* rows without alarm until its state may be one, after such a regime */
};

void sw_condition_init_line(struct sw_condition_line *line);
void sw_condition_init_machine(const struct sw_params *params, struct sw_condition_machine *machine);

/* Let a line's trace take in a reading, and place it against the baseline; `unsure`: variance beyond its own. */
void sw_condition_follow(const struct sw_condition_params *params, struct sw_condition_line *line, double seen,
                         double elapsed, double value, double unsure);

/* Learn from a reading what the line's past is worth. `before`: the reading before it. */
void sw_condition_study(const struct sw_condition_params *params, struct sw_condition_line *line, bool frozen,
                        double seen, double before, double value);

/* Take in what the others do not let expect of a line. */
void sw_condition_compare(const struct sw_condition_params *params, struct sw_condition_line *line, double off);

/* Raw state of the machine after a row (1 unit is a score of 0.99); sets the gate for `learn`. The population and
   the usual lateness of a frozen machine learn nothing. `elapsed`: intervals since the machine's previous row. */
double sw_condition_step(const struct sw_params *params, const struct sw_view *view, bool frozen, double elapsed,
                         struct sw_room *room);

/* Let a line's baseline learn from its trace, as far as the gate allows. `age`: readings, the newest, `value`,
   included. */
void sw_condition_learn(const struct sw_condition_params *params, struct sw_condition_line *line, double age,
                        double gate, double value);

/* Whether most lines are farther from their baselines than any fault of one part would bring them, and have been for a
   while: a start, a stop, another product. `alarms`: whether the machine is in alarm. */
bool sw_condition_moved(const struct sw_condition_params *params, const struct sw_view *view, bool alarms);

/* Take a line's present trace as its baseline. */
void sw_condition_accept_line(struct sw_condition_line *line);

/* Make every neuron mature: what the machine has been in is familiar. */
void sw_condition_accept_machine(struct sw_condition_machine *machine);

#endif
