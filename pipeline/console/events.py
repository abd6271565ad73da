"""What happened to incidents and what people said: from the database, and from memory what it does not have yet."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, NamedTuple

from pipeline.console.answers import Latest, LatestOf
from pipeline.records import Point
from pipeline.sinks.history import History, Tags, Unavailable

REMEMBERED = 500  # points
MOST = 5_000  # points of each measurement that are asked for, the newest
FOREVER_NS = 2**62
MACHINES = 16  # of which what is stored is kept for a while
AGAIN_S, LATER_S = 5.0, 30.0  # after which all is asked for again; and where the database did not answer


class Known(NamedTuple):
    """Points, and what is not known of them."""

    points: list[Point]
    incomplete: str  # why only what this service remembers is there; empty where the database was asked
    cut: bool  # there were more points than are asked for


class Events:
    """`take` is called by the main thread, the rest by others."""

    def __init__(self, history: History | None) -> None:
        self._history = history
        self._lock = threading.Lock()
        self._points: OrderedDict[tuple[Any, ...], Point] = OrderedDict()
        self._all: Latest[Known] = Latest()
        self._machines: LatestOf[Known] = LatestOf(MACHINES)

    def take(self, points: Iterable[Point]) -> None:
        """Remember what is news of incidents or a command; the oldest are forgotten."""
        with self._lock:
            for point in points:
                if point.measurement in ("incident", "command"):
                    self._points[_key(point)] = point
            while len(self._points) > REMEMBERED:
                self._points.popitem(last=False)

    def stored(self) -> Known:
        """What the database has of all machines; it is asked now and then."""
        return self._all(lambda: self._ask_again_later(None))

    def all(self, stored: Known) -> Known:
        """The newest points of all machines, in order of time: those `stored`, and those that are remembered."""
        return self._joined(stored, None, 0, FOREVER_NS)

    def of(self, tags: Tags) -> Known:
        """The newest points of a machine, in order of time. The database is asked now and then."""
        stored = self._machines(tags, lambda: self._ask_again_later(tags))
        return self._joined(stored, tags, 0, FOREVER_NS)

    def between(self, tags: Tags, begin_ns: int, end_ns: int) -> Known:
        """The same in that time, and the database is asked every time."""
        return self._joined(self._ask(tags, begin_ns, end_ns), tags, begin_ns, end_ns)

    def _ask_again_later(self, tags: Tags | None) -> tuple[Known, float]:
        found = self._ask(tags, 0, FOREVER_NS)
        return found, LATER_S if found.incomplete else AGAIN_S

    def _ask(self, tags: Tags | None, begin_ns: int, end_ns: int) -> Known:
        if self._history is None:
            return Known([], "", False)
        try:
            stored = self._history.events(tags, begin_ns, end_ns, MOST)
        except Unavailable as error:
            return Known([], str(error), False)
        return Known(stored, "", len(stored) >= MOST)

    def _joined(self, stored: Known, tags: Tags | None, begin_ns: int, end_ns: int) -> Known:
        """What is stored, and what is remembered."""
        with self._lock:
            own = [
                point
                for point in self._points.values()
                if begin_ns <= point.time_ns < end_ns
                and (tags is None or tuple(one for one in point.tags if one[0] != "id") == tags)
            ]
        both = {_key(point): point for point in (*stored.points, *own)}
        return stored._replace(points=sorted(both.values(), key=_order))


def _key(point: Point) -> tuple[Any, ...]:
    return point.measurement, point.tags, point.time_ns, str(point.fields.get("phase", ""))


def _order(point: Point) -> tuple[int, int]:
    """By time; of one time an incident closes after all else, and is answered after that."""
    answered = point.fields.get("phase") == "update" and bool(point.fields.get("reason"))
    closed = point.fields.get("phase") == "close"
    return point.time_ns, 2 * answered + closed
