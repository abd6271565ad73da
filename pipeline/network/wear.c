#include "pipeline/network/wear.h"

#include "pipeline/network/view.h"
#include "pipeline/network/math.h"
#include "pipeline/network/params.h"
#include "pipeline/network/room.h"

#define PASSES 4    /* in which the size of the movements settles */
#define LEAST 100.0 /* rows in which a movement is sought */

/* What a cohort's movements have in common. */
struct movement {
    double rows;    /* of its oldest line */
    double age;     /* rows since commissioning, of its oldest line */
    double wander;  /* of its loads */
    double lived;   /* lines that take part */
    double squares; /* size of own movements, squared */
    bool settled;
};

/* What the trend rests on. */
struct trend {
    double behind;   /* rows between the two means of late */
    double expected; /* squared movement between them */
    bool known;
};

void sw_wear_init(struct sw_wear *line) { *line = (struct sw_wear){0}; }

void sw_wear_follow(const struct sw_drift_params *params, struct sw_wear *line, double heard)
{
    line->rows += 1.0;
    double n = line->rows - params->begin;
    if (n < 1.0)
        return;
    if (line->rows <= params->known) {
        line->then += (heard - line->then) / n;
        line->now = line->before = line->then;
    } else {
        line->now += (heard - line->now) / sw_least(n, params->fast);
        line->before += (heard - line->before) / sw_least(n, params->slow);
    }
    line->middle += (heard - line->middle) / sw_least(n, params->middle);
    if (n > params->middle) {
        double apart = line->middle - line->now;
        line->wander += (apart * apart - line->wander) / sw_least(n - params->middle, params->slow);
    }
}

void sw_wear_restart(const struct sw_drift_params *params, struct sw_wear *line)
{
    if (line->rows > params->known) {
        line->carried += line->now - line->then;
        line->past += line->rows - params->begin;
    }
    line->rows = line->then = line->now = line->before = 0.0;
    line->middle = line->wander = 0.0;
}

bool sw_wear_due(const struct sw_drift_params *params, struct sw_wear *line, int64_t time_ns, int64_t every_ns)
{
    if (line->rows <= params->known || sw_since(line->told_ns, time_ns) < every_ns)
        return false;
    line->told_ns = time_ns;
    return true;
}

/* Covariance of two means of those memories of the same noise of variance 1, after so many rows. */
static double joint(double rows, double memory, double longer)
{
    if (rows <= longer)
        return 1.0 / rows;
    double keep = (1.0 - 1.0 / memory) * (1.0 - 1.0 / longer);
    double least = 1.0 / (memory + longer - 1.0);
    return least + (1.0 / longer - least) * sw_power(keep, rows - longer);
}

/* Whether a line is commissioned, so that others may be told from it. */
static bool takes_part(const struct sw_drift_params *params, const struct sw_line *line)
{
    return line->wear.rows > params->known && line->drift.variance > 0.0 && line->expectation.variance > 0.0;
}

/* Invert identity plus `ratio` times the cohort's covariance in deviations, which is what own movements keep. */
static bool weigh(const struct sw_drift_params *params, const struct sw_cohort *cohort, double ratio,
                  struct sw_shared_room *shared)
{
    for (int64_t p = 0; p < cohort->size; p++)
        for (int64_t q = 0; q <= p; q++) {
            const struct sw_line *one = cohort->member[p], *other = cohort->member[q];
            shared->matrix[p][q] = p == q ? 1.0 : 0.0;
            if (!takes_part(params, one) || !takes_part(params, other))
                continue;
            double unit = sw_square_root(one->drift.variance) * sw_square_root(other->drift.variance);
            double covariance = (double)sw_row(cohort->covariance, cohort, p, 0)[q * SW_FEATURES];
            shared->matrix[p][q] += ratio * covariance / unit;
        }
    return sw_expectation_invert(shared->matrix, shared->inverse, cohort->size);
}

/* Most probable own movement of a line, in deviations: since commissioning, or between the two means of late. */
static double solved(const struct sw_drift_params *params, const struct sw_cohort *cohort, int64_t place, bool lately,
                     const struct sw_shared_room *shared)
{
    double total = 0.0;
    for (int64_t q = 0; q < cohort->size; q++) {
        const struct sw_line *line = cohort->member[q];
        if (!takes_part(params, line))
            continue;
        const struct sw_wear *own = &line->wear;
        double apart = own->now - (lately ? own->before : own->then - own->carried);
        total += shared->inverse[place][q] * apart / sw_square_root(line->drift.variance);
    }
    return total;
}

static struct movement gather(const struct sw_params *params, const struct sw_cohort *cohort)
{
    const struct sw_drift_params *means = &params->drift;
    struct movement found = {.age = 1.0};
    for (int64_t p = 0; p < cohort->size; p++) {
        const struct sw_line *line = cohort->member[p];
        if (!takes_part(means, line))
            continue;
        double age = line->wear.past + line->wear.rows - 0.5 * (means->begin + means->known);
        found.rows = sw_most(found.rows, line->wear.rows - means->begin);
        found.age = sw_most(found.age, age);
        found.wander += line->wear.wander / line->expectation.variance;
        found.lived += 1.0;
    }
    found.wander /= sw_most(found.lived, 1.0);
    /* The late mean lies so far behind. */
    found.age = sw_most(found.age - sw_drift_lag(found.rows, means->fast), LEAST);
    found.settled = found.lived > 0.0;
    return found;
}

/* Fit the size of own movements to what is found; leaves each line's movement and its variance in the room. */
static void settle(const struct sw_params *params, const struct sw_cohort *cohort, struct sw_shared_room *shared,
                   struct movement *found)
{
    const struct sw_drift_params *means = &params->drift;
    double usual = sw_square(params->wear.usual * found->age / params->wear.life);
    found->squares = usual;
    for (int pass = 0; pass < PASSES; pass++) {
        double ratio = found->wander * sw_drift_shares(means) / found->squares;
        found->settled = found->settled && weigh(means, cohort, ratio, shared);
        double total = params->wear.trust * usual;
        for (int64_t p = 0; p < cohort->size; p++) {
            if (!found->settled || !takes_part(means, cohort->member[p]))
                continue;
            shared->moved[p] = solved(means, cohort, p, false, shared);
            shared->moved_error[p] = found->squares * sw_most(1.0 - shared->inverse[p][p], 0.0);
            total += shared->moved[p] * shared->moved[p] + shared->moved_error[p];
        }
        found->squares = total / (params->wear.trust + found->lived);
    }
}

/* What a mean of late and a slower one have between them of the same noise, and how far apart they lie in time. */
static struct trend look_at_trend(const struct sw_params *params, const struct sw_cohort *cohort,
                                  struct sw_shared_room *shared, const struct movement *found)
{
    const struct sw_drift_params *means = &params->drift;
    struct trend trend = {.behind = sw_drift_lag(found->rows, means->slow) - sw_drift_lag(found->rows, means->fast)};
    double noise = joint(found->rows, means->fast, means->fast) + joint(found->rows, means->slow, means->slow);
    noise -= 2.0 * joint(found->rows, means->fast, means->slow);
    trend.expected = found->squares * sw_square(trend.behind / found->age);
    double ratio = found->wander * 2.0 * means->middle * noise / trend.expected;
    trend.known = found->settled && trend.behind > 0.0 && noise > 0.0;
    trend.known = trend.known && weigh(means, cohort, ratio, shared);
    return trend;
}

static void tell(const struct sw_params *params, const struct sw_cohort *cohort, int64_t place,
                 const struct sw_shared_room *shared, const struct movement *found, const struct trend *trend,
                 struct sw_wear_measured *out)
{
    const struct sw_drift_params *means = &params->drift;
    const struct sw_line *line = cohort->member[place];
    bool told = found->settled && takes_part(means, line);
    *out = (struct sw_wear_measured){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    out->known = told ? 1.0 : sw_least(line->wear.rows / means->known, 0.999);
    if (!told)
        return;
    double moved = shared->moved[place], error = shared->moved_error[place], age = found->age;
    double pace = moved / age;
    double pace_error = sw_square(params->wear.bend * pace) + error / (age * age);
    if (trend->known) {
        double lately = solved(means, cohort, place, true, shared) / trend->behind;
        double left = sw_most(1.0 - shared->inverse[place][place], 1e-12);
        double lately_error = trend->expected * left / (trend->behind * trend->behind);
        double precision = 1.0 / pace_error + 1.0 / lately_error;
        pace = (pace / pace_error + lately / lately_error) / precision;
        pace_error = params->wear.doubt / precision;
    }
    double unit = line->expectation.unit;
    double deviation = unit * sw_square_root(line->drift.variance);
    out->deviation = deviation;
    out->mean = line->expectation.offset + unit * (line->wear.then - line->wear.carried);
    out->moved = deviation * moved;
    out->lag = sw_drift_lag(line->wear.rows - means->begin, means->fast);
    out->moved_error = deviation * sw_square_root(error);
    out->pace = deviation * pace;
    out->pace_error = deviation * sw_square_root(pace_error);
    out->gain = cohort->size > 1 ? sw_drift_gain(means, &line->drift) : NAN;
}

void sw_wear_measure(const struct sw_params *params, const struct sw_cohort *cohort, int64_t begin, int64_t end,
                     struct sw_room *room, struct sw_wear_measured *out)
{
    struct sw_shared_room *shared = room->shared;
    struct movement found = gather(params, cohort);
    settle(params, cohort, shared, &found);
    struct trend trend = look_at_trend(params, cohort, shared, &found);
    for (int64_t p = begin; p < end; p++)
        tell(params, cohort, p, shared, &found, &trend, &out[p - begin]);
}
