"""Scoring files: each file is one machine with a fresh network, read row by row as if it happened now."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pipeline.engine import Engine, Scores
from pipeline.network import layers
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


def borders(table: Table, rows: int, cut: int | None) -> list[int]:
    """Rows at which a batch of at most `rows` rows begins, `cut` among them if it is a row, and the table's end."""
    end = len(table.time_ns)
    begins = set(range(0, end, rows))
    if cut is not None and 0 <= cut < end:
        begins.add(cut)
    return [*sorted(begins), end]


def batches(engine: Engine, table: Table, rows: int, cut: int | None = None) -> Iterator[Readings]:
    """The table's readings as the engine takes them, `rows` rows at a time; empty cells are no readings."""
    machine = Machine(table.name)
    numbers = [engine.fleet.number(machine, sensor) for sensor in table.sensors]
    lines = np.array([line for _, line in numbers], np.int64)
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


def score(
    table: Table,
    rows: int = CHUNK_ROWS,
    progress: Callable[[int], None] | None = None,
    params: layers.Params | None = None,
    freeze_at: int | None = None,
) -> Scored:
    """Scores of every row of a table; row t depends on rows up to t only. `progress` gets rows done so far.

    For experiments: other `params`, and the first row that the network does not learn from, `freeze_at`.
    """
    engine = Engine(params=params)
    found: list[Scores] = []
    steps = zip(pairwise(borders(table, rows, freeze_at)), batches(engine, table, rows, freeze_at), strict=True)
    for (begin, end), readings in steps:
        if begin == freeze_at:
            found.append(engine.finish())
            engine.freeze(0)
        found.append(engine.step(readings))
        if progress is not None:
            progress(end)
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
