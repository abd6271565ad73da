"""What line protocol, CSV and SenML need to be read: precision, tags, columns, separators. Pure."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from pipeline.commissioning.proposing.clocks import Stamp, Timed, with_clock
from pipeline.commissioning.proposing.heard import Topic
from pipeline.commissioning.proposing.kinds import is_cell
from pipeline.commissioning.proposing.stamps import ISO, formats_of
from pipeline.commissioning.proposing.words import MACHINE_FIELDS, TIME_FIELDS, may_name_machines
from pipeline.config.settings import Source
from pipeline.payloads.csv_rows import TAB
from pipeline.records import Message

# Below which size a stamp of today is in that unit, and what one is in nanoseconds.
PRECISIONS = (("s", 1e11, 10**9), ("ms", 1e14, 10**6), ("us", 1e17, 10**3), ("ns", 1e20, 1))
MACHINE_TAGS = ("machine", "machine_id", "device", "device_id", "asset", "host")
NO_NAMES = "its rows do not say what their columns are: give them their names"
_STAMP = re.compile(r" (-?[0-9]{9,20})[ \r]*$", re.MULTILINE)
_TAGS = re.compile(r"^(?:[^,\s\\]|\\.)+((?:,(?:[^,=\s\\]|\\.)+=(?:[^,=\s\\]|\\.)+)*) ", re.MULTILINE)
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


def line_protocol(source: Source, literal: str, members: Sequence[Topic], one_machine: bool) -> Timed:
    """The source with the precision of its stamps, and the tag that names the machine where the topic does not."""
    tags: list[dict[str, str]] = []
    stamps: list[Stamp] = []
    unit = "ns"
    for number, (text, message) in enumerate(_contents(members)):
        tags += [dict(tag.split("=", 1) for tag in re.split(r"(?<!\\),", found)[1:]) for found in _TAGS.findall(text)]
        for digits in map(int, _STAMP.findall(text)):
            unit, _, unit_ns = next(one for one in PRECISIONS if abs(digits) < one[1])
            stamps.append(Stamp(digits * unit_ns, number, message))
    if unit != "ns":
        source = replace(source, time_unit=unit)
    if one_machine:
        tag = next((name for name in MACHINE_TAGS if tags and all(name in one for one in tags)), None)
        levels = {level for one in members for level in one.levels}
        if tag is not None and not {one[tag] for one in tags} <= levels:
            source = replace(source, topic=literal, machine=tag)
    return with_clock(source, stamps, [ISO], None) if stamps else Timed(source)


class Table(NamedTuple):
    """The rows of one message."""

    rows: Sequence[Sequence[str]]
    number: int
    message: Message

    @property
    def header(self) -> tuple[str, ...]:
        """The first row, where it has names alone and others follow; empty where it does not."""
        return tuple(self.rows[0]) if len(self.rows) > 1 and not any(map(is_cell, self.rows[0])) else ()

    @property
    def body(self) -> Sequence[Sequence[str]]:
        """The rows below the header."""
        return self.rows[bool(self.header) :]


def rows(source: Source, literal: str, members: Sequence[Topic], one_machine: bool, host_zone: str | None) -> Timed:
    """The source with separator, decimal sign and columns of CSV."""
    contents = _contents(members)
    separator = contents[-1][0][0]
    tables = [Table(tree[1], at, message) for at, (tree, message) in enumerate(contents) if tree[0] == separator]
    headers = [table.header for table in tables if table.header]
    width = len(tables[-1].rows[0])
    names = list(headers[-1]) if headers else [f"column{number}" for number in range(1, width + 1)]
    source = replace(source, separator=TAB if separator == "\t" else separator)
    body = [row for table in tables for row in table.body if len(row) == len(names)]
    if separator != "," and any(_COMMA.fullmatch(cell) for row in body for cell in row):
        source = replace(source, decimal=",")
    times = _time_column(tables, names, bool(headers), source.decimal)
    if times is not None and not headers:
        names[times.column] = "time"
    if len(headers) < len(tables):  # said in some messages only, or in none
        source = replace(source, columns=tuple(names))
    if one_machine:
        source = _with_machine(source, literal, names, body)
    if times is not None:
        timed = replace(source, time=names[times.column], time_missing="arrival")
        found = with_clock(timed, times.stamps, times.written, host_zone)
    else:
        found = Timed(source)
    return found if headers else found._replace(notes=(NO_NAMES, *found.notes))


def _with_machine(source: Source, literal: str, names: Sequence[str], body: Sequence[Sequence[str]]) -> Source:
    """The source with the column that names machines, where one does."""
    for column, name in enumerate(names):
        cells = {row[column] for row in body}
        if name.casefold() in MACHINE_FIELDS and may_name_machines(name, cells) and not any(map(is_cell, cells)):
            return replace(source, topic=literal, machine=name)
    return source


class Times(NamedTuple):
    """A column of times."""

    column: int
    stamps: Sequence[Stamp]
    written: Sequence[str]  # formats


def _time_column(tables: Sequence[Table], names: Sequence[str], named: bool, decimal: str) -> Times | None:
    """The column that holds times: by its name, or where columns have none the first that does."""
    for column, name in enumerate(names):
        if named and name.casefold() not in TIME_FIELDS:
            continue
        stamps = [
            Stamp(_value(row[column], decimal), table.number, table.message)
            for table in tables
            for row in table.body
            if len(row) == len(names) and row[column]
        ]
        arrived = [one.message.received_ns for one in stamps]
        written = formats_of([one.value for one in stamps], arrived) if stamps else []
        if written:
            return Times(column, stamps, written)
    return None


def _value(cell: str, decimal: str) -> Any:
    """A cell as the format reads one of the column of time."""
    plain = cell.replace(",", ".", 1) if decimal == "," else cell
    if not is_cell(plain):
        return cell
    return int(plain) if plain.lstrip("+-").isdecimal() else float(plain)


def senml(source: Source, literal: str, members: Sequence[Topic], one_machine: bool) -> Timed:
    """The source; base names are machines where one topic has several of them."""
    bases = {one["bn"] for tree, _ in _contents(members) for one in tree if isinstance(one.get("bn"), str)}
    if one_machine and len(bases) > 1:
        return Timed(replace(source, topic=literal))
    return Timed(source)


def _contents(members: Sequence[Topic]) -> list[tuple[Any, Message]]:
    return [pair for one in members for pair in zip(one.trees, one.messages, strict=True)]
