"""Journal and outbox: what was accepted and what is still to be delivered, in one SQLite file.

Promises, and what keeps them:

1. *All or nothing.* A batch's readings, the names discovered in it and its points are one transaction
   (`Journal.commit`), in write-ahead mode with full synchronisation: after a crash or a power cut a batch is there
   with everything or not at all. A message is acknowledged only after `commit` has returned.
2. *State can be rebuilt.* Readings stay until a snapshot covers them (`prune`), so newest snapshot + `replay` is the
   state at the last commit.
3. *Nothing grows without bound.* The outbox holds at most so many points; when it is full the oldest batches go
   first, counted. Dead letters are bounded too.

The journal has one writer, the thread that opened it. The delivery thread reads the outbox through a connection of
its own (`Outbox`) and never writes: what it has delivered is settled by the writer, in its next transaction.
"""

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from pipeline.records import Machine, Point, Readings

log = logging.getLogger("spikewatch.journal")

SCHEMA = """
CREATE TABLE IF NOT EXISTS machines (slot INTEGER PRIMARY KEY, name TEXT NOT NULL, tags TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lines (line INTEGER PRIMARY KEY, slot INTEGER NOT NULL, sensor TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS readings (sequence INTEGER PRIMARY KEY AUTOINCREMENT, columns BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, count INTEGER NOT NULL, points BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS dead (id INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL, point BLOB NOT NULL);
"""
DEAD_LETTERS = 10_000
COLUMNS = ("<i8", "<i8", "<i8", "<f8", "?")  # slot, line, time_ns, value, ends

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Point]).decode


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        isolation_level=None,  # transactions are begun and ended here, in sight
        timeout=30.0,
    )
    return database


def _pack(readings: Readings) -> bytes:
    count = np.array([len(readings.line)], "<i8").tobytes()
    return count + b"".join(column.astype(kind).tobytes() for column, kind in zip(readings, COLUMNS, strict=True))


def _unpack(blob: bytes) -> Readings:
    count = int(np.frombuffer(blob, "<i8", 1)[0])
    columns, begin = [], 8
    for kind in COLUMNS:
        columns.append(np.frombuffer(blob, kind, count, begin).astype(np.dtype(kind).newbyteorder("=")))
        begin += count * np.dtype(kind).itemsize
    return Readings(*columns)


class Journal:
    """The writer's side; see the promises above. Not to be shared between threads."""

    def __init__(self, path: Path, outbox_points: int = 5_000_000, *, read_only: bool = False) -> None:
        """Open or create. A file that is no sound database is set aside by name, and a new one is begun.

        `read_only` is for a look beside a running service: the file must exist, and nothing is changed.
        """
        self.path = path
        self.dropped = 0  # points that left a full outbox undelivered
        self._limit = outbox_points
        self.waiting = 0  # points in the outbox
        if read_only:
            self._database = _connect(path, read_only=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # no access, no space: nothing is wrong with the file
            aside = self._set_aside()
            log.error('journal.corrupt set_aside=%s reason="%s"', aside, error)
            self._database = self._open()
        self.waiting = self._database.execute("SELECT coalesce(sum(count), 0) FROM outbox").fetchone()[0]

    def _open(self) -> sqlite3.Connection:
        database = _connect(self.path)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.executescript(SCHEMA)
            for table in ("machines", "lines", "readings", "outbox"):
                database.execute(f"SELECT * FROM {table} ORDER BY 1 DESC LIMIT 1").fetchall()
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _set_aside(self) -> Path:
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.corrupt-{number}")).exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        return aside

    def close(self) -> None:
        """Close the file; everything committed stays."""
        self._database.close()

    def commit(
        self,
        readings: Readings | None,
        machines: Sequence[tuple[int, Machine]] = (),
        lines: Sequence[tuple[int, int, str]] = (),
        points: Sequence[Point] = (),
        delivered: int = 0,
        dead: Sequence[tuple[str, Point]] = (),
    ) -> int:
        """Keep one batch, all of it or nothing; returns the sequence number of its readings.

        `machines` are (slot, machine), `lines` (line, slot, sensor), as discovered in the batch. `delivered` is the
        outbox id
        up to which the delivery thread is done, `dead` the points it found refused for good, with the reason.
        """
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            self._settle(delivered)
            self._bury(dead)
            database.executemany(
                "INSERT INTO machines VALUES (?, ?, ?)",
                [(slot, machine.name, msgspec.json.encode(machine.tags).decode()) for slot, machine in machines],
            )
            database.executemany("INSERT INTO lines VALUES (?, ?, ?)", lines)
            sequence = 0
            if readings is not None and len(readings.line):
                cursor = database.execute("INSERT INTO readings (columns) VALUES (?)", (_pack(readings),))
                sequence = int(cursor.lastrowid or 0)
            if points:
                blob = _encode(points)
                database.execute("INSERT INTO outbox (count, points) VALUES (?, ?)", (len(points), blob))
                self.waiting += len(points)
                self._shed()
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            self.waiting = database.execute("SELECT coalesce(sum(count), 0) FROM outbox").fetchone()[0]
            raise
        return sequence

    def _settle(self, delivered: int) -> None:
        if delivered:
            row = self._database.execute("SELECT sum(count) FROM outbox WHERE id <= ?", (delivered,)).fetchone()
            if row[0]:
                self._database.execute("DELETE FROM outbox WHERE id <= ?", (delivered,))
                self.waiting -= row[0]

    def _shed(self) -> None:
        """Make room in a full outbox: the oldest batches go, and are counted."""
        while self.waiting > self._limit:
            oldest, count = self._database.execute("SELECT id, count FROM outbox ORDER BY id LIMIT 1").fetchone()
            self._database.execute("DELETE FROM outbox WHERE id = ?", (oldest,))
            self.waiting -= count
            if self.dropped == 0:
                log.warning("outbox.full limit=%d policy=drop_oldest", self._limit)
            self.dropped += count

    def _bury(self, dead: Sequence[tuple[str, Point]]) -> None:
        """Keep refused points for a person to look at; only the newest are kept."""
        if dead:
            rows = [(reason, _encode(point)) for reason, point in dead]
            self._database.executemany("INSERT INTO dead (reason, point) VALUES (?, ?)", rows)
            self._database.execute("DELETE FROM dead WHERE id <= (SELECT max(id) FROM dead) - ?", (DEAD_LETTERS,))

    def dead(self) -> list[tuple[str, Point]]:
        """Points the database refused, oldest first, each with the reason."""
        rows = self._database.execute("SELECT reason, point FROM dead ORDER BY id")
        return [(reason, msgspec.msgpack.decode(blob, type=Point)) for reason, blob in rows]

    def machines(self) -> list[Machine]:
        """All machines, by slot."""
        rows = self._database.execute("SELECT name, tags FROM machines ORDER BY slot")
        kind = tuple[tuple[str, str], ...]
        return [Machine(name, msgspec.json.decode(tags, type=kind)) for name, tags in rows]

    def lines(self) -> list[tuple[int, str]]:
        """Slot and sensor of all lines, by line."""
        return self._database.execute("SELECT slot, sensor FROM lines ORDER BY line").fetchall()

    def last(self) -> int:
        """Sequence number of the newest batch of readings ever committed; 0 before the first."""
        row = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'readings'").fetchone()
        return int(row[0]) if row else 0

    def begin_after(self, sequence: int) -> None:
        """Let the next batch have a higher number than this: what a snapshot covers is never numbered again."""
        if self.last() < sequence:
            self._database.execute("DELETE FROM sqlite_sequence WHERE name = 'readings'")
            self._database.execute("INSERT INTO sqlite_sequence VALUES ('readings', ?)", (sequence,))

    def replay(self, after: int) -> Iterator[tuple[int, Readings]]:
        """Batches committed after this sequence number, in order."""
        rows = self._database.execute(
            "SELECT sequence, columns FROM readings WHERE sequence > ? ORDER BY 1", (after,)
        )
        for sequence, blob in rows:
            yield sequence, _unpack(blob)

    def prune(self, upto: int) -> None:
        """Forget readings up to this sequence number, which a snapshot on disk covers."""
        self._database.execute("DELETE FROM readings WHERE sequence <= ?", (upto,))


class Outbox:
    """The delivery thread's side: reads, never writes. To be opened by the thread that uses it."""

    def __init__(self, path: Path) -> None:
        """Open the journal at `path`, which must exist."""
        self._database = _connect(path, read_only=True)

    def peek(self, after: int, most: int) -> list[tuple[int, list[Point]]]:
        """The oldest batches with an id above `after`, at least one if there is any, then up to `most` points."""
        batches: list[tuple[int, list[Point]]] = []
        total = 0
        rows = self._database.execute("SELECT id, count, points FROM outbox WHERE id > ? ORDER BY id", (after,))
        for number, count, blob in rows:
            total += count
            if batches and total > most:
                break
            batches.append((number, _decode(blob)))
        rows.close()
        return batches

    def close(self) -> None:
        """Close the connection."""
        self._database.close()
