"""How a text file is laid out: what separates cells, which row names the columns, and where the data begin.

Looks at the first rows only and reads nothing but text, so it can be tried on anything. What it finds is checked
against the whole file by whoever reads that.
"""

import csv
import io
import re
from collections import Counter
from typing import NamedTuple

from pipeline.recordings.reading.cells import Mark, mark_of, without_unit
from pipeline.recordings.reading.choices import Choices, Found, TableError, counted, shown
from pipeline.recordings.reading.dates import is_moment

SEPARATORS = (",", ";", "\t", "|")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "blank"}
BY_NAME = {name: mark for mark, name in NAMES.items()} | {"space": " ", "\\t": "\t"}
EXTRA_ROWS = 6  # of units and descriptions below the names, at most
SAMPLE_ROWS = 400
TYPICAL_ROWS = 60  # that say what a row of data looks like
AGREE = 0.6  # of the rows must have the same number of cells; from judgement
_CERTAIN = re.compile(r"[0-9]{4}|:")  # a year, or a time of day: `10.20.30` may be a name
_LEADING_MARK = re.compile(r"^\s*#+\s*")


class Layout(NamedTuple):
    """Where the cells of a text file are."""

    separator: str
    names: list[str]  # of the columns, all different
    header: list[str]  # the same as the file has them, to be known again further down
    lines: int  # before the first row of data
    sample: list[list[str]]  # the first rows of data, as many cells as there are names


def layout_of(text: str, whole: bool, choices: Choices, found: Found) -> Layout:
    """Lay out the beginning of a file, which is all of it if `whole`; raises TableError."""
    if not text.strip():
        raise TableError("empty")
    lines = list(io.StringIO(text, newline=None))  # as files are: a form feed ends no line
    if not whole:
        lines = lines[:-1] or lines
    begin, told = _told_separator(lines)
    rows, separator = _rows(lines, begin, told, choices, found)
    if not any(_names(row) for _, row in rows):
        raise TableError("no names of columns and no rows")
    header_at = _header(rows)
    width = max(_width(rows), len(rows[header_at][1]))
    skipped = [row for _, row in rows[:header_at] if _names(row)]
    if skipped:
        found.fact(f"{counted(len(skipped), 'line', 'lines')} before the names of the columns left out")
    header = [cell.strip() for cell in rows[header_at][1]]
    header += [""] * (width - len(header))
    below = rows[header_at + 1 :]
    if _is_data(header):
        found.guess("no names of columns, so they are column 1, column 2, ...", "give the file a line of names")
        header = [f"column {number + 1}" for number in range(width)]
        at_line, below = (rows[header_at - 1][0] if header_at else begin), rows[header_at:]
    else:
        header[0] = _LEADING_MARK.sub("", header[0]) or header[0]
        extra = _extra_rows([row for _, row in below])
        if extra:
            told_rows = "; ".join(",".join(row)[:60] for _, row in below[:extra])
            found.fact(f"{counted(extra, 'row', 'rows')} of units or descriptions left out ({told_rows})")
        at_line, below = rows[header_at + extra][0], below[extra:]
    if choices.separator is None and width > 1:
        found.fact(f"separated by {NAMES.get(separator, separator)}")
    for line, row in below:
        if len(row) > width:
            raise TableError(too_long(line, len(row), width))
    data = [row + [""] * (width - len(row)) for _, row in below if row]
    return Layout(separator, _different(header), header, at_line, data)


def too_long(line: int, cells: int, columns: int) -> str:
    """What to say about a line with more cells than there are columns."""
    return f"line {line} has {cells} cells, but there are {columns} columns: correct the line or give --separator"


def _told_separator(lines: list[str]) -> tuple[int, str | None]:
    """Excel's first line `sep=;`: how many lines that are, and the separator."""
    first = lines[0].strip("\r\n").lstrip('"').rstrip('"')
    if first.lower().startswith("sep=") and len(first) == 5:
        return 1, first[4]
    return 0, None


def _rows(
    lines: list[str], begin: int, told: str | None, choices: Choices, found: Found
) -> tuple[list[tuple[int, list[str]]], str]:
    """The first rows, each with the number of lines up to its end, and the separator."""
    chosen = told
    if choices.separator is not None:
        chosen = BY_NAME.get(choices.separator.lower(), choices.separator)
        if len(chosen) != 1 or chosen in '"\r\n\0' or chosen.isalnum():
            raise TableError(f"--separator: {choices.separator!r} is no separator; such are {', '.join(BY_NAME)}")
    elif told is not None:
        if told in '"\r\n\0' or told.isalnum():
            raise TableError(f"the first line says {lines[0].strip()!r}, which is no separator: give --separator")
        found.fact("separator as its first line says")
    if chosen is not None:
        return _split(lines, begin, chosen), chosen
    tried = {separator: _split(lines, begin, separator) for separator in SEPARATORS}
    fitting = {separator: _fit(rows) for separator, rows in tried.items()}
    best = max(SEPARATORS, key=lambda separator: fitting[separator])
    if fitting[best][0] < AGREE:
        if all(len(row) <= 1 for rows in tried.values() for _, row in rows):
            blank = any(len(line.split()) > 2 for line in lines[:20])
            raise TableError(
                "one column only, neither comma, semicolon, tab nor | separates cells"
                + (": where blanks do, give --separator blank" if blank else ": give --separator")
            )
        raise TableError("the rows have different numbers of cells, whatever separates them: give --separator")
    return tried[best], best


def _split(lines: list[str], begin: int, separator: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(lines[begin:], delimiter=separator, skipinitialspace=separator == " ")
    rows = []
    try:
        for row in reader:
            rows.append((begin + reader.line_num, row))
            if len(rows) >= SAMPLE_ROWS:
                break
    except csv.Error as error:
        raise TableError(f"line {begin + reader.line_num}: {error}") from None
    return rows


def _width(rows: list[tuple[int, list[str]]]) -> int:
    """How many cells a row usually has; the more the better where two are as usual."""
    counts = Counter(len(row) for _, row in rows if row)
    return max(counts, key=lambda width: (counts[width], width)) if counts else 0


def _header(numbered: list[tuple[int, list[str]]]) -> int:
    """Which row names the columns: of the rows above the first one of data, the first with the most names.

    Raises TableError where there are names, but fewer than a row has cells.
    """
    rows = [row for _, row in numbered]
    counts = [sum(_kind(cell) in ("number", "time") for cell in row) for row in rows[:TYPICAL_ROWS]]
    usual = sorted(counts[len(counts) // 2 :])[(len(counts) - len(counts) // 2) // 2]
    data = next((number for number, count in enumerate(counts) if count and 2 * count > usual), len(counts))
    cells = Counter(_last(row) for row in rows[data : data + TYPICAL_ROWS])
    needed = max(cells, key=lambda width: (cells[width], width)) if cells else 0
    above = [number for number in range(data) if _names(rows[number])]
    enough = [number for number in above if len(rows[number]) >= needed]
    if enough:
        return max(enough, key=lambda number: (_names(rows[number]), -number))
    if above and _names(rows[above[-1]]) > 1:
        raise TableError(
            f"line {numbered[above[-1]][0]} names {_names(rows[above[-1]])} columns, but rows have {needed} cells; "
            "are decimal commas among them? Give --separator, or export with semicolons"
        )
    return data if data < len(rows) else 0


def _last(row: list[str]) -> int:
    """How many cells a row has up to the last that is not empty."""
    return max((number + 1 for number, cell in enumerate(row) if cell.strip()), default=0)


def _names(row: list[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def _fit(rows: list[tuple[int, list[str]]]) -> tuple[float, bool, int]:
    """How well a separator explains rows: how many agree, whether the first is one of them, and their cells."""
    width = _width(rows)
    if width < 2:
        return 0.0, False, width
    filled = [row for _, row in rows if row]
    share = sum(len(row) == width for row in filled) / len(filled)
    return (1.0 if share >= 0.95 else share), len(filled[0]) == width, width


def _kind(cell: str) -> str:
    cell = cell.strip()
    if not cell:
        return "empty"
    if mark_of(cell) is not Mark.NONE or without_unit(cell) is not None or cell.lower() in ("true", "false", "nan"):
        return "number"
    return "time" if is_moment(cell) else "text"


def _is_data(row: list[str]) -> bool:
    """Whether a row cannot be names: it holds a date, or nothing but numbers of which one has a fraction."""
    kinds = [_kind(cell) for cell in row]
    if any(kind == "time" and _CERTAIN.search(cell) for kind, cell in zip(kinds, row, strict=True)):
        return True
    fraction = any(mark_of(cell.strip()) in (Mark.POINT, Mark.COMMA, Mark.BOTH) for cell in row)
    return all(kind == "number" for kind in kinds) and fraction


def _extra_rows(rows: list[list[str]]) -> int:
    """How many rows below the names hold no data, where those after them do."""
    kinds = [[_kind(cell) for cell in row] for row in rows[: EXTRA_ROWS + 40]]
    data = [any(kind in ("number", "time") for kind in row) for row in kinds]
    extra = data.index(True) if True in data else 0
    if extra > EXTRA_ROWS or not any("text" in row for row in kinds[:extra]):
        return 0
    return extra


def _different(header: list[str]) -> list[str]:
    """Names for all columns; raises TableError where two have one."""
    names = [name or f"Unnamed: {number}" for number, name in enumerate(header)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(f"column {shown(twice[0])[1:-1]!r} occurs twice")
    return names
