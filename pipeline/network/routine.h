/* Routine: does the machine do this at this hour every week?

   What people do with a machine once a week (a shutdown on Friday evening, a start on Monday morning, a cleaning) is
   rare in rows, so that neither modes nor limits come to know it, and each time it looks like a fault. By the clock it
   is the most usual of things. So each hour of the week remembers the alarm that began in it and ended by itself: how
   large it was, and how long it lasted. An alarm that begins within an hour of the same time a week or more later is
   told only as far as it is larger, or lasts longer, than that lets expect:

     told = size / max(1, more * remembered),   for longer * (remembered duration) and an hour

   What is remembered fades with every week in which it does not return. An alarm that lasts for days, or ends only
   because patience runs out, is not remembered: recurrence makes familiar, duration does not. Where a known rhythm
   (rhythm.h) takes a large step within two hours, a switch is due, and an alarm that begins then counts as if one of
   `due` had been seen.

   A machine of one line has no part in this, nor one that reports less than twice an hour, whose weeks are too few
   rows. What is told is changed, not what is known: a line in alarm stays shut. From judgement, as are its numbers. */
#ifndef SW_ROUTINE_H
#define SW_ROUTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

enum { SW_HOURS_OF_WEEK = 168 };

struct sw_routine_params {
    sw_real apart_hours;   /* without alarm after which an alarm has ended */
    sw_real more;          /* times its remembered size that an alarm may have */
    sw_real longer;        /* times its remembered duration that it may last */
    sw_real fade;          /* share of a size and a duration that is left after a week without it */
    sw_real longest_hours; /* duration up to which an alarm is remembered */
    sw_real due;           /* size that an alarm may have where a switch is due ... */
    sw_real due_hours;     /* ... and for how long */
    sw_real steep;         /* step of a rhythm within two hours, in its usual distances, that is a switch */
};

/* Alarm that began in an hour of the week. */
struct sw_routine_hour {
    uint8_t size;  /* in eighths of an alarm; 0 if there was none */
    uint8_t hours; /* that it lasted, rounded up */
    uint16_t week; /* since 1970, in which it was last seen */
};

/* One machine; sizes in alarms, so that 1 is a score of 0.99. */
struct sw_routine {
    int64_t begin_ns; /* of the alarm that goes on ... */
    int64_t last_ns;  /* ... and its newest row */
    sw_real largest;  /* its size so far */
    sw_real usual;    /* size that it may have; 0 where nothing is known ... */
    sw_real until_ns; /* ... and for how long */
    int32_t hour;     /* local, since 1970, in which it began */
    int32_t lasts;    /* whether an alarm goes on */
    struct sw_routine_hour week[SW_HOURS_OF_WEEK];
};

/* Hear how large the alarm of a row is; at most 1 is none. `hour`: local, since 1970; `due`: whether a switch is.
   Returns what the row is to be divided by: 1 or more. */
sw_real sw_routine_step(const struct sw_routine_params *params, struct sw_routine *machine, bool frozen, int32_t hour,
                        int64_t time_ns, sw_real size, bool due);

/* What lasts is accepted, and was no routine. */
void sw_routine_accept(struct sw_routine *machine);

#endif
