"""Quality: can a sensor's readings be believed? Kept apart from the machine's score, which it does not change.

A sensor is *missing* while its machine goes on and it has sent nothing for many of its own usual intervals and
several of its longest pauses; *stuck* at exactly one value for far longer than it ever was, though it used to move;
*saturated* where it comes back to exactly its highest or lowest value, or sits there, and did not use to; it has a
*unit jump* where it reads what is expected of it in another unit, again and again; its *clock* is wrong where its
readings are not newer than those before, again and again. Every verdict needs many rows, so it comes after the alarm
that a fault raises and never in its place, and ends when as many are good. From judgement, all of it.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined


class Quality(IntEnum):
    """What is the matter with a sensor."""

    GOOD = 0
    STUCK = 1
    MISSING = 2
    SATURATED = 3
    CLOCK = 4
    UNIT_JUMP = 5

    @property
    def word(self) -> str:
        """As it is written."""
        return self.name.lower().replace("_", "-")


GOOD, STUCK, MISSING, SATURATED, CLOCK, UNIT_JUMP = map(int, Quality)  # for the kernel
# What a value in one unit is in another: times the first, plus the second.
UNITS = (
    (10.0, 0.0),
    (100.0, 0.0),
    (1000.0, 0.0),
    (1e6, 0.0),
    (60.0, 0.0),  # per second, per minute
    (3.6, 0.0),  # m/s, km/h
    (4.184, 0.0),  # cal, J
    (6.894757, 0.0),  # psi, kPa
    (14.50377, 0.0),  # bar, psi
    (25.4, 0.0),  # in, mm
    (1.8, 32.0),  # degC, degF
    (1.0, 273.15),  # degC, K
)


class Params(NamedTuple):
    """What the kernel reads; in readings of the line, but for the first three."""

    intervals: float = 30.0  # usual ones without a reading that a line is missing after ...
    pauses: float = 3.0  # ... if they are so many of its longest pauses ...
    missed: int = 30  # ... and so many rows of its machine
    run: float = 60.0  # equal values that are stuck ...
    runs: float = 5.0  # ... if they are so many times as many as ever before
    moves: float = 1000.0  # readings from which a line may be said to move
    recent: float = 50.0  # memory of how often a line is at its rail now ...
    usual: float = 2000.0  # ... and of how often it is in general
    railed: float = 0.25  # share of recent readings at a rail, above twice the usual one
    far: float = 8.0  # usual distances from which a value may be in another unit ...
    near: float = 0.03  # ... if it is as near as that to what is expected in it ...
    again: float = 20.0  # ... so often running
    late: float = 10.0  # late readings, less the others, from which a clock is wrong
    fade: float = 0.001  # share of the longest pause that is forgotten with each reading


class Lines(NamedTuple):
    """One entry per line."""

    verdict: NDArray[np.int64]  # a `Quality`, never CLOCK: that is not of a row
    newest_ns: NDArray[np.int64]  # time of the newest row with a reading
    pause_ns: NDArray[np.float64]  # longest one remembered between two of them
    heard: NDArray[np.float64]  # readings so far
    value: NDArray[np.float64]  # newest
    run: NDArray[np.float64]  # readings running that were equal to it
    longest: NDArray[np.float64]  # such a run before
    low: NDArray[np.float64]  # least and largest value so far
    high: NDArray[np.float64]
    railed: NDArray[np.float64]  # share of readings at one of them, recently
    usual: NDArray[np.float64]  # and in general
    unit: NDArray[np.int64]  # of `UNITS`, from 1; negative for its inverse; 0 for none
    jumped: NDArray[np.float64]  # readings running that were in it


def fresh(lines: int) -> Lines:
    """State of `lines` lines that have seen nothing."""

    def real() -> NDArray[np.float64]:
        return np.zeros(lines)

    def whole() -> NDArray[np.int64]:
        return np.zeros(lines, np.int64)

    return Lines(
        whole(),
        whole(),
        real(),
        real(),
        real(),
        real(),
        real(),
        real(),
        real(),
        real(),
        real(),
        whole(),
        real(),
    )


@inlined
def other_unit(params: Params, value: float, expected: float) -> int:
    """The unit in which `value` is what is expected: its number in `UNITS` from 1, negative for its inverse, or 0."""
    for k in range(len(UNITS)):
        factor, plus = UNITS[k]
        there, back = factor * expected + plus, (expected - plus) / factor
        if abs(value - there) <= params.near * abs(there):
            return k + 1
        if abs(value - back) <= params.near * abs(back):
            return -k - 1
    return 0


@inlined
def hear(params: Params, lines: Lines, line: int, time_ns: int, value: float, expected: float, usual: float) -> int:
    """Take in a line's reading of a row; returns its quality.

    `expected`, `usual`: where the reading was expected and how far it is usually off; NaN while the line is learning.
    """
    n = lines.heard[line]
    lines.heard[line] = n + 1.0
    if n > 0.0:
        pause = float(time_ns - lines.newest_ns[line])
        lines.pause_ns[line] = max(lines.pause_ns[line] * (1.0 - params.fade), pause)
    lines.newest_ns[line] = time_ns
    same = n > 0.0 and value == lines.value[line]
    if same:
        lines.run[line] += 1.0
    else:
        lines.longest[line] = max(lines.longest[line], lines.run[line])  # what ends by itself was a hold
        lines.run[line] = 1.0
        lines.value[line] = value
    if n == 0.0 or value < lines.low[line] or value > lines.high[line]:
        lines.low[line] = value if n == 0.0 else min(lines.low[line], value)
        lines.high[line] = value if n == 0.0 else max(lines.high[line], value)
        lines.railed[line] = 0.0  # a rail that gives way is none
    at_rail = 1.0 if value == lines.low[line] or value == lines.high[line] else 0.0
    lines.railed[line] += (at_rail - lines.railed[line]) / params.recent
    railed = lines.railed[line] > params.railed + 2.0 * lines.usual[line]
    if not railed:
        lines.usual[line] += (at_rail - lines.usual[line]) / min(n + 1.0, params.usual)
    elsewhere = abs(value - expected) > params.far * usual  # False where nothing is expected
    unit = other_unit(params, value, expected) if elsewhere else 0
    if unit != 0 and unit == lines.unit[line]:
        lines.jumped[line] = min(lines.jumped[line] + 1.0, 2.0 * params.again)
    else:
        lines.jumped[line] = max(lines.jumped[line] - 1.0, 0.0)
        if lines.jumped[line] == 0.0:
            lines.unit[line] = unit
    moves = lines.heard[line] > params.moves and lines.high[line] > lines.low[line]
    if lines.jumped[line] >= params.again:
        verdict = UNIT_JUMP
    elif moves and railed:
        verdict = SATURATED
    elif moves and lines.run[line] > params.runs * lines.longest[line] + params.run:
        verdict = STUCK
    else:
        verdict = GOOD
    lines.verdict[line] = verdict
    return verdict


@inlined
def miss(params: Params, lines: Lines, line: int, time_ns: int, usual_ns: float, missed: int) -> bool:
    """A row had no reading of a line, the `missed`-th running; whether the line is missing since this row."""
    if lines.verdict[line] == MISSING or usual_ns <= 0.0 or missed < params.missed:
        return False
    gone = float(time_ns - lines.newest_ns[line])
    if gone <= max(params.intervals * usual_ns, params.pauses * lines.pause_ns[line]):
        return False
    lines.verdict[line] = MISSING
    return True
