"""Rows of five minutes beside the points of the embedded store: a month of a machine is read in a tenth of a second.

Each row says of a series how many points five minutes held, their lowest, highest and sum. A series is rolled up to
the five minutes of its newest point; those still go on and are read from the points. So rows and points together say
the same as the points alone. A point that comes late has its five minutes rolled anew from the points; where points
have been dropped to make room, it is added to the row that outlives them.
"""

import json
import sqlite3
from collections.abc import Iterable

WIDTH_NS = 300 * 10**9
AT_ONCE_NS = 86_400 * 10**9  # of a series in one transaction: a store of an earlier version is rolled bit by bit
DROPPED = 0  # number in `rolling` of what is no series: before that time points have been dropped to make room
SCHEMA = """
CREATE TABLE IF NOT EXISTS rolled (
    series INTEGER NOT NULL REFERENCES series, time_ns INTEGER NOT NULL, count INTEGER NOT NULL, lowest REAL NOT NULL,
    highest REAL NOT NULL, total REAL NOT NULL, worst REAL, banded INTEGER NOT NULL, expected REAL, band_low REAL,
    band_high REAL, PRIMARY KEY (series, time_ns)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rolling (series INTEGER PRIMARY KEY, until_ns INTEGER NOT NULL);
"""
# By measurement: the field whose course it is, and the one of which the highest counts.
ROLLED = {"machine": ("score", "severity"), "sensor": ("value", "score")}
SUMS = (
    "sum(count), min(lowest), max(highest), sum(total), max(worst), sum(banded), sum(expected), sum(band_low),"
    " sum(band_high)"
)


def each_point(measurement: str, width_ns: str, where: str) -> str:
    """SQL: a row as in `rolled` for each point of a series; `width_ns` and `where` are SQL, too."""
    main, worst = ROLLED[measurement]
    return f"""
        SELECT series, time_ns - time_ns % {width_ns} AS time_ns, 1 AS count, value AS lowest, value AS highest,
            value AS total, worst, expected IS NOT NULL AS banded, expected, band_low, band_high
        FROM (
            SELECT series, time_ns, json_extract(fields, '$.{main}') AS value,
                json_extract(fields, '$.{worst}') AS worst, json_extract(fields, '$.expected') AS expected,
                json_extract(fields, '$.low') AS band_low, json_extract(fields, '$.high') AS band_high
            FROM points WHERE {where}
        ) WHERE value IS NOT NULL"""


def _roll(measurement: str, where: str) -> str:
    width = str(WIDTH_NS)
    return f"SELECT series, time_ns, {SUMS} FROM ({each_point(measurement, width, where)}) GROUP BY series, time_ns"


ANEW = {
    measurement: f"INSERT OR REPLACE INTO rolled {_roll(measurement, 'series = ? AND time_ns >= ? AND time_ns < ?')}"
    for measurement in ROLLED
}
ADDED = {
    # The condition tells SQLite's parser that what follows is no join.
    measurement: f"INSERT INTO rolled SELECT * FROM ({_roll(measurement, 'series = ? AND time_ns = ?')}) WHERE true"
    " ON CONFLICT (series, time_ns) DO UPDATE SET count = count + 1, lowest = min(lowest, excluded.lowest),"
    " highest = max(highest, excluded.highest), total = total + excluded.total,"
    " worst = max(ifnull(worst, excluded.worst), ifnull(excluded.worst, worst)), banded = banded + excluded.banded,"
    " expected = ifnull(expected, 0) + ifnull(excluded.expected, 0),"
    " band_low = ifnull(band_low, 0) + ifnull(excluded.band_low, 0),"
    " band_high = ifnull(band_high, 0) + ifnull(excluded.band_high, 0)"
    for measurement in ROLLED
}


def bucket(time_ns: int) -> int:
    """When the five minutes begin that a time lies in."""
    return time_ns // WIDTH_NS * WIDTH_NS


def dropped_before(database: sqlite3.Connection) -> int:
    """Time before which points may be missing that the rows still tell of; 0 where none are."""
    found = database.execute("SELECT until_ns FROM rolling WHERE series = ?", (DROPPED,)).fetchone()
    return 0 if found is None else int(found[0])


class Rollup:
    """Keeps the rows of a store; everything happens in the transaction of the points that were just written."""

    def __init__(self) -> None:
        self._until: dict[int, int] = {}  # up to which each series is rolled up
        self._dropped_before: int | None = None

    def forget(self) -> None:
        """The transaction was rolled back, or series are gone: what is remembered may be wrong."""
        self._until.clear()
        self._dropped_before = None

    def take(self, database: sqlite3.Connection, written: Iterable[tuple[int, str, int]]) -> None:
        """Points of these series, measurements and times have been written."""
        newest: dict[int, tuple[int, str]] = {}
        late: dict[tuple[int, int], tuple[str, set[int]]] = {}
        for series, measurement, time_ns in written:
            if measurement not in ROLLED:
                continue
            if time_ns < self._rolled_until(database, series):
                late.setdefault((series, bucket(time_ns)), (measurement, set()))[1].add(time_ns)
            elif time_ns > newest.get(series, (-1, ""))[0]:
                newest[series] = time_ns, measurement
        for (series, begin_ns), (measurement, times_ns) in late.items():
            self._again(database, series, measurement, begin_ns, times_ns)
        for series, (time_ns, measurement) in newest.items():
            begin_ns = self._until[series]
            self._go_on(database, series, measurement, min(bucket(time_ns), begin_ns + AT_ONCE_NS))

    def _rolled_until(self, database: sqlite3.Connection, series: int) -> int:
        until_ns = self._until.get(series)
        if until_ns is None:
            found = database.execute("SELECT until_ns FROM rolling WHERE series = ?", (series,)).fetchone()
            if found is None:
                found = database.execute("SELECT min(time_ns) FROM points WHERE series = ?", (series,)).fetchone()
            until_ns = self._until[series] = bucket(int(found[0]))
        return until_ns

    def _go_on(self, database: sqlite3.Connection, series: int, measurement: str, until_ns: int) -> None:
        begin_ns = self._rolled_until(database, series)
        if until_ns > begin_ns:
            database.execute(ANEW[measurement], (series, begin_ns, until_ns))
            database.execute("INSERT OR REPLACE INTO rolling VALUES (?, ?)", (series, until_ns))
            self._until[series] = until_ns

    def _again(
        self, database: sqlite3.Connection, series: int, measurement: str, begin_ns: int, times_ns: set[int]
    ) -> None:
        """Points have come late, all within these five minutes."""
        if self._dropped_before is None:
            self._dropped_before = dropped_before(database)
        if begin_ns >= self._dropped_before:
            database.execute(ANEW[measurement], (series, begin_ns, begin_ns + WIDTH_NS))
        else:
            database.executemany(ADDED[measurement], [(series, time_ns) for time_ns in times_ns])

    def keep(self, database: sqlite3.Connection, last_ns: int) -> None:
        """All points up to this time are about to go: their rows are to outlive them."""
        gone = database.execute(
            "SELECT id, measurement FROM series WHERE measurement IN (SELECT value FROM json_each(?))"
            " AND EXISTS (SELECT 1 FROM points WHERE series = id AND time_ns <= ?)",
            (json.dumps(list(ROLLED)), last_ns),
        ).fetchall()
        for series, measurement in gone:
            self._go_on(database, series, measurement, bucket(last_ns) + WIDTH_NS)

    def dropped(self, database: sqlite3.Connection, last_ns: int) -> None:
        """Points up to this time go, and not because they are old."""
        before_ns = max(bucket(last_ns) + WIDTH_NS, dropped_before(database))
        database.execute("INSERT OR REPLACE INTO rolling VALUES (?, ?)", (DROPPED, before_ns))
        self._dropped_before = before_ns

    def trim(self, database: sqlite3.Connection, most: int) -> None:
        """Keep at most so many rows; the oldest go."""
        [(size,)] = database.execute("SELECT count(*) FROM rolled")
        if size > most:
            database.execute(
                "DELETE FROM rolled WHERE time_ns <= (SELECT time_ns FROM rolled ORDER BY time_ns LIMIT 1 OFFSET ?)",
                (size - most - 1,),
            )
