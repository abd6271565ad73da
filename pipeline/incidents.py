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

from pipeline.commands import CLASS_LENGTH
from pipeline.records import Bools, Floats, Ints
from pipeline.scoring import Severity

INTERVALS = 20  # usual sampling intervals that a pause may always have, however short `close` is
NAMED = 5  # sensors that an incident names at most ...
LEAST = 0.05  # ... and the share from which it does
FOREVER = np.iinfo(np.int64).max
CRITICAL = int(Severity.CRITICAL)  # looked up in every row in alarm


class Part(NamedTuple):
    """What a sensor has to do with an incident."""

    sensor: str
    share: float  # of the incident; those of all sensors sum to 1
    direction: str  # `high` or `low` of where it is expected; empty where it is now this, now that, or not known


class Incident(NamedTuple):
    """An incident as it stands. Its number counts those of its machine."""

    number: int
    started_ns: int  # its first row in alarm
    newest_ns: int  # its newest row in alarm
    severity: Severity  # the highest so far
    peak: float  # score
    peak_ns: int
    sensors: tuple[Part, ...]  # largest share first
    why: str  # reasons for the peak in words
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
    why: NDArray[np.bytes_]  # UTF-8: a quarter of what text takes
    acknowledged: Bools
    snoozed_ns: Ints  # until when
    label: NDArray[np.str_]
    confidence: Floats
    unconfirmed: Ints  # number of the newest incident that is; 0 where none is


WHY_BYTES = 128


def fresh_lines(lines: int) -> Lines:
    """State of lines that had no part in anything."""
    return Lines(np.zeros(lines), np.zeros(lines), np.zeros(lines, np.bool_))


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
        why=np.zeros(slots, f"S{WHY_BYTES}"),
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
    """Take in a row, in order; yields what it is for the machine's incident: open, update, close, alarm, rise.

    `alarm`: it is part of the incident, `rise`: its peak so far. Whoever iterates acts on each before the next.
    `accepted`: patience has run out with this row.
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
            yield "rise"
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
        leaning = float(lines.high[roster[own]]) / float(share[own])
        found.append(Part(names[own], part, "high" if leaning > 0.5 else "low" if leaning < -0.5 else ""))
    return tuple(found)


def incident(machines: Machines, slot: int, sensors: tuple[Part, ...]) -> Incident:
    """The machine's incident; it must have one."""
    return Incident(
        number=int(machines.number[slot]),
        started_ns=int(machines.began_ns[slot]),
        newest_ns=int(machines.alarm_ns[slot]),
        severity=Severity(int(machines.severity[slot])),
        peak=float(machines.peak[slot]),
        peak_ns=int(machines.peak_ns[slot]),
        sensors=sensors,
        why=machines.why[slot].decode(errors="ignore"),  # it may be cut within a character
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
