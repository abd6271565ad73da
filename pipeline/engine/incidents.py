"""Incidents: from alarms, row by row, to what a person has to deal with. At most one is open per machine.

An alarm begins an incident once it has lasted for `hold`; pauses shorter than `close` belong to it, and so do rows
that score at least `clear`. A warning that nobody has acknowledged becomes critical after `escalate`. Pure; all times
are those of the data, so a replay makes the same incidents. What lies between two rows costs nothing, and few rows
are looked at: alarms, and the first one after a time at which something is due.

An alarm that nobody judges ends all the same when the network's patience runs out. Its incident is then
*unconfirmed*, also after it has closed, until a person says `normal`, `repaired`, `rollback` or, naming it, `label`.
Of each machine the newest such incident is known.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.engine import explanation
from pipeline.engine.commands import CLASS_LENGTH
from pipeline.engine.level import level_of
from pipeline.engine.scoring import Severity
from pipeline.records import Bools, Floats, Ints

INTERVALS = 20  # usual sampling intervals that a pause may always have, however short `close` is
NAMED = 5  # sensors that an incident names at most ...
LEAST = 0.05  # ... and the share from which it does
FOREVER = np.iinfo(np.int64).max
CRITICAL = int(Severity.CRITICAL)  # looked up in every row in alarm


class Part(NamedTuple):
    """What a sensor has to do with an incident."""

    sensor: str
    share: float  # of the incident; those of all sensors sum to 1
    direction: str  # `high` or `low` of where it is expected; empty where it is not the same for most of the
    # incident and in the reading that is quoted, or not known


class Incident(NamedTuple):
    """An incident as it stands. Its number counts those of its machine."""

    number: int
    started_ns: int  # its first row in alarm
    newest_ns: int  # its newest row in alarm
    severity: Severity  # the highest so far
    peak: float  # score
    peak_ns: int
    sensors: tuple[Part, ...]  # largest share first
    why: str  # about the first of the sensors, in a sentence
    acknowledged: bool
    snoozed_until_ns: int  # 0 where it is not
    label: str  # class; empty where it is not known
    confidence: float  # in the class, [0, 1]; 1 where a person said it
    unconfirmed: bool  # patience ran out during it, and nobody has said what it was since


class News(NamedTuple):
    """Something that happened to an incident."""

    slot: int
    time_ns: int
    phase: str  # open, update, close
    incident: Incident
    reason: str = ""  # for which it closed: calm, unconfirmed, or the command that ended it


class Lines(NamedTuple):
    """One entry per line: its part in its machine's incident."""

    share: Floats  # summed over the rows in alarm
    high: Floats  # the same, less where it was low
    unconfirmed: Bools  # its change was accepted during its machine's unconfirmed incident
    began_ns: Ints  # since when it has had a part without a longer pause; 0 where it had none
    newest_ns: Ints  # newest row in which it had
    off: Floats  # how far the reading that is quoted was from its middle, in halves of its band; -1 while none is
    value: Floats  # that reading, in the sensor's unit, as are the next two; it is the one that was the farthest off
    band_low: Floats
    band_high: Floats  # above `band_low`, unless there is no band
    side: Ints  # 1 above what was expected, -1 below, 0 not known
    reasons: Ints  # see `explanation.reasons`; the most lasting ones so far


class Quotes(NamedTuple):
    """What may be quoted of each reading of some rows in alarm; one entry per reading."""

    line: Ints
    share: Floats  # in the row's score
    off: Floats
    value: Floats
    low: Floats
    high: Floats
    side: Ints
    lasting: Ints  # see `explanation.lasting`


class Machines(NamedTuple):
    """One entry per machine. The first four are configuration."""

    hold_ns: Ints
    close_ns: Ints
    escalate_ns: Ints
    clear: Floats
    number: Ints  # incidents so far, the open one included
    open: Bools
    began_ns: Ints  # first row in alarm; 0 while there is none
    alarm_ns: Ints  # newest row in alarm
    severity: Ints
    peak: Floats
    peak_ns: Ints
    acknowledged: Bools
    snoozed_ns: Ints  # until when
    label: NDArray[np.str_]
    confidence: Floats
    unconfirmed: Ints  # number of the newest incident that is; 0 where none is


def fresh_lines(lines: int) -> Lines:
    """State of lines that had no part in anything."""

    def whole() -> Ints:
        return np.zeros(lines, np.int64)

    def real() -> Floats:
        return np.zeros(lines)

    return Lines(
        share=real(),
        high=real(),
        unconfirmed=np.zeros(lines, np.bool_),
        began_ns=whole(),
        newest_ns=whole(),
        off=np.full(lines, -1.0),
        value=real(),
        band_low=real(),
        band_high=real(),
        side=whole(),
        reasons=whole(),
    )


def fresh_machines(slots: int) -> Machines:
    """State of machines that had no incident."""

    def whole() -> Ints:
        return np.zeros(slots, np.int64)

    def real() -> Floats:
        return np.zeros(slots)

    def true() -> Bools:
        return np.zeros(slots, np.bool_)

    return Machines(
        hold_ns=whole(),
        close_ns=whole(),
        escalate_ns=whole(),
        clear=real(),
        number=whole(),
        open=true(),
        began_ns=whole(),
        alarm_ns=whole(),
        severity=whole(),
        peak=real(),
        peak_ns=whole(),
        acknowledged=true(),
        snoozed_ns=whole(),
        label=np.zeros(slots, f"<U{CLASS_LENGTH}"),
        confidence=real(),
        unconfirmed=whole(),
    )


def interesting(machines: Machines, slot: Ints, severity: Ints) -> Ints:
    """Rows that have to do with an incident: those of machines that are in alarm here, or were before."""
    concerned = machines.began_ns[slot] > 0
    if not severity.any() and not concerned.any():
        return np.zeros(0, np.int64)
    alarmed = np.zeros(len(machines.number), np.bool_)
    alarmed[slot[severity > 0]] = True
    return np.flatnonzero(concerned | alarmed[slot])


def quiet_until(machines: Machines, slot: int, usual_ns: float) -> int:
    """Time up to which rows that are no alarm change nothing for the machine's incident, if it has one."""
    until = FOREVER
    if machines.began_ns[slot]:
        until = int(machines.alarm_ns[slot]) + pause(machines, slot, usual_ns)
        if machines.snoozed_ns[slot]:
            until = min(until, int(machines.snoozed_ns[slot]) - 1)
        if escalates(machines, slot):
            until = min(until, int(machines.began_ns[slot] + machines.escalate_ns[slot]) - 1)
    return until


def pause(machines: Machines, slot: int, usual_ns: float) -> int:
    """Nanoseconds without an alarm that still belong to the machine's incident."""
    return max(int(machines.close_ns[slot]), int(INTERVALS * usual_ns))


def escalates(machines: Machines, slot: int) -> bool:
    """Whether the machine's incident will become critical unless somebody acknowledges it."""
    below = 0 < machines.severity[slot] < CRITICAL
    return bool(below and not machines.acknowledged[slot] and machines.escalate_ns[slot] > 0)


def row(
    machines: Machines, slot: int, time_ns: int, score: float, severity: int, accepted: bool, usual_ns: float
) -> Iterator[str]:
    """Take in a row, in order; yields what it is for the machine's incident: begin, open, update, close, alarm.

    `alarm`: it is part of the incident. Whoever iterates acts on each before the next. `accepted`: patience has run
    out with this row.
    """
    began = machines.began_ns[slot]
    if not began:
        if not severity:
            return
        began = machines.began_ns[slot] = max(time_ns, 1)
        machines.severity[slot] = machines.peak[slot] = machines.snoozed_ns[slot] = 0
        machines.acknowledged[slot] = False
        machines.label[slot], machines.confidence[slot] = "", 0.0
        yield "begin"
    open_ = machines.open[slot]
    if open_ and accepted:
        machines.unconfirmed[slot] = machines.number[slot]
    if severity or score >= machines.clear[slot]:
        machines.alarm_ns[slot] = time_ns
    elif time_ns - machines.alarm_ns[slot] > pause(machines, slot, usual_ns):
        if open_:
            yield "close"
        forget(machines, slot)
        return
    snoozed = machines.snoozed_ns[slot]
    awake = 0 < snoozed <= time_ns
    if awake:
        machines.snoozed_ns[slot], machines.acknowledged[slot] = 0, False
    level = severity
    if escalates(machines, slot) and time_ns - began >= machines.escalate_ns[slot]:
        level = CRITICAL
    risen = level > machines.severity[slot]
    machines.severity[slot] = max(level, machines.severity[slot])
    if severity:
        yield "alarm"
        if score > machines.peak[slot]:
            machines.peak[slot], machines.peak_ns[slot] = score, time_ns
    if not open_:
        if machines.alarm_ns[slot] - began >= machines.hold_ns[slot]:
            machines.open[slot] = True
            machines.number[slot] += 1
            if accepted:
                machines.unconfirmed[slot] = machines.number[slot]
            yield "open"
    elif risen or awake or accepted:
        yield "update"


def forget(machines: Machines, slot: int) -> None:
    """The machine has no incident any more."""
    machines.open[slot] = False
    machines.began_ns[slot] = 0


def unconfirmed(machines: Machines, slot: int) -> bool:
    """Whether the machine's newest incident is."""
    return bool(0 < machines.unconfirmed[slot] == machines.number[slot])


def settle(machines: Machines, slot: int, lines: Lines, own: Ints) -> int:
    """Somebody has answered the machine, which has these lines; returns the incident that was unconfirmed, or 0."""
    number = int(machines.unconfirmed[slot])
    machines.unconfirmed[slot] = 0
    lines.unconfirmed[own] = False
    return number


def begin(lines: Lines, own: Ints) -> None:
    """A machine with these lines has an incident from here on, in which none of them had a part."""
    lines.share[own] = lines.high[own] = 0.0
    lines.began_ns[own] = lines.newest_ns[own] = 0
    lines.off[own] = -1.0


def gather(lines: Lines, quotes: Quotes, entries: slice, time_ns: int, pause_ns: float) -> Ints:
    """Take a row in alarm into the parts of its lines; its readings are `entries` of `quotes`.

    A line that had no part for longer than `pause_ns` has one since this row. Returns the entries whose reasons the
    caller is to write into `lines.reasons`: of what is quoted from here on, or more lasting than what was.
    """
    line, share = quotes.line[entries], quotes.share[entries]
    lines.share[line] += share
    lines.high[line] += share * quotes.side[entries]
    own = np.arange(entries.start, entries.stop)[share >= LEAST / 2]  # half, so that a rounded sum names no other
    line = quotes.line[own]
    fresh = (lines.began_ns[line] == 0) | (time_ns - lines.newest_ns[line] > pause_ns)
    lines.began_ns[line[fresh]] = max(time_ns, 1)
    lines.newest_ns[line] = time_ns
    known = np.where(lines.off[line] < 0.0, -1, explanation.lasting(lines.reasons[line]))
    farther = own[quotes.off[own] > lines.off[line]]
    line = quotes.line[farther]
    lines.off[line], lines.side[line] = quotes.off[farther], quotes.side[farther]
    lines.value[line], lines.band_low[line] = quotes.value[farther], quotes.low[farther]
    lines.band_high[line] = quotes.high[farther]
    lasting = quotes.lasting[own]
    told: Ints = own[(lasting > known) | (lasting == known) & np.isin(own, farther)]
    return told


def lasted_ns(lines: Lines, line: int) -> int:
    """How long a line has had a part in its machine's incident, without a longer pause."""
    began = int(lines.began_ns[line])
    return int(lines.newest_ns[line]) - began if began else 0


def quoted(lines: Lines, line: int) -> explanation.Quoted | None:
    """The reading that is quoted of a line that has a part in its machine's incident."""
    if lines.off[line] < 0.0:  # begun by a version that kept none
        return None
    value, low, high = float(lines.value[line]), float(lines.band_low[line]), float(lines.band_high[line])
    return explanation.Quoted(value, low, high, int(lines.reasons[line]), lasted_ns(lines, line))


def parts(lines: Lines, roster: Ints, names: list[str]) -> tuple[Part, ...]:
    """What the lines of a machine, with these names, have to do with its incident."""
    share = lines.share[roster]
    total = float(share.sum())
    if total <= 0.0:
        return ()
    found = []
    for own in np.argsort(-share, kind="stable")[:NAMED].tolist():
        part = float(share[own]) / total
        if part < LEAST:
            break
        line = roster[own]
        leaning, side = float(lines.high[line]) / float(share[own]), int(lines.side[line])
        high, low = leaning > 0.5 and side > 0, leaning < -0.5 and side < 0
        found.append(Part(names[own], part, "high" if high else "low" if low else ""))
    return tuple(found)


def incident(machines: Machines, slot: int, sensors: tuple[Part, ...], why: str) -> Incident:
    """The machine's incident, with these parts; it must have one."""
    return Incident(
        number=int(machines.number[slot]),
        started_ns=int(machines.began_ns[slot]),
        newest_ns=int(machines.alarm_ns[slot]),
        severity=Severity(int(machines.severity[slot])),
        peak=float(machines.peak[slot]),
        peak_ns=int(machines.peak_ns[slot]),
        sensors=sensors,
        why=why,
        acknowledged=bool(machines.acknowledged[slot]),
        snoozed_until_ns=int(machines.snoozed_ns[slot]),
        label=str(machines.label[slot]),
        confidence=float(machines.confidence[slot]),
        unconfirmed=unconfirmed(machines, slot),
    )


def sentence(sensors: tuple[Part, ...]) -> str:
    """The parts as text.

    >>> sentence((Part("flow", 0.62, "high"), Part("temp", 0.38, "")))
    'flow 62 % high, temp 38 %'
    """
    return ", ".join(f"{one.sensor} {100 * one.share:.0f} % {one.direction}".rstrip() for one in sensors)


def fields(news: News) -> dict[str, float | int | str | bool]:
    """The fields of measurement `incident`."""
    one = news.incident
    told: dict[str, float | int | str | bool] = {
        "phase": news.phase,
        "severity": int(one.severity),
        "peak": one.peak,
        "peak_level": level_of(one.peak),
        "cause": one.sensors[0].sensor if one.sensors else "",
        "sensors": sentence(one.sensors),
        "why": one.why,
        "class": one.label,
        "confidence": one.confidence,
        "started": one.started_ns,
        "ended": one.newest_ns if news.phase == "close" else 0,
        "acknowledged": one.acknowledged,
        "unconfirmed": one.unconfirmed,
    }
    if news.reason:
        told["reason"] = news.reason
    return told
