"""How long it takes after a start until the heat map is filled from the database, and what others wait for meanwhile.

    python benchmarks/heat.py [--machines 10000] [--every 30] [--influxdb]

Machines with a point every so many minutes of the last seven days: as rows of five minutes of the embedded store, or
in InfluxDB 1.6, which is started for it.
"""

import argparse
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from servers import InfluxDB

from pipeline.console.heat import SPANS, Heat
from pipeline.console.heat_history import FIVE_MINUTES_NS, Filling, pieces
from pipeline.records import Point
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.embedded_history import EmbeddedHistory
from pipeline.sinks.history import Highest, History, Tags
from pipeline.sinks.influxdb import InfluxV1
from pipeline.sinks.influxdb_history import InfluxHistory

NEWEST_NS = 1_700_000_100 * 10**9
WEEK_NS = 7 * 86_400 * 10**9
AT_ONCE = 20_000  # points in a write


class Timed:
    """A lock, and for how long it was held at most."""

    longest_s = 0.0

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.longest_s = max(self.longest_s, time.perf_counter() - self._begun)
        self._lock.release()


def rolled(path: Path, machines: list[Tags], times: list[int]) -> History:
    """A store with a row of five minutes for each of these times."""
    with closing(Embedded(path)) as store:
        store.write([Point("machine", (("machine", "first"),), {"score": 0.5}, NEWEST_NS)])
    with closing(sqlite3.connect(path)) as database, database:
        for number, tags in enumerate(machines, 100):
            row = (number, "machine", msgspec.json.encode(tags).decode())
            database.execute("INSERT INTO series VALUES (?, ?, ?)", row)
            database.executemany(
                "INSERT INTO rolled VALUES (?, ?, 1, 0.7, 0.7, 0.7, 0, 0, NULL, NULL, NULL)",
                [(number, time_ns) for time_ns in times],
            )
            database.execute("INSERT INTO rolling VALUES (?, ?)", (number, times[-1] + FIVE_MINUTES_NS))
    return EmbeddedHistory(path)


def written(server: InfluxDB, machines: list[Tags], times: list[int]) -> History:
    """A database with a point for each of these times."""
    server.query('CREATE DATABASE "plant"')
    with closing(InfluxV1(server.url, "plant")) as sink:
        batch: list[Point] = []
        for time_ns in times:
            for tags in machines:
                batch.append(Point("machine", tags, {"score": 0.7}, time_ns))
                if len(batch) == AT_ONCE:
                    sink.write(batch)
                    batch = []
        sink.write(batch)
    return InfluxHistory(server.url, "plant", "", lambda: {"machine", "site"})


def measure(history: History, machines: list[Tags]) -> None:
    """Fill a heat map, and say what it took."""
    heat, lock = Heat(), Timed()
    heat._lock = lock  # type: ignore[assignment]
    took: list[float] = []
    highest: Callable[..., Highest] = history.highest

    def asked(*question: Any) -> Highest:
        begun = time.perf_counter()
        found = highest(*question)
        took.append(time.perf_counter() - begun)
        return found

    history.highest = asked  # type: ignore[method-assign]
    filling = Filling(heat, history, lambda question: (NEWEST_NS, machines))  # type: ignore[arg-type, return-value]
    begun = time.perf_counter()
    filling.start()
    assert filling.wait(3600.0)
    assert len(took) == len(list(pieces(NEWEST_NS, len(machines))))
    whole = time.perf_counter() - begun
    known = "".join(heat.cells(list(range(len(machines))), "7d").machines)
    assert known.count("-") == 0, "every cell of the week is filled"
    print(
        f"{history.name}: {len(machines)} machines, {len(SPANS)} spans filled in {whole:.1f} s by {len(took)}"
        f" questions, the longest {max(took):.2f} s; scoring waited {1e3 * lock.longest_s:.1f} ms at most"
    )


def main() -> None:
    """Write, fill, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=30, help="minutes between two points of a machine")
    parser.add_argument("--influxdb", action="store_true")
    asked = parser.parse_args()
    machines: list[Tags] = [
        (("machine", f"press-{number:05d}"), ("site", f"site-{number % 10}")) for number in range(asked.machines)
    ]
    times: list[int] = np.arange(NEWEST_NS - WEEK_NS, NEWEST_NS + 1, asked.every * 60 * 10**9).tolist()
    with tempfile.TemporaryDirectory() as folder:
        if asked.influxdb:
            (Path(folder) / "influxd").mkdir()
            with InfluxDB(Path(folder) / "influxd") as server:
                measure(written(server, machines, times), machines)
        else:
            times = [time_ns // FIVE_MINUTES_NS * FIVE_MINUTES_NS for time_ns in times]
            measure(rolled(Path(folder) / "store.sqlite", machines, times), machines)


if __name__ == "__main__":
    main()
