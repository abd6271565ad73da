/* A delay as a block keeps it, and the time of a spike that is compared with it.

   A delay has 8 bits: a whole number of steps of a sixteenth of a compressed unit, from -8 to 8. Times are whole numbers
   of 256ths, so that everything that is compared and learned is a whole number, with the same bits on every processor.
   A winner moves its delays by less than a step; so they are rounded to one of both neighbours at random, to the nearer
   one more often, and the mean is right: Gupta et al., "Deep Learning with Limited Numerical Precision" (2015). The
   dice are a hash of who learns and when, so that they need no generator's state.

   SW_DELAY_BITS, stated when the network is compiled, makes the steps longer (1 to 7) or keeps floats (32), for
   comparison: benchmarks/variants.py. What the widths do to the scores is said in docs/device.md. */
#ifndef SW_DELAY_H
#define SW_DELAY_H

#include <math.h>
#include <stdint.h>

#include "pipeline/network/real.h"

#ifndef SW_DELAY_BITS
#define SW_DELAY_BITS 8
#endif

/* A rate of learning is a whole number of such parts. */
enum { SW_WHOLE = 1 << 16 };

#if SW_DELAY_BITS == 32

typedef float sw_delay;
typedef float sw_time;
typedef float sw_late;  /* of one synapse */
typedef float sw_sum;   /* of many */

enum { SW_TIMES_A_UNIT = 1 };

#define SW_LATEST INFINITY /* later than any sum */

static inline sw_time sw_time_of(sw_real time) { return (float)time; }

static inline sw_time sw_delay_time(sw_delay delay) { return delay; }

static inline sw_late sw_apart(sw_time time, sw_delay delay) { return fabsf(time - delay); }

#else

typedef int8_t sw_delay;
typedef int16_t sw_time;
typedef uint16_t sw_late;
typedef uint32_t sw_sum;

#define SW_LATEST UINT32_MAX

enum {
    SW_TIMES_A_UNIT = 256,
    SW_TIME_MOST = 16 * SW_TIMES_A_UNIT,                 /* a spike is at most so early or late */
    SW_DELAY_STEP = 16 * SW_TIMES_A_UNIT >> SW_DELAY_BITS /* a power of two */
};

static inline sw_time sw_time_of(sw_real time)
{
    const sw_real most = SW_TIME_MOST;
    sw_real parts = time * (sw_real)SW_TIMES_A_UNIT;
    parts = parts < most ? parts : most; /* as it would be anything that is no number */
    parts = parts > -most ? parts : -most;
    return (sw_time)((int32_t)(parts + most + (sw_real)0.5) - SW_TIME_MOST); /* rounds down, as nothing is below 0 */
}

/* The middle of the step. */
static inline sw_time sw_delay_time(sw_delay delay) { return (sw_time)(delay * SW_DELAY_STEP + SW_DELAY_STEP / 2); }

static inline sw_late sw_apart(sw_time time, sw_delay delay)
{
    int16_t apart = (int16_t)(time - SW_DELAY_STEP / 2 - delay * SW_DELAY_STEP); /* one of them for many delays */
    return (sw_late)(apart < 0 ? -apart : apart);
}

#endif

/* A delay moved towards the time of a spike by so many parts of SW_WHOLE; by all of them, it is made anew. `dice`: a
   number that looks like chance. */
sw_delay sw_delay_moved(sw_delay delay, sw_time time, int32_t rate, uint32_t dice);

#endif
