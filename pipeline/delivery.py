"""Delivery: from the outbox to a database, each point once in effect, however often the database is away.

The one place where a write is retried. A sink only says what happened: `Unreachable` means wait and offer the same
points again; `Refused` means a point in the batch is bad, and halving the batch finds it, so that a bad point stops
nobody but itself.

After an outage whoever looks wants to see now before then: points that are new go first, and what had gathered, the
backlog, follows in what time they leave, at a limited rate, so that a database that has just come back is not run
over.
"""

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.journal import Outbox
from pipeline.records import Point
from pipeline.sinks import Refused, Sink, Unreachable
from pipeline.sqlite_files import is_damage

log = logging.getLogger("spikewatch.delivery")

BATCH_POINTS = 5_000
IDLE_S = 0.2  # between looks into an empty outbox
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
LONGEST_ASKED_S = 3600.0  # whatever a database asks us to wait
RETRY_S = 1.0  # after a journal that cannot be read now
MOST_RANGES = 16
Range = tuple[int, int]  # outbox ids above the one and up to the other
Batches = list[tuple[int, list[Point]]]


class Delivery:
    """Moves points from an outbox to a sink; counters may be read from any thread."""

    def __init__(
        self,
        journal: Path,
        sink: Sink,
        bury: Callable[[str, Point], None],
        backlog_rate: float = 20_000.0,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`journal`: the file whose outbox is emptied. `bury(reason, point)` takes points refused for good.

        `backlog_rate`: points of a backlog per second, at most.
        """
        self._journal = journal
        self._outbox: Outbox | None = None  # opened by the thread that uses it
        self._sink = sink
        self._bury = bury
        self._backlog_rate = backlog_rate
        self._jitter = jitter
        self._clock = clock
        self._wait_s = 0.0
        self._reasons: set[str] = set()
        self._todo: tuple[Range, ...] = ()  # the backlog, oldest first
        self._live = 0  # outbox id up to which everything else is delivered or buried
        self._arriving = True  # whether what waits now has gathered while nobody delivered
        self._due = 0.0  # by `clock`: when the next piece of the backlog may go
        self.done: tuple[Range, ...] = ()  # delivered or buried; replaced as a whole, for other threads to read
        self.delivered = 0
        self.buried = 0
        self.retries = 0
        self.away: str | None = None  # why the database cannot be reached now
        self.damaged: str | None = None  # why the outbox cannot be read; None again when it is mended

    def step(self) -> float:
        """Deliver one batch; returns how long to wait before the next step, in seconds."""
        try:
            if self._outbox is None:
                self._outbox = Outbox(self._journal)
            self.damaged = None
            live = self._outbox.peek(self._live, BATCH_POINTS)
            if live:
                return self._deliver(live)
            if not self._todo:
                self._arriving = False
                return IDLE_S
            wait_s = self._due - self._clock()
            if wait_s > 0.0:
                return min(wait_s, IDLE_S)
            return self._deliver_backlog(self._outbox)
        except (sqlite3.Error, OSError) as error:  # no file: it is being set aside just now
            if self._outbox is not None:
                self._outbox.close()
                self._outbox = None
            if isinstance(error, sqlite3.Error) and is_damage(error, self._journal):
                self.damaged = str(error)
            return RETRY_S

    def _deliver(self, batches: Batches) -> float:
        """Deliver the oldest points that are not of the backlog, unless they turn out to be one themselves."""
        wait_s = self._offer(batches)
        if wait_s:
            self._arriving = True
            return wait_s
        upto = batches[-1][0]
        if self._arriving:
            self._arriving = False
            newest = self._outbox.newest() if self._outbox else 0
            if newest > upto:
                self._place((*self._todo, (upto, newest)), newest)
                log.info("delivery.backlog batches=%d points_per_s=%.0f", newest - upto, self._backlog_rate)
                return 0.0
        self._place(self._todo, upto)
        return 0.0

    def _deliver_backlog(self, outbox: Outbox) -> float:
        (above, upto), *later = self._todo
        batches = [(number, points) for number, points in outbox.peek(above, BATCH_POINTS) if number <= upto]
        wait_s = self._offer(batches)
        if wait_s:
            self._arriving = True
            return wait_s
        self._due = self._clock() + sum(len(points) for _, points in batches) / self._backlog_rate
        reached = batches[-1][0] if batches else upto
        left = ((reached, upto),) if reached < upto else ()
        self._place((*left, *later), self._live)
        return 0.0

    def _place(self, todo: tuple[Range, ...], live: int) -> None:
        """Remember what is still to be delivered; everything else up to `live` is done."""
        if len(todo) > MOST_RANGES:  # of a database that comes and goes; offering points twice stores them once
            todo = ((todo[0][0], todo[-1][1]),)
        self._todo, self._live = todo, live
        edges = [0, *(edge for between in todo for edge in between), live]
        self.done = tuple((above, upto) for above, upto in zip(edges[::2], edges[1::2], strict=True) if above < upto)

    def _offer(self, batches: Batches) -> float:
        """Write points to the sink; returns 0, or for how long it wants to be left alone."""
        try:
            self._write([point for _, points in batches for point in points])
        except Unreachable as error:
            self.retries += 1
            if self.away is None:
                log.warning('delivery.away reason="%s" note="points wait in the outbox"', error)
            self.away = str(error)
            self._wait_s = min(max(2.0 * self._wait_s, FIRST_WAIT_S), LONGEST_WAIT_S)
            return max(min(error.retry_after_s or 0.0, LONGEST_ASKED_S), self._wait_s * (0.5 + 0.5 * self._jitter()))
        if self.away is not None:
            log.warning("delivery.back")
            self.away = None
        self._wait_s = 0.0
        return 0.0

    def _write(self, points: Sequence[Point]) -> None:
        """Write points, halving down to the bad ones. Points are idempotent, so writing some twice is harmless."""
        if not points:
            return
        try:
            self._sink.write(points)
            self.delivered += len(points)
        except Refused as error:
            if len(points) > 1:
                middle = len(points) // 2
                self._write(points[:middle])
                self._write(points[middle:])
                return
            reason = str(error)
            kind = reason[:40]
            if kind not in self._reasons and len(self._reasons) < 100:
                self._reasons.add(kind)
                log.warning('delivery.refused reason="%s" point=%s', reason, points[0].measurement)
            self._bury(reason, points[0])
            self.buried += 1

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set and the outbox is empty or the database is away."""
        while True:
            wait_s = self.step()
            if wait_s > 0.0 and (stop.is_set() or stop.wait(wait_s)):
                break
        self.close()

    def close(self) -> None:
        """Let go of outbox and sink."""
        if self._outbox is not None:
            self._outbox.close()
        self._sink.close()
