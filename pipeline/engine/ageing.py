"""The ageing report: how far a sensor has moved, how fast, when it reaches its limit, and whether its kind does, too.

The network measures (`wear.c`); here it becomes what a maintenance engineer plans by. Pure. Whatever is not known is
None and never a guess: a limit that is not approached has no date.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

SURE = 1.645  # standard errors of a pace within which it may as well be none
SPREAD = 2.5  # standard errors on either side of a forecast: machines age neither evenly nor as others did; measured
DAY_NS = 86_400e9
FARTHEST_DAYS = 36_500.0  # nobody plans for later; such a limit is not reached


class Forecast(NamedTuple):
    """When the mean reading reaches a limit, in days from now; None where it is not reached as things go."""

    limit: float
    days: float | None  # None also where the pace is not surely another than none
    earliest: float | None
    latest: float | None


class Peers(NamedTuple):
    """The same sensor on all machines of the kind that know theirs, this one among them."""

    machines: int
    shift: float  # medians, in sigmas
    per_day: float
    rank: int  # of this machine, 1 has moved farthest


class Ageing(NamedTuple):
    """One sensor since commissioning, or since its machine was repaired. Before it is known, all else is None."""

    sensor: str
    known: float  # share of commissioning that is done
    shift: float | None = None  # in sigmas: of what the other sensors left unexplained of it at commissioning
    moved: float | None = None  # the same in the sensor's unit
    error: float | None = None  # of it, one standard deviation
    per_day: float | None = None  # sigmas
    per_day_unit: float | None = None
    per_day_error: float | None = None  # of that
    # It reads `offset + gain * what commissioning would have expected`; gain only where others speak of it.
    offset: float | None = None
    gain: float | None = None
    level: float | None = None  # mean reading now, under the load of commissioning
    forecast: Forecast | None = None  # where a limit is configured
    peers: Peers | None = None  # where a kind is, and another machine of it knows this sensor


def forecast(limit: float, mean: float, level: float, error: float, per_day: float, per_day_error: float) -> Forecast:
    """When a level reaches a limit; both errors one standard deviation.

    The limit lies where it lay from `mean`, the level at commissioning: whatever is beyond it on that side has
    reached it. Interval by Fieller's theorem (1954), which has no upper end where the pace may be none.

    >>> forecast(10.0, 0.0, 5.0, 0.0, 1.0, 0.0)
    Forecast(limit=10.0, days=5.0, earliest=5.0, latest=5.0)
    """
    away = math.copysign(1.0, limit - mean)
    left, pace = away * (limit - level), away * per_day
    if left == 0.0 == error:
        return Forecast(limit, 0.0, 0.0, 0.0)
    # In units in which the larger of each pair is 1: the square of a small number may be 0, that of a large one none.
    length, speed = max(abs(left), error), max(abs(pace), per_day_error) or 1.0
    unit = length / speed  # days
    if not (math.isfinite(length) and math.isfinite(speed)):
        return Forecast(limit, None, None, None)
    left, error, pace, unsure = left / length, error / length, pace / speed, per_day_error / speed
    sure = pace * pace - (SPREAD * unsure) ** 2
    reach = left * left - (SPREAD * error) ** 2
    root = math.sqrt(max((left * pace) ** 2 - sure * reach, 0.0))
    latest = unit * ((left * pace + root) / sure) if sure > 0.0 and pace > 0.0 else None
    if left <= 0.0:
        return Forecast(limit, 0.0, 0.0, 0.0 if reach >= 0.0 else planned(latest))
    nearer = left * pace + root
    if reach <= 0.0:
        earliest: float | None = 0.0
    elif pace <= 0.0 <= sure or nearer <= 0.0:
        earliest = None
    else:
        earliest = unit * (reach / nearer)  # the nearer root, without the difference of two large numbers
    likely = unit * (left / pace) if pace > SURE * unsure else None
    return Forecast(limit, planned(likely), planned(earliest), None if likely is None else planned(latest))


def planned(days: float | None) -> float | None:
    """Days, if anybody would plan for them."""
    return days if days is not None and days <= FARTHEST_DAYS else None


def told(sensor: str, measured: Sequence[float], limit: float | None) -> Ageing:
    """What is known of a sensor: `measured` has the fields of a `struct sw_wear_measured`."""
    known, deviation, mean, moved, lag, error, pace, pace_error, gain, usual_ns = measured
    if known < 1.0 or not deviation > 0.0:
        return Ageing(sensor, min(known, 0.999))
    rows_per_day = DAY_NS / usual_ns if usual_ns > 0.0 else 0.0
    per_day, per_day_error = pace * rows_per_day, pace_error * rows_per_day
    spoken_of = math.isfinite(gain)
    shown = gain if spoken_of else 1.0
    level, offset = mean + moved + pace * lag, mean + moved - shown * mean
    figures = (deviation, moved / deviation, moved, error, per_day / deviation, per_day, per_day_error, offset, level)
    if not all(map(math.isfinite, figures)):
        return Ageing(sensor, min(known, 0.999))
    return Ageing(
        sensor,
        1.0,
        moved / deviation,
        moved,
        error,
        per_day / deviation,
        per_day,
        per_day_error,
        offset,
        gain if spoken_of else None,
        level,
        None
        if limit is None
        else forecast(limit, mean, level, math.hypot(error, lag * pace_error), per_day, per_day_error),
    )


def compared(machines: Sequence[Sequence[Ageing]]) -> list[tuple[Ageing, ...]]:
    """Sensors of machines of one kind, each held against those of its name on all of them; alone it has no peers."""
    shifts: dict[str, list[float]] = {}
    paces: dict[str, list[float]] = {}
    for sensors in machines:
        for one in sensors:
            if one.shift is not None and one.per_day is not None:
                shifts.setdefault(one.sensor, []).append(one.shift)
                paces.setdefault(one.sensor, []).append(one.per_day)
    middle = {sensor: (median(found), median(paces[sensor])) for sensor, found in shifts.items()}
    farthest = {sensor: sorted(map(abs, found)) for sensor, found in shifts.items()}

    def placed(one: Ageing) -> Ageing:
        if one.shift is None or len(shifts[one.sensor]) == 1:
            return one
        found = farthest[one.sensor]
        rank = 1 + len(found) - bisect_right(found, abs(one.shift))
        return one._replace(peers=Peers(len(found), *middle[one.sensor], rank))

    return [tuple(map(placed, sensors)) for sensors in machines]


def fields(one: Ageing) -> dict[str, float | int | str | bool]:
    """As they are written to the database; what is not known is left out."""
    found = {
        "shift": one.shift,
        "moved": one.moved,
        "per_day": one.per_day,
        "per_day_unit": one.per_day_unit,
        "offset": one.offset,
        "gain": one.gain,
    }
    if one.forecast is not None:
        found |= {
            "days_to_limit": one.forecast.days,
            "days_earliest": one.forecast.earliest,
            "days_latest": one.forecast.latest,
        }
    return {name: value for name, value in found.items() if value is not None}
