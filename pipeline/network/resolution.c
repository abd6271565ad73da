#include "pipeline/network/resolution.h"

#include "pipeline/network/math.h"

#define FARTHEST SW_REAL_LARGE_ROOT /* move that counts, so that its square is finite */
#define NO_HOLD 0.01 /* usual readings beyond the first that a value is held, below which it is not */

void sw_resolution_init(struct sw_resolution *line) { *line = (struct sw_resolution){0}; }

void sw_resolution_follow(const struct sw_resolution_params *params, struct sw_resolution *line, bool frozen,
                          sw_real before, sw_real value, bool shut)
{
    if (frozen)
        return;
    line->readings += 1.0;
    if (value == before)
        return;
    sw_real far = sw_least(sw_absolute(value - before), FARTHEST);
    line->moves += 1.0;
    if (value > before)
        line->rises += 1.0;
    line->step = line->step == 0.0 ? far : sw_least(line->step, far);
    if (!shut) {
        sw_real rate = 1.0 / sw_least(line->moves, params->memory);
        line->jump += rate * (far * far - line->jump);
        sw_real off = sw_least(sw_absolute(line->off), FARTHEST);
        line->left += rate * (off * off - line->left);
    }
}

sw_real sw_resolution_rounding(const struct sw_resolution *line) { return line->step * line->step / 12.0; }

sw_real sw_resolution_holds(const struct sw_resolution *line, sw_real tau)
{
    sw_real hold = line->readings / sw_most(line->moves, 1.0) - 1.0;
    if (hold < NO_HOLD)
        return 0.0;
    sw_real filled = 1.0 - sw_power(1.0 - 1.0 / tau, hold);
    return filled * filled;
}

/* Variance that a line may have beyond what it has shown, because it has moved so seldom. */
static sw_real unknown(const struct sw_resolution_params *params, const struct sw_resolution *line)
{
    return params->proof / (line->moves + params->proof) * line->jump;
}

sw_real sw_resolution_unexplained(const struct sw_resolution_params *params, const struct sw_resolution *line)
{
    return line->moves / (line->moves + params->proof) * line->left + unknown(params, line);
}

bool sw_resolution_counts(const struct sw_resolution_params *params, const struct sw_resolution *line)
{
    sw_real back = sw_least(line->rises, line->moves - line->rises);
    return line->moves >= params->begin && back <= params->back * line->moves;
}

sw_real sw_resolution_unsure(const struct sw_resolution_params *params, const struct sw_resolution *line)
{
    if (sw_resolution_counts(params, line))
        return INFINITY;
    return sw_resolution_holds(line, params->long_) * unknown(params, line);
}
