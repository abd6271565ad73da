"""Lateness: which sensors have clocks that are wrong?

A reading that is not newer than its line's last one is late. A line whose late readings outnumber the others by far
has a wrong clock; it is believed again after as many good ones. Of this life only, and in no snapshot: nothing is
learned from it.
"""

import numpy as np

from pipeline.records import Bools, Ints

MOST = 50  # late readings of a line that count, so that it is soon believed again


class Lateness:
    """Late readings, in all and by line."""

    def __init__(self, limit: float) -> None:
        """`limit`: late readings of a line, less the others, from which its clock is wrong."""
        self.total = 0
        self._limit = limit
        self._counts: dict[int, int] = {}  # by line, less the others

    def count(self, line: Ints, late: Bools) -> None:
        """Take in readings in order: the line of each, and whether it was late."""
        found = int(np.count_nonzero(late))
        self.total += found
        if not found and not self._counts:
            return
        for number in {*self._counts, *line[late].tolist()}:
            count = self._counts.get(number, 0)
            for one in late[line == number].tolist():
                count = min(count + 1, MOST) if one else max(count - 1, 0)
            if count:
                self._counts[number] = count
            else:
                self._counts.pop(number, None)

    def lines(self) -> list[int]:
        """Those whose clocks are wrong."""
        return [line for line, count in self._counts.items() if count >= self._limit]
