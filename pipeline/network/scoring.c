#include "pipeline/network/scoring.h"

#include "pipeline/network/evidence.h"
#include "pipeline/network/math.h"
#include "pipeline/network/rows.h"

#define EVENT_UNIT 1.6         /* size of an event that scores 0.99, where one sensor is all there is */
#define EVENT_UNIT_OF_MANY 2.0 /* the same with several: their state says much of what events would */
#define WARM 100.0             /* readings a machine learns from before it says anything */

void sw_scoring_init(struct sw_scoring *machine)
{
    *machine = (struct sw_scoring){.warning = 0.99, .critical = 0.999, .severity = -1, .state = SW_LEARNING};
}

sw_real sw_scoring_learned(sw_real age) { return sw_least(age / WARM, 1.0); }

/* Of a level that is an alarm from 1 on. */
static sw_real of_level(sw_real level) { return 1.0 - sw_power(10.0, -2.0 * level); }

sw_real sw_scoring_size_of_event(sw_real size, int64_t lines)
{
    return size / (lines == 1 ? EVENT_UNIT : EVENT_UNIT_OF_MANY);
}

sw_real sw_scoring_of_event(sw_real size, int64_t lines) { return of_level(sw_scoring_size_of_event(size, lines)); }

sw_real sw_scoring_of_state(sw_real state, int64_t lines)
{
    return of_level(lines == 1 ? sw_evidence_short_of_alarm(state) : state);
}

static int64_t state_of(const struct sw_scoring *machine, const struct sw_row *row, bool frozen)
{
    if (row->age >= WARM && row->lasting >= machine->warning)
        return SW_FAULT;
    if (frozen)
        return SW_FROZEN;
    if (row->age < WARM)
        return SW_LEARNING;
    if (row->changed)
        return SW_CHANGED;
    return row->drifting ? SW_DRIFTING : SW_READY;
}

void sw_scoring_step(const struct sw_scoring_params *params, struct sw_scoring *machine, bool frozen,
                     struct sw_row *row)
{
    sw_real event = sw_scoring_of_event(row->event, row->lines);
    /* A lone line is in alarm by its events, by what it is held for, and by its rhythm. */
    sw_real state = sw_most(sw_scoring_of_state(row->state, row->lines), of_level(row->held));
    sw_real rhythm = of_level(row->rhythm);
    row->lasting = sw_most(state, rhythm);
    row->score = sw_most(event, row->lasting);
    bool by_others = row->lines > 1 && row->off > row->strange;
    if (event >= row->lasting) {
        row->cause = row->event_cause;
        row->voice = SW_VOICE_EVENT;
    } else if (rhythm > state) {
        row->cause = row->rhythm_cause;
        row->voice = SW_VOICE_RHYTHM;
    } else {
        row->cause = row->state_cause;
        row->voice = by_others ? SW_VOICE_EXPECTATION : SW_VOICE_CONDITION;
    }
    row->learned = sw_scoring_learned(row->age);
    row->severity = SW_NORMAL;
    if (row->score >= machine->warning)
        row->severity = SW_WARNING;
    if (row->score >= machine->critical)
        row->severity = SW_CRITICAL;
    row->machine_state = state_of(machine, row, frozen);
    machine->newest = row->score;
    /* The first score is news, too. */
    bool news = machine->severity != row->severity || machine->state != row->machine_state;
    machine->state = row->machine_state;
    row->due = news || row->severity > SW_NORMAL || sw_since(machine->written_ns, row->time_ns) >= params->every_ns;
    bool long_ago = sw_since(machine->sensors_ns, row->time_ns) >= params->sensors_every_ns;
    row->due_sensors = row->due && (news || long_ago);
    if (row->due) {
        machine->written_ns = row->time_ns;
        machine->severity = row->severity;
    }
    if (row->due_sensors)
        machine->sensors_ns = row->time_ns;
    /* Whether a sensor can be believed is told at once, beside all that. */
    row->due = row->due || row->doubted;
    row->due_sensors = row->due_sensors || row->doubted;
}

void sw_scoring_of_lines(int64_t count, const sw_real *dendrite, const sw_real *level, const sw_real *rhythm,
                         const int64_t *lines, sw_real *score)
{
    for (int64_t i = 0; i < count; i++) {
        score[i] = sw_most(sw_scoring_of_event(dendrite[i], lines[i]), of_level(sw_absolute(rhythm[i])));
        if (lines[i] > 1)
            score[i] = sw_most(score[i], sw_scoring_of_state(level[i], lines[i]));
    }
}
