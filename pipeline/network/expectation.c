#include "pipeline/network/expectation.h"

#include "encoders/spikes.h"
#include "pipeline/network/view.h"
#include "pipeline/network/math.h"
#include "pipeline/network/params.h"
#include "pipeline/network/room.h"

#define SWEEPS 8        /* rounds in which lines left out together come to agree with each other */
#define FORGOTTEN 1e-30 /* variance of a line that has not moved for so long that a float runs out */
#define FARTHEST 1e9    /* units a value may lie from where its line began, or from what is expected */

/* How far each feature of a line is from what the others expect. */
struct apart {
    sw_real feature[SW_FEATURES];
};

void sw_expectation_init(struct sw_expectation *line) { *line = (struct sw_expectation){.gain = {1.0}}; }

/* x, or the farthest there is. */
static sw_real bounded(sw_real x) { return sw_clip(x, FARTHEST); }

/* A value of the sensor in the line's units; 0 for one that has never moved. */
static sw_real placed(const struct sw_expectation *line)
{
    return line->unit > 0.0 ? (line->value - line->offset) / line->unit : 0.0;
}

void sw_expectation_follow(struct sw_expectation *line, sw_real seen, sw_real elapsed, sw_real value)
{
    if (seen == 0.0)
        line->offset = value;
    else if (line->unit == 0.0 && value != line->offset)
        line->unit = sw_power_of_two_below(sw_absolute(value - line->offset));
    line->value = value;
    line->elapsed = elapsed;
}

sw_real sw_expectation_place(const struct sw_expectation *line) { return bounded(placed(line)); }

sw_real sw_expectation_heard(const struct sw_expectation *line)
{
    return line->offset + line->unit * line->used[0];
}

void sw_expectation_believe(struct sw_expectation *line)
{
    line->residual = bounded(placed(line)) - line->used[0];
    for (int k = 0; k < SW_FEATURES; k++)
        line->real[k] = line->used[k] + line->residual;
}

sw_real sw_expectation_in_units(const struct sw_expectation *line, sw_real variance)
{
    return line->unit > 0.0 ? sw_least(variance / line->unit / line->unit, SW_REAL_LARGE) : 0.0;
}

/* Rows that a line has learned from by itself. */
static sw_real lived(const struct sw_expectation *line) { return line->own - line->given; }

/* Share of a row that is taken in after so many rows: that of a plain mean at first, later forgetting. */
static sw_real pace(const struct sw_expectation_params *params, sw_real rows)
{
    return 1.0 / sw_most(sw_least(rows, params->memory), 1.0);
}

/* Residual of the line whose features begin here in the cohort's weighted deviations. */
static sw_real asked(const struct sw_expectation *line, const sw_real *weighted)
{
    sw_real residual = 0.0;
    for (int k = 0; k < SW_FEATURES; k++)
        residual += line->gain[k] * weighted[k];
    return residual;
}

/* `value`, or the nearest to it that may be expected of the line: it has shown others like it. What a prior says of
   its kind counts as shown while the line is young. */
static sw_real within(const struct sw_expectation_params *params, const struct sw_expectation *line, sw_real value)
{
    sw_real margin = params->beyond * (line->high - line->low);
    if (lived(line) < line->given)
        margin = sw_most(margin, params->reach * sw_square_root(line->variance));
    return sw_least(sw_most(value, line->low - margin), line->high + margin);
}

/* Let the cohort hear `value` in place of what was read, and traces as if it had been so. `rate`, `before`: of the
   line's features. */
static void replace(struct sw_expectation *line, sw_real value, const sw_real *rate, const sw_real *before)
{
    line->used[0] = value;
    for (int k = 1; k < SW_FEATURES; k++)
        line->used[k] = before[k] + rate[k] * (value - before[k]);
}

/* Whether the others know the line in a place. */
static bool is_known(const struct sw_cohort *cohort, int64_t place)
{
    return sw_row(cohort->precision, cohort, place, 0)[place * SW_FEATURES] > 0.0f;
}

/* Take in a row's readings: rates, traces and deviations of all features. */
static void take_in(const struct sw_expectation_params *params, const struct sw_cohort *cohort, bool frozen,
                    sw_real elapsed, struct sw_room *room)
{
    struct sw_cohort_room *own = &room->cohort[cohort->number];
    for (int64_t p = 0; p < cohort->size; p++) {
        struct sw_expectation *line = &cohort->member[p]->expectation;
        bool judged = room->place[cohort->first + p].judged;
        if (judged) {
            if (!frozen && line->unit > 0.0) { /* what never moved says nothing of how it moves */
                line->own += 1.0;
                line->settled += 1.0;
            }
            line->real[0] = bounded(placed(line));
            line->used[0] = line->real[0];
        }
        for (int k = 0; k < SW_FEATURES; k++) {
            int64_t i = p * SW_FEATURES + k;
            sw_real youth = 1.0 / sw_most(lived(line), 1.0);
            own->rate[i] = k == 0 ? 1.0 : sw_most(sw_leak(params->forget[k], elapsed), youth);
            own->before[i] = line->used[k];
            line->used[k] += own->rate[i] * (line->used[0] - line->used[k]);
            if (judged)
                line->real[k] += own->rate[i] * (line->real[0] - line->real[k]);
            own->deviation[i] = line->used[k] - line->mean[k];
        }
    }
}

/* Weight all deviations by the precision; `pulled` as if nothing had been replaced before. */
static SW_INSIDE void weight(const struct sw_cohort *cohort, struct sw_room *room)
{
    struct sw_cohort_room *own = &room->cohort[cohort->number];
    int64_t features = cohort->size * SW_FEATURES;
    sw_real total[SW_JOINT] = {0.0};
    for (int64_t j = 0; j < features; j++) { /* symmetric: a row is a column, and no sum waits for another */
        const float *precision = cohort->precision + j * cohort->stride;
        sw_real deviation = own->deviation[j];
        for (int64_t i = 0; i < features; i++)
            total[i] += (sw_real)precision[i] * deviation;
    }
    for (int64_t i = 0; i < features; i++)
        own->weighted[i] = own->pulled[i] = total[i];
    for (int64_t p = 0; p < cohort->size; p++) {
        const struct sw_expectation *line = &cohort->member[p]->expectation;
        for (int k = 0; k < SW_FEATURES; k++) {
            sw_real differs = line->real[k] - line->used[k];
            if (!room->place[cohort->first + p].judged || differs == 0.0)
                continue;
            const float *precision = sw_row(cohort->precision, cohort, p, k);
            for (int64_t j = 0; j < features; j++)
                own->pulled[j] += (sw_real)precision[j] * differs;
        }
    }
}

/* Replace a line by what the others expect of it, and let all of them hear that. */
static void hold(const struct sw_expectation_params *params, const struct sw_cohort *cohort, int64_t place,
                 struct sw_cohort_room *own)
{
    struct sw_expectation *line = &cohort->member[place]->expectation;
    int64_t begin = place * SW_FEATURES, features = cohort->size * SW_FEATURES;
    sw_real reach = params->reach * sw_square_root(line->variance);
    sw_real off = line->used[0] - asked(line, own->weighted + begin) - line->mean[0];
    sw_real replaced = within(params, line, line->mean[0] + sw_clip(off, reach));
    replace(line, replaced, own->rate + begin, own->before + begin);
    for (int k = 0; k < SW_FEATURES; k++) {
        sw_real moved = line->used[k] - line->mean[k] - own->deviation[begin + k];
        own->deviation[begin + k] += moved;
        /* The precision matrix is symmetric: its column is read as the line's row. */
        const float *precision = sw_row(cohort->precision, cohort, place, k);
        for (int64_t j = 0; j < features; j++)
            own->weighted[j] += (sw_real)precision[j] * moved;
    }
}

/* The line whose reading is most doubtful; -1 for none. */
static int64_t most_doubtful(const struct sw_params *params, const struct sw_cohort *cohort,
                             const struct sw_cohort_room *own)
{
    sw_real worst = params->expectation.doubt;
    int64_t found = -1;
    for (int64_t p = 0; p < cohort->size; p++) {
        const struct sw_expectation *line = &cohort->member[p]->expectation;
        if (own->held[p] || !(line->own > params->evidence.settle) || !is_known(cohort, p))
            continue;
        sw_real size = sw_absolute(asked(line, own->weighted + p * SW_FEATURES)) / cohort->member[p]->evidence.usual;
        if (size > worst) {
            worst = size;
            found = p;
        }
    }
    return found;
}

/* Hold what is known to be no evidence, missing and shut lines; then, one by one, the most doubtful of the others. */
static void hold_lines(const struct sw_params *params, const struct sw_cohort *cohort, struct sw_room *room)
{
    struct sw_cohort_room *own = &room->cohort[cohort->number];
    int64_t most = cohort->size / 2 > 1 ? cohort->size / 2 : 1, count = 0;
    for (int64_t p = 0; p < cohort->size; p++) {
        bool no_evidence = !room->place[cohort->first + p].judged || cohort->member[p]->evidence.shut;
        own->held[p] = no_evidence && is_known(cohort, p);
        count += own->held[p];
    }
    for (int64_t p = 0; p < cohort->size; p++)
        if (own->held[p])
            hold(&params->expectation, cohort, p, own);
    for (; count < most; count++) {
        int64_t doubtful = most_doubtful(params, cohort, own);
        if (doubtful < 0)
            break;
        own->held[doubtful] = true;
        hold(&params->expectation, cohort, doubtful, own);
    }
}

/* Gaussian elimination of the line's own positive definite block, written out; in floats, but for what it is asked. */
static struct apart asked_apart(const struct sw_cohort *cohort, int64_t place, const sw_real *weighted)
{
    int64_t begin = place * SW_FEATURES;
    const float *first = sw_row(cohort->precision, cohort, place, 0) + begin;
    const float *second = sw_row(cohort->precision, cohort, place, 1) + begin;
    const float *third = sw_row(cohort->precision, cohort, place, 2) + begin;
    float f = second[0] / first[0], g = third[0] / first[0];
    float middle = second[1] - f * first[1], corner = third[1] - g * first[1];
    sw_real y = weighted[begin + 1] - (sw_real)f * weighted[begin];
    sw_real z = weighted[begin + 2] - (sw_real)g * weighted[begin];
    float h = corner / middle;
    float lowest = third[2] - g * first[2] - h * corner;
    struct apart apart;
    apart.feature[2] = (z - (sw_real)h * y) / (sw_real)lowest;
    apart.feature[1] = (y - (sw_real)corner * apart.feature[2]) / (sw_real)middle;
    sw_real rest = weighted[begin] - (sw_real)first[1] * apart.feature[1] - (sw_real)first[2] * apart.feature[2];
    apart.feature[0] = rest / (sw_real)first[0];
    return apart;
}

/* Squared deviation of a cohort as a whole, of what the lines were heard to say. */
static sw_real squared_deviation(const struct sw_cohort *cohort, const struct sw_cohort_room *own)
{
    sw_real whole = 0.0;
    for (int64_t i = 0; i < cohort->size * SW_FEATURES; i++)
        whole += own->deviation[i] * own->weighted[i];
    return whole;
}

/* How uncertain what is expected of a line is, in usual residuals. Where the others have not been, nobody knows what
   they mean. A prediction is uncertain by their squared distance over the number of observations, if the law there is
   that of here; it need not be. */
static sw_real uncertain(const struct sw_expectation_params *params, const struct sw_cohort *cohort, int64_t place,
                         const sw_real *weighted, sw_real whole)
{
    struct apart apart = asked_apart(cohort, place, weighted);
    const sw_real *own = weighted + place * SW_FEATURES;
    sw_real others = whole - apart.feature[0] * own[0] - apart.feature[1] * own[1] - apart.feature[2] * own[2];
    sw_real usual = params->been * (sw_real)((cohort->size - 1) * SW_FEATURES);
    sw_real beyond = sw_most(others - usual, 0.0);
    sw_real rows = cohort->member[place]->expectation.own;
    return beyond * params->alike / sw_most(sw_least(rows, params->memory), 1.0);
}

/* What a line says that neither the others nor its own past let expect. A value moves its own traces by their rates:
   the step along that direction which fits best. */
static sw_real innovation(const struct sw_expectation_params *params, const struct sw_cohort *cohort, int64_t place,
                          const sw_real *rate, const sw_real *weighted)
{
    const struct sw_expectation *line = &cohort->member[place]->expectation;
    sw_real fit = 0.0, norm = 0.0;
    for (int k = 0; k < SW_FEATURES; k++) {
        const float *precision = sw_row(cohort->precision, cohort, place, k) + place * SW_FEATURES;
        sw_real pull = weighted[k];
        for (int m = 0; m < SW_FEATURES; m++) {
            pull += (sw_real)precision[m] * (line->real[m] - line->used[m]);
            norm += rate[k] * (sw_real)precision[m] * rate[m];
        }
        fit += rate[k] * pull;
    }
    if (!(norm > 0.0))
        return line->residual;
    return bounded(line->real[0] - within(params, line, line->real[0] - fit / norm));
}

SW_WIDE void sw_expectation_predict(const struct sw_params *params, const struct sw_cohort *cohort, bool frozen,
                            sw_real elapsed, struct sw_room *room)
{
    struct sw_cohort_room *own = &room->cohort[cohort->number];
    take_in(&params->expectation, cohort, frozen, elapsed, room);
    weight(cohort, room);
    hold_lines(params, cohort, room);
    sw_real whole = squared_deviation(cohort, own);
    for (int64_t p = 0; p < cohort->size; p++) {
        struct sw_expectation *line = &cohort->member[p]->expectation;
        int64_t begin = p * SW_FEATURES;
        bool judged = room->place[cohort->first + p].judged, known = is_known(cohort, p);
        own->far[p] = judged && known ? uncertain(&params->expectation, cohort, p, own->weighted, whole) : 0.0;
        line->residual = line->innovation = 0.0;
        if (!judged) { /* what was expected of it is all the past it has */
            for (int k = 0; k < SW_FEATURES; k++)
                line->real[k] = line->used[k];
            continue;
        }
        sw_real off = known ? asked(line, own->weighted + begin) : own->deviation[begin];
        sw_real expected = within(&params->expectation, line, line->used[0] - off);
        line->residual = bounded(line->real[0] - expected);
        line->innovation = innovation(&params->expectation, cohort, p, own->rate + begin, own->weighted + begin);
    }
}

/* Limit what each reading of a row may teach. */
static void limit(const struct sw_expectation_params *params, const struct sw_cohort *cohort, struct sw_room *room)
{
    struct sw_cohort_room *own = &room->cohort[cohort->number];
    for (int64_t p = 0; p < cohort->size; p++) {
        struct sw_expectation *line = &cohort->member[p]->expectation;
        const sw_real *rate = own->rate + p * SW_FEATURES, *before = own->before + p * SW_FEATURES;
        bool judged = room->place[cohort->first + p].judged;
        if (own->held[p] && judged && !cohort->member[p]->evidence.shut) {
            sw_real most = params->teach * cohort->member[p]->evidence.usual;
            sw_real beyond = sw_most(sw_absolute(line->residual) - most, 0.0);
            replace(line, line->real[0] - sw_with_sign(beyond, line->residual), rate, before);
        } else if (judged && line->own > params->begin) {
            /* While a line is young it is not doubted; one glitch is not to be all it knows, even so. */
            sw_real off = line->used[0] - line->mean[0], most = params->reach * sw_square_root(line->variance);
            if (sw_absolute(off) > most && most > 0.0)
                replace(line, line->mean[0] + sw_with_sign(most, off), rate, before);
        }
    }
}

/* Widen what a line has shown by its reading, though not by more than a share of it. */
static void widen(const struct sw_expectation_params *params, struct sw_expectation *line)
{
    sw_real widest = params->beyond * (line->high - line->low), read = line->real[0];
    if (widest == 0.0) {
        line->low = sw_least(read, 0.0);
        line->high = sw_most(read, 0.0);
    } else {
        line->low = sw_least(line->low, sw_most(read, line->low - widest));
        line->high = sw_most(line->high, sw_least(read, line->high + widest));
    }
}

/* All means move at the pace of the oldest line: if some moved faster, the rest would be expected elsewhere though
   nothing has changed. A younger line catches up by what the others leave unexplained of it. */
static void move_means(const struct sw_expectation_params *params, const struct sw_cohort *cohort,
                       struct sw_room *room)
{
    struct sw_cohort_room *own = &room->cohort[cohort->number];
    sw_real common = 1.0;
    for (int64_t p = 0; p < cohort->size; p++)
        common = sw_least(common, pace(params, cohort->member[p]->expectation.settled));
    for (int64_t p = 0; p < cohort->size; p++) {
        struct sw_expectation *line = &cohort->member[p]->expectation;
        if (line->unit == 0.0)
            continue;
        if (room->place[cohort->first + p].judged)
            widen(params, line);
        sw_real off = line->used[0] - (line->real[0] - line->residual);
        sw_real catching_up = pace(params, line->settled) - common;
        sw_real *deviation = own->deviation + p * SW_FEATURES;
        for (int k = 0; k < SW_FEATURES; k++) {
            deviation[k] = line->used[k] - line->mean[k];
            line->mean[k] += common * deviation[k] + catching_up * off;
        }
    }
}

/* Every line at its own pace, and still positive definite: each row and column is scaled before it is added to. */
static SW_INSIDE void take_in_covariance(const struct sw_expectation_params *params, const struct sw_cohort *cohort,
                                         int64_t place, const sw_real *deviation)
{
    sw_real slow = pace(params, cohort->member[place]->expectation.own);
    sw_real keep[SW_JOINT] = {0.0}, take[SW_JOINT] = {0.0}; /* of each column */
    sw_real rows = -1.0, kept = 0.0, taken = 0.0;
    int64_t features = cohort->size * SW_FEATURES;
    for (int64_t q = 0; q < cohort->size; q++) {
        if (cohort->member[q]->expectation.own != rows) { /* most lines are as old as the one before */
            rows = cohort->member[q]->expectation.own;
            sw_real other = pace(params, rows);
            kept = sw_square_root((1.0 - slow) * (1.0 - other));
            taken = kept * sw_square_root(slow * other);
        }
        for (int64_t j = q * SW_FEATURES; j < (q + 1) * SW_FEATURES; j++) {
            keep[j] = kept;
            take[j] = taken;
        }
    }
    for (int k = 0; k < SW_FEATURES; k++) {
        sw_real own = deviation[place * SW_FEATURES + k];
        float *covariance = sw_row(cohort->covariance, cohort, place, k);
        for (int64_t j = 0; j < features; j++)
            covariance[j] = (float)(keep[j] * (sw_real)covariance[j] + take[j] * own * deviation[j]);
    }
}

/* What was replaced had no noise of its own; add it, as it would have run down the traces. */
static void add_noise(const struct sw_cohort *cohort, int64_t place, sw_real variance, const sw_real *rate)
{
    for (int k = 0; k < SW_FEATURES; k++) {
        float *covariance = sw_row(cohort->covariance, cohort, place, k) + place * SW_FEATURES;
        for (int m = 0; m < SW_FEATURES; m++) {
            sw_real a = rate[k], b = rate[m];
            covariance[m] = (float)((sw_real)covariance[m] + variance * a * b / (a + b - a * b));
        }
    }
}

SW_WIDE void sw_expectation_learn(const struct sw_expectation_params *params, const struct sw_cohort *cohort,
                                  bool frozen, struct sw_room *room)
{
    limit(params, cohort, room);
    if (frozen)
        return;
    move_means(params, cohort, room);
    struct sw_cohort_room *own = &room->cohort[cohort->number];
    for (int64_t p = 0; p < cohort->size; p++) {
        struct sw_expectation *line = &cohort->member[p]->expectation;
        const struct sw_evidence_line *found = &cohort->member[p]->evidence;
        sw_real slow = pace(params, line->own), deviation = own->deviation[p * SW_FEATURES];
        bool judged = room->place[cohort->first + p].judged;
        take_in_covariance(params, cohort, p, own->deviation);
        if (!judged || found->shut)
            add_noise(cohort, p, slow * found->size, own->rate + p * SW_FEATURES);
        /* The variance is of what was read: else lines that are heard in turn could lead each other astray, as each
           is replaced by what the others, replaced themselves, expect, within a reach that would grow with it. */
        if (judged) {
            line->variance = (1.0 - slow) * (line->variance + slow * deviation * deviation);
            if (found->shut)
                line->variance += slow * found->size;
        }
    }
}

/* Move the features of a line to what the others expect: its part of `weighted` becomes 0. */
static void leave_out(const struct sw_cohort *cohort, int64_t place, sw_real *weighted)
{
    struct apart apart = asked_apart(cohort, place, weighted);
    const float *first = sw_row(cohort->precision, cohort, place, 0);
    const float *second = sw_row(cohort->precision, cohort, place, 1);
    const float *third = sw_row(cohort->precision, cohort, place, 2);
    for (int64_t j = 0; j < cohort->size * SW_FEATURES; j++) {
        weighted[j] -= (sw_real)first[j] * apart.feature[0] + (sw_real)second[j] * apart.feature[1];
        weighted[j] -= (sw_real)third[j] * apart.feature[2];
    }
}

/* Squared usual residuals of the known lines when the blamed ones are not heard, and the price of these. */
static sw_real unexplained(const struct sw_expectation_params *params, const struct sw_cohort *cohort,
                           struct sw_room *room)
{
    struct sw_shared_room *shared = room->shared;
    const struct sw_cohort_room *own = &room->cohort[cohort->number];
    for (int64_t i = 0; i < cohort->size * SW_FEATURES; i++)
        shared->trial[i] = own->pulled[i];
    int64_t several = 0;
    for (int64_t p = 0; p < cohort->size; p++)
        several += shared->blamed[p];
    for (int sweep = 0; sweep < (several > 1 ? SWEEPS : 1); sweep++)
        for (int64_t p = 0; p < cohort->size; p++)
            if (shared->blamed[p])
                leave_out(cohort, p, shared->trial);
    sw_real total = params->price * (sw_real)several;
    for (int64_t p = 0; p < cohort->size; p++) {
        if (!shared->known[p] || shared->blamed[p])
            continue;
        const struct sw_line *line = cohort->member[p];
        sw_real off = asked(&line->expectation, shared->trial + p * SW_FEATURES) / line->evidence.usual;
        total += sw_least(off * off, params->farthest);
    }
    return total;
}

int64_t sw_expectation_culprit(const struct sw_expectation_params *params, const struct sw_cohort *cohort,
                               sw_real least, struct sw_room *room)
{
    struct sw_shared_room *shared = room->shared;
    for (int64_t p = 0; p < cohort->size; p++) {
        shared->known[p] = room->place[cohort->first + p].judged && is_known(cohort, p);
        shared->blamed[p] = cohort->member[p]->evidence.shut && shared->known[p];
    }
    sw_real shown = unexplained(params, cohort, room), best = 0.0;
    int64_t found = -1;
    for (int64_t p = 0; p < cohort->size; p++) {
        const struct sw_evidence_line *line = &cohort->member[p]->evidence;
        if (!shared->known[p] || !(line->level > least) || line->shut)
            continue;
        for (int64_t q = 0; q < cohort->size; q++)
            shared->blamed[q] = q == p;
        sw_real gain = shown - params->price - unexplained(params, cohort, room);
        if (gain > best) {
            best = gain;
            found = p;
        }
    }
    return found;
}

/* Inverse deviations of a line's features; 0 for one that does not take part. */
static void scale_line(const struct sw_params *params, const struct sw_cohort *cohort, int64_t place, sw_real *scale)
{
    const struct sw_line *line = cohort->member[place];
    bool known = line->expectation.own >= params->expectation.begin;
    float variance[SW_FEATURES];
    for (int k = 0; k < SW_FEATURES; k++) { /* a line takes part with all of them or with none */
        variance[k] = sw_row(cohort->covariance, cohort, place, k)[place * SW_FEATURES + k];
        known = known && (sw_real)variance[k] > FORGOTTEN;
    }
    for (int k = 0; k < SW_FEATURES; k++)
        scale[k] = known ? 1.0 / (sw_real)sw_square_root32(variance[k]) : 0.0;
}

/* First row of the inverse of a line's own block of the precision, by cofactors, as the block is 3 x 3. */
static void set_gain(struct sw_expectation *line, sw_real block[SW_FEATURES][SW_FEATURES])
{
    sw_real a = block[1][1] * block[2][2] - block[1][2] * block[1][2];
    sw_real b = block[1][2] * block[0][2] - block[0][1] * block[2][2];
    sw_real d = block[0][1] * block[1][2] - block[1][1] * block[0][2];
    sw_real whole = block[0][0] * a + block[0][1] * b + block[0][2] * d;
    bool usable = whole > 0.0;
    line->gain[0] = usable ? a / whole : 1.0 / sw_most(block[0][0], SW_REAL_LEAST_DIVISOR);
    line->gain[1] = usable ? b / whole : 0.0;
    line->gain[2] = usable ? d / whole : 0.0;
}

SW_WIDE void sw_expectation_renew(const struct sw_params *params, const struct sw_cohort *cohort, struct sw_room *room)
{
    const struct sw_joint_room *joint = &room->joint;
    int64_t features = cohort->size * SW_FEATURES;
    sw_real *scale = room->shared->scale;
    for (int64_t p = 0; p < cohort->size; p++)
        scale_line(params, cohort, p, scale + p * SW_FEATURES);
    for (int64_t i = 0; i < features; i++) {
        const float *covariance = cohort->covariance + i * cohort->stride;
        sw_real *row = joint->matrix + i * joint->stride;
        for (int64_t j = 0; j <= i; j++)
            row[j] = (sw_real)covariance[j] * scale[i] * scale[j];
        /* Against chance: what holds its value is one observation for as long as it does. */
        const struct sw_line *line = cohort->member[i / SW_FEATURES];
        sw_real young = sw_most((sw_real)features / sw_most(line->expectation.own, 1.0),
                               (sw_real)cohort->size / sw_most(line->resolution.moves, 1.0));
        row[i] += params->expectation.ridge + params->expectation.ridge_young * sw_square(young);
        if (scale[i] == 0.0)
            row[i] += 1.0;
    }
    if (!sw_expectation_invert(joint, features))
        return; /* not positive definite, from rounding: the last one serves on */
    for (int64_t p = 0; p < cohort->size; p++) {
        sw_real block[SW_FEATURES][SW_FEATURES];
        for (int k = 0; k < SW_FEATURES; k++) {
            int64_t begin = p * SW_FEATURES, i = begin + k;
            float *precision = sw_row(cohort->precision, cohort, p, k);
            const sw_real *inverse = joint->inverse + i * joint->stride;
            for (int64_t j = 0; j < features; j++)
                precision[j] = (float)(inverse[j] * scale[i] * scale[j]);
            for (int m = 0; m < SW_FEATURES; m++)
                block[k][m] = inverse[begin + m] * scale[i] * scale[begin + m];
        }
        set_gain(&cohort->member[p]->expectation, block);
    }
}

SW_WIDE bool sw_expectation_invert(const struct sw_joint_room *joint, int64_t size)
{
    sw_real *matrix = joint->matrix, *inverse = joint->inverse;
    int64_t stride = joint->stride;
    for (int64_t i = 0; i < size; i++) {
        sw_real *own = matrix + i * stride;
        for (int64_t j = 0; j <= i; j++) {
            const sw_real *other = matrix + j * stride;
            sw_real total = own[j];
            for (int64_t k = 0; k < j; k++)
                total -= own[k] * other[k];
            if (i != j) {
                own[j] = total / other[j];
            } else {
                if (!(total > 1e-12))
                    return false;
                own[i] = sw_square_root(total);
            }
        }
    }
    for (int64_t i = 0; i < size; i++) { /* the triangle's own inverse, in place */
        sw_real *own = matrix + i * stride;
        own[i] = 1.0 / own[i];
        for (int64_t j = 0; j < i; j++) {
            sw_real total = 0.0;
            for (int64_t k = j; k < i; k++)
                total -= own[k] * matrix[k * stride + j];
            own[j] = total * own[i];
        }
    }
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = 0; j <= i; j++) {
            sw_real total = 0.0;
            for (int64_t k = i; k < size; k++)
                total += matrix[k * stride + i] * matrix[k * stride + j];
            inverse[i * stride + j] = inverse[j * stride + i] = total;
        }
    return true;
}
