#include "pipeline/network/network.h"

#include <stddef.h>

#include "pipeline/network/feel.h"
#include "pipeline/network/judge.h"
#include "pipeline/network/math.h"
#include "pipeline/network/room.h"
#include "pipeline/network/view.h"

/* A batch on its way through. */
struct course {
    const struct sw_params *params;
    const struct sw_fleet *fleet;
    const struct sw_batch *batch;
    struct sw_said *said;
    struct sw_room room;
};

static bool is_block(const void *block)
{
    const struct sw_header *header = block;
    return block && (uintptr_t)block % 8 == 0 && header->magic == SW_MAGIC && header->format == SW_FORMAT + SW_LAYOUT &&
           header->lines > 0 && header->context <= 1 && header->bytes == sw_block_bytes(header->lines, header->context);
}

static int64_t check_slot(const struct sw_fleet *fleet, const struct sw_said *said, int64_t slot)
{
    if (slot < 0 || slot >= fleet->slots)
        return SW_BAD_SLOT;
    if (!is_block(fleet->block[slot]))
        return SW_BAD_BLOCK;
    const struct sw_header *header = fleet->block[slot];
    int64_t twice = 2 * (int64_t)header->lines;
    bool enough = said->row_places >= 2 && said->entry_places >= twice && said->lost_places >= twice &&
                  said->room_lines >= (int64_t)header->lines;
    return enough ? SW_DONE : SW_BAD_ROOM;
}

static int64_t check_reading(const struct sw_fleet *fleet, const struct sw_batch *batch, const struct sw_said *said,
                             int64_t i)
{
    int64_t wrong = i > 0 && batch->slot[i] == batch->slot[i - 1] ? SW_DONE : check_slot(fleet, said, batch->slot[i]);
    if (wrong != SW_DONE)
        return wrong;
    const struct sw_header *header = fleet->block[batch->slot[i]];
    if (batch->line[i] < 0 || batch->line[i] >= (int64_t)header->lines)
        return SW_BAD_LINE;
    return sw_absolute(batch->value[i]) <= SW_MOST_VALUE ? SW_DONE : SW_BAD_VALUE;
}

static int64_t check(const struct sw_fleet *fleet, const struct sw_batch *batch, struct sw_said *said)
{
    if ((uintptr_t)said->room % 8 != 0)
        return SW_BAD_ROOM;
    for (said->refused = 0; said->refused < batch->readings; said->refused++) {
        int64_t wrong = check_reading(fleet, batch, said, said->refused);
        if (wrong != SW_DONE)
            return wrong;
    }
    for (int64_t i = 0; i < batch->closings; i++, said->refused++) {
        int64_t wrong = check_slot(fleet, said, batch->closing[i]);
        if (wrong != SW_DONE)
            return wrong;
    }
    said->refused = -1;
    return SW_DONE;
}

/* Say of lines what the caller calls them. */
static void name_lines(const struct sw_fleet *fleet, struct sw_row *row, const struct sw_page *from,
                       const struct sw_page *to)
{
    if (!fleet->name)
        return;
    const int32_t *name = fleet->name + row->slot * fleet->names;
    row->event_cause = name[row->event_cause];
    row->state_cause = name[row->state_cause];
    row->rhythm_cause = name[row->rhythm_cause];
    row->cause = name[row->cause];
    for (struct sw_entry *entry = from->entry; entry < to->entry; entry++)
        entry->line = name[entry->line];
    for (struct sw_lost *lost = from->lost; lost < to->lost; lost++)
        lost->line = name[lost->line];
}

/* Judge and score the open row of a machine. */
static void close(struct course *course, const struct sw_view *view, int64_t slot, int64_t at)
{
    struct sw_said *said = course->said;
    struct sw_page page = {
        .row = &said->row[said->rows],
        .entry = &said->entry[said->entries],
        .lost = &said->lost[said->losses],
        .entries = said->entries,
        .losses = said->losses,
    };
    const struct sw_page begin = page;
    struct sw_row *row = page.row;
    sw_rows_close(course->params, view, course->fleet->ageing_ns, &course->room, &page);
    row->slot = slot;
    row->at = at;
    sw_scoring_step(&course->fleet->scoring, &view->machine->scoring, view->machine->frozen, row);
    name_lines(course->fleet, row, &begin, &page);
    said->rows++;
    said->entries = page.entries;
    said->losses = page.losses;
}

/* The reading after the last one that a message has for a machine and time. */
static int64_t end_of_group(const struct sw_batch *batch, int64_t begin)
{
    int64_t end = begin + 1;
    while (end < batch->readings && !batch->ends[end - 1] && batch->slot[end] == batch->slot[begin])
        end++;
    return end;
}

/* Whether there is a place for all that a machine's readings may close: a row before the first, one after the last. */
static bool has_place(const struct sw_said *said, const struct sw_view *view)
{
    int64_t most = 2 * view->lines;
    return said->row_places - said->rows >= 2 && said->entry_places - said->entries >= most &&
           said->lost_places - said->losses >= most;
}

/* Let the clocks hear readings; returns the first that is not late, or the end. */
static int64_t hear(struct course *course, const struct sw_view *view, int64_t begin, int64_t end)
{
    const struct sw_batch *batch = course->batch;
    int64_t first = end;
    for (int64_t i = begin; i < end; i++) {
        struct sw_clock *clock = &view->line[batch->line[i]].clock;
        bool late = !sw_clock_step(&course->params->clock, clock, batch->time_ns[i], &course->said->arrival[i]);
        course->said->late[i] = late;
        course->said->lates += late;
        if (!late && first == end)
            first = i;
    }
    return first;
}

/* Whether what a message has for a machine and a time belongs to the open row, as a whole. */
static bool joins(const struct course *course, const struct sw_view *view, int64_t begin, int64_t end)
{
    const struct sw_batch *batch = course->batch;
    if (!sw_rows_near(view, batch->time_ns[begin]))
        return false;
    for (int64_t i = begin; i < end; i++)
        if (!course->said->late[i] && view->line[batch->line[i]].rows.ticked)
            return false;
    return true;
}

/* Have the line of the next reading brought near while this one is felt. */
static void fetch_next(const struct course *course, int64_t next)
{
    const struct sw_batch *batch = course->batch;
    if (next == batch->readings)
        return;
    struct sw_view view = sw_view_of(course->fleet->block[batch->slot[next]]);
    sw_fetch(&view.line[batch->line[next]], sizeof(struct sw_line));
}

/* Take in what a message has for a machine and a time. */
static void take_group(struct course *course, const struct sw_view *view, int64_t begin, int64_t end)
{
    const struct sw_batch *batch = course->batch;
    int64_t slot = batch->slot[begin], first = hear(course, view, begin, end), last = first;
    if (first == end)
        return;
    const struct sw_calendar *calendar = course->fleet->calendar ? course->fleet->calendar[slot] : NULL;
    if (view->machine->rows.open && !joins(course, view, first, end))
        close(course, view, slot, 2 * begin);
    for (int64_t i = first; i < end; i++) {
        if (course->said->late[i])
            continue;
        fetch_next(course, i + 1);
        struct sw_reading reading = {batch->line[i], batch->time_ns[i], batch->value[i]};
        struct sw_felt felt;
        struct sw_arrival arrival = course->said->arrival[i];
        sw_rows_hear(course->params, view, &reading, &arrival);
        sw_feel(course->params, view, reading.line, &arrival, sw_kind_says(&view->line[reading.line].kind), &felt);
        sw_rows_take(course->params, calendar, view, &reading, &arrival, &felt);
        last = i;
    }
    if (batch->ends[end - 1] && sw_rows_complete(view))
        close(course, view, slot, 2 * last + 1);
}

/* Whether this call steps a machine. */
static bool is_ours(const struct sw_batch *batch, int64_t slot)
{
    return batch->parts <= 1 || slot % batch->parts == batch->part;
}

int64_t sw_step(const struct sw_params *params, const struct sw_fleet *fleet, const struct sw_batch *batch,
                struct sw_said *said)
{
    said->rows = said->entries = said->losses = said->lates = said->readings = said->closings = 0;
    int64_t wrong = check(fleet, batch, said);
    if (wrong != SW_DONE)
        return wrong;
    struct course course = {params, fleet, batch, said, sw_room_of(said->room, said->room_lines)};
    while (said->readings < batch->readings) {
        int64_t slot = batch->slot[said->readings], end = end_of_group(batch, said->readings);
        if (is_ours(batch, slot)) {
            struct sw_view view = sw_view_of(fleet->block[slot]);
            if (!has_place(said, &view))
                return SW_DONE;
            take_group(&course, &view, said->readings, end);
        }
        said->readings = end;
    }
    while (said->closings < batch->closings) {
        int64_t slot = batch->closing[said->closings];
        if (!is_ours(batch, slot)) {
            said->closings++;
            continue;
        }
        struct sw_view view = sw_view_of(fleet->block[slot]);
        if (said->row_places == said->rows || said->entry_places - said->entries < view.lines ||
            said->lost_places - said->losses < view.lines)
            return SW_DONE;
        if (view.machine->rows.open)
            close(&course, &view, slot, 2 * batch->readings + said->closings);
        said->closings++;
    }
    return SW_DONE;
}

int64_t sw_ages(const struct sw_params *params, void *block, void *room, struct sw_wear_measured *out)
{
    struct sw_view view = sw_view_of(block);
    struct sw_room own = sw_room_of(room, view.lines);
    sw_judge_ages(params, &view, &own, out);
    return view.machine->rows.size;
}

/* One machine. */
static struct sw_glance look(void *block)
{
    struct sw_view view = sw_view_of(block);
    const struct sw_machine *machine = view.machine;
    struct sw_glance out = {
        .time_ns = machine->rows.time_ns,
        .closed_ns = machine->rows.closed_ns,
        .usual_ns = machine->rows.usual_ns,
        .lines = machine->rows.size,
        .learned = sw_scoring_learned(sw_rows_experience(&view)),
        .severity = machine->scoring.severity,
        .state = machine->scoring.state,
        .newest = machine->scoring.newest,
        .frozen = machine->frozen,
        .changed = machine->evidence.calm > 0.0,
    };
    for (int64_t i = 0; i < machine->rows.size; i++) {
        const struct sw_line *line = &view.line[view.roster[i]];
        out.readings += line->rows.age + line->kind.begun;
        out.doubtful += line->quality.verdict != SW_GOOD || line->quality.masked;
        out.changed += line->evidence.calm > 0.0;
    }
    return out;
}

void sw_look(const struct sw_fleet *fleet, int64_t begin, int64_t end, struct sw_glance *out)
{
    for (int64_t slot = begin; slot < end; slot++, out++)
        *out = fleet->block[slot] ? look(fleet->block[slot])
                                  : (struct sw_glance){.severity = -1, .state = SW_LEARNING};
}

void sw_confirm(const struct sw_params *params, void *block)
{
    struct sw_view view = sw_view_of(block);
    sw_judge_confirm(params, &view);
}
