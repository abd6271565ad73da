/* Evidence: is a sensor off for good, and since when?

   Four membranes per line gather what its expectation says: the innovation over a few rows (something came suddenly),
   the residual over some and over many rows (an offset), its energy (too rough, or too still). Each is counted in
   units of its own slow spread, so what is usual for this sensor is nothing. The largest, against its limit, is the
   line's *level*; 1 is an alarm. Limits are wide while a line is young and grow with every alarm of the past weeks,
   so that what keeps returning must be larger to count: recurrence makes familiar, duration does not.

   A line in alarm is *shut*: it no longer teaches what is normal, and the others do not hear it. At most half of a
   cohort can be shut, so that a machine never judges itself by its own expectations alone. Many lines off at once are
   no broken sensor but a new regime, which is accepted and not told of; a state that outlasts patience is a change that
   only a person can judge, and is accepted too: the machine says "changed" instead of alarming for ever.

   Limits are counts of own spreads, found as a plateau on development data. */
#ifndef SW_EVIDENCE_H
#define SW_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

struct sw_cohort;
struct sw_line;
struct sw_params;

enum { SW_NEW, SW_MIDDLE, SW_LONG, SW_ENERGY, SW_MEMBRANES };

/* What holds a line in alarm without evidence: a value that it never showed, readings that cannot be believed. */
enum { SW_UNSEEN = SW_MEMBRANES, SW_UNBELIEVED };

/* Times in rows. */
struct sw_evidence_params {
    sw_real warm;                /* rows of a line before its residuals are weighed */
    sw_real settle;              /* rows before its level counts and it can be shut */
    sw_real tau[SW_MEMBRANES];   /* of the membranes */
    sw_real cap[SW_MEMBRANES];   /* of what one row adds */
    sw_real limit[SW_MEMBRANES]; /* own spreads at which the level is 1 */
    sw_real memory;              /* of sizes and spreads */
    sw_real floor;               /* share of the line's deviation that a usual residual has at least */
    sw_real young;               /* widening of the limits, times sqrt(60 / rows) */
    sw_real chance;              /* times (features / rows)^2: a joint expectation of many lines fits by chance */
    sw_real open_at;             /* level at which a shut line opens again */
    sw_real gate_least;          /* a shut line's sizes learn at this share */
    sw_real recurrence;          /* how fast that share grows with alarms */
    sw_real wary;                /* growth of the limits with each remembered alarm */
    sw_real alarm_memory;        /* an alarm is forgotten with this time constant ... */
    sw_real alarm_days;          /* ... or this one, if longer ... */
    sw_real alarm_most;          /* ... but at most so many rows */
    sw_real regime;              /* rows that more than half of the lines must be off, to be a new regime */
    sw_real patience;            /* rows of alarm until a change is accepted ... */
    sw_real patience_hours;      /* ... or so many hours, if longer ... */
    sw_real patience_young;      /* ... or this share of the rows that the machine had seen, if fewer ... */
    sw_real patience_first;      /* ... but that share is never fewer than these ... */
    sw_real patience_days;       /* ... or this time, if shorter ... */
    sw_real patience_least;      /* ... but at least so many rows */
    sw_real resettle;            /* rows that a line's mean is known from when its change is accepted, at most */
    sw_real calm;                /* rows without alarm until a changed machine is ready again */
};

/* One line; sizes are squared residuals, in the line's units. */
struct sw_evidence_line {
    sw_real size;      /* of the residual */
    sw_real size_new;  /* of the innovation */
    sw_real usual;     /* residual to be expected in the present mode */
    sw_real usual_new; /* innovation to be expected */
    sw_real membrane[SW_MEMBRANES];
    sw_real spread[SW_MEMBRANES]; /* mean square of the membrane */
    sw_real energy;   /* slow mean of the log energy */
    sw_real level;
    int64_t witness;  /* membrane with the largest level */
    int64_t shut;
    sw_real alarms;   /* faded number of times the line was shut */
    sw_real alarm;    /* rows the line has been in alarm */
    sw_real calm;     /* rows until a line whose change was accepted is ready again; 0 if none was */
};

struct sw_evidence_machine {
    sw_real joint;       /* rows that more than half of the lines have been off */
    sw_real alarm;       /* rows the machine as a whole has been in alarm */
    sw_real calm;        /* rows until that is ready again after a change was accepted; 0 if none was */
    sw_real given;       /* rows that the prior of its kind counts as; 0 without one */
    sw_real patience_ns; /* set by the operator; 0 for the default, infinite for never */
};

void sw_evidence_init_line(struct sw_evidence_line *line);
void sw_evidence_init_machine(struct sw_evidence_machine *machine);

/* Weigh a line's residual of a complete row: its level, and whether it is shut; then learn, unless frozen. `far`: how
   uncertain what is expected of it is, in usual residuals. `features`: of the line's cohort. `moded`: whether the
   line's mode is known. `room`: whether it may be shut. */
void sw_evidence_weigh(const struct sw_params *params, struct sw_line *line, int64_t features, sw_real far, bool moded,
                       bool room, bool frozen);

/* Open all other lines of a cohort, which one has led astray; returns the largest level. */
sw_real sw_evidence_excuse(const struct sw_evidence_params *params, const struct sw_cohort *cohort, bool frozen,
                           int64_t culprit);

/* Shut one line of a cohort in place of all others, which it had led astray; its own patience begins here. */
void sw_evidence_blame(const struct sw_evidence_params *params, const struct sw_cohort *cohort, bool frozen,
                       int64_t culprit);

/* Forget what was gathered against a line: its membranes are where they usually are. */
void sw_evidence_rest(struct sw_evidence_line *line);

/* This is how the line is now: open it, and take its present offset as none; the next rows say it better. */
void sw_evidence_accept(const struct sw_evidence_params *params, struct sw_line *line);

/* What a level or a state counts that may not raise an alarm: always less than a half of one. */
sw_real sw_evidence_short_of_alarm(sw_real level);

/* What a level of a line counts in its machine's score. */
sw_real sw_evidence_told(const struct sw_evidence_line *line, sw_real level);

/* Rows in alarm after a row, given those before it. */
sw_real sw_evidence_last(const struct sw_evidence_params *params, sw_real alarm, sw_real level, bool held);

/* Rows of alarm after which a change is accepted, for a machine that was `rows` old when the alarm began. */
sw_real sw_evidence_patience(const struct sw_evidence_params *params, const struct sw_evidence_machine *machine,
                             sw_real rows, sw_real usual_ns);

#endif
