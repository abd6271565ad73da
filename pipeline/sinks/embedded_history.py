"""The past of machines from the embedded store: by connections that only read, and within a time limit."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from pipeline.records import Point
from pipeline.sinks import rollup
from pipeline.sinks.history import Buckets, Course, Highest, Question, Tags, Unavailable, widened
from pipeline.storage.sqlite_files import Database

LIMIT_S = 5.0  # of a question
STEPS = 20_000  # of SQLite between two looks at the clock; some milliseconds
# Series by series, as both tables are ordered by them and an index over all points is longer than the list of series.
HIGHEST = """
SELECT number, time_ns - time_ns % :width AS begin_ns, max(score) FROM (
    SELECT id AS number, time_ns, highest AS score FROM series CROSS JOIN rolled ON rolled.series = id
    WHERE measurement = 'machine' AND time_ns >= :begin AND time_ns < :end
    UNION ALL
    SELECT id, time_ns, json_extract(fields, '$.score')
    FROM series LEFT JOIN rolling ON rolling.series = id CROSS JOIN points ON points.series = id
    WHERE measurement = 'machine' AND time_ns >= max(:begin, ifnull(until_ns, 0)) AND time_ns < :end
) WHERE score IS NOT NULL GROUP BY number, begin_ns
"""


class EmbeddedHistory:
    """See `pipeline.sinks.history.History`. One question at a time; who comes meanwhile waits for his turn."""

    def __init__(self, path: Path, limit_s: float = LIMIT_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = "the embedded store"
        self._path, self._limit_s, self._clock = path, limit_s, clock
        self._turn = threading.Lock()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A view of the store that stays as it is; raises Unavailable for whatever goes wrong with it."""
        deadline = self._clock() + self._limit_s
        if not self._turn.acquire(timeout=self._limit_s):
            raise Unavailable(f"{self.name} is busy with other questions; try again")
        try:
            # The writer makes the file; who reads must not, nor wait for a lock that a writer never takes for long.
            address = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(
                sqlite3.connect(address, uri=True, isolation_level=None, timeout=self._limit_s, factory=Database)
            ) as database:
                database.set_progress_handler(lambda: self._clock() > deadline, STEPS)
                database.execute("BEGIN")
                yield database
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                why = f"it took longer than {self._limit_s:g} s; ask for a shorter time or fewer sensors"
            else:
                why = str(error)
            raise Unavailable(f"{self.name} cannot be read: {why}") from None
        finally:
            self._turn.release()

    def course(self, question: Question) -> Course:
        """See the protocol. Buckets are at least five minutes wide where points have been dropped to make room."""
        with self._reading() as database:
            asked = widened(question, question.width_ns)
            if asked.width_ns < rollup.WIDTH_NS and asked.begin_ns < rollup.dropped_before(database):
                asked = widened(question, rollup.WIDTH_NS)
            sensors = {
                sensor: _buckets(database, "sensor", tuple(sorted((*asked.tags, ("sensor", sensor)))), asked)
                for sensor in asked.sensors
            }
            return Course(asked.width_ns, _buckets(database, "machine", asked.tags, asked), sensors)

    def events(self, tags: Tags | None, begin_ns: int, end_ns: int, most: int) -> list[Point]:
        """See the protocol."""
        found = []
        with self._reading() as database:
            for measurement in ("incident", "command"):
                of_machine, given = ("", ()) if tags is None else _events_of(tags, measurement)
                rows = database.execute(
                    # In this order: an index over all points is longer than the list of series.
                    "SELECT tags, time_ns, fields FROM series CROSS JOIN points ON series = id WHERE measurement = ?"
                    f"{of_machine} AND time_ns >= ? AND time_ns < ? ORDER BY time_ns DESC LIMIT ?",
                    (measurement, *given, begin_ns, end_ns, most),
                )
                found += [
                    Point(measurement, msgspec.json.decode(own, type=Tags), msgspec.json.decode(fields), time_ns)
                    for own, time_ns, fields in rows
                ]
        return sorted(found, key=lambda one: one.time_ns)

    def worst(self, tags: Tags, sensors: tuple[str, ...], begin_ns: int, end_ns: int) -> dict[str, Point]:
        """See the protocol."""
        found = {}
        with self._reading() as database:
            for sensor in sensors:
                own = tuple(sorted((*tags, ("sensor", sensor))))
                row = database.execute(
                    "SELECT time_ns, fields FROM points WHERE series = ? AND time_ns >= ? AND time_ns < ?"
                    " ORDER BY json_extract(fields, '$.score') DESC, time_ns LIMIT 1",
                    (_number(database, "sensor", own), begin_ns, end_ns),
                ).fetchone()
                if row is not None:
                    found[sensor] = Point("sensor", own, msgspec.json.decode(row[1]), row[0])
        return found

    def highest(self, machines: Sequence[Tags], begin_ns: int, end_ns: int, width_ns: int) -> Highest:
        """See the protocol. From the rows as far as a series is rolled up, and from the points after that."""
        place = {msgspec.json.encode(tags).decode(): at for at, tags in enumerate(machines)}
        found = Highest([], [], [])
        with self._reading() as database:
            number_of = database.execute("SELECT id, tags FROM series WHERE measurement = 'machine'").fetchall()
            of = {number: place[tags] for number, tags in number_of if tags in place}
            rows = database.execute(HIGHEST, {"begin": begin_ns, "end": end_ns, "width": width_ns})
            for number, time_ns, score in rows:
                if number in of:
                    found.machine.append(of[number])
                    found.time_ns.append(time_ns)
                    found.score.append(score)
        return found


def _events_of(tags: Tags, measurement: str) -> tuple[str, tuple[str | int, ...]]:
    """SQL, and what goes into it, for the series of a machine's events: an incident has its number among the tags."""
    if measurement != "incident":
        return " AND tags = ?", (msgspec.json.encode(tags).decode(),)
    number = '["id","'
    whole = msgspec.json.encode(tuple(sorted((*tags, ("id", ""))))).decode()
    before, _, after = whole.partition(number)
    before += number
    return (
        " AND substr(tags, 1, ?) = ? AND substr(tags, ?) = ?"
        " AND substr(tags, ?, length(tags) - ?) NOT GLOB '*[^0-9]*'",
        (len(before), before, -len(after), after, len(before) + 1, len(before) + len(after)),
    )


def _number(database: sqlite3.Connection, measurement: str, tags: Tags) -> int:
    """Of a series; one that no series has, where there is none."""
    row = (measurement, msgspec.json.encode(tags).decode())
    found = database.execute("SELECT id FROM series WHERE measurement = ? AND tags = ?", row).fetchone()
    return -1 if found is None else int(found[0])


def _buckets(database: sqlite3.Connection, measurement: str, tags: Tags, asked: Question) -> Buckets:
    """From the rows as far as the series is rolled up, and from the points after that."""
    series = _number(database, measurement, tags)
    found = database.execute("SELECT until_ns FROM rolling WHERE series = ?", (series,)).fetchone()
    until_ns = 0 if found is None or asked.width_ns < rollup.WIDTH_NS else int(found[0])
    given = {
        "series": series,
        "width": asked.width_ns,
        "begin": asked.begin_ns,
        "rolled": min(max(asked.begin_ns, until_ns), asked.end_ns),
        "end": asked.end_ns,
    }
    points = rollup.each_point(measurement, ":width", "series = :series AND time_ns >= :rolled AND time_ns < :end")
    rows = database.execute(
        f"SELECT time_ns, {rollup.SUMS} FROM (SELECT series, time_ns - time_ns % :width AS time_ns, count, lowest,"
        " highest, total, worst, banded, expected, band_low, band_high FROM rolled"
        " WHERE series = :series AND time_ns >= :begin AND time_ns < :rolled"
        f" UNION ALL {points}) GROUP BY time_ns ORDER BY time_ns",
        given,
    )
    columns: list[list[Any]] = [[] for _ in Buckets._fields]
    for time_ns, count, low, high, total, worst, banded, *band in rows:
        means = [part / banded if banded else None for part in band]
        for column, value in zip(columns, (time_ns, count, low, total / count, high, worst, *means), strict=True):
            column.append(value)
    return Buckets(*columns)
