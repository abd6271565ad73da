#include "pipeline/network/persistence.h"

#include "pipeline/network/math.h"

void sw_persistence_init(struct sw_persistence *line) { *line = (struct sw_persistence){0}; }

sw_real sw_persistence_step(const struct sw_persistence_params *params, struct sw_persistence *line, sw_real seen,
                            const sw_real *rarity, int populations)
{
    if (seen < params->start)
        return NAN;
    sw_real cubes = 0.0;
    for (int k = 0; k < populations; k++)
        cubes += sw_cube(rarity[k]);
    sw_real mean = sw_cube_root(cubes / (sw_real)populations);
    line->membrane += (mean - line->membrane) / sw_least(seen + 1.0, params->membrane);
    return line->membrane;
}
