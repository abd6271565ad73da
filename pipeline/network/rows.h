/* Rows: readings of one machine that belong together are judged together, however they were sent.

   A machine's readings come in one message or in one message per sensor, and batches cut the stream anywhere. A row
   collects them, and closes when

   1. a message arrives with a second reading of one of its lines, or with one that is newer than the row by a share
      of the machine's usual interval, or
   2. a message has no more readings for this machine and time, and every line that still reports has its reading.

   All are properties of the data, so batch borders change nothing, and eight messages of one instant give the same
   scores as one message with eight values. Sensors that send for themselves, each with a time of its own, are seen
   together all the same; a row has the time of its first reading. Where rows come at the usual interval, a reading of
   the next one is never taken for this one's. A line that was missing in many rows running is no longer waited for.
   In a machine's first readings rule 2 does not apply, because its sensors are still being discovered. */
#ifndef SW_ROWS_H
#define SW_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/account.h"
#include "pipeline/network/clock.h"
#include "pipeline/network/params.h"

struct sw_felt;
struct sw_room;
struct sw_view;

/* One line. */
struct sw_rows_line {
    int64_t ticked;   /* has a reading in the open row */
    int64_t missed;   /* rows running without one */
    sw_real age;      /* readings so far */
    sw_real usual_ns; /* sampling interval at the newest of these */
};

struct sw_rows_machine {
    int64_t size;      /* lines that have had a reading; their numbers are in the roster */
    sw_real oldest;    /* readings of the line with the most: the machine's age */
    sw_real usual_ns;  /* that line's usual sampling interval: the machine's pace */
    int64_t open;
    int64_t time_ns;   /* of the open row, else of the newest */
    int64_t closed_ns; /* of the newest closed row */
    int64_t rows;      /* closed so far */
    int64_t spikes;    /* in the open or newest row */
};

/* What the network says about a row that closed. Lines are numbers in their machine. */
struct sw_row {
    int64_t at;            /* order in the batch: twice the reading before which it closed, one more if after */
    int64_t slot;
    int64_t time_ns;
    sw_real surprise;
    sw_real event;         /* size of the output neuron's event, 0 for none */
    sw_real strange;       /* how unlike its own past the machine as a whole is; 1 is a score of 0.99 */
    sw_real off;           /* how far its most suspicious line is from what the others expect; 1 is a score of 0.99 */
    sw_real state;         /* both together */
    sw_real held;          /* level of a lone line that is held in alarm; 0 of one that is not, and of several */
    sw_real rhythm;        /* how far a line is off what is usual at this hour; 1 is a score of 0.99 */
    sw_real gate;          /* of the condition */
    sw_real age;           /* readings of the machine's oldest line, and what a prior counts as */
    int64_t lines;         /* of the machine */
    int64_t event_cause;   /* line with the most surprised dendrite */
    int64_t state_cause;   /* line farthest from its expectation, or from its baseline, whichever says more */
    int64_t rhythm_cause;  /* line farthest off its rhythm */
    int64_t spikes;        /* that travelled for this row */
    int64_t until;         /* entry of the account after the row's last one */
    int64_t lost;          /* entry of the lost lines after the row's last one */
    int64_t masked;        /* lines whose readings have no part in the score from the next row on */
    int64_t changed_lines; /* with a reading in the row, whose lasting change is not confirmed */
    sw_real score;         /* [0, 1]; from here on see scoring.h */
    sw_real lasting;       /* the part of it that is no single event */
    int64_t cause;         /* line that explains the score best */
    int64_t voice;
    sw_real learned;       /* share of the warm-up that is done */
    int64_t severity;
    int64_t machine_state;
    bool changed;          /* a lasting change was accepted and waits for a person to confirm it */
    bool drifting;
    bool doubted;          /* the quality of a line has changed, or whether it is masked */
    bool accepted;         /* patience has run out with this row: what alarmed is now a change to be confirmed */
    bool due;              /* to be written */
    bool due_sensors;      /* with every sensor */
    struct sw_account account; /* of the machine, this row included */
};

/* What the network said about one reading of a row that closed. */
struct sw_entry {
    int64_t line;
    sw_real value;    /* in the sensor's unit, as are the next two */
    sw_real expected; /* NaN while the line is learning, and of a counter */
    sw_real usual;    /* how far it is usually off, in the machine's present mode; NaN while it is learning */
    sw_real level;
    int64_t witness; /* of the level, or what the line is held in alarm for, see evidence.h */
    sw_real rhythm;  /* how far the line is off its rhythm, with the sign of that; 1 is an alarm */
    sw_real by_clock; /* what is usual at this hour, in the sensor's unit; NaN where no rhythm is known */
    sw_real usual_by_clock; /* how far it is usually off that */
    sw_real sigmas;  /* distance from the baseline of the machine's condition */
    sw_real dendrite;
    float rarity[SW_POPULATIONS];
    int64_t quality; /* of the line, see quality.h */
    bool aged;       /* the line's ageing is due to be written ... */
    bool masked;     /* the line's readings have no part in the score from the next row on */
    bool changed;    /* a lasting change of the line was accepted, and it has not been quiet since */
    struct sw_wear_measured ageing; /* ... and is here; else not set */
};

/* A line that has become missing, and the time of the row since which it is. */
struct sw_lost {
    int64_t line;
    int64_t time_ns;
};

/* One reading as it arrives. */
struct sw_reading {
    int64_t line;
    int64_t time_ns;
    sw_real value;
};

/* Where a row is written: the row, the next entry of the account and the next lost line, and how many came before. */
struct sw_page {
    struct sw_row *row;
    struct sw_entry *entry;
    struct sw_lost *lost;
    int64_t entries;
    int64_t losses;
};

void sw_rows_init_machine(struct sw_rows_machine *machine);

/* Readings that a machine knows about: of its oldest line, and of its kind where it has sensors to compare. */
sw_real sw_rows_experience(const struct sw_view *view);

/* Whether a reading at this time belongs to the open row, as far as its time says. */
bool sw_rows_near(const struct sw_view *view, int64_t time_ns);

/* Whether every line of the machine that is waited for has its reading. */
bool sw_rows_complete(const struct sw_view *view);

/* Open a row for a reading if none is open, and hear what kind of signal its line is. One that has become another
   kind begins anew, and its arrival is counted from there. */
void sw_rows_hear(const struct sw_params *params, const struct sw_view *view, const struct sw_reading *reading,
                  struct sw_arrival *arrival);

/* Put a reading, which was heard and felt, into the open row. */
void sw_rows_take(const struct sw_params *params, const struct sw_calendar *calendar, const struct sw_view *view,
                  const struct sw_reading *reading, const struct sw_arrival *arrival, const struct sw_felt *felt);

/* Judge the open row. `ageing_ns`: time of the data between two tellings of a line's ageing. */
void sw_rows_close(const struct sw_params *params, const struct sw_view *view, int64_t ageing_ns,
                   struct sw_room *room, struct sw_page *page);

#endif
