#include "pipeline/network/clock.h"

#include "pipeline/network/math.h"

#define JITTER 0.1
#define SLOWEST_WALK 0.01 /* the running median moves by at least this share of itself per reading, by judgement */

void sw_clock_init(struct sw_clock *clock) { *clock = (struct sw_clock){.last_ns = INT64_MIN}; }

sw_real sw_clock_intervals(const struct sw_clock_params *params, sw_real step_ns, sw_real usual_ns)
{
    if (!params->by_time || usual_ns <= 0.0)
        return 1.0;
    sw_real ratio = step_ns / usual_ns;
    return sw_absolute(ratio - 1.0) <= JITTER ? 1.0 : ratio;
}

bool sw_clock_step(const struct sw_clock_params *params, struct sw_clock *clock, int64_t time_ns,
                   struct sw_arrival *arrival)
{
    sw_real before = clock->seen;
    if (time_ns <= clock->last_ns) {
        arrival->seen = -1.0;
        return false;
    }
    sw_real step_ns = before > 0.0 ? (sw_real)sw_since(clock->last_ns, time_ns) : 0.0;
    arrival->seen = before;
    arrival->elapsed = 1.0;
    clock->seen = before + 1.0;
    clock->last_ns = time_ns;
    sw_real usual = clock->usual_ns;
    if (usual > 0.0) {
        arrival->elapsed = sw_clock_intervals(params, step_ns, usual);
        sw_real walk = sw_most(1.0 / before, SLOWEST_WALK);
        sw_real reach = sw_least(walk * usual, sw_absolute(step_ns - usual));
        usual += step_ns > usual ? reach : -reach;
    } else if (before > 0.0) {
        usual = step_ns;
    }
    clock->usual_ns = usual;
    arrival->usual_ns = usual;
    return true;
}
