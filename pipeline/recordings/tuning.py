"""Thresholds for an alarm budget: which one would have given at most so many incidents in a machine's history. Pure.

Alarms closer than `APART_NS` are one incident. History with real faults in it gives too high a threshold, for those
alarms count too; and a history in which the budget allows not even one incident says little.
"""

import re
from bisect import bisect_left
from typing import NamedTuple

import numpy as np

from pipeline.config.settings import Alert, duration_ns
from pipeline.records import Floats, Ints

APART_NS = 600 * 10**9  # judgement: `alert.close`, the pause after which an incident closes
LOWEST = Alert().clear  # a warning below the score at which a machine is calm again would never end

_BUDGET = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:per|a|an|/)\s*(hour|day|week|month|year)\s*")
_PERIODS = {"hour": "1h", "day": "1d", "week": "7d", "month": "30d", "year": "365d"}


class Tuned(NamedTuple):
    """What one machine's history says."""

    threshold: float  # the lowest that keeps the budget, LOWEST at least; above 1 where none does
    incidents: int  # that it would have given
    now: int  # incidents at the threshold of today
    allowed: float  # incidents, in a history of this length
    history_s: float


def budget_of(text: str) -> float:
    """Incidents a nanosecond of `2 per week`, `1/day`; ValueError says what would be right.

    >>> round(budget_of("2 per week") * duration_ns("14d"), 9)
    4.0
    """
    found = _BUDGET.fullmatch(text)
    if found is None or float(found[1]) == 0.0:
        raise ValueError(f"{text!r} is not a budget (a number above 0 per {', '.join(_PERIODS)}: 2 per week)")
    return float(found[1]) / duration_ns(_PERIODS[found[2]])


def incidents(time_ns: Ints, score: Floats, threshold: float) -> int:
    """How many incidents a threshold would have given; times in order."""
    alarms = time_ns[score >= threshold]
    return int(len(alarms) > 0) + int((np.diff(alarms) > APART_NS).sum())


def tune(time_ns: Ints, score: Floats, budget: float, today: float) -> Tuned:
    """The lowest threshold from which on, upwards, no incident too many would have come.

    `time_ns` in order, `score` beside it; `budget` in incidents a nanosecond, `today` the threshold as it is.
    """
    history_ns = int(time_ns[-1] - time_ns[0]) if len(time_ns) else 0
    allowed = budget * history_ns
    threshold, kept = LOWEST, 0
    alarms: list[int] = []  # times at or above the score looked at, in order
    count = 0
    order = np.argsort(-score, kind="stable")
    order = order[score[order] >= LOWEST]
    for place, row in enumerate(order.tolist()):
        count += _more(alarms, int(time_ns[row]))
        last = place + 1 == len(order) or score[order[place + 1]] < score[row]  # rows of one score come together
        if last and count > allowed:
            threshold = float(np.nextafter(score[row], 2.0))
            break
        if last:
            kept = count
    return Tuned(threshold, kept, incidents(time_ns, score, today), allowed, history_ns / 1e9)


def _more(alarms: list[int], time_ns: int) -> int:
    """Add an alarm; by how many that changes the number of incidents."""
    place = bisect_left(alarms, time_ns)
    before = place > 0 and time_ns - alarms[place - 1] <= APART_NS
    after = place < len(alarms) and alarms[place] - time_ns <= APART_NS
    apart = before and after and alarms[place] - alarms[place - 1] > APART_NS
    alarms.insert(place, time_ns)
    return 1 - before - after + (before and after and not apart)


def critical_of(warning: float) -> float:
    """Where `critical` goes with a new `warning`: half a unit of surprise above it, as the defaults are."""
    default = Alert()
    return max(default.critical, 1.0 - (1.0 - warning) * (1.0 - default.critical) / (1.0 - default.warning))
