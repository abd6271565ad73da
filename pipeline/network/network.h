/* The one entrance of the core: readings in, in order, over any number of machines; scored rows out.

   The caller owns all memory. Every index and number that comes from outside is checked before anything is changed;
   what was refused has changed nothing. The result depends on the readings, and not on how they were batched. */
#ifndef SW_NETWORK_H
#define SW_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/block.h"
#include "pipeline/network/rows.h"
#include "pipeline/network/scoring.h"

/* Why a batch was refused. */
enum {
    SW_DONE,
    SW_BAD_SLOT,  /* there is no such machine */
    SW_BAD_BLOCK, /* what should be its memory is none */
    SW_BAD_LINE,  /* the machine has no such line */
    SW_BAD_VALUE, /* no number, or beyond all measure */
    SW_BAD_ROOM   /* not enough for the machine with the most lines, or not aligned */
};

/* Machines, and when something is to be told of them. */
struct sw_fleet {
    void *const *block;  /* of each slot */
    const struct sw_calendar *const *calendar; /* of each slot, or NULL; NULL for all: UTC, without holidays */
    const int32_t *name; /* the caller's number of a line, (slots, names); if NULL, its number in the machine is told */
    int64_t names;
    int64_t slots;
    struct sw_scoring_params scoring;
    int64_t ageing_ns;  /* time of the data between two tellings of a line's ageing */
};

/* Readings in order of arrival. `ends` is true on the last reading that a message holds for a machine and time: there
   a machine's row may close. */
struct sw_batch {
    int64_t readings;
    const int64_t *slot;
    const int64_t *line; /* number in the machine */
    const int64_t *time_ns;
    const sw_real *value;
    const bool *ends;
    int64_t closings;       /* machines whose row, if it is open after all readings, is judged as it is */
    const int64_t *closing; /* slots */
    int64_t part;           /* only machines whose slot leaves this remainder are stepped ... */
    int64_t parts;          /* ... when divided by this; others may step the rest at the same time. 1 for all */
};

/* What is said, in the caller's memory. `room`: `sw_room_bytes(room_lines)`, 8-byte aligned, for the machine with the
   most lines. Where rows, entries or lost lines might not find a place, the step ends before the message that might
   close them: there must be two rows, and twice as many entries and lost lines as any machine has lines, for it to
   begin. */
struct sw_said {
    struct sw_row *row;
    struct sw_entry *entry;
    struct sw_lost *lost;
    bool *late;                 /* (readings,), not newer than its line's last one; not learned from */
    struct sw_arrival *arrival; /* (readings,), room */
    void *room;
    int64_t row_places;
    int64_t entry_places;
    int64_t lost_places;
    int64_t room_lines;
    int64_t rows;         /* that closed */
    int64_t entries;      /* of their account */
    int64_t losses;
    int64_t lates;
    int64_t readings;     /* that were taken in; the others are to be given again */
    int64_t closings;     /* the same */
    int64_t refused;      /* the reading, or the closing after all of them, that was refused */
};

/* One machine as it stands, for lists of machines. */
struct sw_glance {
    int64_t time_ns;   /* of the open row, else of the newest */
    int64_t closed_ns; /* of the newest closed row */
    sw_real usual_ns;  /* usual time between its rows */
    int64_t lines;     /* that have had a reading */
    sw_real readings;
    sw_real learned;   /* share of the warm-up that is done */
    int64_t severity;  /* of the last score that was due; -1 before the first */
    int64_t state;     /* of the newest score, and that score */
    sw_real newest;
    int64_t frozen;
    int64_t doubtful;  /* lines whose quality is not good, or that are masked */
    int64_t changed;   /* lines with a lasting change that nobody has confirmed, and 1 more if the machine has one */
};

/* Bytes of the room for a row of a machine of at most so many lines. */
uint64_t sw_room_bytes(int64_t lines);

/* Put readings into rows, judge and score those that close, and learn. Returns why a batch was refused. */
int64_t sw_step(const struct sw_params *params, const struct sw_fleet *fleet, const struct sw_batch *batch,
                struct sw_said *said);

/* Measure the ageing of all lines of a machine that have had a reading, in order of these; returns how many. */
int64_t sw_ages(const struct sw_params *params, void *block, void *room, struct sw_wear_measured *out);

/* Look at the machines of the slots from `begin` until `end`; one without memory has seen nothing. */
void sw_look(const struct sw_fleet *fleet, int64_t begin, int64_t end, struct sw_glance *out);

/* A person says that what the machine does now is normal. */
void sw_confirm(const struct sw_params *params, void *block);

#endif
