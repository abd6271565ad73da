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
    sw_sum mode[SW_MODES];              /* distance of all lines from each mode */
    sw_real trial[SW_JOINT];            /* pulled deviations while some lines are left out */
    sw_real scale[SW_JOINT];            /* inverse deviations */
    sw_real moved[SW_COHORT];           /* own movement of each line, and its variance; see wear.h */
    sw_real moved_error[SW_COHORT];
    bool blamed[SW_COHORT];             /* left out on trial */
    bool known[SW_COHORT];              /* with something expected of them */
};

/* Of each cohort. */
struct sw_cohort_room {
    sw_real rate[SW_JOINT];
    sw_real before[SW_JOINT];    /* traces before the row */
    sw_real deviation[SW_JOINT]; /* of the features heard from their means */
    sw_real weighted[SW_JOINT];  /* precision times deviation */
    sw_real pulled[SW_JOINT];    /* the same with nothing replaced */
    sw_real far[SW_COHORT];      /* how uncertain what is expected of a line is, in usual residuals */
    bool held[SW_COHORT];        /* replaced by what the others expect */
};

/* Of each line, by place. */
struct sw_place_room {
    sw_late mode[SW_MODES]; /* distance from each mode */
    sw_time time;           /* of its spike for the condition */
    bool judged;            /* with a reading that is believed */
};

/* Two square matrices for the features of a cohort, row by row. */
struct sw_joint_room {
    sw_real *matrix;
    sw_real *inverse;
    int64_t stride; /* from one row to the next */
};

struct sw_room {
    struct sw_shared_room *shared;
    struct sw_cohort_room *cohort;
    struct sw_place_room *place;
    struct sw_joint_room joint;
};

/* Bytes for a row of a machine of at most so many lines. */
uint64_t sw_room_bytes(int64_t lines);

/* Divide so many bytes, 8-byte aligned. */
struct sw_room sw_room_of(void *bytes, int64_t lines);

#endif
