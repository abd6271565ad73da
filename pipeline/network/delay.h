/* A delay as a block keeps it: a float; or, where SW_DELAY_BITS is stated when the network is compiled, so many bits.

   In 8 bits it is a whole number of steps of a sixteenth of a compressed unit, from -8 to 8; in fewer, of longer steps.
   A winner moves its delays by less than a step; so they are rounded to one of both neighbours at random, to the nearer
   one more often, and the mean is right: Gupta et al., "Deep Learning with Limited Numerical Precision" (2015). The
   dice are a hash of who learns and when, so that a machine is the same on every processor and needs no generator's
   state. What the widths do to the scores is said in docs/device.md; benchmarks/delay_bits.py compiles them. */
#ifndef SW_DELAY_H
#define SW_DELAY_H

#include <stdint.h>

#include "pipeline/network/real.h"

#ifndef SW_DELAY_BITS

typedef float sw_delay;

static inline float sw_delay_time(sw_delay delay) { return delay; }

static inline sw_delay sw_delay_of(sw_real time, uint32_t dice)
{
    (void)dice;
    return (float)time;
}

#else

typedef int8_t sw_delay;

#define SW_DELAY_LEVELS (1 << SW_DELAY_BITS)
#define SW_DELAY_STEP (16.0f / SW_DELAY_LEVELS)

/* The middle of the step. */
static inline float sw_delay_time(sw_delay delay) { return ((float)delay + 0.5f) * SW_DELAY_STEP; }

sw_delay sw_delay_of(sw_real time, uint32_t dice);

#endif

#endif
