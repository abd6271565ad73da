"""Recordings as messages, in time: what `spikewatch replay` publishes and when."""

import heapq
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np

from pipeline.recordings.tables import Table, TableError
from pipeline.records import Floats

Schedule = Iterable[tuple[float, str, bytes]]  # seconds since the beginning, topic, payload
LONGEST_WAIT_S = 1.0  # in one piece, so that stopping is quick
SINCE_1973_NS = 100_000_000_000_000_000

_encode = msgspec.json.Encoder().encode


def messages(table: Table, topic: str, due_s: Floats) -> Iterator[tuple[float, str, bytes]]:
    """One JSON message per row that has a reading, with its recorded time in nanoseconds; empty cells left out.

    Nanoseconds below `SINCE_1973_NS` would be taken for another unit, so such times are written as ISO 8601.
    """
    own = topic.replace("{machine}", table.name)
    for due, time_ns, row in zip(due_s.tolist(), table.time_ns.tolist(), table.values.tolist(), strict=True):
        fields = {sensor: value for sensor, value in zip(table.sensors, row, strict=True) if value == value}
        if fields:
            stamp = time_ns if time_ns >= SINCE_1973_NS else _iso(time_ns)
            yield due, own, _encode({"time": stamp, **fields})


def _iso(time_ns: int) -> str:
    return f"{np.datetime64(time_ns, 'ns')}Z"


def publishable(tables: Sequence[Table], oldest_ns: int) -> None:
    """Raises TableError for a table that a service would not read back as it is: from times it takes for wrong."""
    for table in tables:
        if "time" in table.sensors:
            raise TableError(f"{table.name}: a sensor named time cannot be published: --exclude time")
        early = table.time_ns < oldest_ns
        if early.any():
            row = int(np.argmax(early))
            raise TableError(
                f"{table.name}: row {row + 1}: {table.stamps[row]!r} is before what a service takes (times.oldest): "
                "where times have no date, say with --start when the recording began"
            )


def following(table: Table, passes: int) -> Table:
    """The same recording with times as after so many passes of it, its usual interval between them."""
    if not passes or not len(table.time_ns):
        return table
    times = table.time_ns
    usual = int(np.median(np.diff(np.sort(times)))) if len(times) > 1 else 1_000_000_000
    return table._replace(time_ns=times + passes * (int(times.max() - times.min()) + max(usual, 1)))


def interleave(tables: Sequence[Table], topic: str, speed: float) -> Schedule:
    """All tables in the order of their recorded times, played `speed` times as fast as life."""
    begin = min(int(table.time_ns.min()) for table in tables)
    parts = [messages(t, topic, np.maximum.accumulate((t.time_ns - begin) / 1e9 / speed)) for t in tables]
    if math.isinf(speed):  # nothing is ever due later: keep the recorded order all the same
        orders = [np.maximum.accumulate((t.time_ns - begin) / 1e9) for t in tables]
        parts = [messages(t, topic, order) for t, order in zip(tables, orders, strict=True)]
        return ((0.0, *rest) for _, *rest in heapq.merge(*parts, key=lambda message: message[0]))  # type: ignore[misc]
    return heapq.merge(*parts, key=lambda message: message[0])


def paced(tables: Sequence[Table], topic: str, within_s: float) -> Schedule:
    """Every table spread evenly over `within_s` seconds, whatever its recorded pace."""
    parts = [messages(t, topic, np.arange(float(len(t.time_ns))) * (within_s / len(t.time_ns))) for t in tables]
    return heapq.merge(*parts, key=lambda message: message[0])


def play(
    schedule: Schedule,
    publish: Callable[[str, bytes], None],
    stop: threading.Event | None = None,
    progress: Callable[[int], None] | None = None,
    now: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] = time.sleep,
) -> int:
    """Publish messages when they are due, until the end or `stop`; returns how many."""
    begin = now()
    sent = 0
    for due, topic, payload in schedule:
        while (ahead := begin + due - now()) > 0.0 and not (stop is not None and stop.is_set()):
            wait(min(ahead, LONGEST_WAIT_S))
        if stop is not None and stop.is_set():
            break
        publish(topic, payload)
        sent += 1
        if progress is not None and sent % 50 == 0:
            progress(sent)
    return sent
