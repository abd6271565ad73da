"""The embedded store: points in one SQLite file, for trying out and for the built-in page.

Written by one thread; anybody may read through an instance of their own. Old points go by age, against the newest
point of the same machine and not against the clock, as a recording that is played may be years old; and by number; on
a full disk the oldest tenth goes. What five minutes held outlives points that go by number (`pipeline.sinks.rollup`).
A damaged file is set aside by name, and a new one begun.
"""

import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pipeline.files import make_folder, make_private
from pipeline.records import Point
from pipeline.sinks import rollup
from pipeline.sinks.errors import Unreachable
from pipeline.storage.sqlite_files import Damaged, Database, aside, is_damage, is_full, move

log = logging.getLogger("spikewatch.store")

SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, measurement TEXT NOT NULL, tags TEXT NOT NULL, UNIQUE (measurement, tags)
);
CREATE TABLE IF NOT EXISTS points (
    series INTEGER NOT NULL REFERENCES series, time_ns INTEGER NOT NULL, fields TEXT NOT NULL,
    PRIMARY KEY (series, time_ns)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_time ON points (time_ns);
"""
TRIM_EVERY = 20_000  # points written between two looks at what is too old
OWN_TIME = ("command", "service")  # measurements whose time is the clock's and not that of any reading
OF_A_MACHINE = ("sensor", "id")  # tags by which series of one machine differ
SHED = 10  # where the disk is full, the oldest tenth of the points goes
Tags = tuple[tuple[str, str], ...]


def clock_of(measurement: str, tags: Tags) -> tuple[bool, Tags]:
    """Whose time the points of a series have: our own, or that of their machine's readings."""
    own = measurement in OWN_TIME
    return own, () if own else tuple(one for one in tags if one[0] not in OF_A_MACHINE)


class Embedded:
    """A store in one file."""

    def __init__(self, path: Path, keep_ns: int = 30 * 86400 * 10**9, max_points: int = 5_000_000) -> None:
        """Open or create. Raises OSError where the folder cannot be made."""
        make_folder(path.parent)
        self._path, self._keep_ns, self._max_points = path, keep_ns, max_points
        self._database: sqlite3.Connection | None = None  # opened by the thread that uses it
        self._series: dict[tuple[str, Tags], int] = {}
        self._rollup = rollup.Rollup()
        self._since_trim = TRIM_EVERY

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            make_private(self._path)
            database = sqlite3.connect(self._path, isolation_level=None, timeout=30.0, factory=Database)
            try:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                database.executescript(SCHEMA + rollup.SCHEMA)
                if database.execute("PRAGMA table_info(points)").fetchall() == []:
                    raise Damaged("its tables are not those that Spikewatch created")
            except BaseException:
                database.close()
                raise
            self._database = database
        return self._database

    def write(self, points: Sequence[Point]) -> None:
        """Store points, all or none; the same series and time overwrites. Raises Unreachable (say, a full disk)."""
        try:
            self._insert(points)
        except sqlite3.Error as error:
            if is_damage(error, self._path):
                self.close()
                name = aside(self._path)
                move(self._path, name)
                log.error('store.corrupt set_aside=%s reason="%s" note="a new store is started"', name, error)
            elif is_full(error, self._path):
                self._shed()
            raise Unreachable(f"{self._path}: {error}") from None

    def _insert(self, points: Sequence[Point]) -> None:
        database = self._open()
        database.execute("BEGIN IMMEDIATE")
        try:
            rows = [
                (self._number(database, point), point.time_ns, msgspec.json.encode(point.fields).decode())
                for point in points
            ]
            database.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?)", rows)
            written = ((row[0], point.measurement, row[1]) for row, point in zip(rows, points, strict=True))
            self._rollup.take(database, written)
            self._since_trim += len(rows)
            if self._since_trim >= TRIM_EVERY:
                self._trim(database)
            database.execute("COMMIT")
        except BaseException:
            self._series.clear()  # numbers given out in this transaction are gone
            self._rollup.forget()
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _number(self, database: sqlite3.Connection, point: Point) -> int:
        key = (point.measurement, tuple(point.tags))
        number = self._series.get(key)
        if number is None:
            row = (point.measurement, msgspec.json.encode(point.tags).decode())
            database.execute("INSERT OR IGNORE INTO series (measurement, tags) VALUES (?, ?)", row)
            found = database.execute("SELECT id FROM series WHERE measurement = ? AND tags = ?", row).fetchone()
            if found is None or not isinstance(found[0], int):
                raise Damaged("a series that was just stored is not in it")
            number = self._series[key] = found[0]
        return number

    def _trim(self, database: sqlite3.Connection) -> None:
        self._since_trim = 0
        spans = database.execute(
            "SELECT id, measurement, tags, (SELECT min(time_ns) FROM points WHERE series = id),"
            " (SELECT max(time_ns) FROM points WHERE series = id),"
            " (SELECT min(time_ns) FROM rolled WHERE series = id),"
            " (SELECT max(time_ns) FROM rolled WHERE series = id) FROM series"
        ).fetchall()
        newest: dict[tuple[bool, Tags], int] = {}
        found = []
        for number, measurement, tags, first, last, first_rolled, last_rolled in spans:
            clock = clock_of(measurement, msgspec.json.decode(tags, type=Tags))
            for table, begin, end in (("points", first, last), ("rolled", first_rolled, last_rolled)):
                if end is not None:
                    newest[clock] = max(end, newest.get(clock, end))
                    found.append((table, number, clock, begin))
        for table, width_ns in (("points", 0), ("rolled", rollup.WIDTH_NS)):
            database.executemany(
                f"DELETE FROM {table} WHERE series = ? AND time_ns < ?",
                [
                    (number, newest[clock] - self._keep_ns - width_ns)
                    for its, number, clock, first in found
                    if its == table and first < newest[clock] - self._keep_ns - width_ns
                ],
            )
        self._drop_oldest(database, self._size(database) - self._max_points)
        self._rollup.trim(database, self._max_points)  # no point that is left is without its row
        # Every incident has a series of its own, which goes with its points.
        gone = database.execute(
            "DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM points WHERE points.series = series.id)"
            " AND NOT EXISTS (SELECT 1 FROM rolled WHERE rolled.series = series.id)"
        )
        if gone.rowcount:
            database.execute(
                "DELETE FROM rolling WHERE series <> ?"
                " AND NOT EXISTS (SELECT 1 FROM series WHERE id = rolling.series)",
                (rollup.DROPPED,),
            )
            self._series.clear()
            self._rollup.forget()

    def _size(self, database: sqlite3.Connection) -> int:
        [(size,)] = database.execute("SELECT count(*) FROM points")
        return int(size)

    def _drop_oldest(self, database: sqlite3.Connection, count: int, rolled: bool = True) -> None:
        """`rolled`: rows of five minutes outlive the points, also where they have not been made yet."""
        if count <= 0:
            return
        oldest = "FROM points ORDER BY time_ns LIMIT ?"
        [(last_ns,)] = database.execute(f"SELECT max(time_ns) FROM (SELECT time_ns {oldest})", (count,))
        if rolled:
            self._rollup.keep(database, last_ns)
        self._rollup.dropped(database, last_ns)
        database.execute(f"DELETE FROM points WHERE (series, time_ns) IN (SELECT series, time_ns {oldest})", (count,))

    def _shed(self) -> None:
        """The disk is full: make room within the file, if the disk still takes as much as that."""
        try:
            database = self._open()
            count = -(-self._size(database) // SHED)
            self._drop_oldest(database, count, rolled=False)  # which would take room before it gives some
            log.warning("store.full dropped=%d policy=drop_oldest", count)
        except sqlite3.Error as error:
            log.warning('store.full dropped=0 reason="%s"', error)

    def query(
        self, measurement: str, since_ns: int | None = None, until_ns: int | None = None, limit: int = -1
    ) -> list[Point]:
        """Points of a measurement with since_ns <= time < until_ns, in order of time."""
        rows = self._open().execute(
            "SELECT tags, time_ns, fields FROM points JOIN series ON series = id"
            " WHERE measurement = ? AND time_ns >= ? AND time_ns < ? ORDER BY time_ns, id LIMIT ?",
            (
                measurement,
                -(2**63) if since_ns is None else since_ns,
                2**63 - 1 if until_ns is None else until_ns,
                limit,
            ),
        )
        return [
            Point(measurement, msgspec.json.decode(tags, type=Tags), msgspec.json.decode(fields), time_ns)
            for tags, time_ns, fields in rows
        ]

    def newest(self, measurement: str, tags: Tags | None, limit: int) -> list[Point]:
        """The newest points of a measurement, of the series with these tags or of all, in order of time."""
        own = "" if tags is None else " AND tags = ?"
        text = () if tags is None else (msgspec.json.encode(tags).decode(),)
        rows = self._open().execute(
            "SELECT tags, time_ns, fields FROM points JOIN series ON series = id"
            f" WHERE measurement = ?{own} ORDER BY time_ns DESC, id DESC LIMIT ?",
            (measurement, *text, limit),
        )
        return [
            Point(measurement, msgspec.json.decode(tags, type=Tags), msgspec.json.decode(fields), time_ns)
            for tags, time_ns, fields in rows
        ][::-1]

    def count(self, measurement: str) -> int:
        """Number of points of a measurement."""
        row = self._open().execute(
            "SELECT count(*) FROM points JOIN series ON series = id WHERE measurement = ?", (measurement,)
        )
        return int(row.fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._series.clear()
        self._rollup.forget()
        if self._database is not None:
            self._database.close()
            self._database = None
