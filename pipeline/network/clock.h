/* Time as a line feels it: in units of its usual sampling interval, learned online.

   What leaks by time counts usual intervals, all else readings or rows, so nothing ticks while nothing arrives. A step
   within ten per cent of the usual one counts as exactly one interval: jitter is no information, and equal steps then
   run the plain equations. */
#ifndef SW_CLOCK_H
#define SW_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

#define SW_HOUR_NS INT64_C(3600000000000)

struct sw_clock_params {
    int64_t by_time; /* 0: every reading is one interval, whatever its time */
};

struct sw_clock {
    sw_real seen;     /* readings so far */
    int64_t last_ns;  /* Unix time of the newest reading; outlives what was learned, so that it stays late */
    sw_real usual_ns; /* running median of the steps; 0 before the second reading */
};

/* One reading as its line's clock has it. */
struct sw_arrival {
    sw_real seen;     /* readings of its line before; -1 for a late one */
    sw_real elapsed;  /* usual intervals since the last one */
    sw_real usual_ns; /* the usual interval */
};

void sw_clock_init(struct sw_clock *clock);

/* A step in units of the usual one; 1 exactly where it is the usual one or nothing is known yet. */
sw_real sw_clock_intervals(const struct sw_clock_params *params, sw_real step_ns, sw_real usual_ns);

/* Take in a reading. One not newer than its line's last one is late: nothing is learned, and false returned. */
bool sw_clock_step(const struct sw_clock_params *params, struct sw_clock *clock, int64_t time_ns,
                   struct sw_arrival *arrival);

#endif
