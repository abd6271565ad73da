/* Coupling: is this sensor where the machine's other sensors say it should be?

   Every line is predicted from traces of the others by a normalised delta rule (LMS: Widrow and Hoff, 1960); a
   membrane of the squared error, in units of its usual size, is the surprise. */
#ifndef SW_COUPLING_H
#define SW_COUPLING_H

#include <stdbool.h>
#include <stdint.h>

struct sw_view;

/* Times in readings. */
struct sw_coupling_params {
    double trace;    /* time constant of the traces that predict and are predicted */
    double clip;     /* sigmas a trace takes in at most */
    double rate;     /* learning rate of the weights */
    double membrane; /* time constant of the error */
    double usual;    /* memory of the usual squared error */
    double after;    /* readings before errors count */
};

/* One line, in sigmas of the line; its weights are a row of the machine's joint matrix. */
struct sw_coupling {
    double trace;
    double error;
    double usual;
};

void sw_coupling_init(struct sw_coupling *line);

/* Let the line's trace take in a reading. */
void sw_coupling_follow(const struct sw_coupling_params *params, struct sw_coupling *line, double seen,
                        double elapsed, double sigmas);

/* Power of all traces of a machine, the norm of the delta rule. */
double sw_coupling_power(const struct sw_view *view);

/* Surprise of the line in a place about its partners; then its weights learn, unless it is frozen. */
double sw_coupling_step(const struct sw_coupling_params *params, const struct sw_view *view, int64_t place,
                        bool frozen, double age, double power);

#endif
