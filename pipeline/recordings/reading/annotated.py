"""Annotated CSV of InfluxDB 2: several tables in one file, each with rows that say what its columns are.

https://docs.influxdata.com/influxdb/cloud/reference/syntax/annotated-csv/ : lines that begin with `#datatype`,
`#group` and `#default`, then names; the first column is empty but for annotations. Tables follow each other after
an empty line or a new annotation, and may have other columns.
"""

import csv
import io
from typing import Any

import numpy as np

from pipeline.recordings.reading.cells import plain_numbers
from pipeline.recordings.reading.choices import Choices, Found, TableError, counted
from pipeline.recordings.reading.delimited import Columns
from pipeline.recordings.reading.encoding import known
from pipeline.recordings.reading.roles import MACHINE_NAMES, plain
from pipeline.recordings.reading.source import Opener

MARKS = ("#datatype", "#group", "#default")
NUMBERS = ("long", "double", "unsignedLong", "boolean")
LEFT_OUT = ("result", "table", "_start", "_stop")
SENSOR, VALUE, TIME = "_field", "_value", "_time"
MOST_CELLS = 100_000_000


def is_annotated(first: bytes) -> bool:
    """Whether a file begins with an annotation."""
    line = first.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").lstrip(b'"')
    return line.startswith(tuple(mark.encode() for mark in MARKS))


class _Block:
    """One table of the file."""

    def __init__(self) -> None:
        self.annotations: dict[str, list[str]] = {}
        self.names: list[str] = []

    def kind(self, place: int) -> str:
        kinds = self.annotations.get("#datatype", [])
        return kinds[place] if place < len(kinds) else "string"

    def default(self, place: int) -> str:
        cells = self.annotations.get("#default", [])
        return cells[place] if place < len(cells) else ""


def read_annotated(opener: Opener, choices: Choices, found: Found) -> tuple[Columns, Choices]:
    """Read annotated CSV; also what its columns are for, where nobody says otherwise. Raises TableError."""
    cells: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    count, blocks = 0, 0
    block = _Block()
    encoding = known(choices.encoding or "utf-8")
    with io.TextIOWrapper(io.BufferedReader(opener(), 1 << 16), encoding=encoding, newline="") as file:  # type: ignore[type-var]
        reader = csv.reader(file)
        try:
            for row in reader:
                if not any(row):
                    block = _Block() if block.names else block
                elif row[0].startswith("#"):
                    block = _Block() if block.names else block
                    block.annotations[row[0]] = row
                elif not block.names:
                    block.names = row
                    blocks += 1
                    for place, name in enumerate(row):
                        if name:
                            kinds.setdefault(name, block.kind(place))
                else:
                    _add(block, row, cells, count, reader.line_num)
                    count += 1
                    if count * len(cells) > MOST_CELLS:
                        raise TableError("too large for one table: cut the file into parts")
        except UnicodeDecodeError:
            raise TableError("not UTF-8, which annotated CSV is: give --encoding") from None
        except csv.Error as error:
            raise TableError(f"line {reader.line_num}: {error}") from None
    if "error" in cells and TIME not in cells:
        raise TableError(f"an error of InfluxDB instead of data: {next(iter(cells['error']), '')[:200]}")
    found.fact(f"annotated CSV of InfluxDB, {counted(blocks, 'table', 'tables')}")
    return _columns(cells, kinds, count, choices, found)


def _add(block: _Block, row: list[str], cells: dict[str, list[str]], count: int, line: int) -> None:
    if len(row) > len(block.names):
        raise TableError(f"line {line} has {len(row)} cells, but there are {len(block.names)} columns")
    for place, name in enumerate(block.names):
        if name:
            column = cells.setdefault(name, [])
            if len(column) > count:
                raise TableError(f"line {line}: column {name!r} occurs twice")
            column.extend([""] * (count - len(column)))
            column.append((row[place] if place < len(row) else "") or block.default(place))


def _columns(
    cells: dict[str, list[str]], kinds: dict[str, str], count: int, choices: Choices, found: Found
) -> tuple[Columns, Choices]:
    import pandas as pd

    for column in cells.values():
        column.extend([""] * (count - len(column)))
    kept = {name: column for name, column in cells.items() if name not in LEFT_OUT}
    tags = [name for name in kept if not name.startswith("_") and kinds[name] == "string"]
    data: dict[str, pd.Series[Any]] = {}
    for name, column in kept.items():
        series = pd.Series(column, dtype="str").replace("", None)
        if kinds[name] in NUMBERS and kinds[name] != "boolean":
            numbers = plain_numbers(series)
            if (~np.isnan(numbers) | series.isna()).all():
                data[name] = pd.Series(numbers)
                continue
        data[name] = series
    frame = pd.DataFrame(data, index=range(count))
    if TIME in frame.columns and choices.time is None:
        choices = choices._replace(time=TIME)
    if SENSOR in frame.columns and VALUE in frame.columns and choices.sensor_column is None:
        varying = [name for name in ("_measurement", *tags) if name in frame.columns and frame[name].nunique() > 1]
        machine = choices.machine_column or next((name for name in varying if plain(name) in MACHINE_NAMES), None)
        others = [name for name in varying if name != machine]
        parts = [*others, SENSOR] if frame[SENSOR].nunique() > 1 or not others else others
        sensor = frame[parts[0]].fillna("")
        for part in parts[1:]:
            sensor = sensor + "." + frame[part].fillna("")
        frame[SENSOR] = sensor
        frame = frame.drop(
            columns=[name for name in ("_measurement", *tags) if name in frame.columns and name != machine]
        )
        choices = choices._replace(sensor_column=SENSOR, value_column=VALUE, machine_column=machine)
        if machine is not None:
            found.fact(f"machines of {machine}")
        if others:
            found.fact(f"sensors named by {' and '.join(parts)}")
    return Columns(frame, ".", True), choices
