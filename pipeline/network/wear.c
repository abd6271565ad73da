#include "pipeline/network/wear.h"

#include "pipeline/network/view.h"
#include "pipeline/network/math.h"
#include "pipeline/network/params.h"
#include "pipeline/network/room.h"

#define PASSES 4    /* in which the size of the movements settles */
#define LEAST 100.0 /* rows in which a movement is sought */

/* What a cohort's movements have in common. */
struct movement {
    sw_real rows;    /* of its oldest line */
    sw_real age;     /* rows since commissioning, of its oldest line */
    sw_real wander;  /* of its loads */
    sw_real lived;   /* lines that take part */
    sw_real squares; /* size of own movements, squared */
    bool settled;
};

/* What the trend rests on. */
struct trend {
    sw_real behind;   /* rows between the two means of late */
    sw_real expected; /* squared movement between them */
    bool known;
};

void sw_wear_init(struct sw_wear *line) { *line = (struct sw_wear){0}; }

void sw_wear_follow(const struct sw_drift_params *params, struct sw_wear *line, sw_real heard)
{
    line->rows += 1.0;
    sw_real n = line->rows - params->begin;
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
        sw_real apart = line->middle - line->now;
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
static sw_real joint(sw_real rows, sw_real memory, sw_real longer)
{
    if (rows <= longer)
        return 1.0 / rows;
    sw_real keep = (1.0 - 1.0 / memory) * (1.0 - 1.0 / longer);
    sw_real least = 1.0 / (memory + longer - 1.0);
    return least + (1.0 / longer - least) * sw_power(keep, rows - longer);
}

/* Whether a line is commissioned, so that others may be told from it. */
static bool takes_part(const struct sw_drift_params *params, const struct sw_line *line)
{
    return line->wear.rows > params->known && line->drift.variance > 0.0 && line->expectation.variance > 0.0;
}

/* Invert identity plus `ratio` times the cohort's covariance in deviations, which is what own movements keep. */
static bool weigh(const struct sw_drift_params *params, const struct sw_cohort *cohort, sw_real ratio,
                  struct sw_room *room)
{
    for (int64_t p = 0; p < cohort->size; p++)
        for (int64_t q = 0; q <= p; q++) {
            const struct sw_line *one = cohort->member[p], *other = cohort->member[q];
            sw_real *own = &room->joint.matrix[p * room->joint.stride + q];
            *own = p == q ? 1.0 : 0.0;
            if (!takes_part(params, one) || !takes_part(params, other))
                continue;
            sw_real unit = sw_square_root(one->drift.variance) * sw_square_root(other->drift.variance);
            sw_real covariance = (sw_real)sw_row(cohort->covariance, cohort, p, 0)[q * SW_FEATURES];
            *own += ratio * covariance / unit;
        }
    return sw_expectation_invert(&room->joint, cohort->size);
}

/* Most probable own movement of a line, in deviations: since commissioning, or between the two means of late. */
static sw_real solved(const struct sw_drift_params *params, const struct sw_cohort *cohort, int64_t place, bool lately,
                      const struct sw_room *room)
{
    sw_real total = 0.0;
    for (int64_t q = 0; q < cohort->size; q++) {
        const struct sw_line *line = cohort->member[q];
        if (!takes_part(params, line))
            continue;
        const struct sw_wear *own = &line->wear;
        sw_real apart = own->now - (lately ? own->before : own->then - own->carried);
        total += room->joint.inverse[place * room->joint.stride + q] * apart / sw_square_root(line->drift.variance);
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
        sw_real age = line->wear.past + line->wear.rows - 0.5 * (means->begin + means->known);
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
static void settle(const struct sw_params *params, const struct sw_cohort *cohort, struct sw_room *room,
                   struct movement *found)
{
    const struct sw_drift_params *means = &params->drift;
    sw_real usual = sw_square(params->wear.usual * found->age / params->wear.life);
    found->squares = usual;
    for (int pass = 0; pass < PASSES; pass++) {
        sw_real ratio = found->wander * sw_drift_shares(means) / found->squares;
        found->settled = found->settled && weigh(means, cohort, ratio, room);
        sw_real total = params->wear.trust * usual;
        for (int64_t p = 0; p < cohort->size; p++) {
            if (!found->settled || !takes_part(means, cohort->member[p]))
                continue;
            room->shared->moved[p] = solved(means, cohort, p, false, room);
            sw_real left = 1.0 - room->joint.inverse[p * room->joint.stride + p];
            room->shared->moved_error[p] = found->squares * sw_most(left, 0.0);
            total += room->shared->moved[p] * room->shared->moved[p] + room->shared->moved_error[p];
        }
        found->squares = total / (params->wear.trust + found->lived);
    }
}

/* What a mean of late and a slower one have between them of the same noise, and how far apart they lie in time. */
static struct trend look_at_trend(const struct sw_params *params, const struct sw_cohort *cohort,
                                  struct sw_room *room, const struct movement *found)
{
    const struct sw_drift_params *means = &params->drift;
    struct trend trend = {.behind = sw_drift_lag(found->rows, means->slow) - sw_drift_lag(found->rows, means->fast)};
    sw_real noise = joint(found->rows, means->fast, means->fast) + joint(found->rows, means->slow, means->slow);
    noise -= 2.0 * joint(found->rows, means->fast, means->slow);
    trend.expected = found->squares * sw_square(trend.behind / found->age);
    sw_real ratio = found->wander * 2.0 * means->middle * noise / trend.expected;
    trend.known = found->settled && trend.behind > 0.0 && noise > 0.0;
    trend.known = trend.known && weigh(means, cohort, ratio, room);
    return trend;
}

static void tell(const struct sw_params *params, const struct sw_cohort *cohort, int64_t place,
                 const struct sw_room *room, const struct movement *found, const struct trend *trend,
                 struct sw_wear_measured *out)
{
    const struct sw_drift_params *means = &params->drift;
    const struct sw_line *line = cohort->member[place];
    bool told = found->settled && takes_part(means, line);
    *out = (struct sw_wear_measured){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    out->known = told ? 1.0 : sw_least(line->wear.rows / means->known, 0.999);
    if (!told)
        return;
    sw_real moved = room->shared->moved[place], error = room->shared->moved_error[place], age = found->age;
    sw_real pace = moved / age;
    sw_real pace_error = sw_square(params->wear.bend * pace) + error / (age * age);
    if (trend->known) {
        sw_real lately = solved(means, cohort, place, true, room) / trend->behind;
        sw_real left = sw_most(1.0 - room->joint.inverse[place * room->joint.stride + place], 1e-12);
        sw_real lately_error = trend->expected * left / (trend->behind * trend->behind);
        sw_real precision = 1.0 / pace_error + 1.0 / lately_error;
        pace = (pace / pace_error + lately / lately_error) / precision;
        pace_error = params->wear.doubt / precision;
    }
    sw_real unit = line->expectation.unit;
    sw_real deviation = unit * sw_square_root(line->drift.variance);
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
    struct movement found = gather(params, cohort);
    settle(params, cohort, room, &found);
    struct trend trend = look_at_trend(params, cohort, room, &found);
    for (int64_t p = begin; p < end; p++)
        tell(params, cohort, p, room, &found, &trend, &out[p - begin]);
}
