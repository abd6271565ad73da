#include "pipeline/network/drift.h"

#include "pipeline/network/view.h"
#include "pipeline/network/math.h"

void sw_drift_init_line(struct sw_drift_line *line) { *line = (struct sw_drift_line){.gain = 1.0}; }

void sw_drift_init_machine(struct sw_drift_machine *machine) { *machine = (struct sw_drift_machine){0}; }

/* Write down what the others say of a line. */
static void commission(const struct sw_cohort *cohort, int64_t place)
{
    const sw_real *gain = cohort->member[place]->expectation.gain;
    float *weights = cohort->drift + place * cohort->stride;
    for (int64_t j = 0; j < cohort->size * SW_FEATURES; j++) {
        sw_real weight = 0.0;
        if (j / SW_FEATURES != place)
            for (int k = 0; k < SW_FEATURES; k++)
                weight += gain[k] * (sw_real)sw_row(cohort->precision, cohort, place, k)[j];
        weights[j] = (float)weight;
    }
}

sw_real sw_drift_shift(const struct sw_drift_params *params, const struct sw_drift_line *line)
{
    sw_real carried = (sw_real)line->carried;
    if (line->rows < params->known || line->variance <= 0.0)
        return carried;
    return carried + (line->fast - line->reference) / sw_square_root(line->variance);
}

sw_real sw_drift_lag(sw_real rows, sw_real memory)
{
    if (rows <= memory)
        return sw_most(rows - 1.0, 0.0) / 2.0;
    return (memory - 1.0) - 0.5 * (memory - 1.0) * sw_power(1.0 - 1.0 / memory, rows - memory);
}

sw_real sw_drift_pace(const struct sw_drift_params *params, const struct sw_drift_line *line)
{
    sw_real rows = line->rows - params->begin;
    sw_real behind = sw_drift_lag(rows, params->slow) - sw_drift_lag(rows, params->fast);
    if (line->rows < params->known || line->variance <= 0.0 || behind <= 0.0)
        return 0.0;
    return (line->fast - line->slow) / sw_square_root(line->variance) / behind;
}

sw_real sw_drift_gain(const struct sw_drift_params *params, const struct sw_drift_line *line)
{
    if (line->rows < params->known || line->swing <= line->variance)
        return line->gain;
    sw_real change = (line->joint / line->swing - line->slope) / sw_most(1.0 + line->slope, 0.5);
    sw_real usual = params->gains * params->gains;
    return line->gain * (1.0 + change * usual / (usual + (sw_real)line->wander / line->swing));
}

void sw_drift_restart(const struct sw_drift_params *params, struct sw_drift_line *line)
{
    *line = (struct sw_drift_line){
        .carried = (float)sw_drift_shift(params, line),
        .gain = sw_drift_gain(params, line),
    };
}

/* Take in what the others said of a line, and how far its residual was from the fast mean before this row. */
static void lean(struct sw_drift_line *line, sw_real said, sw_real error, sw_real memory)
{
    sw_real apart = said - line->said;
    line->said += apart / memory;
    line->swing += (apart * (said - line->said) - line->swing) / memory;
    line->joint += ((said - line->said) * error - line->joint) / memory;
}

/* What the others say of a line, as at commissioning. */
static sw_real told(const struct sw_cohort *cohort, int64_t place)
{
    const float *weights = cohort->drift + place * cohort->stride;
    sw_real said = 0.0;
    for (int64_t p = 0; p < cohort->size; p++)
        for (int k = 0; k < SW_FEATURES; k++)
            said -= (sw_real)weights[p * SW_FEATURES + k] * cohort->member[p]->expectation.used[k];
    return said;
}

/* Learn what the residual at commissioning is. */
static void learn(struct sw_drift_line *line, sw_real said, sw_real residual, sw_real n)
{
    line->low = (float)(n > 1.0 ? sw_least((sw_real)line->low, said) : said);
    line->high = (float)(n > 1.0 ? sw_most((sw_real)line->high, said) : said);
    sw_real error = residual - line->reference;
    line->reference += error / n;
    line->variance += (error * (residual - line->reference) - line->variance) / n;
    line->fast = line->slow = line->reference;
    lean(line, said, error, n);
    line->slope = line->swing > line->variance ? line->joint / line->swing : 0.0;
}

int64_t sw_drift_follow(const struct sw_drift_params *params, const struct sw_cohort *cohort, int64_t place,
                        bool elsewhere)
{
    struct sw_drift_line *line = &cohort->member[place]->drift;
    sw_real rows = line->rows;
    if (rows < params->begin) {
        line->rows = rows + 1.0;
        if (rows + 1.0 >= params->begin)
            commission(cohort, place);
        return 0;
    }
    sw_real said = told(cohort, place);
    sw_real residual = cohort->member[place]->expectation.real[0] - said;
    sw_real n = rows - params->begin + 1.0;
    int64_t news = 0;
    if (rows < params->known) {
        learn(line, said, residual, n);
    } else {
        sw_real error = residual - line->fast;
        sw_real outside = sw_most((sw_real)line->low - said, said - (sw_real)line->high);
        sw_real range = (sw_real)(line->high - line->low); /* a float's */
        bool new = outside > params->wider * range + sw_square_root(line->variance);
        news = new ? 1 : -1;
        if (new || elsewhere || error * error > params->far * params->far * line->variance) {
            line->strays = (float)((sw_real)line->strays + 1.0);
            if ((sw_real)line->strays > params->lost)
                sw_drift_restart(params, line);
            return news;
        }
        line->strays = 0.0f;
        lean(line, said, error, sw_least(n, params->fast));
        line->fast += error / sw_least(n, params->fast);
        line->slow += (residual - line->slow) / sw_least(n, params->slow);
    }
    sw_real middle = (sw_real)line->middle;
    line->middle = (float)(middle + (residual - middle) / sw_least(n, params->middle));
    if (n > params->middle) {
        sw_real apart = (sw_real)line->middle - line->fast, wander = (sw_real)line->wander;
        sw_real memory = sw_least(n - params->middle, params->slow);
        line->wander = (float)(wander + (apart * apart - wander) / memory);
    }
    line->rows = rows + 1.0;
    return news;
}

sw_real sw_drift_shares(const struct sw_drift_params *params)
{
    return params->middle / params->fast + 2.0 * params->middle / (params->known - params->begin);
}

bool sw_drift_moving(const struct sw_drift_params *params, const struct sw_drift_line *line, sw_real share)
{
    if (line->rows < params->known)
        return false;
    sw_real moved = sw_drift_shift(params, line);
    sw_real deviation = sw_square_root(line->variance);
    sw_real ahead = sw_with_sign(1.0, moved) * (line->fast - line->slow);
    sw_real uncertain = sw_square_root((sw_real)line->wander * sw_drift_shares(params));
    sw_real least = sw_most(params->shift * deviation, params->sure * uncertain);
    return sw_absolute(moved) * deviation > share * least && ahead > share * params->ahead * deviation;
}
