#include "pipeline/network/evolving.h"

#include "pipeline/network/math.h"

#define ASKED_FROM 5.0 /* cycles before a population's lateness means anything */
#define YOUNG 2000.0   /* cycles; later the homeostasis of the young is below the last digit */

void sw_evolving_init(const struct sw_evolving_params *params, struct sw_evolving *population)
{
    *population = (struct sw_evolving){.vigilance = params->vigilance};
}

SW_WIDE void sw_evolving_hear(sw_time time, const sw_delay *delays, int32_t neurons, struct sw_evolving_room *room)
{
    for (int64_t j = 0; j < neurons; j++) {
        sw_late late = sw_apart(time, delays[j]);
        room->total[j] += late;
        room->latest[j] = late > room->latest[j] ? late : room->latest[j];
    }
}

struct sw_shares sw_evolving_shares(const struct sw_evolving_params *params, int64_t synapses)
{
    const sw_real parts = 256.0; /* of a weight: 0.3 is 77 */
    sw_sum latest = (sw_sum)(params->worst * parts + 0.5);
    sw_real unit = 1.0 / (parts * (sw_real)(synapses * SW_TIMES_A_UNIT));
    return (struct sw_shares){(sw_sum)parts - latest, latest * (sw_sum)synapses, unit};
}

sw_real sw_evolving_lateness(const struct sw_shares *shares, const struct sw_evolving_room *room, int32_t neuron)
{
    sw_real total = (sw_real)shares->total * (sw_real)room->total[neuron];
    return (total + (sw_real)shares->latest * (sw_real)room->latest[neuron]) * shares->unit;
}

#ifdef SW_SINGLE

/* Lateness of a neuron; or SW_LATEST as soon as one synapse is so late, by more than `most`, that it cannot be first. */
static SW_INSIDE sw_sum lateness_of(int synapses, struct sw_shares shares, const sw_time *time, const sw_delay *delay,
                                    sw_sum most)
{
    sw_sum total = 0, latest = 0;
    for (int k = 0; k < synapses; k++, delay += SW_NEURONS) {
        sw_sum own = sw_apart(time[k], *delay);
        if (own > most)
            return SW_LATEST;
        total += own;
        latest = own > latest ? own : latest;
    }
    return shares.total * total + shares.latest * latest;
}

/* The first neuron to fire, -1 if there is none, and its lateness. Without wide registers one neuron is heard after the
   other, and only until it is later than the first so far: often that is the one that was the last time. */
static int32_t first_heard(int synapses, struct sw_shares shares, const sw_time *time, const sw_delay *delays,
                           const struct sw_competition *competition, sw_sum *least)
{
    int32_t recruited = competition->recruited, first = recruited > 0 ? competition->winner : -1;
    const sw_sum alone = shares.total + shares.latest; /* a neuron is as late as one synapse times these, or later */
    sw_sum late = recruited > 0 ? lateness_of(synapses, shares, time, delays + first, SW_LATEST) : 0, most = late / alone;
    for (int32_t j = 0; j < recruited; j++) {
        sw_sum own = lateness_of(synapses, shares, time, delays + j, most);
        if (own < late || (own == late && j < first)) {
            late = own;
            most = late / alone;
            first = j;
        }
    }
    *least = late;
    return first;
}

#else

/* Lateness of so many neurons, whole lanes of them, for a number of synapses that the compiler knows. Delays are bytes,
   which might be part of anything, were they not restricted. */
static SW_INSIDE void hear_lanes(int synapses, struct sw_shares shares, const sw_time *heard,
                                 const sw_delay *restrict delays, int32_t neurons, sw_sum *restrict lateness)
{
    sw_time time[SW_LEVELS_HEARD];
    for (int k = 0; k < synapses; k++)
        time[k] = heard[k];
    for (int64_t begin = 0; begin < neurons; begin += SW_LANES)
        for (int64_t j = 0; j < SW_LANES; j++) { /* so many that compilers do them side by side */
            sw_late total = 0, latest = 0;
            for (int k = 0; k < synapses; k++) {
                sw_late late = sw_apart(time[k], delays[k * SW_NEURONS + begin + j]);
                total = (sw_late)(total + late);
                latest = late > latest ? late : latest;
            }
            lateness[begin + j] = shares.total * total + shares.latest * latest;
        }
}

/* The same for a number that the compiler need not know. */
SW_WIDE static void hear_all(int synapses, struct sw_shares shares, const sw_time *heard,
                             const sw_delay *restrict delays, int32_t neurons, sw_sum *restrict lateness)
{
    if (synapses == SW_LEVELS_HEARD)
        hear_lanes(SW_LEVELS_HEARD, shares, heard, delays, neurons, lateness);
    else if (synapses == SW_PATTERN_HEARD)
        hear_lanes(SW_PATTERN_HEARD, shares, heard, delays, neurons, lateness);
    else
        hear_lanes(SW_CHANGES_HEARD, shares, heard, delays, neurons, lateness);
}

/* The next whole number of lanes. */
static int32_t in_lanes(int32_t neurons) { return (neurons + SW_LANES - 1) / SW_LANES * SW_LANES; }

/* The first neuron to fire, -1 if there is none, and its lateness. */
static SW_INSIDE int32_t first_heard(int synapses, struct sw_shares shares, const sw_time *time,
                                     const sw_delay *delays, const struct sw_competition *competition, sw_sum *least)
{
    sw_sum lateness[SW_NEURONS];
    int32_t neurons = competition->recruited, first = SW_NEURONS;
    int32_t heard = in_lanes(neurons); /* those beyond do not count */
    hear_all(synapses, shares, time, delays, heard, lateness);
    for (int64_t j = neurons; j < heard; j++)
        lateness[j] = SW_LATEST;
    *least = SW_LATEST;
    for (int64_t j = 0; j < heard; j++)
        *least = lateness[j] < *least ? lateness[j] : *least;
    for (int64_t j = 0; j < heard; j++) {
        int32_t own = lateness[j] == *least ? (int32_t)j : SW_NEURONS;
        first = own < first ? own : first;
    }
    return first < neurons ? first : -1;
}

#endif

sw_real sw_evolving_surprise_limit(const struct sw_evolving_params *params, sw_real limit, sw_real cycle, bool novel)
{
    sw_real wanted = params->novel;
    if (cycle < YOUNG)
        wanted *= 1.0 + 9.0 * sw_exp(-cycle / 50.0);
    sw_real error = (novel ? 1.0 : 0.0) - wanted;
    limit += limit * sw_most(0.02, 1.0 / cycle) * 0.5 * error;
    return sw_least(sw_most(limit, 0.005), 1.0);
}

/* The neuron with the fewest wins. */
static int32_t weakest(const uint16_t *strength, int32_t neurons)
{
    int32_t least = 0;
    for (int32_t j = 1; j < neurons; j++)
        if (strength[j] < strength[least])
            least = j;
    return least;
}

struct sw_lesson sw_competition_settle(struct sw_competition *competition, uint16_t *strength, int32_t neurons,
                                       int32_t winner, bool novel, int32_t full, sw_real move)
{
    int32_t neuron = winner, rate = SW_WHOLE;
    if (novel) {
        neuron = competition->recruited;
        if (neuron == neurons)
            neuron = weakest(strength, neurons);
        else
            competition->recruited++;
        competition->wins -= strength[neuron];
        strength[neuron] = 0;
    }
    int32_t wins = strength[neuron] + SW_ONE;
    strength[neuron] = (uint16_t)(wins < UINT16_MAX ? wins : UINT16_MAX);
    competition->wins += SW_ONE;
    competition->winner = neuron;
    if (!novel) {
        int32_t least = (int32_t)(move * (sw_real)SW_WHOLE);
        rate = SW_WHOLE * SW_ONE / wins;
        rate = rate < least ? least : rate;
    }
    struct sw_lesson lesson = {neuron, rate, sw_mixed(competition->inputs++ ^ competition->wins << 16)};
    if (competition->wins >= (uint32_t)full * SW_ONE) {
        sw_counts_fade(strength, neurons);
        competition->wins = 0;
        for (int32_t j = 0; j < neurons; j++)
            competition->wins += strength[j];
    }
    return lesson;
}

sw_delay sw_lesson_moved(const struct sw_lesson *lesson, sw_delay delay, sw_time time, uint32_t synapse)
{
    return sw_delay_moved(delay, time, lesson->rate, sw_mixed(lesson->dice + synapse));
}

SW_WIDE sw_real sw_evolving_step(const struct sw_evolving_params *params, struct sw_evolving *population,
                                 sw_delay *delays, int synapses, bool frozen, sw_real seen,
                                 const sw_real *spike_times)
{
    sw_real cycle = seen - params->start + 1.0;
    if (cycle < 1.0)
        return NAN;
    sw_time time[SW_LEVELS_HEARD];
    for (int k = 0; k < synapses; k++)
        time[k] = sw_time_of(spike_times[k]);
    struct sw_shares shares = sw_evolving_shares(params, synapses);
    sw_sum least = 0;
    int32_t winner = first_heard(synapses, shares, time, delays, &population->competition, &least);
    sw_real late = winner < 0 ? 0.0 : (sw_real)least * shares.unit, lateness = cycle >= ASKED_FROM ? late : NAN;
    if (frozen)
        return lateness;
    bool novel = winner < 0 || late > population->vigilance;
    population->vigilance = sw_evolving_surprise_limit(params, population->vigilance, cycle, novel);
    struct sw_lesson lesson = sw_competition_settle(&population->competition, population->strength, SW_NEURONS, winner,
                                                    novel, params->full, params->move);
    for (int k = 0; k < synapses; k++) {
        sw_delay *delay = &delays[k * SW_NEURONS + lesson.neuron];
        *delay = sw_lesson_moved(&lesson, *delay, time[k], (uint32_t)k);
    }
    return lateness;
}
