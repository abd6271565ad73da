/* Room for one row of a machine: the caller's memory, in which nothing outlives the row. */
#ifndef SW_ROOM_H
#define SW_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/evolving.h"
#include "pipeline/network/expectation.h"
#include "pipeline/network/modes.h"

/* Used by one cohort after the other. */
struct sw_shared_room {
    struct sw_evolving_room evolving;
    double mode[SW_MODES];              /* distance of all lines from each mode */
    double trial[SW_JOINT];             /* pulled deviations while some lines are left out */
    double scale[SW_JOINT];             /* inverse deviations */
    double moved[SW_COHORT];            /* own movement of each line, and its variance; see wear.h */
    double moved_error[SW_COHORT];
    double matrix[SW_JOINT][SW_JOINT];
    double inverse[SW_JOINT][SW_JOINT];
    bool blamed[SW_COHORT];             /* left out on trial */
    bool known[SW_COHORT];              /* with something expected of them */
};

/* Of each cohort. */
struct sw_cohort_room {
    double rate[SW_JOINT];
    double before[SW_JOINT];    /* traces before the row */
    double deviation[SW_JOINT]; /* of the features heard from their means */
    double weighted[SW_JOINT];  /* precision times deviation */
    double pulled[SW_JOINT];    /* the same with nothing replaced */
    double far[SW_COHORT];      /* how uncertain what is expected of a line is, in usual residuals */
    bool held[SW_COHORT];       /* replaced by what the others expect */
};

/* Of each line, by place. */
struct sw_place_room {
    double spike_time;
    double mode[SW_MODES]; /* distance from each mode */
    bool judged;           /* with a reading that is believed */
};

struct sw_room {
    struct sw_shared_room *shared;
    struct sw_cohort_room *cohort;
    struct sw_place_room *place;
};

/* Bytes for a row of a machine of at most so many lines. */
uint64_t sw_room_bytes(int64_t lines);

/* Divide so many bytes, 8-byte aligned. */
struct sw_room sw_room_of(void *bytes, int64_t lines);

#endif
