"""A look into a data folder, also beside a running service: is everything whole, what is there, and out with it.

Reads only. Nothing here mends: the service does, at its next start.
"""

import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pipeline.records import Machine, Point
from pipeline.storage.journal_file import (
    CHAIN,
    DATABASE_OUTBOX,
    OUTBOXES,
    SCHEMA,
    TABLES,
    VERSION,
    checksum,
    connect,
    unpack,
    unpack_points,
    witness,
)
from pipeline.storage.snapshots import LaterVersionError, Snapshots, UnreadableError, read_arrays, sequence_of

PAGE_ROWS = 200

_tags = tuple[tuple[str, str], ...]


class Outgoing(NamedTuple):
    """A batch of the outbox."""

    number: int
    points: list[Point]


def findings(folder: Path, progress: Callable[[int], None] = lambda rows: None) -> Iterator[str]:
    """What is wrong with the files of a data folder, a line each; `progress` hears of rows that were read."""
    journal = folder / "journal.sqlite"
    yield from _of_journal(journal, progress)
    for path in sorted(folder.glob("networks-*.snapshot")) + sorted(folder.glob("networks-*.npz")):
        try:
            read_arrays(path, sequence_of(path))
        except LaterVersionError as error:
            yield str(error)  # begins with the file
        except (UnreadableError, OSError) as error:
            yield f"{path}: {error}"
    for other in (folder / "store.sqlite", folder / "notify.sqlite"):
        if other.exists():
            yield from _of_sqlite(other)
    for path in sorted(folder.glob("*.corrupt*")):
        if not path.name.endswith(("-wal", "-shm")):
            yield f"{path}: was set aside as damaged; look at it, then remove it"


def _of_sqlite(path: Path) -> Iterator[str]:
    database = connect(path, read_only=True)
    try:
        for (text,) in database.execute("PRAGMA integrity_check(10)"):
            if text != "ok":
                yield f"{path}: {text}"
    except sqlite3.Error as error:
        yield f"{path}: {error}"
    finally:
        database.close()


def _of_journal(path: Path, progress: Callable[[int], None]) -> Iterator[str]:
    yield from _of_sqlite(path)
    database = connect(path, read_only=True)
    try:
        [(version,)] = database.execute("PRAGMA user_version")
        schema = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
        if version != VERSION or schema != SCHEMA:
            yield f"{path}: of version {version}, or its tables are not those that were made (this is {VERSION})"
            return
        rows = 0
        for table in TABLES:
            for row in paged(database, table):
                if checksum(*row[:-1]) != row[-1]:
                    yield f"{path}: {table} {row[0]}: fails its checksum"
                rows += 1
                progress(rows)
        before = None
        for sequence, previous in database.execute(f"SELECT sequence, previous FROM ({CHAIN}) ORDER BY sequence"):
            if before is not None and previous != before:
                yield f"{path}: readings {sequence}: the batch before it, {previous}, is missing"
            before = sequence
        covered = max(Snapshots(path.parent, read_only=True).sequences(), default=0)
        [(first,)] = database.execute(f"SELECT min(previous) FROM ({CHAIN}) WHERE sequence > ?", (covered,))
        if first is not None and first > covered:
            yield f"{path}: readings between the newest snapshot, of {covered}, and {first} are missing"
        [(last,)] = database.execute("SELECT coalesce(max(sequence), 0) FROM commits")
        if witness(path) > last:
            yield f"{path}: the newest commit is {last}, and {witness(path)} was made"
    except (sqlite3.Error, struct.error, ValueError) as error:
        yield f"{path}: {error}"
    finally:
        database.close()


class Waiting(NamedTuple):
    """What waits in an outbox."""

    points: int
    bytes: int
    oldest_ns: int  # time of the oldest point; 0 for an empty outbox


class Stats(NamedTuple):
    """What a data folder holds."""

    machines: int
    sensors: int
    snapshots: dict[str, int]  # journal sequence it covers: bytes
    batches_to_replay: int
    bytes_to_replay: int
    newest_arrival_ns: int
    outbox_points: int
    outbox_bytes: int
    outbox_oldest_ns: int  # time of the oldest point that waits; 0 for an empty outbox
    other_outboxes: dict[str, Waiting]  # by name
    dead_letters: dict[str, int]  # by reason
    files: dict[str, int]  # bytes
    disk_free: int


def stats(folder: Path, disk_free: int) -> Stats:
    """What a data folder holds. Raises sqlite3.Error where the journal cannot be read."""
    database = connect(folder / "journal.sqlite", read_only=True)
    try:
        snapshots = Snapshots(folder, read_only=True)
        covered = snapshots.sequences()

        def count(sql: str, *values: int) -> list[int]:
            return list(database.execute(sql, values).fetchone())

        [batches, to_replay] = count(
            f"SELECT count(*), coalesce(sum(size), 0) FROM ({CHAIN}) WHERE sequence > ?",
            max(covered, default=0),
        )
        waiting = {name: _waiting(database, name) for name in OUTBOXES}
        own = waiting.pop(DATABASE_OUTBOX)
        dead = database.execute(
            "SELECT substr(reason, 1, 80), count(*) FROM dead GROUP BY 1 ORDER BY 2 DESC LIMIT 50"
        )
        return Stats(
            machines=count("SELECT count(*) FROM machines")[0],
            sensors=count("SELECT count(*) FROM lines")[0],
            snapshots={str(sequence): snapshots.size(sequence) for sequence in covered},
            batches_to_replay=batches,
            bytes_to_replay=to_replay,
            newest_arrival_ns=count("SELECT coalesce(max(arrived_ns), 0) FROM commits")[0],
            outbox_points=own.points,
            outbox_bytes=own.bytes,
            outbox_oldest_ns=own.oldest_ns,
            other_outboxes=waiting,
            dead_letters=dict(dead.fetchall()),
            files={path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()},
            disk_free=disk_free,
        )
    finally:
        database.close()


def _waiting(database: sqlite3.Connection, name: str) -> Waiting:
    [(points, size)] = database.execute(
        f"SELECT coalesce(sum(count), 0), coalesce(sum(length(points)), 0) FROM {name}"
    )
    oldest = next(outbox(database, name), None)
    return Waiting(points, size, 0 if oldest is None else min(point.time_ns for point in oldest.points))


def paged(database: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Rows of a table by its key, some at a time: who reads for long keeps the service's log from being taken in."""
    key, after = TABLES[table].split()[0], -(2**63)
    while page := database.execute(
        f"SELECT * FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT {PAGE_ROWS}", (after,)
    ).fetchall():
        yield from page
        after = page[-1][0]


def outbox(database: sqlite3.Connection, name: str = DATABASE_OUTBOX) -> Iterator[Outgoing]:
    """Batches that wait for delivery, oldest first; those that fail their checksum are left out."""
    for *known, crc in paged(database, name):
        if checksum(*known) == crc:
            yield Outgoing(known[0], unpack_points(known[-1]))


def readings(database: sqlite3.Connection) -> Iterator[tuple[Machine, str, int, float]]:
    """Machine, sensor, time and value of every reading that is still in the journal, in order of arrival."""
    machines = {
        slot: Machine(name, msgspec.json.decode(tags, type=_tags))
        for slot, name, tags, _ in database.execute("SELECT * FROM machines")
    }
    lines = {line: sensor for line, _, sensor, _ in database.execute("SELECT * FROM lines")}
    for sequence, previous, columns, crc in paged(database, "readings"):
        if checksum(sequence, previous, columns) == crc:
            batch = unpack(columns)
            for slot, line, time_ns, value in zip(
                batch.slot.tolist(), batch.line.tolist(), batch.time_ns.tolist(), batch.value.tolist(), strict=True
            ):
                yield machines.get(slot, Machine(f"lost {slot}")), lines.get(line, f"lost {line}"), time_ns, value
