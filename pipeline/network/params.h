/* Numbers of every part, and the few that belong to the wiring; given by the caller, and the same for all machines. */
#ifndef SW_PARAMS_H
#define SW_PARAMS_H

#include "encoders/delta.h"
#include "pipeline/network/activity.h"
#include "pipeline/network/clock.h"
#include "pipeline/network/condition.h"
#include "pipeline/network/context.h"
#include "pipeline/network/coupling.h"
#include "pipeline/network/drift.h"
#include "pipeline/network/evidence.h"
#include "pipeline/network/evolving.h"
#include "pipeline/network/expectation.h"
#include "pipeline/network/kind.h"
#include "pipeline/network/modes.h"
#include "pipeline/network/output.h"
#include "pipeline/network/persistence.h"
#include "pipeline/network/quality.h"
#include "pipeline/network/rank.h"
#include "pipeline/network/resolution.h"
#include "pipeline/network/rhythm.h"
#include "pipeline/network/routine.h"
#include "pipeline/network/traces.h"
#include "pipeline/network/value.h"
#include "pipeline/network/wear.h"

/* Aspects of a line that can surprise: the table of populations in __init__.py, in its order. */
enum {
    SW_RANGE,
    SW_VALUE,
    SW_ACTIVITY,
    SW_SILENCE,
    SW_LEVELS,
    SW_PATTERN,
    SW_CHANGES,
    SW_PERSISTENCE,
    SW_COUPLING,
    SW_CONTEXT,                                  /* the first of the optional ones, which come last */
    SW_POPULATIONS = SW_CONTEXT + SW_READOUTS
};

struct sw_params {
    struct sw_clock_params clock;
    struct sw_delta_params delta;
    struct sw_rank_params rank;
    struct sw_value_params value;
    struct sw_activity_params activity;
    struct sw_traces_params traces;
    struct sw_evolving_params evolving;
    struct sw_coupling_params coupling;
    struct sw_condition_params condition;
    struct sw_expectation_params expectation;
    struct sw_modes_params modes;
    struct sw_evidence_params evidence;
    struct sw_drift_params drift;
    struct sw_wear_params wear;
    struct sw_quality_params quality;
    struct sw_resolution_params resolution;
    struct sw_kind_params kind;
    struct sw_persistence_params persistence;
    struct sw_rhythm_params rhythm;
    struct sw_routine_params routine;
    struct sw_output_params output;
    struct sw_context_params context;
    sw_real weights[SW_POPULATIONS];         /* of the populations in the dendrite; one of weight 0 is not heard */
    sw_real weights_alone[SW_POPULATIONS];   /* the same in a machine of one line */
    sw_real innate[SW_POPULATIONS][SW_BINS]; /* counts a rank neuron is born with, per reading and bin */
};

/* Whether a dendrite hears the context population; else a block has none. */
bool sw_params_context(const struct sw_params *params);

#endif
