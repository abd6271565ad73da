#include "pipeline/network/kind.h"

#include "encoders/spikes.h"
#include "pipeline/network/math.h"

#define WALK 0.04         /* share by which a usual wait moves with each step */
#define MOST 0.5          /* of recent readings, that must be unseen to be odd */

void sw_kind_init(struct sw_kind *line) { *line = (struct sw_kind){.wait = 1.0}; }

sw_real sw_kind_says(const struct sw_kind *line) { return line->counts ? line->pace : line->value; }

sw_real sw_kind_smooth(const struct sw_kind_params *params, const struct sw_kind *line)
{
    return line->counts ? params->waits * sw_most(line->wait, 1.0) : 1.0;
}

void sw_kind_count(const struct sw_kind_params *params, struct sw_kind *line, bool frozen, bool rises,
                   sw_real elapsed, sw_real value)
{
    sw_real gained = rises ? value - line->value : line->value - value;
    line->waited += elapsed;
    if (gained < 0.0) {
        line->waited = 0.0;
        return;
    }
    line->pace += sw_leak(1.0 / sw_kind_smooth(params, line), elapsed) * (gained / elapsed - line->pace);
    if (gained == 0.0)
        return;
    if (!frozen)
        line->wait += sw_clip(line->waited - line->wait, WALK * line->wait);
    line->waited = 0.0;
}

/* Give the line's value a neuron, if there is room. */
static void recruit(struct sw_kind *line, sw_real value)
{
    if (line->few < SW_FEW)
        line->level[line->few] = (float)value;
    line->few++;
    line->newest = line->visits;
    line->returns = 0.0;
}

static bool is_known(const struct sw_kind *line, sw_real value)
{
    for (int64_t j = 0; j < line->few; j++)
        if (line->level[j] == (float)value)
            return true;
    return false;
}

void sw_kind_visit(const struct sw_kind_params *params, struct sw_kind *line, bool frozen, bool first, sw_real value)
{
    if (line->few > SW_FEW)
        return;
    bool moved = !first && value != line->value, strange = false;
    if (moved && !frozen)
        line->visits += 1.0;
    if (!is_known(line, value)) {
        strange = line->visits - line->newest > params->visits + line->newest;
        if (strange && moved && !frozen)
            line->returns += 1.0;
        strange = strange && line->returns <= params->again;
        if (!strange && !frozen)
            recruit(line, value);
    }
    if (!(strange && moved)) /* only what stays is a level */
        line->unseen += ((strange ? 1.0 : 0.0) - line->unseen) / params->stay;
    if (line->few > SW_FEW)
        line->unseen = 0.0;
}

bool sw_kind_is_unseen(const struct sw_kind *line) { return line->unseen > MOST; }

void sw_kind_accept(struct sw_kind *line)
{
    if (line->few <= SW_FEW && line->unseen > 0.0 && !is_known(line, line->value))
        recruit(line, line->value);
    line->unseen = 0.0;
}
