/* Coupling: is this sensor where the machine's other sensors say it should be?

   Every line is predicted from traces of the others by a normalised delta rule (LMS: Widrow and Hoff, 1960); a
   membrane of the squared error, in units of its usual size, is the surprise. */
#ifndef SW_COUPLING_H
#define SW_COUPLING_H

#include <stdbool.h>
#include <stdint.h>

#include "pipeline/network/real.h"

struct sw_view;

/* Times in readings. */
struct sw_coupling_params {
    sw_real trace;    /* time constant of the traces that predict and are predicted */
    sw_real clip;     /* sigmas a trace takes in at most */
    sw_real rate;     /* learning rate of the weights */
    sw_real membrane; /* time constant of the error */
    sw_real usual;    /* memory of the usual squared error */
    sw_real after;    /* readings before errors count */
};

/* One line, in sigmas of the line; its weights are a row of the machine's joint matrix. */
struct sw_coupling {
    sw_real trace;
    sw_real error;
    sw_real usual;
};

void sw_coupling_init(struct sw_coupling *line);

/* Let the line's trace take in a reading. */
void sw_coupling_follow(const struct sw_coupling_params *params, struct sw_coupling *line, sw_real seen,
                        sw_real elapsed, sw_real sigmas);

/* Power of all traces of a machine, the norm of the delta rule. */
sw_real sw_coupling_power(const struct sw_view *view);

/* Surprise of the line in a place about its partners; then its weights learn, unless it is frozen. */
sw_real sw_coupling_step(const struct sw_coupling_params *params, const struct sw_view *view, int64_t place,
                         bool frozen, sw_real age, sw_real power);

#endif
