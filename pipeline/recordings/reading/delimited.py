"""A whole text file of separated cells to columns: those that hold plain numbers as numbers, all others as text.

pandas reads the cells; this file tells it everything beforehand, so that it guesses nothing: encoding, separator,
names, where the data begin, the decimal mark. Columns that it cannot read as plain numbers come as they are in the
file.
"""

import csv
import io
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.recordings.reading.cells import Mark, mark_of
from pipeline.recordings.reading.choices import Choices, Found, TableError, counted
from pipeline.recordings.reading.encoding import FALLBACK, beginning, encoding_of, known
from pipeline.recordings.reading.layout import Layout, layout_of, too_long
from pipeline.recordings.reading.numbers import suspicious
from pipeline.recordings.reading.source import Opener, head

if TYPE_CHECKING:
    import pandas as pd

_QUOTE = re.compile(r"EOF inside string starting at row (\d+)")
_LINE = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


class Columns(NamedTuple):
    """A file as columns."""

    frame: "pd.DataFrame"  # a column per name
    decimal: str | None = None  # the mark that cells of numbers prove, or an option says; None where nothing does
    point: bool = False  # plain numbers with a decimal point are meant as such
    doubtful: frozenset[str] = frozenset()  # names of columns for which that does not hold
    comma_is_usual: bool = False  # as a decimal mark, in files that separate cells so


def read_delimited(opener: Opener, choices: Choices, found: Found) -> Columns:
    """Read a text file of separated cells; raises TableError."""
    first, whole = head(opener)
    if choices.encoding is not None:
        encoding = known(choices.encoding)
        return _read(opener, first, whole, encoding, choices, found)
    encoding = encoding_of(first)
    if encoding != "utf-8-sig":
        found.fact(encoding.upper())
        return _read(opener, first, whole, encoding, choices, found)
    tried = Found()
    try:
        read = _read(opener, first, whole, encoding, choices, tried)
    except UnicodeDecodeError:
        tried = Found()
        tried.guess("not UTF-8, read as Windows-1252", "--encoding")
        try:
            read = _read(opener, first, whole, FALLBACK, choices, tried)
        except UnicodeDecodeError as error:
            raise TableError(
                f"neither UTF-8 nor Windows-1252 (byte 0x{error.object[error.start]:02x}): give --encoding"
            ) from None
    found.facts += tried.facts
    found.guesses += tried.guesses
    return read


def _read(opener: Opener, first: bytes, whole: bool, encoding: str, choices: Choices, found: Found) -> Columns:
    text = beginning(first, encoding, whole)
    if text.startswith("\ufeff"):
        text = text[1:]
    layout = layout_of(text, whole, choices, found)
    decimal = choices.decimal or _decimal(layout)
    frame = _cells(opener, encoding, layout, decimal)
    doubtful: list[str] = []
    if decimal is not None and layout.separator != "," and choices.decimal is None:
        doubtful = [
            name for name in layout.names if frame[name].dtype.kind == "f" and suspicious(frame[name].to_numpy())
        ]
        if doubtful:  # the digits decide, which are no longer there
            text_of = _cells(opener, encoding, layout, None)
            for name in doubtful:
                frame[name] = text_of[name]
    proven = None if layout.separator == "," or decimal == "." else decimal
    frame = _without_headers(frame, layout, found)
    usual = layout.separator == ";"
    return Columns(frame, choices.decimal or proven, decimal == ".", frozenset(doubtful), usual)


def _decimal(layout: Layout) -> str | None:
    """The decimal mark to read all cells with; None where they must be looked at one by one."""
    if layout.separator == ",":
        return "."  # a number with a comma is quoted then, and so no plain number
    marks = {mark_of(cell.strip()) for row in layout.sample for cell in row}
    proven = marks & {Mark.POINT, Mark.COMMA}
    if len(proven) == 1:
        return proven.pop().value
    return None if proven or Mark.BOTH in marks else "."


def _cells(opener: Opener, encoding: str, layout: Layout, decimal: str | None) -> "pd.DataFrame":
    """All cells; as text where there is no `decimal`."""
    import pandas as pd

    try:
        with io.TextIOWrapper(io.BufferedReader(opener(), 1 << 16), encoding=encoding) as file:  # type: ignore[type-var]
            for _ in range(layout.lines):
                file.readline()
            return pd.read_csv(
                file,
                sep=layout.separator,
                header=None,
                names=list(range(len(layout.names))),
                index_col=False,
                low_memory=False,
                decimal=decimal or ".",
                dtype=None if decimal else "str",
                skipinitialspace=layout.separator == " ",
            ).set_axis(layout.names, axis=1)
    except UnicodeDecodeError:
        raise
    except pd.errors.EmptyDataError:
        raise TableError("no rows") from None
    except (ValueError, OverflowError, csv.Error) as error:  # pandas' parser errors are ValueErrors
        raise TableError(_words_of(error, layout)) from None


def _words_of(error: Exception, layout: Layout) -> str:
    if open_quote := _QUOTE.search(str(error)):
        return f"row {int(open_quote[1]) + 1}: a quotation mark is opened and never closed"
    found = _LINE.search(str(error))
    if found is None:
        return (str(error).strip() or "unreadable").splitlines()[0]
    return too_long(int(found[2]) + layout.lines, int(found[3]), int(found[1]))


def _without_headers(frame: "pd.DataFrame", layout: Layout, found: Found) -> "pd.DataFrame":
    """The rows without those that repeat the names, and without those in which every cell is empty."""
    import pandas as pd

    text = [
        number for number in range(len(layout.names)) if not pd.api.types.is_numeric_dtype(frame.dtypes.iloc[number])
    ]
    words = [number for number in text if layout.header[number]]
    named = [number for number, name in enumerate(layout.header) if name]
    if named and len(words) == len(named):
        repeated = np.ones(len(frame), np.bool_)
        for number in words:
            column = frame.iloc[:, number]
            repeated &= (column == layout.header[number]).to_numpy(dtype=np.bool_, na_value=False)
            if not repeated.any():
                break
        if repeated.any():
            found.fact(f"{counted(int(repeated.sum()), 'repeated line', 'repeated lines')} of names left out")
            frame = frame[~repeated].reset_index(drop=True)
    first = frame.iloc[:, 0]
    if first.isna().any():
        empty = frame.isna().all(axis=1).to_numpy()
        if empty.any():
            found.fact(f"{counted(int(empty.sum()), 'empty row', 'empty rows')} left out")
            frame = frame[~empty].reset_index(drop=True)
    return frame
