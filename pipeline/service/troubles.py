"""What is wrong with the service itself now, for those who are notified of it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pipeline.mqtt import Receiver
from pipeline.notify.news import CRITICAL, WARNING, Trouble
from pipeline.service.service import Service

SIDE = ("-wal", "-shm")  # of a database that was set aside


def troubles(service: Service, receiver: Receiver, folder: Path) -> Iterator[Trouble]:
    """All of it; for any thread. Blind is critical: no machine is watched while the broker or the disk is away."""
    if not receiver.connected:
        yield Trouble("broker", receiver.since_ns, "", CRITICAL)
    away = service.delivery.away
    if away is not None:
        yield Trouble("database", service.delivery.away_since_ns, away, WARNING)
    if service.disk_trouble is not None:
        yield Trouble("disk", service.disk_trouble.since_ns, service.disk_trouble.why, CRITICAL)
    aside = sorted(_set_aside(folder))
    if aside:
        since_ns, name = aside[-1]
        yield Trouble("data", since_ns, f"Newest of {len(aside)}: {name}", WARNING, each=True)


def _set_aside(folder: Path) -> Iterator[tuple[int, str]]:
    """Damaged files, and since when they have been set aside."""
    for path in folder.glob("*.corrupt*"):
        if not path.name.endswith(SIDE):
            with suppress(OSError):  # somebody has just removed it
                yield path.stat().st_ctime_ns, path.name
