#include "pipeline/network/modes.h"

#include "pipeline/network/view.h"
#include "pipeline/network/math.h"
#include "pipeline/network/room.h"

#define FARTHEST 8.0 /* deviations: as far as a centre may be */

void sw_modes_init_line(struct sw_modes_line *line) { *line = (struct sw_modes_line){0}; }

void sw_modes_init_machine(const struct sw_modes_params *params, struct sw_modes_machine *machine)
{
    *machine = (struct sw_modes_machine){.vigilance = params->vigilance};
}

void sw_modes_locate(const struct sw_cohort *cohort, const struct sw_room *room)
{
    const sw_real *deviation = room->cohort[cohort->number].deviation;
    for (int64_t p = 0; p < cohort->size; p++) {
        struct sw_modes_line *line = &cohort->member[p]->modes;
        int64_t i = p * SW_FEATURES;
        sw_real value = (sw_real)sw_square_root32(sw_row(cohort->covariance, cohort, p, 0)[i]);
        sw_real trace = (sw_real)sw_square_root32(sw_row(cohort->covariance, cohort, p, 1)[i + 1]);
        sw_real place = value > 0.0 ? deviation[i] / value : 0.0;
        line->place[0] = sw_time_of(sw_clip(place, FARTHEST));
        line->place[1] = sw_time_of(sw_clip(place - (trace > 0.0 ? deviation[i + 1] / trace : 0.0), FARTHEST));
    }
}

/* Distance of every line, and of all together, from each mode. */
static void measure(const struct sw_view *view, struct sw_room *room)
{
    int32_t recruited = view->machine->modes.competition.recruited;
    sw_sum *total = room->shared->mode;
    for (int32_t j = 0; j < recruited; j++)
        total[j] = 0;
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        const struct sw_modes_line *line = &sw_at(view, i)->modes;
        sw_late *part = room->place[i].mode;
        for (int32_t j = 0; j < recruited; j++) {
            part[j] = (sw_late)(sw_apart(line->place[0], line->centre[0][j]) +
                                sw_apart(line->place[1], line->centre[1][j]));
            total[j] += part[j];
        }
    }
}

/* Let the population learn where the lines are; a new mode has no sizes yet. */
static void learn(const struct sw_modes_params *params, const struct sw_view *view, int32_t nearest, bool novel,
                  struct sw_room *room)
{
    struct sw_modes_machine *machine = &view->machine->modes;
    if (novel && machine->competition.recruited == SW_MODES) /* seen more coarsely from now on */
        machine->vigilance *= params->wider;
    struct sw_lesson lesson = sw_competition_settle(&machine->competition, machine->use, SW_MODES, nearest, novel,
                                                    params->full, params->move);
    int32_t neuron = lesson.neuron;
    if (novel)
        room->shared->mode[neuron] = 0;
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        struct sw_modes_line *line = &sw_at(view, i)->modes;
        for (int k = 0; k < SW_PLACE; k++) {
            sw_delay *centre = &line->centre[k][neuron];
            *centre = sw_lesson_moved(&lesson, *centre, line->place[k], (uint32_t)(i * SW_PLACE + k));
        }
        if (novel) {
            room->place[i].mode[neuron] = 0;
            line->rows[neuron] = line->size[neuron] = line->size_new[neuron] = 0.0f;
        }
    }
}

SW_WIDE void sw_modes_choose(const struct sw_modes_params *params, const struct sw_view *view, bool frozen,
                             struct sw_room *room)
{
    struct sw_modes_machine *machine = &view->machine->modes;
    const sw_sum *total = room->shared->mode;
    int64_t size = view->machine->rows.size;
    int32_t neuron = -1;
    sw_sum nearest = SW_LATEST;
    measure(view, room);
    for (int32_t j = 0; j < machine->competition.recruited; j++)
        if (total[j] < nearest) {
            nearest = total[j];
            neuron = j;
        }
    sw_real distance = (sw_real)nearest / (sw_real)(SW_PLACE * size * SW_TIMES_A_UNIT);
    if (!frozen)
        learn(params, view, neuron, neuron < 0 || distance > machine->vigilance, room);
    for (int64_t i = 0; i < size; i++) {
        struct sw_modes_line *line = &sw_at(view, i)->modes;
        const sw_late *part = room->place[i].mode;
        sw_sum least = SW_LATEST;
        for (int32_t j = 0; j < machine->competition.recruited; j++)
            if (total[j] - part[j] < least) {
                least = total[j] - part[j];
                line->winner = j;
            }
    }
}

sw_real sw_modes_usual(const struct sw_modes_params *params, sw_real rows, sw_real size, sw_real overall)
{
    return (rows * size + params->shrink * overall) / (rows + params->shrink);
}

/* A size after a row. */
static float taught(float size, sw_real rate, sw_real off, sw_real most)
{
    return (float)((sw_real)size + rate * (sw_least(off * off, most) - (sw_real)size));
}

void sw_modes_learn(const struct sw_modes_params *params, struct sw_modes_line *line, sw_real gate, sw_real residual,
                    sw_real innovation, sw_real most, sw_real most_new)
{
    int32_t j = line->winner;
    line->rows[j] = (float)((sw_real)line->rows[j] + gate);
    sw_real rate = gate * sw_most(1.0 / ((sw_real)line->rows[j] + 1.0), 1.0 / params->size_memory);
    line->size[j] = taught(line->size[j], rate, residual, most);
    line->size_new[j] = taught(line->size_new[j], rate, innovation, most_new);
}
