"""The network's wiring: all its parts and their memory, and from readings to what each line feels.

`feel` runs the populations of the lines over a batch of readings, part by part; no line looks at another, and how the
lines of a machine are joined is in `judgement`. Score first, then learn, in every part. A line without a reading in a
row stays as it is: its traces hold and its surprise is 0. A frozen line says what it feels as ever, and learns
nothing; a machine's lines are frozen together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders import delta, rate
from pipeline.network import (
    INNATE,
    NAMES,
    POPULATIONS,
    activity,
    clock,
    condition,
    context,
    coupling,
    drift,
    evidence,
    evolving,
    expectation,
    modes,
    output,
    persistence,
    quality,
    rank,
    resolution,
    traces,
    value,
    wear,
)

RANGE, VALUE, ACTIVITY, SILENCE, LEVELS, PATTERN, CHANGES, PERSISTENCE, COUPLING = range(9)
CONTEXT = COUPLING + 1  # the first of the optional ones, which come last
WEIGHTS = tuple(population.weight for population in POPULATIONS)
WEIGHTS_WITHOUT_CONTEXT = WEIGHTS[:CONTEXT] + (0.0,) * len(WEIGHTS[CONTEXT:])

DELTA = delta.Params.of(delta.Settings())
TRACES = traces.Params.of(traces.Settings(), DELTA.step)


class Params(NamedTuple):
    """Numbers of every part, and the few that belong to the wiring."""

    clock: clock.Params = clock.Params()
    delta: delta.Params = DELTA
    rank: rank.Params = rank.Params()
    value: value.Params = value.Params()
    activity: activity.Params = activity.Params()
    traces: traces.Params = TRACES
    evolving: evolving.Params = evolving.Params()
    coupling: coupling.Params = coupling.Params()
    condition: condition.Params = condition.Params()
    expectation: expectation.Params = expectation.Params()
    modes: modes.Params = modes.Params()
    evidence: evidence.Params = evidence.Params()
    drift: drift.Params = drift.Params()
    wear: wear.Params = wear.Params()
    quality: quality.Params = quality.Params()
    resolution: resolution.Params = resolution.Params()
    persistence: persistence.Params = persistence.Params()
    output: output.Params = output.Params()
    context: context.Params = context.Params()
    weights: tuple[float, ...] = (
        WEIGHTS_WITHOUT_CONTEXT  # of the populations in the dendrite; one of weight 0 is not heard
    )


def without(params: Params, names: Iterable[str]) -> Params:
    """The same network, but the dendrite does not hear the named populations; raises ValueError for unknown names."""
    silent = set(names)
    unknown = sorted(silent - set(NAMES))
    if unknown:
        raise ValueError(f"no population {', '.join(unknown)}; there are {', '.join(NAMES)}")
    weights = (0.0 if name in silent else weight for name, weight in zip(NAMES, params.weights, strict=True))
    return params._replace(weights=tuple(weights))


def with_context(params: Params) -> Params:
    """The same network with the context population, which nearly doubles the memory of a line."""
    return params._replace(weights=params.weights[:CONTEXT] + WEIGHTS[CONTEXT:])


def has_context(params: Params) -> bool:
    """Whether a dendrite hears the context population; else there is none."""
    return any(params.weights[CONTEXT:])


class Lines(NamedTuple):
    """State of every line: one row per line in every array below."""

    clock: clock.State
    delta: delta.State
    rank: rank.State
    value: value.State
    activity: activity.State
    traces: traces.State
    levels: evolving.State
    pattern: evolving.State
    changes: evolving.State
    coupling: coupling.State
    condition: condition.Lines
    expectation: expectation.Lines
    modes: modes.Lines
    evidence: evidence.Lines
    drift: drift.Lines
    wear: wear.Lines
    quality: quality.Lines
    resolution: resolution.Lines
    persistence: persistence.State
    context: context.State  # empty where no dendrite hears it
    rarity: NDArray[np.floating]  # (lines, populations that run), -log10 p in the open or newest row: the explanation
    dendrite: NDArray[np.float64]  # surprise of the line in the newest row
    frozen: NDArray[np.bool_]  # learns nothing; traces, membranes and spikes go on


class Machines(NamedTuple):
    """State of every machine: one row per slot in every array below."""

    condition: condition.Machines
    modes: modes.Machines
    evidence: evidence.Machines
    drift: drift.Machines
    output: output.State


class State(NamedTuple):
    """All memory of all networks."""

    lines: Lines
    machines: Machines


def fresh_lines(params: Params, lines: int, width: int, real: type[np.floating]) -> Lines:
    """State of `lines` lines, in machines of at most `width` lines, that have seen nothing.

    `real` is the type of the bulky arrays: float32 in the product; float64 reproduces the reference digit by digit.
    """
    remembers = has_context(params)
    populations = len(NAMES) if remembers else CONTEXT
    return Lines(
        clock.fresh(params.clock, lines),
        delta.fresh(params.delta, lines),
        rank.fresh(params.rank, lines, INNATE[:populations], real),
        value.fresh(params.value, lines),
        activity.fresh(params.activity, lines),
        traces.fresh(params.traces, lines),
        evolving.fresh(params.evolving, lines, traces.LEVELS, real),
        evolving.fresh(params.evolving, lines, traces.PATTERN, real),
        evolving.fresh(params.evolving, lines, traces.CHANGES, real),
        coupling.fresh(params.coupling, lines, width, real),
        condition.fresh_lines(params.condition, lines, real),
        expectation.fresh_lines(params.expectation, lines, width, real),
        modes.fresh_lines(params.modes, lines, real),
        evidence.fresh_lines(params.evidence, lines),
        drift.fresh_lines(params.drift, lines, width, real),
        wear.fresh(lines),
        quality.fresh(lines),
        resolution.fresh(lines),
        persistence.fresh(params.persistence, lines),
        context.fresh(params.context, params.rank, lines if remembers else 0, real),
        np.zeros((lines, populations), real),
        np.zeros(lines),
        np.zeros(lines, np.bool_),
    )


def fresh_machines(params: Params, slots: int, real: type[np.floating]) -> Machines:
    """State of `slots` machines that have seen nothing; `real` as in `fresh_lines`."""
    return Machines(
        condition.fresh_machines(params.condition, params.evolving, slots, real),
        modes.fresh_machines(params.modes, slots),
        evidence.fresh_machines(params.evidence, slots),
        drift.fresh_machines(params.drift, slots),
        output.fresh(params.output, slots),
    )


def adopt(params: Params, lines: Lines, roster: NDArray[np.int64], size: NDArray[np.int64]) -> None:
    """Fill in what snapshots before format 5 did not know of their lines, as if every reading had moved.

    A line whose usual residual is exactly 0 never moved but for a moment, and is begun anew. `roster[slot,
    :size[slot]]` are a machine's lines.
    """
    known, held, found = lines.expectation, lines.resolution, lines.evidence
    constant = (found.size == 0.0) & (known.own > params.evidence.warm)
    for column in (known.own, known.unit, known.variance, known.residual, known.innovation, found.level):
        column[constant] = 0.0
    for table in (
        known.used,
        known.real,
        known.mean,
        known.covariance,
        known.precision,
        found.membrane,
        found.spread,
    ):
        table[constant] = 0.0
    for slot in range(len(size)):
        for place, line in enumerate(roster[slot, : size[slot]].tolist()):
            if constant[line]:
                first = place - place % expectation.COHORT
                mates = roster[slot, first : min(first + expectation.COHORT, size[slot])]
                own = slice((place - first) * expectation.FEATURES, (place - first + 1) * expectation.FEATURES)
                known.covariance[mates, :, own] = known.precision[mates, :, own] = 0.0
    known.offset[constant] = known.value[constant]
    found.shut[constant] = False
    unit = np.where(known.unit > 0.0, known.unit, 1.0)
    known.low[:] = np.where(known.unit > 0.0, (lines.value.low - known.offset) / unit, 0.0)
    known.high[:] = np.where(known.unit > 0.0, (lines.value.high - known.offset) / unit, 0.0)
    held.readings[:] = held.moves[:] = known.own
    held.rises[:] = known.own / 2.0


class Felt(NamedTuple):
    """What the lines feel about a batch of n readings."""

    rarity: NDArray[np.float64]  # (n, populations that run), -log10 p; coupling is not a line's to say
    sigmas: NDArray[np.float64]  # distance from the line's slow mean
    spikes: NDArray[np.int64]  # that the reading caused


def feel(
    params: Params,
    lines: Lines,
    line: NDArray[np.int64],
    seen: NDArray[np.float64],
    elapsed: NDArray[np.float64],
    x: NDArray[np.float64],
) -> Felt:
    """Run the lines' own populations over n readings in order; `seen` and `elapsed` are the clock's.

    Each part takes the whole batch before the next one begins: that is the same as reading by reading, since within
    a line every part depends on earlier parts and earlier readings only.
    """
    n = line.size
    frozen = lines.frozen
    surprise = np.empty((lines.rarity.shape[1], n))
    sigmas, fired, long = np.empty(n), np.empty(n), np.empty(n, np.bool_)
    value.step(params.value, lines.value, line, frozen, seen, x, surprise[RANGE], sigmas)
    np.abs(sigmas, out=surprise[VALUE])
    strange, quiet = surprise[ACTIVITY], surprise[SILENCE]
    activity.step(params.activity, lines.activity, line, frozen, seen, elapsed, x, fired, strange, quiet, long)

    spikes = np.empty((n, delta.OUTPUTS), np.int64)
    delta.step(params.delta, lines.delta, line, frozen, elapsed, x, spikes)
    times = np.empty((n, traces.SYNAPSES))
    traces.step(params.traces, lines.traces, line, seen, elapsed, spikes, times)
    first, room = 0, evolving.scratch(traces.LEVELS, evolving.NEURONS, lines.levels.delays.dtype.type)
    for population, state in ((LEVELS, lines.levels), (PATTERN, lines.pattern), (CHANGES, lines.changes)):
        heard = times[:, first : first + state.delays.shape[1]]
        evolving.step(params.evolving, state, line, frozen, seen, heard, surprise[population], room)
        first += state.delays.shape[1]

    rarity = np.zeros((n, lines.rarity.shape[1]))
    for population in range(PERSISTENCE):
        rank.step(params.rank, lines.rank, line, frozen, population, surprise[population], rarity[:, population])
    persistence.step(
        params.persistence, lines.persistence, line, seen, rarity[:, LEVELS : CHANGES + 1], surprise[PERSISTENCE]
    )
    rank.step(params.rank, lines.rank, line, frozen, PERSISTENCE, surprise[PERSISTENCE], rarity[:, PERSISTENCE])
    if has_context(params):
        now = np.empty(rate.MEMBRANES)
        context.step(params.context, params.rank, lines.context, line, frozen, elapsed, x, surprise[CONTEXT:], now)
        for population in range(CONTEXT, len(NAMES)):
            rank.step(params.rank, lines.rank, line, frozen, population, surprise[population], rarity[:, population])
    # Rank neurons count every reading, but these two populations speak only beyond what is known and when still.
    rarity[surprise[RANGE] <= 0.0, RANGE] = 0.0
    rarity[~long, SILENCE] = 0.0

    populations_run = seen >= params.evolving.start
    travelled = fired.astype(np.int64) + np.abs(spikes[:, 0])
    travelled += populations_run * (traces.SYNAPSES + 3)  # every synapse, and the three first to fire
    if has_context(params):
        travelled += context.travelled(seen)
    return Felt(rarity, sigmas, travelled)
