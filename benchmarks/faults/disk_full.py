"""A full disk: the service keeps scoring, sheds by policy, says so, and recovers without a restart.

On a small file system (a tmpfs of our own: needs root, or user namespaces), with every score written out:
1. the database is away, and the outbox grows;
2. somebody else's file fills what is left of the disk, until a fifth of all points had to go;
3. the file goes, the database comes back.
Afterwards: every message was acknowledged, what was learned equals to the bit what a twin without trouble learned,
and points accepted = points in the database + points that the counter says were dropped.

    python benchmarks/faults/disk_full.py --megabytes 24
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mutations import rows, state_of

from pipeline.config.settings import Config, Emit, Limits
from pipeline.records import Announcement, Message, Point
from pipeline.service.service import Service
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.errors import Unreachable

BATCH = 100  # seconds of both machines' readings
RESERVE_BYTES = 4 << 20
MOST = 20  # times as many batches as in the first act: the disk is never full
SHARE = 0.2  # of all points, that have to go
# Of the points of a plant without commands.
MEASUREMENTS = ("machine", "sensor", "ageing", "account", "incident", "service")


class Gate:
    """A database that is away until it is let in."""

    def __init__(self, store: Embedded) -> None:
        self.store = store
        self.away = True

    def write(self, points: Sequence[Point]) -> None:
        if self.away:
            raise Unreachable("away")
        self.store.write(points)

    def close(self) -> None:
        self.store.close()


class Plant:
    """A source of batches that goes from act to act, each when it is due, and stops when nothing waits any more."""

    def __init__(self, acts: list[tuple[Callable[[], bool], Callable[[], None]]], stop: threading.Event) -> None:
        self._acts, self._stop = acts, stop
        self.service: Service | None = None
        self.since = 0  # batches that were taken before the last act
        self.taken = 0
        self.acknowledged = 0

    def take(self, max_messages: int, timeout_s: float) -> list[Message]:
        if self._acts and self._acts[0][0]():
            _, act = self._acts.pop(0)
            act()
            self.since = self.taken
        if not self._acts:
            if self.service is not None and self.service._journal.figures.waiting == 0:
                self._stop.set()
            time.sleep(timeout_s)  # the delivery's turn
            return []
        self.taken += 1
        return rows((self.taken - 1) * BATCH, self.taken * BATCH)

    def ack(self, messages: Sequence[Message]) -> None:
        self.acknowledged += len(messages)

    def publish(self, announcement: Announcement) -> None:
        pass

    def counters(self) -> dict[str, int]:
        return {}


def experiment(data: Path, store: Path, batches: int) -> list[str]:
    """Run on a small file system at `data`; prints what happens and returns the promises that were broken."""
    everything = Emit(every="0s", sensors="0s")
    limits = Limits(disk_reserve_bytes=RESERVE_BYTES, backlog_rate=1_000_000)
    gate, stop, foreign = (
        Gate(Embedded(store, keep_ns=100 * 365 * 86400 * 10**9)),
        threading.Event(),
        data / "somebody-else's",
    )

    def tell(what: str) -> None:
        journal = plant.service._journal if plant.service else None
        disk = os.statvfs(data)
        print(
            f"batch {plant.taken:4}: {what}; acknowledged {plant.acknowledged}, waiting {journal.figures.waiting},"
            f" dropped {journal.figures.dropped}, free {disk.f_bavail * disk.f_frsize >> 10} KiB",
            flush=True,
        )

    def fill() -> None:
        tell("the outbox alone had the disk; somebody else fills the rest")
        with foreign.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass

    def free() -> None:
        tell("the file goes, the database comes back")
        foreign.unlink()
        gate.away = False

    def shed() -> bool:
        journal = plant.service._journal if plant.service else None
        return plant.taken >= MOST * batches or (
            journal is not None and journal.figures.dropped > SHARE * journal.figures.accepted
        )

    def later() -> bool:
        return plant.taken - plant.since >= batches

    plant = Plant([(later, fill), (shed, free), (later, lambda: tell("no more messages"))], stop)
    service = Service(Config(data=str(data), emit=everything, limits=limits, snapshot_every="2s"), gate)
    plant.service = service
    service.run(plant, stop)
    plant.service = None
    journal, twin = service._journal, Service(Config(data=str(store.parent / "twin"), emit=everything), gate)
    for number in range(plant.taken):
        twin._process(rows(number * BATCH, (number + 1) * BATCH), stop)
    twin._journal.close()
    twin._lock.close()
    shown = Embedded(store)
    stored = sum(shown.count(measurement) for measurement in MEASUREMENTS)
    shown.close()
    print(
        f"messages {plant.acknowledged} of {plant.taken * BATCH * 2} acknowledged;"
        f" points accepted {journal.figures.accepted}, stored {stored}, dropped {journal.figures.dropped};"
        f" state equals the twin's: "
        f"{state_of(service.engine.fleet) == state_of(twin.engine.fleet)}"
    )
    broken = []
    if plant.acknowledged != plant.taken * BATCH * 2:
        broken.append("not every message was acknowledged")
    if journal.figures.accepted != stored + journal.figures.dropped:
        broken.append("the counter of dropped points is not what is missing")
    if not journal.figures.dropped:
        broken.append("the disk was never full: use fewer megabytes")
    if state_of(service.engine.fleet) != state_of(twin.engine.fleet):
        broken.append("what was learned differs from a twin's")
    return broken


def main() -> None:
    """Mount, run, and end with 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=24, help="of the disk")
    parser.add_argument("--batches", type=int, default=200, help="of an act that has no other end")
    parser.add_argument("--mounted", help=argparse.SUPPRESS)  # we are inside our own mount namespace
    options = parser.parse_args()
    if options.mounted is None:
        with tempfile.TemporaryDirectory(prefix="spikewatch-disk-") as folder:
            again = [sys.executable, *sys.argv, "--mounted", folder]
            own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
            sys.exit(subprocess.run([*own, *again], check=False).returncode)
    data = Path(options.mounted) / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={options.megabytes}m", "tmpfs", str(data)], check=True)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(message)s")
    broken = experiment(data, Path(options.mounted) / "store.sqlite", options.batches)
    for text in broken:
        print(f"BROKEN: {text}")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
