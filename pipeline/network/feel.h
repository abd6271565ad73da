/* What one line feels about a reading: its own populations, one after the other. No line looks at another.

   Score first, then learn, in nearly every part. A frozen line says what it feels as ever, and learns nothing; nor does
   one that is masked. */
#ifndef SW_FEEL_H
#define SW_FEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/clock.h"
#include "pipeline/network/params.h"

struct sw_view;

struct sw_felt {
    sw_real rarity[SW_POPULATIONS]; /* -log10 p; coupling is not a line's to say */
    sw_real sigmas;                 /* distance from the line's slow mean */
    int64_t spikes;                 /* that the reading caused ... */
    int64_t synapses;               /* ... and operations of synapses, see account.h */
};

/* Let a line of a machine, by its number, feel a reading. */
void sw_feel(const struct sw_params *params, const struct sw_view *view, int64_t number,
             const struct sw_arrival *arrival, sw_real value, struct sw_felt *felt);

#endif
