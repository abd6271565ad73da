#include "pipeline/network/rank.h"

#include "pipeline/network/counts.h"
#include "pipeline/network/math.h"

void sw_rank_init(const struct sw_rank_params *params, const sw_real innate[SW_BINS], uint16_t tails[SW_BINS])
{
    sw_real above = 0.0;
    for (int k = SW_BINS - 1; k >= 0; k--) {
        above += innate[k];
        tails[k] = (uint16_t)(params->innate * above * (sw_real)SW_ONE + 0.5);
    }
}

/* The bin of a surprise. */
static int bin_of(const struct sw_rank_params *params, sw_real surprise)
{
    sw_real felt = surprise + 1e-9;
#ifdef SW_SINGLE /* without wide registers */
    int own = 0, above = SW_BINS - 1;
    while (own < above) {
        int middle = (own + above) / 2;
        if (felt >= params->edges[middle])
            own = middle + 1;
        else
            above = middle;
    }
#else
    int own = 0;
    for (int k = 0; k < SW_BINS - 1; k++)
        own += felt >= params->edges[k];
#endif
    return own;
}

static void count(const struct sw_rank_params *params, uint16_t tails[SW_BINS], int own)
{
#ifdef SW_SINGLE
    for (int k = 0; k <= own; k++)
        tails[k] = (uint16_t)(tails[k] + SW_ONE);
#else
    int16_t last = (int16_t)own;
    for (int64_t k = 0; k < SW_BINS; k++) /* all of them, which compilers do side by side */
        tails[k] = (uint16_t)(tails[k] + ((int16_t)k <= last ? SW_ONE : 0));
#endif
    if (tails[0] >= (uint32_t)params->full * SW_ONE)
        sw_counts_fade(tails, SW_BINS);
}

SW_WIDE void sw_rank_count(const struct sw_rank_params *params, uint16_t tails[SW_BINS], bool frozen, sw_real surprise)
{
    if (!frozen)
        count(params, tails, bin_of(params, surprise));
}

SW_WIDE sw_real sw_rank_rarity(const struct sw_rank_params *params, uint16_t tails[SW_BINS], bool frozen,
                               sw_real surprise)
{
    int own = bin_of(params, surprise);
    /* Half of its own bin counts as above it, as in a mid-p value; and half an event beyond what was counted. */
    int32_t beyond = own < SW_BINS - 1 ? tails[own + 1] : 0;
    int32_t above = tails[own] + beyond + SW_ONE, all = 2 * (tails[0] + SW_ONE);
    if (!frozen)
        count(params, tails, own);
    return -sw_log10((sw_real)above / (sw_real)all);
}
