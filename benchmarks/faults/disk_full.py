"""A full disk: the service keeps scoring, sheds by policy, says so, and recovers without a restart.

On a small file system (a tmpfs of our own: needs root, or user namespaces), with every score written out:
1. the database is away until the outbox has filled the disk many times over;
2. somebody else's file fills what is left of the disk;
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
    """A source of so many batches that does something before some of them, and stops when nothing waits any more."""

    def __init__(self, batches: int, acts: dict[int, Callable[[], None]], stop: threading.Event) -> None:
        self._batches, self._acts, self._stop = batches, acts, stop
        self.service: Service | None = None
        self.taken = 0
        self.acknowledged = 0

    def take(self, max_messages: int, timeout_s: float) -> list[Message]:
        if self.taken == self._batches:
            if self.service is not None and self.service._journal.waiting == 0:
                self._stop.set()
            time.sleep(timeout_s)  # the delivery's turn
            return []
        self._acts.get(self.taken, lambda: None)()
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
    limits = Limits(disk_reserve_bytes=8 << 20, backlog_rate=1_000_000)
    gate, stop, foreign = (
        Gate(Embedded(store, keep_ns=100 * 365 * 86400 * 10**9)),
        threading.Event(),
        data / "somebody-else's",
    )

    def tell(what: str) -> None:
        journal = plant.service._journal if plant.service else None
        disk = os.statvfs(data)
        print(
            f"batch {plant.taken:4}: {what}; acknowledged {plant.acknowledged}, waiting {journal.waiting},"
            f" dropped {journal.dropped}, free {disk.f_bavail * disk.f_frsize >> 10} KiB",
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

    plant = Plant(batches, {batches // 3: fill, 2 * batches // 3: free}, stop)
    service = Service(Config(data=str(data), emit=everything, limits=limits, snapshot_every="2s"), gate)
    plant.service = service
    service.run(plant, stop)
    plant.service = None
    journal, twin = service._journal, Service(Config(data=str(store.parent / "twin"), emit=everything), gate)
    for number in range(batches):
        twin._process(rows(number * BATCH, (number + 1) * BATCH), stop)
    twin._journal.close()
    twin._lock.close()
    shown = Embedded(store)
    stored = sum(shown.count(measurement) for measurement in ("machine", "sensor", "service"))
    shown.close()
    print(
        f"messages {plant.acknowledged} of {batches * BATCH * 2} acknowledged; points accepted {journal.accepted},"
        f" stored {stored}, dropped {journal.dropped}; state equals the twin's: "
        f"{state_of(service.engine.fleet) == state_of(twin.engine.fleet)}"
    )
    broken = []
    if plant.acknowledged != batches * BATCH * 2:
        broken.append("not every message was acknowledged")
    if journal.accepted != stored + journal.dropped:
        broken.append("the counter of dropped points is not what is missing")
    if not journal.dropped:
        broken.append("the disk was never full: use fewer megabytes or more batches")
    if state_of(service.engine.fleet) != state_of(twin.engine.fleet):
        broken.append("what was learned differs from a twin's")
    return broken


def main() -> None:
    """Mount, run, and end with 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=24)
    parser.add_argument("--batches", type=int, default=600)
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
