"""What is asked about the past, and the answers: courses of machines, incidents by filter, and one incident in full.

The database is asked by threads of the console, never by the one that scores, a few at a time and for bounded times.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from pipeline.config.settings import unix_ns
from pipeline.console import incident_records as incidents
from pipeline.console import views
from pipeline.console.answers import LatestOf
from pipeline.console.events import AGAIN_S, Events, Known
from pipeline.console.incident_records import STATES, Filter, Record
from pipeline.engine.level import level_of
from pipeline.records import Point
from pipeline.sinks.history import SECOND, Buckets, Course, History, Question, Tags, Unavailable, width_for

POINTS, MOST_POINTS = 600, 2_000  # buckets of a course
MOST_SENSORS = 16  # of a course
LONGEST_NS = 3_660 * 86_400 * SECOND
LATEST_NS = 2**62
WAITING = 4  # questions to the database at a time; it answers one after the other
MARKS = 200  # incidents and commands of a course, each
LATER_NS = 7 * 86_400 * SECOND  # for so long after a course the end of its incidents is looked for
PAGE, MOST_PAGE = 200, 500  # past incidents in an answer
INCIDENTS = 64  # of which the worst readings are kept for a while
SAID = 100  # commands in an answer
_SECONDS = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?")
_NUMBER = re.compile(r"[0-9]{1,9}")


def moment(request: Request, name: str, default_ns: int) -> int:
    """A time that was asked with, in nanoseconds: Unix seconds, or ISO 8601 (without a zone it is UTC)."""
    text = request.query_params.get(name, "")
    if not text:
        return default_ns
    if _SECONDS.fullmatch(text):
        whole, _, part = text.partition(".")
        found = int(whole) * SECOND + int(part.ljust(9, "0"))
    else:
        try:
            found = unix_ns(text)
        except ValueError:
            raise HTTPException(400, f"{name} is neither Unix seconds nor ISO 8601 (2024-05-31T12:00:00Z)") from None
    if not 0 <= found <= LATEST_NS:
        raise HTTPException(400, f"{name} is not between 1970 and 2116")
    return found


def question(request: Request, tags: Tags, known: list[str], usual: list[str], newest_ns: int) -> Question:
    """What `/history` asks; 400 for what it cannot. `known`: all sensors, `usual`: those that nobody named."""
    end_ns = moment(request, "to", newest_ns + SECOND)
    begin_ns = moment(request, "from", max(end_ns - 3600 * SECOND, 0))
    if begin_ns >= end_ns:
        raise HTTPException(400, "from is not before to")
    if end_ns - begin_ns > LONGEST_NS:
        raise HTTPException(400, "from and to are more than ten years apart")
    text = request.query_params.get("points", str(POINTS))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= MOST_POINTS:
        raise HTTPException(400, f"points is not a whole number from 1 to {MOST_POINTS}")
    asked = list(dict.fromkeys(request.query_params.getlist("sensor")))
    if len(asked) > MOST_SENSORS:
        raise HTTPException(400, f"more than {MOST_SENSORS} sensors; ask for fewer at a time")
    for sensor in asked:
        if sensor not in known:
            raise HTTPException(400, f"the machine has no sensor {sensor[:60]!r}")
    return Question(tags, tuple(asked or usual), begin_ns, end_ns, width_for(begin_ns, end_ns, int(text)))


def filter_of(request: Request) -> Filter:
    """Which incidents `/api/incidents` is asked for; 400 for what it cannot be."""
    asked = request.query_params
    tags = []
    for text in asked.getlist("tag")[:16]:
        key, equals, value = text.partition("=")
        if not equals:
            raise HTTPException(400, "tag has the form site=a")
        tags.append((key, value))
    severity, state = asked.get("severity", ""), asked.get("state", "")
    if severity not in ("", "warning", "critical"):
        raise HTTPException(400, "severity is warning or critical")
    if state not in ("", *STATES):
        raise HTTPException(400, f"state is one of {', '.join(STATES)}")
    return Filter(asked.get("machine", "")[:100], tuple(tags), asked.get("class", "")[:100], severity, state)


def _told(buckets: Buckets, times: dict[int, int]) -> dict[str, list[Any]]:
    """Columns as long as the axis of time, with null where a bucket holds nothing."""
    told: dict[str, list[Any]] = {}
    at = [times[time_ns] for time_ns in buckets.time_ns]
    for name, column in buckets._asdict().items():
        if name != "time_ns":
            told[name] = [None] * len(times)
            for place, value in zip(at, column, strict=True):
                told[name][place] = value
    return told


def told(course: Course) -> dict[str, Any]:
    """A course as JSON: columns of one length."""
    every = sorted({time_ns for one in (course.machine, *course.sensors.values()) for time_ns in one.time_ns})
    times = {time_ns: at for at, time_ns in enumerate(every)}
    machine = _told(course.machine, times)
    return {
        "bucket_s": course.width_ns / SECOND,
        "time_s": [time_ns / SECOND for time_ns in every],
        "severity": machine.pop("worst"),
        "score": {name: machine[name] for name in ("points", "low", "mean", "high")},
        "level": {
            name: [None if score is None else level_of(score) for score in machine[name]]
            for name in ("low", "mean", "high")
        },
        "sensors": {
            sensor: {"score" if name == "worst" else name: column for name, column in _told(one, times).items()}
            for sensor, one in course.sensors.items()
        },
    }


class Past:
    """The database, and what the service remembers."""

    def __init__(self, history: History | None, events: Events) -> None:
        self._history, self._events = history, events
        self._worst: LatestOf[dict[str, Point]] = LatestOf(INCIDENTS)
        self._room = threading.BoundedSemaphore(WAITING)

    @property
    def database(self) -> str:
        """What is asked; empty where there is none."""
        return "" if self._history is None else self._history.name

    @contextmanager
    def _asking(self) -> Iterator[History]:
        """503, and why, where the database cannot answer."""
        if self._history is None:
            raise HTTPException(503, "there is no database that could be asked about the past")
        if not self._room.acquire(blocking=False):
            raise HTTPException(503, "the database is busy with other questions; try again")
        try:
            yield self._history
        except Unavailable as error:
            raise HTTPException(503, str(error)) from None
        finally:
            self._room.release()

    def course(self, asked: Question, open_now: list[Record]) -> dict[str, Any]:
        """The course of a machine, with the incidents and commands of that time."""
        with self._asking() as history:
            course = history.course(asked)
        known = self._events.between(asked.tags, asked.begin_ns, asked.end_ns + LATER_NS)
        begin_s, end_s = asked.begin_ns / SECOND, asked.end_ns / SECOND
        within = [
            one
            for one in incidents.records(known.points, open_now)
            if one["started_s"] < end_s and (one["ended_s"] is None or one["ended_s"] >= begin_s)
        ]
        said = [views.said(one) for one in known.points if one.measurement == "command"]
        said = [one for one in said if begin_s <= one["time_s"] < end_s]
        return {
            "from_s": begin_s,
            "to_s": end_s,
            "database": self.database,
            **told(course),
            "incidents": within[:MARKS],
            "commands": said[-MARKS:],
            "incomplete": known.incomplete,
        }

    def incident(self, tags: Tags, number: str, open_now: list[Record], others: list[Record]) -> dict[str, Any]:
        """One incident of a machine in full. `others`: of this machine and of its kind, among which like ones are."""
        own = self._events.of(tags)
        its = incidents.records(own.points, open_now)
        one = next((record for record in its if record["number"] == number), None)
        if one is None:
            if own.incomplete:
                raise HTTPException(503, own.incomplete)
            raise HTTPException(404, "there is no such incident (any more)")
        later = [record["started_s"] for record in its if record["started_s"] > one["started_s"]]
        next_s = min(later, default=None)
        return {
            **one,
            "database": self.database,
            "incomplete": own.incomplete,
            "blamed": self._blamed(tags, one),
            "timeline": incidents.timeline(one, own.points, next_s),
            "similar": incidents.similar(one, others),
            "answers": incidents.answers(one, bool(open_now), next_s is None),
        }

    def _blamed(self, tags: Tags, one: Record) -> list[Record]:
        """The sensors of an incident with their worst readings in it, where the database has them."""
        parts = incidents.blamed(one)
        names = tuple(part["sensor"] for part in parts)
        until_s = one["time_s"] if one["ended_s"] is None else one["ended_s"]

        def find() -> tuple[dict[str, Point], float]:
            begin_ns, end_ns = round(one["started_s"] * SECOND), round(until_s * SECOND) + SECOND
            try:
                with self._asking() as history:
                    return history.worst(tags, names, begin_ns, end_ns), AGAIN_S
            except HTTPException:
                return {}, AGAIN_S

        worst = self._worst((tags, one["number"], one["ended_s"], names), find)
        found = []
        for part in parts:
            point = worst.get(part["sensor"])
            fields = point.fields if point else {}
            reading = {name: fields.get(name) for name in ("value", "expected", "low", "high", "score")}
            found.append({**part, **reading, "time_s": point.time_ns / SECOND if point else None})
        return found


def listed(known: Known, found: list[Record], wanted: Filter, offset: int, limit: int) -> dict[str, Any]:
    """A page of past incidents that are wanted, the groups among them, and what can be chosen."""
    taken = [one for one in found if wanted.takes(one)]
    past = [one for one in taken if one["state"] != "open"]
    shown = past[offset : offset + limit]
    said = sorted((one for one in known.points if one.measurement == "command"), key=lambda one: -one.time_ns)
    return {
        "past": shown,
        "found": len(past),
        "groups": incidents.groups(taken, [*shown, *(one for one in taken if one["state"] == "open")]),
        "choices": {
            "tags": sorted({f"{key}={value}" for one in found for key, value in one["tags"].items()})[:500],
            "classes": sorted({one["class"] for one in found} - {""}),
        },
        "said": [views.said(point) for point in said[:SAID]],
        "incomplete": known.incomplete,
        "cut": known.cut,
    }


def number_of(request: Request) -> str:
    """Of the incident in the address."""
    number: str = request.path_params["number"]
    if not _NUMBER.fullmatch(number):
        raise HTTPException(400, "the number of an incident is a whole number")
    return number
