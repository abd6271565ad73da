/* Range and value: is this reading outside everything seen, or far from the slow mean?

   Mean m and variance v by m += r (x - m), v += r ((x - m before)(x - m after) - v), r = 1 / min(readings, slow). */
#ifndef SW_VALUE_H
#define SW_VALUE_H

#include <stdbool.h>

#include "pipeline/network/real.h"

struct sw_value_params {
    sw_real slow; /* memory of the slow mean and variance, readings */
};

/* One line, in the sensor's unit. */
struct sw_value {
    sw_real low;
    sw_real high;
    sw_real mean;
    sw_real variance;
};

void sw_value_init(struct sw_value *line);

/* Standard deviation with a floor against rounding, so that a constant signal divides by something. */
sw_real sw_value_deviation(sw_real variance, sw_real mean);

/* How far a reading lies outside everything seen, in twentieths of that range; 0 inside. Widens the range. */
sw_real sw_value_overflow(struct sw_value *line, bool frozen, sw_real seen, sw_real value);

/* Signed distance from the slow mean in standard deviations; then the mean learns. */
sw_real sw_value_distance(const struct sw_value_params *params, struct sw_value *line, bool frozen, sw_real seen,
                          sw_real value);

#endif
