"""Sinks: where points go. One file per kind of database, one line in the table.

A sink has two words. `write(points)` returns when the points are stored, or raises `Unreachable` (wait, then offer
the same points again) or `Refused` (one of them is bad; the caller finds out which). `close()` lets go. A sink never
retries and never drops: `pipeline.sinks.delivery` does the former, nobody the latter. Writing the same points twice
stores them once.
"""

from collections.abc import Sequence
from typing import Protocol

from pipeline.records import Point
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.errors import Refused, SinkError, Unreachable
from pipeline.sinks.influxdb import InfluxV1, InfluxV2

__all__ = ["SINKS", "Refused", "Sink", "SinkError", "Unreachable"]


class Sink(Protocol):
    """See the module."""

    def write(self, points: Sequence[Point]) -> None:
        """Store points; raises Unreachable or Refused."""

    def close(self) -> None:
        """Let go of the target."""


SINKS: dict[str, type[Sink]] = {
    "embedded": Embedded,
    "influxdb 1.x": InfluxV1,
    "influxdb v2 API": InfluxV2,
}
