#include "pipeline/network/delay.h"

#ifdef SW_DELAY_BITS

#include "pipeline/network/math.h"

/* A number in [0, 1) that looks like chance: two rounds of multiplying and mixing, after Wellons, "Prospecting for Hash
   Functions" (2018). */
static sw_real chance(uint32_t dice)
{
    dice = (dice ^ dice >> 16) * 0x7feb352du;
    dice = (dice ^ dice >> 15) * 0x846ca68bu;
    return (sw_real)((dice ^ dice >> 16) >> 8) / (sw_real)16777216;
}

sw_delay sw_delay_of(sw_real time, uint32_t dice)
{
    const sw_real most = SW_DELAY_LEVELS / 2 - 1, least = -(sw_real)(SW_DELAY_LEVELS / 2);
    sw_real steps = sw_floor(time / (sw_real)SW_DELAY_STEP - (sw_real)0.5 + chance(dice));
    return (sw_delay)sw_least(sw_most(steps, least), most);
}

#endif
