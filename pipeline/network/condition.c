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

void sw_condition_follow(const struct sw_condition_params *params, struct sw_condition_line *line, double seen,
                         double elapsed, double value, double unsure)
{
    if (seen == 0.0)
        line->trace = line->mean = value;
    line->trace += sw_leak(1.0 / sw_least(seen + 1.0, params->trace), elapsed) * (value - line->trace);
    double sigmas = (line->trace - line->mean) / sw_value_deviation(line->variance + unsure, line->mean);
    line->sigmas = seen > 20.0 ? sigmas : 0.0;
}

void sw_condition_study(const struct sw_condition_params *params, struct sw_condition_line *line, bool frozen,
                        double seen, double before, double value)
{
    if (seen == 0.0 || frozen)
        return;
    double square = 0.5 * sw_square(value - before);
    if (seen > params->trace) /* a jump is no noise; yet what was still may begin to move */
        square = sw_least(square, 9.0 * line->noise + 0.01 * line->spread);
    line->noise += (square - line->noise) / sw_least(seen, params->noise);

    double off = line->trace - line->mean, limit = params->side * sw_square_root(line->wander);
    double side = off > limit ? 1.0 : (off < -limit ? -1.0 : line->side);
    line->turns += side * line->side < 0.0 ? 1.0 : 0.0;
    line->side = side;
    double independent = 0.0;
    if (line->spread > 0.0) {
        double memory = sw_most((2.0 * params->trace - 1.0) * line->wander / line->spread, 1.0);
        independent = seen / sw_cube(memory);
    }
    double kept = line->worth * (1.0 - sw_least(params->fade / (seen + 1.0), 1.0));
    line->worth = sw_most(independent + params->turn * line->turns, kept);
}

void sw_condition_compare(const struct sw_condition_params *params, struct sw_condition_line *line, double off)
{
    line->apart += (off - line->apart) / params->trace;
}

/* Sigmas as a spike time: logarithmic, keeping the sign. */
static double compress(const struct sw_condition_params *params, double sigmas)
{
    return sw_with_sign(params->squash * sw_log1p(sw_absolute(sigmas) / params->squash), sigmas);
}

/* Lateness of the first mature neuron; infinite where none is. */
static double first_mature(const struct sw_condition_machine *machine, const float *lateness, double cycle,
                           double ripe)
{
    double least = INFINITY;
    for (int64_t j = 0; j < machine->recruited; j++)
        if (cycle - machine->born[j] >= ripe && (double)lateness[j] < least)
            least = (double)lateness[j];
    return least;
}

/* Lateness of the first mature neuron (of any, while none is mature); then the population learns. */
static double step_population(const struct sw_params *params, const struct sw_view *view, bool frozen, double cycle,
                              struct sw_room *room)
{
    struct sw_condition_machine *machine = &view->machine->condition;
    struct sw_evolving_room *heard = &room->shared->evolving;
    int64_t size = view->machine->rows.size, recruited = machine->recruited;
    for (int64_t j = 0; j < recruited; j++)
        heard->total[j] = heard->latest[j] = 0.0f;
    for (int64_t i = 0; i < size; i++) {
        const struct sw_condition_line *line = &sw_at(view, i)->condition;
        room->place[i].spike_time = compress(&params->condition, line->sigmas);
        sw_evolving_hear(room->place[i].spike_time, line->delays, recruited, heard);
    }
    int64_t winner;
    double first = sw_evolving_fire(&params->evolving, size, recruited, heard, &winner);
    /* A frozen population recruits no neuron for a fault, so that none need prove its age. */
    double ripe = frozen ? 0.0 : sw_least(params->condition.ripe_most, params->condition.ripe_share * cycle);
    double mature = first_mature(machine, heard->total, cycle, ripe);
    if (mature == INFINITY)
        mature = first;
    if (frozen)
        return mature;

    bool novel = winner < 0 || first > machine->vigilance;
    machine->vigilance = sw_evolving_surprise_limit(&params->evolving, machine->vigilance, cycle, novel);
    double rate;
    int64_t neuron = sw_evolving_settle(&params->evolving, machine->strength, SW_CONDITION_NEURONS, recruited,
                                        winner, novel, cycle, &rate);
    if (neuron == recruited)
        machine->recruited = recruited + 1;
    if (novel)
        machine->born[neuron] = cycle;
    for (int64_t i = 0; i < size; i++) {
        float *delay = &sw_at(view, i)->condition.delays[neuron];
        *delay = sw_evolving_moved(*delay, room->place[i].spike_time, rate, novel);
    }
    return mature;
}

/* How far the lines are from their baselines, as far as that is known to be unusual. */
static double measure_level(const struct sw_condition_params *params, const struct sw_view *view)
{
    int64_t size = view->machine->rows.size;
    int64_t moving = 0;
    for (int64_t i = 0; i < size; i++)
        moving += sw_at(view, i)->condition.spread > 0.0;
    double agreed = sw_clip((view->machine->rows.oldest - params->agreed) / params->agreed_over, 1.0);
    agreed = sw_most(agreed, 0.0);
    double fourth = 0.0, squares = 0.0, known = 0.0;
    for (int64_t i = 0; i < size; i++) {
        const struct sw_condition_line *line = &sw_at(view, i)->condition;
        double square = sw_square(sw_least(sw_absolute(line->sigmas), params->clip));
        double off = sw_absolute(line->trace - line->mean);
        double past = line->worth / (line->worth + params->enough) * (moving > 1 ? 1.0 - agreed : 1.0);
        double apart = moving > 1 && off > 0.0 ? sw_least(sw_absolute(line->apart) / off, 1.0) : 0.0;
        fourth += square * square;
        squares += square;
        known += square * (past + (1.0 - past) * apart);
    }
    double lines = sw_square_root(sw_square_root((double)size));
    double level = sw_square_root(sw_square_root(fourth / lines));
    if (size == 1) /* nobody to say so; its rank neuron knows what is usual for it */
        return level;
    return squares > 0.0 ? level * known / squares : 0.0;
}

double sw_condition_step(const struct sw_params *params, const struct sw_view *view, bool frozen, double elapsed,
                         struct sw_room *room)
{
    const struct sw_condition_params *own = &params->condition;
    struct sw_condition_machine *machine = &view->machine->condition;
    double oldest = view->machine->rows.oldest;
    double level = measure_level(own, view);
    if (oldest > 21.0) {
        double cycle = oldest - 21.0;
        double mature = step_population(params, view, frozen, cycle, room);
        double times_usual = sw_least(mature / sw_most(machine->usual, 0.02), own->late_cap);
        machine->late += sw_leak(1.0 - sw_exp(-1.0 / own->late), elapsed) * (times_usual - machine->late);
        if (!frozen)
            machine->usual += sw_most(1.0 / cycle, 0.001) * (mature - machine->usual);
    }
    double lateness = machine->late;

    /* Closed only while far AND unfamiliar, so that a lasting change becomes the new normal in the end. */
    double strange = sw_least(level, own->familiar * lateness);
    double gate = sw_most(own->gate_least, 1.0 / (1.0 + sw_fourth(strange / own->gate_at)));
    machine->gate = oldest > own->settle ? gate : 1.0;
    if (oldest <= own->warm)
        return 0.0;
    double unit = 1.0 + own->growth * sw_log10(sw_most(oldest, 1000.0) / 1000.0);
    return sw_square_root(level / own->level_unit * lateness / own->late_unit) / unit;
}

void sw_condition_learn(const struct sw_condition_params *params, struct sw_condition_line *line, double age,
                        double gate, double value)
{
    double rate = gate / sw_least(age, params->slow);
    double error = line->trace - line->mean;
    line->mean += rate * error;
    double square = error * (line->trace - line->mean);
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
