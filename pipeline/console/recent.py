"""The newest rows of machines, for charts: rings of a fixed size, filled by the main thread after each batch.

One ring holds the rows of all machines that were written (by exception, so a machine in a hurry takes no more than
its share); a machine that somebody looks at has one of its own with every row, for as long as somebody does. In a
small plant every machine has. What a ring has no room for any more is counted in `forgotten`. No Python per row: a
batch is copied in a few array operations.
"""

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.engine.engine import Engine
from pipeline.engine.level import levels_of
from pipeline.engine.scores import Scores
from pipeline.records import Floats, Ints

BACKGROUND = (50_000, 200_000)  # rows and readings of all machines together: 13 MB
WATCHED = (1_200, 24_000)  # of a machine that is looked at: 2.5 MB
MOST_WATCHED = 16
WATCH_S = 300.0  # a machine is followed for so long after somebody looked; in a small plant for ever
FIRES = 2.0  # rarity from which a population counts as firing: p <= 0.01

Columns = dict[str, NDArray[Any]]  # by name, all of one length
ROWS = {"time_ns": np.int64, "score": np.float64, "severity": np.int8, "cause": np.int32, "spikes": np.int32}
READINGS = {
    "line": np.int32,
    "value": np.float64,
    "expected": np.float64,
    "low": np.float64,
    "high": np.float64,
    "score": np.float64,
    "share": np.float64,
    "fires": np.int32,  # a bit per population
}


class Table(NamedTuple):
    """Rows of one machine in order of time, and their readings."""

    rows: Columns  # one entry per row: `ROWS`
    row: Ints  # of each reading
    readings: Columns  # one entry per reading: `READINGS`
    cursor: int  # what is added from now on comes after it

    @property
    def time_ns(self) -> Ints:
        """Of the rows."""
        return self.rows["time_ns"].astype(np.int64)


class Ring:
    """The newest rows of one machine or of many; the oldest go when it is full."""

    def __init__(self, rows: int, readings: int) -> None:
        self._room, self._room_readings = rows, readings
        self._slot = np.zeros(rows, np.int32)
        self._begin = np.zeros(rows, np.int64)  # number of a row's first reading, counted from the first ever
        self._end = np.zeros(rows, np.int64)
        self._rows = {name: np.zeros(rows, kind) for name, kind in ROWS.items()}
        self._readings = {name: np.zeros(readings, kind) for name, kind in READINGS.items()}
        self.count = 0  # rows ever
        self.count_readings = 0

    @property
    def forgotten(self) -> int:
        """Rows that there was no room for any more."""
        return max(self.count - self._room, 0)

    def add(self, slot: Ints, rows: Columns, counts: Ints, readings: Columns) -> None:
        """Take in rows, `counts` readings each, in order."""
        begin = self.count_readings + np.cumsum(counts) - counts
        kept = slice(max(len(slot) - self._room, 0), None)
        at = (self.count + np.arange(len(slot)))[kept] % self._room
        self._slot[at], self._begin[at], self._end[at] = slot[kept], begin[kept], (begin + counts)[kept]
        for name, column in self._rows.items():
            column[at] = rows[name][kept]
        total = int(counts.sum())
        kept = slice(max(total - self._room_readings, 0), None)
        at = (self.count_readings + np.arange(total))[kept] % self._room_readings
        for name, column in self._readings.items():
            column[at] = readings[name][kept]
        self.count += len(slot)
        self.count_readings += total

    def newest(self, most: int) -> tuple[NDArray[np.int32], Floats]:
        """Slots and scores of the newest rows of all its machines, oldest first; copies."""
        count = min(self.count, self._room, most)
        at = (self.count - count) % self._room

        def column(whole: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate((whole[at : at + count], whole[: max(at + count - self._room, 0)]))

        return column(self._slot), column(self._rows["score"])

    def table(self, slot: int, after: int = 0) -> Table:
        """Rows of a machine that were added after the first `after` of all rows; with the readings still there."""
        first = max(after, self.count - self._room, 0)
        numbers = np.arange(first, self.count)
        at = numbers[self._slot[numbers % self._room] == slot] % self._room
        oldest = self.count_readings - self._room_readings
        begin, end = self._begin[at], self._end[at]
        counts = np.where(begin >= oldest, end - begin, 0)
        row = np.repeat(np.arange(len(at)), counts)
        inside = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts) + begin[row]
        inside %= self._room_readings
        return Table(
            {name: column[at] for name, column in self._rows.items()},
            row,
            {name: column[inside] for name, column in self._readings.items()},
            self.count,
        )


def joined(first: Table, second: Table) -> Table:
    """One table after the other."""
    return Table(
        {name: np.concatenate((first.rows[name], second.rows[name])) for name in ROWS},
        np.concatenate((first.row, second.row + len(first.time_ns))),
        {name: np.concatenate((first.readings[name], second.readings[name])) for name in READINGS},
        second.cursor,
    )


def before(table: Table, time_ns: int) -> Table:
    """The rows before a time."""
    count = int((table.time_ns < time_ns).sum())
    kept = table.row < count
    return Table(
        {name: column[:count] for name, column in table.rows.items()},
        table.row[kept],
        {name: column[kept] for name, column in table.readings.items()},
        table.cursor,
    )


def taken(engine: Engine, scores: Scores, rows: Ints, explained: Ints) -> tuple[Columns, Ints, Columns]:
    """Columns of `rows`, and of the readings of the rows `explained`, with how many each of those has."""
    columns: Columns = {name: getattr(scores, name)[rows] for name in ROWS}
    told = engine.explain(scores, explained)
    entry, _ = scores.entries(explained)
    rarity = scores.account["rarity"][entry]
    readings: Columns = {name: getattr(told, name) for name in READINGS if name != "fires"}
    readings["fires"] = (rarity >= FIRES) @ (1 << np.arange(rarity.shape[1]))
    return columns, np.bincount(told.row, minlength=len(explained)), readings


class _Watch:
    """A machine that is looked at."""

    def __init__(self, looked_at: float) -> None:
        self.ring = Ring(*WATCHED)
        self.looked_at = looked_at
        self.older: Table | None = None  # from the store and the background, read when it was first looked at


class Recent:
    """Rings of all machines. `take` is called by the main thread, the rest by others."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()  # held for a few copies
        self._background = Ring(*BACKGROUND)
        self._watched: dict[int, _Watch] = {}
        self._begun = 0  # watches, ever: a cursor is of one of them
        self._epochs: dict[int, int] = {}

    def counters(self) -> dict[str, int]:
        """What is kept, and what was forgotten for want of room."""
        with self._lock:
            rings = [self._background, *(watch.ring for watch in self._watched.values())]
            return {"watched": len(self._watched), "forgotten_rows": sum(ring.forgotten for ring in rings)}

    def take(self, scores: Scores) -> None:
        """Take in the scores of a batch that is committed."""
        if not len(scores):
            return
        with self._lock:
            self._tend()
            rows = np.flatnonzero(scores.due)
            if len(rows):
                counts = np.zeros(len(rows), np.int64)
                explained = scores.due_sensors[rows]
                columns, counts[explained], readings = taken(self._engine, scores, rows, rows[explained])
                self._background.add(scores.slot[rows], columns, counts, readings)
            if self._watched:
                self._follow(scores)

    def _follow(self, scores: Scores) -> None:
        """Every row of the machines that are followed."""
        followed = np.zeros(len(self._engine.fleet.machines), np.bool_)
        followed[list(self._watched)] = True
        rows = np.flatnonzero(followed[scores.slot])
        if not len(rows):
            return
        rows = rows[np.argsort(scores.slot[rows], kind="stable")]
        slots = scores.slot[rows]
        columns, counts, readings = taken(self._engine, scores, rows, rows)
        begins = np.concatenate(([0], np.flatnonzero(np.diff(slots)) + 1, [len(slots)]))
        upto = np.concatenate(([0], np.cumsum(counts)))
        for begin, end in pairwise(begins.tolist()):
            own, its = slice(begin, end), slice(int(upto[begin]), int(upto[end]))
            self._watched[int(slots[begin])].ring.add(
                slots[own],
                {name: column[own] for name, column in columns.items()},
                counts[own],
                {name: column[its] for name, column in readings.items()},
            )

    def _tend(self) -> None:
        """In a small plant every machine is followed, in a large one those that somebody looks at."""
        machines = len(self._engine.fleet.machines)
        if machines <= MOST_WATCHED:
            for slot in range(machines):
                if slot not in self._watched:
                    self._begin(slot)
            return
        now = self._clock()
        for slot in [slot for slot, watch in self._watched.items() if now - watch.looked_at > WATCH_S]:
            del self._watched[slot]

    def _begin(self, slot: int) -> _Watch:
        if len(self._watched) >= MOST_WATCHED:
            del self._watched[min(self._watched, key=lambda one: self._watched[one].looked_at)]
        watch = self._watched[slot] = _Watch(self._clock())
        self._begun += 1
        self._epochs = {one: epoch for one, epoch in self._epochs.items() if one in self._watched}
        self._epochs[slot] = self._begun
        return watch

    def look(self, slot: int, cursor: str, older: Callable[[], Table | None]) -> tuple[Table, str, bool]:
        """Rows of a machine, which is followed from now on: those after `cursor`, or all that are known.

        Returns the rows, the next cursor, and whether they go on from the one that was given. `older` is asked once,
        for what was before this service's memory.
        """
        with self._lock:
            watch = self._watched.get(slot)
            fresh = watch is None
            watch = watch or self._begin(slot)
            watch.looked_at = self._clock()
            epoch = str(self._epochs[slot])
            known, _, number = cursor.partition(".")
            goes_on = known == epoch and number.isascii() and number.isdecimal()
            table = watch.ring.table(slot, int(number[:15]) if goes_on else 0)
            background = self._background.table(slot) if watch.older is None else None
        if background is not None and (not goes_on or fresh):
            stored = older()
            first = table.time_ns[0] if len(table.time_ns) else np.iinfo(np.int64).max
            background = before(background, int(first))
            if stored is not None:
                start = background.time_ns[0] if len(background.time_ns) else first
                background = joined(before(stored, int(start)), background)
            watch.older = background
        if not goes_on and watch.older is not None:
            table = joined(watch.older, table)
        return table, f"{epoch}.{table.cursor}", goes_on

    def course(self, slots: list[int], rows: int) -> dict[int, list[float]]:
        """The newest anomaly levels of machines, oldest first."""
        with self._lock:  # scoring waits for it: copied here, looked through below
            own = {slot: watch.ring.newest(rows) for slot in slots if (watch := self._watched.get(slot))}
            slot_of, scores = self._background.newest(BACKGROUND[0] if len(own) < len(slots) else 0)
        order = np.argsort(slot_of, kind="stable")
        slot_of, scores = slot_of[order], scores[order]
        ends = np.searchsorted(slot_of, slots, "right").tolist()
        begins = np.maximum(np.searchsorted(slot_of, slots, "left"), np.array(ends) - rows).tolist()
        return {
            slot: levels_of(own[slot][1] if slot in own else scores[begin:end]).tolist()
            for slot, begin, end in zip(slots, begins, ends, strict=True)
        }
