"""Dates and times of day as people write them, cell by cell, and the one order of day and month of a column.

`2025-03-01` has one reading. `03/04/2025` has two, so a column of such dates is read as a whole: a day above 12
proves the order, and so do rows that follow each other without a gap in one order only. Where nothing decides, the
two readings of a cell are an error and not a choice.
"""

import re
from typing import NamedTuple

import numpy as np

from pipeline.recordings.reading.choices import Found, TableError, shown
from pipeline.records import Bools, Ints

DAY_NS = 86_400_000_000_000
MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11,
    "dec": 12, "mär": 3, "mrz": 3, "mae": 3, "mai": 5, "okt": 10, "dez": 12, "fév": 2, "fev": 2, "avr": 4, "aoû": 8,
    "aou": 8, "déc": 12, "ene": 1, "abr": 4, "ago": 8, "dic": 12, "gen": 1, "mag": 5, "giu": 6, "lug": 7, "set": 9,
    "ott": 10, "mrt": 3, "maa": 3, "mei": 5, "juin": 6, "juil": 7, "januar": 1, "januari": 1, "out": 10,
}  # fmt: skip
ZONES = {"": 0, "z": 0, "utc": 0, "gmt": 0, "cet": 60, "mez": 60, "cest": 120, "mesz": 120, "eet": 120, "eest": 180}
LONGEST = 64  # characters of a time; longer ones are words
GAP = 10  # usual steps between rows: what is longer is a gap; from judgement

_DATE = (
    r"(?:(?P<a>[0-9]{1,4})(?P<sep>[./-])\s?(?P<b>[0-9]{1,2})(?P=sep)\s?(?P<c>[0-9]{4}|[0-9]{1,2})"
    r"|(?P<d1>[0-9]{1,2})[-. /]{0,2}(?P<m1>[^\W\d_]{3,9})[-. /,]{0,2}(?P<y1>[0-9]{4}|[0-9]{2})"
    r"|(?P<m2>[^\W\d_]{3,9})\.?[- ](?P<d2>[0-9]{1,2}),?[- ](?P<y2>[0-9]{4})"
    r"|(?P<y3>[0-9]{4})[- ./](?P<m3>[^\W\d_]{3,9})[- ./](?P<d3>[0-9]{1,2}))"
)
_CLOCK = (
    r"(?P<h>[0-9]{1,2})(?P<clock>[:.])(?P<min>[0-9]{2})"
    r"(?:(?P=clock)(?P<s>[0-9]{2})(?:[.,:](?P<f>[0-9]{1,9})[0-9]*)?)?\s?(?P<half>[aApP]\.?[mM]\.?)?"
)
_ZONE = r"\s?(?P<zone>[zZ]|[A-Z]{3,4}|(?:UTC|GMT)?[+-][0-9]{2}:?(?:[0-9]{2})?)?"
_MOMENT = re.compile(rf"(?:[^\W\d_]{{2,9}}\.?,?\s)?{_DATE}(?:(?:\s*[T,;]\s*|\s+|\s*-\s+|:){_CLOCK})?{_ZONE}")
_TIME_OF_DAY = re.compile(rf"{_CLOCK}{_ZONE}")
_OFFSET = re.compile(r"(?:utc|gmt)?([+-])([0-9]{2}):?([0-9]{2})?")

NO_ZONE = -(10**6)


class Parts(NamedTuple):
    """A column of times, cell by cell; arrays of one entry each."""

    kind: Ints  # of `KINDS` below
    first: Ints  # of the three numbers of a date; the year where kind is YEAR_FIRST or NAMED
    second: Ints
    third: Ints
    clock_ns: Ints  # since midnight
    zone_min: Ints  # minutes ahead of UTC, NO_ZONE where the cell says none
    dotted: Bools  # the date is written with dots


NO_MOMENT, YEAR_FIRST, YEAR_LAST, CLOCK_ONLY = range(4)
_NONE = (NO_MOMENT, 0, 0, 0, 0, NO_ZONE, False)


def is_moment(cell: str) -> bool:
    """Whether a cell can be a date, a time of day or both.

    >>> [is_moment(cell) for cell in ("01.03.2025 00:00", "1-Mar-25", "12:30", "2025-03-01T00:00Z", "Bad", "1.8.0")]
    [True, True, True, True, False, False]
    """
    return parts_of(cell.strip())[0] != NO_MOMENT


def parts_of(cell: str) -> tuple[int, int, int, int, int, int, bool]:
    """The fields of `Parts` of one cell."""
    if len(cell) > LONGEST:
        return _NONE
    found = _MOMENT.fullmatch(cell)
    if found is None:
        found = _TIME_OF_DAY.fullmatch(cell)
        if found is None:
            return _NONE
        clock, zone = _clock(found), _zone(found["zone"])
        if found["clock"] == "." and found["s"] is None:  # 12.30 is a number
            return _NONE
        return _NONE if clock is None or zone is None else (CLOCK_ONLY, 0, 0, 0, clock, zone, False)
    clock, zone = (0 if found["h"] is None else _clock(found)), _zone(found["zone"])
    if clock is None or zone is None:
        return _NONE
    if found["a"] is not None:
        a, b, c = found["a"], int(found["b"]), found["c"]
        if len(a) == 4 and len(c) <= 2:
            return YEAR_FIRST, int(a), b, int(c), clock, zone, False
        if len(a) > 2 or len(c) == 1:
            return _NONE
        return YEAR_LAST, int(a), b, _year(c), clock, zone, found["sep"] == "."
    which = "1" if found["m1"] is not None else "2" if found["m2"] is not None else "3"
    name = found["m" + which].lower()
    month = MONTHS.get(name[:4]) or MONTHS.get(name[:3])
    if month is None:
        return _NONE
    return YEAR_FIRST, _year(found["y" + which]), month, int(found["d" + which]), clock, zone, False


def parts(cells: list[str]) -> Parts:
    """The parts of every cell."""
    rows = [parts_of(cell) for cell in cells]
    table = np.array(rows, np.int64).reshape(-1, len(Parts._fields))
    kind, first, second, third, clock, zone, dotted = table.T
    return Parts(kind, first, second, third, clock, zone, dotted.astype(np.bool_))


def day_ns(year: Ints, month: Ints, day: Ints) -> tuple[Ints, Bools]:
    """Nanoseconds from 1970 to the midnight of dates, and which of them are in the calendar, 1678 to 2261."""
    good = (year >= 1678) & (year <= 2261) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("M8[M]")
    days = months.astype("M8[D]") + np.where(good, day - 1, 0)
    good &= days.astype("M8[M]") == months
    return days.astype("M8[ns]").astype(np.int64), good


def dates_ns(cells: list[str], read: Parts, dayfirst: bool | None, found: Found) -> tuple[Ints, Bools]:
    """Midnights of a column of dates in one order, and which cells are dates; raises TableError where two orders fit.

    `dayfirst` is what somebody said.
    """
    midnight, good = day_ns(read.first, read.second, read.third)
    good &= read.kind == YEAR_FIRST
    last = read.kind == YEAR_LAST
    if not last.any():
        return midnight, good
    found.dotted = bool(read.dotted[last].all())
    if dayfirst is not None:
        found.fact("day before month" if dayfirst else "month before day")
    order = _order(cells, read, last, found) if dayfirst is None else dayfirst
    found.dayfirst = order
    first, second = (read.second, read.first) if order else (read.first, read.second)
    other, other_good = day_ns(read.third, first, second)
    return np.where(last, other, midnight), good | (last & other_good)


def _order(cells: list[str], read: Parts, last: Bools, found: Found) -> bool:
    """Whether the day stands before the month."""
    a, b = read.first, read.second
    day_proof = np.flatnonzero(last & (a > 12) & (b <= 12))
    month_proof = np.flatnonzero(last & (b > 12) & (a <= 12))
    if len(day_proof) and len(month_proof):
        raise TableError(
            f"row {day_proof[0] + 1}: {shown(cells[day_proof[0]])} has its day first and row {month_proof[0] + 1}: "
            f"{shown(cells[month_proof[0]])} its month first: say which with --dayfirst or --monthfirst, or export "
            "dates as 2025-03-01"
        )
    if len(day_proof) or len(month_proof):
        found.fact(
            f"day before month, as {shown(cells[day_proof[0]])} proves"
            if len(day_proof)
            else f"month before day, as {shown(cells[month_proof[0]])} proves"
        )
        return bool(len(day_proof))
    example = int(np.flatnonzero(last)[0])
    settle = "--dayfirst or --monthfirst"
    if read.dotted[last].all():
        found.guess("day before month, as dates with dots are", settle)
        return True
    if (a[last] == b[last]).all():
        return True  # 03/03/2025 is one day in either order
    day, month = (_runs_on(read, last, order) for order in (True, False))
    if day != month:
        found.guess(f"{'day before month' if day else 'month before day'}, as rows then follow without a gap", settle)
        return day
    one, other = (_written(read, example, order) for order in (True, False))
    raise TableError(
        f"row {example + 1}: {shown(cells[example])} may be {one} or {other}, and nothing in the file decides: give "
        "--dayfirst or --monthfirst"
    )


def _runs_on(read: Parts, last: Bools, order: bool) -> bool:
    """Whether the rows follow each other, in one direction, without a gap, when read in this order."""
    month, day = (read.second, read.first) if order else (read.first, read.second)
    midnight, good = day_ns(read.third[last], month[last], day[last])
    if not good.all():
        return False
    steps = np.diff(midnight + read.clock_ns[last])
    steps = steps[steps != 0]
    if len(steps) == 0 or not ((steps > 0).all() or (steps < 0).all()):
        return False
    return bool(np.abs(steps).max() <= GAP * np.median(np.abs(steps)))


def _written(read: Parts, row: int, order: bool) -> str:
    month, day = (read.second, read.first) if order else (read.first, read.second)
    return f"{read.third[row]:04d}-{month[row]:02d}-{day[row]:02d}"


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else int(text) + (2000 if int(text) < 69 else 1900)  # as POSIX has it


def _clock(found: re.Match[str]) -> int | None:
    hour, minute, second = int(found["h"]), int(found["min"]), int(found["s"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"][0] in "pP" else 0)
    if minute > 59 or second > 59 or hour > 24 or (hour == 24 and (minute or second)):
        return None
    fraction = int((found["f"] or "0").ljust(9, "0"))
    return (hour * 3600 + minute * 60 + second) * 1_000_000_000 + fraction


def _zone(text: str | None) -> int | None:
    """Minutes ahead of UTC; NO_ZONE where there is none, None where it is not known."""
    if text is None:
        return NO_ZONE
    text = text.lower()
    if text in ZONES:
        return ZONES[text]
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    minutes = int(found[2]) * 60 + int(found[3] or 0)
    return None if minutes > 24 * 60 else minutes if found[1] == "+" else -minutes
