"""The highest anomaly level of every machine in each stretch of the last hours: a row of cells for each.

`take` is called by the main thread after each batch, the rest by others. Times are those of the data, and the last
cell holds the newest reading of all machines. What is older than the longest span is forgotten, and so is what comes
later than that; both are no news. It is as large as its machines and cells and never larger.
"""

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.engine.level import levels_of
from pipeline.engine.scores import Scores
from pipeline.records import Floats, Ints

MINUTE_NS = 60_000_000_000
# What can be asked for: how many cells, and how long each is.
SPANS = {"8h": (48, 10 * MINUTE_NS), "1d": (48, 30 * MINUTE_NS), "7d": (56, 180 * MINUTE_NS)}
MARKS = np.frombuffer(b"-0123456789A", np.uint8)  # nothing known, levels 0 to 10


class Cells(NamedTuple):
    """Rows of cells for some machines, oldest first."""

    begin_s: float  # of the first cell
    cell_s: float
    machines: list[str]  # a character per cell: `-` for nothing known, 0 to 9 and A for the highest level, cut off


class _Ring:
    """Cells of one length: a row per machine, of which the column of a time is taken again when it is past."""

    def __init__(self, cells: int, width_ns: int) -> None:
        self.width_ns = width_ns
        self.highest: NDArray[np.uint8] = np.zeros((0, cells), np.uint8)  # level + 1; 0 for nothing
        self.number = np.full(cells, -1, np.int64)  # which stretch since 1970 each column is of

    def add(self, slot: Ints, number: Ints, stretches: list[int], mark: NDArray[np.uint8], machines: int) -> None:
        """`number`: of the stretch of each row, `stretches`: which there are, in order."""
        if machines > len(self.highest):
            room = max(machines, 2 * len(self.highest)) - len(self.highest)
            self.highest = np.pad(self.highest, ((0, room), (0, 0)))
        column = number % len(self.number)
        for one in stretches:
            at = one % len(self.number)
            if one > self.number[at]:
                self.number[at] = one
                self.highest[:, at] = 0
        kept = number == self.number[column]
        np.maximum.at(self.highest, (slot[kept], column[kept]), mark[kept])

    def row(self, slots: Ints, last: int, count: int) -> NDArray[np.uint8]:
        """Of machines the `count` columns up to the stretch `last`."""
        wanted = np.arange(last - count + 1, last + 1)
        column = wanted % len(self.number)
        known = slots < len(self.highest)
        found = np.zeros((len(slots), count), np.uint8)
        found[known] = self.highest[np.ix_(slots[known], column)]
        found[:, self.number[column] != wanted] = 0
        return found


class Heat:
    """Cells of all machines."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for a few copies
        self._rings = {span: _Ring(*shape) for span, shape in SPANS.items()}
        self._newest_ns = 0

    def take(self, scores: Scores, machines: int) -> None:
        """Take in the scores of a batch that is committed; `machines`: how many are known."""
        self.add(scores.slot, scores.time_ns, scores.score, machines)

    def add(self, slot: Ints, time_ns: Ints, score: Floats, machines: int) -> None:
        """The same of rows from elsewhere."""
        heard = np.isfinite(score)
        slot, time_ns, score = slot[heard], time_ns[heard], score[heard]
        if not len(slot):
            return
        mark = (levels_of(score) + 1.0).astype(np.uint8)
        newest_ns = int(time_ns.max())
        numbers = [time_ns // ring.width_ns for ring in self._rings.values()]
        stretches = [np.unique(number).tolist() for number in numbers]
        with self._lock:
            self._newest_ns = max(self._newest_ns, newest_ns)
            for ring, number, those in zip(self._rings.values(), numbers, stretches, strict=True):
                ring.add(slot, number, those, mark, machines)

    def cells(self, slots: list[int], span: str) -> Cells:
        """Of some machines; `span`: one of SPANS."""
        count, width_ns = SPANS[span]
        with self._lock:
            last = self._newest_ns // width_ns
            found = self._rings[span].row(np.array(slots, np.int64), last, count)
        begin_s = (last - count + 1) * width_ns / 1e9
        return Cells(begin_s, width_ns / 1e9, [MARKS[row].tobytes().decode() for row in found])
