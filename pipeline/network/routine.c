#include "pipeline/network/routine.h"

#include "pipeline/network/clock.h"
#include "pipeline/network/math.h"

#define SINCE_MONDAY 72 /* hours from a Monday to the beginning of 1970, which was a Thursday */
#define EIGHTHS 8.0
#define MOST 255.0      /* that a byte holds */

static int64_t of_week(int64_t hour)
{
    int64_t rest = (hour + SINCE_MONDAY) % SW_HOURS_OF_WEEK;
    return rest < 0 ? rest + SW_HOURS_OF_WEEK : rest;
}

static uint16_t week_of(int64_t hour) { return (uint16_t)((hour + SINCE_MONDAY - of_week(hour)) / SW_HOURS_OF_WEEK); }

/* What is left of something after so many weeks, the first of which it is still whole in. */
static sw_real faded(const struct sw_routine_params *params, sw_real whole, int weeks)
{
    return whole * sw_power(params->fade, (sw_real)(weeks - 1));
}

/* Remember the alarm that has ended. */
static void remember(const struct sw_routine_params *params, struct sw_routine *machine)
{
    sw_real hours = (sw_real)sw_since(machine->begin_ns, machine->last_ns) / (sw_real)SW_HOUR_NS;
    if (hours > params->longest_hours)
        return;
    struct sw_routine_hour *known = &machine->week[of_week(machine->hour)];
    uint16_t week = week_of(machine->hour);
    sw_real size = EIGHTHS * machine->largest, lasted = hours;
    if (known->size > 0) {
        int weeks = (uint16_t)(week - known->week) + 1;
        size = sw_most(size, faded(params, (sw_real)known->size, weeks));
        lasted = sw_most(lasted, faded(params, (sw_real)known->hours, weeks));
    }
    known->size = (uint8_t)sw_least(size, MOST);
    known->hours = (uint8_t)sw_least(lasted + 1.0, MOST);
    known->week = week;
}

/* An alarm begins: what is known of this time of the week? */
static void begin(const struct sw_routine_params *params, struct sw_routine *machine, int32_t hour, int64_t time_ns,
                  bool due)
{
    machine->lasts = 1;
    machine->hour = hour;
    machine->begin_ns = time_ns;
    machine->largest = 0.0;
    sw_real usual = due ? params->due : 0.0, hours = due ? params->due_hours : 0.0;
    for (int64_t near = (int64_t)hour - 1; near <= (int64_t)hour + 1; near++) {
        const struct sw_routine_hour *known = &machine->week[of_week(near)];
        int weeks = (uint16_t)(week_of(near) - known->week);
        if (known->size == 0 || weeks == 0)
            continue;
        usual = sw_most(usual, params->more * faded(params, (sw_real)known->size / EIGHTHS, weeks));
        hours = sw_most(hours, params->longer * faded(params, (sw_real)known->hours, weeks) + 1.0);
    }
    machine->usual = usual;
    machine->until_ns = hours * (sw_real)SW_HOUR_NS;
}

sw_real sw_routine_step(const struct sw_routine_params *params, struct sw_routine *machine, bool frozen, int32_t hour,
                        int64_t time_ns, sw_real size, bool due)
{
    sw_real apart = params->apart_hours * (sw_real)SW_HOUR_NS;
    if (machine->lasts && (sw_real)sw_since(machine->last_ns, time_ns) > apart) {
        if (!frozen)
            remember(params, machine);
        machine->lasts = 0;
    }
    if (size < 1.0 && !machine->lasts)
        return 1.0;
    if (!machine->lasts)
        begin(params, machine, hour, time_ns, due);
    if (size >= 1.0) {
        machine->last_ns = time_ns;
        machine->largest = sw_most(machine->largest, size);
    }
    bool early = (sw_real)sw_since(machine->begin_ns, time_ns) <= machine->until_ns;
    return early ? sw_most(machine->usual, 1.0) : 1.0;
}

void sw_routine_accept(struct sw_routine *machine) { machine->lasts = 0; }
