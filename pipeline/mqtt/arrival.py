"""Times of arrival that never go back, whatever the wall clock does.

A reading without a time of its own is stamped on arrival. Stamped before its sensor's last it would be late, and
lost, for as long as the clock was set back; a reading with a time would be refused as being from the future. So after
a step back arrival times run on from the newest, by the monotonic clock but a sixteenth slower, until the wall clock
has caught up: a network takes steps within ten per cent of the usual for the usual, so it does not feel that. A step
forward is taken as it is, and so is what passed while nobody was running. Pure: both clocks are passed in.
"""

SLOWER = 16  # of so many nanoseconds one is left out while the wall clock is behind
SECOND_NS = 1_000_000_000


class Arrivals:
    """Stamps what arrives: `tick` at every read, `stamp` for every message that it brought."""

    def __init__(self, newest_ns: int = 0) -> None:
        """`newest_ns`: the newest time ever given, 0 if none."""
        self._newest_ns = newest_ns
        self._monotonic_ns: int | None = None
        self.ahead_ns = 0  # of the wall clock

    def tick(self, wall_ns: int, monotonic_ns: int) -> None:
        """The time is so much now."""
        passed_ns = 0 if self._monotonic_ns is None else monotonic_ns - self._monotonic_ns
        self._monotonic_ns = monotonic_ns
        self._newest_ns = max(wall_ns, self._newest_ns + passed_ns - passed_ns // SLOWER)
        self.ahead_ns = self._newest_ns - wall_ns

    def stamp(self) -> int:
        """Unix time for one message; later than every one before."""
        self._newest_ns += 1
        return self._newest_ns
