#include "pipeline/network/evolving.h"

#include <string.h>

#include "pipeline/network/math.h"

#define ASKED_FROM 5.0 /* cycles before a population's lateness means anything */
/* A whole number as long as a float; the tests ask a network, too, whose floats are as long as doubles. */
#ifndef SW_ORDER
#define SW_ORDER int32_t
#endif
#define YOUNG 2000.0   /* cycles; later the homeostasis of the young is below the last digit */

void sw_evolving_init(const struct sw_evolving_params *params, struct sw_evolving *population)
{
    *population = (struct sw_evolving){.vigilance = params->vigilance};
}

SW_WIDE void sw_evolving_hear(sw_real spike_time, const sw_delay *delays, int64_t neurons,
                              struct sw_evolving_room *room)
{
    float time = (float)spike_time;
    for (int64_t j = 0; j < neurons; j++) {
        float late = fabsf(time - sw_delay_time(delays[j]));
        room->total[j] += late;
        room->latest[j] = late > room->latest[j] ? late : room->latest[j];
    }
}

/* How much the mean and the worst mismatch weigh in a neuron's lateness. */
struct shares {
    float mean;
    float worst;
};

static struct shares shares_of(const struct sw_evolving_params *params, int64_t synapses)
{
    return (struct shares){(float)((1.0 - params->worst) / (sw_real)synapses), (float)params->worst};
}

#ifdef SW_SINGLE

/* Lateness of a neuron; or, as soon as that is not below `most`, something that is not. */
static inline float lateness_of(int synapses, struct shares shares, const sw_real *spike_times, const sw_delay *delay,
                                float most)
{
    float total = 0.0f, latest = 0.0f, late = 0.0f;
    for (int k = 0; k < synapses && late < most; k++, delay += SW_NEURONS) {
        float own = fabsf(spike_times[k] - sw_delay_time(*delay));
        total += own;
        latest = own > latest ? own : latest;
        late = shares.mean * total + shares.worst * latest;
    }
    return late;
}

/* Lateness and number of the first neuron to fire, 0 and -1 if there is none. Without wide registers one neuron is
   heard after the other, and only until it is later than the first so far. */
static sw_real first_heard(int synapses, struct shares shares, const sw_real *spike_times, const sw_delay *delays,
                           int64_t neurons, int64_t *winner)
{
    float first = INFINITY;
    *winner = -1;
    for (int32_t j = 0; j < (int32_t)neurons; j++) {
        float late = lateness_of(synapses, shares, spike_times, delays + j, first);
        if (late < first) {
            first = late;
            *winner = j;
        }
    }
    return *winner < 0 ? 0.0f : first;
}

#else

/* Lateness of so many neurons, for a number of synapses that the compiler knows. */
static inline void hear_all(int synapses, struct shares shares, const sw_real *spike_times, const sw_delay *delays,
                            int64_t neurons, float *lateness)
{
    float time[SW_LEVELS_HEARD];
    for (int k = 0; k < synapses; k++)
        time[k] = (float)spike_times[k];
    for (int64_t j = 0; j < neurons; j++) {
        float total = 0.0f, latest = 0.0f;
        for (int k = 0; k < synapses; k++) {
            float late = fabsf(time[k] - sw_delay_time(delays[k * SW_NEURONS + j]));
            total += late;
            latest = late > latest ? late : latest;
        }
        lateness[j] = shares.mean * total + shares.worst * latest;
    }
}

#endif

/* The next whole number of lanes. */
static int64_t in_lanes(int64_t neurons) { return (neurons + SW_LANES - 1) / SW_LANES * SW_LANES; }

/* Lateness and number of the first neuron to fire, 0 and -1 if there is none. `lateness` has room for whole lanes.

   Nothing is early, and numbers that are not below 0 are in the order of their bits: whole numbers, of which compilers
   find the least side by side, as they may not for floats. */
static SW_INSIDE sw_real first_of(float *lateness, int64_t neurons, int64_t *winner)
{
    const float never = INFINITY;
    SW_ORDER order[SW_NEURONS], least;
    int32_t number = SW_NEURONS;
    int64_t whole = in_lanes(neurons);
    for (int64_t j = neurons; j < whole; j++)
        lateness[j] = never;
    memcpy(order, lateness, (size_t)whole * sizeof *order);
    memcpy(&least, &never, sizeof least);
    for (int64_t j = 0; j < whole; j++)
        least = order[j] < least ? order[j] : least;
    for (int64_t j = 0; j < whole; j++) {
        int32_t own = order[j] == least ? (int32_t)j : SW_NEURONS;
        number = own < number ? own : number;
    }
    *winner = number < neurons ? number : -1;
    return number < neurons ? (sw_real)lateness[number] : 0.0;
}

#ifndef SW_SINGLE

/* The same, for a number of synapses that the compiler need not know. */
static SW_INSIDE sw_real first_heard(int synapses, struct shares shares, const sw_real *spike_times,
                                     const sw_delay *delays, int64_t neurons, int64_t *winner)
{
    float late_by[SW_NEURONS];
    int64_t vectors = in_lanes(neurons); /* neurons beyond are not looked at */
    if (synapses == SW_LEVELS_HEARD)
        hear_all(SW_LEVELS_HEARD, shares, spike_times, delays, vectors, late_by);
    else if (synapses == SW_PATTERN_HEARD)
        hear_all(SW_PATTERN_HEARD, shares, spike_times, delays, vectors, late_by);
    else
        hear_all(SW_CHANGES_HEARD, shares, spike_times, delays, vectors, late_by);
    return first_of(late_by, neurons, winner);
}

#endif

SW_WIDE sw_real sw_evolving_fire(const struct sw_evolving_params *params, int64_t synapses, int64_t neurons,
                        struct sw_evolving_room *room, int64_t *winner)
{
    struct shares shares = shares_of(params, synapses);
    for (int64_t j = 0; j < neurons; j++)
        room->total[j] = shares.mean * room->total[j] + shares.worst * room->latest[j];
    return first_of(room->total, neurons, winner);
}

sw_real sw_evolving_surprise_limit(const struct sw_evolving_params *params, sw_real limit, sw_real cycle, bool novel)
{
    sw_real wanted = params->novel;
    if (cycle < YOUNG)
        wanted *= 1.0 + 9.0 * sw_exp(-cycle / 50.0);
    sw_real error = (novel ? 1.0 : 0.0) - wanted;
    limit *= sw_exp(sw_most(0.02, 1.0 / cycle) * 0.5 * error);
    return sw_least(sw_most(limit, 0.005), 1.0);
}

int64_t sw_evolving_settle(const struct sw_evolving_params *params, float *strength, int64_t neurons,
                           int64_t recruited, int64_t winner, bool novel, sw_real cycle, sw_real *rate)
{
    sw_real now = cycle / params->memory;
    if (!novel) {
        sw_real wins = sw_exp((sw_real)strength[winner] - now) + 1.0;
        strength[winner] = (float)(sw_log(wins) + now);
        *rate = sw_most(params->move, 1.0 / wins);
        return winner;
    }
    int64_t neuron = recruited;
    if (recruited == neurons) { /* full: the weakest makes room */
        neuron = 0;
        for (int64_t j = 1; j < recruited; j++)
            if (strength[j] < strength[neuron])
                neuron = j;
    }
    strength[neuron] = (float)now;
    *rate = 1.0;
    return neuron;
}

uint32_t sw_evolving_dice(sw_real cycle, int64_t synapse)
{
    return (uint32_t)(int64_t)cycle * 64u + (uint32_t)synapse;
}

sw_delay sw_evolving_moved(sw_delay delay, sw_real spike_time, sw_real rate, bool novel, uint32_t dice)
{
    sw_real before = (sw_real)sw_delay_time(delay);
    return sw_delay_of(novel ? spike_time : before + rate * (spike_time - before), dice);
}

SW_WIDE sw_real sw_evolving_step(const struct sw_evolving_params *params, struct sw_evolving *population,
                                 sw_delay *delays, int synapses, bool frozen, sw_real seen,
                                 const sw_real *spike_times)
{
    sw_real cycle = seen - params->start + 1.0;
    if (cycle < 1.0)
        return NAN;
    int64_t recruited = population->recruited, winner;
    sw_real late = first_heard(synapses, shares_of(params, synapses), spike_times, delays, recruited, &winner);
    sw_real lateness = cycle >= ASKED_FROM ? late : NAN;
    if (frozen)
        return lateness;
    bool novel = winner < 0 || late > population->vigilance;
    population->vigilance = sw_evolving_surprise_limit(params, population->vigilance, cycle, novel);
    sw_real rate;
    int64_t neuron =
        sw_evolving_settle(params, population->strength, SW_NEURONS, recruited, winner, novel, cycle, &rate);
    if (neuron == recruited)
        population->recruited = recruited + 1;
    for (int k = 0; k < synapses; k++) {
        sw_delay *delay = &delays[k * SW_NEURONS + neuron];
        uint32_t dice = sw_evolving_dice(cycle, synapses * 8 + k);
        *delay = sw_evolving_moved(*delay, spike_times[k], rate, novel, dice);
    }
    return lateness;
}
