"""What a second broker costs a batch, and how little goes there, beside the same batches without one.

    python benchmarks/upstream.py [--machines 200] [--minutes 60]

Machines of eight sensors send a row a second, each a JSON message; every batch is scored and committed to a journal
with its outboxes, as the service does. One machine in twenty has a fault in the second half. Both ways take the same
batches in turn, so what the computer does beside slows both. Delivery is not in it: it has a thread of its own.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from throughput import SECOND, SENSORS, batch, fleet_of

from pipeline.mqtt.upstream import Selection, announcement_of
from pipeline.records import Machine
from pipeline.storage.journal import Journal
from pipeline.storage.outbox import Bound, Posting

WHAT = ("states", "incidents", "ageing", "scores")


class Way:
    """An engine and its journal, with a second broker or without."""

    def __init__(self, folder: Path, machines: int, selection: Selection | None) -> None:
        self._engine = fleet_of(machines)
        self._selection = selection
        others = {} if selection is None else {"upstream": Bound(1 << 30)}
        self.journal = Journal(folder / "journal.sqlite", 1 << 30, others=others)
        self.seconds = 0.0
        self.sent: dict[str, list[int]] = {what: [0, 0] for what in ("score", "state", "ageing", "incident")}

    def take(self, readings) -> None:
        """One batch, to its commit."""
        began = time.perf_counter()
        points = self._engine.points(self._engine.step(readings))
        others, kept = {}, {}
        if self._selection is not None:
            ranked = self._selection.choose(points, self._incident)
            others, kept = {"upstream": Posting(ranked)}, self._selection.thinning.changed()
        self.journal.commit(readings, points=points, seen=b"123456", kept=kept, others=others)
        self.seconds += time.perf_counter() - began
        if self._selection is not None:
            for _, messages in ranked:
                for message in messages:
                    topic, payload, *_ = announcement_of(message)
                    self.sent[message.measurement][0] += 1
                    self.sent[message.measurement][1] += len(topic) + len(payload)

    def _incident(self, machine: Machine):
        return self._engine.incident(self._engine.fleet.slot(machine))


def values_of(machines: int, rows: int, begin: int, faulty: bool, noise: np.random.Generator) -> np.ndarray:
    """Row by row, machine by machine: sensors that follow one load, and of a faulty machine one that leaves it."""
    load = np.sin(2e-3 * np.arange(begin, begin + rows))[:, None, None] * np.arange(1, SENSORS + 1)
    values = 20.0 + load + 0.3 * noise.standard_normal((rows, machines, SENSORS))
    values[:, ::20, 3] += 6.0 * faulty
    return values.round(2)


def main() -> None:
    """Measure, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--minutes", type=int, default=60)
    options = parser.parse_args()
    noise, bytes_in, batches = np.random.default_rng(0), 0, 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        without, with_it = (
            Way(Path(folder) / name, options.machines, selection)
            for name, selection in (("without", None), ("with", Selection("plant-7/hall", WHAT, 60 * SECOND)))
        )
        for number in range(batches):
            values = values_of(options.machines, 1, number, number > batches // 2, noise)
            for row in values[0]:
                sample = {"time": number, **{f"s{n}": value for n, value in enumerate(row.tolist())}}
                bytes_in += len("plant/m-0") + len(json.dumps(sample))
            readings = batch(range(options.machines), 1, number, values.reshape(-1))
            for way in (without, with_it) if number % 2 else (with_it, without):
                way.take(readings)
        sent = sum(size for _, size in with_it.sent.values())
        print(f"{batches} batches of {options.machines} machines with {SENSORS} sensors")
        print(f"  without: {1e3 * without.seconds / batches:.2f} ms a batch")
        ratio = with_it.seconds / without.seconds
        print(f"  with:    {1e3 * with_it.seconds / batches:.2f} ms a batch, {ratio:.3f} times as long")
        print(f"  {bytes_in:,} bytes in, {sent:,} upstream: {bytes_in / sent:.0f} to 1")
        for what, (count, size) in with_it.sent.items():
            print(f"    {what}: {count:,} messages, {size:,} bytes")
        figures = with_it.journal.outboxes["upstream"].figures
        print(f"  on disk {figures.waiting_bytes / max(figures.waiting, 1):.0f} bytes a message")


if __name__ == "__main__":
    main()
