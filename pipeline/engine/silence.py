"""Silence: which machines have stopped sending?

Somebody asks now and then, with a clock of his own. A machine is waited for while it has sent nothing since the last
time; it is silent when that is longer than it ever takes: many of its usual sampling intervals, several of its
longest pauses between two arrivals, and a minute at the least. Only the asker's clock counts, never what time the
data says it is, so recordings may be of any year and played at any speed. An asker who was away himself, for longer
than a minute, has waited for nobody meanwhile. Where a protocol says that a machine has stopped (Sparkplug's deaths),
nobody waits for it at all.

What is kept here is about arrivals and not about machines: it is in no snapshot, and after a restart everybody is
given time again.
"""

import numpy as np

from pipeline.records import Floats, Ints

INTERVALS = 30  # usual sampling intervals without a reading
PAUSES = 3  # of the longest remembered ones
LEAST_NS = 60_000_000_000
AWAY_NS = 60_000_000_000  # longest time between two questions that counts as waiting
FADE = 0.02  # share of the longest pause forgotten with each arrival


class Silence:
    """How long each machine has been waited for, by slot."""

    def __init__(self) -> None:
        self.silent: set[int] = set()  # slots
        self._asked_ns: int | None = None
        self._newest_ns = np.zeros(0, np.int64)  # time of each machine's newest row at the last question
        self._waited_ns = np.zeros(0)
        self._longest_ns = np.zeros(0)  # pause between two arrivals, as far as the questions tell

    def ask(self, now_ns: int, newest_ns: Ints, usual_ns: Floats) -> list[int]:
        """Slots that have become silent. `now_ns`: of any clock that only goes forward.

        `newest_ns`: time of each machine's newest row; `usual_ns`: its usual sampling interval, 0 if not known yet.
        """
        passed = 0 if self._asked_ns is None else now_ns - self._asked_ns
        passed = passed if passed <= AWAY_NS else 0
        self._asked_ns = now_ns
        room = (0, len(newest_ns) - len(self._newest_ns))
        before = np.append(self._newest_ns, newest_ns[len(self._newest_ns) :])
        waited = np.pad(self._waited_ns, room) + passed
        longest = np.pad(self._longest_ns, room)
        heard = newest_ns != before
        self._newest_ns = newest_ns.copy()
        self._longest_ns = np.where(heard, np.maximum(longest * (1.0 - FADE), waited), longest)
        self._waited_ns = np.where(heard, 0.0, waited)
        limit = np.maximum(np.maximum(INTERVALS * usual_ns, PAUSES * self._longest_ns), LEAST_NS)
        over = np.flatnonzero((self._waited_ns > limit) & (usual_ns > 0.0))
        news = [slot for slot in over.tolist() if slot not in self.silent]
        self.silent.update(news)
        return news

    def gone(self, slot: int) -> bool:
        """A machine is said to have stopped sending, so nobody waits for it; whether that is news."""
        news = slot not in self.silent
        self.silent.add(slot)
        return news

    def ended(self, slot: Ints) -> list[int]:
        """Of rows of these machines, the first of each that was silent; it is not any more."""
        heard = self.silent.intersection(slot.tolist()) if self.silent else set()
        self.silent -= heard
        return [int(np.argmax(slot == one)) for one in heard]
