"""Time zones and holidays of the configuration, resolved to tables before a machine begins.

Zones are those of the IANA data base (`zoneinfo`: the system's, or the package tzdata), codes of holidays those of
the package `holidays`, which is loaded only where one is used.
"""

import importlib.util
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pipeline.config.settings import Config, MachineRule, match_rule
from pipeline.network.calendar import Calendar

FIRST, LAST = 2000, 2050  # years that are looked up; before and after them the nearest offset holds, and no holiday
_EPOCH, _DAY = datetime(1970, 1, 1, tzinfo=UTC), timedelta(days=1)
_STEP = timedelta(days=7)  # no offset holds for a shorter time


class CalendarError(ValueError):
    """No such zone or holiday; the text says what would be right."""


def calendars_of(config: Config) -> Callable[[str], Calendar | None]:
    """The calendar of a machine by its name; None for UTC without holidays. Raises CalendarError when asked."""

    def calendar(machine: str) -> Calendar | None:
        rule = match_rule(config.machines, machine)
        return calendar_of(*zone_and_holidays(config, rule))

    return calendar


def zone_and_holidays(config: Config, rule: MachineRule) -> tuple[str, tuple[str, ...]]:
    """Those of a rule; where it says nothing, those of the plant."""
    zone = config.time_zone if rule.time_zone is None else rule.time_zone
    return zone, config.holidays if rule.holidays is None else rule.holidays


@lru_cache(maxsize=256)
def calendar_of(zone: str, holidays: tuple[str, ...]) -> Calendar | None:
    """A zone and holidays as tables; None for UTC without holidays, which needs none. Raises CalendarError."""
    begin_ns, offset_ns = offsets(zone)
    rest = sorted({day for text in holidays for day in days_of(text)})
    if not rest and offset_ns == (0,):
        return None
    return Calendar(begin_ns, offset_ns, rest)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(name[:60], available_timezones(), 1) or ["Europe/Berlin"]
        raise CalendarError(f"{name[:60]!r} is no time zone (an IANA name, such as {near[0]})") from None


def offset_at(zone: str, time_ns: int) -> int:
    """How far a zone is ahead of UTC at a Unix time, both in nanoseconds. Raises CalendarError."""
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    length = moment.astimezone(_zone(zone)).utcoffset() or timedelta()
    return length // timedelta(microseconds=1) * 1000


@lru_cache(maxsize=256)
def offsets(zone: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """From when on, in Unix nanoseconds, a zone has which offset from UTC, to the second. Raises CalendarError."""
    own = _zone(zone)

    def offset(moment: datetime) -> timedelta:
        return moment.astimezone(own).utcoffset() or timedelta()

    at, found = datetime(FIRST, 1, 1, tzinfo=UTC), []
    now = offset(at)
    found.append((at, now))
    while at.year <= LAST:
        after = at + _STEP
        later = offset(after)
        if later != now:
            low, high = at, after  # the last second of the old one, and the first of the new
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (middle, high) if offset(middle) == now else (low, middle)
            found.append((high, later))
        at, now = after, later
    second = timedelta(seconds=1)
    return (
        tuple((moment - _EPOCH) // second * 1_000_000_000 for moment, _ in found),
        tuple(length // second * 1_000_000_000 for _, length in found),
    )


@lru_cache(maxsize=1024)
def days_of(text: str) -> tuple[int, ...]:
    """Days since 1970 of a date, `2026-12-24`, or of a code, `DE` or `DE-BY`. Raises CalendarError."""
    try:
        return ((date.fromisoformat(text) - _EPOCH.date()) // _DAY,)
    except ValueError:
        pass
    right = "a date such as 2026-12-24, or a code such as DE or DE-BY"
    if text[:1].isdigit() or not text.replace("-", "").isalnum():
        raise CalendarError(f"{text[:40]!r} is neither a date nor a country ({right})")
    if importlib.util.find_spec("holidays") is None:
        raise CalendarError("a code needs the package holidays (pip install holidays; or give dates)")
    import holidays  # here, as most plants name none, and it takes a third of a second

    country, _, part = text.partition("-")
    try:
        known = holidays.country_holidays(country, subdiv=part or None, years=range(FIRST, LAST + 1))
    except NotImplementedError:
        raise CalendarError(
            f"{text[:40]!r} is no country, or no part of one, with known holidays ({right})"
        ) from None
    return tuple(sorted((day - _EPOCH.date()) // _DAY for day in known))


def problems(zone: str | None, holidays: tuple[str, ...] | None) -> Iterator[tuple[str, str]]:
    """What is wrong with both: key, and what would be right."""
    if zone is not None:
        try:
            offsets(zone)
        except CalendarError as error:
            yield "time_zone", str(error)
    for number, text in enumerate(holidays or ()):
        try:
            days_of(text)
        except CalendarError as error:
            yield f"holidays[{number}]", str(error)
