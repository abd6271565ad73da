"""Journal and outboxes: what was accepted and what is still to be delivered, in one SQLite file.

Promises, and what keeps them:

1. *All or nothing.* A batch's readings, the names discovered in it and its points are one transaction
   (`Journal.commit`), in write-ahead mode with full synchronisation: after a crash or a power cut a batch is there
   with everything or not at all. A message is acknowledged only after `commit` has returned.
2. *State can be rebuilt.* Readings, and what people said to machines, stay until a snapshot covers them (`prune`), so
   newest snapshot + `replay` is the state at the last commit.
3. *Nothing grows without bound.* An outbox holds at most so many bytes; see `pipeline.storage.outbox`. Where the disk
   is full, see `make_room`. Dead letters are bounded too.
4. *Never silently wrong.* Every row has a checksum over all that it says. A damaged file is set aside by name and all
   rows that are whole move to a new one. What is gone is said: commits are numbered, readings name the ones before
   them, and the last number is also kept in a file beside.

The journal has one writer, the thread that opened it, of all outboxes too.
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
    DATABASE_OUTBOX,
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
    schema_of,
    unpack,
    upgrade,
    witness,
)
from pipeline.storage.outbox import NOTHING, SHED, Bound, Figures, Posting, writers
from pipeline.storage.progress import Progress
from pipeline.storage.sqlite_files import Damaged, aside, beside, is_damage, move, remove

log = logging.getLogger("spikewatch.journal")

DEAD_LETTERS = 10_000
DEAD_BYTES = 4_096  # of one
SEEN_OF_ONE = 6
SEEN_BYTES = SEEN_OF_ONE * 65_535  # of recent messages, which may come again
MOST_PAGES = 2**32 - 2  # of a file, by SQLite
LEAST_FREE_BYTES = 1 << 20  # half of what has to be free for the file to grow again, where no reserve is configured
CHECKED_BYTES = 64 << 20  # a larger file is not read whole at every start; its rows are checked when they are used
NOTHING_KEPT: Mapping[str, bytes] = {}
NO_OTHERS: Mapping[str, Posting] = {}
NO_BOUNDS: Mapping[str, Bound] = {}


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
        self,
        path: Path,
        outbox_bytes: int = 2 << 30,
        reserve_bytes: int = 0,
        *,
        others: Mapping[str, Bound] = NO_BOUNDS,
        read_only: bool = False,
    ) -> None:
        """Open or create. A damaged file is set aside by name, and what is whole in it moves to a new one.

        `others` are the outboxes beside the database's that are delivered, by name; what an earlier configuration
        has left in one that is not among them stays until the disk is full.
        `reserve_bytes` of disk are kept for the moment when there are no others. `read_only` is for a look beside a
        running service: the file must exist, and nothing is changed. Raises OSError or sqlite3.OperationalError where
        the folder cannot be used, JournalError for a file of another version that cannot be brought to this one.
        """
        self.path = path
        self.outboxes = writers({DATABASE_OUTBOX: Bound(outbox_bytes), **others})
        self.readings_bytes = 0  # what may be replayed
        self._newest_ns = 0  # time of arrival of the newest message since it was opened
        self._idle = False  # whether the newest commit had no messages
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
        self._count_readings()
        for outbox in self.outboxes.values():
            outbox.open(self._database)
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
        for name, outbox in self.outboxes.items():
            if outbox.bound is None and outbox.figures.waiting:
                log.warning(
                    "outbox.not_configured name=%s points=%d bytes=%d policy=kept_until_disk_is_full"
                    ' note="delivered once it is configured again"',
                    *(name, outbox.figures.waiting, outbox.figures.waiting_bytes),
                )
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
                    for name in NEW_IN[number]:
                        database.execute(SCHEMA[name])
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

    def salvage(self, reason: str, progress: Progress = NOTHING, others: Mapping[str, Posting] = NO_OTHERS) -> None:
        """The file has turned out to be damaged: go on with a new one that has all that is whole.

        Points that are gone with it are counted as dropped, but for those that are done according to `progress`, and
        to that of `others`. Raises OSError or sqlite3.OperationalError where there is no room for the new one; the
        old one then stays.
        """
        gathered = self._gather()
        self._database.close()
        log.error('journal.corrupt set_aside=%s reason="%s" %s', self._swap(), reason, gathered)
        self._database = self._open()
        with self._transaction():
            self._count_readings()
            known = _progress_of_all(progress, others)
            for name, outbox in self.outboxes.items():
                outbox.salvaged(self._database, known.get(name, NOTHING))

    def close(self) -> None:
        """Close the file; everything committed stays."""
        self._database.close()

    def _highest(self, table: str) -> int:
        [(highest,)] = self._database.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}")
        return int(highest)

    def _count_readings(self) -> None:
        """What may be replayed."""
        [(size,)] = self._database.execute(f"SELECT coalesce(sum(size), 0) FROM ({CHAIN})")
        self.readings_bytes = size

    @property
    def figures(self) -> Figures:
        """Counters of the database's outbox."""
        return self.outboxes[DATABASE_OUTBOX].figures

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, the counters too."""
        size, figures = self.readings_bytes, [outbox.figures for outbox in self.outboxes.values()]
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            self.readings_bytes = size
            for outbox, known in zip(self.outboxes.values(), figures, strict=True):
                outbox.figures = known
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
        others: Mapping[str, Posting] = NO_OTHERS,
    ) -> int:
        """Keep one batch, all of it or nothing; returns its sequence number, 0 where there is nothing to replay.

        `machines` are (slot, machine), `lines` (line, slot, sensor), as discovered in the batch. `progress` is what
        the delivery thread says; see there for its lock. `seen` is what the batch's messages are
        recognised by when they come again, `arrived_ns` the time of arrival of the newest. `command` was applied in
        the place of readings: a batch has the one or the other. `kept`: what decoding its messages has to know after
        a restart, in the place of what had the same key before; nothing is kept of a key without content. `others`:
        what goes to the other outboxes, by name, and what their deliveries say.
        """
        posted = any(posting.points for posting in others.values())
        with self._transaction() as database:
            self._settle(progress, others)
            self._bury(dead)
            for slot, machine in machines:
                insert(database, "machines", (slot, machine.name, msgspec.json.encode(machine.tags).decode()))
            for line in lines:
                insert(database, "lines", line)
            for key, known in kept.items():
                database.execute("DELETE FROM kept WHERE key = ?", (key,))
                if known:
                    insert(database, "kept", (self._highest("kept") + 1, key, known))
            sequence, columns, content = self.last, b"", ""
            if readings is not None and len(readings.line):
                columns = pack(readings)
            if command is not None:
                content = msgspec.json.encode(command).decode()
            if columns or content or seen or points or dead or posted:
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
            newest_ns = arrived_ns or self._newest_ns
            if points:
                self.outboxes[DATABASE_OUTBOX].post([(0, points)], progress.offered, newest_ns)
            for name, posting in others.items():
                if posting.points:
                    self.outboxes[name].post(posting.points, posting.progress.offered, newest_ns)
        self._newest_ns = newest_ns
        if sequence > self.last:
            self.last = sequence
            bear_witness(self.path, sequence)
            self._idle = not columns and not content and not seen
        if not columns and not content:
            return 0
        self._last_replayed = sequence
        return sequence

    def _settle(self, progress: Progress, others: Mapping[str, Posting]) -> None:
        """Let go of what is done."""
        for name, known in _progress_of_all(progress, others).items():
            self.outboxes[name].settle(known)

    def _bury(self, dead: Sequence[Dead]) -> None:
        """Keep what was refused for a person to look at; only the newest are kept."""
        if dead:
            number = self._highest("dead")
            for reason, what, content in dead:
                number += 1
                row = (number, reason[:DEAD_BYTES], what[:DEAD_BYTES], content[:DEAD_BYTES])
                insert(self._database, "dead", row)
            self._database.execute("DELETE FROM dead WHERE id <= ?", (number - DEAD_LETTERS,))

    def make_room(
        self, covered: int, progress: Progress, dead: Sequence[Dead], others: Mapping[str, Posting] = NO_OTHERS
    ) -> bool:
        """The disk is full: give up the reserve and what is done with; then what is in an outbox that is not
        configured; only then the oldest tenth of every outbox, of small ones only where the large ones give nothing.

        Done with are points that are delivered according to `progress`, and to that of `others`, with their `dead`
        letters, and readings up to batch `covered`, which the newest snapshot holds. False where nothing was left to
        give up. Raises sqlite3.OperationalError where not even that can be written down.
        """
        gave = self._reserve.exists()
        self._reserve.unlink(missing_ok=True)
        before = self._held_bytes()
        # The log may hold pages that the file has no room for; taken in, it is written again from its beginning and
        # needs no new room. That is what the reserve is for. From then on the file must not grow, or the log would
        # again hold what nobody can take in, and there is no second reserve.
        with suppress(sqlite3.OperationalError):
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        [(pages,)] = self._database.execute("PRAGMA page_count")
        self._database.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        with self._transaction():
            self._settle(progress, others)
            self._forget(covered)
            if not gave and before == self._held_bytes():
                for outbox in self.outboxes.values():
                    if outbox.bound is None:
                        outbox.clear()
            most = max(outbox.figures.waiting_bytes for outbox in self.outboxes.values())
            for least in (most // SHED, 0):  # a small one makes hardly any room, and may hold what matters most
                if gave or before != self._held_bytes():
                    break
                for name, known in _progress_of_all(progress, others).items():
                    waiting_bytes = self.outboxes[name].figures.waiting_bytes
                    if waiting_bytes >= least:
                        self.outboxes[name].shed(waiting_bytes - waiting_bytes // SHED - 1, known.offered)
            self._bury(dead)  # which needs room itself
        return gave or before > self._held_bytes()

    def _held_bytes(self) -> int:
        return self.readings_bytes + sum(outbox.figures.waiting_bytes for outbox in self.outboxes.values())

    def _free(self) -> int:
        """Bytes that the disk has left."""
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize

    def refill(self) -> None:
        """Set disk aside again for the moment when there is no other, where there is twice as much."""
        if self._reserve.exists() or self._free() <= 2 * max(self._reserve_bytes, LEAST_FREE_BYTES):
            return
        self._database.execute(f"PRAGMA max_page_count = {MOST_PAGES}").fetchall()  # see `make_room`
        if self._reserve_bytes:
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


def _progress_of_all(progress: Progress, others: Mapping[str, Posting]) -> dict[str, Progress]:
    """Of all outboxes, by name; `progress` is the database's."""
    return {DATABASE_OUTBOX: progress, **{name: posting.progress for name, posting in others.items()}}
