#include "pipeline/network/evidence.h"

#include "pipeline/network/view.h"
#include "pipeline/network/math.h"
#include "pipeline/network/params.h"

#define DAY_NS (24.0 * (sw_real)SW_HOUR_NS)

/* What a line's residual is measured with in a row; squares, in the line's units. */
struct ruler {
    sw_real rounding; /* of a reading to its step */
    sw_real standing; /* what it may be off while it holds a value */
    sw_real grain;    /* the two as shares of what is usual */
    sw_real stands;
};

void sw_evidence_init_line(struct sw_evidence_line *line)
{
    *line = (struct sw_evidence_line){.usual = 1.0, .usual_new = 1.0};
}

void sw_evidence_init_machine(struct sw_evidence_machine *machine) { *machine = (struct sw_evidence_machine){0}; }

/* A membrane after a reading. It forgets by time and gathers by readings, so a gap alone is no evidence. */
static sw_real grown(sw_real membrane, sw_real tau, sw_real elapsed, sw_real value)
{
    if (elapsed == 1.0)
        return membrane + (value - membrane) / tau;
    sw_real keep = 1.0 - 1.0 / tau;
    return membrane * sw_power(keep, elapsed) + (1.0 - sw_power(keep, sw_least(elapsed, 1.0))) * value;
}

/* Mean square of a membrane of this time constant that hears noise of variance 1, each value for itself. */
static sw_real white(sw_real tau) { return 1.0 / (2.0 * tau - 1.0); }

void sw_evidence_rest(struct sw_evidence_line *line)
{
    for (int k = 0; k < SW_ENERGY; k++)
        line->membrane[k] = 0.0;
    line->membrane[SW_ENERGY] = sw_exp(line->energy) - 0.1;
    line->level = line->alarm = 0.0;
    line->shut = 0;
}

/* How far residual and innovation are off, in what is usual in the present mode. */
static void measure(const struct sw_params *params, struct sw_line *line, sw_real far, bool moded,
                    struct ruler *ruler, sw_real *off, sw_real *new)
{
    struct sw_evidence_line *found = &line->evidence;
    const struct sw_expectation *known = &line->expectation;
    const struct sw_modes_line *mode = &line->modes;
    sw_real size = found->size, size_new = found->size_new;
    if (moded) {
        int64_t j = mode->winner;
        sw_real rows = (sw_real)mode->rows[j];
        size = sw_modes_usual(&params->modes, rows, (sw_real)mode->size[j], size);
        size_new = sw_modes_usual(&params->modes, rows, (sw_real)mode->size_new[j], size_new);
    }
    sw_real floor = params->evidence.floor * sw_square_root(known->variance) + 1e-9 * sw_absolute(known->real[0]);
    floor += 1e-12;
    sw_real least = sw_resolution_holds(&line->resolution, params->resolution.long_) * ruler->standing;
    sw_real unsure = sw_square(1.0 + far);
    size = unsure * sw_most(size, least) + ruler->rounding;
    size_new = unsure * sw_most(size_new, least) + ruler->rounding;
    found->usual = sw_square_root(sw_most(size, found->size + ruler->rounding)) + floor;
    found->usual_new = sw_square_root(sw_most(size_new, found->size_new + ruler->rounding)) + floor;
    *off = known->residual / (sw_square_root(size) + floor);
    *new = known->innovation / (sw_square_root(size_new) + floor);
    ruler->grain = ruler->rounding / sw_most(size, SW_REAL_LEAST_DIVISOR);
    ruler->stands = ruler->standing / sw_most(size, SW_REAL_LEAST_DIVISOR);
}

/* The largest of what the membranes say, against its limit, and which it is. */
static sw_real reached(const struct sw_params *params, struct sw_line *line, sw_real energy, const struct ruler *ruler)
{
    const struct sw_evidence_params *own = &params->evidence;
    struct sw_evidence_line *found = &line->evidence;
    /* Energy of rounding, and of standing where it holds. */
    sw_real held_off = ruler->stands * sw_resolution_holds(&line->resolution, own->tau[SW_ENERGY]);
    sw_real least = sw_log(held_off + ruler->grain + 0.1);
    sw_real spread = sw_square_root(sw_most(found->spread[SW_ENERGY], held_off)) + 0.1;
    sw_real level = (energy - sw_most(found->energy, least)) / spread / own->limit[SW_ENERGY];
    found->witness = SW_ENERGY;
    for (int k = 0; k < SW_ENERGY; k++) {
        sw_real holds = sw_resolution_holds(&line->resolution, own->tau[k]);
        sw_real square = sw_most(found->spread[k], ruler->stands * holds);
        square += ruler->grain * white(own->tau[k]);
        sw_real says = sw_absolute(found->membrane[k]) / sw_square_root(square + 1e-9) / own->limit[k];
        if (says > level) {
            level = says;
            found->witness = k;
        }
    }
    return level;
}

/* Rows in which a remembered alarm fades: what a machine does every week is seen again only after a week. */
static sw_real alarm_memory(const struct sw_evidence_params *params, sw_real usual_ns)
{
    sw_real weeks = params->alarm_days * DAY_NS / sw_most(usual_ns, 1.0);
    return sw_least(sw_most(params->alarm_memory, weeks), params->alarm_most);
}

/* Set a line's level, and shut or open it. */
static void decide(const struct sw_evidence_params *params, struct sw_line *line, sw_real level, int64_t features,
                   bool room, bool frozen)
{
    struct sw_evidence_line *found = &line->evidence;
    sw_real own = line->expectation.own;
    sw_real chance = params->chance * sw_square((sw_real)features / own);
    level /= 1.0 + params->young * sw_square_root(60.0 / own) + chance;
    sw_real past = found->shut ? found->alarms - 1.0 : found->alarms;
    level /= 1.0 + params->wary * sw_most(past, 0.0);
    found->level = sw_most(level, 0.0);
    if (!frozen)
        found->alarms *= 1.0 - 1.0 / alarm_memory(params, line->rows.usual_ns);
    if (found->shut) {
        found->shut = level >= params->open_at;
    } else if (level > 1.0 && room && found->calm == 0.0) {
        found->shut = 1;
        found->alarms += frozen ? 0.0 : 1.0;
    }
}

/* Let sizes and spreads of a line take in a row, as far as the gate allows. */
static void learn(const struct sw_params *params, struct sw_line *line, sw_real gate, sw_real energy,
                  const struct ruler *ruler, bool moded)
{
    const struct sw_evidence_params *own = &params->evidence;
    struct sw_evidence_line *found = &line->evidence;
    sw_real rows = line->expectation.own;
    sw_real residual = line->expectation.residual, innovation = line->expectation.innovation;
    /* What is exactly 0 could never grow: nothing is known better than to its rounding. */
    sw_real most = 9.0 * (found->size + ruler->rounding), most_new = 9.0 * (found->size_new + ruler->rounding);
    if (rows > own->warm && moded)
        sw_modes_learn(&params->modes, &line->modes, gate, residual, innovation, most, most_new);
    if (rows < own->warm + 50.0) {
        sw_real rate = sw_most(1.0 / sw_most(rows, 1.0), 1.0 / 50.0);
        found->size += rate * (residual * residual - found->size);
        found->size_new += rate * (innovation * innovation - found->size_new);
    } else {
        sw_real rate = gate / sw_least(rows - own->warm, own->memory);
        found->size += rate * (sw_least(residual * residual, most) - found->size);
        found->size_new += rate * (sw_least(innovation * innovation, most_new) - found->size_new);
    }
    if (!(rows > own->warm))
        return;
    sw_real rate = gate / sw_least(rows - own->warm, own->memory);
    sw_real more = rows < own->settle ? 1.0 : 0.0;
    for (int k = 0; k < SW_ENERGY; k++) {
        most = 9.0 * (found->spread[k] + ruler->grain * white(own->tau[k])) + more;
        found->spread[k] += rate * (sw_least(sw_square(found->membrane[k]), most) - found->spread[k]);
    }
    sw_real error = energy - found->energy;
    found->energy += rate * sw_clip(error, 1.0);
    most = 9.0 * found->spread[SW_ENERGY] + more;
    found->spread[SW_ENERGY] += rate * (sw_least(error * error, most) - found->spread[SW_ENERGY]);
}

void sw_evidence_weigh(const struct sw_params *params, struct sw_line *line, int64_t features, sw_real far, bool moded,
                       bool room, bool frozen)
{
    const struct sw_evidence_params *own = &params->evidence;
    struct sw_evidence_line *found = &line->evidence;
    const struct sw_expectation *known = &line->expectation;
    const struct sw_resolution *held = &line->resolution;
    sw_real rounding = sw_resolution_rounding(held) / sw_square(sw_kind_smooth(&params->kind, &line->kind));
    struct ruler ruler = {.rounding = sw_expectation_in_units(known, rounding)};
    if (!line->kind.counts) /* a pace that stands still is news */
        ruler.standing = sw_expectation_in_units(known, sw_resolution_unexplained(&params->resolution, held));
    sw_real off = 0.0, new = 0.0;
    if (known->own > own->warm)
        measure(params, line, far, moded, &ruler, &off, &new);
    sw_real added[SW_ENERGY] = {
        sw_clip(new, own->cap[SW_NEW]),
        sw_clip(off, own->cap[SW_MIDDLE]),
        sw_clip(off, own->cap[SW_LONG]),
    };
    for (int k = 0; k < SW_ENERGY; k++)
        found->membrane[k] = grown(found->membrane[k], own->tau[k], known->elapsed, added[k]);
    sw_real squared = sw_least(off * off, own->cap[SW_ENERGY]);
    found->membrane[SW_ENERGY] = grown(found->membrane[SW_ENERGY], own->tau[SW_ENERGY], known->elapsed, squared);
    sw_real energy = sw_log(found->membrane[SW_ENERGY] + 0.1);
    if (known->own > own->settle)
        decide(own, line, reached(params, line, energy, &ruler), features, room, frozen);
    if (frozen)
        return;
    sw_real gate = 1.0;
    if (found->shut) {
        sw_real returned = sw_square(sw_most(found->alarms - 1.0, 0.0));
        gate = sw_least(own->gate_least * (1.0 + own->recurrence * returned), 1.0);
    }
    learn(params, line, gate, energy, &ruler, moded);
}

sw_real sw_evidence_excuse(const struct sw_evidence_params *params, const struct sw_cohort *cohort, bool frozen,
                           int64_t culprit)
{
    sw_real noticed = cohort->member[culprit]->evidence.level;
    for (int64_t p = 0; p < cohort->size; p++) {
        struct sw_evidence_line *found = &cohort->member[p]->evidence;
        struct sw_expectation *known = &cohort->member[p]->expectation;
        if (p == culprit || !(found->shut || found->level > params->open_at))
            continue;
        noticed = sw_most(noticed, found->level);
        bool was_shut = found->shut;
        sw_evidence_rest(found);
        if (was_shut) {
            found->alarms = sw_most(found->alarms - (frozen ? 0.0 : 1.0), 0.0);
            for (int k = 0; k < SW_FEATURES; k++)
                known->used[k] = known->real[k];
        }
    }
    return noticed;
}

void sw_evidence_blame(const struct sw_evidence_params *params, const struct sw_cohort *cohort, bool frozen,
                       int64_t culprit)
{
    struct sw_evidence_line *blamed = &cohort->member[culprit]->evidence;
    sw_real noticed = sw_evidence_excuse(params, cohort, frozen, culprit);
    for (int k = 0; k < SW_ENERGY; k++)
        blamed->membrane[k] *= noticed / blamed->level;
    blamed->level = noticed;
    blamed->shut = 1;
    blamed->alarms += frozen ? 0.0 : 1.0;
}

void sw_evidence_accept(const struct sw_evidence_params *params, struct sw_line *line)
{
    struct sw_evidence_line *found = &line->evidence;
    struct sw_expectation *known = &line->expectation;
    for (int k = 0; k < SW_FEATURES; k++) {
        known->mean[k] += known->residual;
        if (found->shut) /* the others heard what they expected */
            known->used[k] += known->residual;
    }
    for (int k = 0; k < SW_ENERGY; k++)
        found->membrane[k] = 0.0;
    found->energy = sw_log(found->membrane[SW_ENERGY] + 0.1);
    found->shut = 0;
    found->level = found->alarm = 0.0;
    known->settled = sw_least(known->settled, params->resettle);
}

sw_real sw_evidence_short_of_alarm(sw_real level) { return level / (1.0 + 2.0 * level); }

sw_real sw_evidence_told(const struct sw_evidence_line *line, sw_real level)
{
    return line->calm > 0.0 ? sw_evidence_short_of_alarm(level) : level;
}

sw_real sw_evidence_last(const struct sw_evidence_params *params, sw_real alarm, sw_real level, bool held)
{
    bool lasts = level >= 1.0 || held || (alarm > 0.0 && level >= params->open_at);
    return lasts ? alarm + 1.0 : 0.0;
}

sw_real sw_evidence_patience(const struct sw_evidence_params *params, const struct sw_evidence_machine *machine,
                             sw_real rows, sw_real usual_ns)
{
    if (machine->patience_ns > 0.0)
        return sw_most(machine->patience_ns / sw_most(usual_ns, 1.0), 1.0);
    sw_real time = params->patience_days * DAY_NS / sw_most(usual_ns, 1.0);
    sw_real young = sw_most(params->patience_young * rows, params->patience_first);
    sw_real shift = params->patience_hours * (sw_real)SW_HOUR_NS / sw_most(usual_ns, 1.0);
    sw_real long_enough = sw_most(params->patience, shift); /* a hundred rows a second make no alarm shorter */
    return sw_most(sw_least(sw_least(long_enough, young), time), params->patience_least);
}
