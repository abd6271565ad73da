"""Operating modes: how far may a sensor be off in what the machine is doing now?

Residuals are rough while a machine moves between modes and small while it runs steadily. Mode neurons over all lines
(where each is, how it moves) are recruited for what is new, as in `evolving`, and keep the usual size of each line's
residual in their mode. For each line the *other* lines choose the mode, so a fault cannot choose its own.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined
from pipeline.network import expectation

NEURONS = 32


class Params(NamedTuple):
    """What the kernel reads; times in rows."""

    begin: float = 200.0  # rows of a machine before modes are told apart
    vigilance: float = 0.5  # mean distance, in deviations, from which a state is a new mode; where it starts
    wider: float = 1.02  # the limit grows by this when all neurons are taken
    move: float = 0.02  # least learning rate of the winner's centre
    memory: float = 5000.0  # a neuron's use fades with this time constant
    size_memory: float = 1000.0  # of the usual sizes in a mode
    shrink: float = 30.0  # rows in a mode that weigh as much as the line's overall size


class Lines(NamedTuple):
    """One entry (or row) per line; sizes are squared residuals, in the line's units."""

    place: NDArray[np.float64]  # (lines, 2), where it is and how it moves, in deviations
    centre: NDArray[np.floating]  # (lines, 2, NEURONS)
    rows: NDArray[np.floating]  # (lines, NEURONS), that the sizes are made of
    size: NDArray[np.floating]  # (lines, NEURONS), of the residual
    size_new: NDArray[np.floating]  # (lines, NEURONS), of the innovation
    winner: NDArray[np.int64]  # mode of the newest row, as the other lines see it


class Machines(NamedTuple):
    """One entry (or row) per machine."""

    use: NDArray[np.float64]  # (slots, NEURONS), faded wins
    recruited: NDArray[np.int64]
    vigilance: NDArray[np.float64]


class Scratch(NamedTuple):
    """Room for one row."""

    part: NDArray[np.float64]  # (width, NEURONS), distance of a line from each mode
    total: NDArray[np.float64]  # (NEURONS,)


def fresh_lines(params: Params, lines: int, real: type[np.floating]) -> Lines:
    """State of `lines` lines that have seen nothing."""
    each = (lines, NEURONS)
    return Lines(
        np.zeros((lines, 2)),
        np.zeros((lines, 2, NEURONS), real),
        np.zeros(each, real),
        np.zeros(each, real),
        np.zeros(each, real),
        np.zeros(lines, np.int64),
    )


def fresh_machines(params: Params, slots: int) -> Machines:
    """State of `slots` machines that have seen nothing."""
    return Machines(np.zeros((slots, NEURONS)), np.zeros(slots, np.int64), np.full(slots, params.vigilance))


def scratch(width: int) -> Scratch:
    """Room for machines of at most `width` lines."""
    return Scratch(np.empty((width, NEURONS)), np.empty(NEURONS))


@inlined
def locate(
    lines: Lines,
    known: expectation.Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    deviation: NDArray[np.float64],
) -> None:
    """Where each line of a cohort is, as the cohort heard it; `deviation` of its features from their means."""
    for p in range(size):
        c, i = roster[slot, first + p], p * expectation.FEATURES
        value = math.sqrt(known.covariance[c, 0, i])
        trace = math.sqrt(known.covariance[c, 1, i + 1])
        lines.place[c, 0] = deviation[i] / value if value > 0.0 else 0.0
        lines.place[c, 1] = lines.place[c, 0] - (deviation[i + 1] / trace if trace > 0.0 else 0.0)


@inlined
def choose(
    params: Params,
    lines: Lines,
    machines: Machines,
    roster: NDArray[np.int64],
    slot: int,
    size: int,
    frozen: bool,
    scratch: Scratch,
) -> None:
    """Find each line's mode in a complete row; the population learns first, unless it is frozen."""
    part, total, use = scratch.part, scratch.total, machines.use
    recruited = machines.recruited[slot]
    total[:recruited] = 0.0
    for i in range(size):
        c = roster[slot, i]
        for j in range(recruited):
            part[i, j] = abs(lines.place[c, 0] - lines.centre[c, 0, j])
            part[i, j] += abs(lines.place[c, 1] - lines.centre[c, 1, j])
            total[j] += part[i, j]
    nearest, neuron = np.inf, -1
    for j in range(recruited):
        if not frozen:
            use[slot, j] *= 1.0 - 1.0 / params.memory
        if total[j] < nearest:
            nearest, neuron = total[j], j
    novel = neuron < 0 or nearest / (2 * size) > machines.vigilance[slot]
    if novel and not frozen:
        if recruited < NEURONS:
            neuron = recruited
            recruited += 1
            machines.recruited[slot] = recruited
        else:  # all are taken: see more coarsely, and the least used makes room
            machines.vigilance[slot] *= params.wider
            neuron = 0
            for j in range(1, NEURONS):
                if use[slot, j] < use[slot, neuron]:
                    neuron = j
        use[slot, neuron] = 1.0
        total[neuron] = 0.0
        for i in range(size):
            c = roster[slot, i]
            part[i, neuron] = 0.0
            for k in range(2):
                lines.centre[c, k, neuron] = lines.place[c, k]
            lines.rows[c, neuron] = lines.size[c, neuron] = lines.size_new[c, neuron] = 0.0
    elif not frozen:
        use[slot, neuron] += 1.0
        rate = max(params.move, 1.0 / use[slot, neuron])
        for i in range(size):
            c = roster[slot, i]
            for k in range(2):
                lines.centre[c, k, neuron] += rate * (lines.place[c, k] - lines.centre[c, k, neuron])
    for i in range(size):
        c = roster[slot, i]
        nearest = np.inf
        for j in range(recruited):
            if total[j] - part[i, j] < nearest:
                nearest = total[j] - part[i, j]
                lines.winner[c] = j


@inlined
def usual(params: Params, rows: float, size: float, overall: float, alone: bool) -> float:
    """Usual squared residual in a mode, shrunk towards the overall one; a lone line has no modes."""
    return overall if alone else (rows * size + params.shrink * overall) / (rows + params.shrink)


@inlined
def learn(
    params: Params,
    lines: Lines,
    line: int,
    gate: float,
    residual: float,
    innovation: float,
    most: float,
    most_new: float,
) -> None:
    """Let the sizes of a line's present mode take in a row; `most`: squared size one row may teach."""
    j = lines.winner[line]
    lines.rows[line, j] += gate
    rate = gate * max(1.0 / (lines.rows[line, j] + 1.0), 1.0 / params.size_memory)
    lines.size[line, j] += rate * (min(residual * residual, most) - lines.size[line, j])
    lines.size_new[line, j] += rate * (min(innovation * innovation, most_new) - lines.size_new[line, j])
