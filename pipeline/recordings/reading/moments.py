"""A column of times to Unix nanoseconds: which of the many ways of writing a time it is, found once for all rows.

Promises that a column is read in one way from its first row to its last, and that what has no single reading is an
error or a guess that is told. Newest rows first are turned round, for everything that follows goes on in time.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.config.settings import unix_ns
from pipeline.recordings.reading import dates
from pipeline.recordings.reading.cells import plain_numbers
from pipeline.recordings.reading.choices import Choices, Found, TableError, counted, shown
from pipeline.recordings.reading.local_time import unix_of_local
from pipeline.recordings.reading.numbers import decimal_of, mostly_numbers, numbers_of, words_of
from pipeline.records import Bools, Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

SECOND_NS, DAY_NS = 1_000_000_000, 86_400_000_000_000
UNITS = {
    "s": SECOND_NS, "ms": 1_000_000, "us": 1_000, "ns": 1, "min": 60 * SECOND_NS, "h": 3600 * SECOND_NS,
    "excel": DAY_NS, "digits": 0,
}  # fmt: skip
EPOCH_UNITS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"), (0.0, "s"))  # at least: unit of a time since 1970
SINCE_1970 = 1e8  # seconds, in 1973: what begins lower counts from somewhere else
EXCEL_ZERO_NS = -25_569 * DAY_NS  # 1899-12-30
EXCEL_DAYS = (36_526, 55_154)  # 2000 to 2050
TURNED = 0.9  # of the steps go back in time where the newest row is the first; from judgement
UNIT_SETTLE = f"--time-unit {', '.join(UNITS)}"

_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?")
_ZONE = (
    r"[zZ] *$|[tT ][0-9:.,]+ ?[+-]"  # of a time in ISO 8601; of shapes that Arrow's own search knows, which is fast
)
_NAME_UNIT = re.compile(r"[\[(/ _](s|sec|secs|seconds|ms|us|µs|ns|min|h|hours)[\])]?$", re.IGNORECASE)
_UNIT_OF = {"sec": "s", "secs": "s", "seconds": "s", "µs": "us", "hours": "h"}


class Moments(NamedTuple):
    """The times of all rows, in the order of the rows as they are returned."""

    time_ns: Ints
    turned: bool  # the rows were newest first and must be turned round as the times have been


def moments(column: "pd.Series", name: str, choices: Choices, found: Found) -> Moments:
    """The times of a column; raises TableError that names the first row that has none."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    missing = np.flatnonzero(column.isna().to_numpy())
    if len(missing):
        raise TableError(f"row {missing[0] + 1}: no time in {name}")
    if column.dtype.kind == "M":
        return _instants(column, choices, found)
    if column.dtype.kind == "m":
        found.guess("time since the start", "--start")
        return _from_start(np.asarray(column.dt.as_unit("ns").astype("int64"), np.int64), choices, found)
    if is_bool_dtype(column):
        raise TableError(f"row 1: {shown(column.iloc[0])} is not a time")
    if is_numeric_dtype(column):
        return _numbers(column, name, choices, found)
    return _text(column, name, choices, found)


def _turn(local_ns: Ints) -> bool:
    """Whether the rows are newest first."""
    steps = np.diff(local_ns)
    back, forth = int(np.count_nonzero(steps < 0)), int(np.count_nonzero(steps > 0))
    return back >= 2 and back >= TURNED * (back + forth)


def _told_turned(turned: bool, found: Found) -> bool:
    if turned:
        found.fact("newest rows first: turned round")
    return turned


def _zoned(local_ns: Ints, zone_ns: Ints, naive: Bools, choices: Choices, found: Found) -> Moments:
    """Unix time of times of which some say their zone."""
    turned = _told_turned(_turn(local_ns - np.where(naive, 0, zone_ns)), found)
    if turned:
        local_ns, zone_ns, naive = local_ns[::-1], zone_ns[::-1], naive[::-1]
    unix = local_ns - np.where(naive, 0, zone_ns)
    if naive.any() and not naive.all():
        found.guess(
            f"{counted(int(naive.sum()), 'time', 'times')} without a zone among others that say one",
            "export all times with their zone",
        )
    if naive.any() and choices.time_zone is not None:
        unix = unix.copy()
        unix[naive] = unix_of_local(local_ns[naive], choices.time_zone, found)
        found.fact(f"times of {choices.time_zone}")
    elif naive.any():
        back = np.diff(local_ns)
        hour = (back < 0) & (back >= -3600 * SECOND_NS)
        autumn = int(hour.sum()) == 1 and naive.all() and _at_night(int(local_ns[np.argmax(hour)]))
        also = ", which repeat an hour of the night as a clock does when summer time ends" if autumn else ""
        found.guess(f"times without a zone{also}, read as UTC", "--time-zone")
    return Moments(unix, turned)


def _at_night(local_ns: int) -> bool:
    """Whether it is a Sunday between 0 and 4 o'clock: then clocks change, as a rule."""
    return (local_ns // DAY_NS + 4) % 7 == 0 and local_ns % DAY_NS < 4 * 3600 * SECOND_NS


def _instants(column: "pd.Series", choices: Choices, found: Found) -> Moments:
    """Times that the file holds as times."""
    import pandas as pd

    naive = getattr(column.dt, "tz", None) is None
    as_utc = pd.to_datetime(column, utc=True)
    _in_calendar(column, as_utc)
    local = np.asarray(as_utc.dt.as_unit("ns").astype("int64"), np.int64)
    return _zoned(local, np.zeros(len(local), np.int64), np.full(len(local), naive), choices, found)


def _in_calendar(column: "pd.Series", read: "pd.Series") -> None:
    """Raises TableError for the first time that is none, or out of what nanoseconds in 64 bits hold."""
    bad = np.flatnonzero(~read.dt.year.between(1678, 2261).to_numpy())
    if len(bad):
        raise TableError(f"row {bad[0] + 1}: {shown(column.iloc[bad[0]])} is not a time")


def _text(column: "pd.Series", name: str, choices: Choices, found: Found) -> Moments:
    import pandas as pd

    if _NUMBER.fullmatch(str(column.iloc[0]).strip()):  # which ISO 8601 would take for a year, or a date
        return _written(column, name, choices, found)
    try:
        iso = pd.to_datetime(column, format="ISO8601", utc=True)
    except (ValueError, OverflowError):
        return _written(column, name, choices, found)
    _in_calendar(column, iso)
    unix = np.asarray(iso.dt.as_unit("ns").astype("int64"), np.int64)
    naive = ~column.astype("str").str.contains(_ZONE, regex=True).to_numpy(dtype=np.bool_)
    return _zoned(unix, np.zeros(len(unix), np.int64), naive, choices, found)


def _written(column: "pd.Series", name: str, choices: Choices, found: Found) -> Moments:
    """Times as people write them, or numbers with a decimal comma."""
    import pandas as pd

    cells = [str(cell).strip() for cell in column.tolist()]
    read = dates.parts(cells)
    bad = np.flatnonzero(read.kind == dates.NO_MOMENT)
    if len(bad) == len(cells):
        if all(re.fullmatch("-?[0-9]{1,18}", cell) for cell in cells):
            return _numbers(pd.Series([int(cell) for cell in cells], dtype=np.int64), name, choices, found)
        words = words_of(name, column)
        numbers = numbers_of(words, choices.decimal or decimal_of(words, None, True)[0])
        if mostly_numbers(words, numbers) and not np.isnan(numbers.values).any():
            return _numbers(pd.Series(numbers.values), name, choices, found)
    if len(bad):
        hint = _why_not(cells[bad[0]]) if len(bad) == len(cells) else ", as others are: correct or remove the row"
        raise TableError(f"row {bad[0] + 1}: {shown(cells[bad[0]])} is not a time{hint}")
    clock_only = read.kind == dates.CLOCK_ONLY
    if clock_only.all():
        return _times_of_day(read, choices, found)
    if clock_only.any():
        row = int(np.argmax(clock_only))
        raise TableError(f"row {row + 1}: {shown(cells[row])} has no date, as other rows have")
    midnight, good = dates.dates_ns(cells, read, choices.dayfirst, found)
    bad = np.flatnonzero(~good)
    if len(bad):
        hint = "" if found.dayfirst is None else f" with the {'day' if found.dayfirst else 'month'} first"
        raise TableError(f"row {bad[0] + 1}: {shown(cells[bad[0]])} is not a time{hint}")
    naive = read.zone_min == dates.NO_ZONE
    zone_ns = np.where(naive, 0, read.zone_min) * 60 * SECOND_NS
    return _zoned(midnight + read.clock_ns, zone_ns, naive, choices, found)


def _why_not(cell: str) -> str:
    """What to do about a time whose end is a zone that is not known."""
    if re.fullmatch(r".*[0-9]\s?[A-Z]{3,5}", cell):
        return ": its zone is not known; export times with an offset such as +01:00, or without and give --time-zone"
    return ""


def _times_of_day(read: dates.Parts, choices: Choices, found: Found) -> Moments:
    """Times without a date: a day begins wherever they jump back by more than half a day."""
    clock = read.clock_ns
    steps = np.diff(clock)
    forth = np.where(steps < -DAY_NS // 2, steps + DAY_NS, np.where(steps > DAY_NS // 2, steps - DAY_NS, steps))
    turned = _told_turned(_turn(np.concatenate(([0], np.cumsum(forth)))), found)
    if turned:
        clock = clock[::-1]
    wrapped = np.diff(clock, prepend=clock[:1]) < -DAY_NS // 2
    time_ns = clock + np.cumsum(wrapped) * DAY_NS
    if choices.start is not None:
        begin = _start_ns(choices)
        first = begin - begin % DAY_NS
        found.fact("times of day, from the day of --start on")
        return Moments(time_ns + first, turned)
    found.guess(
        f"times of day without a date, {counted(int(wrapped.sum()) + 1, 'day', 'days')} from 1970-01-01", "--start"
    )
    return Moments(time_ns, turned)


def _start_ns(choices: Choices) -> int:
    try:
        return unix_ns(choices.start or "")
    except ValueError as error:
        raise TableError(f"--start: {error}") from None


def _from_start(time_ns: Ints, choices: Choices, found: Found) -> Moments:
    """Times that count from somewhere: from --start, else from 1970."""
    turned = _told_turned(_turn(time_ns), found)
    if turned:
        time_ns = time_ns[::-1]
    if choices.start is not None and len(time_ns):
        time_ns = time_ns + (_start_ns(choices) - int(time_ns[0]))
    return Moments(time_ns, turned)


def _numbers(column: "pd.Series", name: str, choices: Choices, found: Found) -> Moments:
    """Times that are numbers: since 1970, since the start, of Excel, or the digits of a date."""
    values = column.to_numpy(np.float64)
    at = int(np.argmax(np.abs(values)))
    largest, least = abs(float(values[at])), float(values.min())
    if not largest < 2.0**63:
        raise TableError(f"row {at + 1}: {shown(column.iloc[at])} is not a time")
    unit = choices.time_unit
    whole = column.dtype.kind in "iu"
    if unit is None and whole and _are_digits(column):
        unit = "digits"
        found.guess(f"numbers such as {column.iloc[0]} read as year, month, day, ...", UNIT_SETTLE)
    if unit == "digits":
        return _digits(column, name, choices, found)
    if unit is None and _are_serials(values):
        unit = "excel"
        found.guess("times as Excel counts days", UNIT_SETTLE)
    if unit == "excel":
        return _serials(values, choices, found)
    since = next(unit for at_least, unit in EPOCH_UNITS if largest >= at_least)
    relative = largest < 1e11 and least < SINCE_1970
    if unit is None and relative:
        named = _NAME_UNIT.search(name)
        unit = since if named is None else _UNIT_OF.get(named[1].lower(), named[1].lower())
        told = f"{unit} since the start"
        if named is None:
            found.guess(told, UNIT_SETTLE)
        else:
            found.fact(f"{told}, as its name says")
    elif unit is None:
        unit = since
        found.fact(f"{unit} since 1970")
    else:
        found.fact(f"times in {unit}")
    if largest * UNITS[unit] >= 2.0**63:
        raise TableError(f"row {at + 1}: {shown(column.iloc[at])} {unit} is not a time")
    time_ns = _scaled(column, values, UNITS[unit])
    if relative:
        return _from_start(time_ns, choices, found)
    turned = _told_turned(_turn(time_ns), found)
    return Moments(time_ns[::-1] if turned else time_ns, turned)


def _scaled(column: "pd.Series", values: Floats, unit: int) -> Ints:
    if column.dtype.kind in "iu":
        return np.asarray(column.to_numpy(np.int64) * unit, np.int64)
    whole = np.floor(values)
    # A double holds no more than microseconds of today's seconds.
    part = np.round((values - whole) * unit / 1000).astype(np.int64) * 1000
    exact: Ints = whole.astype(np.int64) * unit + part
    return exact


def _are_serials(values: Floats) -> bool:
    """Whether numbers are days as Excel counts them: within its range, and less than a day apart as a rule."""
    if not (values.min() >= EXCEL_DAYS[0] and values.max() < EXCEL_DAYS[1]):
        return False
    steps = np.abs(np.diff(values))
    return len(steps) == 0 or float(np.median(steps)) <= 1.0


def _serials(values: Floats, choices: Choices, found: Found) -> Moments:
    if np.abs(values).max() > 1e5:
        raise TableError(f"row {int(np.argmax(np.abs(values))) + 1}: {values.max():g} is no day of Excel")
    ms = np.round(values * 86_400_000).astype(np.int64)
    second = np.round(ms / 1000).astype(np.int64) * 1000
    if np.abs(ms - second).max() <= 10:  # seven digits of a day are 8.6 ms
        ms = second
    local = ms * 1_000_000 + EXCEL_ZERO_NS
    return _zoned(local, np.zeros(len(local), np.int64), np.ones(len(local), np.bool_), choices, found)


def _digit_parts(column: "pd.Series") -> tuple[Ints, Bools]:
    """Times of numbers such as 20250301, 202503011230 and 20250301123059, and which are times."""
    numbers = column.to_numpy(np.int64)
    size = np.select([numbers < 10**8, numbers < 10**12, numbers < 10**14], [8, 12, 14], 0)
    date = np.where(size == 8, numbers, np.where(size == 12, numbers // 10**4, numbers // 10**6))
    clock = np.where(size == 8, 0, np.where(size == 12, numbers % 10**4 * 100, numbers % 10**6))
    midnight, good = dates.day_ns(date // 10_000, date // 100 % 100, date % 100)
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    good &= (size > 0) & (hour < 24) & (minute < 60) & (second < 60)
    return midnight + (hour * 3600 + minute * 60 + second) * SECOND_NS, good


def _are_digits(column: "pd.Series") -> bool:
    local, good = _digit_parts(column)
    return (
        bool(good.all())
        and local.min() >= EXCEL_ZERO_NS + EXCEL_DAYS[0] * DAY_NS
        and (local.max() < EXCEL_ZERO_NS + EXCEL_DAYS[1] * DAY_NS)
    )


def _digits(column: "pd.Series", name: str, choices: Choices, found: Found) -> Moments:
    if column.dtype.kind not in "iu":
        raise TableError(f"{name}: times of digits have no fraction")
    local, good = _digit_parts(column)
    if not good.all():
        row = int(np.argmin(good))
        raise TableError(f"row {row + 1}: {column.iloc[row]} is not a time of digits")
    return _zoned(local, np.zeros(len(local), np.int64), np.ones(len(local), np.bool_), choices, found)


def single_moments(cells: Sequence[str], choices: Choices) -> list[int | None]:
    """Unix nanoseconds of cells that are times one by one, None where one is none.

    Only the order of day and month is that of all of them; raises TableError where two fit.
    """
    import pandas as pd

    stripped = [cell.strip() for cell in cells]
    if choices.dayfirst is None:
        read = dates.parts(stripped)
        written = np.flatnonzero((read.kind == dates.YEAR_LAST) | (read.kind == dates.YEAR_SHORT))
        if len(written):
            found = Found()
            some = [stripped[row] for row in written.tolist()]
            dates.dates_ns(some, dates.parts(some), None, found)
            choices = choices._replace(dayfirst=found.dayfirst)
    number = plain_numbers(pd.Series(stripped, dtype="str"))
    if len(stripped) > 1 and choices.time_zone is None and np.isnan(number).all():
        with suppress(TableError):  # text in all of them: read at once
            read_all = moments(pd.Series(stripped, dtype="str"), "cell", choices, Found())
            return list((read_all.time_ns[::-1] if read_all.turned else read_all.time_ns).tolist())
    return [_single(cell, choices) for cell in stripped]


def _single(cell: str, choices: Choices) -> int | None:
    import pandas as pd

    whole = re.fullmatch("[+-]?[0-9]{1,18}", cell) is not None
    column: pd.Series = pd.Series([int(cell)], dtype=np.int64) if whole else pd.Series([cell], dtype="str")
    try:
        return int(moments(column, "cell", choices, Found()).time_ns[0]) if cell else None
    except TableError:
        return None
