"""Scoring files: each file is one machine with a fresh network, read row by row as if it happened now."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from pipeline.engine import Engine, Scores
from pipeline.records import Bools, Floats, Ints, Machine, Readings
from pipeline.tables import Table

CHUNK_ROWS = 2_000  # per step of the engine; any other number gives the same scores


class Scored(NamedTuple):
    """One entry per row of the table."""

    score: Floats  # 0 in rows without any reading and while the machine is learning
    severity: Ints
    cause: list[str]  # sensor; empty in rows without any reading
    ready: Bools  # the machine's first 100 readings are over; before, it only learns
    disordered: int  # rows whose time is not later than the row before


def in_order(time_ns: Ints) -> tuple[Ints, int]:
    """Times that increase from row to row, and how many rows had to be moved: in a file, row order is the truth."""
    lifted = np.maximum.accumulate(time_ns - np.arange(len(time_ns))) + np.arange(len(time_ns))
    return lifted, int(np.count_nonzero(np.diff(time_ns) <= 0))


def batches(engine: Engine, table: Table, rows: int) -> Iterator[Readings]:
    """The table's readings as the engine takes them, `rows` rows at a time; empty cells are no readings."""
    machine = Machine(table.name)
    numbers = [engine.fleet.number(machine, sensor) for sensor in table.sensors]
    lines = np.array([line for _, line in numbers], np.int64)
    time_ns, _ = in_order(table.time_ns)
    for begin in range(0, len(time_ns), rows):
        values = table.values[begin : begin + rows]
        row, column = np.nonzero(~np.isnan(values))
        yield Readings(
            np.zeros(len(row), np.int64),
            lines[column],
            time_ns[begin + row],
            values[row, column],
            np.append(row[1:] != row[:-1], True)[: len(row)],
        )


def score(table: Table, rows: int = CHUNK_ROWS, progress: Callable[[int], None] | None = None) -> Scored:
    """Scores of every row of a table; row t depends on rows up to t only. `progress` gets rows done so far."""
    engine = Engine()
    found: list[Scores] = []
    for number, readings in enumerate(batches(engine, table, rows), 1):
        found.append(engine.step(readings))
        if progress is not None:
            progress(min(number * rows, len(table.time_ns)))
    found.append(engine.finish())
    with_readings = np.flatnonzero(~np.isnan(table.values).all(axis=1))
    scores, severity = np.zeros(len(table.time_ns)), np.zeros(len(table.time_ns), np.int64)
    scores[with_readings] = np.concatenate([part.score for part in found])
    severity[with_readings] = np.concatenate([part.severity for part in found])
    cause = [""] * len(scores)
    for row, line in zip(
        with_readings.tolist(), np.concatenate([part.cause for part in found]).tolist(), strict=True
    ):
        cause[row] = engine.fleet.lines[line][1]
    learned = np.zeros(len(scores))
    learned[with_readings] = np.concatenate([part.learned for part in found])
    # The reading that completes the warm-up is its last one, so a machine is ready from the next row on.
    ready = np.append(False, np.maximum.accumulate(learned) >= 1.0)[: len(scores)]
    return Scored(scores, severity, cause, ready, in_order(table.time_ns)[1])
