"""A recorded file of any kind as tables, and scores as the CSV files that `score` and `rescore` write."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.engine.scoring import Severity
from pipeline.recordings.reading.choices import counted
from pipeline.recordings.score import Explained, Scored
from pipeline.recordings.tables import Choices, Table, TableError, read_tables
from pipeline.recordings.waveforms import is_waveform, read_waveform
from pipeline.records import Bools

NO_SENSOR = "no numeric column but the time"


def read_machines(path: Path, choices: Choices, label: str | None = None) -> tuple[list[Table], list[str]]:
    """The machines of a file, readings or samples, and how it was understood; raises TableError."""
    if is_waveform(path, choices.waveform):
        if label is not None:
            raise TableError(f"{path}: samples have no labels in a column; give --labels")
        table, notes = read_waveform(path, choices)
        return [table._replace(understood="; ".join(notes))], notes
    tables = read_tables(path, choices, label)
    rows = counted(sum(len(table.stamps) for table in tables), "row", "rows")
    sensors = counted(len({sensor for table in tables for sensor in table.sensors}), "sensor", "sensors")
    return tables, [f"{path}: {rows}, {sensors}; {tables[0].understood}"]


def write_scores(path: Path, table: Table, scored: Scored, labelled: Bools | None = None) -> None:
    """time,score,severity,cause and, of an evaluation, label: a line per row."""
    columns: list[Sequence[object]] = [
        table.stamps,
        [f"{value:.6f}" for value in scored.score.tolist()],
        [Severity(level).name.lower() for level in scored.severity.tolist()],
        scored.cause,
    ]
    names = ["time", "score", "severity", "cause"]
    if labelled is not None:
        columns.append(labelled.astype(int).tolist())
        names.append("label")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(zip(*columns, strict=True))


def write_explanations(path: Path, table: Table, explained: Explained) -> None:
    """time,why and per sensor its share, expected, low and high: a line per row, empty where nothing is known."""
    parts = ("share", "expected", "low", "high")
    columns = np.stack([getattr(explained, part) for part in parts], axis=2)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "why", *(f"{sensor}.{part}" for sensor in table.sensors for part in parts)])
        for stamp, why, numbers in zip(table.stamps, explained.why, columns, strict=True):
            cells = ("" if number != number else f"{number:.9g}" for number in numbers.ravel().tolist())
            writer.writerow([stamp, why, *cells])


def disorder(name: str, scored: Scored) -> str:
    """What is to be said about the order of a file's rows; empty if nothing is."""
    if not scored.disordered:
        return ""
    return f"{name}: {scored.disordered} rows are not later than the row before; taken in file order"


def in_short(scored: Scored) -> str:
    """How many rows there are, and how many of them are in alarm."""
    learning = len(scored.ready) - int(scored.ready.sum())
    warning, critical = (int((scored.severity == level).sum()) for level in (Severity.WARNING, Severity.CRITICAL))
    rows = f"{len(scored.ready):,} rows, {learning:,} of them learning"
    return f"{rows}; {warning:,} warning, {critical:,} critical"
