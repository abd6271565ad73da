"""The price of losing nothing, and what is lost without paying it.

    python benchmarks/durability.py [--runs 3] [--seconds 60]

(a) MQTT to committed and acknowledged, QoS 1, a backlog as in `throughput.py` (b): with the journal as it is, with
    the same journal that never asks the disk to synchronise, and with one that keeps nothing at all. The product has
    no such switches; they are made here.
(b) The same outage for the service and for the usual way (`usual_way.py`: paho, River, and influxdb-client's batching
    writer, which buffers in memory as Telegraf does): one broker, a database each that is away for half of the time,
    and in the middle of that both processes are killed and started again at once. Rows that were published and
    acknowledged, and that are not in the database at the end, are lost.
"""

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).with_name("faults")))

import throughput
from load import SHAPES, Broker, messages
from publisher import NumberedPublisher
from victims import Mosquitto, Spikewatch, VictoriaMetrics, until

from pipeline.records import Readings
from pipeline.service import service
from pipeline.storage.journal import Journal

PER_SECOND = 40.0  # messages of ten rows, in (b): what the usual way can score beside everything else
PATIENCE_S = 90.0  # until nothing more is expected to arrive


class Unsynchronised(Journal):
    """Everything is written, but a power cut may take it, and even leave the file damaged."""

    def _open(self) -> Any:
        database = super()._open()
        database.execute("PRAGMA synchronous = OFF")
        return database


class Forgetful(Journal):
    """Nothing is written: what Telegraf's memory buffer and its like promise."""

    def commit(self, readings: Readings | None, *others: Any) -> int:
        """Count."""
        self.last += 1
        return self.last if readings is not None and len(readings.line) else 0


JOURNALS = {"as it is": Journal, "without synchronising": Unsynchronised, "in memory only": Forgetful}


def drained(journal: str, shape: str, count: int) -> dict[str, float]:
    """One run of (a), in a process of its own."""
    with Broker() as broker:
        broker.queue("drain", shape, count)
        command = [sys.executable, __file__, "--drain", journal, str(broker.port), str(count)]
        return msgspec.json.decode(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def price(runs: int) -> None:
    """Print (a); the journals take turns, so that the machine's mood is everybody's."""
    print("(a) MQTT to committed and acknowledged       messages/s   readings/s   of in memory only")
    for shape, count in (("single", 60_000), ("batched", 12_000)):
        rates: dict[str, list[float]] = {name: [] for name in JOURNALS}
        for _, name in itertools.product(range(runs), JOURNALS):
            rates[name].append(count / drained(name, shape, count)["acknowledged"])
        of_message = SHAPES[shape].readings
        best = statistics.median(rates["in memory only"])
        for name, found in rates.items():
            rate = statistics.median(found)
            what = f"{of_message:2} readings a message, {name}"
            print(f"    {what:42} {rate:12,.0f} {rate * of_message:12,.0f} {rate / best:10.2f}", flush=True)


class UsualWay:
    """`usual_way.py` as a process that can be killed and started again."""

    def __init__(self, port: int, influx: str) -> None:
        path = Path(__file__).with_name("usual_way.py")
        self._command = [
            sys.executable,
            str(path),
            "--port",
            str(port),
            "--influx",
            influx,
            "--messages",
            "1000000000",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        """Start; its complaints about a database that is away are not ours to print."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def rows_in(database: VictoriaMetrics) -> int:
    """Scores that it has."""
    return sum(len(series["timestamps"]) for series in database.export("machine_score"))  # type: ignore[misc, arg-type]


def outage(seconds: float) -> int:
    """Print (b); 1 where the service lost a row."""
    with (
        tempfile.TemporaryDirectory(prefix="spikewatch-durability-") as name,
        Mosquitto(Path(name) / "mosquitto") as broker,
        VictoriaMetrics(Path(name) / "for-us") as for_us,
        VictoriaMetrics(Path(name) / "for-them") as for_them,
    ):
        ours = Spikewatch(
            Path(name) / "service",
            mqtt={"url": broker.url, "sources": [{"topic": "plant/{machine}", "payload": "json", "time": "time"}]},
            influxdb={"url": for_us.url, "bucket": "machines"},
            emit={"every": "0s", "sensors": "3650d"},
        )
        theirs = UsualWay(broker.port, for_them.url)
        try:
            ours.spawn()
            theirs.spawn()
            until(lambda: ours.connections, "the service is subscribed", 180.0)
            time.sleep(3.0)  # the usual way says nothing when it is
            source = ((topic, payload.encode()) for topic, payload in messages(SHAPES["batched"], 10**9))
            publisher = NumberedPublisher(broker.port, source, PER_SECOND)
            publisher.start()
            time.sleep(seconds / 4)
            for database in (for_us, for_them):
                database.stop()
            time.sleep(seconds / 4)
            for process in (ours, theirs):
                process.kill()
                process.spawn()
            time.sleep(seconds / 4)
            for database in (for_us, for_them):
                database.start()
            time.sleep(seconds / 4)
            publisher.finish()
            published = len(publisher.messages) * SHAPES["batched"].samples
            has, deadline = [0, 0], time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline and min(has) < published:
                time.sleep(1.0)
                has = [rows_in(database) for database in (for_us, for_them)]
        finally:
            ours.kill()
            theirs.kill()
    print(f"(b) {seconds:.0f} s, database away for half of it, process killed once     published   arrived     lost")
    for name, count in zip(("Spikewatch", "the usual way"), has, strict=True):
        lost = published - count
        print(f"    {name:56} {published:13,} {count:9,} {lost:8,} ({lost / published:.1%})")
    return int(has[0] != published)


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="of each journal in (a)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of (b)")
    parser.add_argument("--parts", default="ab")
    parser.add_argument("--drain", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drain:
        journal, port, count = options.drain
        service.Journal = JOURNALS[journal]  # type: ignore[misc]
        throughput.drain(int(port), int(count), "", "10s")
        return
    if "a" in options.parts:
        price(options.runs)
    sys.exit(outage(options.seconds) if "b" in options.parts else 0)


if __name__ == "__main__":
    main()
