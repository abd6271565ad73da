/* Golden vectors: rows that follow the export, and the score that the gateway gave each of them. */
#ifndef SPIKEWATCH_GOLDEN_H
#define SPIKEWATCH_GOLDEN_H

#include "device.h"

extern const int32_t golden_rows;
extern const int64_t golden_begin_ns; /* Unix time of the first row; one each GOLDEN_STEP_NS */
extern const float golden_value[][MACHINE_LINES];
extern const float golden_score[];

/* How far the scores here are from the gateway's. */
struct golden {
    int32_t scored;
    float most;           /* largest distance of two scores */
    int32_t alarms;       /* rows from MACHINE_WARNING on, of the gateway ... */
    int32_t other_side;   /* ... and rows that are from it on only there, or only here */
    float farthest;       /* largest distance from MACHINE_WARNING of the gateway's score among these */
    uint32_t check;       /* check sum of the machine in the end: the same on every processor */
};

/* Begin as exported and take in so many rows; `before` and `after` are called around each, unless they are NULL. */
struct golden golden_run(int32_t rows, void (*before)(void), void (*after)(void));

#endif
