"""What the console says of one machine: what the main thread copies, and what becomes of it elsewhere.

`details` runs on the main thread between two batches, so it copies arrays and builds as little as it can; everything
else works on those copies.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.config.settings import MachineRule
from pipeline.console.asking import Ask, of_each
from pipeline.console.labels import machine_label, part_told, sensor_label
from pipeline.console.recent import Table
from pipeline.engine.account import Account
from pipeline.engine.engine import Engine
from pipeline.engine.explanation import POPULATION
from pipeline.engine.incidents import Incident
from pipeline.engine.level import level_of, levels_of
from pipeline.engine.scoring import MachineState, Severity
from pipeline.engine.standing import Changes, Summary, Trust
from pipeline.identity import identity
from pipeline.records import Bools, Floats, Ints, Machine, Point

# What a machine needs, most urgent first; by this the page is sorted.
ATTENTION = ("critical", "warning", "changed", "silent", "sensor", "frozen", "drifting", "learning", "ready")
_OF_STATE = {
    MachineState.READY: "ready",
    MachineState.DRIFTING: "drifting",
    MachineState.CHANGED: "changed",
    MachineState.LEARNING: "learning",
    MachineState.FROZEN: "frozen",
    MachineState.FAULT: "warning",
    MachineState.SILENT: "silent",
}
RANK = np.array([ATTENTION.index(_OF_STATE[state]) for state in MachineState])
CHANGED = ATTENTION.index("changed")  # something has, and nobody has confirmed it
SENSOR = ATTENTION.index("sensor")  # one of its sensors is bad
DIGITS = 6  # of a number in a chart
SCORE_DIGITS = 8  # behind the point: what tells is how near it is to 1
SENSORS_SHOWN = 8  # where nobody says which
OPEN_SHOWN = 200  # incidents in an answer


def ranked(state: Ints, severity: Ints, doubtful: Bools, unsettled: Bools) -> Ints:
    """What machines need, as places in ATTENTION: whichever comes first."""
    rank = np.where(doubtful, np.minimum(RANK[state], SENSOR), RANK[state])
    rank = np.where(unsettled, np.minimum(rank, CHANGED), rank)
    return np.where(severity > 0, np.minimum(rank, 2 - np.minimum(severity, 2)), rank)


def told(incident: Incident | None, rule: MachineRule) -> dict[str, Any] | None:
    """An incident that is open."""
    if incident is None:
        return None
    return {
        "number": incident.number,
        "started_s": incident.started_ns / 1e9,
        "newest_s": incident.newest_ns / 1e9,
        "severity": Severity(incident.severity).name.lower(),
        "peak": incident.peak,
        "peak_level": level_of(incident.peak),
        "peak_s": incident.peak_ns / 1e9,
        "sensors": [part_told(rule, part) for part in incident.sensors],
        "why": incident.why,
        "acknowledged": incident.acknowledged,
        "snoozed_until_s": incident.snoozed_until_ns / 1e9 if incident.snoozed_until_ns else None,
        "class": incident.label,
        "confidence": incident.confidence,
        "unconfirmed": incident.unconfirmed,
    }


class Details(NamedTuple):
    """One machine, as the main thread gives it."""

    summary: Summary
    lines: list[tuple[str, int]]  # sensors and their lines
    populations: tuple[str, ...]  # that run
    warning: float  # score from which it is one
    critical: float
    has_baseline: bool  # that it could be rolled back to
    trust: tuple[Trust, ...]  # in its sensors
    changes: Changes
    account: Account | None
    rule: MachineRule


def details(engine: Engine, slot: int) -> Details:
    """Runs on the main thread."""
    alert = engine.fleet.rules[slot].alert
    return Details(
        engine.summary(slot),
        engine.fleet.lines_of(slot),
        engine.populations,
        alert.warning,
        alert.critical,
        engine.fleet.has_baseline(slot),
        engine.quality(slot),
        engine.changes(slot),
        engine.account(slot),
        engine.fleet.rules[slot],
    )


def page(one: Details) -> dict[str, Any]:
    """One machine in full."""
    summary = one.summary
    severity = max(summary.severity, summary.incident.severity if summary.incident else Severity.NORMAL)
    doubtful = not all(each.fine for each in one.trust)
    (attention,) = ranked(*map(np.atleast_1d, (summary.state, severity, doubtful, one.changes.lasting)))
    return {
        "id": identity(summary.machine),
        "name": summary.machine.name,
        "label": machine_label(one.rule, summary.machine.name),
        "tags": dict(summary.machine.tags),
        "attention": ATTENTION[attention],
        "state": summary.state.word,
        "severity": severity.name.lower(),
        "score": summary.score,
        "level": level_of(summary.score),
        "learned": summary.learned,
        "frozen": summary.frozen,
        "readings": summary.readings,
        "newest_s": summary.time_ns / 1e9,
        "warning": one.warning,
        "critical": one.critical,
        "warning_level": level_of(one.warning),
        "critical_level": level_of(one.critical),
        "has_baseline": one.has_baseline,
        "incident": told(summary.incident, one.rule),
        "sensors": [{**each.told(), **sensor_label(one.rule, each.sensor)} for each in one.trust],
        **one.changes.told(),
        "account": one.account.says if one.account else "",
    }


def rounded(values: Floats) -> list[float]:
    """Numbers with as many digits as a chart shows; what is not finite becomes null in JSON."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(values))))
        short = np.round(values * scale) / scale
    found: list[float] = np.where((values == 0.0) | ~np.isfinite(short), values, short).tolist()
    return found


def blamed(table: Table, lines: Sequence[tuple[str, int]]) -> list[str]:
    """Sensors, those first that had the largest share in the newest rows that were explained."""
    weight: dict[int, float] = {}
    explained = np.unique(table.row)[-50:]
    recent = np.isin(table.row, explained)
    line, share = table.readings["line"][recent].astype(np.int64), table.readings["share"][recent].astype(float)
    severity = table.rows["severity"][table.row[recent]].astype(float)
    for number, part, urgent in zip(line.tolist(), np.nan_to_num(share).tolist(), severity.tolist(), strict=True):
        weight[number] = weight.get(number, 0.0) + part * (0.1 + urgent)
    order = sorted(range(len(lines)), key=lambda at: (-weight.get(lines[at][1], 0.0), at))
    return [lines[at][0] for at in order]


def chart(
    table: Table, lines: Sequence[tuple[str, int]], chosen: Sequence[str], populations: Sequence[str]
) -> dict[str, Any]:
    """Rows as columns of one length, for charts; `null` where a sensor said nothing."""
    numbers, names = dict(lines), {line: sensor for sensor, line in lines}
    length = len(table.time_ns)
    line = table.readings["line"].astype(np.int64)
    sensors = {}
    for sensor in chosen:
        at = np.flatnonzero(line == numbers[sensor])
        columns: dict[str, Any] = {}
        for name in ("value", "expected", "low", "high", "score"):
            column = np.full(length, np.nan)
            column[table.row[at]] = table.readings[name][at]
            columns[name] = rounded(column)
        fires: NDArray[np.int64] = np.zeros(length, np.int64)
        fires[table.row[at]] = table.readings["fires"][at]
        columns["fires"] = fires.tolist()
        sensors[sensor] = columns
    own, back = np.unique(line[::-1], return_index=True)  # the newest reading of each line
    at = len(line) - 1 - back
    told_of = ("value", "expected", "low", "high", "score", "share")
    scores = table.readings["score"][at].astype(float)
    columns_of = [rounded(table.readings[name][at].astype(float)) for name in told_of]
    newest = {
        names[number]: {**dict(zip(told_of, values, strict=True)), "level": level}
        for number, level, *values in zip(own.tolist(), levels_of(scores).tolist(), *columns_of, strict=True)
        if number in names
    }
    severity: Ints = table.rows["severity"].astype(np.int64)
    return {
        "time_s": np.round(table.time_ns / 1e9, 6).tolist(),
        "score": np.round(table.rows["score"].astype(float), SCORE_DIGITS).tolist(),
        "level": levels_of(table.rows["score"].astype(float)).tolist(),
        "severity": severity.tolist(),
        "cause": [names.get(one, "") for one in table.rows["cause"].astype(np.int64).tolist()],
        "spikes": table.rows["spikes"].tolist(),
        "sensors": sensors,
        "newest": newest,
        "populations": [{"name": one, "says": POPULATION[one]} for one in populations],
    }


def past(point: Point) -> dict[str, Any]:
    """What became of an incident, from its point."""
    tags = dict(point.tags)
    number, name = tags.pop("id", ""), tags.pop("machine", "")
    machine = Machine(name, tuple(sorted(tags.items())))
    fields_of = dict(point.fields)
    peak = fields_of.get("peak")
    return {
        **named(machine),
        "number": number,
        "time_s": point.time_ns / 1e9,
        "started_s": float(fields_of.get("started", 0)) / 1e9,
        "ended_s": float(fields_of["ended"]) / 1e9 if fields_of.get("ended") else None,
        "severity": Severity(int(fields_of.get("severity", 0))).name.lower(),
        **{key: fields_of.get(key, "") for key in ("phase", "peak", "cause", "sensors", "why", "class", "reason")},
        "peak_level": level_of(peak) if isinstance(peak, float) else "",  # earlier points say none
        "confidence": fields_of.get("confidence", 0.0),
        "acknowledged": fields_of.get("acknowledged", False),
        "unconfirmed": fields_of.get("unconfirmed", False),
    }


def open_incidents(ask: Ask) -> list[dict[str, Any]]:
    """All open incidents, those first that nobody has acknowledged and that are worst."""

    def slots(engine: Engine) -> list[int]:
        incident = engine.fleet.state.incident_machines
        open_ = np.flatnonzero(incident.open[: len(engine.fleet.machines)])
        worst = np.lexsort((incident.began_ns[open_], -incident.severity[open_], incident.acknowledged[open_]))
        found: list[int] = open_[worst].tolist()
        return found

    def one(engine: Engine, slot: int) -> dict[str, Any]:
        machine, rule = engine.fleet.machines[slot], engine.fleet.rules[slot]
        label = machine_label(rule, machine.name)
        return {**named(machine), "label": label, "incident": told(engine.incident(slot), rule)}

    found = of_each(ask, ask(slots), one)
    return [each for each in found if each["incident"] is not None]  # it may have closed while others were told of


def unconfirmed(ask: Ask) -> list[dict[str, Any]]:
    """All machines with an unconfirmed incident, open or not."""

    def slots(engine: Engine) -> list[int]:
        waiting = engine.fleet.state.incident_machines.unconfirmed[: len(engine.fleet.machines)]
        found: list[int] = np.flatnonzero(waiting).tolist()
        return found

    def one(engine: Engine, slot: int) -> dict[str, Any]:
        return {**named(engine.fleet.machines[slot]), **engine.changes(slot).told()}

    found = of_each(ask, ask(slots), one)
    return [each for each in found if each["unconfirmed"] is not None]  # it may have been answered meanwhile


def named(machine: Machine) -> dict[str, Any]:
    """Which machine it is."""
    return {"machine": machine.name, "id": identity(machine), "tags": dict(machine.tags)}


def said(point: Point) -> dict[str, Any]:
    """What somebody said to a machine, from its point."""
    tags = dict(point.tags)
    name = tags.pop("machine", "")
    return {
        "machine": name,
        "id": identity(Machine(name, tuple(sorted(tags.items())))),
        "time_s": point.time_ns / 1e9,
        **{key: point.fields.get(key, "") for key in ("verb", "argument", "by", "via")},
    }
