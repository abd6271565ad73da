"""A bucket as state of Spark's Structured Streaming: its newest dump, and the messages since then.

Spark keeps the state with the offsets of the log, and gives both back together after a failure. A bucket that a
worker has at hand from the batch before is used only if its token is the one of the state: another worker may have
gone on since, or a batch may have to be done again.
"""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from pyspark.sql.streaming.stateful_processor import (
    ExpiredTimerInfo,
    StatefulProcessor,
    StatefulProcessorHandle,
    TimerValues,
)

from pipeline.cluster.bucket import Bucket, OtherStateError
from pipeline.engine.engine import Engine
from pipeline.records import Point

FORMAT = 1  # of the state
POINTS = "bucket int, points binary"
TOGETHER = 5_000  # points of a row of what comes out
LOOK_MS = 10_000  # between two looks for machines that have become silent
_AT_HAND: dict[int, tuple[bytes, Bucket]] = {}  # of this worker's earlier batches, by number, with the state's token


class Scoring(StatefulProcessor):
    """Scores the messages of a bucket."""

    def __init__(self, buckets: int, begin: Callable[[], Engine], dump_every: int) -> None:
        """`begin` makes an engine that knows no machine; `dump_every`: batches of a bucket between two dumps."""
        self._buckets, self._begin, self._dump_every = buckets, begin, dump_every

    def init(self, handle: StatefulProcessorHandle) -> None:
        """Called by Spark for each batch."""
        self._handle = handle
        self._head = handle.getValueState("head", "format int, buckets int, token binary, batches long")
        self._dump = handle.getValueState("dump", "bytes binary")
        self._log = handle.getListState("log", "messages binary")

    def handleInputRows(  # type: ignore[override]  # noqa: N802  # of the two kinds of frame, that of Pandas
        self, key: Any, rows: Iterator[pd.DataFrame], timerValues: TimerValues
    ) -> Iterator[pd.DataFrame]:
        """Score the messages of a batch, which come in no order."""
        [number] = key
        columns: list[list[Any]] = [[], [], []]
        for frame in rows:
            for column, name in zip(columns, ("partition", "offset", "payload"), strict=True):
                column += frame[name].tolist()
        order = np.lexsort((np.array(columns[1], np.int64), np.array(columns[0], np.int64)))
        messages = [bytes(columns[2][one]) for one in order.tolist()]
        bucket, batches = self._bucket(number)
        _AT_HAND.pop(number, None)  # should this fail, it is not what the state says
        points = bucket.step(messages)
        batches += 1
        if (batches + number) % self._dump_every:  # not all buckets in the same batch
            self._log.appendValue((msgspec.msgpack.encode(messages),))
        else:
            self._dump.update((bucket.dump(),))
            self._log.clear()
        token = uuid.uuid4().bytes
        self._head.update((FORMAT, self._buckets, token, batches))
        _AT_HAND[number] = token, bucket
        now_ms = timerValues.getCurrentProcessingTimeInMs()  # of the batch, also when it is done again
        points.append(bucket.told(now_ms * 1_000_000))
        if batches == 1:
            self._handle.registerTimer(now_ms + LOOK_MS)
        return _frames(number, points)

    def handleExpiredTimer(  # noqa: N802
        self, key: Any, timerValues: TimerValues, expiredTimerInfo: ExpiredTimerInfo
    ) -> Iterator[pd.DataFrame]:
        """Look for machines that have become silent."""
        [number] = key
        now_ms = timerValues.getCurrentProcessingTimeInMs()
        self._handle.registerTimer(now_ms + LOOK_MS)
        bucket, _ = self._bucket(number)
        return _frames(number, bucket.engine.silent(now_ms * 1_000_000))

    def close(self) -> None:
        """Nothing is held beyond a batch."""

    def _bucket(self, number: int) -> tuple[Bucket, int]:
        """The bucket as the state has it, and how many batches it has had; raises OtherStateError."""
        if not self._head.exists():
            return Bucket(number, self._buckets, self._begin()), 0
        form, buckets, token, batches = self._head.get() or ()
        if form != FORMAT:
            raise OtherStateError(f"state of format {form}; this version reads {FORMAT}")
        if buckets != self._buckets:
            raise OtherStateError(f"state of {buckets} buckets, asked for as {self._buckets}; their number is fixed")
        known, bucket = _AT_HAND.get(number, (b"", None))
        if bucket is None or known != bytes(token):
            dumped = self._dump.get() if self._dump.exists() else None
            bucket = (
                Bucket(number, self._buckets, self._begin())
                if dumped is None
                else Bucket.load(number, self._buckets, self._begin(), bytes(dumped[0]))
            )
            for (messages,) in self._log.get() if self._log.exists() else ():
                bucket.step(msgspec.msgpack.decode(bytes(messages), type=list[bytes]))
            _AT_HAND[number] = bytes(token), bucket
        return bucket, batches


def _frames(number: int, points: list[Point]) -> Iterator[pd.DataFrame]:
    """Points as rows of Spark."""
    packed = [msgspec.msgpack.encode(points[begin : begin + TOGETHER]) for begin in range(0, len(points), TOGETHER)]
    yield pd.DataFrame({"bucket": np.full(len(packed), number, np.int32), "points": packed})


def unpacked(row: bytes) -> list[Point]:
    """The points of a row."""
    return msgspec.msgpack.decode(row, type=list[Point])
