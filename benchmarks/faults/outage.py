"""A database that is away for three days while 1,000 readings a second come in: what the outbox takes, and loses.

125 machines of 8 sensors report every second. An hour of them goes through the engine; its points, moved on by an
hour each time, then fill the outbox of a real journal for as long as the database is away, in commits as small as
the service makes them at this rate (ten a second). What is simulated is the waiting, and that no commit waits for the
disk (`synchronous` is off here). Then a real InfluxDB 1.6 comes up, takes everything, and is asked what it has.

Once with the default bound of the outbox: nothing may be lost. Once with a bound that is too small: the counter must
equal exactly what is missing.

    python benchmarks/faults/outage.py --hours 72
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from victims import InfluxDB

from pipeline.config.settings import Emit, Limits, duration_ns
from pipeline.engine.engine import Engine
from pipeline.records import Machine, Point, Reading
from pipeline.sinks.delivery import Delivery
from pipeline.sinks.influxdb import InfluxV1
from pipeline.storage.journal import Journal

SECOND = 1_000_000_000
START_S = 1_700_000_000
MACHINES, SENSORS = 125, 8
COMMITS_PER_S = 10
WARM_UP_S, HOUR_S = 1_800, 3_600


def hour_of_points() -> list[list[Point]]:
    """The points of an hour, one list per commit, of machines that are past the worst of their warm-up."""
    engine = Engine(duration_ns(Emit().every), duration_ns(Emit().sensors), Limits())
    machines = [Machine(f"press-{number:03}") for number in range(MACHINES)]
    sensors = [f"s{number}" for number in range(SENSORS)]
    rng = np.random.default_rng(1)
    commits: list[list[Point]] = []
    for second in range(WARM_UP_S + HOUR_S):
        values = np.round(rng.normal(20, 1, (MACHINES, SENSORS)), 3).tolist()
        time_ns = (START_S + second) * SECOND
        for part in range(COMMITS_PER_S):
            readings = [
                [Reading(machine, sensor, time_ns, value) for sensor, value in zip(sensors, row, strict=True)]
                for machine, row in list(zip(machines, values, strict=True))[part::COMMITS_PER_S]
            ]
            points = engine.points(engine.step(engine.arrange(readings)))
            if second >= WARM_UP_S:
                commits.append(points)
    return commits


def moved(commits: list[list[Point]], hours: int) -> Iterator[list[Point]]:
    """The same points, later."""
    by_ns = hours * HOUR_S * SECOND
    for points in commits:
        yield [point._replace(time_ns=point.time_ns + by_ns) for point in points]


def outage(folder: Path, commits: list[list[Point]], hours: int, outbox_bytes: int) -> tuple[int, Journal]:
    """Fill an outbox for so many hours; points accepted, and the journal."""
    journal = Journal(folder / "journal.sqlite", outbox_bytes)
    journal._database.execute("PRAGMA synchronous = OFF")
    for hour in range(hours):
        for points in moved(commits, hour):
            journal.commit(None, points=points)
        if hour % 12 == 11:
            print(
                f"  {hour + 1} h: {journal.figures.waiting:,} points wait, {journal.figures.waiting_bytes >> 20} MiB",
                flush=True,
            )
    return journal.figures.accepted, journal


def delivered(journal: Journal, server: InfluxDB) -> int:
    """Let the database take everything that waits; how many points it then has."""
    server.query('DROP DATABASE "machines"')
    server.query('CREATE DATABASE "machines"')
    dead: list[Point] = []
    delivery = Delivery(
        journal.path, InfluxV1(server.url, "machines"), lambda reason, point: dead.append(point), backlog_rate=1e9
    )
    began = time.monotonic()
    while journal.figures.waiting:
        delivery.step()
        journal.commit(None, progress=delivery.progress)
        delivery.settled(delivery.progress)
    delivery.close()
    seconds = time.monotonic() - began
    print(f"  delivered {delivery.delivered:,} in {seconds:.0f} s, {len(dead)} refused", flush=True)
    rows = [
        server.query(f"SELECT count({field}) FROM {measurement}", "machines")
        for measurement, field in (("machine", "score"), ("sensor", "value"))
    ]
    return sum(int(str(row[0]["count"])) for row in rows if row)


def main() -> None:
    """Run, print, and end with 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=72)
    options = parser.parse_args()
    commits = hour_of_points()
    per_hour = sum(map(len, commits))
    print(f"{per_hour:,} points an hour of {MACHINES * SENSORS:,} readings/s, default emission", flush=True)
    broken, used = [], 0
    with tempfile.TemporaryDirectory(prefix="spikewatch-outage-") as temporary:
        folder = Path(temporary)
        with InfluxDB(folder / "influxdb") as server:
            for name in ("default", "too small"):
                limit = used // 3 if used else Limits().outbox_bytes
                print(f"bound {name}: {limit >> 20} MiB", flush=True)
                (folder / "data").mkdir()
                accepted, journal = outage(folder / "data", commits, options.hours, limit)
                dropped, used = journal.figures.dropped, journal.figures.waiting_bytes
                print(
                    f"  {used / journal.figures.waiting:.0f} bytes a point,"
                    f" file {journal.path.stat().st_size >> 20} MiB",
                    flush=True,
                )
                stored = delivered(journal, server)
                journal.close()
                shutil.rmtree(folder / "data")
                print(
                    f"  accepted {accepted:,}, stored {stored:,}, missing {accepted - stored:,};"
                    f" counter of dropped points {dropped:,}",
                    flush=True,
                )
                if accepted - stored != dropped or (name == "default") != (dropped == 0):
                    broken.append(name)
    for name in broken:
        print(f"BROKEN: bound {name}")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
