"""Writes points, and tells those that a database refuses for good from those that must wait.

A refused batch holds a bad point, and halving the batch finds it, so that a bad point stops nobody but itself. But a
refusal may also mean that the target is wrong: a wrong path or port refuses everything. So a point is bad only where
the target takes others of its measurement, before and after it. Where it takes none of a measurement, these points
are to be offered again.
"""

from collections.abc import Sequence

from pipeline.records import Point
from pipeline.sinks import Refused, Sink
from pipeline.sinks.lines import line

SAMPLES = 8  # points that are tried one by one to find out whether the target takes any of their measurement


class Sifter:
    """Of one sink."""

    def __init__(self, sink: Sink) -> None:
        self.held: dict[str, str] = {}  # measurements of which no point is accepted, and why
        self._sink = sink
        self._accepted: dict[str, Point] = {}  # of each measurement, the newest point that was stored
        self._stored: set[int] = set()  # of the points that are offered, those that were stored, by id()

    def write(self, points: Sequence[Point]) -> tuple[list[Point], list[tuple[str, Point]]]:
        """Write points; returns those that are refused and must wait, and those that are bad, with the reasons.

        Points are idempotent, so writing some twice is harmless. Raises Unreachable.
        """
        held: list[Point] = []
        bad: list[tuple[str, Point]] = []
        self._stored.clear()
        if self._taken(points) is None:
            return held, bad
        for kind in dict.fromkeys(point.measurement for point in points):
            own = [point for point in points if point.measurement == kind]
            reason = self._taken(own)
            if reason is None:
                continue
            takes = self._takes(kind, own)
            refused = self._halve(own) if takes else [(reason, point) for point in own]
            refused = [(reason, point) for reason, point in refused if id(point) not in self._stored]
            # Asked again afterwards, for the target may have become a wrong one while the batch was halved.
            if not refused or (takes and self._takes(kind, own)):
                bad += refused
                continue
            held += [point for _, point in refused]
            self.held[kind] = refused[0][0]
        return held, bad

    def _taken(self, points: Sequence[Point]) -> str | None:
        """Write points, all or none; returns why they were refused."""
        try:
            self._sink.write(points)
        except Refused as error:
            return str(error)
        self._stored.update(map(id, points))
        newest = {point.measurement: point for point in points}
        self._accepted |= newest
        if self.held:
            self.held = {kind: reason for kind, reason in self.held.items() if kind not in newest}
        return None

    def _takes(self, kind: str, points: Sequence[Point]) -> bool:
        """Whether the target takes any point of this measurement: one that it took before, or some of these."""
        known = self._accepted.get(kind)
        some = points[:: -max(len(points) // SAMPLES, 1)][:SAMPLES]
        for point in (known, *some):
            # A point without a line is sent to nobody, so nobody takes it.
            if point is not None and line(point) is not None and self._taken([point]) is None:
                return True
        return False

    def _halve(self, points: Sequence[Point]) -> list[tuple[str, Point]]:
        """Write points that are refused together, halving down to the bad ones; returns these."""
        reason = self._taken(points)
        if reason is None:
            return []
        if len(points) == 1:
            return [(reason, points[0])]
        middle = len(points) // 2
        return self._halve(points[:middle]) + self._halve(points[middle:])
