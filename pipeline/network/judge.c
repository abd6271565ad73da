#include "pipeline/network/judge.h"

#include "pipeline/network/math.h"
#include "pipeline/network/room.h"
#include "pipeline/network/view.h"

#define HELD 1.05 /* level of a line that is held in alarm */

/* The most suspicious line of a row, and how far it is off. */
struct suspicion {
    sw_real level;
    int64_t place;
};

/* Whether a line is in alarm for as long as this lasts, though no evidence can be gathered of it: it shows a value that
   it never did, or is masked because its readings cannot be believed. */
static bool is_held(const struct sw_line *line)
{
    return sw_quality_alarms(&line->quality) || sw_kind_is_unseen(&line->kind);
}

/* Level of a line. One that is held is no more than a warning, and hides no other. */
static sw_real level_of(const struct sw_line *line)
{
    return is_held(line) ? HELD : line->evidence.level;
}

static sw_real told_of(const struct sw_line *line) { return sw_evidence_told(&line->evidence, level_of(line)); }

/* Ask each line's partners where it is; surprise is a population of the line. */
static void couple(const struct sw_params *params, const struct sw_view *view, bool frozen, struct sw_room *room)
{
    sw_real power = sw_coupling_power(view);
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        struct sw_line *line = sw_at(view, i);
        if (!room->place[i].judged)
            continue;
        sw_real off = sw_coupling_step(&params->coupling, view, i, frozen, line->rows.age, power);
        sw_real rare = sw_rank_rarity(&params->rank, line->rank.tails[SW_COUPLING], frozen, off);
        line->rarity[SW_COUPLING] = (float)rare;
    }
}

/* A lone line has no partners: in their place its dendrite hears how unlike its own past it is. */
static void remember(const struct sw_params *params, const struct sw_view *view, bool frozen, sw_real strange,
                     const struct sw_room *room)
{
    struct sw_line *line = sw_at(view, 0);
    line->rarity[SW_COUPLING] = 0.0f;
    if (!room->place[0].judged || line->rows.age <= params->condition.warm)
        return;
    sw_real surprise = params->condition.alone * strange;
    sw_real rare = sw_rank_rarity(&params->rank, line->rank.tails[SW_COUPLING], frozen, surprise);
    line->rarity[SW_COUPLING] = (float)rare;
}

/* Weigh the evidence of a cohort's lines, and find out which of them is to blame. */
static void weigh(const struct sw_params *params, const struct sw_cohort *cohort, bool moded, bool frozen,
                  struct sw_room *room)
{
    int64_t shut = 0, most = cohort->size / 2 > 1 ? cohort->size / 2 : 1;
    bool suspects = false;
    for (int64_t p = 0; p < cohort->size; p++)
        shut += cohort->member[p]->evidence.shut;
    for (int64_t p = 0; p < cohort->size; p++) {
        struct sw_line *line = cohort->member[p];
        if (!room->place[cohort->first + p].judged)
            continue;
        line->resolution.off = line->expectation.residual * line->expectation.unit;
        sw_condition_compare(&params->condition, &line->condition, line->resolution.off);
        shut -= line->evidence.shut;
        sw_evidence_weigh(params, line, cohort->size * SW_FEATURES, room->cohort[cohort->number].far[p], moded,
                          shut < most, frozen);
        shut += line->evidence.shut;
        suspects = suspects || (!line->evidence.shut && line->evidence.level > params->evidence.open_at);
    }
    if (shut > 0 && suspects) {
        int64_t culprit =
            sw_expectation_culprit(&params->expectation, cohort, params->evidence.open_at, room);
        if (culprit >= 0)
            sw_evidence_blame(&params->evidence, cohort, frozen, culprit);
    }
}

/* Follow the ageing of a cohort's lines; returns how many more of them heard what was new than did not. */
static int64_t follow_ageing(const struct sw_params *params, const struct sw_view *view,
                             const struct sw_cohort *cohort, struct sw_room *room)
{
    bool elsewhere = view->machine->drift.elsewhere;
    int64_t news = 0;
    for (int64_t p = 0; p < cohort->size; p++) {
        struct sw_line *line = cohort->member[p];
        if (line->kind.counts)
            continue;
        if (room->place[cohort->first + p].judged && !line->evidence.shut)
            news += sw_drift_follow(&params->drift, cohort, p, elsewhere);
        if (!elsewhere && line->drift.strays == 0.0f)
            sw_wear_follow(&params->drift, &line->wear, line->expectation.used[0]);
    }
    return news;
}

/* Whether a cohort's covariance is to be inverted: now and then, and at once what a prior has given. */
static bool is_renewed(const struct sw_params *params, const struct sw_view *view, const struct sw_cohort *cohort)
{
    if ((view->machine->rows.rows + 1) % params->expectation.renew == 0)
        return true;
    for (int64_t p = 0; p < cohort->size; p++)
        if (cohort->member[p]->expectation.given > 0.0 &&
            sw_row(cohort->precision, cohort, p, 0)[p * SW_FEATURES] == 0.0f)
            return true;
    return false;
}

/* Hold every line of a complete row against what the others expect. */
static struct suspicion expect(const struct sw_params *params, const struct sw_view *view, bool frozen,
                               sw_real elapsed, struct sw_room *room)
{
    struct sw_machine *machine = view->machine;
    int64_t size = machine->rows.size, news = 0;
    for (int64_t first = 0; first < size; first += SW_COHORT) {
        struct sw_cohort cohort = sw_cohort_of(view, first);
        sw_expectation_predict(params, &cohort, frozen, elapsed, room);
        sw_modes_locate(&cohort, room);
    }
    bool moded = size > 1 && (sw_real)machine->rows.rows >= params->modes.begin; /* a lone line has no modes */
    if (moded)
        sw_modes_choose(&params->modes, view, frozen, room);

    struct suspicion found = {0.0, 0};
    for (int64_t first = 0; first < size; first += SW_COHORT) {
        struct sw_cohort cohort = sw_cohort_of(view, first);
        weigh(params, &cohort, moded, frozen, room);
        for (int64_t p = 0; p < cohort.size; p++) {
            sw_real told = told_of(cohort.member[p]);
            bool asked = room->place[first + p].judged || is_held(cohort.member[p]);
            if (asked && told > found.level)
                found = (struct suspicion){told, first + p};
        }
        if (!frozen)
            news += follow_ageing(params, view, &cohort, room);
        sw_expectation_learn(&params->expectation, &cohort, frozen, room);
        if (!frozen && is_renewed(params, view, &cohort))
            sw_expectation_renew(params, &cohort, room);
    }
    machine->drift.elsewhere = news > 0;
    return found;
}

/* Note where each line with a reading was expected, before anything of the row is accepted: by what the others say; a
   lone line by its own past; and by the clock. Returns the line that is farthest off its rhythm. */
static struct suspicion tell(const struct sw_params *params, const struct sw_view *view, const struct sw_room *room,
                             struct sw_entry *entry)
{
    struct suspicion late = {0.0, 0};
    int64_t size = view->machine->rows.size;
    bool alone = size == 1;
    for (int64_t i = 0; i < size; i++) {
        const struct sw_line *line = sw_at(view, i);
        const struct sw_expectation *known = &line->expectation;
        const struct sw_evidence_line *found = &line->evidence;
        if (!line->rows.ticked)
            continue;
        entry->line = view->roster[i];
        entry->value = line->kind.value;
        entry->level = told_of(line);
        entry->witness = found->witness;
        if (is_held(line))
            entry->witness = sw_kind_is_unseen(&line->kind) ? SW_UNSEEN : SW_UNBELIEVED;
        entry->expected = entry->usual = NAN;
        sw_real by_clock = sw_rhythm_level(&params->rhythm, &line->rhythm, size);
        if (room->place[i].judged && by_clock > late.level)
            late = (struct suspicion){by_clock, i};
        entry->rhythm = sw_with_sign(by_clock, line->rhythm.z);
        entry->by_clock = entry->usual_by_clock = NAN;
        if (line->rhythm.known && line->rhythm.usual > 0.0f) {
            entry->by_clock = known->offset + known->unit * (sw_real)line->rhythm.expected;
            entry->usual_by_clock = known->unit * (sw_real)line->rhythm.usual;
        }
        if (line->rows.age > params->output.warm && !line->kind.counts) {
            sw_real off = alone ? known->innovation : known->residual;
            sw_real usual = alone ? found->usual_new : found->usual;
            if (known->own <= params->evidence.warm) /* not known by mode yet */
                usual = sw_square_root(alone ? found->size_new : found->size);
            sw_real rounding = sw_expectation_in_units(known, sw_resolution_rounding(&line->resolution));
            usual = sw_most(usual, sw_square_root(rounding));
            entry->expected = known->offset + known->unit * (known->real[0] - off);
            entry->usual = known->unit * usual;
        }
        entry++;
    }
    return late;
}

/* How the lines with a level above `least` lie to each other is normal. */
static void accept_lines(const struct sw_params *params, const struct sw_view *view, sw_real least)
{
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        struct sw_line *line = sw_at(view, i);
        if (line->evidence.shut || line->evidence.level > least)
            sw_evidence_accept(&params->evidence, line);
        sw_drift_restart(&params->drift, &line->drift);
        sw_wear_restart(&params->drift, &line->wear);
    }
    view->machine->evidence.joint = 0.0;
    view->machine->evidence.given = 0.0;
}

/* What one line does now is normal; what its machine's lines are to each other is commissioned anew. */
static void accept_line(const struct sw_params *params, const struct sw_view *view, struct sw_line *accepted)
{
    sw_evidence_accept(&params->evidence, accepted);
    sw_condition_accept_line(&accepted->condition);
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        struct sw_line *line = sw_at(view, i);
        sw_drift_restart(&params->drift, &line->drift);
        sw_wear_restart(&params->drift, &line->wear);
    }
}

/* Where the machine is now is normal for its condition. */
static void accept_condition(const struct sw_view *view)
{
    for (int64_t i = 0; i < view->machine->rows.size; i++)
        sw_condition_accept_line(&sw_at(view, i)->condition);
    sw_condition_accept_machine(&view->machine->condition);
    view->machine->evidence.alarm = 0.0;
}

/* What the machine does now is normal: for its condition, and for every line with a level above `least`. */
static void accept(const struct sw_params *params, const struct sw_view *view, sw_real least)
{
    accept_lines(params, view, least);
    accept_condition(view);
}

/* Count how long each line has been in alarm; accept what has outlasted patience. Returns whether anything was. */
static bool watch_lines(const struct sw_params *params, const struct sw_view *view, bool *held)
{
    bool alone = view->machine->rows.size == 1; /* nobody expects anything of it */
    struct sw_evidence_machine *machine = &view->machine->evidence;
    sw_real rows = (sw_real)view->machine->rows.rows, usual_ns = view->machine->rows.usual_ns;
    int64_t size = view->machine->rows.size, off = 0;
    bool accepted = false;
    for (int64_t i = 0; i < size; i++) {
        struct sw_line *line = sw_at(view, i);
        struct sw_evidence_line *found = &line->evidence;
        sw_real level = alone && !is_held(line) ? 0.0 : level_of(line);
        *held = *held || found->alarm > 0.0;
        off += found->level > params->evidence.open_at;
        found->alarm = sw_evidence_last(&params->evidence, found->alarm, level, found->shut && !alone);
        sw_real patience = sw_evidence_patience(&params->evidence, machine, rows - found->alarm, usual_ns);
        if (found->alarm > patience) {
            if (found->shut || found->level > params->evidence.open_at)
                accept_line(params, view, line);
            sw_kind_accept(&line->kind);
            found->alarm = 0.0;
            found->calm = params->evidence.calm;
            accepted = true;
        } else if (found->calm > 0.0 && level < 1.0) {
            found->calm -= 1.0;
        }
    }
    bool several = off > (size / 2 > 2 ? size / 2 : 2);
    machine->joint = several ? machine->joint + 1.0 : sw_most(machine->joint - 1.0, 0.0);
    return accepted;
}

/* Count how long each line, and the machine as a whole, has been in alarm; accept what has outlasted patience. What
   is accepted counts for no alarm until it has been quiet for a while. All else alarms as ever. Returns whether
   anything was accepted. */
static bool watch(const struct sw_params *params, const struct sw_view *view, sw_real state)
{
    struct sw_evidence_machine *machine = &view->machine->evidence;
    sw_real rows = (sw_real)view->machine->rows.rows, usual_ns = view->machine->rows.usual_ns;
    bool held = false, accepted = watch_lines(params, view, &held);
    if (machine->joint > params->evidence.regime)
        accept_lines(params, view, params->evidence.open_at);
    machine->alarm = held ? 0.0 : sw_evidence_last(&params->evidence, machine->alarm, state, false);
    sw_real patience = sw_evidence_patience(&params->evidence, machine, rows - machine->alarm, usual_ns);
    bool outlasted = machine->alarm > patience;
    bool moved = sw_condition_moved(&params->condition, view, machine->alarm > 0.0);
    if (outlasted)
        accept(params, view, params->evidence.open_at);
    else if (moved) /* how the lines lie to each other there has yet to be seen */
        accept_condition(view);
    if (outlasted) {
        machine->calm = params->evidence.calm;
        accepted = true;
    } else if (machine->calm > 0.0 && state < 1.0) {
        machine->calm -= 1.0;
    }
    if (view->machine->condition.quiet > 0.0 && state < 1.0)
        view->machine->condition.quiet -= 1.0;
    return accepted;
}

static bool is_drifting(const struct sw_params *params, const struct sw_view *view)
{
    sw_real limit = view->machine->drift.drifting ? params->drift.stay : 1.0;
    for (int64_t i = 0; i < view->machine->rows.size; i++)
        if (sw_drift_moving(&params->drift, &sw_at(view, i)->drift, limit))
            return true;
    return false;
}

/* Weight of all populations that a dendrite hears. */
static sw_real heard(const sw_real weights[SW_POPULATIONS])
{
    sw_real weight = 0.0;
    for (int k = 0; k < SW_POPULATIONS; k++)
        weight += weights[k];
    return weight;
}

/* The rarities of a line in the row, of all populations. */
static void recall(const struct sw_view *view, int64_t place, float rarity[SW_POPULATIONS])
{
    const struct sw_line *line = sw_at(view, place);
    for (int k = 0; k < SW_CONTEXT; k++)
        rarity[k] = line->rarity[k];
    for (int k = 0; k < SW_READOUTS; k++)
        rarity[SW_CONTEXT + k] = view->context ? view->context[view->roster[place]].rarity[k] : 0.0f;
}

/* Forget the rarities of a line that is not judged. */
static void forget(const struct sw_view *view, int64_t place)
{
    for (int k = 0; k < SW_CONTEXT; k++)
        sw_at(view, place)->rarity[k] = 0.0f;
    for (int k = 0; view->context && k < SW_READOUTS; k++)
        view->context[view->roster[place]].rarity[k] = 0.0f;
}

/* What a line's dendrite says. The cube of a rarity is a float's; `by_clock` is no number where there is no rhythm. */
static sw_real dendrite(const struct sw_params *params, const sw_real weights[SW_POPULATIONS],
                        const float rarity[SW_POPULATIONS], sw_real weight, sw_real by_clock)
{
    sw_real cubes = 0.0;
    for (int k = 0; k < SW_POPULATIONS; k++) {
        float cube = rarity[k] * (rarity[k] * rarity[k]);
        cubes += weights[k] * (sw_real)cube;
    }
    if (!isnan(by_clock)) {
        cubes += params->rhythm.heard * sw_cube(by_clock);
        weight += params->rhythm.heard;
    }
    return weight > 0.0 ? sw_cube_root(cubes / weight) : 0.0;
}

/* Listen to every line's dendrite, and let the baselines learn; returns what the most surprised one says. */
static sw_real listen(const struct sw_params *params, const struct sw_view *view, bool frozen,
                      const struct sw_room *room, struct sw_row *row, struct sw_entry *entry)
{
    int64_t size = view->machine->rows.size;
    const sw_real *weights = size == 1 ? params->weights_alone : params->weights;
    sw_real weight = heard(weights), gate = frozen ? 0.0 : view->machine->condition.gate;
    sw_real best = 0.0, farthest = 0.0;
    for (int64_t i = 0; i < size; i++) {
        struct sw_line *line = sw_at(view, i);
        bool judged = room->place[i].judged;
        line->dendrite = 0.0;
        float rarity[SW_POPULATIONS];
        if (!judged)
            forget(view, i);
        recall(view, i, rarity);
        if (judged) {
            sw_real sigmas = sw_absolute(line->condition.sigmas);
            if (sigmas > farthest) {
                farthest = sigmas;
                row->state_cause = view->roster[i];
            }
            sw_condition_learn(&params->condition, &line->condition, line->rows.age, gate,
                               sw_kind_says(&line->kind));
            if (line->rows.age > params->output.warm) {
                sw_real by_clock = sw_rhythm_rarity(&params->rhythm, &line->rhythm, size);
                line->dendrite = dendrite(params, weights, rarity, weight, by_clock);
                if (line->dendrite > best) {
                    best = line->dendrite;
                    row->event_cause = view->roster[i];
                }
            }
        }
        if (!line->rows.ticked)
            continue;
        entry->sigmas = judged ? line->condition.sigmas : 0.0;
        entry->dendrite = line->dendrite;
        for (int k = 0; k < SW_POPULATIONS; k++)
            entry->rarity[k] = rarity[k];
        entry++;
    }
    return best;
}

/* Whether the clock says that the machine is switched about now. */
static bool is_switch_due(const struct sw_params *params, const struct sw_view *view)
{
    for (int64_t i = 0; i < view->machine->rows.size; i++)
        if (sw_rhythm_largest_step(&view->machine->rhythm, &sw_at(view, i)->rhythm) > params->routine.steep)
            return true;
    return false;
}

/* Tell of a row only what is more than the machine's week lets expect at this hour. */
static void allow_routine(const struct sw_params *params, const struct sw_view *view, struct sw_row *row,
                          struct sw_entry *entry)
{
    struct sw_machine *machine = view->machine;
    sw_real size = sw_most(sw_scoring_size_of_event(row->event, machine->rows.size), sw_most(row->rhythm, row->state));
    if (row->accepted)
        sw_routine_accept(&machine->routine);
    bool due = size >= 1.0 && !machine->routine.lasts && is_switch_due(params, view);
    sw_real usual = sw_routine_step(&params->routine, &machine->routine, machine->frozen, machine->rhythm.hour,
                                   machine->rows.time_ns, size, due);
    if (!(usual > 1.0))
        return;
    row->event /= usual;
    row->rhythm /= usual;
    row->state /= usual;
    for (int64_t i = 0; i < machine->rows.size; i++) {
        if (!sw_at(view, i)->rows.ticked)
            continue;
        entry->dendrite /= usual;
        entry->level /= usual;
        entry->rhythm /= usual;
        entry++;
    }
}

void sw_judge(const struct sw_params *params, const struct sw_view *view, sw_real elapsed, struct sw_room *room,
              struct sw_row *row, struct sw_entry *entries)
{
    struct sw_machine *machine = view->machine;
    int64_t size = machine->rows.size;
    sw_real oldest = machine->rows.oldest;
    bool frozen = machine->frozen;
    if (size > 1)
        couple(params, view, frozen, room);
    sw_real strange = sw_condition_step(params, view, frozen, elapsed, room);
    if (size == 1)
        remember(params, view, frozen, strange, room);
    struct suspicion suspect = expect(params, view, frozen, elapsed, room);
    struct suspicion late = tell(params, view, room, entries);
    if (size > 1 && oldest < machine->evidence.given)
        strange = 0.0; /* its kind says what is normal, which its own short past cannot: a new mode is no fault */
    machine->drift.drifting = is_drifting(params, view);
    if (machine->evidence.calm > 0.0 || machine->condition.quiet > 0.0)
        strange = sw_evidence_short_of_alarm(strange);
    row->state = strange;
    row->accepted = false;
    row->held = size == 1 && is_held(sw_at(view, 0)) ? suspect.level : 0.0;
    if (size == 1) {
        bool held = false;
        if (!frozen)
            row->accepted = watch_lines(params, view, &held);
    } else {
        row->state = sw_square_root(strange * strange + suspect.level * suspect.level);
        if (!frozen)
            row->accepted = watch(params, view, row->state);
    }

    row->event_cause = row->state_cause = view->roster[0];
    sw_real best = listen(params, view, frozen, room, row, entries);
    if (suspect.level > strange)
        row->state_cause = view->roster[suspect.place];
    row->rhythm = late.level;
    row->rhythm_cause = view->roster[late.place];
    row->strange = strange;
    row->off = suspect.level;
    row->surprise = sw_output_surprise(&params->output, best, size, oldest, params->rank.innate);
    row->event = sw_output_step(&params->output, &machine->output, elapsed, oldest, row->surprise);
    if (size > 1 && 2.0 * machine->rows.usual_ns <= (sw_real)SW_HOUR_NS)
        allow_routine(params, view, row, entries);
}

void sw_judge_age(const struct sw_params *params, const struct sw_view *view, int64_t place, struct sw_room *room,
                  struct sw_wear_measured *out)
{
    int64_t own = place % SW_COHORT;
    struct sw_cohort cohort = sw_cohort_of(view, place - own);
    sw_wear_measure(params, &cohort, own, own + 1, room, out);
    out->usual_ns = sw_at(view, place)->rows.usual_ns;
}

void sw_judge_ages(const struct sw_params *params, const struct sw_view *view, struct sw_room *room,
                   struct sw_wear_measured *out)
{
    int64_t size = view->machine->rows.size;
    for (int64_t first = 0; first < size; first += SW_COHORT) {
        struct sw_cohort cohort = sw_cohort_of(view, first);
        sw_wear_measure(params, &cohort, 0, cohort.size, room, out + first);
    }
    for (int64_t i = 0; i < size; i++)
        out[i].usual_ns = sw_at(view, i)->rows.usual_ns;
}

void sw_judge_confirm(const struct sw_params *params, const struct sw_view *view)
{
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        struct sw_line *line = sw_at(view, i);
        if ((line->quality.masked && line->quality.verdict != SW_MISSING) || line->kind.odd) { /* it was not heard */
            sw_expectation_believe(&line->expectation);
            line->evidence.shut = 1;
            line->condition.trace = line->expectation.value;
        }
        sw_quality_trust(&line->quality);
        sw_kind_accept(&line->kind);
        if (sw_rhythm_level(&params->rhythm, &line->rhythm, view->machine->rows.size) > params->evidence.open_at)
            sw_rhythm_accept(&line->rhythm);
        line->evidence.calm = 0.0;
    }
    accept(params, view, params->evidence.open_at);
    view->machine->evidence.calm = view->machine->condition.quiet = 0.0;
}
