"""From Spark to the database: each point at least once, and points are idempotent.

A batch ends only when its points are stored, so an outage of the database holds the log's reader, and nothing is lost
as long as the log is kept. A point that the database refuses for good is written to the executor's error output.
"""

import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from pipeline.cluster.processor import unpacked
from pipeline.records import Point
from pipeline.sinks import Sink, Unreachable
from pipeline.sinks.delivery import FIRST_WAIT_S, LONGEST_ASKED_S, LONGEST_WAIT_S
from pipeline.sinks.lines import line
from pipeline.sinks.sifting import Sifter

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

log = logging.getLogger("spikewatch.cluster")


def writer(opened: Callable[[], Sink]) -> Callable[["DataFrame", int], None]:
    """What Spark calls with each batch (`foreachBatch`); `opened` opens the database, on an executor."""

    def partition(rows: Iterator["Row"]) -> None:
        store((unpacked(bytes(row.points)) for row in rows), opened)

    def batch(frame: "DataFrame", number: int) -> None:
        frame.foreachPartition(partition)

    return batch


def store(
    batches: Iterable[list[Point]], opened: Callable[[], Sink], sleep: Callable[[float], None] = time.sleep
) -> None:
    """Write points until all are stored, or refused for good."""
    sink = opened()
    try:
        sifter = Sifter(sink)
        for points in batches:
            wait_s = FIRST_WAIT_S
            while points:
                try:
                    points, bad = sifter.write(points)
                except Unreachable as error:
                    reason, bad = str(error), []
                    asked_s = min(error.retry_after_s or 0.0, LONGEST_ASKED_S)
                else:
                    reason, asked_s = next(iter(sifter.held.values()), ""), 0.0
                for why, point in bad:
                    log.error('cluster.refused reason="%s" point="%s"', why, line(point))
                if points:
                    log.warning('cluster.away reason="%s" points=%d', reason, len(points))
                    sleep(max(asked_s, wait_s * (0.5 + 0.5 * random.random())))  # noqa: S311
                    wait_s = min(2.0 * wait_s, LONGEST_WAIT_S)
    finally:
        sink.close()
