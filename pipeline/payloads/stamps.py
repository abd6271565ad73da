"""When a sample was taken: its time stamp to Unix nanoseconds, or why it is none.

Whole numbers keep nanoseconds. Fractions and text keep microseconds: a double holds no more of today's Unix time,
and the rest would be noise.

Text without a zone is by the clock of `Source.time_zone`. Where that clock goes back, an hour occurs twice; the later
one is meant where the message arrived within half of that hour of it, before or after, and otherwise the earlier: so
what arrives as it happens is right in both hours, and of what arrives later the second hour is the first again (the
fleet counts it as late, and learns nothing from it). A time that the clock skipped is no time.

The zone's data are looked up once, when this is made; then it is pure, as everything else here.
"""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.config.settings import Source, unix_ns
from pipeline.payloads.decoded import Cause, Refusal, Window

MAX_STAMP = 64  # characters of a time as text that `time_format` reads

_US_PER_UNIT = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_NS_PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Stamps:
    """The time stamps of one source."""

    def __init__(self, source: Source, window: Window) -> None:
        self.unit = source.time_unit
        self.format = source.time_format
        self.zone = None if source.time_zone is None else WallClock(source.time_zone)
        self.window = window
        self._plain = self.format is None and self.zone is None

    def read(self, stamp: Any, received_ns: int) -> int | Refusal:
        """Unix nanoseconds of a stamp in a message that arrived at `received_ns`."""
        try:
            if self._plain or (self.format is None and type(stamp) is not str):
                time_ns = unix_time(stamp, self.unit)
            else:
                time_ns = self._by_clock(stamp, received_ns)
        except ValueError as error:
            return Refusal(Cause.BAD_TIME, str(error))
        beyond = self.window.beyond(time_ns, received_ns)
        return time_ns if beyond is None else Refusal(beyond, shown(time_ns))

    def _by_clock(self, stamp: Any, received_ns: int) -> int:
        """Unix nanoseconds of a time as text, or as digits where a format says what they are; else ValueError."""
        text = str(stamp) if type(stamp) is int and 0 <= stamp < 10**20 else stamp
        if type(text) is not str or len(text) > MAX_STAMP or self.unit not in ("auto", "iso"):
            raise ValueError(f"not a time {'in ' + self.unit if self.format is None else 'as ' + self.format}")
        try:
            moment = datetime.fromisoformat(text) if self.format is None else datetime.strptime(text, self.format)
            zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            time_ns: int = (zoned - _EPOCH) // _MICROSECOND * 1000
        except (ValueError, OverflowError):
            right = "ISO 8601 (such as 2024-05-31T12:00:00)" if self.format is None else self.format
            raise ValueError(f"{text[:40]!r} is not {right}") from None
        if moment.tzinfo is not None or self.zone is None:
            return time_ns
        return self.zone.unix_ns(time_ns, received_ns)


class WallClock:
    """The clock of a zone: from what it shows to what is the time. ValueError where there is no such zone."""

    def __init__(self, zone: str) -> None:
        from pipeline.config.calendars import offsets  # here, as few name one, and it loads the network

        self.zone = zone
        self.begin_ns, self.offset_ns = offsets(zone)

    def unix_ns(self, wall_ns: int, received_ns: int) -> int:
        """Unix nanoseconds of a wall-clock time, given as if it were UTC; ValueError where the clock skipped it."""
        last = len(self.begin_ns) - 1
        near = bisect_right(self.begin_ns, wall_ns) - 1  # offsets hold for a week at least, and are less than a day
        found = []
        for period in range(max(near - 1, 0), min(near + 1, last) + 1):
            time_ns = wall_ns - self.offset_ns[period]
            begun = period == 0 or time_ns >= self.begin_ns[period]
            if begun and (period == last or time_ns < self.begin_ns[period + 1]):
                found.append(time_ns)
        if not found:
            raise ValueError(f"{shown(wall_ns)[:19]} did not occur in {self.zone}: the clock went forward past it")
        earlier, later = found[0], found[-1]
        return later if 2 * abs(received_ns - later) <= later - earlier else earlier


def unix_time(stamp: Any, unit: str) -> int:
    """Unix nanoseconds of a JSON value; ValueError where it is no time in `unit`."""
    kind = type(stamp)
    if kind is str and unit in ("auto", "iso"):
        return unix_ns(stamp)
    if (kind is not int and kind is not float) or unit == "iso" or stamp != stamp:
        raise ValueError("neither a number nor ISO 8601" if unit == "auto" else f"not a time in {unit}")
    size = abs(stamp)
    if size >= 1e30:  # beyond every unit; also infinity, which no integer holds
        return 10**30 if stamp > 0 else -(10**30)
    if unit == "auto":
        # 1e11 is the year 5138 in seconds and 1973 in milliseconds; the other borders are the same years.
        unit = "s" if size < 1e11 else "ms" if size < 1e14 else "us" if size < 1e17 else "ns"
    if kind is int:
        return int(stamp) * _NS_PER_UNIT[unit]
    return round(float(stamp) * _US_PER_UNIT[unit]) * 1000


def shown(time_ns: int) -> str:
    """A time for people, to the second."""
    try:
        return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return "out of the calendar"
