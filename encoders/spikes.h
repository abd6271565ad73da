/* What every membrane does: forget by time. The contract of encoders is in __init__.py. */
#ifndef SW_SPIKES_H
#define SW_SPIKES_H

#include "pipeline/network/math.h"

/* Share a membrane forgets in `elapsed` usual sampling intervals, given the share of one interval. */
static inline sw_real sw_leak(sw_real rate, sw_real elapsed)
{
    return elapsed == 1.0 ? rate : 1.0 - sw_power(1.0 - rate, elapsed);
}

#endif
