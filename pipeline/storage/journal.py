"""Journal and outbox: what was accepted and what is still to be delivered, in one SQLite file.

Promises, and what keeps them:

1. *All or nothing.* A batch's readings, the names discovered in it and its points are one transaction
   (`Journal.commit`), in write-ahead mode with full synchronisation: after a crash or a power cut a batch is there
   with everything or not at all. A message is acknowledged only after `commit` has returned.
2. *State can be rebuilt.* Readings, and what people said to machines, stay until a snapshot covers them (`prune`), so
   newest snapshot + `replay` is the state at the last commit.
3. *Nothing grows without bound.* The outbox holds at most so many bytes; when it is full, the oldest batches go
   first, counted, but none that is on its way to the database. Where the disk is full, see `make_room`. Dead letters
   are bounded too.
4. *Never silently wrong.* Every row has a checksum over all that it says. A damaged file is set aside by name and all
   rows that are whole move to a new one. What is gone is said: commits are numbered, readings name the ones before
   them, and the last number is also kept in a file beside.

The journal has one writer, the thread that opened it. The delivery thread reads the outbox through a connection of
its own (`Outbox`) and never writes: what it has delivered is settled by the writer, in its next transaction.
"""

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from pipeline.engine.commands import Command
from pipeline.files import make_folder, open_private
from pipeline.records import Machine, Point, Readings
from pipeline.storage.journal_file import (
    CHAIN,
    NEW_IN,
    SCHEMA,
    VERSION,
    bear_witness,
    checksum,
    connect,
    create,
    gather,
    insert,
    pack,
    pack_points,
    schema_of,
    unpack,
    unpack_points,
    upgrade,
    witness,
)
from pipeline.storage.progress import Progress, Range
from pipeline.storage.sqlite_files import Damaged, aside, beside, is_damage, move, remove

log = logging.getLogger("spikewatch.journal")

DEAD_LETTERS = 10_000
DEAD_BYTES = 4_096  # of one
SEEN_OF_ONE = 6
SEEN_BYTES = SEEN_OF_ONE * 65_535  # of recent messages, which may come again
CHECKED_BYTES = 64 << 20  # a larger file is not read whole at every start; its rows are checked when they are used
SHED = 10  # where the disk is full, the oldest tenth of the outbox goes
ROW_POINTS = 2_000  # of one batch of the outbox
ROW_BYTES = 256  # as small a batch is never divided: a point by itself takes a hundred
NOTHING = Progress()
NOTHING_KEPT: Mapping[str, bytes] = {}


class JournalError(Exception):
    """The file cannot be used and must not be set aside: a newer version wrote it."""


class Dead(NamedTuple):
    """What was refused for good, for a person to look at."""

    reason: str
    what: str  # measurement of a point, topic of a message
    content: bytes


class Journal:
    """The writer's side; see the promises above. Not to be shared between threads."""

    def __init__(
        self, path: Path, outbox_bytes: int = 2 << 30, reserve_bytes: int = 0, *, read_only: bool = False
    ) -> None:
        """Open or create. A damaged file is set aside by name, and what is whole in it moves to a new one.

        `reserve_bytes` of disk are kept for the moment when there are no others. `read_only` is for a look beside a
        running service: the file must exist, and nothing is changed. Raises OSError or sqlite3.OperationalError where
        the folder cannot be used, JournalError for a file of another version that cannot be brought to this one.
        """
        self.path = path
        self.accepted = 0  # points put into the outbox
        self.accepted_bytes = 0  # of these, before they were compressed
        self.dropped = 0  # points that left a full outbox undelivered
        self.waiting = self.waiting_bytes = 0  # points in the outbox, and what they take
        self.readings_bytes = 0  # what may be replayed
        self._known_points = 0  # of those that are done, how many have left the outbox
        self._idle = False  # whether the newest commit had no messages
        self._limit = outbox_bytes
        self._reserve = beside(path, ".reserve")
        self._reserve_bytes = reserve_bytes
        if read_only:
            self._database = connect(path, read_only=True)
            [(version,)] = self._database.execute("PRAGMA user_version")
            if version != VERSION:
                how = "start the service, it upgrades" if version < VERSION else "a newer spikewatch wrote it"
                raise JournalError(f"{path}: of version {version}, not {VERSION}: {how}")
            return
        make_folder(path.parent)
        if beside(path, ".ready").exists():
            self._swap()
        try:
            self._database = self._open()
        except sqlite3.Error as error:
            if not is_damage(error, path):
                raise
            gathered = self._gather()
            log.error('journal.corrupt set_aside=%s reason="%s" %s', self._swap(), error, gathered)
            self._database = self._open()
        self._count()
        self._last_replayed = max(self._highest("readings"), self._highest("commands"))
        found = max(self._last_replayed, self._highest("commits"))
        self.last = max(found, witness(path))  # number of the newest commit ever
        if self.last > found:
            log.error(
                'journal.lost commits=%d last=%d note="acknowledged, and not in the file: it was damaged, or'
                ' replaced by another"',
                self.last - found,
                self.last,
            )
        self._last_id = self._highest("outbox")
        self.refill()

    def _open(self) -> sqlite3.Connection:
        database = connect(self.path)
        try:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            schema = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))
            if version > VERSION:
                raise JournalError(
                    f"{self.path}: has version {version}; this spikewatch reads versions up to {VERSION}"
                )
            if not schema:
                database.close()
                database = create(self.path)
            elif version == 0 and "readings" in schema and "commits" not in schema:
                self._upgrade(database)
                database = connect(self.path)
            elif 1 <= version < VERSION and schema == schema_of(version):
                database.execute("BEGIN IMMEDIATE")
                for number in range(version + 1, VERSION + 1):
                    database.execute(SCHEMA[NEW_IN[number]])
                database.execute(f"PRAGMA user_version = {VERSION}")
                database.execute("COMMIT")
                log.info("journal.upgraded file=%s version=%d", self.path, VERSION)
            elif schema != SCHEMA or version != VERSION:
                raise Damaged("its tables are not those that Spikewatch created")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA journal_mode = WAL")
            if self.path.stat().st_size <= CHECKED_BYTES:
                [(found,)] = database.execute("PRAGMA quick_check(1)")
                if found != "ok":
                    raise Damaged(found)
            for table in ("machines", "lines", "readings", "commands", "commits", "kept"):
                for row in database.execute(f"SELECT * FROM {table}"):
                    if checksum(*row[:-1]) != row[-1]:
                        raise Damaged(f"{table} {row[0]} fails its checksum")
            # Whoever may not write finds out now, and not after the first batch.
            database.execute("BEGIN IMMEDIATE")
            database.execute(f"PRAGMA user_version = {VERSION}")
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
        return database

    def _upgrade(self, old: sqlite3.Connection) -> None:
        """Turn a file of version 0 into one of this version, in one step: a crash leaves the one or the other."""
        [(busy, _, _)] = old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise sqlite3.OperationalError("another program has the journal open, which is to be upgraded")
        lost = upgrade(old, beside(self.path, ".new"))
        old.close()
        beside(self.path, ".new").rename(beside(self.path, ".ready"))
        before = self._swap()
        if lost:
            log.error('journal.corrupt set_aside=%s lost="%s"', before, "; ".join(lost[:20]))
        else:
            remove(before)
        log.info("journal.upgraded file=%s version=%d", self.path, VERSION)

    def _gather(self) -> str:
        """Make a new file, `.ready`, of every row of a damaged one that is whole; returns what came of it."""
        self._reserve.unlink(missing_ok=True)  # both need room for a while
        told = gather(self.path, beside(self.path, ".new"))
        beside(self.path, ".new").rename(beside(self.path, ".ready"))
        return told

    def _swap(self) -> Path:
        """Put the complete new file, `.ready`, in the place of the old one; returns where that is now.

        Interrupted anywhere, the next start finds `.ready` still there, and does it again.
        """
        name = aside(self.path)
        move(self.path, name)
        beside(self.path, ".ready").rename(self.path)
        return name

    def salvage(self, reason: str, progress: Progress = NOTHING) -> None:
        """The file has turned out to be damaged: go on with a new one that has all that is whole.

        Points that are gone with it are counted as dropped, but for those that are done according to `progress`.
        Raises OSError or sqlite3.OperationalError where there is no room for the new one; the old one then stays.
        """
        waiting, known, gathered = self.waiting, self._known_points, self._gather()
        self._database.close()
        log.error('journal.corrupt set_aside=%s reason="%s" %s', self._swap(), reason, gathered)
        self._database = self._open()
        self._count()
        with self._transaction():
            self._settle(progress)
        self.dropped += max(waiting - (progress.points - known) - self.waiting, 0)
        self._known_points = progress.points

    def close(self) -> None:
        """Close the file; everything committed stays."""
        self._database.close()

    def _highest(self, table: str) -> int:
        [(highest,)] = self._database.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}")
        return int(highest)

    def _count(self) -> None:
        """What waits, and what may be replayed."""
        [row] = self._database.execute("SELECT coalesce(sum(count), 0), coalesce(sum(length(points)), 0) FROM outbox")
        self.waiting, self.waiting_bytes = row
        [(size,)] = self._database.execute(f"SELECT coalesce(sum(size), 0) FROM ({CHAIN})")
        self.readings_bytes = size

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, the counters too."""
        known = (self.waiting, self.waiting_bytes, self.readings_bytes, self.dropped)
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            self.waiting, self.waiting_bytes, self.readings_bytes, self.dropped = known
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def commit(
        self,
        readings: Readings | None,
        machines: Sequence[tuple[int, Machine]] = (),
        lines: Sequence[tuple[int, int, str]] = (),
        points: Sequence[Point] = (),
        progress: Progress = NOTHING,
        dead: Sequence[Dead] = (),
        seen: bytes = b"",
        arrived_ns: int = 0,
        command: Command | None = None,
        kept: Mapping[str, bytes] = NOTHING_KEPT,
    ) -> int:
        """Keep one batch, all of it or nothing; returns its sequence number, 0 where there is nothing to replay.

        `machines` are (slot, machine), `lines` (line, slot, sensor), as discovered in the batch. `progress` is what
        the delivery thread says; see there for its lock. `seen` is what the batch's messages are
        recognised by when they come again, `arrived_ns` the time of arrival of the newest. `command` was applied in
        the place of readings: a batch has the one or the other. `kept`: what decoding its messages has to know after
        a restart, in the place of what had the same key before; nothing is kept of a key without content.
        """
        with self._transaction() as database:
            self._settle(progress)
            self._bury(dead)
            for slot, machine in machines:
                insert(database, "machines", (slot, machine.name, msgspec.json.encode(machine.tags).decode()))
            for line in lines:
                insert(database, "lines", line)
            for key, known in kept.items():
                database.execute("DELETE FROM kept WHERE key = ?", (key,))
                if known:
                    insert(database, "kept", (self._highest("kept") + 1, key, known))
            sequence, number, columns, content = self.last, self._last_id, b"", ""
            points_bytes = 0
            if readings is not None and len(readings.line):
                columns = pack(readings)
            if command is not None:
                content = msgspec.json.encode(command).decode()
            if columns or content or seen or points or dead:
                sequence += 1
                if self._idle:  # of a plant that sends nothing, the newest commit says all
                    database.execute("DELETE FROM commits WHERE sequence = ?", (self.last,))
                insert(database, "commits", (sequence, seen, arrived_ns))
            if columns:
                insert(database, "readings", (sequence, self._last_replayed, columns))
                self.readings_bytes += len(columns)
            if content:
                insert(database, "commands", (sequence, self._last_replayed, content))
                self.readings_bytes += len(content)
            if points:
                for part, blob, size in self._parts(points):
                    number += 1
                    points_bytes += size
                    insert(database, "outbox", (number, len(part), blob))
                    self.waiting += len(part)
                    self.waiting_bytes += len(blob)
                self._shed(self._limit, progress.offered)
                # A database that fails in a new way each time has been offered everything: the bound comes first.
                self._shed(2 * self._limit, ())
        self._last_id = number
        self._known_points = progress.points
        self.accepted += len(points)
        self.accepted_bytes += points_bytes
        if sequence > self.last:
            self.last = sequence
            bear_witness(self.path, sequence)
            self._idle = not columns and not content and not seen
        if not columns and not content:
            return 0
        self._last_replayed = sequence
        return sequence

    def _parts(self, points: Sequence[Point]) -> Iterator[tuple[Sequence[Point], bytes, int]]:
        """Points in batches that are small beside the whole outbox, so that none has to go for a few bytes.

        With what `pack_points` makes of each.
        """
        for begin in range(0, len(points), ROW_POINTS):
            part = points[begin : begin + ROW_POINTS]
            blob, size = pack_points(part)
            if len(blob) > max(self._limit // SHED, ROW_BYTES) and len(part) > 1:
                middle = len(part) // 2
                yield from self._parts(part[:middle])
                yield from self._parts(part[middle:])
            else:
                yield part, blob, size

    def _settle(self, progress: Progress) -> None:
        """Let go of what is done."""
        for above, upto in progress.done:
            self._remove("id > ? AND id <= ?", (above, upto))
        for number, points in progress.left:
            if self._remove("id = ?", (number,)) and points:
                blob, _ = pack_points(points)
                insert(self._database, "outbox", (number, len(points), blob))
                self.waiting += len(points)
                self.waiting_bytes += len(blob)

    def _remove(self, which: str, ids: tuple[int, ...]) -> int:
        """Remove batches from the outbox; returns how many points."""
        [(count, size)] = self._database.execute(
            f"SELECT coalesce(sum(count), 0), coalesce(sum(length(points)), 0) FROM outbox WHERE {which}", ids
        )
        if count:
            self._database.execute(f"DELETE FROM outbox WHERE {which}", ids)
            self.waiting -= count
            self.waiting_bytes -= size
        return int(count)

    def _shed(self, limit: int, offered: Sequence[Range]) -> None:
        """Make room in the outbox: the oldest batches go, and are counted; not the newest, nor any of `offered`."""
        oldest = 0
        while self.waiting_bytes > limit:
            row = self._database.execute(
                "SELECT id FROM outbox WHERE id > ? AND id < (SELECT max(id) FROM outbox) ORDER BY id LIMIT 1",
                (oldest,),
            ).fetchone()
            if row is None:
                break
            [oldest] = row
            kept = [upto for above, upto in offered if above < oldest <= upto]
            if kept:
                oldest = kept[0]
                continue
            if self.dropped == 0:
                log.warning("outbox.full bytes=%d policy=drop_oldest", limit)
            self.dropped += self._remove("id = ?", (oldest,))

    def _bury(self, dead: Sequence[Dead]) -> None:
        """Keep what was refused for a person to look at; only the newest are kept."""
        if dead:
            number = self._highest("dead")
            for reason, what, content in dead:
                number += 1
                row = (number, reason[:DEAD_BYTES], what[:DEAD_BYTES], content[:DEAD_BYTES])
                insert(self._database, "dead", row)
            self._database.execute("DELETE FROM dead WHERE id <= ?", (number - DEAD_LETTERS,))

    def make_room(self, covered: int, progress: Progress, dead: Sequence[Dead]) -> bool:
        """The disk is full: give up the reserve and what is done with; only then the oldest tenth of the outbox.

        Done with are points that are delivered according to `progress`, with their `dead` letters, and readings up to
        batch `covered`, which the newest snapshot holds. False where nothing was left to give up. Raises
        sqlite3.OperationalError where not even that can be written down.
        """
        gave = self._reserve.exists()
        self._reserve.unlink(missing_ok=True)
        before = self.waiting_bytes + self.readings_bytes
        # The log may hold pages that the file has no room for; taken in, it is written again from its beginning and
        # needs no new room. That is what the reserve is for.
        with suppress(sqlite3.OperationalError):
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        with self._transaction():
            self._settle(progress)
            self._bury(dead)
            self._forget(covered)
            if not gave and before == self.waiting_bytes + self.readings_bytes:
                self._shed(self.waiting_bytes - self.waiting_bytes // SHED - 1, progress.offered)
        self._known_points = progress.points
        return gave or before > self.waiting_bytes + self.readings_bytes

    def _free(self) -> int:
        """Bytes that the disk has left."""
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize

    def refill(self) -> None:
        """Set disk aside again for the moment when there is no other, where there is twice as much."""
        if not self._reserve_bytes or self._reserve.exists():
            return
        if self._free() > 2 * self._reserve_bytes:
            try:
                self._reserve.unlink(missing_ok=True)  # a link to nowhere, which does not exist either
                with os.fdopen(open_private(self._reserve, os.O_WRONLY), "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, self._reserve_bytes)
            except OSError:
                self._reserve.unlink(missing_ok=True)

    def shrink(self) -> None:
        """Give disk back that an outage took, a little at a time."""
        [(free,)], [(pages,)] = (
            self._database.execute("PRAGMA freelist_count"),
            self._database.execute("PRAGMA page_count"),
        )
        if free > max(pages // 2, 4_096):
            self._database.execute("PRAGMA incremental_vacuum(4096)").fetchall()

    def dead(self) -> list[Dead]:
        """What was refused for good, oldest first."""
        rows = self._database.execute("SELECT reason, what, content FROM dead ORDER BY id")
        return [Dead(*row) for row in rows]

    def machines(self) -> dict[int, Machine]:
        """All machines, by slot."""
        rows = self._database.execute("SELECT slot, name, tags FROM machines ORDER BY slot")
        kind = tuple[tuple[str, str], ...]
        return {slot: Machine(name, msgspec.json.decode(tags, type=kind)) for slot, name, tags in rows}

    def lines(self) -> dict[int, tuple[int, str]]:
        """Slot and sensor of all lines, by line."""
        rows = self._database.execute("SELECT line, slot, sensor FROM lines ORDER BY line")
        return {line: (slot, sensor) for line, slot, sensor in rows}

    def kept(self) -> dict[str, bytes]:
        """What decoding has to know, by its key."""
        return dict(self._database.execute("SELECT key, content FROM kept ORDER BY id"))

    def seen(self) -> list[bytes]:
        """What recent messages are recognised by, oldest batch first."""
        return [seen for (seen,) in self._database.execute("SELECT seen FROM commits ORDER BY sequence") if seen]

    def arrived_ns(self) -> int:
        """Time of arrival of the newest message; 0 before the first."""
        [(newest,)] = self._database.execute("SELECT coalesce(max(arrived_ns), 0) FROM commits")
        return int(newest)

    def begin_after(self, sequence: int) -> None:
        """Let the next batch have a higher number than this: what a snapshot covers is never numbered again."""
        self.last = max(self.last, sequence)
        self._last_replayed = max(self._last_replayed, sequence)

    def replay(self, after: int) -> Iterator[tuple[int, Readings | Command]]:
        """What was committed after this sequence number, in order; what is missing among it is said."""
        rows = self._database.execute(
            "SELECT sequence, previous, columns FROM readings WHERE sequence > ?1"
            " UNION ALL SELECT sequence, previous, content FROM commands WHERE sequence > ?1 ORDER BY sequence",
            (after,),
        )
        for sequence, previous, content in rows:
            if previous > after:
                log.error('journal.gap after=%d before=%d note="readings in between are lost"', after, sequence)
            after = sequence
            if isinstance(content, bytes):
                yield sequence, unpack(content)
            else:
                yield sequence, msgspec.json.decode(content, type=Command)

    def goes_back_to(self, sequence: int) -> bool:
        """Whether everything after this sequence number is here, as far as can be told from where it begins."""
        [(first,)] = self._database.execute(f"SELECT min(previous) FROM ({CHAIN}) WHERE sequence > ?", (sequence,))
        return first is not None and int(first) <= sequence

    def prune(self, upto: int) -> None:
        """Forget readings up to this sequence number, which a snapshot on disk covers, and messages long gone."""
        with self._transaction():
            self._forget(upto)

    def _forget(self, upto: int) -> None:
        [(size,)] = self._database.execute(
            f"SELECT coalesce(sum(size), 0) FROM ({CHAIN}) WHERE sequence <= ?", (upto,)
        )
        self._database.execute("DELETE FROM readings WHERE sequence <= ?", (upto,))
        self._database.execute("DELETE FROM commands WHERE sequence <= ?", (upto,))
        self.readings_bytes -= size
        newer = 0
        for sequence, size in self._database.execute("SELECT sequence, length(seen) FROM commits ORDER BY 1 DESC"):
            if newer >= SEEN_BYTES:
                self._database.execute("DELETE FROM commits WHERE sequence <= ?", (sequence,))
                break
            newer += max(size, SEEN_OF_ONE)  # a batch of messages that cannot come again leaves an entry, too


class Outbox:
    """The delivery thread's side: reads, never writes. To be opened by the thread that uses it."""

    def __init__(self, path: Path) -> None:
        """Open the journal at `path`, which must exist."""
        self._path = path
        self._open()

    def _open(self) -> None:
        self._file = self._path.stat().st_ino
        self._database = connect(self._path, read_only=True)

    def peek(self, after: int, most: int) -> list[tuple[int, list[Point]]]:
        """The oldest batches with an id above `after`, at least one if there is any, then up to `most` points.

        Raises sqlite3.DatabaseError where the file is damaged; `Journal.salvage` mends it.
        """
        if self._path.stat().st_ino != self._file:  # it was set aside, and another has its place
            self.close()
            self._open()
        batches: list[tuple[int, list[Point]]] = []
        total = 0
        rows = self._database.execute(
            "SELECT id, count, points, checksum FROM outbox WHERE id > ? ORDER BY id", (after,)
        )
        try:
            for number, count, blob, crc in rows:
                if checksum(number, count, blob) != crc:
                    raise Damaged(f"outbox {number} fails its checksum")
                total += count
                if batches and total > most:
                    break
                batches.append((number, unpack_points(blob)))
        finally:
            rows.close()  # an open reader would keep the log from being taken in
        return batches

    def newest(self) -> int:
        """Id of the newest batch; 0 for an empty outbox."""
        [(newest,)] = self._database.execute("SELECT coalesce(max(id), 0) FROM outbox")
        return int(newest)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()
