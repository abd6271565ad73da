/* Population rate code: sixteen receptive fields whose firing rates say where a value is.

   Triangular fields tile the range a line has learned (or was told). A value excites the two fields beside it, in
   proportion to its nearness; each field turns its rate into spikes with a phase accumulator, so the code is
   deterministic: the same readings give the same spikes, and over time the counts are the rates. Leaky membranes
   smooth what is encoded.

   Receptive fields: Bohte, Kok, La Poutre, Neurocomputing 48 (2002), with triangles in place of Gaussians because two
   fields then carry the value exactly and cheaply.

   A line has three membranes over one range; the spike train is that of the first. A population that wants the slower
   ones, or the rates before they are spelled out in spikes, asks for the place: one of the places between the fields,
   the two beside it firing at 1 - f and f for a place f above the lower one. */
#ifndef SW_RATE_H
#define SW_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

enum { SW_FIELDS = 16, SW_RATE_MEMBRANES = 3 };

/* Times in usual sampling intervals. */
struct sw_rate_params {
    sw_real spikes_per_reading;           /* of all fields together */
    sw_real membranes[SW_RATE_MEMBRANES]; /* time constants; 1 follows every reading */
};

/* One line; values in the sensor's unit. */
struct sw_rate {
    sw_real seen;                       /* readings so far */
    sw_real low;                        /* learned or declared range */
    sw_real high;
    int64_t declared;                   /* the range is */
    sw_real membrane[SW_RATE_MEMBRANES];
    sw_real phase[SW_FIELDS];           /* share of the next spike each field has gathered, 0..1 */
};

void sw_rate_init(struct sw_rate *line);

/* Tell a line the range of its sensor; false, and nothing changed, unless low < high. */
bool sw_rate_declare(struct sw_rate *line, sw_real low, sw_real high);

/* Let the membranes take in a reading, and the range unless that is declared or the line frozen. */
void sw_rate_follow(const struct sw_rate_params *params, struct sw_rate *line, bool frozen, sw_real elapsed,
                    sw_real value);

/* Where one of the membranes lies among the fields, from 0 to the last. */
sw_real sw_rate_place(const struct sw_rate *line, int membrane);

/* The lower of the two fields beside a place; the upper one fires as far as the place is above it. */
int sw_rate_field(sw_real place);

/* Spikes of every field that one reading causes; learns from it unless the line is frozen. */
void sw_rate_step(const struct sw_rate_params *params, struct sw_rate *line, bool frozen, sw_real elapsed,
                  sw_real value, int64_t spikes[SW_FIELDS]);

#endif
