#include "device.h"

#include <stddef.h>
#include <string.h>

#include "pipeline/network/math.h"
#include "pipeline/network/room.h"
#include "pipeline/network/view.h"

enum {
    FEATURES = (MACHINE_LINES < SW_COHORT ? MACHINE_LINES : SW_COHORT) * SW_FEATURES,
    ENTRIES = 2 * MACHINE_LINES
};

#define AGEING_NS (24 * SW_HOUR_NS) /* of the data, between two measurements of a sensor's ageing */

/* As large as `sw_room_bytes` says. */
static struct {
    struct sw_shared_room shared;
    struct sw_cohort_room cohort;
    struct sw_place_room place[MACHINE_LINES];
    sw_real matrices[2][FEATURES][FEATURES];
    uint64_t end;
} room;

static uint64_t memory[MACHINE_BLOCK_BYTES / 8];
static void *const block = memory;
static struct sw_entry entry[ENTRIES];
static struct sw_lost lost[ENTRIES];
static struct sw_arrival arrival[MACHINE_LINES];
static int64_t begin, end; /* entries of the newest row */

/* That the compiler puts every part where the exporter did, and that there is room. */
typedef char block_is_as_large_as_exported[MACHINE_BLOCK_BYTES % 8 == 0 ? 1 : -1];
typedef char line_is_as_large_as_exported[sizeof(struct sw_line) == MACHINE_LINE_BYTES ? 1 : -1];
typedef char parameters_are_as_large_as_exported[sizeof(struct sw_params) == MACHINE_PARAMETER_BYTES ? 1 : -1];
typedef char one_cohort_holds_all_lines[MACHINE_LINES <= SW_COHORT ? 1 : -1];

static const struct sw_params *params(void) { return (const void *)machine_parameters; }

void device_begin(void) { memcpy(memory, machine_image, sizeof memory); }

bool device_load(const void *stored, uint64_t bytes)
{
    const struct sw_header *its = stored, *own = (const void *)machine_image;
    if (bytes != sizeof memory || sw_block_check(params(), stored, bytes) != SW_FINE || its->machine != own->machine)
        return false;
    memcpy(memory, stored, sizeof memory);
    return true;
}

const void *device_save(void)
{
    sw_block_seal(block);
    return memory;
}

static int step(const struct sw_batch *batch, bool *late, struct sw_row said[2])
{
    static const struct sw_calendar *const calendar[1] = {&machine_calendar};
    const struct sw_fleet fleet = {.block = &block, .calendar = calendar, .slots = 1, .ageing_ns = AGEING_NS};
    struct sw_said out = {
        .row = said,
        .entry = entry,
        .lost = lost,
        .late = late,
        .arrival = arrival,
        .room = &room,
        .row_places = 2,
        .entry_places = ENTRIES,
        .lost_places = ENTRIES,
        .room_lines = MACHINE_LINES,
    };
    if (offsetof(__typeof__(room), end) < sw_room_bytes(MACHINE_LINES) ||
        sw_step(params(), &fleet, batch, &out) != SW_DONE)
        return 0;
    if (out.rows > 0) {
        begin = out.rows > 1 ? said[out.rows - 2].until : 0;
        end = out.entries;
    }
    return (int)out.rows;
}

int device_row(int64_t time_ns, const sw_real value[MACHINE_LINES], struct sw_row said[2])
{
    static const int64_t slot[MACHINE_LINES];
    int64_t line[MACHINE_LINES], times[MACHINE_LINES], count = 0;
    sw_real values[MACHINE_LINES];
    bool ends[MACHINE_LINES] = {false}, late[MACHINE_LINES];
    for (int64_t i = 0; i < MACHINE_LINES; i++)
        if (sw_absolute(value[i]) <= SW_MOST_VALUE) { /* which no NAN is */
            line[count] = i;
            times[count] = time_ns;
            values[count++] = value[i];
        }
    if (count == 0)
        return 0;
    ends[count - 1] = true;
    const struct sw_batch batch = {
        .readings = count, .slot = slot, .line = line, .time_ns = times, .value = values, .ends = ends, .parts = 1};
    return step(&batch, late, said);
}

int device_close(struct sw_row said[2])
{
    static const int64_t slot[1];
    const struct sw_batch batch = {.closings = 1, .closing = slot, .parts = 1};
    return step(&batch, NULL, said);
}

const struct sw_entry *device_entries(int64_t *count)
{
    *count = end - begin;
    return entry + begin;
}

void device_confirm(void) { sw_confirm(params(), block); }

void device_learn(bool learn) { sw_view_of(block).machine->frozen = !learn; }
