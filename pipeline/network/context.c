#include "pipeline/network/context.h"

#include "encoders/spikes.h"
#include "pipeline/network/math.h"

/* What a unit listens to: a membrane of the rate code, and its places so many readings ago. */
static const struct unit {
    int membrane;
    int delay;
} UNITS[SW_UNITS_OF_CONTEXT] = {{0, 1}, {0, 16}, {1, 8}, {2, 32}};

void sw_context_init(const struct sw_context_params *params, const struct sw_rank_params *ranks,
                     const double innate[SW_READOUTS][SW_BINS], struct sw_context *line)
{
    *line = (struct sw_context){0};
    for (int unit = 0; unit < SW_UNITS_OF_CONTEXT; unit++)
        sw_rank_init(ranks, params->innate[unit], line->units[unit]);
    for (int k = 0; k < SW_READOUTS; k++)
        sw_rank_init(ranks, innate[k], line->tails[k]);
}

/* How little the fields at `before` predict those at `now`: -ln of the share that was predicted. */
static double unpredicted(const struct sw_context_params *params, const struct sw_context *line, int unit,
                          double before, double now)
{
    int i = sw_rate_field(before), k = sw_rate_field(now);
    double f = before - (double)i, g = now - (double)k;
    const float *lower = line->weights[unit][i], *upper = line->weights[unit][i + 1];
    double low = (1.0 - g) * (double)lower[k] + g * (double)lower[k + 1];
    double high = (1.0 - g) * (double)upper[k] + g * (double)upper[k + 1];
    double predicted = ((1.0 - f) * low + f * high) / (sw_square(1.0 - g) + sw_square(g));
    return sw_most(-sw_log(sw_least(sw_most(predicted, 0.0), 1.0) + params->floor), 0.0);
}

/* Let the two delayed fields that fired expect the present ones. */
static void learn(const struct sw_context_params *params, struct sw_context *line, int unit, double before,
                  double now)
{
    int first = sw_rate_field(before), k = sw_rate_field(now);
    double f = before - (double)first, g = now - (double)k;
    for (int side = 0; side < 2; side++) {
        double spoke = side == 1 ? f : 1.0 - f;
        if (spoke <= 0.0)
            continue;
        float *fired = &line->fired[unit][first + side], *weights = line->weights[unit][first + side];
        *fired = (float)((double)*fired + spoke);
        double gain = sw_most(params->least_rate, 1.0 / ((double)*fired + 1.0)) * spoke;
        float keep = (float)(1.0 - gain);
        for (int j = 0; j < SW_FIELDS; j++)
            weights[j] *= keep;
        weights[k] = (float)((double)weights[k] + gain * (1.0 - g));
        weights[k + 1] = (float)((double)weights[k + 1] + gain * g);
    }
}

void sw_context_step(const struct sw_context_params *params, const struct sw_rank_params *ranks,
                     struct sw_context *line, bool frozen, double elapsed, double value,
                     double surprise[SW_READOUTS])
{
    int64_t seen = (int64_t)line->code.seen;
    double now[SW_RATE_MEMBRANES], cubes = 0.0;
    sw_rate_follow(&params->code, &line->code, frozen, elapsed, value);
    for (int m = 0; m < SW_RATE_MEMBRANES; m++)
        now[m] = sw_rate_place(&line->code, m);
    for (int unit = 0; unit < SW_UNITS_OF_CONTEXT; unit++) {
        int m = UNITS[unit].membrane;
        if (seen < UNITS[unit].delay)
            continue;
        double before = (double)line->places[m][(seen - UNITS[unit].delay) % SW_REACH];
        double felt = unpredicted(params, line, unit, before, now[m]);
        cubes += sw_cube(sw_rank_rarity(ranks, line->units[unit], frozen, felt));
        if (!frozen)
            learn(params, line, unit, before, now[m]);
    }
    for (int m = 0; m < SW_RATE_MEMBRANES; m++)
        line->places[m][seen % SW_REACH] = (float)now[m];
    double common = sw_cube_root(cubes / (double)SW_UNITS_OF_CONTEXT);
    for (int k = 0; k < SW_READOUTS; k++) {
        surprise[k] = NAN;
        if (seen < SW_REACH)
            continue;
        double share = sw_leak(1.0 / sw_least((double)seen + 1.0, params->readouts[k]), elapsed);
        line->membrane[k] += share * (common - line->membrane[k]);
        surprise[k] = line->membrane[k];
    }
}

int64_t sw_context_travelled(double seen)
{
    int64_t ran = 0;
    for (int unit = 0; unit < SW_UNITS_OF_CONTEXT; unit++)
        ran += seen >= (double)UNITS[unit].delay;
    return 2 * ran;
}
