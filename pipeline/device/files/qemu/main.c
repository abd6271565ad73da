/* The golden vectors on an emulated Cortex-M, with what each reading takes.

   QEMU with `-icount shift=0` lets a nanosecond pass for each instruction; the system timer counts QEMU_TICK_NS of
   them. What an instruction takes on a real processor depends on its memory, so instructions are what is said. */
#include "golden.h"
#include "qemu.h"

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xe000e010)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xe000e014)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xe000e018)
#define LONGEST 0xffffffu

static uint32_t begun, most;
static uint64_t total;

static void before(void) { begun = SYSTICK_VALUE; }

static void after(void)
{
    uint32_t ticks = (begun - SYSTICK_VALUE) & LONGEST; /* it counts down */
    total += ticks;
    most = ticks > most ? ticks : most;
}

static void figure(const char *name, int64_t value)
{
    qemu_say(name);
    qemu_number(value);
}

int main(void)
{
    SYSTICK_RELOAD = LONGEST;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 5;
    struct golden found = golden_run(golden_rows, before, after);
    int64_t readings = (int64_t)golden_rows * MACHINE_LINES;
    figure("rows ", found.scored);
    figure(" alarms ", found.alarms);
    figure(" other_side ", found.other_side);
    figure(" apart_ppm ", (int64_t)(found.most * 1e6f));
    figure(" farthest_ppm ", (int64_t)(found.farthest * 1e6f));
    figure(" instructions_a_reading ", (int64_t)(total * QEMU_TICK_NS) / readings);
    figure(" instructions_longest_row ", (int64_t)most * QEMU_TICK_NS);
    figure(" stack_bytes ", qemu_stack_bytes());
    figure(" check ", found.check);
    qemu_say("\n");
    return found.scored > 0 && found.farthest <= GOLDEN_TOLERANCE && found.most <= GOLDEN_APART ? 0 : 1;
}
