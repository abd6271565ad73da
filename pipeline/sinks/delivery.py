"""Delivery: from an outbox to its sink, such as a database, each point once in effect, however often that is away.

The one place where a service retries a write. A sink only says what happened: `Unreachable` means wait and offer
the same points again; of points that are refused, `sifting.py` says which are bad, to be buried, and which must
wait in the outbox while the others go on. Where the target takes nothing at all, that is an outage.

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
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.records import Point
from pipeline.sinks import Sink, Unreachable
from pipeline.sinks.sifting import Sifter
from pipeline.storage.journal_file import DATABASE_OUTBOX
from pipeline.storage.outbox import Outbox
from pipeline.storage.progress import Progress, Range, minus, remember, remembered, union
from pipeline.storage.sqlite_files import beside, is_damage

log = logging.getLogger("spikewatch.delivery")

BATCH_POINTS = 5_000
IDLE_S = 0.2  # between looks into an empty outbox
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
LONGEST_ASKED_S = 3600.0  # whatever a database asks us to wait
RETRY_S = 1.0  # after a journal that cannot be read now
HELD_S = 2.0  # between pieces of the backlog, where some were refused and wait
MOST_RANGES = 16
Batches = list[tuple[int, list[Point]]]


class Outcome(NamedTuple):
    """Of an offer."""

    known: bool  # whether it is known which of the points are stored
    held: Sequence[Point] = ()  # refused, and to be offered again
    wait_s: float = 0.0  # for how long the database wants to be left alone


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
        name: str = DATABASE_OUTBOX,
        in_order: bool = False,
    ) -> None:
        """`journal`: the file whose outbox `name` is emptied. `bury(reason, point)` takes points refused for good.

        `backlog_rate`: points of a backlog per second, at most. `in_order`: there is no backlog; the oldest go first,
        always, so that of a topic whose last message counts the newest is the last.
        """
        self._journal = journal
        self._name = name
        self._in_order = in_order
        self._word = "delivery" if name == DATABASE_OUTBOX else name  # that our lines in the log begin with
        self._offered_file = beside(journal, ".offered" if name == DATABASE_OUTBOX else f".{name}.offered")
        self._outbox: Outbox | None = None  # opened by the thread that uses it
        self._sink = sink
        self._bury = bury
        self._backlog_rate = backlog_rate
        self._jitter = jitter
        self._clock = clock
        self._wait_s = 0.0
        self._reasons: set[str] = set()
        self._sifter = Sifter(sink)
        self._todo: tuple[Range, ...] = ()  # the backlog, in the order in which it is offered
        self._live = 0  # outbox id up to which everything else is delivered or buried
        self._arriving = True  # whether what waits now has gathered while nobody delivered
        self._due = 0.0  # by `clock`: when the next piece of the backlog may go
        # Held while batches are taken from the outbox, and by the writer from reading `progress` to the end of its
        # transaction, so that no batch is evicted and offered at the same time.
        self.lock = threading.Lock()
        self._unsure = self._unsure_of_earlier_lives()  # offered, and not known to be stored or not
        self._fresh: tuple[Range, ...] = ()  # of those, what is offered now for the first time
        self._leaving: tuple[Range, ...] = ()  # of those, what is only to be noted by the writer
        self.progress = Progress(offered=self._unsure)
        self.delivered = 0
        self.buried = 0
        self.retries = 0
        self.away: str | None = None  # why the database cannot be reached now
        self.away_since_ns = 0  # Unix time since when it cannot
        self.damaged: str | None = None  # why the outbox cannot be read; None again when it is mended

    def _unsure_of_earlier_lives(self) -> tuple[Range, ...]:
        path, newest = self._offered_file, 0
        with suppress(sqlite3.Error, OSError):  # no file yet
            outbox = Outbox(self._journal, self._name)
            newest = outbox.newest()  # ids above will be given anew
            outbox.close()
        unsure = minus(remembered(path), [(newest, 2**62)])
        remember(path, unsure)
        return unsure

    @property
    def done(self) -> tuple[Range, ...]:
        """Outbox ids of what is delivered or buried."""
        return self.progress.done

    @property
    def trouble(self) -> str | None:
        """Why points wait: the database is away, or takes none of a measurement."""
        return self.away or next(iter(self._sifter.held.values()), None)

    def settled(self, progress: Progress) -> None:
        """The writer, which has the lock, has committed what this said."""
        if self.progress.left and self.progress.left is progress.left:
            self._unsure, self._leaving = minus(self._unsure, self._leaving), ()
            self._tell(self.progress.done, (), self.progress.points)

    def step(self) -> float:
        """Deliver one batch; returns how long to wait before the next step, in seconds."""
        try:
            if self._outbox is None:
                self._outbox = Outbox(self._journal, self._name)
            self.damaged = None
            if self.progress.left:  # what is still in the outbox of these batches would be offered again
                return IDLE_S
            live = self._take(self._outbox, self._live)
            if live:
                return self._deliver(self._outbox, live)
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

    def _take(self, outbox: Outbox, above: int, upto: int | None = None) -> Batches:
        """Batches to be offered; from now on none of them is evicted."""
        with self.lock:
            found = outbox.peek(above, BATCH_POINTS)
            batches = [(number, points) for number, points in found if upto is None or number <= upto]
            if batches:
                taken = (above, batches[-1][0])
                self._fresh = minus([taken], self._unsure)
                self._unsure = union((*self._unsure, taken))
                self._tell(self.progress.done, (), self.progress.points)
        return batches

    def _tell(self, done: tuple[Range, ...], left: tuple[tuple[int, Sequence[Point]], ...], points: int) -> None:
        offered = union((*done, *self._unsure))
        if offered != self.progress.offered:
            remember(self._offered_file, offered)
        self.progress = Progress(done, offered, left, points)

    def _deliver(self, outbox: Outbox, batches: Batches) -> float:
        """Deliver the oldest points that are not of the backlog, unless they turn out to be one themselves."""
        outcome = self._offer(batches)
        if not outcome.known:
            self._arriving = True
            return outcome.wait_s
        above, upto = self._live, batches[-1][0]
        todo, live = self._todo, upto
        if outcome.held:
            todo = _later(todo, (above, upto))
        if (self._arriving or outcome.wait_s) and not self._in_order:
            newest = outbox.newest()
            if newest > upto:
                todo, live = _later(todo, (upto, newest)), newest
                log.info("%s.backlog batches=%d points_per_s=%.0f", self._word, newest - upto, self._backlog_rate)
        self._arriving = outcome.wait_s > 0.0
        self._place(todo, live, (above, upto), batches, outcome.held)
        return outcome.wait_s

    def _deliver_backlog(self, outbox: Outbox) -> float:
        (above, upto), *later = self._todo
        batches = self._take(outbox, above, upto)
        outcome = self._offer(batches)
        if not outcome.known:
            self._arriving = True
            return outcome.wait_s
        reached = batches[-1][0] if batches else upto
        todo = (*(((reached, upto),) if reached < upto else ()), *later)
        self._due = self._clock() + sum(len(points) for _, points in batches) / self._backlog_rate
        if outcome.held:
            todo = _later(todo, (above, reached))
            self._due = max(self._due, self._clock() + HELD_S)
        self._place(todo, self._live, (above, reached), batches, outcome.held)
        return outcome.wait_s

    def _place(
        self, todo: tuple[Range, ...], live: int, known: Range, batches: Batches, held: Sequence[Point]
    ) -> None:
        """Remember what is still to be delivered; everything else up to `live` is done.

        `known` is the range of the batches whose outcome is known; of their points, `held` are still to be delivered.
        """
        if len(todo) > MOST_RANGES:  # of a database that comes and goes; offering points twice stores them once
            todo = ((min(todo)[0], max(upto for _, upto in todo)),)
        waiting = {id(point) for point in held}
        left = tuple(
            (number, rest)
            for number, points in batches
            if held and len(rest := [point for point in points if id(point) in waiting]) < len(points)
        )
        finished = sum(len(points) for _, points in batches) - len(held)
        with self.lock:
            self._todo, self._live = todo, live
            done = minus([(0, live)], todo)
            # What is refused now may all the same have been stored when it was offered before.
            certain = self._fresh if held else (known,)
            self._unsure = minus(self._unsure, certain)
            # Batches that are done and yet to be offered again, as above, are not certain to be in the outbox.
            again = minus(self.progress.done, done)
            self._leaving = certain if left else ()
            self._unsure = union((*self._unsure, *again, *self._leaving))
            self._tell(done, left, self.progress.points + finished)

    def _offer(self, batches: Batches) -> Outcome:
        """Write points to the sink."""
        points = [point for _, batch in batches for point in batch]
        if not points:
            return Outcome(known=True)
        before = dict(self._sifter.held)
        try:
            held, bad = self._sifter.write(points)
        except Unreachable as error:
            return Outcome(known=False, wait_s=self._wait(error))
        if len(held) == len(points):
            reason = f"{self._sifter.held[held[0].measurement]} (every point is refused; is this the right target?)"
            return Outcome(known=True, held=held, wait_s=self._wait(Unreachable(reason)))
        if self.away is not None:
            log.warning("%s.back", self._word)
            self.away = None
        self._wait_s = 0.0
        for kind, reason in self._sifter.held.items():
            if kind not in before:
                note = "none of its points is accepted; they wait"
                log.warning('%s.held measurement=%s reason="%s" note="%s"', self._word, kind, reason, note)
        for reason, point in bad:
            kind = reason[:40]
            if kind not in self._reasons and len(self._reasons) < 100:
                self._reasons.add(kind)
                log.warning('%s.refused reason="%s" point=%s', self._word, reason, point.measurement)
            self._bury(reason, point)
        self.buried += len(bad)
        self.delivered += len(points) - len(held) - len(bad)
        return Outcome(known=True, held=held)

    def _wait(self, error: Unreachable) -> float:
        """For how long to leave the database alone."""
        self.retries += 1
        if self.away is None:
            log.warning('%s.away reason="%s" note="points wait in the outbox"', self._word, error)
            self.away_since_ns = time.time_ns()
        self.away = str(error)
        self._wait_s = min(max(2.0 * self._wait_s, FIRST_WAIT_S), LONGEST_WAIT_S)
        return max(min(error.retry_after_s or 0.0, LONGEST_ASKED_S), self._wait_s * (0.5 + 0.5 * self._jitter()))

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


def _later(todo: tuple[Range, ...], one: Range) -> tuple[Range, ...]:
    """Put a range at the end of a backlog."""
    if todo and todo[-1][1] == one[0]:
        return (*todo[:-1], (todo[-1][0], one[1]))
    return (*todo, one)
