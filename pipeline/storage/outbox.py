"""Outboxes: what waits to be delivered, each under its own name, in a table of its own of the journal.

The journal's writer fills them all in one transaction: no kill finds a batch in one of them and not in another. Each
has its own bound and counters and is emptied by its own delivery thread, through a connection of its own (`Outbox`)
that never writes: what was delivered is settled by the writer, in its next transaction.

Where an outbox is full, the oldest batches go first, counted, but none that is on its way. Batches of every outbox
but the first have a rank as well: those of the lowest rank go before any of a higher one.
"""

import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.records import Point
from pipeline.storage.journal_file import (
    DATABASE_OUTBOX,
    OUTBOXES,
    checksum,
    connect,
    insert,
    pack_points,
    unpack_points,
)
from pipeline.storage.progress import Progress, Range
from pipeline.storage.sqlite_files import Damaged

log = logging.getLogger("spikewatch.journal")

SHED = 10  # where the disk is full, the oldest tenth goes of every outbox that is a tenth of the largest
ROW_POINTS = 2_000  # of one batch of an outbox
ROW_BYTES = 256  # as small a batch is never divided: a point by itself takes a hundred
NOTHING = Progress()

Ranked = tuple[int, Sequence[Point]]  # points, and their rank


class Bound(NamedTuple):
    """What an outbox may hold."""

    bytes: int
    age_ns: int = 0  # of its oldest batch, by time of arrival; 0: any


class Posting(NamedTuple):
    """What a commit tells of an outbox beside the first."""

    points: Sequence[Ranked] = ()
    progress: Progress = NOTHING  # of its delivery


class Figures(NamedTuple):
    """Counters of an outbox; replaced as a whole, so that a transaction that fails leaves them as they were."""

    accepted: int = 0  # points put into it
    accepted_bytes: int = 0  # of these, before they were compressed
    dropped: int = 0  # points that left it undelivered
    waiting: int = 0  # points in it
    waiting_bytes: int = 0  # and what they take
    settled: int = 0  # points that were delivered or buried, and have left it
    last_id: int = 0  # of its newest batch


class OutboxWriter:
    """The side of the journal's writer; all but `open` is to be called within its transactions."""

    def __init__(self, name: str, bound: Bound | None) -> None:
        """`name` is one of OUTBOXES; `bound` is None for one that is not configured (any more)."""
        if name not in OUTBOXES:
            raise ValueError(f"no outbox has the name {name!r}")
        self.name = name
        self.bound = bound
        self.figures = Figures()
        self._ranked = name != DATABASE_OUTBOX

    def open(self, database: sqlite3.Connection) -> None:
        """Count what waits in a file that was just opened."""
        self._database = database
        [(points, size, last)] = database.execute(
            f"SELECT coalesce(sum(count), 0), coalesce(sum(length(points)), 0), coalesce(max(id), 0) FROM {self.name}"
        )
        last = max(last, self.figures.last_id)  # the thread that delivers knows what it has by its id
        self.figures = self.figures._replace(waiting=points, waiting_bytes=size, last_id=last)

    def post(self, points: Sequence[Ranked], offered: Sequence[Range], arrived_ns: int) -> None:
        """Put points into it and shed what it has no room for, but none of `offered`."""
        if self.bound is None:
            raise ValueError(f"outbox {self.name} is not configured")
        for rank, some in points:
            for part, blob, size in self._parts(some, self.bound.bytes):
                ranked = (rank, arrived_ns) if self._ranked else ()
                number = self.figures.last_id + 1
                insert(self._database, self.name, (number, *ranked, len(part), blob))
                self.figures = self.figures._replace(
                    last_id=number,
                    accepted=self.figures.accepted + len(part),
                    accepted_bytes=self.figures.accepted_bytes + size,
                )
                self._add(len(part), len(blob))
        self.shed(self.bound.bytes, offered)
        # A target that fails in a new way each time has been offered everything: the bound comes first.
        self.shed(2 * self.bound.bytes, ())
        if self.bound.age_ns and arrived_ns:
            self._expire(arrived_ns - self.bound.age_ns, offered)

    def _parts(self, points: Sequence[Point], limit: int) -> Iterator[tuple[Sequence[Point], bytes, int]]:
        """Points in batches that are small beside the whole outbox, so that none has to go for a few bytes.

        With what `pack_points` makes of each.
        """
        for begin in range(0, len(points), ROW_POINTS):
            part = points[begin : begin + ROW_POINTS]
            blob, size = pack_points(part)
            if len(blob) > max(limit // SHED, ROW_BYTES) and len(part) > 1:
                middle = len(part) // 2
                yield from self._parts(part[:middle], limit)
                yield from self._parts(part[middle:], limit)
            else:
                yield part, blob, size

    def _add(self, count: int, size: int) -> None:
        waiting, waiting_bytes = self.figures.waiting + count, self.figures.waiting_bytes + size
        self.figures = self.figures._replace(waiting=waiting, waiting_bytes=waiting_bytes)

    def settle(self, progress: Progress) -> None:
        """Let go of what is done."""
        for above, upto in progress.done:
            self._remove("id > ? AND id <= ?", (above, upto))
        for number, points in progress.left:
            ranked = ()
            if self._ranked:
                ranked = self._database.execute(
                    f"SELECT rank, arrived_ns FROM {self.name} WHERE id = ?", (number,)
                ).fetchone()
            if self._remove("id = ?", (number,)) and points:
                blob, _ = pack_points(points)
                insert(self._database, self.name, (number, *ranked, len(points), blob))
                self._add(len(points), len(blob))
        self.figures = self.figures._replace(settled=progress.points)

    def _remove(self, which: str, values: tuple[int, ...]) -> int:
        """Remove batches; returns how many points."""
        [(count, size)] = self._database.execute(
            f"SELECT coalesce(sum(count), 0), coalesce(sum(length(points)), 0) FROM {self.name} WHERE {which}", values
        )
        if count:
            self._database.execute(f"DELETE FROM {self.name} WHERE {which}", values)
            self._add(-count, -size)
        return int(count)

    def _drop(self, number: int, policy: str) -> None:
        """Remove a batch that was not delivered."""
        if self.figures.dropped == 0:
            log.warning("%s.full bytes=%d policy=%s", self.name, self.figures.waiting_bytes, policy)
        count = self._remove("id = ?", (number,))
        self.figures = self.figures._replace(dropped=self.figures.dropped + count)

    def shed(self, limit: int, offered: Sequence[Range]) -> None:
        """Keep no more than `limit` bytes: the oldest batches go, by rank; not the newest, nor any of `offered`."""
        rank: int | None = None
        while self.figures.waiting_bytes > limit:
            if not self._ranked:
                self._shed("id > ?", (), limit, offered)
                return
            [(rank,)] = self._database.execute(
                f"SELECT min(rank) FROM {self.name} WHERE rank > ?", (-(2**63) if rank is None else rank,)
            )
            if rank is None:
                return
            self._shed("rank = ? AND id > ?", (rank,), limit, offered)

    def _shed(self, which: str, rank: tuple[int, ...], limit: int, offered: Sequence[Range]) -> None:
        oldest = 0
        while self.figures.waiting_bytes > limit:
            row = self._database.execute(
                f"SELECT id FROM {self.name} WHERE {which} AND id < (SELECT max(id) FROM {self.name})"
                " ORDER BY id LIMIT 1",
                (*rank, oldest),
            ).fetchone()
            if row is None:
                return
            [oldest] = row
            kept = [upto for above, upto in offered if above < oldest <= upto]
            if kept:
                oldest = kept[0]
            else:
                self._drop(oldest, "drop_oldest")

    def _expire(self, before_ns: int, offered: Sequence[Range]) -> None:
        """Drop the oldest batches as far as they are too old; one of `offered` ends that, until it is settled."""
        while True:
            row = self._database.execute(f"SELECT id, arrived_ns FROM {self.name} ORDER BY id LIMIT 1").fetchone()
            if row is None or row[1] >= before_ns or any(above < row[0] <= upto for above, upto in offered):
                return
            self._drop(row[0], "drop_aged")

    def clear(self) -> None:
        """Drop everything: nobody is configured to deliver it, and the disk is full."""
        size, count = self.figures.waiting_bytes, self._remove("id > ?", (0,))
        if count:
            log.warning("%s.dropped points=%d bytes=%d policy=drop_not_configured", self.name, count, size)
            self.figures = self.figures._replace(dropped=self.figures.dropped + count)

    def salvaged(self, database: sqlite3.Connection, progress: Progress) -> None:
        """Go on in a new file. What is gone with the old one is dropped, but for what is done by `progress`."""
        before = self.figures
        self.open(database)
        self.settle(progress)
        gone = before.waiting - (progress.points - before.settled) - self.figures.waiting
        self.figures = self.figures._replace(dropped=before.dropped + max(gone, 0))


class Outbox:
    """The delivery thread's side: reads, never writes. To be opened by the thread that uses it."""

    def __init__(self, path: Path, name: str = DATABASE_OUTBOX) -> None:
        """Open the outbox `name` of the journal at `path`, which must exist."""
        self._path = path
        self._name = name
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
        rows = self._database.execute(f"SELECT * FROM {self._name} WHERE id > ? ORDER BY id", (after,))
        try:
            for *known, crc in rows:
                number, count, blob = known[0], known[-2], known[-1]
                if checksum(*known) != crc:
                    raise Damaged(f"{self._name} {number} fails its checksum")
                total += count
                if batches and total > most:
                    break
                batches.append((number, unpack_points(blob)))
        finally:
            rows.close()  # an open reader would keep the log from being taken in
        return batches

    def newest(self) -> int:
        """Id of the newest batch; 0 for an empty outbox."""
        [(newest,)] = self._database.execute(f"SELECT coalesce(max(id), 0) FROM {self._name}")
        return int(newest)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()


def writers(bounds: Mapping[str, Bound]) -> dict[str, OutboxWriter]:
    """One for every outbox that a journal has, by name."""
    return {name: OutboxWriter(name, bounds.get(name)) for name in OUTBOXES}
