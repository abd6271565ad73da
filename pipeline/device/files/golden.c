#include "golden.h"

#include <stddef.h>

#include "pipeline/network/math.h"

static void compare(struct golden *found, const struct sw_row *said, int rows)
{
    for (int i = 0; i < rows; i++) {
        sw_real here = said[i].score, there = golden_score[found->scored++];
        sw_real apart = sw_absolute(here - there);
        bool alarm = there >= MACHINE_WARNING;
        found->most = (float)sw_most(found->most, apart);
        found->alarms += alarm;
        if ((here >= MACHINE_WARNING) != alarm) {
            found->other_side++;
            found->farthest = (float)sw_most(found->farthest, sw_absolute(there - MACHINE_WARNING));
        }
    }
}

struct golden golden_run(int32_t rows, void (*before)(void), void (*after)(void))
{
    struct golden found = {0};
    struct sw_row said[2];
    device_begin();
    for (int32_t row = 0; row < rows; row++) {
        sw_real value[MACHINE_LINES];
        for (int i = 0; i < MACHINE_LINES; i++)
            value[i] = (sw_real)golden_value[row][i];
        if (before != NULL)
            before();
        int count = device_row(golden_begin_ns + row * GOLDEN_STEP_NS, value, said);
        if (after != NULL)
            after();
        compare(&found, said, count);
    }
    compare(&found, said, device_close(said));
    found.check = ((const struct sw_header *)device_save())->check;
    return found;
}
