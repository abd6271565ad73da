"""Quiet hours: until when is it quiet? By the clock on the wall, which summer time moves. Pure: time comes in."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Hours(NamedTuple):
    """Hours of the day, on some days."""

    begin: time
    end: time  # of the next day where it is not after `begin`
    days: Sequence[int]  # on which they begin; 0 is Monday
    zone: ZoneInfo
    critical_too: bool  # whether what is critical has to wait, too


def quiet_until(hours: Hours, now_ns: int) -> int:
    """Unix time at which the quiet hours end that it is in now; 0 where it is in none."""
    now = datetime.fromtimestamp(now_ns / 1e9, UTC)
    today = now.astimezone(hours.zone).date()
    for day in (today - timedelta(days=1), today):
        if day.weekday() not in hours.days:
            continue
        last = day if hours.end > hours.begin else day + timedelta(days=1)
        begin = datetime.combine(day, hours.begin, hours.zone)
        end = datetime.combine(last, hours.end, hours.zone)
        if begin.astimezone(UTC) <= now < end.astimezone(UTC):
            return int(end.timestamp()) * 1_000_000_000
    return 0
