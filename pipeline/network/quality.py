"""Quality: can a sensor's readings be believed? Those of one that cannot be are *masked* from the machine's score.

A sensor is *missing* while its machine goes on and it has sent nothing for many of its own usual intervals and
several of its longest pauses; *stuck* at exactly one value for far longer than it ever was, though it used to move;
*saturated* where it comes back to exactly its highest or lowest value, or sits there, far more than it is usually at
one or stays at any; it has a *unit jump* where it follows what is expected of it in another unit; its *clock* is
wrong where its readings are not newer than those before, again and again. From judgement, all of it.

A line that is bad is masked once it has raised an alarm, or is missing: it is judged as one without readings is, so
the others say where it is, and nothing is learned of it. What is bad and raises no alarm does no harm, and the others
may need to hear it. One that sent nonsense stays masked for a while after that has ended, as the end is sudden in
itself. At least half of a machine's lines are always judged: where more than half seem bad, the fault is not theirs.
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
    railed: float = 0.25  # share of recent readings at a rail, above twice the usual one and that of equal ones
    far: float = 8.0  # usual distances from which a value may be in another unit ...
    near: float = 4.0  # ... if in that it is as near as so many to what is expected ...
    again: float = 20.0  # ... so often running, while it moves farther than chance would let it
    late: float = 10.0  # late readings, less the others, from which a clock is wrong
    fade: float = 0.001  # share of the longest pause that is forgotten with each reading
    trust: float = 50.0  # good readings running after which a line is believed again


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
    held: NDArray[np.float64]  # share of readings off the rails that are equal to the one before, in general
    unit: NDArray[np.int64]  # of `UNITS`, from 1; negative for its inverse; 0 for none
    jumped: NDArray[np.float64]  # readings running that were in it
    least: NDArray[np.float64]  # of these, in the line's own unit
    most: NDArray[np.float64]
    doubt: NDArray[np.float64]  # good readings that are wanted before it is believed again
    masked: NDArray[np.bool_]  # in the next row it is judged as if it had no reading


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
        real(),
        whole(),
        real(),
        real(),
        real(),
        real(),
        np.zeros(lines, np.bool_),
    )


@inlined
def in_unit(value: float, unit: int) -> float:
    """What `value` is in the line's own unit, if it is in this one of `UNITS`; see `Lines.unit`."""
    factor, plus = UNITS[abs(unit) - 1]
    return (value - plus) / factor if unit > 0 else factor * value + plus


@inlined
def nearest_unit(value: float, expected: float) -> int:
    """The unit in which `value` is nearest to what is expected, as in `Lines.unit`."""
    found, least = 0, np.inf
    for k in range(1, len(UNITS) + 1):
        for unit in (k, -k):
            off = abs(in_unit(value, unit) - expected)
            if off < least:
                found, least = unit, off
    return found


@inlined
def jump(params: Params, lines: Lines, line: int, value: float, expected: float, usual: float) -> bool:
    """Whether a line reads in another unit: it is where it is expected in that, wherever that is.

    A value that does not move with what is expected of it is in some unit by chance.
    """
    was = lines.verdict[line] == UNIT_JUMP
    elsewhere = abs(value - expected) > params.far * usual  # False where nothing is expected
    if lines.jumped[line] == 0.0:
        lines.unit[line] = nearest_unit(value, expected) if elsewhere else 0
        lines.least[line], lines.most[line] = np.inf, -np.inf
    own = in_unit(value, lines.unit[line]) if lines.unit[line] != 0 else np.inf
    if elsewhere and abs(own - expected) <= params.near * usual:
        lines.least[line], lines.most[line] = min(lines.least[line], own), max(lines.most[line], own)
        lines.jumped[line] = min(lines.jumped[line] + 1.0, 2.0 * params.again)
    else:  # one that is only suspected is soon given up for another
        lines.jumped[line] = max(lines.jumped[line] - 1.0, 0.0) if was else lines.jumped[line] // 2.0
    moved = lines.most[line] - lines.least[line] > 2.0 * params.near * usual
    return lines.jumped[line] >= params.again and (moved or was)


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
    railed = lines.railed[line] > params.railed + 2.0 * lines.usual[line] + lines.held[line]
    if not railed:
        lines.usual[line] += (at_rail - lines.usual[line]) / min(n + 1.0, params.usual)
        if at_rail == 0.0:
            lines.held[line] += ((1.0 if same else 0.0) - lines.held[line]) / min(n + 1.0, params.usual)
    moves = lines.heard[line] > params.moves and lines.high[line] > lines.low[line]
    still = lines.run[line] > params.runs * lines.longest[line] + params.run
    if jump(params, lines, line, value, expected, usual):
        verdict = UNIT_JUMP
    elif moves and (railed or (still and at_rail > 0.0)):
        verdict = SATURATED
    elif moves and still:
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


@inlined
def doubt(
    params: Params,
    lines: Lines,
    roster: NDArray[np.int64],
    slot: int,
    size: int,
    missed: NDArray[np.int64],
    alarmed: NDArray[np.bool_],
) -> bool:
    """Count after a row for how long each line of a machine is in doubt; whether these are few enough to be masked.

    `missed`: rows running without a reading of a line, this one included; `alarmed`: lines in alarm.
    """
    doubted = 0
    for i in range(size):
        c = roster[slot, i]
        if lines.verdict[c] == MISSING:  # there is nothing wrong with what it will say
            lines.doubt[c] = max(lines.doubt[c], 1.0)
        elif lines.verdict[c] != GOOD and (alarmed[c] or lines.doubt[c] > 0.0):
            lines.doubt[c] = params.trust
        elif missed[c] == 0 and lines.doubt[c] > 0.0:
            lines.doubt[c] -= 1.0
        doubted += lines.doubt[c] > 0.0
    return doubted <= size // 2


@inlined
def trust(lines: Lines, line: int) -> None:
    """A person says that this is how the line is: believe it. Of one that is missing nobody can say that."""
    if lines.verdict[line] == MISSING:
        return
    lines.verdict[line] = GOOD
    lines.longest[line] = max(lines.longest[line], lines.run[line])
    lines.usual[line] = max(lines.usual[line], lines.railed[line])
    lines.jumped[line] = lines.doubt[line] = 0.0
    lines.unit[line] = 0
    lines.masked[line] = False
