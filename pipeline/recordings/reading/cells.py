"""What one cell of text can be: a number in either way of writing it, a date, a time of day, or words.

Shapes only; which of two shapes is meant is decided for a whole column, in `numbers` and `dates`.
"""

import re
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from pipeline.records import Floats

if TYPE_CHECKING:
    import pandas as pd

# Digits are grouped by a blank of any width, an apostrophe, or the mark that is not the decimal one.
_BLANKS = "\u0020\u00a0\u202f\u2009'\u2019"
_GROUPED = re.compile(rf"([+-]?[0-9]{{1,3}})((?:[{_BLANKS}][0-9]{{3}})+)(?![0-9])(.*)", re.DOTALL)
_PLAIN = re.compile(r"[+-]?[0-9]+(?:[eE][+-]?[0-9]+)?")
_POINT = re.compile(r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?(?:[0-9]+,[0-9]*|,[0-9]+)(?:[eE][+-]?[0-9]+)?")
_THOUSANDS_COMMA = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]*)?")
_THOUSANDS_POINT = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]*)?")
_WITH_UNIT = re.compile(
    rf"([+-]?[0-9.,][0-9.,{_BLANKS}]*(?:[eE][+-]?[0-9]+)?)\s*((?:[^\W\d_]|[%°‰])(?:(?!\d\d).){{0,15}})"
)
LONGEST = 60  # characters of a number; longer ones are words


class Mark(Enum):
    """What stands between the whole part of a number and its fraction."""

    NONE = "no number"
    EITHER = "a number without a mark"
    POINT = "."
    COMMA = ","
    BOTH = "a number with either mark, but another one"  # 1,234 and 1.234


def ungrouped(cell: str) -> str:
    """A number without blanks or apostrophes between groups of three digits.

    >>> ungrouped("1 234,5"), ungrouped("12 34"), ungrouped("-1'234'567.8")
    ('1234,5', '12 34', '-1234567.8')
    """
    found = _GROUPED.fullmatch(cell) if len(cell) <= LONGEST else None
    if found is None:
        return cell
    groups = found[2]
    if any(groups[place] != groups[0] for place in range(0, len(groups), 4)):
        return cell
    return found[1] + "".join(char for char in groups if char.isdigit()) + found[3]


def mark_of(cell: str) -> Mark:
    """Which decimal mark a cell can have been written with.

    >>> [mark_of(cell).name for cell in ("12", "1.5", "1,50", "1,234", "1,234.5", "1.234.567", "Bad")]
    ['EITHER', 'POINT', 'COMMA', 'BOTH', 'POINT', 'COMMA', 'NONE']
    """
    if len(cell) > LONGEST:
        return Mark.NONE
    cell = ungrouped(cell)
    if _PLAIN.fullmatch(cell):
        return Mark.EITHER
    point = _POINT.fullmatch(cell) is not None or _THOUSANDS_COMMA.fullmatch(cell) is not None
    comma = _COMMA.fullmatch(cell) is not None or _THOUSANDS_POINT.fullmatch(cell) is not None
    if point and comma:
        return Mark.BOTH
    return Mark.POINT if point else Mark.COMMA if comma else Mark.NONE


def value_of(cell: str, decimal: str) -> float | None:
    """The number in a cell that is written with this decimal mark; None where it holds none.

    >>> value_of("1.234,5", ","), value_of("1,234.5", "."), value_of("1.5", ","), value_of("1e3", ".")
    (1234.5, 1234.5, None, 1000.0)
    """
    if len(cell) > LONGEST:
        return None
    cell = ungrouped(cell)
    other = "," if decimal == "." else "."
    if (_THOUSANDS_COMMA if decimal == "." else _THOUSANDS_POINT).fullmatch(cell):
        cell = cell.replace(other, "")
    elif not (_PLAIN.fullmatch(cell) or (_POINT if decimal == "." else _COMMA).fullmatch(cell)):
        return None
    return float(cell.replace(",", "."))


def without_unit(cell: str) -> tuple[str, str] | None:
    """A number and the word behind it; None where the cell is not of that shape.

    >>> without_unit("5.1 bar"), without_unit("23 %"), without_unit("Bad")
    (('5.1', 'bar'), ('23', '%'), None)
    """
    found = _WITH_UNIT.fullmatch(cell) if len(cell) <= LONGEST else None
    if found is None or mark_of(found[1].strip()) is Mark.NONE:
        return None
    return found[1].strip(), found[2].strip()


def plain_numbers(column: "pd.Series") -> Floats:
    """The cells of a column that are numbers as Python writes them; NaN for all others, and for what is empty."""
    import pandas as pd

    try:
        read = pd.to_numeric(column, errors="coerce")
    except OverflowError:  # of an integer beyond what a float can hold: pandas does not take that for an error
        text = column.astype("str")
        read = pd.to_numeric(text.where(text.str.len() <= LONGEST), errors="coerce")
    found: Floats = read.to_numpy(np.float64, na_value=np.nan)
    return found
