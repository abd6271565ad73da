"""The network's wiring: what happens when a line has a reading, and when a machine's row is complete.

`feel` runs a line's populations on one reading; `judge` joins the lines of a machine once all readings of a row are
in. Score first, then learn, part by part. A line without a reading in a row stays as it is: its traces hold and its
surprise is 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders import delta
from encoders.spikes import kernel
from pipeline.network import (
    INNATE,
    NAMES,
    POPULATIONS,
    activity,
    clock,
    condition,
    coupling,
    evolving,
    output,
    rank,
    traces,
    value,
)

RANGE, VALUE, ACTIVITY, SILENCE, LEVELS, PATTERN, CHANGES, PERSISTENCE, COUPLING = range(len(NAMES))
WEIGHTS = tuple(population.weight for population in POPULATIONS)
WEIGHT_OF_COUPLING = WEIGHTS[COUPLING]
WEIGHT_OF_LINE = sum(WEIGHTS) - WEIGHT_OF_COUPLING  # of what a line can say alone


class Params(NamedTuple):
    """Numbers of every part, and the few that belong to the wiring."""

    clock: clock.Params = clock.Params()
    delta: delta.Params = delta.Params.of(delta.Settings())
    rank: rank.Params = rank.Params()
    value: value.Params = value.Params()
    activity: activity.Params = activity.Params()
    traces: traces.Params = traces.Params.of(traces.Settings())
    evolving: evolving.Params = evolving.Params()
    coupling: coupling.Params = coupling.Params()
    condition: condition.Params = condition.Params()
    output: output.Params = output.Params()
    start: float = 20.0  # readings before the evolving populations run
    persist: float = 20.0  # time constant of lasting surprise, readings


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
    persistence: NDArray[np.float64]  # membrane of the evolving populations' rarity
    rarity: NDArray[np.floating]  # (lines, populations), -log10 p in the newest row: the explanation
    dendrite: NDArray[np.float64]  # surprise of the line in the newest row


class Machines(NamedTuple):
    """State of every machine: one row per slot in every array below."""

    condition: condition.Machines
    output: output.State
    spikes: NDArray[np.int64]  # that travelled so far, for the energy estimate


class State(NamedTuple):
    """All memory of all networks."""

    lines: Lines
    machines: Machines


def fresh_lines(params: Params, lines: int, width: int, real: type[np.floating]) -> Lines:
    """State of `lines` lines, in machines of at most `width` lines, that have seen nothing.

    `real` is the type of the bulky arrays: float32 in the product; float64 reproduces the reference digit by digit.
    """
    return Lines(
        clock.fresh(params.clock, lines),
        delta.fresh(params.delta, lines),
        rank.fresh(params.rank, lines, INNATE, real),
        value.fresh(params.value, lines),
        activity.fresh(params.activity, lines),
        traces.fresh(params.traces, lines),
        evolving.fresh(params.evolving, lines, traces.LEVELS, real),
        evolving.fresh(params.evolving, lines, traces.PATTERN, real),
        evolving.fresh(params.evolving, lines, traces.CHANGES, real),
        coupling.fresh(params.coupling, lines, width, real),
        condition.fresh_lines(params.condition, lines, real),
        np.zeros(lines),
        np.zeros((lines, len(NAMES)), real),
        np.zeros(lines),
    )


def fresh_machines(params: Params, slots: int, real: type[np.floating]) -> Machines:
    """State of `slots` machines that have seen nothing; `real` as in `fresh_lines`."""
    return Machines(
        condition.fresh_machines(params.condition, params.evolving, slots, real),
        output.fresh(params.output, slots),
        np.zeros(slots, np.int64),
    )


@kernel
def feel(
    params: Params,
    lines: Lines,
    line: int,
    time_ns: int,
    x: float,
    inputs: NDArray[np.float64],
    total: NDArray[np.floating],
    latest: NDArray[np.floating],
) -> int:
    """Run a line's own populations on one reading; returns the spikes it caused. The arrays are scratch."""
    seen = lines.delta.seen[line]
    elapsed = clock.step(params.clock, lines.clock, line, seen, time_ns)
    rarity = lines.rarity[line]
    rarity[:] = 0.0

    outside = value.overflow(lines.value, line, seen, x)
    rare = rank.rarity(params.rank, lines.rank, line, RANGE, outside)
    if outside > 0.0:
        rarity[RANGE] = rare
    sigmas = value.distance(params.value, lines.value, line, seen, x)
    rarity[VALUE] = rank.rarity(params.rank, lines.rank, line, VALUE, abs(sigmas))

    fired = activity.spikes(params.activity, lines.activity, line, seen, x)
    unusual = activity.unusual(params.activity, lines.activity, line, seen, elapsed, fired)
    rarity[ACTIVITY] = rank.rarity(params.rank, lines.rank, line, ACTIVITY, unusual)
    quiet, long = activity.silence(params.activity, lines.activity, line, seen, elapsed, fired)
    rare = rank.rarity(params.rank, lines.rank, line, SILENCE, quiet)
    if long:
        rarity[SILENCE] = rare

    spikes = int(fired) + abs(delta.encode(params.delta, lines.delta, line, elapsed, x))
    level = lines.delta.compressed[line]
    traces.step(params.traces, lines.traces, line, seen, elapsed, level)
    if seen >= params.start:
        cycle = seen - params.start + 1.0
        traces.levels(lines.traces, line, level, inputs)
        late_levels = evolving.step(params.evolving, lines.levels, line, cycle, inputs, total, latest)
        traces.pattern(params.traces, lines.traces, line, inputs)
        late_pattern = evolving.step(params.evolving, lines.pattern, line, cycle, inputs, total, latest)
        traces.changes(lines.traces, line, level, inputs)
        late_changes = evolving.step(params.evolving, lines.changes, line, cycle, inputs, total, latest)
        spikes += (
            traces.LEVELS + traces.PATTERN + traces.CHANGES + 3
        )  # every synapse, and the three first to fire
        cubes = 0.0
        if cycle >= 5.0:
            for population, lateness in (
                (LEVELS, late_levels),
                (PATTERN, late_pattern),
                (CHANGES, late_changes),
            ):
                rare = rank.rarity(params.rank, lines.rank, line, population, lateness)
                rarity[population] = rare
                cubes += rare**3
        mean = (cubes / 3.0) ** (1.0 / 3.0)
        lines.persistence[line] += (mean - lines.persistence[line]) / min(seen + 1.0, params.persist)
        rarity[PERSISTENCE] = rank.rarity(params.rank, lines.rank, line, PERSISTENCE, lines.persistence[line])

    coupling.follow(params.coupling, lines.coupling, line, seen, elapsed, sigmas)
    condition.follow(params.condition, lines.condition, line, seen, elapsed, x)
    return spikes


class Verdict(NamedTuple):
    """What a network says about one row of one machine."""

    surprise: float
    event: float  # size of the output neuron's event, 0 for none; 1.7 is a score of 0.99
    state: float  # 1 is a score of 0.99
    oldest: float  # readings of the machine's oldest line: its age
    event_cause: int  # line with the most surprised dendrite
    state_cause: int  # line farthest from its baseline


@kernel
def judge(
    params: Params,
    state: State,
    slot: int,
    roster: NDArray[np.int32],
    size: int,
    ticked: NDArray[np.bool_],
    elapsed: float,
    total: NDArray[np.floating],
    latest: NDArray[np.floating],
) -> Verdict:
    """Join the lines of a machine after a row. `roster[:size]` are its lines, `ticked[line]` those with a reading."""
    lines, machines = state.lines, state.machines
    oldest = 0.0
    for i in range(size):
        oldest = max(oldest, lines.delta.seen[roster[i]])
    if size > 1:
        power = coupling.power(lines.coupling, roster, size)
        for i in range(size):
            c = roster[i]
            if ticked[c]:
                off = coupling.step(
                    params.coupling, lines.coupling, roster, size, i, lines.delta.seen[c], power
                )
                lines.rarity[c, COUPLING] = rank.rarity(params.rank, lines.rank, c, COUPLING, off)
    strange = condition.step(
        params.condition,
        params.evolving,
        lines.condition,
        machines.condition,
        slot,
        roster,
        size,
        oldest,
        elapsed,
        total,
        latest,
    )
    gate = machines.condition.gate[slot]
    weight = WEIGHT_OF_LINE + (WEIGHT_OF_COUPLING if size > 1 else 0.0)
    best, event_cause, state_cause = 0.0, roster[0], roster[0]
    for i in range(size):
        c = roster[i]
        if abs(lines.condition.sigmas[c]) > abs(lines.condition.sigmas[state_cause]):
            state_cause = c
        lines.dendrite[c] = 0.0
        if not ticked[c]:
            lines.rarity[c, :] = 0.0
            continue
        condition.learn(params.condition, lines.condition, c, lines.delta.seen[c], gate)
        if lines.delta.seen[c] > params.output.warm:
            cubes = 0.0
            for k in range(len(WEIGHTS)):
                cubes += WEIGHTS[k] * lines.rarity[c, k] ** 3
            lines.dendrite[c] = (cubes / weight) ** (1.0 / 3.0)
            if lines.dendrite[c] > best:
                best, event_cause = lines.dendrite[c], c
    surprise = output.surprise(params.output, best, size, oldest, params.rank.innate)
    event = output.step(params.output, machines.output, slot, elapsed, oldest, surprise)
    return Verdict(surprise, event, strange, oldest, event_cause, state_cause)
