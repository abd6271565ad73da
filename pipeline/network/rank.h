/* The rank neuron: how rare is this surprise on this very sensor?

   It counts past surprises in logarithmic bins, forgets slowly, and answers with -log10 of the tail probability of
   the present one, so that "never this busy" and "outside everything seen" become comparable without units. It is
   born with innate counts, so that its first answers are sober.

   Conformal / rank p-values: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World" (2005); anomaly
   likelihood: Lavin and Ahmad (2015). */
#ifndef SW_RANK_H
#define SW_RANK_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

enum {
    SW_BINS = 24 /* of ln surprise, each half a unit wide; the first and the last are open */
};

struct sw_rank_params {
    sw_real innate;             /* weight of the innate counts, readings */
    int32_t full;               /* readings that it has counted when its counts lose an eighth */
    sw_real edges[SW_BINS - 1]; /* surprise at which the second bin, the third, ... begins */
};

/* Faded counts of one neuron, see counts.h, kept as tails: `tails[k]` of bin k and all above. Reading one is then a look-up,
   and no bin is ever subtracted. */

/* Begin with how often each bin occurs per reading. */
void sw_rank_init(const struct sw_rank_params *params, const sw_real innate[SW_BINS], uint16_t tails[SW_BINS]);

/* -log10 of the share of past surprises at least this large; then counts this one, unless frozen. */
sw_real sw_rank_rarity(const struct sw_rank_params *params, uint16_t tails[SW_BINS], bool frozen, sw_real surprise);

/* Count a surprise that nobody asks about, unless frozen. */
void sw_rank_count(const struct sw_rank_params *params, uint16_t tails[SW_BINS], bool frozen, sw_real surprise);

#endif
