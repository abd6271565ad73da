"""Context: does this level follow from those before it?

The other populations of a line ask what is new; this one learns *order*. A population rate code on three membranes
says where the line is; axons with delays bring the same fields from some readings ago, and synapses between delayed
and present fields learn which follows which. Each of the four units is surprised as far as the present fields were
not predicted; their common surprise, on three membranes, is what the dendrite hears, so a course that was never seen
counts more than a single odd step.

The weights are by far the largest part of a line's memory, so nothing is kept unless the dendrite hears them: see
`layers.with_context`. Delays count readings, membranes elapsed time.

Hebbian (outstar) learning of the next pattern: Grossberg, "Some networks that can learn, remember, and reproduce any
number of complicated space-time patterns", J. Math. Mech. 19 (1969). Delays, memories and the innate counts are by
judgement and from development data: the median share of each bin over the files of NAB, SMAP and MSL.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders import rate
from encoders.spikes import inlined, kernel, leak
from pipeline.network import rank

REACH = 32  # longest axonal delay, readings
MEMBRANE = (0, 0, 1, 2)  # of the rate code that each unit listens to ...
DELAY = (1, 16, 8, 32)  # ... and the delay of its presynaptic fields, readings
UNITS = len(DELAY)
READOUTS = 3  # membranes of the common surprise
# fmt: off
INNATE = np.array((  # per mille of readings by bin of ln surprise, as in the table of populations
    (5, 0, 2, 16, 18, 19, 40, 89, 146, 182, 185, 121, 56, 62, 39, 21, 0, 0, 0, 0, 0, 0, 0, 0),
    (1, 0, 0, 2, 2, 8, 10, 27, 70, 119, 131, 168, 193, 168, 78, 22, 0, 0, 0, 0, 0, 0, 0, 0),
    (12, 1, 5, 8, 14, 23, 27, 111, 175, 190, 156, 123, 81, 58, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0),
    (13, 2, 3, 7, 14, 20, 23, 44, 110, 206, 176, 171, 131, 52, 22, 5, 0, 0, 0, 0, 0, 0, 0, 0),
)) / 1000.0
# fmt: on
CODE = rate.Params.of(rate.Settings(membranes=(1.0, 8.0, 16.0)))


class Params(NamedTuple):
    """What the kernel reads."""

    code: rate.Params = CODE
    least_rate: float = 0.002  # learning rate of a field that has fired often
    floor: float = 0.001  # probability at which surprise ends
    readouts: tuple[float, float, float] = (3.0, 10.0, 40.0)  # time constants, usual sampling intervals


class State(NamedTuple):
    """One row per line in every array; without rows where no dendrite listens."""

    code: rate.State
    places: NDArray[np.floating]  # (lines, rate.MEMBRANES, REACH), the axons: places among the fields, a ring
    weights: NDArray[np.floating]  # (lines, UNITS, FIELDS, FIELDS), from delayed to present fields
    fired: NDArray[np.floating]  # (lines, UNITS, FIELDS), how often a delayed field fired: it slows its learning
    rank: rank.State  # of the units
    membrane: NDArray[np.float64]  # (lines, READOUTS), of the units' mean rarity


def fresh(params: Params, ranks: rank.Params, lines: int, real: type[np.floating]) -> State:
    """State of `lines` lines that have seen nothing."""
    return State(
        rate.fresh(params.code, lines),
        np.zeros((lines, rate.MEMBRANES, REACH), real),
        np.zeros((lines, UNITS, rate.FIELDS, rate.FIELDS), real),
        np.zeros((lines, UNITS, rate.FIELDS), real),
        rank.fresh(ranks, lines, INNATE, real),
        np.zeros((lines, READOUTS)),
    )


@inlined
def field(place: float) -> int:
    """The lower of the two fields beside a place; the upper one fires as far as the place is above it."""
    return min(int(place), rate.FIELDS - 2)


@inlined
def surprise(params: Params, state: State, line: int, unit: int, before: float, now: float) -> float:
    """How little the fields at `before` predict those at `now`: -ln of the share that was predicted."""
    weights = state.weights
    i, k = field(before), field(now)
    f, g = before - i, now - k
    low = (1.0 - g) * weights[line, unit, i, k] + g * weights[line, unit, i, k + 1]
    high = (1.0 - g) * weights[line, unit, i + 1, k] + g * weights[line, unit, i + 1, k + 1]
    predicted = ((1.0 - f) * low + f * high) / ((1.0 - g) ** 2 + g**2)
    return max(-math.log(min(max(predicted, 0.0), 1.0) + params.floor), 0.0)


@inlined
def learn(params: Params, state: State, line: int, unit: int, before: float, now: float) -> None:
    """Let the two delayed fields that fired expect the present ones."""
    weights, fired = state.weights, state.fired
    first, k = field(before), field(now)
    f, g = before - first, now - k
    for side in range(2):
        i = first + side
        spoke = f if side == 1 else 1.0 - f
        if spoke <= 0.0:
            continue
        fired[line, unit, i] += spoke
        gain = max(params.least_rate, 1.0 / (float(fired[line, unit, i]) + 1.0)) * spoke
        keep = weights.dtype.type(1.0 - gain)
        for j in range(rate.FIELDS):
            weights[line, unit, i, j] *= keep
        weights[line, unit, i, k] += gain * (1.0 - g)
        weights[line, unit, i, k + 1] += gain * g


@kernel
def step(
    params: Params,
    ranks: rank.Params,
    state: State,
    line: NDArray[np.int64],
    frozen: NDArray[np.bool_],
    elapsed: NDArray[np.float64],
    x: NDArray[np.float64],
    readouts: NDArray[np.float64],
    now: NDArray[np.float64],
) -> None:
    """Each reading's membranes of the common surprise into `readouts` (READOUTS, n); NaN before all units run.

    `now` (rate.MEMBRANES,) is room for one reading.
    """
    for i in range(line.size):
        c = line[i]
        seen = int(state.code.seen[c])
        rate.follow(params.code, state.code, c, frozen[c], elapsed[i], x[i])
        for m in range(rate.MEMBRANES):
            now[m] = rate.place(state.code, c, m)
        cubes = 0.0
        for unit in range(UNITS):
            m = MEMBRANE[unit]
            if seen < DELAY[unit]:
                continue
            before = float(state.places[c, m, (seen - DELAY[unit]) % REACH])
            felt = surprise(params, state, c, unit, before, now[m])
            cubes += rank.rarity(ranks, state.rank, c, frozen[c], unit, felt) ** 3
            if not frozen[c]:
                learn(params, state, c, unit, before, now[m])
        for m in range(rate.MEMBRANES):
            state.places[c, m, seen % REACH] = now[m]
        common = np.cbrt(cubes / UNITS)
        for k in range(READOUTS):
            readouts[k, i] = np.nan
            if seen >= REACH:
                share = leak(1.0 / min(seen + 1.0, params.readouts[k]), elapsed[i])
                state.membrane[c, k] += share * (common - state.membrane[c, k])
                readouts[k, i] = state.membrane[c, k]


def travelled(seen: NDArray[np.float64]) -> NDArray[np.int64]:
    """Spikes that travelled for readings whose lines had seen so many before: two fields for each unit that ran."""
    return 2 * (seen[:, None] >= np.array(DELAY)).sum(1)
