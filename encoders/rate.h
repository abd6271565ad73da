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

enum { SW_FIELDS = 16, SW_RATE_MEMBRANES = 3 };

/* Times in usual sampling intervals. */
struct sw_rate_params {
    double spikes_per_reading;           /* of all fields together */
    double membranes[SW_RATE_MEMBRANES]; /* time constants; 1 follows every reading */
};

/* One line; values in the sensor's unit. */
struct sw_rate {
    double seen;                        /* readings so far */
    double low;                         /* learned or declared range */
    double high;
    int64_t declared;                   /* the range is */
    double membrane[SW_RATE_MEMBRANES];
    double phase[SW_FIELDS];            /* share of the next spike each field has gathered, 0..1 */
};

void sw_rate_init(struct sw_rate *line);

/* Tell a line the range of its sensor; false, and nothing changed, unless low < high. */
bool sw_rate_declare(struct sw_rate *line, double low, double high);

/* Let the membranes take in a reading, and the range unless that is declared or the line frozen. */
void sw_rate_follow(const struct sw_rate_params *params, struct sw_rate *line, bool frozen, double elapsed,
                    double value);

/* Where one of the membranes lies among the fields, from 0 to the last. */
double sw_rate_place(const struct sw_rate *line, int membrane);

/* The lower of the two fields beside a place; the upper one fires as far as the place is above it. */
int sw_rate_field(double place);

/* Spikes of every field that one reading causes; learns from it unless the line is frozen. */
void sw_rate_step(const struct sw_rate_params *params, struct sw_rate *line, bool frozen, double elapsed,
                  double value, int64_t spikes[SW_FIELDS]);

#endif
