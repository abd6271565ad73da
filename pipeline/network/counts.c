#include "pipeline/network/counts.h"

uint32_t sw_mixed(uint32_t number)
{
    number = (number ^ number >> 16) * 0x7feb352du;
    number = (number ^ number >> 15) * 0x846ca68bu;
    return number ^ number >> 16;
}

void sw_counts_fade(uint16_t *counts, int64_t number)
{
    uint32_t dice = 0;
    for (int64_t k = 0; k < number; k++)
        dice = dice * 31u + counts[k];
    uint32_t up = sw_mixed(dice) & 7u;
    for (int64_t k = 0; k < number; k++)
        counts[k] = (uint16_t)((7u * counts[k] + up) >> 3);
}
