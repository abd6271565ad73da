"""Torn and flipped bytes: the service starts every time, or names file and key; it is never silently wrong.

A data folder as a killed service leaves it (three snapshots, an outbox, dead letters; SQLite's log taken in or not)
is damaged over and over: one file is cut short, has bits flipped, or a page zeroed. Then the service starts on it,
takes one more batch and stops. What may be seen: everything as it was, to the bit; or an error in the log; or an
error that names the file. A database that is away keeps every point in the outbox, where it is counted.

    python benchmarks/faults/mutations.py --count 2000
"""

import argparse
import hashlib
import json
import logging
import random
import shutil
import sqlite3
import sys
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.config.file import load
from pipeline.config.settings import Config, ConfigError
from pipeline.engine.fleet import Fleet
from pipeline.records import Announcement, Message, Point
from pipeline.service.service import Service
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.errors import Unreachable
from pipeline.storage.journal import Dead, Journal, JournalError
from pipeline.storage.outbox import Outbox

SECOND = 1_000_000_000
START_S = 1_700_000_000
EXAMPLE = Path(__file__).parents[2] / "deploy" / "spikewatch.example.yaml"


class Away:
    """A database that is not there."""

    def write(self, points: Sequence[Point]) -> None:
        raise Unreachable("away")

    def close(self) -> None:
        pass


class Given:
    """A source of some messages; the service is told to stop when they are acknowledged."""

    def __init__(self, messages: list[Message], stop: threading.Event) -> None:
        self._messages, self._stop = messages, stop

    def take(self, max_messages: int, timeout_s: float) -> list[Message]:
        taken, self._messages = self._messages[:max_messages], self._messages[max_messages:]
        if not taken:
            self._stop.set()
        return taken

    def ack(self, messages: Sequence[Message]) -> None:
        pass

    def publish(self, announcement: Announcement) -> None:
        pass

    def counters(self) -> dict[str, int]:
        return {}


def rows(begin: int, end: int) -> list[Message]:
    """Two machines' messages of some seconds."""
    rng = np.random.default_rng(begin)
    messages = []
    for second in range(START_S + begin, START_S + end):
        for machine in ("press-1", "press-2"):
            values = {"time": second, "a": float(rng.normal(20, 1)), "b": float(rng.normal(5, 0.1))}
            messages.append(Message(f"plant/{machine}", json.dumps(values).encode(), second * SECOND))
    return messages


def prepare(folder: Path) -> None:
    """A data folder as a kill leaves it."""
    service = Service(Config(data=str(folder / "at-work")), Away())
    stop = threading.Event()
    for begin in range(0, 600, 50):
        service._process(rows(begin, begin + 50), stop)
        if begin in {100, 250, 400}:
            service._snapshots.write(service._sequence, service.engine.fleet.snapshot())
    service._dead.put(Dead("of the wrong type", "machine", b"{}"))
    service._commit(None, [], stop)
    store = Embedded(folder / "at-work" / "store.sqlite")
    store.write([Point("machine", (("machine", "m"),), {"score": 0.5}, n * SECOND) for n in range(2_000)])
    store.close()
    lines = [line.split("#")[0].rstrip() for line in EXAMPLE.read_text().splitlines()]
    (folder / "at-work" / "plant.yaml").write_text("\n".join(filter(None, lines)))
    (folder / "at-work" / "journal.sqlite.reserve").unlink()
    shutil.copytree(folder / "at-work", folder / "pristine-0")
    service._journal.close()  # takes its log in
    service._lock.close()
    shutil.copytree(folder / "at-work", folder / "pristine-1")


def mutate(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Damage of one of three kinds."""
    kind = rng.choice(["cut", "flip", "zero"])
    if kind == "cut":
        return kind, data[: rng.randrange(len(data))]
    changed = bytearray(data)
    if kind == "flip":
        for _ in range(rng.choice([1, 1, 1, 2, 8])):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    else:
        size = rng.choice([16, 512, 4096])
        begin = rng.randrange(len(data)) // size * size
        changed[begin : begin + size] = bytes(len(changed[begin : begin + size]))
    return kind, bytes(changed)


def state_of(fleet: Fleet) -> str:
    """A digest of everything that was learned."""
    arrays = fleet.snapshot()
    return hashlib.blake2b(b"".join(name.encode() + arrays[name].tobytes() for name in sorted(arrays))).hexdigest()


def waiting(folder: Path) -> list[Point]:
    """The points of the outbox, but for the service's own."""
    outbox = Outbox(folder / "journal.sqlite")
    try:
        return [point for _, batch in outbox.peek(0, 10**9) for point in batch if point.measurement != "service"]
    finally:
        outbox.close()


def outcome_of_service(folder: Path) -> tuple[str, str]:
    """Start on a folder, take one more batch, stop: (what the log said, what is there)."""
    said = Errors()
    logger = logging.getLogger("spikewatch")
    logger.addHandler(said)
    try:
        stop = threading.Event()
        service = Service(Config(data=str(folder)), Away())
        restored = state_of(service.engine.fleet)
        service.run(Given(rows(600, 610), stop), stop)
        journal = Journal(folder / "journal.sqlite")
        try:
            points = waiting(folder)
        except sqlite3.DatabaseError as error:  # the delivery had no time to meet it, and to have it mended
            journal.salvage(str(error))
            points = waiting(folder)
        dead = journal.dead()
        journal.close()
    finally:
        logger.removeHandler(said)
    there = hashlib.blake2b(repr((restored, state_of(service.engine.fleet), points, dead)).encode()).hexdigest()
    return said.text, there


def outcome_of_store(path: Path) -> str:
    """Write to a store until it takes the points: what the log said."""
    said = Errors()
    logger = logging.getLogger("spikewatch")
    logger.addHandler(said)
    store = Embedded(path)
    try:
        for _ in range(3):
            try:
                store.write([Point("machine", (("machine", "m"),), {"score": 0.5}, 5_000 * SECOND)])
                break
            except Unreachable:
                continue
        else:
            raise RuntimeError("the store takes no points")
        return said.text
    finally:
        store.close()
        logger.removeHandler(said)


class Errors(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage() + "\n"


def attempt(folder: Path, name: str, expected: str) -> str:
    """What came of a damaged folder; raises where a promise is broken."""
    if name == "plant.yaml":
        try:
            load(folder / name, {"MQTT_PASSWORD": "x", "INFLUX_TOKEN": "x"})
        except ConfigError as error:
            if str(folder / name) not in str(error):
                raise RuntimeError(f"an error that names no file: {error}") from None
            return "named"
        return "read"
    if name == "store.sqlite":
        return "said" if outcome_of_store(folder / name) else "read"
    try:
        said, there = outcome_of_service(folder)
    except JournalError as error:
        return "named" if name in str(error) else f"BROKEN {error}"
    if there == expected:
        return "as it was, and said" if said else "as it was"
    if not said:
        raise RuntimeError("silently wrong")
    return "said"


def experiment(
    count: int, seed: int, progress: Callable[[str], None] = lambda text: None
) -> tuple[Counter[str], list[str]]:
    """So many mutations: how often each (file, kind, outcome) came, and what was broken."""
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    broken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="spikewatch-mutations-") as temporary:
        folder = Path(temporary)
        prepare(folder)
        shutil.copytree(folder / "pristine-0", folder / "data")
        said, expected = outcome_of_service(folder / "data")
        if said:
            raise RuntimeError(f"errors without any damage: {said}")
        for number in range(count):
            shutil.rmtree(folder / "data")
            shutil.copytree(folder / rng.choice(["pristine-0", "pristine-1"]), folder / "data")
            path = rng.choice([path for path in sorted((folder / "data").iterdir()) if path.stat().st_size])
            name = path.name
            kind, data = mutate(path.read_bytes(), rng)
            path.write_bytes(data)
            try:
                outcome = attempt(folder / "data", name, expected)
            except Exception:  # the experiment is about exactly these
                outcome = "BROKEN"
                broken.append(f"mutation {number} of seed {seed}: {kind} {name}\n{traceback.format_exc()}")
            what = "networks-*.snapshot" if name.startswith("networks") else name
            outcomes[f"{what:24} {kind:5} {outcome}"] += 1
            if number % 100 == 99:
                progress(f"{number + 1} of {count}")
    return outcomes, broken


def main() -> None:
    """Run, print, and end with 1 where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.getLogger("spikewatch").propagate = False
    logging.getLogger("spikewatch").addHandler(logging.NullHandler())
    outcomes, broken = experiment(options.count, options.seed, lambda text: print(text, file=sys.stderr, flush=True))
    for what, count in sorted(outcomes.items()):
        print(f"{count:6} {what}")
    print(f"{options.count} mutations, {len(broken)} broken promises")
    for text in broken[:10]:
        print(text)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
