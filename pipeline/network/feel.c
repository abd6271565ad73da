#include "pipeline/network/feel.h"

#include <stddef.h>

#include "pipeline/network/math.h"
#include "pipeline/network/view.h"

/* Rarity of a population's surprise; 0, and nothing counted, where the surprise is no number: not asked. */
static sw_real rank(const struct sw_params *params, uint16_t *tails, bool frozen, sw_real surprise)
{
    return isnan(surprise) ? 0.0 : sw_rank_rarity(&params->rank, tails, frozen, surprise);
}

/* The same of a population that does not always speak; its rank neuron counts every reading, even so. */
static sw_real rank_if(bool speaks, const struct sw_params *params, uint16_t *tails, bool frozen, sw_real surprise)
{
    if (speaks)
        return sw_rank_rarity(&params->rank, tails, frozen, surprise);
    sw_rank_count(&params->rank, tails, frozen, surprise);
    return 0.0;
}

/* Let the optional population feel a reading, if the line has it. */
static void feel_context(const struct sw_params *params, struct sw_context *line, bool frozen,
                         const struct sw_arrival *arrival, sw_real value, struct sw_felt *felt)
{
    sw_real surprise[SW_READOUTS];
    for (int k = 0; k < SW_READOUTS; k++)
        felt->rarity[SW_CONTEXT + k] = 0.0;
    if (!line)
        return;
    sw_context_step(&params->context, &params->rank, line, frozen, arrival->elapsed, value, surprise);
    for (int k = 0; k < SW_READOUTS; k++)
        felt->rarity[SW_CONTEXT + k] = rank(params, line->tails[k], frozen, surprise[k]);
    int64_t travelled = sw_context_travelled(arrival->seen);
    felt->spikes += travelled;
    felt->synapses += 2 * travelled; /* each of two delayed fields to two present ones */
}

/* Delays of a line's populations that a reading is compared with. */
static int64_t delays_heard(const struct sw_line *line)
{
    return SW_LEVELS_HEARD * line->levels.common.competition.recruited +
           SW_PATTERN_HEARD * line->pattern.common.competition.recruited +
           SW_CHANGES_HEARD * line->changes.common.competition.recruited;
}

void sw_feel(const struct sw_params *params, const struct sw_view *view, int64_t number,
             const struct sw_arrival *arrival, sw_real value, struct sw_felt *felt)
{
    struct sw_line *line = &view->line[number];
    bool frozen = view->machine->frozen || line->quality.masked; /* nothing is learned from nonsense */
    sw_real seen = arrival->seen, elapsed = arrival->elapsed;
    sw_real surprise[SW_PERSISTENCE], spike_times[SW_SYNAPSES];
    surprise[SW_RANGE] = sw_value_overflow(&line->value, frozen, seen, value);
    felt->sigmas = sw_value_distance(&params->value, &line->value, frozen, seen, value);
    surprise[SW_VALUE] = sw_absolute(felt->sigmas);

    bool is_long;
    struct sw_activity *activity = &line->activity;
    sw_real fired = sw_activity_spikes(&params->activity, activity, frozen, seen, value);
    surprise[SW_ACTIVITY] = sw_activity_unusual(&params->activity, activity, frozen, seen, elapsed, fired);
    surprise[SW_SILENCE] = sw_activity_silence(&params->activity, activity, frozen, seen, elapsed, fired, &is_long);

    int64_t spikes = sw_delta_step(&params->delta, &line->delta, frozen, elapsed, value);
    sw_traces_step(&params->traces, &line->traces, seen, elapsed, spikes, spike_times);
    felt->synapses = seen >= params->evolving.start ? delays_heard(line) : 0;
    const sw_real *heard = spike_times;
    surprise[SW_LEVELS] = sw_evolving_step(&params->evolving, &line->levels.common, line->levels.delays[0],
                                           SW_LEVELS_HEARD, frozen, seen, heard);
    heard += SW_LEVELS_HEARD;
    surprise[SW_PATTERN] = sw_evolving_step(&params->evolving, &line->pattern.common, line->pattern.delays[0],
                                            SW_PATTERN_HEARD, frozen, seen, heard);
    heard += SW_PATTERN_HEARD;
    surprise[SW_CHANGES] = sw_evolving_step(&params->evolving, &line->changes.common, line->changes.delays[0],
                                            SW_CHANGES_HEARD, frozen, seen, heard);

    /* Only beyond what is known, and only when still for long. */
    uint16_t(*tails)[SW_BINS] = line->rank.tails;
    felt->rarity[SW_RANGE] = rank_if(surprise[SW_RANGE] > 0.0, params, tails[SW_RANGE], frozen, surprise[SW_RANGE]);
    felt->rarity[SW_VALUE] = rank(params, tails[SW_VALUE], frozen, surprise[SW_VALUE]);
    felt->rarity[SW_ACTIVITY] = rank(params, tails[SW_ACTIVITY], frozen, surprise[SW_ACTIVITY]);
    felt->rarity[SW_SILENCE] = rank_if(is_long, params, tails[SW_SILENCE], frozen, surprise[SW_SILENCE]);
    for (int population = SW_LEVELS; population <= SW_CHANGES; population++)
        felt->rarity[population] = rank(params, tails[population], frozen, surprise[population]);
    sw_real persistence =
        sw_persistence_step(&params->persistence, &line->persistence, seen, felt->rarity, SW_PERSISTENCE);
    felt->rarity[SW_PERSISTENCE] = rank(params, tails[SW_PERSISTENCE], frozen, persistence);
    felt->rarity[SW_COUPLING] = 0.0;

    felt->spikes = (int64_t)fired + (spikes < 0 ? -spikes : spikes);
    if (seen >= params->evolving.start)
        felt->spikes += SW_SYNAPSES + 3; /* every synapse, and the three first to fire */
    feel_context(params, view->context ? &view->context[number] : NULL, frozen, arrival, value, felt);
}
