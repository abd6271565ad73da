"""Wear: how far has which sensor of a machine moved since commissioning, and how sure is that?

What all others say of a sensor tells load from ageing, but they age too: by `drift`, a sensor also moves when those
it is held against do. Here all sensors of a cohort are asked at once. Each keeps the mean of what it read at
commissioning and the mean of late, of the same rows. The difference has two parts: every sensor's own movement,
independent of the others', and the machine having been loaded differently, which moves sensors together, as they
have moved together all along. The first is Gaussian with one size for the whole cohort, the second has the cohort's
covariance, shrunk by the length of the means; so the most probable movement of each, and its uncertainty, follow from
one inverse (a ridge regression whose size is fitted to what is found: empirical Bayes, as in MacKay, "Bayesian
interpolation", 1992). A movement that only looks like another load is taken for one. The pace follows in the same way
from two means of different memories, and is drawn towards what the sensor has done so far.

Learns nothing that a score depends on; takes no row that `drift` does not find comparable with commissioning.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel
from pipeline.network import drift, expectation

PASSES = 4  # in which the size of the movements settles
LEAST = 100.0  # rows in which a movement is sought


class Params(NamedTuple):
    """What the kernel reads; times in rows, distances in deviations at commissioning. From judgement."""

    usual: float = 2.0  # a sensor moves by so much ...
    life: float = 10_000.0  # ... in so many rows, before anything is known ...
    trust: float = 4.0  # ... and so many lines must say otherwise to be believed as much
    bend: float = 0.5  # share of its mean pace so far by which a sensor's pace may usually have changed
    doubt: float = 2.25  # times the variance of the pace, as mean pace and trend rest on the same late mean; measured


class Lines(NamedTuple):
    """One entry per line; what was heard, in `unit`s of the line as in `expectation`."""

    rows: NDArray[np.float64]  # that were taken in since the newest commissioning began
    past: NDArray[np.float64]  # and before that, since the first was complete
    then: NDArray[np.float64]  # mean at commissioning
    now: NDArray[np.float64]  # mean of late
    before: NDArray[np.float64]  # a slower one
    middle: NDArray[np.float64]  # a faster one
    wander: NDArray[np.float64]  # mean square of the faster one about the mean of late
    carried: NDArray[np.float64]  # movement before the newest commissioning
    told_ns: NDArray[np.int64]  # time of the row with which this was last told


class Measured(NamedTuple):
    """What `measure` says of n lines; (n,) each. Movements in the sensor's own unit, pace per row."""

    known: NDArray[np.float64]  # share of commissioning that is done; before 1 the others are NaN, but `usual_ns`
    deviation: NDArray[np.float64]  # what the others left unexplained at commissioning
    mean: NDArray[np.float64]  # reading at commissioning
    moved: NDArray[np.float64]  # since then, as of so many rows ago:
    lag: NDArray[np.float64]
    moved_error: NDArray[np.float64]  # one standard deviation
    pace: NDArray[np.float64]
    pace_error: NDArray[np.float64]
    gain: NDArray[np.float64]  # against commissioning; NaN for a sensor that nobody speaks of
    usual_ns: NDArray[np.float64]  # sampling interval; not for `measure` to say


COLUMNS = len(Measured._fields)
USUAL_NS = COLUMNS - 1


def fresh(lines: int) -> Lines:
    """State of `lines` lines that have seen nothing."""

    def each() -> NDArray[np.float64]:
        return np.zeros(lines)

    return Lines(each(), each(), each(), each(), each(), each(), each(), each(), np.zeros(lines, np.int64))


@inlined
def follow(params: drift.Params, lines: Lines, line: int, heard: float) -> None:
    """Take in what was heard of a line in a complete row."""
    lines.rows[line] += 1.0
    n = lines.rows[line] - params.begin
    if n < 1.0:
        return
    if lines.rows[line] <= params.known:
        lines.then[line] += (heard - lines.then[line]) / n
        lines.now[line] = lines.before[line] = lines.then[line]
    else:
        lines.now[line] += (heard - lines.now[line]) / min(n, params.fast)
        lines.before[line] += (heard - lines.before[line]) / min(n, params.slow)
    lines.middle[line] += (heard - lines.middle[line]) / min(n, params.middle)
    if n > params.middle:
        apart = lines.middle[line] - lines.now[line]
        lines.wander[line] += (apart * apart - lines.wander[line]) / min(n - params.middle, params.slow)


@inlined
def restart(params: drift.Params, lines: Lines, line: int) -> None:
    """Commission a line anew; its movement goes on from what it is."""
    if lines.rows[line] > params.known:
        lines.carried[line] += lines.now[line] - lines.then[line]
        lines.past[line] += lines.rows[line] - params.begin
    lines.rows[line] = lines.then[line] = lines.now[line] = lines.before[line] = 0.0
    lines.middle[line] = lines.wander[line] = 0.0


@inlined
def due(params: drift.Params, lines: Lines, line: int, time_ns: int, every_ns: int) -> bool:
    """Whether a line is to be told of with this row: it is commissioned, and was not told of for so long."""
    if lines.rows[line] <= params.known or time_ns - lines.told_ns[line] < every_ns:
        return False
    lines.told_ns[line] = time_ns
    return True


@inlined
def lag(rows: float, memory: float) -> float:
    """Rows by which a mean of that memory lags behind what moves steadily, after so many rows; as `drift.lag`."""
    if rows <= memory:
        return (rows - 1.0) / 2.0
    return (memory - 1.0) - 0.5 * (memory - 1.0) * (1.0 - 1.0 / memory) ** (rows - memory)


@inlined
def joint(rows: float, memory: float, longer: float) -> float:
    """Covariance of two means of those memories of the same noise of variance 1, after so many rows."""
    if rows <= longer:
        return 1.0 / rows
    keep = (1.0 - 1.0 / memory) * (1.0 - 1.0 / longer)
    least = 1.0 / (memory + longer - 1.0)
    return least + (1.0 / longer - least) * keep ** (rows - longer)


@inlined
def takes_part(params: drift.Params, lines: Lines, moved: drift.Lines, known: expectation.Lines, line: int) -> bool:
    """Whether a line is commissioned, so that others may be told from it."""
    return lines.rows[line] > params.known and moved.variance[line] > 0.0 and known.variance[line] > 0.0


@inlined
def weigh(
    params: drift.Params,
    lines: Lines,
    moved: drift.Lines,
    known: expectation.Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    ratio: float,
    matrix: NDArray[np.float64],
    inverse: NDArray[np.float64],
) -> bool:
    """Invert identity plus `ratio` times the cohort's covariance in deviations, which is what own movements keep."""
    for p in range(size):
        c = roster[slot, first + p]
        for q in range(p + 1):
            d = roster[slot, first + q]
            matrix[p, q] = 1.0 if p == q else 0.0
            if takes_part(params, lines, moved, known, c) and takes_part(params, lines, moved, known, d):
                unit = math.sqrt(moved.variance[c]) * math.sqrt(moved.variance[d])
                matrix[p, q] += ratio * known.covariance[c, 0, q * expectation.FEATURES] / unit
    return expectation.invert(matrix, inverse, size)


@inlined
def solved(
    params: drift.Params,
    lines: Lines,
    moved: drift.Lines,
    known: expectation.Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    own: int,
    lately: bool,
    inverse: NDArray[np.float64],
) -> float:
    """Most probable own movement of a line, in deviations: since commissioning, or between the two means of late."""
    total = 0.0
    for q in range(size):
        d = roster[slot, first + q]
        if takes_part(params, lines, moved, known, d):
            apart = lines.now[d] - (lines.before[d] if lately else lines.then[d] - lines.carried[d])
            total += inverse[own, q] * apart / math.sqrt(moved.variance[d])
    return total


@kernel
def measure(
    params: Params,
    means: drift.Params,
    lines: Lines,
    moved: drift.Lines,
    known: expectation.Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    own: int,
    matrix: NDArray[np.float64],
    inverse: NDArray[np.float64],
    found: NDArray[np.float64],
    out: NDArray[np.float64],
    entry: int,
) -> None:
    """Write what is known of a cohort's `own`-th line into a row of `out`; of all, from that row on, if it is -1.

    `out`: rows of a `Measured`, but for `usual_ns`; (entries, COLUMNS). `matrix`, `inverse`, `found`: room for
    (size, size), the same and (2 * size,).
    """
    begin, end = (0, size) if own < 0 else (own, own + 1)
    rows, age, wander, lived = 0.0, 1.0, 0.0, 0
    for p in range(size):
        c = roster[slot, first + p]
        if takes_part(means, lines, moved, known, c):
            rows = max(rows, lines.rows[c] - means.begin)
            age = max(age, lines.past[c] + lines.rows[c] - 0.5 * (means.begin + means.known))
            wander += lines.wander[c] / known.variance[c]
            lived += 1
    wander /= max(lived, 1)
    age = max(age - lag(rows, means.fast), LEAST)  # the late mean lies so far behind
    usual = (params.usual * age / params.life) ** 2
    squares, settled = usual, lived > 0
    for _ in range(PASSES):
        ratio = wander * drift.shares(means) / squares
        settled = settled and weigh(means, lines, moved, known, roster, slot, first, size, ratio, matrix, inverse)
        total = params.trust * usual
        for p in range(size):
            if settled and takes_part(means, lines, moved, known, roster[slot, first + p]):
                found[p] = solved(means, lines, moved, known, roster, slot, first, size, p, False, inverse)
                found[size + p] = squares * max(1.0 - inverse[p, p], 0.0)
                total += found[p] * found[p] + found[size + p]
        squares = total / (params.trust + lived)
    # What a mean of late and a slower one have between them of the same noise, and how far apart they lie in time.
    behind = lag(rows, means.slow) - lag(rows, means.fast)
    noise = joint(rows, means.fast, means.fast) + joint(rows, means.slow, means.slow)
    noise -= 2.0 * joint(rows, means.fast, means.slow)
    expected = squares * (behind / age) ** 2
    ratio = wander * 2.0 * means.middle * noise / expected
    paced = settled and behind > 0.0 and noise > 0.0
    paced = paced and weigh(means, lines, moved, known, roster, slot, first, size, ratio, matrix, inverse)
    for p in range(begin, end):
        c, row = roster[slot, first + p], entry + p - begin
        for k in range(COLUMNS):
            out[row, k] = np.nan
        told = settled and takes_part(means, lines, moved, known, c)
        out[row, 0] = 1.0 if told else min(lines.rows[c] / means.known, 0.999)
        if not told:
            continue
        shift, error = found[p], found[size + p]
        pace = shift / age
        pace_error = (params.bend * pace) ** 2 + error / (age * age)
        if paced:
            trend = solved(means, lines, moved, known, roster, slot, first, size, p, True, inverse) / behind
            trend_error = expected * max(1.0 - inverse[p, p], 1e-12) / (behind * behind)
            precision = 1.0 / pace_error + 1.0 / trend_error
            pace = (pace / pace_error + trend / trend_error) / precision
            pace_error = params.doubt / precision
        unit = known.unit[c]
        deviation = unit * math.sqrt(moved.variance[c])
        out[row, 1] = deviation
        out[row, 2] = known.offset[c] + unit * (lines.then[c] - lines.carried[c])
        out[row, 3] = deviation * shift
        out[row, 4] = lag(lines.rows[c] - means.begin, means.fast)
        out[row, 5] = deviation * math.sqrt(error)
        out[row, 6] = deviation * pace
        out[row, 7] = deviation * math.sqrt(pace_error)
        out[row, 8] = drift.gain(means, moved, c) if size > 1 else np.nan
