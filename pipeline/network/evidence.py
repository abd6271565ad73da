"""Evidence: is a sensor off for good, and since when?

Four membranes per line gather what its expectation says: the innovation over a few rows (something came suddenly),
the residual over some and over many rows (an offset), its energy (too rough, or too still). Each is counted in
units of its own slow spread, so what is usual for this sensor is nothing. The largest, against its limit, is the
line's *level*; 1 is an alarm. Limits are wide while a line is young and grow with every alarm of the past weeks, so
that what keeps returning must be larger to count: recurrence makes familiar, duration does not.

A line in alarm is *shut*: it no longer teaches what is normal, and the others do not hear it. At most half of a
cohort can be shut, so that a machine never judges itself by its own expectations alone. Many lines off at once are
no broken sensor but a new regime, and a state that outlasts patience is a change that only a person can judge: both
are *accepted* (see `accept`): the machine learns on from there and says "changed" instead of alarming for ever.

Limits are counts of own spreads, found as a plateau on development data (`docs/decisions.md`).
"""

import math
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined
from pipeline.network import expectation, modes, resolution

MEMBRANES = 4
NEW, MIDDLE, LONG, ENERGY = range(MEMBRANES)
SAYS = ("came suddenly", "offset for some time", "offset for long", "too rough or too still")  # what a person reads
NANOSECONDS_PER_DAY = 86_400e9
Level = TypeVar("Level", float, NDArray[np.float64])


class Params(NamedTuple):
    """What the kernel reads; times in rows."""

    warm: float = 200.0  # rows of a line before its residuals are weighed
    settle: float = 500.0  # rows before its level counts and it can be shut
    tau: tuple[float, float, float, float] = (3.0, 8.0, 60.0, 40.0)  # of the membranes
    cap: tuple[float, float, float, float] = (15.0, 6.0, 4.0, 16.0)  # of what one row adds
    limit: tuple[float, float, float, float] = (6.5, 5.0, 3.5, 2.75)  # own spreads at which the level is 1
    memory: float = 6000.0  # of sizes and spreads
    floor: float = 0.003  # share of the line's deviation that a usual residual has at least
    young: float = 2.5  # widening of the limits, times sqrt(60 / rows)
    chance: float = 1000.0  # widening, times (features / rows)^2: a joint expectation of many lines fits by chance
    open_at: float = 0.6  # level at which a shut line opens again
    gate_least: float = 0.05  # a shut line's sizes learn at this share
    recurrence: float = 3.0  # how fast that share grows with alarms
    wary: float = 0.1  # growth of the limits with each remembered alarm
    alarm_memory: float = 10_000.0  # an alarm is forgotten with this time constant
    regime: float = 150.0  # rows that more than half of the lines must be off, to be a new regime
    patience: float = 2000.0  # rows of alarm until a change is accepted ...
    patience_young: float = 2 / 3  # ... or this share of the rows that the machine had seen, if fewer ...
    patience_first: float = 400.0  # ... but that share is never fewer than these ...
    patience_days: float = 7.0  # ... or this time, if shorter ...
    patience_least: float = 150.0  # ... but at least so many rows
    resettle: float = 60.0  # rows that the mean of a line is known from when its change is accepted, at most
    calm: float = 500.0  # rows without alarm until a changed machine is ready again


class Lines(NamedTuple):
    """One entry (or row) per line; sizes are squared residuals, in the line's units."""

    size: NDArray[np.float64]  # of the residual
    size_new: NDArray[np.float64]  # of the innovation
    usual: NDArray[np.float64]  # residual to be expected in the present mode
    usual_new: NDArray[np.float64]  # innovation to be expected
    membrane: NDArray[np.float64]  # (lines, MEMBRANES)
    spread: NDArray[np.float64]  # (lines, MEMBRANES), mean square of the membrane
    energy: NDArray[np.float64]  # slow mean of the log energy
    level: NDArray[np.float64]
    witness: NDArray[np.int64]  # membrane with the largest level
    shut: NDArray[np.bool_]
    alarms: NDArray[np.float64]  # faded number of times the line was shut
    alarm: NDArray[np.float64]  # rows the line has been in alarm
    calm: NDArray[np.float64]  # rows until a line whose change was accepted is ready again; 0 if none was


class Machines(NamedTuple):
    """One entry per machine."""

    joint: NDArray[np.float64]  # rows that more than half of the lines have been off
    alarm: NDArray[np.float64]  # rows the machine as a whole has been in alarm
    calm: NDArray[np.float64]  # rows until that is ready again after a change was accepted; 0 if none was
    given: NDArray[np.float64]  # rows that the prior of its kind counts as; 0 without one
    patience_ns: NDArray[np.float64]  # set by the operator; 0 for the default, infinite for never


def fresh_lines(params: Params, lines: int) -> Lines:
    """State of `lines` lines that have seen nothing."""

    def each() -> NDArray[np.float64]:
        return np.zeros(lines)

    return Lines(
        size=each(),
        size_new=each(),
        usual=np.ones(lines),
        usual_new=np.ones(lines),
        membrane=np.zeros((lines, MEMBRANES)),
        spread=np.zeros((lines, MEMBRANES)),
        energy=each(),
        level=each(),
        witness=np.zeros(lines, np.int64),
        shut=np.zeros(lines, np.bool_),
        alarms=each(),
        alarm=each(),
        calm=each(),
    )


def fresh_machines(params: Params, slots: int) -> Machines:
    """State of `slots` machines that have seen nothing."""
    return Machines(np.zeros(slots), np.zeros(slots), np.zeros(slots), np.zeros(slots), np.zeros(slots))


@inlined
def grown(membrane: float, tau: float, elapsed: float, value: float) -> float:
    """A membrane after a reading. It forgets by time and gathers by readings, so a gap alone is no evidence."""
    if elapsed == 1.0:
        return membrane + (value - membrane) / tau
    keep = 1.0 - 1.0 / tau
    return membrane * keep**elapsed + (1.0 - keep ** min(elapsed, 1.0)) * value


@inlined
def clip(value: float, most: float) -> float:
    """`value` between -most and most."""
    return min(max(value, -most), most)


@inlined
def white(tau: float) -> float:
    """Mean square of a membrane of this time constant that hears noise of variance 1, each value for itself."""
    return 1.0 / (2.0 * tau - 1.0)


@inlined
def rest(lines: Lines, line: int) -> None:
    """Forget what was gathered against a line: its membranes are where they usually are."""
    for k in range(ENERGY):
        lines.membrane[line, k] = 0.0
    lines.membrane[line, ENERGY] = math.exp(lines.energy[line]) - 0.1
    lines.level[line] = lines.alarm[line] = 0.0
    lines.shut[line] = False


@inlined
def weigh(
    params: Params,
    lines: Lines,
    known: expectation.Lines,
    mode: modes.Lines,
    mode_params: modes.Params,
    held: resolution.Lines,
    held_params: resolution.Params,
    line: int,
    features: int,
    far: float,
    moded: bool,
    room: bool,
    frozen: bool,
) -> None:
    """Weigh a line's residual of a complete row: its level, and whether it is shut; then learn, unless frozen.

    `features`: of the line's cohort. `far`: how uncertain what is expected of it is, in usual residuals. `moded`:
    whether the line's mode is known. `room`: whether it may be shut.
    """
    c = line
    if resolution.counts(held_params, held, c):  # nothing is expected of it
        rest(lines, c)
        return
    own, residual, innovation = known.own[c], known.residual[c], known.innovation[c]
    rounding = expectation.in_units(known, c, resolution.rounding(held, c))
    standing = expectation.in_units(known, c, resolution.unexplained(held_params, held, c))
    grain = stands = 0.0  # the two as shares of what is usual
    if own > params.warm:
        j = mode.winner[c]
        rows = float(mode.rows[c, j]) if moded else 0.0
        size = modes.usual(mode_params, rows, float(mode.size[c, j]), lines.size[c], not moded)
        size_new = modes.usual(mode_params, rows, float(mode.size_new[c, j]), lines.size_new[c], not moded)
        floor = params.floor * math.sqrt(known.variance[c]) + 1e-9 * abs(known.real[c, 0]) + 1e-12
        least, unsure = resolution.holds(held, c, held_params.long) * standing, (1.0 + far) ** 2
        size = unsure * max(size, least) + rounding
        size_new = unsure * max(size_new, least) + rounding
        lines.usual[c] = math.sqrt(max(size, lines.size[c] + rounding)) + floor
        lines.usual_new[c] = math.sqrt(max(size_new, lines.size_new[c] + rounding)) + floor
        off = residual / (math.sqrt(size) + floor)
        new = innovation / (math.sqrt(size_new) + floor)
        grain, stands = rounding / max(size, 1e-300), standing / max(size, 1e-300)
    else:
        off = new = 0.0
    added = (clip(new, params.cap[NEW]), clip(off, params.cap[MIDDLE]), clip(off, params.cap[LONG]))
    for k in range(ENERGY):
        lines.membrane[c, k] = grown(lines.membrane[c, k], params.tau[k], known.elapsed[c], added[k])
    squared = min(off * off, params.cap[ENERGY])
    lines.membrane[c, ENERGY] = grown(lines.membrane[c, ENERGY], params.tau[ENERGY], known.elapsed[c], squared)
    energy = math.log(lines.membrane[c, ENERGY] + 0.1)

    if own > params.settle:
        held_off = stands * resolution.holds(held, c, params.tau[ENERGY])
        least = math.log(held_off + grain + 0.1)  # energy of rounding, and of standing where it holds
        spread = math.sqrt(max(lines.spread[c, ENERGY], held_off)) + 0.1
        level = (energy - max(lines.energy[c], least)) / spread / params.limit[ENERGY]
        lines.witness[c] = ENERGY
        for k in range(ENERGY):
            square = max(lines.spread[c, k], stands * resolution.holds(held, c, params.tau[k]))
            square += grain * white(params.tau[k])
            reached = abs(lines.membrane[c, k]) / math.sqrt(square + 1e-9) / params.limit[k]
            if reached > level:
                level = reached
                lines.witness[c] = k
        level /= 1.0 + params.young * math.sqrt(60.0 / own) + params.chance * (features / own) ** 2
        past = lines.alarms[c] - 1.0 if lines.shut[c] else lines.alarms[c]
        level /= 1.0 + params.wary * max(past, 0.0)
        lines.level[c] = max(level, 0.0)
        if not frozen:
            lines.alarms[c] *= 1.0 - 1.0 / params.alarm_memory
        if lines.shut[c]:
            lines.shut[c] = level >= params.open_at
        elif level > 1.0 and room and lines.calm[c] == 0.0:
            lines.shut[c] = True
            lines.alarms[c] += 0.0 if frozen else 1.0

    if frozen:
        return
    gate = 1.0
    if lines.shut[c]:
        gate = min(params.gate_least * (1.0 + params.recurrence * max(lines.alarms[c] - 1.0, 0.0) ** 2), 1.0)
    learn(params, lines, known, mode, mode_params, c, gate, energy, rounding, grain, moded)


@inlined
def learn(
    params: Params,
    lines: Lines,
    known: expectation.Lines,
    mode: modes.Lines,
    mode_params: modes.Params,
    line: int,
    gate: float,
    energy: float,
    rounding: float,
    grain: float,
    moded: bool,
) -> None:
    """Let sizes and spreads of a line take in a row, as far as the gate allows."""
    c = line
    own, residual, innovation = known.own[c], known.residual[c], known.innovation[c]
    # What is exactly 0 could never grow: nothing is known better than to its rounding.
    most, most_new = 9.0 * (lines.size[c] + rounding), 9.0 * (lines.size_new[c] + rounding)
    if own > params.warm and moded:
        modes.learn(mode_params, mode, c, gate, residual, innovation, most, most_new)
    if own < params.warm + 50.0:
        rate = max(1.0 / max(own, 1.0), 1.0 / 50.0)
        lines.size[c] += rate * (residual * residual - lines.size[c])
        lines.size_new[c] += rate * (innovation * innovation - lines.size_new[c])
    else:
        rate = gate / min(own - params.warm, params.memory)
        lines.size[c] += rate * (min(residual * residual, most) - lines.size[c])
        lines.size_new[c] += rate * (min(innovation * innovation, most_new) - lines.size_new[c])
    if own > params.warm:
        rate = gate / min(own - params.warm, params.memory)
        more = 1.0 if own < params.settle else 0.0
        for k in range(ENERGY):
            most = 9.0 * (lines.spread[c, k] + grain * white(params.tau[k])) + more
            lines.spread[c, k] += rate * (min(lines.membrane[c, k] ** 2, most) - lines.spread[c, k])
        error = energy - lines.energy[c]
        lines.energy[c] += rate * clip(error, 1.0)
        most = 9.0 * lines.spread[c, ENERGY] + more
        lines.spread[c, ENERGY] += rate * (min(error * error, most) - lines.spread[c, ENERGY])


@inlined
def blame(
    params: Params,
    lines: Lines,
    known: expectation.Lines,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    size: int,
    frozen: bool,
    culprit: int,
) -> None:
    """Shut one line of a cohort in place of all others, which it had led astray; its own patience begins here."""
    noticed = lines.level[culprit]
    for i in range(first, first + size):
        c = roster[slot, i]
        if c == culprit or not (lines.shut[c] or lines.level[c] > params.open_at):
            continue
        noticed = max(noticed, lines.level[c])
        was_shut = lines.shut[c]
        rest(lines, c)
        if was_shut:
            lines.alarms[c] = max(lines.alarms[c] - (0.0 if frozen else 1.0), 0.0)
            for k in range(expectation.FEATURES):
                known.used[c, k] = known.real[c, k]
    for k in range(ENERGY):
        lines.membrane[culprit, k] *= noticed / lines.level[culprit]
    lines.level[culprit] = noticed
    lines.shut[culprit] = True
    lines.alarms[culprit] += 0.0 if frozen else 1.0


@inlined
def accept(params: Params, lines: Lines, known: expectation.Lines, line: int) -> None:
    """This is how the line is now: open it, and take its present offset as none; the next rows say it better."""
    c = line
    for k in range(expectation.FEATURES):
        known.mean[c, k] += known.residual[c]
        if lines.shut[c]:  # the others heard what they expected
            known.used[c, k] += known.residual[c]
    for k in range(ENERGY):
        lines.membrane[c, k] = 0.0
    lines.energy[c] = math.log(lines.membrane[c, ENERGY] + 0.1)
    lines.shut[c] = False
    lines.level[c] = lines.alarm[c] = 0.0
    known.settled[c] = min(known.settled[c], params.resettle)


@inlined
def short_of_alarm(level: Level) -> Level:
    """What a level or a state counts that may not raise an alarm: always less than a half of one."""
    return level / (1.0 + 2.0 * level)


@inlined
def told(lines: Lines, line: int) -> float:
    """What a line's level counts in its machine's score."""
    return short_of_alarm(float(lines.level[line])) if lines.calm[line] > 0.0 else float(lines.level[line])


@inlined
def last(params: Params, alarm: float, level: float, held: bool) -> float:
    """Rows in alarm after a row, given those before it."""
    return alarm + 1.0 if level >= 1.0 or held or (alarm > 0.0 and level >= params.open_at) else 0.0


@inlined
def patience(params: Params, machines: Machines, slot: int, rows: float, usual_ns: float) -> float:
    """Rows of alarm after which a change is accepted, for a machine that was `rows` old when the alarm began."""
    if machines.patience_ns[slot] > 0.0:
        return max(machines.patience_ns[slot] / max(usual_ns, 1.0), 1.0)
    time = params.patience_days * NANOSECONDS_PER_DAY / max(usual_ns, 1.0)
    young = max(params.patience_young * rows, params.patience_first)
    return max(min(params.patience, young, time), params.patience_least)
