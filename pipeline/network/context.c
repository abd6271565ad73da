#include "pipeline/network/context.h"

#include "encoders/spikes.h"
#include "pipeline/network/math.h"

/* What a unit listens to: a membrane of the rate code, and its places so many readings ago. */
static const struct unit {
    int membrane;
    int delay;
} UNITS[SW_UNITS_OF_CONTEXT] = {{0, 1}, {0, 16}, {1, 8}, {2, 32}};

void sw_context_init(const struct sw_context_params *params, const struct sw_rank_params *ranks,
                     const sw_real innate[SW_READOUTS][SW_BINS], struct sw_context *line)
{
    *line = (struct sw_context){0};
    for (int unit = 0; unit < SW_UNITS_OF_CONTEXT; unit++)
        sw_rank_init(ranks, params->innate[unit], line->units[unit]);
    for (int k = 0; k < SW_READOUTS; k++)
        sw_rank_init(ranks, innate[k], line->tails[k]);
}

/* How little the fields at `before` predict those at `now`: -ln of the share that was predicted. */
static sw_real unpredicted(const struct sw_context_params *params, const struct sw_context *line, int unit,
                           sw_real before, sw_real now)
{
    int i = sw_rate_field(before), k = sw_rate_field(now);
    sw_real f = before - (sw_real)i, g = now - (sw_real)k;
    const float *lower = line->weights[unit][i], *upper = line->weights[unit][i + 1];
    sw_real low = (1.0 - g) * (sw_real)lower[k] + g * (sw_real)lower[k + 1];
    sw_real high = (1.0 - g) * (sw_real)upper[k] + g * (sw_real)upper[k + 1];
    sw_real predicted = ((1.0 - f) * low + f * high) / (sw_square(1.0 - g) + sw_square(g));
    return sw_most(-sw_log(sw_least(sw_most(predicted, 0.0), 1.0) + params->floor), 0.0);
}

/* Let the two delayed fields that fired expect the present ones. */
static void learn(const struct sw_context_params *params, struct sw_context *line, int unit, sw_real before,
                  sw_real now)
{
    int first = sw_rate_field(before), k = sw_rate_field(now);
    sw_real f = before - (sw_real)first, g = now - (sw_real)k;
    for (int side = 0; side < 2; side++) {
        sw_real spoke = side == 1 ? f : 1.0 - f;
        if (spoke <= 0.0)
            continue;
        float *fired = &line->fired[unit][first + side], *weights = line->weights[unit][first + side];
        *fired = (float)((sw_real)*fired + spoke);
        sw_real gain = sw_most(params->least_rate, 1.0 / ((sw_real)*fired + 1.0)) * spoke;
        float keep = (float)(1.0 - gain);
        for (int j = 0; j < SW_FIELDS; j++)
            weights[j] *= keep;
        weights[k] = (float)((sw_real)weights[k] + gain * (1.0 - g));
        weights[k + 1] = (float)((sw_real)weights[k + 1] + gain * g);
    }
}

void sw_context_step(const struct sw_context_params *params, const struct sw_rank_params *ranks,
                     struct sw_context *line, bool frozen, sw_real elapsed, sw_real value,
                     sw_real surprise[SW_READOUTS])
{
    int64_t seen = (int64_t)line->code.seen;
    sw_real now[SW_RATE_MEMBRANES], cubes = 0.0;
    sw_rate_follow(&params->code, &line->code, frozen, elapsed, value);
    for (int m = 0; m < SW_RATE_MEMBRANES; m++)
        now[m] = sw_rate_place(&line->code, m);
    for (int unit = 0; unit < SW_UNITS_OF_CONTEXT; unit++) {
        int m = UNITS[unit].membrane;
        if (seen < UNITS[unit].delay)
            continue;
        sw_real before = (sw_real)line->places[m][(seen - UNITS[unit].delay) % SW_REACH];
        sw_real felt = unpredicted(params, line, unit, before, now[m]);
        cubes += sw_cube(sw_rank_rarity(ranks, line->units[unit], frozen, felt));
        if (!frozen)
            learn(params, line, unit, before, now[m]);
    }
    for (int m = 0; m < SW_RATE_MEMBRANES; m++)
        line->places[m][seen % SW_REACH] = (float)now[m];
    sw_real common = sw_cube_root(cubes / (sw_real)SW_UNITS_OF_CONTEXT);
    for (int k = 0; k < SW_READOUTS; k++) {
        surprise[k] = NAN;
        if (seen < SW_REACH)
            continue;
        sw_real share = sw_leak(1.0 / sw_least((sw_real)seen + 1.0, params->readouts[k]), elapsed);
        line->membrane[k] += share * (common - line->membrane[k]);
        surprise[k] = line->membrane[k];
    }
}

int64_t sw_context_travelled(sw_real seen)
{
    int64_t ran = 0;
    for (int unit = 0; unit < SW_UNITS_OF_CONTEXT; unit++)
        ran += seen >= (sw_real)UNITS[unit].delay;
    return 2 * ran;
}
