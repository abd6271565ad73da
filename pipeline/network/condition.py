"""The condition of a whole machine: is it *now* in a state it has not been in for long?

Two witnesses. The level says how far the lines are from a baseline that learns only as fast as a gate allows. The
lateness of an evolving population over all lines says how unlike every *mature* neuron the machine is: a neuron
counts only after a while, so a fault that lasts recruits neurons of its own without being excused by them. While
level and lateness are both high the gate closes to a fiftieth: ageing is followed, a fault is not learned away.

The gate is a third factor in the sense of neuromodulated plasticity: Fremaux and Gerstner (2016).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel, leak
from pipeline.network import evolving
from pipeline.network.value import deviation

NEURONS = 48
SAYS = "the machine as a whole unlike its past"  # what a person reads


class Params(NamedTuple):
    """What the kernel reads; times in readings of the machine's oldest line."""

    trace: float = 20.0  # time constant of the traces whose baseline is kept
    slow: float = 8000.0  # memory of that baseline
    clip: float = 12.0  # sigmas a line counts for at most
    squash: float = 5.0  # knee of the logarithmic compression
    gate_at: float = 1.8  # level at which the gate is half closed
    familiar: float = 3.0  # weight of lateness against level in the gate
    gate_least: float = 0.02
    settle: float = 500.0  # readings before the gate may close
    ripe_share: float = 0.5  # a neuron is mature after this share of the machine's life ...
    ripe_most: float = 3000.0  # ... or after this many readings
    late: float = 20.0  # membrane of the lateness
    late_cap: float = 8.0
    level_unit: float = 3.4
    late_unit: float = 0.9
    growth: float = 2.5  # of the state's unit per decade of age beyond a thousand readings
    warm: float = 100.0  # readings before there is a state


class Lines(NamedTuple):
    """One entry (or row) per line."""

    trace: NDArray[np.float64]  # in the sensor's unit, as are mean and (squared) variance
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    sigmas: NDArray[np.float64]  # distance of the trace from its baseline
    delays: NDArray[np.floating]  # (lines, 1, NEURONS), this line's synapse on the machine's population


class Machines(NamedTuple):
    """One entry (or row) per machine."""

    strength: NDArray[np.floating]  # (slots, NEURONS), as in `evolving`
    born: NDArray[np.float64]  # (slots, NEURONS), cycle in which the neuron was recruited
    recruited: NDArray[np.int64]
    vigilance: NDArray[np.float64]
    usual: NDArray[np.float64]  # usual lateness of the first mature neuron
    late: NDArray[np.float64]  # membrane of the lateness, in usual latenesses
    gate: NDArray[np.float64]  # 1 learns fully, 0.02 protects the baseline


def fresh_lines(params: Params, lines: int, real: type[np.floating]) -> Lines:
    """State of `lines` lines that have seen nothing."""
    return Lines(
        np.zeros(lines), np.zeros(lines), np.zeros(lines), np.zeros(lines), np.zeros((lines, 1, NEURONS), real)
    )


def fresh_machines(params: Params, population: evolving.Params, slots: int, real: type[np.floating]) -> Machines:
    """State of `slots` machines that have seen nothing."""
    return Machines(
        np.zeros((slots, NEURONS), real),
        np.zeros((slots, NEURONS)),
        np.zeros(slots, np.int64),
        np.full(slots, population.vigilance),
        np.full(slots, 0.1),
        np.zeros(slots),
        np.ones(slots),
    )


@inlined
def follow(params: Params, lines: Lines, line: int, seen: float, elapsed: float, value: float, unsure: float) -> None:
    """Let a line's trace take in a reading, and place it against the baseline; `unsure`: variance beyond its own."""
    if seen == 0.0:
        lines.trace[line] = value
        lines.mean[line] = value
    lines.trace[line] += leak(1.0 / min(seen + 1.0, params.trace), elapsed) * (value - lines.trace[line])
    sigmas = (lines.trace[line] - lines.mean[line]) / deviation(lines.variance[line] + unsure, lines.mean[line])
    lines.sigmas[line] = sigmas if seen > 20.0 else 0.0


@inlined
def late(
    params: Params,
    population: evolving.Params,
    lines: Lines,
    machines: Machines,
    slot: int,
    roster: NDArray[np.int64],
    size: int,
    frozen: bool,
    cycle: float,
    scratch: evolving.Scratch,
) -> float:
    """Lateness of the first mature neuron (of any, while none is mature); then the population learns."""
    recruited = machines.recruited[slot]
    total, latest, spike_times = scratch.total, scratch.latest, scratch.spike_times
    total[:recruited] = 0.0
    latest[:recruited] = 0.0
    for i in range(size):
        c = roster[slot, i]
        spike_times[i] = compress(params, lines.sigmas[c])
        evolving.hear(spike_times[i], lines.delays, c, 0, recruited, total, latest)
    first, winner = evolving.fire(population, size, recruited, total, latest)
    # A frozen population recruits no neuron for a fault, so that none need prove its age.
    ripe = 0.0 if frozen else min(params.ripe_most, params.ripe_share * cycle)
    mature = np.inf
    for j in range(recruited):
        if cycle - machines.born[slot, j] >= ripe and total[j] < mature:
            mature = float(total[j])
    if mature == np.inf:
        mature = first
    if frozen:
        return mature

    novel = winner < 0 or first > machines.vigilance[slot]
    machines.vigilance[slot] = evolving.surprise_limit(population, machines.vigilance[slot], cycle, novel)
    neuron, rate = evolving.settle(population, machines.strength, slot, recruited, winner, novel, cycle)
    if neuron == recruited:
        machines.recruited[slot] = recruited + 1
    if novel:
        machines.born[slot, neuron] = cycle
    for i in range(size):
        c = roster[slot, i]
        if novel:
            lines.delays[c, 0, neuron] = spike_times[i]
        else:
            lines.delays[c, 0, neuron] += rate * (spike_times[i] - lines.delays[c, 0, neuron])
    return mature


@inlined
def compress(params: Params, sigmas: float) -> float:
    """Sigmas as a spike time: logarithmic, keeping the sign."""
    return math.copysign(params.squash * math.log1p(abs(sigmas) / params.squash), sigmas)


@kernel
def step(
    params: Params,
    population: evolving.Params,
    lines: Lines,
    machines: Machines,
    slot: int,
    roster: NDArray[np.int64],
    size: int,
    frozen: bool,
    oldest: float,
    elapsed: float,
    scratch: evolving.Scratch,
) -> float:
    """Raw state of the machine after a row (1 unit is a score of 0.99); sets the gate for `learn`.

    A `frozen` machine's population and usual lateness learn nothing.
    `oldest`: readings of the machine's oldest line; `elapsed`: intervals since the machine's previous row.
    """
    fourth = 0.0
    for i in range(size):
        fourth += min(abs(lines.sigmas[roster[slot, i]]), params.clip) ** 4
    level = math.sqrt(math.sqrt(fourth / size))
    if oldest > 21.0:
        cycle = oldest - 21.0
        mature = late(params, population, lines, machines, slot, roster, size, frozen, cycle, scratch)
        times_usual = min(mature / max(machines.usual[slot], 0.02), params.late_cap)
        machines.late[slot] += leak(1.0 - math.exp(-1.0 / params.late), elapsed) * (times_usual - machines.late[slot])
        if not frozen:
            machines.usual[slot] += max(1.0 / cycle, 0.001) * (mature - machines.usual[slot])
    lateness = machines.late[slot]

    # Closed only while far AND unfamiliar, so that a lasting change becomes the new normal in the end.
    strange = min(level, params.familiar * lateness)
    gate = max(params.gate_least, 1.0 / (1.0 + (strange / params.gate_at) ** 4))
    machines.gate[slot] = gate if oldest > params.settle else 1.0
    if oldest <= params.warm:
        return 0.0
    unit = 1.0 + params.growth * math.log10(max(oldest, 1000.0) / 1000.0)
    return math.sqrt(level / params.level_unit * lateness / params.late_unit) / unit


@inlined
def learn(params: Params, lines: Lines, line: int, age: float, gate: float) -> None:
    """Let a line's baseline learn from its trace, as far as the gate allows. `age`: readings, this one included."""
    rate = gate / min(age, params.slow)
    error = lines.trace[line] - lines.mean[line]
    lines.mean[line] += rate * error
    if age > 1.0:
        lines.variance[line] += rate * (error * (lines.trace[line] - lines.mean[line]) - lines.variance[line])


@inlined
def accept(lines: Lines, line: int) -> None:
    """Take a line's present trace as its baseline."""
    lines.mean[line] = lines.trace[line]
    lines.sigmas[line] = 0.0


@inlined
def accept_machine(machines: Machines, slot: int) -> None:
    """Make every neuron mature: what the machine has been in is familiar."""
    machines.born[slot, :] = -np.inf
    machines.late[slot] = 0.0
    machines.gate[slot] = 1.0
