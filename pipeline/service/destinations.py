"""Where points go: the database, and what else is configured, each with an outbox, a sink and a thread of its own.

A destination that is away, slow or full keeps no other waiting: all they have in common is the journal's transaction.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from pipeline.engine.incidents import Incident
from pipeline.records import Machine, Point
from pipeline.sinks import Sink
from pipeline.sinks.delivery import Delivery
from pipeline.storage.journal_file import DATABASE_OUTBOX
from pipeline.storage.outbox import Bound, OutboxWriter, Posting, Ranked
from pipeline.storage.progress import Progress

IncidentOf = Callable[[Machine], Incident | None]
NOTHING_CHOSEN: Mapping[str, Sequence[Ranked]] = {}


def _nothing(content: bytes) -> None:
    raise ValueError("nothing is kept for it")


class Destination(NamedTuple):
    """One beside the database."""

    sink: Sink
    bound: Bound  # of its outbox
    # What goes there of the points of a batch, before it is committed; `IncidentOf` tells a machine's open incident.
    choose: Callable[[Sequence[Point], IncidentOf], Sequence[Ranked]]
    in_order: bool = False  # whether the oldest go first, always
    # What `choose` has to know after a restart: what has changed since this was asked last, by key, without content
    # where a key is to be forgotten; and what takes it back, which raises ValueError for what it does not know.
    changed: Callable[[], Mapping[str, bytes]] = dict
    restore: Callable[[bytes], None] = _nothing
    repeat: Callable[[], None] = lambda: None  # have `choose` say again what holds, where some of it was dropped
    counters: Callable[[], Mapping[str, int]] = dict  # of its sink, by name


class Deliveries:
    """All deliveries, and what the journal's writer has to do with them."""

    def __init__(
        self,
        journal: Path,
        sink: Sink,
        destinations: Mapping[str, Destination],
        bury: Callable[[str, Point], None],
        backlog_rate: float,
    ) -> None:
        """`sink` is the database; `destinations` are the others, by the name of their outbox. Starts no thread."""
        self._destinations = destinations
        self.database = Delivery(journal, sink, bury, backlog_rate)
        self.others = {
            name: Delivery(journal, one.sink, bury, backlog_rate, name=name, in_order=one.in_order)
            for name, one in destinations.items()
        }
        self._all = {DATABASE_OUTBOX: self.database, **self.others}
        self._settled = {name: one.progress for name, one in self._all.items()}  # what the journal knows of them
        self._absent: set[str] = set()  # those that were away when `choose` was last asked
        self._dropped = dict.fromkeys(self.others, 0)  # what each outbox had dropped when it was last back
        self._threads: list[threading.Thread] = []

    def start(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set and the outbox is empty or its target away."""
        for name, one in self._all.items():
            called = "delivery" if one is self.database else f"delivery-{name}"
            self._threads.append(threading.Thread(target=one.run, args=(stop,), name=called, daemon=True))
            self._threads[-1].start()

    def join(self, timeout_s: float) -> None:
        """Wait for all threads, together no longer than `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))

    def choose(
        self, points: Sequence[Point], incident: IncidentOf, outboxes: Mapping[str, OutboxWriter]
    ) -> dict[str, Sequence[Ranked]]:
        """What goes where of the points of a batch; to be asked once for each."""
        for name, one in self._destinations.items():
            if self.others[name].away is not None:
                self._absent.add(name)
            elif name in self._absent:  # it is back, and once is enough
                self._absent.discard(name)
                before, self._dropped[name] = self._dropped[name], outboxes[name].figures.dropped
                if self._dropped[name] != before:
                    one.repeat()
        return {name: one.choose(points, incident) for name, one in self._destinations.items()}

    def changed(self) -> dict[str, bytes]:
        """What is to be kept over a restart, by key; to be asked after `choose`."""
        return {
            f"{name}:{key}": content
            for name, one in self._destinations.items()
            for key, content in one.changed().items()
        }

    def restore(self, kept: Mapping[str, bytes]) -> dict[str, bytes]:
        """Take back what `changed` said in earlier lives; returns what is not ours."""
        others = {}
        for key, content in kept.items():
            try:
                self._destinations[key.partition(":")[0]].restore(content)
            except (KeyError, ValueError):
                others[key] = content
        return others

    def figures(self, outboxes: Mapping[str, OutboxWriter]) -> dict[str, int]:
        """Counters of those beside the database, with their name before them."""
        found: dict[str, int] = {}
        for name, delivery in self.others.items():
            figures = outboxes[name].figures
            found |= {
                f"{name}_outbox": figures.waiting,
                f"{name}_outbox_bytes": figures.waiting_bytes,
                f"{name}_points": figures.accepted,
                f"{name}_dropped": figures.dropped,
                f"{name}_delivered": delivery.delivered,
                f"{name}_buried": delivery.buried,
                **{f"{name}_{what}": count for what, count in self._destinations[name].counters().items()},
            }
        return found

    @contextmanager
    def settling(
        self, chosen: Mapping[str, Sequence[Ranked]] = NOTHING_CHOSEN
    ) -> Iterator[tuple[Progress, dict[str, Posting]]]:
        """The database's progress, and postings of the others with `chosen`, for one transaction of the journal.

        No batch is taken from an outbox meanwhile. Where nothing is raised, what they say was committed.
        """
        with ExitStack() as locks:
            for one in self._all.values():
                locks.enter_context(one.lock)
            progress = {name: one.progress for name, one in self._all.items()}
            yield (
                progress[DATABASE_OUTBOX],
                {name: Posting(chosen.get(name, ()), progress[name]) for name in self.others},
            )
            self._settled = progress
            for name, one in self._all.items():
                one.settled(progress[name])

    def unsettled(self) -> bool:
        """Whether one of them is done with something that is still in the journal."""
        return any(
            one.progress.done != self._settled[name].done or one.progress.left for name, one in self._all.items()
        )

    def damaged(self) -> str | None:
        """Why an outbox cannot be read."""
        return next((one.damaged for one in self._all.values() if one.damaged), None)

    def mended(self) -> None:
        """It can again."""
        for one in self._all.values():
            one.damaged = None
