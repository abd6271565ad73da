"""Columns of text to columns of numbers, with one decimal mark per column.

A cell that fits one mark only, such as `42,98` or `1,234.5`, proves that mark for its column, and a column without
proof takes the mark that all others prove. Words between numbers are missing readings, counted, and the first is
named; only a column that is mostly words is no sensor. Nothing is taken for a number because it begins like one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.recordings.reading.cells import Mark, mark_of, plain_numbers, value_of, without_unit
from pipeline.recordings.reading.choices import TableError, shown
from pipeline.records import Bools, Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

SETTLE = "--decimal point or --decimal comma"


class Words(NamedTuple):
    """A column of text: its different cells, and which of them is in which row."""

    name: str
    kinds: list[str]  # different, stripped cells; without the unit that all of them have
    code: Ints  # (rows,), -1 where a cell is empty or among `plain`
    marks: list[Mark]  # of the kinds
    unit: str  # behind the numbers; empty where there is none
    plain: Floats  # (rows,), of cells that were read as numbers with a decimal point at once, else NaN
    filled: int  # cells that are not empty

    def have(self, mark: Mark) -> list[str]:
        """The different cells of a mark."""
        return [kind for kind, own in zip(self.kinds, self.marks, strict=True) if own is mark]


class Numbers(NamedTuple):
    """A column as numbers."""

    values: Floats  # NaN where a cell is empty or holds words
    words: Ints  # rows whose cells hold words


def words_of(name: str, column: "pd.Series", point: bool = False) -> Words:
    """The different cells of a column of text, and what they can be.

    `point`: numbers with a decimal point are meant as such, and need no second look.
    """

    filled = int(column.notna().sum())
    plain = np.full(len(column), np.nan)
    if point:
        plain = plain_numbers(column)
        rest = _kinds(column.where(np.isnan(plain)))
        if not {mark_of(kind) for kind in rest[0]} - {Mark.NONE, Mark.EITHER}:
            marks = [mark_of(kind) for kind in rest[0]]
            if not any(without_unit(kind) for kind in rest[0]):
                return Words(name, *rest, marks, "", plain, filled)
        plain = np.full(len(column), np.nan)
    kinds, code = _kinds(column)
    marks, unit = [mark_of(kind) for kind in kinds], ""
    if Mark.NONE in marks:
        numbers, unit = _without_units(kinds, marks, np.bincount(code[code >= 0], minlength=len(kinds)))
        if unit:
            kinds, marks = numbers, [mark_of(kind) for kind in numbers]
    return Words(name, kinds, code, marks, unit, plain, filled)


def _kinds(column: "pd.Series") -> tuple[list[str], Ints]:
    """The different cells without blanks around them, and which of them is in which row."""
    import pandas as pd

    codes, found = pd.factorize(column)
    stripped = [str(kind).strip() for kind in found.tolist()]
    kinds: list[str] = list(dict.fromkeys(kind for kind in stripped if kind))
    place = {kind: number for number, kind in enumerate(kinds)}
    renamed = np.array([place.get(kind, -1) for kind in stripped] + [-1], np.int64)
    return kinds, renamed[codes]


def _without_units(kinds: list[str], marks: list[Mark], count: Ints) -> tuple[list[str], str]:
    """The cells without their unit where one unit stands behind the numbers of most of them."""
    split = [without_unit(kind) if mark is Mark.NONE else None for kind, mark in zip(kinds, marks, strict=True)]
    units = {one[1] for one in split if one is not None}
    with_unit = sum(int(number) for number, one in zip(count, split, strict=True) if one is not None)
    if len(units) != 1 or 2 * with_unit <= int(count.sum()):
        return kinds, ""
    return [kind if one is None else one[0] for kind, one in zip(kinds, split, strict=True)], units.pop()


def proven(columns: Sequence[Words]) -> str | None:
    """The decimal mark that all columns with proof prove; None where there is none, or where two are proven."""
    marks = {mark for one in columns for mark in one.marks} & {Mark.POINT, Mark.COMMA}
    return marks.pop().value if len(marks) == 1 else None


def decimal_of(column: Words, of_file: str | None, comma_is_usual: bool) -> tuple[str, bool]:
    """The decimal mark of a column, and whether it is guessed.

    `of_file` is what other columns prove; `comma_is_usual` where a semicolon separates cells or dates have dots.
    Raises TableError where both readings are possible and neither of them decides.
    """
    count = np.bincount(column.code[column.code >= 0], minlength=len(column.kinds))
    both = np.array([mark is Mark.BOTH for mark in column.marks], np.bool_)
    point, comma = (
        int(count[np.array([mark is wanted for mark in column.marks], np.bool_)].sum()) if column.marks else 0
        for wanted in (Mark.POINT, Mark.COMMA)
    )
    if point or comma:
        return ("." if point >= comma else ","), False
    if not both.any():
        return ".", False
    if of_file is not None:
        return of_file, False
    example = column.kinds[int(np.argmax(both))]
    one, other = (value_of(example, mark) for mark in (".", ","))
    with_comma = any("," in kind for kind in column.have(Mark.BOTH))
    # 998 beside 1,013: digits in groups of three are as likely as a fraction of three digits.
    whole = any(len(kind.lstrip("+-")) == 3 for kind in column.have(Mark.EITHER))
    if with_comma and comma_is_usual and not whole:
        return ",", True
    if not with_comma and not whole:
        return ".", False
    raise TableError(
        f"{column.name}: {shown(example)} may be {one:g} or {other:g}, and nothing in the file decides: give {SETTLE}"
    )


def numbers_of(column: Words, decimal: str) -> Numbers:
    """The numbers of a column that is written with this decimal mark."""
    values = [value_of(kind, decimal) for kind in column.kinds]
    special = [_special(kind) if value is None else value for kind, value in zip(column.kinds, values, strict=True)]
    table = np.array([np.nan if value is None else value for value in special] + [np.nan])
    word: Bools = np.array([value is None for value in special] + [False], np.bool_)
    return Numbers(np.where(column.code < 0, column.plain, table[column.code]), np.flatnonzero(word[column.code]))


def _special(kind: str) -> float | None:
    """Truth values as 0 and 1; numbers that are none as missing."""
    lower = kind.lower()
    if lower in ("true", "false"):
        return float(lower == "true")
    return float("nan") if lower.lstrip("+-") in ("inf", "infinity", "nan") else None


def mostly_numbers(column: Words, numbers: Numbers) -> bool:
    """Whether at least half of the cells that are not empty hold numbers."""
    return column.filled > 0 and 2 * len(numbers.words) <= column.filled


def told_words(columns: Sequence[tuple[Words, Numbers]]) -> str:
    """How many cells of words there are in columns of numbers, and the first of them."""
    parts = []
    for column, numbers in columns:
        if len(numbers.words):
            first = int(numbers.words[0])
            text = column.kinds[int(column.code[first])]
            parts.append(f"{len(numbers.words):,} in {column.name} (row {first + 1}: {shown(text)})")
    return f"words instead of numbers, taken as missing: {', '.join(parts)}" if parts else ""


def suspicious(values: Floats) -> bool:
    """Whether a column that was read as fractions may hold digits in groups of three: 998, then 1.013."""
    known = values[np.isfinite(values)]
    whole = known == np.floor(known)
    size = np.abs(known)
    if not (whole & (size >= 100)).any() or whole.all() or size.max() >= 1000:
        return False
    part = size[~whole] * 1000
    return bool((size[~whole] >= 1).all() and np.allclose(part, np.round(part), rtol=0, atol=1e-6))
