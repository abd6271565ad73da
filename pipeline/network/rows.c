#include "pipeline/network/rows.h"

#include "pipeline/network/feel.h"
#include "pipeline/network/judge.h"
#include "pipeline/network/math.h"
#include "pipeline/network/room.h"
#include "pipeline/network/view.h"

#define WAIT 16      /* rows running without a reading after which a line is no longer waited for */
#define GROWING 20.0 /* readings in which a machine's sensors are still being discovered */
#define APART 0.9    /* of the usual interval; sensors with clocks of their own settle in rows if a tenth is a pause */

void sw_rows_init_machine(struct sw_rows_machine *machine) { *machine = (struct sw_rows_machine){0}; }

bool sw_rows_near(const struct sw_view *view, int64_t time_ns)
{
    const struct sw_rows_machine *machine = &view->machine->rows;
    return !((sw_real)sw_since(machine->time_ns, time_ns) > APART * machine->usual_ns);
}

bool sw_rows_complete(const struct sw_view *view)
{
    const struct sw_rows_machine *machine = &view->machine->rows;
    if (machine->oldest <= GROWING)
        return false;
    for (int64_t i = 0; i < machine->size; i++) {
        const struct sw_rows_line *line = &sw_at(view, i)->rows;
        if (!line->ticked && line->missed < WAIT)
            return false;
    }
    return true;
}

void sw_rows_hear(const struct sw_params *params, const struct sw_view *view, const struct sw_reading *reading,
                  struct sw_arrival *arrival)
{
    struct sw_machine *machine = view->machine;
    struct sw_rows_machine *rows = &machine->rows;
    struct sw_line *line = &view->line[reading->line];
    struct sw_kind *kind = &line->kind;
    if (!rows->open) {
        rows->open = 1;
        rows->time_ns = reading->time_ns > rows->closed_ns ? reading->time_ns : rows->closed_ns;
    }
    bool first = arrival->seen == 0.0;
    if (first) { /* a sensor joins its machine with its first reading */
        view->roster[rows->size] = (int32_t)reading->line;
        rows->size++;
    }
    if (!line->quality.masked) {
        if (!first)
            sw_resolution_follow(&params->resolution, &line->resolution, machine->frozen, kind->value,
                                 reading->value, line->evidence.shut);
        /* With nobody to say how fast it should go, a line is its value. */
        bool counts = rows->size > 1 && sw_resolution_counts(&params->resolution, &line->resolution);
        if (counts != (kind->counts != 0)) {
            kind->counts = counts;
            sw_block_begin_anew(params, view, reading->line, arrival->seen);
        }
        bool rises = 2.0 * line->resolution.rises > line->resolution.moves;
        if (counts)
            sw_kind_count(&params->kind, kind, machine->frozen, rises, arrival->elapsed, reading->value);
        sw_kind_visit(&params->kind, kind, machine->frozen, first, reading->value);
    }
    kind->value = reading->value;
    arrival->seen -= kind->begun;
}

void sw_rows_take(const struct sw_params *params, const struct sw_calendar *calendar, const struct sw_view *view,
                  const struct sw_reading *reading, const struct sw_arrival *arrival, const struct sw_felt *felt)
{
    struct sw_machine *machine = view->machine;
    struct sw_rows_machine *rows = &machine->rows;
    struct sw_line *line = &view->line[reading->line];
    sw_real seen = arrival->seen, elapsed = arrival->elapsed, value = sw_kind_says(&line->kind);
    line->rows.ticked = 1;
    line->rows.age = seen + 1.0;
    line->rows.usual_ns = arrival->usual_ns;
    for (int k = 0; k < SW_CONTEXT; k++)
        line->rarity[k] = (float)felt->rarity[k];
    for (int k = 0; view->context && k < SW_READOUTS; k++)
        view->context[reading->line].rarity[k] = (float)felt->rarity[SW_CONTEXT + k];
    if (!line->quality.masked && !line->kind.odd) {
        sw_coupling_follow(&params->coupling, &line->coupling, seen, elapsed, felt->sigmas);
        sw_real unsure = sw_resolution_unsure(&params->resolution, &line->resolution);
        sw_condition_follow(&params->condition, &line->condition, seen, elapsed, value, unsure);
        sw_condition_study(&params->condition, &line->condition, machine->frozen, seen, line->expectation.value,
                           value);
    }
    sw_expectation_follow(&line->expectation, seen, elapsed, value);
    bool deaf = machine->frozen || line->quality.masked || line->kind.odd;
    sw_real hours = elapsed * arrival->usual_ns / (sw_real)SW_HOUR_NS;
    sw_rhythm_step(&params->rhythm, calendar, &machine->rhythm, &line->rhythm, deaf, reading->time_ns, hours,
                   rows->size, sw_expectation_place(&line->expectation));
    rows->spikes += felt->spikes;
    machine->account.readings++;
    machine->account.spikes += felt->spikes;
    machine->account.synapses += felt->synapses;
    if (seen + 1.0 > rows->oldest) {
        rows->oldest = seen + 1.0;
        rows->usual_ns = arrival->usual_ns;
    }
}

/* The machine as a whole is where the others say that a masked line is. */
static void follow_others(const struct sw_params *params, struct sw_line *line, sw_real elapsed)
{
    sw_real value = sw_expectation_heard(&line->expectation);
    sw_real unsure = sw_resolution_unsure(&params->resolution, &line->resolution);
    sw_condition_follow(&params->condition, &line->condition, line->rows.age, elapsed, value, unsure);
}

/* After a row: which lines can be believed, and what is due to be told of them. */
static void look_at_lines(const struct sw_params *params, const struct sw_view *view, sw_real elapsed,
                          int64_t ageing_ns, struct sw_room *room, struct sw_page *page)
{
    struct sw_row *row = page->row;
    int64_t time_ns = view->machine->rows.time_ns;
    struct sw_entry *entry = page->entry;
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        struct sw_line *line = sw_at(view, i);
        int64_t before = line->quality.verdict;
        if (line->quality.masked || line->kind.odd)
            follow_others(params, line, elapsed);
        if (line->rows.ticked) {
            sw_real moved = line->kind.counts ? 0.0 : line->resolution.moves;
            entry->quality = sw_quality_hear(&params->quality, &line->quality, time_ns, entry->value,
                                             entry->expected, entry->usual, moved);
            sw_quality_compare(&params->quality, view, i);
            row->doubted = row->doubted || entry->quality != before;
            entry->aged = sw_wear_due(&params->drift, &line->wear, time_ns, ageing_ns);
            if (entry->aged)
                sw_judge_age(params, view, i, room, &entry->ageing);
            entry++;
        } else if (sw_quality_miss(&params->quality, &line->quality, time_ns, line->rows.usual_ns,
                                   line->rows.missed + 1)) {
            *page->lost++ = (struct sw_lost){view->roster[i], time_ns};
            page->losses++;
            row->doubted = true;
        }
        line->rows.missed = line->rows.ticked ? 0 : line->rows.missed + 1;
        line->rows.ticked = 0;
    }
}

/* What other lines seemed to be off came of what this one said. */
static void take_blame(const struct sw_params *params, const struct sw_view *view, int64_t place)
{
    int64_t own = place % SW_COHORT;
    struct sw_cohort cohort = sw_cohort_of(view, place - own);
    sw_evidence_excuse(&params->evidence, &cohort, view->machine->frozen, own);
}

/* Decide after a row which lines of a machine are masked in the next. */
static void mask(const struct sw_params *params, const struct sw_view *view, struct sw_page *page)
{
    struct sw_row *row = page->row;
    bool few = sw_quality_doubt(&params->quality, view);
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        struct sw_line *line = sw_at(view, i);
        struct sw_quality *known = &line->quality;
        bool now = few && known->doubt > 0.0;
        row->doubted = row->doubted || now != (known->masked != 0);
        if (now && !known->masked) {
            /* What nonsense raised is no alarm that returns, which would have to be larger to count. */
            if (line->evidence.shut && !view->machine->frozen)
                line->evidence.alarms = sw_most(line->evidence.alarms - 1.0, 0.0);
            if (line->quality.verdict != SW_MISSING && line->quality.sure != SW_DOUBTFUL)
                take_blame(params, view, i);
            sw_real alarm = line->evidence.alarm; /* goes on, see judge.c */
            sw_evidence_rest(&line->evidence);
            line->evidence.alarm = alarm;
            line->condition.trace = sw_expectation_heard(&line->expectation);
        }
        known->masked = now;
        row->masked += now;
        if (line->rows.missed > 0)
            continue;
        page->entry->masked = now;
        page->entry->changed = line->evidence.calm > 0.0;
        row->changed_lines += page->entry->changed;
        page->entry++;
        page->entries++;
    }
}

sw_real sw_rows_experience(const struct sw_view *view)
{
    const struct sw_machine *machine = view->machine;
    return machine->rows.oldest + (machine->rows.size > 1 ? machine->evidence.given : 0.0);
}

/* Whether a lasting change of the machine or of a line was accepted, and it has not been quiet since. */
static bool is_changed(const struct sw_view *view)
{
    if (view->machine->evidence.calm > 0.0)
        return true;
    for (int64_t i = 0; i < view->machine->rows.size; i++)
        if (sw_at(view, i)->evidence.calm > 0.0)
            return true;
    return false;
}

void sw_rows_close(const struct sw_params *params, const struct sw_view *view, int64_t ageing_ns,
                   struct sw_room *room, struct sw_page *page)
{
    struct sw_machine *machine = view->machine;
    struct sw_rows_machine *rows = &machine->rows;
    struct sw_row *row = page->row;
    sw_real step_ns = (sw_real)sw_since(rows->closed_ns, rows->time_ns);
    sw_real elapsed = rows->rows > 0 ? sw_clock_intervals(&params->clock, step_ns, rows->usual_ns) : 1.0;
    for (int64_t i = 0; i < rows->size; i++) {
        struct sw_line *line = sw_at(view, i);
        bool unseen = sw_kind_is_unseen(&line->kind);
        if (unseen && !line->kind.odd) {
            take_blame(params, view, i);
            line->condition.trace = sw_expectation_heard(&line->expectation);
        }
        line->kind.odd = unseen;
        bool believed = !line->quality.masked && !unseen;
        room->place[i].judged = line->rows.ticked && believed;
    }
    sw_account_row(params, view, room);
    sw_judge(params, view, elapsed, room, row, page->entry);
    row->time_ns = rows->time_ns;
    row->changed = is_changed(view);
    row->drifting = machine->drift.drifting;
    row->gate = machine->condition.gate;
    row->age = sw_rows_experience(view);
    row->lines = rows->size;
    row->spikes = rows->spikes;
    row->doubted = false;
    row->masked = row->changed_lines = 0;
    row->account = machine->account;
    look_at_lines(params, view, elapsed, ageing_ns, room, page);
    mask(params, view, page);
    row->until = page->entries;
    row->lost = page->losses;
    rows->closed_ns = rows->time_ns;
    rows->rows++;
    rows->open = 0;
    rows->spikes = 0;
}
