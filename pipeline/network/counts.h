/* Counts that fade, in 16 bits each: of what has happened, the newest more than the oldest.

   Everything that happens counts SW_ONE. When the counts are of so many events as they may hold, all lose an eighth:
   that is every n events, and they remember as if each faded by a share of ln(8/7) / n with every event. An eighth of a
   small count is no whole number. So all counts are rounded up or down by one number that looks like chance: they keep
   their order, and lose an eighth in the mean. */
#ifndef SW_COUNTS_H
#define SW_COUNTS_H

#include <stdint.h>

enum {
    SW_ONE = 6,        /* what an event counts; more would not leave room for ten thousand */
    SW_MOST_FULL = 10900 /* events that may be held at most: SW_ONE times as many, and one more, have 16 bits */
};

/* A number that looks like chance, made of another: two rounds of multiplying and mixing, after Wellons, "Prospecting
   for Hash Functions" (2018). */
uint32_t sw_mixed(uint32_t number);

/* Let so many counts lose an eighth. */
void sw_counts_fade(uint16_t *counts, int64_t number);

#endif
