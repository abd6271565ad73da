"""Recorded failures from a CSV of their own: `start,end` and optionally `file` and `what`, a line each.

Times are read as those of the recordings are. What is wrong is one error that names file, line and column.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.files import read_bounded
from pipeline.recordings.evaluation import Label
from pipeline.recordings.tables import Choices, Table, TableError, times

MOST_BYTES = 16 << 20  # a hundred thousand failures and more
COLUMNS = ("start", "end", "file", "what")


class LabelsError(Exception):
    """Labels cannot be used; the text names the file, the line and the column."""


class Line(NamedTuple):
    """A line of the file."""

    number: int
    cells: dict[str, str]  # by column; a cell that is not there is empty


def read_labels(path: Path, tables: Sequence[Table], choices: Choices | None = None) -> list[list[Label]]:
    """The labels of each table; raises LabelsError. Times are read as `choices` say, and as those of the tables were.

    A line whose `file` is empty, or in a file without that column, holds for every table that it overlaps.
    """
    lines = _lines(path)
    names = [table.name for table in tables]
    cells = [line.cells[name] for name in ("start", "end") for line in lines]
    try:
        both = times(cells, _as_in(tables, choices or Choices()))
    except TableError as error:
        raise LabelsError(f"{path}: start, end: {error}") from None
    starts, ends = both[: len(lines)], both[len(lines) :]
    found: list[list[Label]] = [[] for _ in tables]
    for line, start_ns, end_ns in zip(lines, starts, ends, strict=True):
        start, end, name = line.cells["start"], line.cells["end"], line.cells["file"]
        where = f"{path}:{line.number}"
        if start_ns is None:
            raise LabelsError(f"{where}: start: {start!r} is not a time")
        if end_ns is None:
            raise LabelsError(f"{where}: end: {end!r} is not a time")
        if end_ns < start_ns:
            raise LabelsError(f"{where}: end: {end!r} is before its start, {start!r}")
        if name and name not in names:
            raise LabelsError(f"{where}: file: {name!r} is not one of the inputs: {', '.join(names)}")
        meant = [number for number, table in enumerate(tables) if name in ("", table.name)]
        met = [number for number in meant if _overlaps(tables[number], start_ns, end_ns)]
        if not met:
            spans = "; ".join(_span(tables[number]) for number in meant)
            raise LabelsError(f"{where}: start, end: {start!r} to {end!r} is outside the time of {spans}")
        for number in met:
            found[number].append(Label(start_ns, end_ns, line.cells["what"]))
    return found


def _as_in(tables: Sequence[Table], choices: Choices) -> Choices:
    """What is said about times, with the order of day and month in the recordings where all have one."""
    orders = {table.dayfirst for table in tables if table.dayfirst is not None}
    if choices.dayfirst is None and len(orders) == 1:
        choices = choices._replace(dayfirst=orders.pop())
    return choices._replace(time_unit=None, start=None)


def _lines(path: Path) -> list[Line]:
    try:
        with io.StringIO(read_bounded(path, MOST_BYTES).decode("utf-8-sig"), newline="") as file:
            header = file.readline()
            separator = max(",;\t", key=header.count)
            names = [name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])]
            for name in ("start", "end"):
                if name not in names:
                    raise LabelsError(f"{path}:1: no column {name!r}; there are {', '.join(names) or 'none'}")
            for number, name in enumerate(names):
                if name not in COLUMNS:
                    raise LabelsError(f"{path}:1: column {name!r} is not known; possible are {', '.join(COLUMNS)}")
                if name in names[:number]:
                    raise LabelsError(f"{path}:1: column {name!r} occurs twice")
            lines = []
            reader = csv.reader(file, delimiter=separator)
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                number = reader.line_num + 1
                if len(row) > len(names):
                    raise LabelsError(f"{path}:{number}: {len(row)} cells for {len(names)} columns")
                given = {name: cell.strip() for name, cell in zip(names, row, strict=False)}
                lines.append(Line(number, {name: given.get(name, "") for name in COLUMNS}))
    except FileNotFoundError:
        raise LabelsError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"{path}: {error}") from None
    if not lines:
        raise LabelsError(f"{path}: no label in it")
    return lines


def _overlaps(table: Table, start_ns: int, end_ns: int) -> bool:
    return start_ns <= int(table.time_ns.max()) and end_ns >= int(table.time_ns.min())


def _span(table: Table) -> str:
    return f"{table.name} ({table.stamps[table.time_ns.argmin()]} to {table.stamps[table.time_ns.argmax()]})"
