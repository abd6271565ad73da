#include "pipeline/network/prior.h"

#include "pipeline/network/math.h"
#include "pipeline/network/view.h"

void sw_prior_begin(void *block) { sw_view_of(block).machine->evidence.given = SW_PRIOR_ROWS; }

/* Covariance of the features of two sensors. */
static const sw_real *between(const struct sw_prior *prior, int64_t sensor, int64_t other)
{
    return prior->covariance + (sensor * prior->sensors + other) * SW_FEATURES * SW_FEATURES;
}

/* Let two lines of a cohort, by their places in it, be to each other as their sensors are. */
static void relate(const struct sw_cohort *cohort, int64_t place, int64_t other, const sw_real *covariance,
                   sw_real square)
{
    for (int k = 0; k < SW_FEATURES; k++)
        for (int m = 0; m < SW_FEATURES; m++) {
            float known = (float)(covariance[k * SW_FEATURES + m] / square);
            sw_row(cohort->covariance, cohort, place, k)[other * SW_FEATURES + m] = known;
            sw_row(cohort->covariance, cohort, other, m)[place * SW_FEATURES + k] = known;
        }
}

bool sw_prior_give(const struct sw_prior *prior, void *block, int64_t number, int64_t sensor, const int64_t *others)
{
    struct sw_view view = sw_view_of(block);
    if (number < 0 || number >= view.lines || sensor < 0 || sensor >= prior->sensors)
        return false;
    struct sw_line *line = &view.line[number];
    struct sw_expectation *known = &line->expectation;
    struct sw_evidence_line *found = &line->evidence;
    sw_real variance = between(prior, sensor, sensor)[0];
    known->unit = sw_power_of_two_below(sw_square_root(variance));
    known->own = known->given = SW_PRIOR_ROWS;
    line->resolution.readings = line->resolution.moves = SW_PRIOR_ROWS; /* of sensors that move with every reading */
    line->resolution.rises = SW_PRIOR_ROWS / 2.0;
    int64_t first = number - number % SW_COHORT;
    struct sw_cohort cohort = sw_cohort_of(&view, first);
    for (int64_t i = first; i <= number; i++) { /* lines come in the order of their first readings: of their places */
        int64_t other = i < number ? others[i] : sensor;
        if (other >= 0 && other < prior->sensors)
            relate(&cohort, number - first, i - first, between(prior, sensor, other),
                   known->unit * view.line[i].expectation.unit);
    }
    sw_real square = sw_square(known->unit);
    known->variance = variance / square;
    found->size = prior->residual[sensor] / square;
    found->size_new = prior->innovation[sensor] / square;
    for (int k = 0; k < SW_MEMBRANES; k++)
        found->spread[k] = prior->spread[sensor * SW_MEMBRANES + k];
    found->energy = prior->energy[sensor];
    found->membrane[SW_ENERGY] = sw_exp(found->energy) - 0.1;
    return true;
}
