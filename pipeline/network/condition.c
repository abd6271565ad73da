#include "pipeline/network/condition.h"

#include "encoders/spikes.h"
#include "pipeline/network/view.h"
#include "pipeline/network/math.h"
#include "pipeline/network/params.h"
#include "pipeline/network/room.h"

void sw_condition_init_line(struct sw_condition_line *line) { *line = (struct sw_condition_line){0}; }

void sw_condition_init_machine(const struct sw_params *params, struct sw_condition_machine *machine)
{
    *machine = (struct sw_condition_machine){
        .vigilance = params->evolving.vigilance,
        .usual = 0.1,
        .gate = 1.0,
    };
}

void sw_condition_follow(const struct sw_condition_params *params, struct sw_condition_line *line, sw_real seen,
                         sw_real elapsed, sw_real value, sw_real unsure)
{
    if (seen == 0.0)
        line->trace = line->mean = value;
    line->trace += sw_leak(1.0 / sw_least(seen + 1.0, params->trace), elapsed) * (value - line->trace);
    sw_real sigmas = (line->trace - line->mean) / sw_value_deviation(line->variance + unsure, line->mean);
    line->sigmas = seen > 20.0 ? sigmas : 0.0;
}

void sw_condition_study(const struct sw_condition_params *params, struct sw_condition_line *line, bool frozen,
                        sw_real seen, sw_real before, sw_real value)
{
    if (seen == 0.0 || frozen)
        return;
    sw_real square = 0.5 * sw_square(value - before);
    if (seen > params->trace) /* a jump is no noise; yet what was still may begin to move */
        square = sw_least(square, 9.0 * line->noise + 0.01 * line->spread);
    line->noise += (square - line->noise) / sw_least(seen, params->noise);

    sw_real off = line->trace - line->mean, limit = params->side * sw_square_root(line->wander);
    sw_real side = off > limit ? 1.0 : (off < -limit ? -1.0 : line->side);
    line->turns += side * line->side < 0.0 ? 1.0 : 0.0;
    line->side = side;
    sw_real independent = 0.0;
    if (line->spread > 0.0) {
        sw_real memory = sw_most((2.0 * params->trace - 1.0) * line->wander / line->spread, 1.0);
        independent = seen / sw_cube(memory);
    }
    sw_real kept = line->worth * (1.0 - sw_least(params->fade / (seen + 1.0), 1.0));
    line->worth = sw_most(independent + params->turn * line->turns, kept);
}

void sw_condition_compare(const struct sw_condition_params *params, struct sw_condition_line *line, sw_real off)
{
    line->apart += (off - line->apart) / params->trace;
}

/* Sigmas as a spike time: logarithmic, keeping the sign. */
static sw_real compress(const struct sw_condition_params *params, sw_real sigmas)
{
    return sw_with_sign(params->squash * sw_log1p(sw_absolute(sigmas) / params->squash), sigmas);
}

/* Lateness of the first mature neuron (of any, while none is mature); then the population learns. */
static sw_real step_population(const struct sw_params *params, const struct sw_view *view, bool frozen, sw_real cycle,
                               struct sw_room *room)
{
    struct sw_condition_machine *machine = &view->machine->condition;
    struct sw_evolving_room *heard = &room->shared->evolving;
    int64_t size = view->machine->rows.size;
    int32_t recruited = machine->competition.recruited, winner = -1;
    for (int32_t j = 0; j < recruited; j++)
        heard->total[j] = heard->latest[j] = 0;
    for (int64_t i = 0; i < size; i++) {
        const struct sw_condition_line *line = &sw_at(view, i)->condition;
        room->place[i].time = sw_time_of(compress(&params->condition, line->sigmas));
        sw_evolving_hear(room->place[i].time, line->delays, recruited, heard);
    }
    /* A frozen population recruits no neuron for a fault, so that none need prove its age. */
    sw_real ripe = frozen ? 0.0 : sw_least(params->condition.ripe_most, params->condition.ripe_share * cycle);
    struct sw_shares shares = sw_evolving_shares(&params->evolving, size);
    sw_real first = INFINITY, mature = INFINITY;
    for (int32_t j = 0; j < recruited; j++) {
        sw_real late = sw_evolving_lateness(&shares, heard, j);
        if (late < first) {
            first = late;
            winner = j;
        }
        if (cycle - machine->born[j] >= ripe)
            mature = sw_least(mature, late);
    }
    if (winner < 0)
        first = 0.0;
    if (mature == INFINITY)
        mature = first;
    if (frozen)
        return mature;

    bool novel = winner < 0 || first > machine->vigilance;
    machine->vigilance = sw_evolving_surprise_limit(&params->evolving, machine->vigilance, cycle, novel);
    struct sw_lesson lesson =
        sw_competition_settle(&machine->competition, machine->strength, SW_CONDITION_NEURONS, winner, novel,
                              params->evolving.full, params->evolving.move);
    if (novel)
        machine->born[lesson.neuron] = cycle;
    for (int64_t i = 0; i < size; i++) {
        sw_delay *delay = &sw_at(view, i)->condition.delays[lesson.neuron];
        *delay = sw_lesson_moved(&lesson, *delay, room->place[i].time, (uint32_t)i);
    }
    return mature;
}

/* How far the lines are from their baselines, as far as that is known to be unusual. */
static sw_real measure_level(const struct sw_condition_params *params, const struct sw_view *view)
{
    int64_t size = view->machine->rows.size;
    int64_t moving = 0;
    for (int64_t i = 0; i < size; i++)
        moving += sw_at(view, i)->condition.spread > 0.0;
    sw_real agreed = sw_clip((view->machine->rows.oldest - params->agreed) / params->agreed_over, 1.0);
    agreed = sw_most(agreed, 0.0);
    sw_real fourth = 0.0, squares = 0.0, known = 0.0;
    for (int64_t i = 0; i < size; i++) {
        const struct sw_condition_line *line = &sw_at(view, i)->condition;
        sw_real square = sw_square(sw_least(sw_absolute(line->sigmas), params->clip));
        sw_real off = sw_absolute(line->trace - line->mean);
        sw_real past = line->worth / (line->worth + params->enough) * (moving > 1 ? 1.0 - agreed : 1.0);
        sw_real apart = moving > 1 && off > 0.0 ? sw_least(sw_absolute(line->apart) / off, 1.0) : 0.0;
        fourth += square * square;
        squares += square;
        known += square * (past + (1.0 - past) * apart);
    }
    sw_real lines = sw_square_root(sw_square_root((sw_real)size));
    sw_real level = sw_square_root(sw_square_root(fourth / lines));
    if (size == 1) /* nobody to say so; its rank neuron knows what is usual for it */
        return level;
    return squares > 0.0 ? level * known / squares : 0.0;
}

sw_real sw_condition_step(const struct sw_params *params, const struct sw_view *view, bool frozen, sw_real elapsed,
                          struct sw_room *room)
{
    const struct sw_condition_params *own = &params->condition;
    struct sw_condition_machine *machine = &view->machine->condition;
    sw_real oldest = view->machine->rows.oldest;
    sw_real level = measure_level(own, view);
    if (oldest > 21.0) {
        sw_real cycle = oldest - 21.0;
        sw_real mature = step_population(params, view, frozen, cycle, room);
        sw_real times_usual = sw_least(mature / sw_most(machine->usual, 0.02), own->late_cap);
        machine->late += sw_leak(1.0 - sw_exp(-1.0 / own->late), elapsed) * (times_usual - machine->late);
        if (!frozen)
            machine->usual += sw_most(1.0 / cycle, 0.001) * (mature - machine->usual);
    }
    sw_real lateness = machine->late;

    /* Closed only while far AND unfamiliar, so that a lasting change becomes the new normal in the end. */
    sw_real strange = sw_least(level, own->familiar * lateness);
    sw_real gate = sw_most(own->gate_least, 1.0 / (1.0 + sw_fourth(strange / own->gate_at)));
    machine->gate = oldest > own->settle ? gate : 1.0;
    if (oldest <= own->warm)
        return 0.0;
    sw_real unit = 1.0 + own->growth * sw_log10(sw_most(oldest, 1000.0) / 1000.0);
    return sw_square_root(level / own->level_unit * lateness / own->late_unit) / unit;
}

void sw_condition_learn(const struct sw_condition_params *params, struct sw_condition_line *line, sw_real age,
                        sw_real gate, sw_real value)
{
    sw_real rate = gate / sw_least(age, params->slow);
    sw_real error = line->trace - line->mean;
    line->mean += rate * error;
    sw_real square = error * (line->trace - line->mean);
    if (age > 1.0)
        line->variance += rate * (square - line->variance);
    if (age <= params->trace) /* the trace is a plain mean until then, whose variance is larger */
        return;
    rate = gate / sw_least(age - params->trace, params->slow);
    line->spread += rate * (sw_square(value - line->mean) - line->spread);
    line->wander += rate * (square - line->wander);
}

bool sw_condition_moved(const struct sw_condition_params *params, const struct sw_view *view, bool alarms)
{
    struct sw_condition_machine *machine = &view->machine->condition;
    int64_t far = 0;
    for (int64_t i = 0; alarms && i < view->machine->rows.size; i++) {
        const struct sw_condition_line *line = &sw_at(view, i)->condition;
        far += sw_absolute(line->trace - line->mean) > params->far * sw_square_root(line->noise);
    }
    machine->elsewhere = 2 * far > view->machine->rows.size ? machine->elsewhere + 1.0 : 0.0;
    if (!(machine->elsewhere > params->regime))
        return false;
    machine->elsewhere = 0.0;
    machine->quiet = params->quiet;
    return true;
}

void sw_condition_accept_line(struct sw_condition_line *line)
{
    line->mean = line->trace;
    line->sigmas = 0.0;
}

void sw_condition_accept_machine(struct sw_condition_machine *machine)
{
    for (int j = 0; j < SW_CONDITION_NEURONS; j++)
        machine->born[j] = -INFINITY;
    machine->late = 0.0;
    machine->gate = 1.0;
}
