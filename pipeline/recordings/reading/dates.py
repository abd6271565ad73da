"""Dates and times of day as people write them, cell by cell, and the one order of day and month of a column.

`2025-03-01` has one reading. `03/04/2025` has two, so a column of such dates is read as a whole: a day above 12
proves the order, and so do rows that follow each other without a gap in one order only. Where nothing decides, the
two readings of a cell are an error and not a choice.
"""

import re
from enum import Enum
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
CENTURY = 69  # years of two digits below are of this century, as POSIX has it
SETTLE = "--dayfirst or --monthfirst"


class Parts(NamedTuple):
    """A column of times, cell by cell; arrays of one entry each."""

    kind: Ints  # one of the constants below
    first: Ints  # of the three numbers of a date; the year where kind is YEAR_FIRST or NAMED
    second: Ints
    third: Ints
    clock_ns: Ints  # since midnight
    zone_min: Ints  # minutes ahead of UTC, NO_ZONE where the cell says none
    dotted: Bools  # the date is written with dots


class Order(Enum):
    """What the first number of a date is, where the year is not it with four digits."""

    DAY = "day before month"
    MONTH = "month before day"
    YEAR = "year before month and day"


NO_MOMENT, YEAR_FIRST, YEAR_LAST, YEAR_SHORT, CLOCK_ONLY = range(5)
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
        return (YEAR_LAST if len(c) == 4 else YEAR_SHORT), int(a), b, _year(c), clock, zone, found["sep"] == "."
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
    last = (read.kind == YEAR_LAST) | (read.kind == YEAR_SHORT)
    if not last.any():
        return midnight, good
    found.dotted = bool(read.dotted[last].all())
    if dayfirst is not None:
        order = Order.DAY if dayfirst else Order.MONTH
        found.fact(order.value)
    else:
        order = _order(cells, read, last, found)
    found.dayfirst = None if order is Order.YEAR or (read.first == read.second)[last].all() else order is Order.DAY
    other, other_good = day_ns(*_dates(read, order))
    return np.where(last, other, midnight), good | (last & other_good)


def _order(cells: list[str], read: Parts, last: Bools, found: Found) -> Order:
    """The order that gives dates in all rows; raises TableError where none does, or several are as likely."""
    orders = [Order.DAY, Order.MONTH] + ([Order.YEAR] if (read.kind == YEAR_SHORT)[last].all() else [])
    fitting = [order for order in orders if day_ns(*_dates(read, order))[1][last].all()]
    if not fitting:
        raise _none_fits(cells, read, last)
    example = int(np.flatnonzero(last)[0])
    days = {order: day_ns(*_dates(read, order))[0][last] for order in fitting}
    if all(
        np.array_equal(days[fitting[0]], other) for other in days.values()
    ):  # 03/03/2025 is one day in either order
        if len(fitting) == 1:
            others = [day_ns(*_dates(read, order))[1] for order in orders if order is not fitting[0]]
            row = int(np.argmax(last & ~np.logical_and.reduce(others)))
            found.fact(f"{fitting[0].value}, as {shown(cells[row])} proves")
        return fitting[0]
    for why, holds in (("rows then follow without a gap", _runs_on), ("rows are then in order of time", _in_order)):
        holding = [order for order in fitting if holds(days[order] + read.clock_ns[last])]
        if len(holding) == 1:
            found.guess(f"{holding[0].value}, as {why}", SETTLE)
            return holding[0]
    if Order.DAY in fitting and read.dotted[last].all():
        found.guess(f"{Order.DAY.value}, as dates with dots are", SETTLE)
        return Order.DAY
    readings = " or ".join(str(days[order][0].astype("M8[ns]").astype("M8[D]")) for order in fitting)
    raise TableError(
        f"row {example + 1}: {shown(cells[example])} may be {readings}, and nothing in the file decides: give "
        + SETTLE
        + (", or export years with four digits" if Order.YEAR in fitting else "")
    )


def _dates(read: Parts, order: Order) -> tuple[Ints, Ints, Ints]:
    """Years, months and days of dates of three numbers, of which the year is not the first as a rule."""
    if order is Order.YEAR:
        return read.first + np.where(read.first < CENTURY, 2000, 1900), read.second, read.third % 100
    month, day = (read.second, read.first) if order is Order.DAY else (read.first, read.second)
    return read.third, month, day


def _none_fits(cells: list[str], read: Parts, last: Bools) -> TableError:
    day = np.flatnonzero(last & (read.first > 12) & (read.second <= 12))
    month = np.flatnonzero(last & (read.second > 12) & (read.first <= 12))
    if len(day) and len(month):
        return TableError(
            f"row {day[0] + 1}: {shown(cells[day[0]])} has its day first and row {month[0] + 1}: "
            f"{shown(cells[month[0]])} its month first: say which with {SETTLE}, or export dates as 2025-03-01"
        )
    bad = last & ~day_ns(*_dates(read, Order.MONTH if len(month) else Order.DAY))[1]
    row = int(np.argmax(bad))
    return TableError(
        f"row {row + 1}: {shown(cells[row])} is not a time with the {'month' if len(month) else 'day'} first"
    )


def _in_order(time_ns: Ints) -> bool:
    """Whether rows go in one direction."""
    steps = np.diff(time_ns)
    return bool((steps >= 0).all() or (steps <= 0).all()) and bool(steps.any())


def _runs_on(time_ns: Ints) -> bool:
    """Whether rows follow each other, in one direction, without a gap."""
    steps = np.abs(np.diff(time_ns))
    return _in_order(time_ns) and bool(steps.max() <= GAP * np.median(steps[steps > 0]))


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else int(text) + (2000 if int(text) < CENTURY else 1900)


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
