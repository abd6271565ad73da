"""Drift: how far has a sensor moved since commissioning, and is it still moving?

The expectation follows ageing, and in time takes sensors that age side by side for sensors that belong together. So
once a line has been known for a while, what the others say of it is written down as it is then: one weight for each
of their features. From there on the line's distance from that is a *residual at commissioning*, which load and mode
do not move, and ageing does. Two slow means of it, one slower than the other, say how far the line has moved (its
*shift*, in its own deviations at commissioning) and that it goes on moving the same way. A lone sensor has nobody to
tell its load: its means wander, and as far as they do, that is no drift.

Learns nothing that a score depends on. A shut line is not listened to, so a fault is no drift. Neither is a reading
that commissioning knows nothing of: where what the others say, to it or to most of the machine's lines, is outside
everything they said then (a mode that was never entered), or far from where the line has got to. A line that is
nowhere else any more, and every line of a machine whose lasting change was accepted, is commissioned anew, and its
shift goes on from what it was. The constants were chosen on machines that age and machines that do not
(`docs/decisions.md`).

How the residual at commissioning leans on what the others say is kept too: where that has changed, the sensor's
*gain* has.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined
from pipeline.network import expectation


class Params(NamedTuple):
    """What the kernel reads; times in rows of the line, distances in deviations at commissioning."""

    begin: float = 1500.0  # rows after which what the others say of a line is written down ...
    known: float = 3000.0  # ... and after which its residual at commissioning is known
    fast: float = 2000.0  # memory of the two slow means
    slow: float = 8000.0
    wider: float = 0.25  # share of what the others said in all by which that may be exceeded
    far: float = 8.0  # distance from the fast mean at which a reading is not comparable ...
    lost: float = 2000.0  # ... and so many of these running begin a new commissioning
    middle: float = 200.0  # memory of a third mean, whose wandering says how uncertain the others are
    shift: float = 0.75  # shift from which a line may be drifting ...
    sure: float = 3.5  # ... if it is also so many times its own uncertainty ...
    ahead: float = 0.1  # ... and the fast mean is so far ahead of the slow one
    stay: float = 0.75  # share of these limits at which a drifting machine stops drifting
    gains: float = 0.05  # by which gains usually change; what is not surer than that is taken for no change


class Lines(NamedTuple):
    """One entry (or row) per line, in the units of its expectation."""

    rows: NDArray[np.float64]  # that were listened to
    weights: NDArray[np.floating]  # (lines, FEATURES * cohort), from the features of the others to the residual
    low: NDArray[np.floating]  # least that the others said at commissioning
    high: NDArray[np.floating]
    carried: NDArray[np.floating]  # shift before this commissioning, in deviations
    reference: NDArray[np.float64]  # mean residual at commissioning
    variance: NDArray[np.float64]  # of the residual at commissioning
    fast: NDArray[np.float64]
    slow: NDArray[np.float64]
    middle: NDArray[np.floating]
    wander: NDArray[np.floating]  # mean square of the middle mean about the fast one
    strays: NDArray[np.floating]  # rows running that were not comparable
    said: NDArray[np.float64]  # mean of what the others say as at commissioning, of the fast mean's memory
    swing: NDArray[np.float64]  # its variance
    joint: NDArray[np.float64]  # its covariance with the residual at commissioning
    slope: NDArray[np.float64]  # of the residual over it at commissioning
    gain: NDArray[np.float64]  # before this commissioning, against the first


class Machines(NamedTuple):
    """One entry per machine."""

    drifting: NDArray[np.bool_]  # a line of it is
    elsewhere: NDArray[np.bool_]  # in the newest row most of its lines heard from the others what was new


def fresh_lines(params: Params, lines: int, width: int, real: type[np.floating]) -> Lines:
    """State of `lines` lines, in machines of at most `width` lines, that have seen nothing."""

    def each() -> NDArray[np.float64]:
        return np.zeros(lines)

    def small() -> NDArray[np.floating]:
        return np.zeros(lines, real)

    weights = np.zeros((lines, expectation.FEATURES * min(width, expectation.COHORT)), real)
    return Lines(
        rows=each(),
        weights=weights,
        low=small(),
        high=small(),
        carried=small(),
        reference=each(),
        variance=each(),
        fast=each(),
        slow=each(),
        middle=small(),
        wander=small(),
        strays=small(),
        said=each(),
        swing=each(),
        joint=each(),
        slope=each(),
        gain=np.ones(lines),
    )


def fresh_machines(params: Params, slots: int) -> Machines:
    """State of `slots` machines that have seen nothing."""
    return Machines(np.zeros(slots, np.bool_), np.zeros(slots, np.bool_))


@inlined
def commission(lines: Lines, known: expectation.Lines, line: int, own: int, size: int) -> None:
    """Write down what the others say of a line: the `own`-th of a cohort of so many."""
    for j in range(size * expectation.FEATURES):
        weight = 0.0
        if j // expectation.FEATURES != own:
            for k in range(expectation.FEATURES):
                weight += known.gain[line, k] * known.precision[line, k, j]
        lines.weights[line, j] = weight


@inlined
def shift(params: Params, lines: Lines, line: int) -> float:
    """How far a line has moved, in deviations at commissioning."""
    if lines.rows[line] < params.known or lines.variance[line] <= 0.0:
        return lines.carried[line]
    return lines.carried[line] + (lines.fast[line] - lines.reference[line]) / math.sqrt(lines.variance[line])


@inlined
def gain(params: Params, lines: Lines, line: int) -> float:
    """What a line shows now of a movement that the others tell, against what it showed of it when first commissioned.

    As the spread of what the others say is sure to tell; 1 for a line that nobody speaks of.
    """
    if lines.rows[line] < params.known or lines.swing[line] <= lines.variance[line]:
        return lines.gain[line]
    change = (lines.joint[line] / lines.swing[line] - lines.slope[line]) / max(1.0 + lines.slope[line], 0.5)
    usual = params.gains * params.gains
    return lines.gain[line] * (1.0 + change * usual / (usual + lines.wander[line] / lines.swing[line]))


@inlined
def restart(params: Params, lines: Lines, line: int) -> None:
    """Commission a line anew; its shift goes on from what it is."""
    lines.carried[line] = shift(params, lines, line)
    lines.gain[line] = gain(params, lines, line)
    lines.said[line] = lines.swing[line] = lines.joint[line] = lines.slope[line] = 0.0
    lines.rows[line] = lines.reference[line] = lines.variance[line] = 0.0
    lines.fast[line] = lines.slow[line] = lines.middle[line] = lines.wander[line] = lines.strays[line] = 0.0


@inlined
def lean(lines: Lines, line: int, said: float, error: float, memory: float) -> None:
    """Take in what the others said of a line, and how far its residual was from the fast mean before this row."""
    apart = said - lines.said[line]
    lines.said[line] += apart / memory
    lines.swing[line] += (apart * (said - lines.said[line]) - lines.swing[line]) / memory
    lines.joint[line] += ((said - lines.said[line]) * error - lines.joint[line]) / memory


@inlined
def follow(
    params: Params,
    lines: Lines,
    known: expectation.Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    own: int,
    elsewhere: bool,
) -> int:
    """Let the `own`-th line of a cohort take in its reading of a complete row, unless the machine is `elsewhere`.

    Returns 1 where what the others say is new, -1 where it is not, 0 before that can be told.
    """
    c = roster[slot, first + own]
    rows = lines.rows[c]
    if rows < params.begin:
        lines.rows[c] = rows + 1.0
        if rows + 1.0 >= params.begin:
            commission(lines, known, c, own, size)
        return 0
    said = 0.0
    for p in range(size):
        for k in range(expectation.FEATURES):
            said -= lines.weights[c, p * expectation.FEATURES + k] * known.used[roster[slot, first + p], k]
    residual = known.real[c, 0] - said
    n = rows - params.begin + 1.0
    news = 0
    if rows < params.known:
        lines.low[c] = min(lines.low[c], said) if n > 1.0 else said
        lines.high[c] = max(lines.high[c], said) if n > 1.0 else said
        error = residual - lines.reference[c]
        lines.reference[c] += error / n
        lines.variance[c] += (error * (residual - lines.reference[c]) - lines.variance[c]) / n
        lines.fast[c] = lines.slow[c] = lines.reference[c]
        lean(lines, c, said, error, n)
        lines.slope[c] = lines.joint[c] / lines.swing[c] if lines.swing[c] > lines.variance[c] else 0.0
    else:
        error = residual - lines.fast[c]
        outside = max(lines.low[c] - said, said - lines.high[c])
        new = outside > params.wider * (lines.high[c] - lines.low[c]) + math.sqrt(lines.variance[c])
        news = 1 if new else -1
        if new or elsewhere or error * error > params.far * params.far * lines.variance[c]:
            lines.strays[c] += 1.0
            if lines.strays[c] > params.lost:
                restart(params, lines, c)
            return news
        lines.strays[c] = 0.0
        lean(lines, c, said, error, min(n, params.fast))
        lines.fast[c] += error / min(n, params.fast)
        lines.slow[c] += (residual - lines.slow[c]) / min(n, params.slow)
    lines.middle[c] += (residual - lines.middle[c]) / min(n, params.middle)
    if n > params.middle:
        apart = lines.middle[c] - lines.fast[c]
        lines.wander[c] += (apart * apart - lines.wander[c]) / min(n - params.middle, params.slow)
    lines.rows[c] = rows + 1.0
    return news


@inlined
def shares(params: Params) -> float:
    """Variance of the fast mean against that at commissioning, as a share of the middle mean's.

    The variance of a mean falls with its length; an exponential one of memory m is as long as 2 m rows.
    """
    return params.middle / params.fast + 2.0 * params.middle / (params.known - params.begin)


@inlined
def moving(params: Params, lines: Lines, line: int, share: float) -> bool:
    """Whether a line is beyond that share of the limits: far from its reference, and going farther."""
    if lines.rows[line] < params.known:
        return False
    moved = shift(params, lines, line)
    deviation = math.sqrt(lines.variance[line])
    ahead = math.copysign(1.0, moved) * (lines.fast[line] - lines.slow[line])
    least = max(params.shift * deviation, params.sure * math.sqrt(lines.wander[line] * shares(params)))
    return abs(moved) * deviation > share * least and ahead > share * params.ahead * deviation


def shifts(params: Params, lines: Lines, line: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far these lines have moved since commissioning, in deviations, and how far they move in a row."""
    known = (lines.rows[line] >= params.known) & (lines.variance[line] > 0.0)
    deviation = np.sqrt(np.where(known, lines.variance[line], np.inf))
    n = np.where(known, lines.rows[line], params.known) - params.begin
    behind = lag(n, params.slow) - lag(n, params.fast)
    # Until the two means have different memories they are one and the same.
    pace = (lines.fast[line] - lines.slow[line]) / deviation / np.where(behind > 0.0, behind, np.inf)
    return lines.carried[line] + (lines.fast[line] - lines.reference[line]) / deviation, pace


def lag(rows: NDArray[np.float64], memory: float) -> NDArray[np.float64]:
    """Rows by which a mean of that memory lags behind what moves steadily, after so many rows."""
    later = (memory - 1.0) - 0.5 * (memory - 1.0) * (1.0 - 1.0 / memory) ** np.maximum(rows - memory, 0.0)
    return np.where(rows <= memory, np.maximum(rows - 1.0, 0.0) / 2.0, later)
