#include "pipeline/network/delay.h"

#if SW_DELAY_BITS == 32

sw_delay sw_delay_moved(sw_delay delay, sw_time time, int32_t rate, uint32_t dice)
{
    (void)dice;
    return rate == SW_WHOLE ? time : delay + (float)rate / (float)SW_WHOLE * (time - delay);
}

#else

sw_delay sw_delay_moved(sw_delay delay, sw_time time, int32_t rate, uint32_t dice)
{
    const int32_t step = SW_DELAY_STEP * SW_WHOLE, most = (1 << SW_DELAY_BITS) / 2; /* steps to either side */
    int32_t before = sw_delay_time(delay);
    int32_t wanted = before * SW_WHOLE + (time - before) * rate; /* between times that have 13 bits */
    /* Up to a step earlier than half a step after, which is where the middle of the lower neighbour is. */
    int32_t up = (int32_t)(dice & (uint32_t)(step - 1));
    int32_t steps = (wanted + most * step - step / 2 + up) / step - most;
    return (sw_delay)(steps < -most ? -most : (steps > most - 1 ? most - 1 : steps));
}

#endif
