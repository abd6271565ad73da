"""Fills the heat map after a start with what the database has of the time before it.

In a thread of its own and a piece at a time, the newest first, so that neither scoring nor whoever looks at the past
waits long. Each piece has a bound, whatever the number of machines. Where the database cannot be asked it is tried
again, and less and less often.
"""

import logging
import threading
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.console.asking import Ask
from pipeline.console.heat import SPANS, Heat
from pipeline.engine.engine import Engine
from pipeline.sinks.history import History, Tags, Unavailable

log = logging.getLogger("spikewatch.console")

ROWS = 500_000  # five-minute rows of all machines together, of a piece
FIVE_MINUTES_NS = 300 * 10**9
AT_ONCE = 2_000  # cells that are added under the lock that scoring takes
AGAIN_S, LONGEST_S = 2.0, 600.0  # after which it is tried again


class Piece(NamedTuple):
    """A time that is asked for, and how long its cells are."""

    begin_ns: int
    end_ns: int
    width_ns: int


def pieces(newest_ns: int, machines: int) -> Iterator[Piece]:
    """Those of all spans up to the newest reading, the newest first.

    A time that several spans show is asked for once, for the shortest cells: longer ones are made of whole shorter
    ones.
    """
    shapes = sorted(SPANS.values(), key=lambda shape: shape[1])
    longest_ns = shapes[-1][1]
    most_ns = max(ROWS // max(machines, 1) * FIVE_MINUTES_NS // longest_ns, 1) * longest_ns
    end_ns = (newest_ns // shapes[0][1] + 1) * shapes[0][1]
    for (count, width_ns), (_, coarser_ns) in zip(shapes, [*shapes[1:], shapes[-1]], strict=True):
        first_ns = max((newest_ns // width_ns - count + 1) * width_ns, 0) // coarser_ns * coarser_ns
        while end_ns > first_ns:
            begin_ns = max(first_ns, end_ns - most_ns)
            yield Piece(begin_ns, end_ns, width_ns)
            end_ns = begin_ns


class Filling:
    """The thread. Machines that are not known when it begins have no past there."""

    def __init__(self, heat: Heat, history: History, ask: Ask) -> None:
        self._heat, self._history, self._ask = heat, history, ask
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heat", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End before the next piece. A database that is being asked is not waited for: nothing depends on it."""
        self._over.set()

    def wait(self, seconds: float) -> bool:
        """Whether all is filled in, or given up, within this time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        left: list[Piece] | None = None
        machines: list[Tags] = []
        pause_s, told = AGAIN_S, False
        while left != [] and not self._over.is_set():
            try:
                if left is None:
                    newest_ns, machines = self._ask(_known)
                    left = list(pieces(newest_ns, len(machines))) if newest_ns else []
                while left and not self._over.is_set():
                    self._fill(left[0], machines)
                    del left[0]
                    pause_s = AGAIN_S
            except (TimeoutError, Unavailable) as error:
                if not told and isinstance(error, Unavailable):
                    told = True
                    note = "the heat map lacks what was before the start; it is tried again"
                    log.warning('heat.waiting reason="%s" note="%s"', error, note)
                self._over.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_S)

    def _fill(self, piece: Piece, machines: list[Tags]) -> None:
        found = self._history.highest(machines, *piece)
        slot, time_ns = np.array(found.machine, np.int64), np.array(found.time_ns, np.int64)
        score = np.array(found.score, np.float64)
        for begin in range(0, len(slot), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            self._heat.add(slot[part], time_ns[part], score[part], len(machines))


def _known(engine: Engine) -> tuple[int, list[Tags]]:
    """Runs on the main thread. The newest time of all machines, and which there are, by slot."""
    newest: int = engine.look()["closed_ns"].max(initial=0)
    return int(newest), list(engine.fleet.tags)
