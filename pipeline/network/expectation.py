"""Expectation: where should a sensor be, given what the machine's other sensors say?

Load, mode and shared process move all sensors of a machine, a fault moves one. So every line keeps its value and two
traces of it, each machine one slowly leaking covariance over them, and the inverse of that covariance gives each
line's *residual* (value minus what all other lines expect, its own past left out) and its *innovation* (the same with
its own past let in, which is sharp for what comes suddenly). A least-squares relative of the delta-rule `coupling`,
without a learning rate.

Lines that are missing, or shut because they are in alarm, are replaced by what the others expect, so a fault neither
spreads to its neighbours nor is learned. A reading far outside its expectation is doubted: the worst first, and the
others are asked again without it, so that one culprit is not taken for many (a greedy robust regression).

Lines are joined in cohorts of at most `COHORT`, in order of their first readings, which bounds memory and time.
Conditional Gaussian through the precision matrix: Lauritzen, "Graphical Models" (1996), ch. 5. Adding a replaced
value's own variance to the covariance: the E step for missing data of Dempster, Laird, Rubin (1977).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel, leak
from pipeline.network import resolution

COHORT = 16  # lines that expect each other
FEATURES = 3  # of a line: its value and two traces
SWEEPS = 8  # rounds in which lines left out together come to agree with each other
FORGOTTEN = 1e-30  # variance, in squared units, of a line that has not moved for so long that float32 runs out
FARTHEST = 1e9  # units a value may lie from where its line began, or from what is expected: keeps float32 finite


class Params(NamedTuple):
    """What the kernel reads; times in rows, forgetting in shares per usual interval."""

    forget: tuple[float, float, float] = (1.0, 1.0 / 5.0, 1.0 / 40.0)  # of the features; the value has no memory
    memory: float = 6000.0  # of means and covariance
    ridge: float = 1e-5  # on the diagonal of the correlations
    ridge_young: float = 0.5  # times (features / rows)^2, against chance correlations
    begin: float = 50.0  # rows before a line joins the others' expectation
    renew: int = 20  # rows between two inversions
    doubt: float = 8.0  # usual residuals from which a reading is doubted
    teach: float = 10.0  # usual residuals a doubted reading may teach at most
    reach: float = 10.0  # deviations a line may be expected to lie off its mean, and a reading off it may teach
    beyond: float = 0.4  # share of what a line has shown by which its expectation may lie outside of it
    been: float = 4.0  # mean squared deviation of the others from which they are where they have not been
    alike: float = 60.0  # rows running that say the same, as to that
    price: float = 9.0  # squared usual residuals that blaming one more line must explain
    farthest: float = 100.0  # squared usual residuals that one line counts for at most in that


class Lines(NamedTuple):
    """One entry (or row) per line. Features and what is made of them are in `unit`s, relative to `offset`."""

    value: NDArray[np.float64]  # newest reading, in the sensor's unit
    elapsed: NDArray[np.float64]  # usual intervals before it
    offset: NDArray[np.float64]  # first reading
    unit: NDArray[np.float64]  # power of two below the first movement; 0 before one
    own: NDArray[np.float64]  # rows learned from
    given: NDArray[np.float64]  # of these, that its kind's prior counts as; they say nothing about its mean
    settled: NDArray[np.float64]  # rows that its mean is known from; few when a change has been accepted
    used: NDArray[np.float64]  # (lines, FEATURES), features as the others hear them
    real: NDArray[np.float64]  # (lines, FEATURES), features as they were read
    mean: NDArray[np.float64]  # (lines, FEATURES)
    variance: NDArray[np.float64]  # of the value
    low: NDArray[np.float64]  # least and greatest value shown; one glitch widens what was shown by `beyond` at most
    high: NDArray[np.float64]
    gain: NDArray[np.float64]  # (lines, FEATURES), from the precision-weighted deviation to the residual
    covariance: NDArray[np.floating]  # (lines, FEATURES, FEATURES * cohort)
    precision: NDArray[np.floating]  # the same shape; the cohort's inverse covariance
    residual: NDArray[np.float64]  # against the others; 0 of a line that was not judged in the newest row
    innovation: NDArray[np.float64]  # against the others and the line's own past


class Scratch(NamedTuple):
    """Room for one row of a machine, its cohorts one after the other; nothing in it outlives the row."""

    rate: NDArray[np.float64]  # (features,)
    before: NDArray[np.float64]  # (features,), traces before the row
    deviation: NDArray[np.float64]  # (features,), of the features heard from their means
    weighted: NDArray[np.float64]  # (features,), precision times deviation
    pulled: NDArray[np.float64]  # (features,), the same with nothing replaced
    trial: NDArray[np.float64]  # (features,), the same while some lines are left out
    held: NDArray[np.bool_]  # (width,), replaced by what the others expect
    blamed: NDArray[np.bool_]  # (width,), left out on trial
    known: NDArray[np.bool_]  # (width,), with something expected of them
    far: NDArray[np.float64]  # (width,), how uncertain what is expected of them is, in usual residuals
    scale: NDArray[np.float64]  # (features of a cohort,)
    matrix: NDArray[np.float64]  # (features of a cohort, features of a cohort)
    inverse: NDArray[np.float64]  # the same shape
    block: NDArray[np.float64]  # (FEATURES, FEATURES)


def fresh_lines(params: Params, lines: int, width: int, real: type[np.floating]) -> Lines:
    """State of `lines` lines, in machines of at most `width` lines, that have seen nothing."""

    def each() -> NDArray[np.float64]:
        return np.zeros(lines)

    def features() -> NDArray[np.float64]:
        return np.zeros((lines, FEATURES))

    gain = features()
    gain[:, 0] = 1.0
    joint = (lines, FEATURES, FEATURES * min(width, COHORT))
    return Lines(
        value=each(),
        elapsed=each(),
        offset=each(),
        unit=each(),
        own=each(),
        given=each(),
        settled=each(),
        used=features(),
        real=features(),
        mean=features(),
        variance=each(),
        low=each(),
        high=each(),
        gain=gain,
        covariance=np.zeros(joint, real),
        precision=np.zeros(joint, real),
        residual=each(),
        innovation=each(),
    )


def scratch(width: int) -> Scratch:
    """Room for machines of at most `width` lines."""
    every, n = FEATURES * width, FEATURES * min(width, COHORT)
    return Scratch(
        np.empty(every),
        np.empty(every),
        np.empty(every),
        np.empty(every),
        np.empty(every),
        np.empty(every),
        np.empty(width, np.bool_),
        np.empty(width, np.bool_),
        np.empty(width, np.bool_),
        np.empty(width),
        np.empty(n),
        np.empty((n, n)),
        np.empty((n, n)),
        np.empty((FEATURES, FEATURES)),
    )


@inlined
def follow(lines: Lines, line: int, seen: float, elapsed: float, value: float) -> None:
    """Keep a reading for the row that is open; the first movement of a line sets its unit."""
    if seen == 0.0:
        lines.offset[line] = value
    elif lines.unit[line] == 0.0 and value != lines.offset[line]:
        lines.unit[line] = 2.0 ** math.floor(math.log2(abs(value - lines.offset[line])))
    lines.value[line] = value
    lines.elapsed[line] = elapsed


@inlined
def heard(lines: Lines, line: int) -> float:
    """The line's value as the others hear it, in the sensor's unit."""
    return float(lines.offset[line] + lines.unit[line] * lines.used[line, 0])


@inlined
def believe(lines: Lines, line: int) -> None:
    """A line that was not listened to has been off by as much as it is now all the time."""
    x = (lines.value[line] - lines.offset[line]) / lines.unit[line] if lines.unit[line] > 0.0 else 0.0
    lines.residual[line] = bounded(x) - lines.used[line, 0]
    for k in range(FEATURES):
        lines.real[line, k] = lines.used[line, k] + lines.residual[line]


@inlined
def lived(lines: Lines, line: int) -> float:
    """Rows that a line has learned from by itself."""
    return lines.own[line] - lines.given[line]


@inlined
def pace(params: Params, rows: float) -> float:
    """Share of a row that is taken in after so many rows: that of a plain mean at first, later forgetting."""
    return 1.0 / max(min(rows, params.memory), 1.0)


@inlined
def asked(lines: Lines, line: int, begin: int, weighted: NDArray[np.float64]) -> float:
    """Residual of a line whose features begin at `begin`, from the cohort's weighted deviations."""
    residual = 0.0
    for k in range(FEATURES):
        residual += lines.gain[line, k] * weighted[begin + k]
    return residual


@inlined
def bounded(x: float) -> float:
    """`x`, or the farthest there is."""
    return min(max(x, -FARTHEST), FARTHEST)


@inlined
def in_units(lines: Lines, line: int, variance: float) -> float:
    """A variance of the sensor in the line's units; 0 for one that has never moved."""
    return min(variance / lines.unit[line] / lines.unit[line], 1e300) if lines.unit[line] > 0.0 else 0.0


@inlined
def within(params: Params, lines: Lines, line: int, value: float) -> float:
    """`value`, or the nearest to it that may be expected of the line: it has shown others like it.

    What a prior says of its kind counts as shown while the line is young.
    """
    margin = params.beyond * (lines.high[line] - lines.low[line])
    if lived(lines, line) < lines.given[line]:
        margin = max(margin, params.reach * math.sqrt(lines.variance[line]))
    return min(max(value, lines.low[line] - margin), lines.high[line] + margin)


@inlined
def replace(
    lines: Lines, line: int, begin: int, value: float, rate: NDArray[np.float64], before: NDArray[np.float64]
) -> None:
    """Let the cohort hear `value` in place of what was read, and traces as if it had been so."""
    lines.used[line, 0] = value
    for k in range(1, FEATURES):
        lines.used[line, k] = before[begin + k] + rate[begin + k] * (value - before[begin + k])


@inlined
def predict(
    params: Params,
    lines: Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    ticked: NDArray[np.bool_],
    frozen: bool,
    shut: NDArray[np.bool_],
    usual: NDArray[np.float64],
    settle: float,
    elapsed: float,
    scratch: Scratch,
) -> None:
    """Residual and innovation of each line of the cohort `roster[slot, first:first + size]` in a complete row.

    `usual`: residual size of each line; lines with fewer than `settle` rows are not doubted. `elapsed`: usual
    intervals since the machine's previous row. The rows of a `frozen` machine do not make it older.
    """
    features = size * FEATURES
    own = slice(first * FEATURES, (first + size) * FEATURES)
    rate, before, deviation = scratch.rate[own], scratch.before[own], scratch.deviation[own]
    weighted, pulled = scratch.weighted[own], scratch.pulled[own]
    held = scratch.held[first : first + size]
    for p in range(size):
        c = roster[slot, first + p]
        if ticked[c]:
            if not frozen and lines.unit[c] > 0.0:  # what never moved says nothing of how it moves
                lines.own[c] += 1.0
                lines.settled[c] += 1.0
            x = (lines.value[c] - lines.offset[c]) / lines.unit[c] if lines.unit[c] > 0.0 else 0.0
            lines.real[c, 0] = bounded(x)
            lines.used[c, 0] = lines.real[c, 0]
        for k in range(FEATURES):
            i = p * FEATURES + k
            rate[i] = 1.0 if k == 0 else max(leak(params.forget[k], elapsed), 1.0 / max(lived(lines, c), 1.0))
            before[i] = lines.used[c, k]
            lines.used[c, k] += rate[i] * (lines.used[c, 0] - lines.used[c, k])
            if ticked[c]:
                lines.real[c, k] += rate[i] * (lines.real[c, 0] - lines.real[c, k])
            deviation[i] = lines.used[c, k] - lines.mean[c, k]
    for p in range(size):
        c = roster[slot, first + p]
        for k in range(FEATURES):
            total = 0.0
            for j in range(features):
                total += lines.precision[c, k, j] * deviation[j]
            weighted[p * FEATURES + k] = total
            pulled[p * FEATURES + k] = total

    for p in range(size):
        c = roster[slot, first + p]
        for k in range(FEATURES):
            differs = lines.real[c, k] - lines.used[c, k]
            if ticked[c] and differs != 0.0:
                for q in range(size):
                    for m in range(FEATURES):
                        pulled[q * FEATURES + m] += lines.precision[c, k, q * FEATURES + m] * differs

    # Known to be no evidence: missing and shut lines. Then, one by one, the most doubtful of the others.
    most = max(1, size // 2)
    count = 0
    for p in range(size):
        c = roster[slot, first + p]
        held[p] = (not ticked[c] or shut[c]) and lines.precision[c, 0, p * FEATURES] > 0.0
        count += held[p]
    turn = 0
    while True:
        culprit = -1
        if turn < size:
            culprit = turn if held[turn] else -1
            turn += 1
            if culprit < 0:
                continue
        elif count < most:
            worst = params.doubt
            for p in range(size):
                c = roster[slot, first + p]
                if not held[p] and lines.own[c] > settle and lines.precision[c, 0, p * FEATURES] > 0.0:
                    size_of = abs(asked(lines, c, p * FEATURES, weighted)) / usual[c]
                    if size_of > worst:
                        worst, culprit = size_of, p
        if culprit < 0:
            break
        if not held[culprit]:
            held[culprit] = True
            count += 1
        c, begin = roster[slot, first + culprit], culprit * FEATURES
        reach = params.reach * math.sqrt(lines.variance[c])
        off = lines.used[c, 0] - asked(lines, c, begin, weighted) - lines.mean[c, 0]
        replaced = within(params, lines, c, lines.mean[c, 0] + min(max(off, -reach), reach))
        replace(lines, c, begin, replaced, rate, before)
        for k in range(FEATURES):
            moved = lines.used[c, k] - lines.mean[c, k] - deviation[begin + k]
            deviation[begin + k] += moved
            for p in range(size):
                for m in range(FEATURES):
                    # The precision matrix is symmetric: its column is read as the culprit's row.
                    weighted[p * FEATURES + m] += lines.precision[c, k, p * FEATURES + m] * moved

    whole = 0.0
    for i in range(features):
        whole += deviation[i] * weighted[i]
    for p in range(size):
        c, begin = roster[slot, first + p], p * FEATURES
        scratch.far[first + p] = 0.0
        if ticked[c] and lines.precision[c, 0, begin] > 0.0:
            # Where the others have not been, nobody knows what they mean. A prediction is uncertain by their squared
            # distance over the number of observations, if the law there is that of here; it need not be.
            a, b, d = apart(lines, c, begin, weighted)
            others = whole - a * weighted[begin] - b * weighted[begin + 1] - d * weighted[begin + 2]
            beyond = max(others - params.been * (features - FEATURES), 0.0)
            scratch.far[first + p] = beyond * params.alike / max(min(lines.own[c], params.memory), 1.0)
        lines.residual[c] = 0.0
        lines.innovation[c] = 0.0
        if not ticked[c]:  # what was expected of it is all the past it has
            for k in range(FEATURES):
                lines.real[c, k] = lines.used[c, k]
            continue
        off = asked(lines, c, begin, weighted) if lines.precision[c, 0, begin] > 0.0 else deviation[begin]
        expected = within(params, lines, c, lines.used[c, 0] - off)
        lines.residual[c] = bounded(lines.real[c, 0] - expected)
        # A value moves its own traces by their rates: the step along that direction which fits best.
        fit = norm = 0.0
        for k in range(FEATURES):
            pull = weighted[begin + k]
            for m in range(FEATURES):
                pull += lines.precision[c, k, begin + m] * (lines.real[c, m] - lines.used[c, m])
                norm += rate[begin + k] * lines.precision[c, k, begin + m] * rate[begin + m]
            fit += rate[begin + k] * pull
        new = lines.real[c, 0] - within(params, lines, c, lines.real[c, 0] - fit / norm) if norm > 0.0 else 0.0
        lines.innovation[c] = bounded(new) if norm > 0.0 else lines.residual[c]


@inlined
def learn(
    params: Params,
    lines: Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    ticked: NDArray[np.bool_],
    frozen: bool,
    shut: NDArray[np.bool_],
    usual: NDArray[np.float64],
    variance: NDArray[np.float64],
    scratch: Scratch,
) -> None:
    """Let traces, means and covariance take in the row as the cohort heard it, doubted readings within limits.

    `variance`: mean squared residual of each line. In a `frozen` machine the traces alone go on.
    """
    own = slice(first * FEATURES, (first + size) * FEATURES)
    rate, before, deviation = scratch.rate[own], scratch.before[own], scratch.deviation[own]
    for p in range(size):
        c, begin = roster[slot, first + p], p * FEATURES
        if scratch.held[first + p] and ticked[c] and not shut[c]:
            limit = params.teach * usual[c]
            beyond = abs(lines.residual[c]) - limit
            taught = lines.real[c, 0] - math.copysign(max(beyond, 0.0), lines.residual[c])
            replace(lines, c, begin, taught, rate, before)
        elif ticked[c] and lines.own[c] > params.begin:
            # While a line is young it is not doubted; one glitch is not to be all it knows, even so.
            off, limit = lines.used[c, 0] - lines.mean[c, 0], params.reach * math.sqrt(lines.variance[c])
            if abs(off) > limit > 0.0:
                replace(lines, c, begin, lines.mean[c, 0] + math.copysign(limit, off), rate, before)
    if frozen:
        return
    common = 1.0
    for p in range(size):
        common = min(common, pace(params, lines.settled[roster[slot, first + p]]))
    for p in range(size):
        c, begin = roster[slot, first + p], p * FEATURES
        if lines.unit[c] == 0.0:
            continue
        if ticked[c]:
            widest = params.beyond * (lines.high[c] - lines.low[c])  # that one reading may add
            if widest == 0.0:
                lines.low[c], lines.high[c] = min(lines.real[c, 0], 0.0), max(lines.real[c, 0], 0.0)
            else:
                lines.low[c] = min(lines.low[c], max(lines.real[c, 0], lines.low[c] - widest))
                lines.high[c] = max(lines.high[c], min(lines.real[c, 0], lines.high[c] + widest))
        # All means move at the pace of the oldest line: if some moved faster, the rest would be expected elsewhere
        # though nothing has changed. A younger line catches up by what the others leave unexplained of it.
        off = lines.used[c, 0] - (lines.real[c, 0] - lines.residual[c])
        catching_up = pace(params, lines.settled[c]) - common
        for k in range(FEATURES):
            deviation[begin + k] = lines.used[c, k] - lines.mean[c, k]
            lines.mean[c, k] += common * deviation[begin + k] + catching_up * off
    # Every line at its own pace, and still positive definite: each row and column is scaled before it is added to.
    for p in range(size):
        c, begin = roster[slot, first + p], p * FEATURES
        slow = pace(params, lines.own[c])
        for q in range(size):
            other = pace(params, lines.own[roster[slot, first + q]])
            keep = math.sqrt((1.0 - slow) * (1.0 - other))
            take = keep * math.sqrt(slow * other)
            for k in range(FEATURES):
                row = take * deviation[begin + k]
                for m in range(FEATURES):
                    j = q * FEATURES + m
                    lines.covariance[c, k, j] = keep * lines.covariance[c, k, j] + row * deviation[j]
        if not ticked[c] or shut[c]:
            # What was replaced had no noise of its own; add it, as it would have run down the traces.
            for k in range(FEATURES):
                for m in range(FEATURES):
                    a, b = rate[begin + k], rate[begin + m]
                    lines.covariance[c, k, begin + m] += slow * variance[c] * a * b / (a + b - a * b)
        # The variance is of what was read: else lines that are heard in turn could lead each other astray, as each is
        # replaced by what the others, replaced themselves, expect, within a reach that would grow with it.
        if ticked[c]:
            lines.variance[c] = (1.0 - slow) * (lines.variance[c] + slow * deviation[begin] * deviation[begin])
            if shut[c]:
                lines.variance[c] += slow * variance[c]


@inlined
def leave_out(
    lines: Lines, roster: NDArray[np.int64], slot: int, first: int, size: int, p: int, weighted: NDArray[np.float64]
) -> None:
    """Move the features of the cohort's line `p` to what the others expect: its part of `weighted` becomes 0."""
    c = roster[slot, first + p]
    head, second, last = apart(lines, c, p * FEATURES, weighted)
    for j in range(size * FEATURES):
        weighted[j] -= lines.precision[c, 0, j] * head + lines.precision[c, 1, j] * second
        weighted[j] -= lines.precision[c, 2, j] * last


@inlined
def apart(lines: Lines, line: int, begin: int, weighted: NDArray[np.float64]) -> tuple[float, float, float]:
    """How far each feature of a line, which begin at `begin`, is from what the others expect."""
    block = lines.precision[line, :, begin : begin + FEATURES]
    # Gaussian elimination of the line's own positive definite block, written out.
    f, g = float(block[1, 0]) / float(block[0, 0]), float(block[2, 0]) / float(block[0, 0])
    middle, corner = block[1, 1] - f * block[0, 1], block[2, 1] - g * block[0, 1]
    y, z = weighted[begin + 1] - f * weighted[begin], weighted[begin + 2] - g * weighted[begin]
    h = corner / middle
    last = (z - h * y) / (block[2, 2] - g * block[0, 2] - h * corner)
    second = (y - corner * last) / middle
    head = (weighted[begin] - block[0, 1] * second - block[0, 2] * last) / block[0, 0]
    return head, second, last


@inlined
def unexplained(
    params: Params,
    lines: Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    usual: NDArray[np.float64],
    scratch: Scratch,
) -> float:
    """Squared usual residuals of the `known` lines when the `blamed` ones are not heard, and the price of these."""
    own = slice(first * FEATURES, (first + size) * FEATURES)
    trial, blamed, known = scratch.trial[own], scratch.blamed, scratch.known
    for i in range(size * FEATURES):
        trial[i] = scratch.pulled[first * FEATURES + i]
    several = 0
    for p in range(size):
        several += blamed[p]
    for _ in range(SWEEPS if several > 1 else 1):
        for p in range(size):
            if blamed[p]:
                leave_out(lines, roster, slot, first, size, p, trial)
    total = params.price * several
    for p in range(size):
        if known[p] and not blamed[p]:
            c = roster[slot, first + p]
            off = asked(lines, c, p * FEATURES, trial) / usual[c]
            total += min(off * off, params.farthest)
    return total


@kernel
def culprit(
    params: Params,
    lines: Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    ticked: NDArray[np.bool_],
    shut: NDArray[np.bool_],
    level: NDArray[np.float64],
    least: float,
    usual: NDArray[np.float64],
    scratch: Scratch,
) -> int:
    """The line with a `level` above `least` that explains this row better than all shut ones; -1 for none.

    Lines that depend on each other all leave their expectation when one of them breaks, and the first to be noticed
    need not be the broken one.
    """
    blamed, known = scratch.blamed, scratch.known
    for p in range(size):
        c = roster[slot, first + p]
        known[p] = ticked[c] and lines.precision[c, 0, p * FEATURES] > 0.0
        blamed[p] = shut[c] and known[p]
    shown = unexplained(params, lines, roster, slot, first, size, usual, scratch)
    best, found = 0.0, -1
    for p in range(size):
        c = roster[slot, first + p]
        if known[p] and level[c] > least and not shut[c]:
            blamed[:size] = False
            blamed[p] = True
            gain = shown - params.price - unexplained(params, lines, roster, slot, first, size, usual, scratch)
            if gain > best:
                best, found = gain, c
    return found


@kernel
def renew(
    params: Params,
    lines: Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    held_params: resolution.Params,
    held: resolution.Lines,
    scratch: Scratch,
) -> None:
    """Invert the cohort's covariance, in units of its own deviations; lines too young, and counters, stay out."""
    features = size * FEATURES
    scale, matrix, inverse, block = scratch.scale, scratch.matrix, scratch.inverse, scratch.block
    for p in range(size):
        c, begin = roster[slot, first + p], p * FEATURES
        known = lines.own[c] >= params.begin and not resolution.counts(held_params, held, c)
        for k in range(FEATURES):  # a line takes part with all of them or with none
            known &= lines.covariance[c, k, begin + k] > FORGOTTEN
        for k in range(FEATURES):
            scale[begin + k] = 1.0 / math.sqrt(lines.covariance[c, k, begin + k]) if known else 0.0
    for p in range(size):
        c = roster[slot, first + p]
        for k in range(FEATURES):
            i = p * FEATURES + k
            for j in range(i + 1):
                matrix[i, j] = lines.covariance[c, k, j] * scale[i] * scale[j]
            # Against chance: what holds its value is one observation for as long as it does.
            young = max(features / max(lines.own[c], 1.0), size / max(held.moves[c], 1.0))
            matrix[i, i] += params.ridge + params.ridge_young * young**2
            if scale[i] == 0.0:
                matrix[i, i] += 1.0
    if not invert(matrix, inverse, features):
        return  # not positive definite, from rounding: the last one serves on
    for p in range(size):
        c, begin = roster[slot, first + p], p * FEATURES
        for k in range(FEATURES):
            for j in range(features):
                lines.precision[c, k, j] = inverse[begin + k, j] * scale[begin + k] * scale[j]
        # First row of the inverse of the line's own block, by cofactors, as the block is 3 x 3.
        for k in range(FEATURES):
            for m in range(FEATURES):
                block[k, m] = inverse[begin + k, begin + m] * scale[begin + k] * scale[begin + m]
        a = block[1, 1] * block[2, 2] - block[1, 2] * block[1, 2]
        b = block[1, 2] * block[0, 2] - block[0, 1] * block[2, 2]
        d = block[0, 1] * block[1, 2] - block[1, 1] * block[0, 2]
        whole = block[0, 0] * a + block[0, 1] * b + block[0, 2] * d
        usable = whole > 0.0
        lines.gain[c, 0] = a / whole if usable else 1.0 / max(block[0, 0], 1e-300)
        lines.gain[c, 1] = b / whole if usable else 0.0
        lines.gain[c, 2] = d / whole if usable else 0.0


@inlined
def invert(matrix: NDArray[np.float64], inverse: NDArray[np.float64], size: int) -> bool:
    """Inverse of the symmetric matrix in the lower triangle of `matrix` (which is used up); False if not definite.

    Cholesky in a fixed order, so that every machine computes the same bits: Golub, Van Loan, "Matrix Computations".
    """
    for i in range(size):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i == j:
                if not total > 1e-12:
                    return False
                matrix[i, i] = math.sqrt(total)
            else:
                matrix[i, j] = total / matrix[j, j]
    for i in range(size):  # the triangle's own inverse, in place
        matrix[i, i] = 1.0 / matrix[i, i]
        for j in range(i):
            total = 0.0
            for k in range(j, i):
                total -= matrix[i, k] * matrix[k, j]
            matrix[i, j] = total * matrix[i, i]
    for i in range(size):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, size):
                total += matrix[k, i] * matrix[k, j]
            inverse[i, j] = total
            inverse[j, i] = total
    return True
