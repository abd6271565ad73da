"""Clocks that are behind: machines whose readings arrive long after the time that they carry, by a steady difference.

Such readings are scored as any others, but whoever looks at the last hour does not see them, and an alarm comes with
a time that has passed. What a gateway has stored and now sends arrives late, too: there the difference shrinks while
it catches up, so a difference counts only once it has stayed the same for a while.
"""

from typing import NamedTuple

import numpy as np

from pipeline.records import Bools, Ints, Machine, Readings

BEHIND_NS = 10 * 60 * 10**9  # less is a slow gateway
STEADY_NS = 2 * 60 * 10**9  # a difference that changes by more than that between two looks is a backlog
LOOKS = 6  # at machines that have sent in between; the service looks every ten seconds
NO_LAG = -(2**62)


class Behind(NamedTuple):
    """A machine whose clock is behind, or whose readings are always late."""

    machine: str
    behind_s: float


class Clocks:
    """By how much the readings of every machine arrive late; arrays with one entry a machine, and one writer."""

    def __init__(self) -> None:
        self._lag = self._before = self._steady = np.zeros(0, np.int64)  # ns now, ns at the last look, looks
        self._told: Bools = np.zeros(0, np.bool_)

    def heard(self, rows: Readings, received_ns: int) -> None:
        """The readings of a batch that arrived at this time."""
        if not len(rows.slot):
            return
        most = int(rows.slot.max()) + 1
        if most > len(self._lag):
            self._grow(most)
        self._lag[rows.slot] = received_ns - rows.time_ns  # of several of one machine, the last

    def _grow(self, count: int) -> None:
        def longer(old: Ints, value: int) -> Ints:
            return np.concatenate((old, np.full(2 * count - len(old), value, np.int64)))

        self._told = np.concatenate((self._told, np.zeros(2 * count - len(self._told), np.bool_)))
        self._lag, self._before = longer(self._lag, NO_LAG), longer(self._before, NO_LAG)
        self._steady = longer(self._steady, 0)

    def look(self) -> tuple[int, ...]:
        """Slots of machines whose clocks turn out to be behind now, each of them once until it is right again."""
        sent = self._lag != NO_LAG
        late = sent & (self._lag >= BEHIND_NS)
        same = late & (np.abs(self._lag - self._before) <= STEADY_NS)
        self._steady = np.where(same, self._steady + 1, np.where(sent, 0, self._steady))
        self._before = np.where(sent, self._lag, self._before)
        self._lag = np.full_like(self._lag, NO_LAG)
        behind = self._steady >= LOOKS
        new = np.flatnonzero(behind & ~self._told)
        self._told = behind
        return tuple(int(slot) for slot in new)

    def behind(self, machines: tuple[Machine, ...] | list[Machine], most: int) -> list[Behind]:
        """Those that are behind now, the worst first, `most` at most; `machines` by slot."""
        slots = np.flatnonzero(self._told)
        slots = slots[np.argsort(-self._before[slots], kind="stable")][:most]
        return [Behind(machines[slot].name, float(self._before[slot]) / 1e9) for slot in slots]

    @property
    def count(self) -> int:
        """How many are behind."""
        return int(self._told.sum())
