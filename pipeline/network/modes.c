#include "pipeline/network/modes.h"

#include "pipeline/network/view.h"
#include "pipeline/network/math.h"
#include "pipeline/network/room.h"

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
        line->place[0] = value > 0.0 ? deviation[i] / value : 0.0;
        line->place[1] = line->place[0] - (trace > 0.0 ? deviation[i + 1] / trace : 0.0);
    }
}

/* Distance of every line, and of all together, from each mode. */
static void measure(const struct sw_view *view, struct sw_room *room)
{
    int64_t recruited = view->machine->modes.recruited;
    sw_real *total = room->shared->mode;
    for (int64_t j = 0; j < recruited; j++)
        total[j] = 0.0;
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        const struct sw_modes_line *line = &sw_at(view, i)->modes;
        sw_real *part = room->place[i].mode;
        for (int64_t j = 0; j < recruited; j++) {
            part[j] = sw_absolute(line->place[0] - (sw_real)line->centre[0][j]);
            part[j] += sw_absolute(line->place[1] - (sw_real)line->centre[1][j]);
            total[j] += part[j];
        }
    }
}

/* A neuron for what is new: the next one, or the least used makes room, and more coarsely is seen from now on. */
static int64_t recruit(const struct sw_modes_params *params, struct sw_modes_machine *machine)
{
    if (machine->recruited < SW_MODES)
        return machine->recruited++;
    machine->vigilance *= params->wider;
    int64_t least = 0;
    for (int64_t j = 1; j < SW_MODES; j++)
        if (machine->use[j] < machine->use[least])
            least = j;
    return least;
}

static void begin(const struct sw_view *view, int64_t neuron, struct sw_room *room)
{
    view->machine->modes.use[neuron] = 1.0;
    room->shared->mode[neuron] = 0.0;
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        struct sw_modes_line *line = &sw_at(view, i)->modes;
        room->place[i].mode[neuron] = 0.0;
        for (int k = 0; k < SW_PLACE; k++)
            line->centre[k][neuron] = (float)line->place[k];
        line->rows[neuron] = line->size[neuron] = line->size_new[neuron] = 0.0f;
    }
}

static void move(const struct sw_modes_params *params, const struct sw_view *view, int64_t neuron)
{
    struct sw_modes_machine *machine = &view->machine->modes;
    machine->use[neuron] += 1.0;
    sw_real rate = sw_most(params->move, 1.0 / machine->use[neuron]);
    for (int64_t i = 0; i < view->machine->rows.size; i++) {
        struct sw_modes_line *line = &sw_at(view, i)->modes;
        for (int k = 0; k < SW_PLACE; k++) {
            sw_real centre = (sw_real)line->centre[k][neuron];
            line->centre[k][neuron] = (float)(centre + rate * (line->place[k] - centre));
        }
    }
}

SW_WIDE void sw_modes_choose(const struct sw_modes_params *params, const struct sw_view *view, bool frozen,
                     struct sw_room *room)
{
    struct sw_modes_machine *machine = &view->machine->modes;
    const sw_real *total = room->shared->mode;
    int64_t size = view->machine->rows.size, neuron = -1;
    sw_real nearest = INFINITY;
    measure(view, room);
    for (int64_t j = 0; j < machine->recruited; j++) {
        if (!frozen)
            machine->use[j] *= 1.0 - 1.0 / params->memory;
        if (total[j] < nearest) {
            nearest = total[j];
            neuron = j;
        }
    }
    bool novel = neuron < 0 || nearest / (sw_real)(SW_PLACE * size) > machine->vigilance;
    if (novel && !frozen)
        begin(view, recruit(params, machine), room);
    else if (!frozen)
        move(params, view, neuron);
    for (int64_t i = 0; i < size; i++) {
        struct sw_modes_line *line = &sw_at(view, i)->modes;
        const sw_real *part = room->place[i].mode;
        sw_real least = INFINITY;
        for (int64_t j = 0; j < machine->recruited; j++)
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
    int64_t j = line->winner;
    line->rows[j] = (float)((sw_real)line->rows[j] + gate);
    sw_real rate = gate * sw_most(1.0 / ((sw_real)line->rows[j] + 1.0), 1.0 / params->size_memory);
    line->size[j] = taught(line->size[j], rate, residual, most);
    line->size_new[j] = taught(line->size_new[j], rate, innovation, most_new);
}
