"""Delivery: from the outbox to a database, each point once in effect, however often the database is away.

The one place where a write is retried. A sink only says what happened: `Unreachable` means wait and offer the same
points again; `Refused` means a point in the batch is bad, and halving the batch finds it, so that a bad point stops
nobody but itself.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.journal import Outbox
from pipeline.records import Point
from pipeline.sinks import Refused, Sink, Unreachable

log = logging.getLogger("spikewatch.delivery")

BATCH_POINTS = 5_000
IDLE_S = 0.2  # between looks into an empty outbox
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0


class Delivery:
    """Moves points from an outbox to a sink; counters may be read from any thread."""

    def __init__(
        self,
        journal: Path,
        sink: Sink,
        bury: Callable[[str, Point], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`journal`: the file whose outbox is emptied. `bury(reason, point)` takes points refused for good."""
        self._journal = journal
        self._outbox: Outbox | None = None  # opened by the thread that uses it
        self._sink = sink
        self._bury = bury
        self._jitter = jitter
        self._wait_s = 0.0
        self._reasons: set[str] = set()
        self.done = 0  # outbox id up to which everything is delivered or buried
        self.delivered = 0
        self.buried = 0
        self.retries = 0
        self.away: str | None = None  # why the database cannot be reached now

    def step(self) -> float:
        """Deliver one batch; returns how long to wait before the next step, in seconds."""
        if self._outbox is None:
            self._outbox = Outbox(self._journal)
        batches = self._outbox.peek(self.done, BATCH_POINTS)
        if not batches:
            return IDLE_S
        try:
            self._write([point for _, points in batches for point in points])
        except Unreachable as error:
            self.retries += 1
            if self.away is None:
                log.warning('delivery.away reason="%s" note="points wait in the outbox"', error)
            self.away = str(error)
            self._wait_s = min(max(2.0 * self._wait_s, FIRST_WAIT_S), LONGEST_WAIT_S)
            return max(error.retry_after_s or 0.0, self._wait_s * (0.5 + 0.5 * self._jitter()))
        if self.away is not None:
            log.warning("delivery.back")
            self.away = None
        self._wait_s = 0.0
        self.done = batches[-1][0]
        return 0.0

    def _write(self, points: Sequence[Point]) -> None:
        """Write points, halving down to the bad ones. Points are idempotent, so writing some twice is harmless."""
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
