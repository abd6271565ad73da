"""How fast the embedded store answers about the past, and what it takes on disk.

    python benchmarks/history.py [--days 30] [--sensors 10] [--every 10]

A machine with a point of its score and of each sensor every so many seconds is written by the store's own code, some
thousand points at a time. Then its whole course is asked for, in 600 buckets: with the rows of five minutes, and from
the points alone, as it was before there were any. Each time the fastest of three.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from pipeline.records import Point
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.embedded_history import EmbeddedHistory
from pipeline.sinks.history import SECOND, Question, width_for

START = 1_700_000_100 * SECOND
TAGS = (("machine", "press-1"), ("site", "a"))
BUCKETS = 600
AT_ONCE = 500  # rows of a machine in a write


def rows(days: float, sensors: list[str], every_s: int) -> Iterator[list[Point]]:
    """What the service would write of a healthy machine, a batch at a time."""
    rng = np.random.default_rng(1)
    count = int(days * 86_400 / every_s)
    for first in range(0, count, AT_ONCE):
        batch = []
        for row in range(first, min(first + AT_ONCE, count)):
            at = START + row * every_s * SECOND
            score = float(rng.random())
            state = {"state": "ready", "learned": 1.0, "cause": sensors[0], "spikes": 12, "masked": 0, "changed": 0}
            batch.append(Point("machine", TAGS, {"score": score, "severity": 0, **state}, at))
            for sensor, value in zip(sensors, rng.normal(50, 1, len(sensors)).tolist(), strict=True):
                flags = {"quality": "good", "masked": False, "changed": False, "share": 1 / len(sensors)}
                band = {"expected": value + 0.123456789, "low": value - 2.3456789, "high": value + 2.3456789}
                tags = tuple(sorted((*TAGS, ("sensor", sensor))))
                batch.append(Point("sensor", tags, {"value": value, "score": score, **flags, **band}, at))
        yield batch


def seconds(history: EmbeddedHistory, question: Question) -> float:
    """The fastest of three."""
    took = []
    for _ in range(3):
        begin = time.perf_counter()
        course = history.course(question)
        took.append(time.perf_counter() - begin)
        assert course.machine.time_ns
    return min(took)


def compact(path: Path) -> int:
    """Bytes of the store without what lies empty in it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def main() -> None:
    """Write, ask, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--sensors", type=int, default=10)
    parser.add_argument("--every", type=int, default=10, help="seconds between two points of a series")
    asked = parser.parse_args()
    sensors = [f"s{number}" for number in range(asked.sensors)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        store = Embedded(path, keep_ns=10 * 365 * 86_400 * SECOND, max_points=100_000_000)
        points, began = 0, time.perf_counter()
        for batch in rows(asked.days, sensors, asked.every):
            store.write(batch)
            points += len(batch)
        wrote = time.perf_counter() - began
        store.close()
        end_ns = START + int(asked.days * 86_400) * SECOND
        history = EmbeddedHistory(path, limit_s=600.0)
        print(f"{points} points written at {points / wrote:,.0f} a second")
        spans = {"1 h": 3600, "8 h": 28_800, "1 d": 86_400, "7 d": 604_800, "30 d": 2_592_000}
        questions = {
            name: Question(TAGS, tuple(sensors), end_ns - span * SECOND, end_ns, width_for(0, span * SECOND, BUCKETS))
            for name, span in spans.items()
        }
        after = {name: seconds(history, question) for name, question in questions.items()}
        size = compact(path)
        with sqlite3.connect(path) as database:
            [(rolled,)] = database.execute("SELECT count(*) FROM rolled")
            database.execute("DELETE FROM rolled")
            database.execute("DELETE FROM rolling")
        database.close()
        bare = compact(path)
        for name, question in questions.items():
            before = seconds(history, question)
            print(f"{name:>5}: {before:6.3f} s from the points alone, {after[name]:6.3f} s with rows of five minutes")
        print(f"{size / asked.days / 1e6:.2f} MB a day; {bare / asked.days / 1e6:.2f} MB without the rows")
        print(f"{bare / points:.0f} bytes a point, {(size - bare) / rolled:.0f} bytes a row; {rolled} rows")


if __name__ == "__main__":
    main()
