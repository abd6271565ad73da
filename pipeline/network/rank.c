#include "pipeline/network/rank.h"

#include "pipeline/network/math.h"

void sw_rank_init(const struct sw_rank_params *params, const sw_real innate[SW_BINS], float tails[SW_TAILS])
{
    sw_real above = 0.0;
    tails[SW_BINS] = 0.0f;
    for (int k = SW_BINS - 1; k >= 0; k--) {
        above += innate[k];
        tails[k] = (float)(params->innate * above);
    }
}

/* The bin of a surprise. */
static int bin_of(const struct sw_rank_params *params, sw_real surprise)
{
    sw_real felt = surprise + 1e-9;
    int own = 0;
#ifdef SW_SINGLE /* without wide registers */
    while (own < SW_BINS - 1 && felt >= params->edges[own])
        own++;
#else
    for (int k = 0; k < SW_BINS - 1; k++)
        own += felt >= params->edges[k];
#endif
    return own;
}

static void count(const struct sw_rank_params *params, float tails[SW_TAILS], int own)
{
    float keep = (float)(1.0 - params->fade);
    for (int k = 0; k < SW_TAILS; k++)
        tails[k] = tails[k] * keep + (k <= own ? 1.0f : 0.0f);
}

SW_WIDE void sw_rank_count(const struct sw_rank_params *params, float tails[SW_TAILS], bool frozen, sw_real surprise)
{
    if (!frozen)
        count(params, tails, bin_of(params, surprise));
}

SW_WIDE sw_real sw_rank_rarity(const struct sw_rank_params *params, float tails[SW_TAILS], bool frozen,
                               sw_real surprise)
{
    int own = bin_of(params, surprise);
    /* Half of its own bin counts as above it, as in a mid-p value. The sum of the two tails is a float's. */
    sw_real above = 0.5 * (sw_real)(tails[own] + tails[own + 1]);
    sw_real rare = -sw_log10((above + 0.5) / ((sw_real)tails[0] + 1.0));
    if (!frozen)
        count(params, tails, own);
    return rare;
}
