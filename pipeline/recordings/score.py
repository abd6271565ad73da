"""Scoring files: each file is one machine with a fresh network, read row by row as if it happened now."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pipeline.config.settings import Limits, MachineRule
from pipeline.engine.engine import Engine
from pipeline.engine.scores import Scores
from pipeline.network import prior
from pipeline.network.calendar import Calendar
from pipeline.network.parameters import Params
from pipeline.recordings.tables import Table
from pipeline.records import Bools, Floats, Ints, Machine, Readings

CHUNK_ROWS = 2_000  # per step of the engine; any other number gives the same scores


class Scored(NamedTuple):
    """One entry per row of the table."""

    score: Floats  # 0 in rows without any reading and while the machine is learning; see `score`
    severity: Ints
    cause: list[str]  # sensor; empty in rows without any reading
    ready: Bools  # the machine's first 100 readings are over; before, it only learns
    disordered: int  # rows whose time is not later than the row before
    explained: "Explained | None" = None  # where asked for


class Explained(NamedTuple):
    """Why each row of the table has its score; arrays are (rows, sensors), in the table's order."""

    why: list[str]  # per row; empty unless its severity is above normal
    share: Floats  # in the row's score; NaN where a reading is missing, as are the others, or the score is 0
    expected: Floats  # in the sensor's unit, as are the next two; NaN while the machine is learning
    low: Floats
    high: Floats


def in_order(time_ns: Ints) -> tuple[Ints, int]:
    """Times that increase from row to row, and how many rows had to be moved: in a file, row order is the truth."""
    lifted = np.maximum.accumulate(time_ns - np.arange(len(time_ns))) + np.arange(len(time_ns))
    return lifted, int(np.count_nonzero(np.diff(time_ns) <= 0))


def borders(table: Table, rows: int, cut: int | None) -> list[int]:
    """Rows at which a batch of at most `rows` rows begins, `cut` among them if it is a row, and the table's end."""
    end = len(table.time_ns)
    begins = set(range(0, end, rows))
    if cut is not None and 0 <= cut < end:
        begins.add(cut)
    return [*sorted(begins), end]


def first_readings(values: Floats) -> list[int]:
    """The columns that have readings, in order of their first ones: that in which a service discovers sensors."""
    known = ~np.isnan(values)
    first = np.where(known.any(axis=0), known.argmax(axis=0), -1)
    return [int(column) for column in np.argsort(first, kind="stable") if first[column] >= 0]


def batches(engine: Engine, table: Table, rows: int, cut: int | None = None) -> Iterator[Readings]:
    """The table's readings as the engine takes them, `rows` rows at a time; empty cells are no readings."""
    machine = Machine(table.name)
    lines = np.zeros(len(table.sensors), np.int64)
    for sensor in first_readings(table.values):
        _, lines[sensor] = engine.fleet.number(machine, table.sensors[sensor])
    time_ns, _ = in_order(table.time_ns)
    for begin, end in pairwise(borders(table, rows, cut)):
        values = table.values[begin:end]
        row, column = np.nonzero(~np.isnan(values))
        yield Readings(
            np.zeros(len(row), np.int64),
            lines[column],
            time_ns[begin + row],
            values[row, column],
            np.append(row[1:] != row[:-1], True)[: len(row)],
        )


def heard(table: Table, rule: MachineRule) -> Table:
    """The table without the sensors that the rule ignores."""
    ignored = [sensor in rule.sensors and rule.sensors[sensor].ignore for sensor in table.sensors]
    sensors = [sensor for sensor, left_out in zip(table.sensors, ignored, strict=True) if not left_out]
    return table._replace(sensors=sensors, values=table.values[:, ~np.array(ignored, np.bool_)])


def room_for(table: Table) -> Limits:
    """A file may have any number of sensors: the limits are there for what strangers send."""
    count = len(table.sensors)
    return Limits(sensors=count, sensors_per_machine=count, sensors_per_group=count)


def learned(table: Table, rule: MachineRule) -> prior.Prior | None:
    """What the recorded machine can tell others of its kind; None if it is too short."""
    table = heard(table, rule)
    engine = Engine(limits=room_for(table), rule=lambda name: rule)
    for readings in batches(engine, table, CHUNK_ROWS):
        engine.step(readings)
    engine.finish()
    return engine.fleet.learned(0) if engine.fleet.machines else None


def score(
    table: Table,
    rows: int = CHUNK_ROWS,
    progress: Callable[[int], None] | None = None,
    rule: MachineRule | None = None,
    known: prior.Prior | None = None,
    params: Params | None = None,
    freeze_at: int | None = None,
    explain: bool = False,
    calendar: Calendar | None = None,
) -> Scored:
    """Scores of every row of a table; row t depends on rows up to t only. `progress` gets rows done so far.

    What is known beforehand, as the service takes it from the configuration: `rule` about the machine, `known` about
    its kind, `calendar` its local time and holidays.
    `explain`: with the reasons, which take three to four times the memory of the table.

    Where sensors have rows of their own, the network joins what belongs together; its score is that of the last of
    these rows, before which it was not known, and the others have that of the row before.

    For experiments: other `params`, and the first row that the network does not learn from, `freeze_at`.
    """
    settings = rule or MachineRule()
    whole, table = table, heard(table, settings)
    engine = Engine(
        limits=room_for(table),
        rule=lambda name: settings,
        params=params,
        priors=lambda name: known,
        calendars=lambda name: calendar,
    )
    readings_until, judged = np.cumsum((~np.isnan(table.values)).sum(axis=1)), 0
    count, told_at = len(table.time_ns), np.zeros(len(table.time_ns), np.int64)
    scores, severity, learned, cause = np.zeros(count), np.zeros(count, np.int64), np.zeros(count), [""] * count
    explained = nothing_explained(whole) if explain else None

    def keep(part: Scores) -> None:
        nonlocal judged
        if not len(part):
            return
        rows_ = np.searchsorted(readings_until, judged + part.until)
        judged += int(part.until[-1])
        told_at[rows_] = rows_
        scores[rows_], severity[rows_], learned[rows_] = part.score, part.severity, part.learned
        for row, line in zip(rows_.tolist(), part.cause.tolist(), strict=True):
            cause[row] = engine.fleet.lines[line][1]
        if explained is not None:
            note(engine, part, rows_, whole, explained)

    steps = zip(pairwise(borders(table, rows, freeze_at)), batches(engine, table, rows, freeze_at), strict=True)
    for (begin, end), readings in steps:
        if begin == freeze_at:
            keep(engine.finish())
            engine.freeze(0)
        keep(engine.step(readings))
        if progress is not None:
            progress(end)
    keep(engine.finish())
    told_at = np.maximum.accumulate(told_at)
    untold = np.flatnonzero((told_at < np.arange(count)) & (np.diff(readings_until, prepend=0) > 0))
    for column in (scores, severity, learned):
        column[untold] = column[told_at[untold]]
    for row in untold.tolist():
        cause[row] = cause[told_at[row]]
    # The reading that completes the warm-up is its last one, so a machine is ready from the next row on.
    ready = np.append(False, np.maximum.accumulate(learned) >= 1.0)[: len(scores)]
    return Scored(scores, severity, cause, ready, in_order(table.time_ns)[1], explained)


def nothing_explained(table: Table) -> Explained:
    """Room for a table's explanations."""
    share, expected, low, high = np.full((4, *table.values.shape), np.nan)
    return Explained([""] * len(table.time_ns), share, expected, low, high)


def note(engine: Engine, scores: Scores, rows: Ints, table: Table, explained: Explained) -> None:
    """Explain scores of the only machine of an engine, which are of these rows of its table."""
    told = engine.explain(scores, np.arange(len(scores)))
    columns = np.array([table.sensors.index(sensor) for _, sensor in engine.fleet.lines], np.int64)[told.line]
    at = rows[told.row]
    while (elsewhere := np.isnan(table.values[at, columns])).any():  # the reading is of an earlier row
        at = at - elsewhere
    cell = at, columns
    for name in ("share", "expected", "low", "high"):
        getattr(explained, name)[cell] = getattr(told, name)
    alarms = np.flatnonzero(scores.severity > 0)
    for row, said in zip(rows[alarms].tolist(), engine.why(scores, alarms), strict=True):
        explained.why[row] = said
