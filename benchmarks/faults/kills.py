"""Random SIGKILL of service, broker and database, and afterwards every reading scored once, with the same bits.

    python benchmarks/faults/kills.py --kills 300 [--seed 1]
    python benchmarks/faults/kills.py --kills 100 --bare        # messages without a time; the broker is spared

A publisher numbers its messages and publishes again, after every lost connection, whatever it does not know to be in
the broker's file (see `publisher`). When the killing is over and everything is delivered, what the database has is
compared with one engine in one process that saw every message once, in order, without a fault: points missing, points
that should not be there, points with any field that differs; and so is what the networks have learned, to the last
bit. The seed fixes the readings and the dice of the killers, not what the scheduler makes of them.

A message without a time is stamped on arrival, and nobody can tell it from one that the publisher sends again. So
with `--bare` the broker lives, and all repetitions are its own: those of unacknowledged messages after the service
died.

SIGKILL does not take what is in the system's memory: whether files are synchronised, only a power cut tells.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from publisher import NumberedPublisher
from victims import DURABLE, SHARED, InfluxDB, Mosquitto, Spikewatch, listens, until
from workload import ALWAYS, SOURCES, bare_messages, compare, messages, points_in, scored, truth, truth_of_arrivals

from pipeline.engine.engine import Engine
from pipeline.storage.snapshots import Snapshots

DATABASE = "machines"
ORDERLY = 0.1  # share of the service's ends that begin with SIGTERM
EARLY = 0.25  # share of its lives that end while it starts


class Killers:
    """One thread for each victim, with dice of its own; all live until `finished`, and their victims with them.

    (Linux ends a child with the thread that started it, where it is told to end it with its parent.)
    """

    def __init__(self, kills: int, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self.failures: list[str] = []
        self.finished = threading.Event()
        self._wanted = kills
        self._seed = seed
        self._lock = threading.Lock()
        self.calm = threading.Event()  # enough are killed, and everybody is to stay
        self._threads: list[threading.Thread] = []

    def unleash(self, once: Callable[[np.random.Generator], None]) -> None:
        """Kill one victim, and bring it back, `once` after the other until there were enough of all."""
        rng = np.random.default_rng([self._seed, len(self._threads)])

        def run() -> None:
            try:
                while not self.calm.is_set():
                    once(rng)
            except BaseException as error:
                self.failures.append(repr(error))
                self.calm.set()
            self.finished.wait()

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def count(self, what: str) -> None:
        """One more was killed."""
        with self._lock:
            self.kills[what] += 1
            if sum(self.kills.values()) >= self._wanted:
                self.calm.set()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the last kill."""
        self.calm.wait(seconds)


def killer_of_service(killers: Killers, service: Spikewatch) -> Callable[[np.random.Generator], None]:
    """It is killed while it starts, while it works, in the middle of its orderly end, or ends in order."""

    def once(rng: np.random.Generator) -> None:
        if service.ended is not None:
            raise RuntimeError(f"the service ended by itself, code {service.ended}")
        if rng.random() >= ORDERLY:
            service.kill()
            killers.count("service, SIGKILL")
        elif rng.random() < 0.5:
            code = service.stop(signal.SIGTERM)
            if code not in (0, -signal.SIGTERM):  # so early that Python had not yet heard of the signal
                raise RuntimeError(f"the service ended with code {code} after SIGTERM")
            killers.count("service, SIGTERM")
        else:
            assert service.process is not None
            service.process.send_signal(signal.SIGTERM)
            killers.pause(rng.uniform(0.0, 1.0))
            service.kill()
            killers.count("service, SIGTERM, SIGKILL")
        killers.pause(rng.uniform(0.0, 0.5))

        connections = service.connections
        service.spawn()
        if rng.random() < EARLY:
            killers.pause(rng.uniform(0.0, 3.0))
            return
        deadline = time.monotonic() + 30.0
        while service.connections == connections and not killers.calm.is_set() and time.monotonic() < deadline:
            killers.pause(0.05)
        killers.pause(rng.uniform(0.0, 4.0))

    return once


def killer_of_server(
    killers: Killers, server: Mosquitto | InfluxDB, longest_s: float
) -> Callable[[np.random.Generator], None]:
    """It works for a while, is killed, and is away for a moment, now and then for up to `longest_s`."""

    def once(rng: np.random.Generator) -> None:
        killers.pause(rng.uniform(0.2, 6.0))
        if killers.calm.is_set():
            return
        if server.process is None or server.process.poll() is not None:
            raise RuntimeError(f"{server.name} ended by itself; see {server.log}")
        server.kill()
        killers.count(f"{server.name}, SIGKILL")
        killers.pause(rng.uniform(0.0, longest_s if rng.random() < 0.15 else 0.5))
        server.spawn()

    return once


def run(
    folder: Path, memory: Path, kills: int, seed: int, machines: int, per_second: float, bare: bool = False
) -> int:
    """One experiment in a folder; prints its figures and returns 1 where a promise is broken.

    The broker writes its whole file for every message and every acknowledgement, so that is in `memory`, which
    survives a SIGKILL as well as a disk does.
    """
    with ExitStack() as ending:
        return experiment(ending, folder, memory, kills, seed, machines, per_second, bare)


def experiment(
    ending: ExitStack, folder: Path, memory: Path, kills: int, seed: int, machines: int, per_second: float, bare: bool
) -> int:
    """As `run`; `ending` ends what is still running, however this ends."""
    broker = Mosquitto(memory, extra=DURABLE, persistence=True)
    influxdb = InfluxDB(folder / "influxdb")
    ending.enter_context(influxdb)
    influxdb.query(f'CREATE DATABASE "{DATABASE}"')
    ending.enter_context(broker)
    service = Spikewatch(
        folder / "service",
        mqtt={"url": broker.url, "sources": SOURCES},
        influxdb={"url": influxdb.url, "database": DATABASE},
        emit={"every": "0s", "sensors": "0s"},
        snapshot_every="1s",
    )
    ending.enter_context(service)
    until(lambda: service.connections, "the service is subscribed", 180.0)

    killers = Killers(kills, seed)
    ending.callback(killers.finished.set)
    publisher = NumberedPublisher(broker.port, (bare_messages if bare else messages)(machines, seed), per_second)
    # Connected is not subscribed: what is published before the very first subscription has been saved is nobody's.
    time.sleep(1.0)
    begin = time.monotonic()
    publisher.start()
    until(lambda: influxdb.query("SELECT count(score) FROM sensor", DATABASE), "the first points arrive", 60.0)
    killers.unleash(killer_of_service(killers, service))
    if not bare:
        killers.unleash(killer_of_server(killers, broker, 3.0))
    killers.unleash(killer_of_server(killers, influxdb, 8.0))
    told = 0
    while not killers.calm.is_set():
        killers.pause(1.0)
        if (done := sum(killers.kills.values())) // 50 > told:
            told = done // 50
            print(f"... {done} kills, {publisher.sure:,} messages, {time.monotonic() - begin:.0f} s", flush=True)
    publisher.finish()
    killing_s = time.monotonic() - begin
    expected = None if bare else truth(service.config, publisher.messages)
    # Where it is not known what is to come, what comes at the least; points of one series and time are one.
    measurements = ALWAYS if expected else ("machine", "sensor")
    least = 2 * (len(publisher.messages) - 2 * machines)
    if expected:
        least = len({(point.measurement, point.tags, point.time_ns) for point in expected.points})

    def arrived() -> bool:
        return points_in(influxdb, DATABASE, measurements) >= least

    problems = list(killers.failures)
    until(lambda: listens(influxdb.port), "the database is back", 60.0)
    deadline = time.monotonic() + 120.0
    while not arrived() and time.monotonic() < deadline:
        time.sleep(0.5)
    # All points may be there while the last kill is not over, and the newest reading has none yet.
    until(lambda: service.connected or service.ended is not None, "the service is back", 60.0)
    while expected is not None and scored(service) < expected.readings and time.monotonic() < deadline:
        time.sleep(0.5)
    if service.ended is not None or (code := service.stop(within_s=60.0)) != 0:
        problems.append(f"the service ended with code {code if service.ended is None else service.ended}")
    disordered = 0
    if expected is None:
        expected, disordered = truth_of_arrivals(service.config, influxdb, DATABASE, publisher.messages)
    taken_in = scored(service)
    has = compare(influxdb, DATABASE, expected.points)
    differing = [] if bare else differing_arrays(service, expected.engine)
    log = service.log
    for what, count in sorted(killers.kills.items()):
        print(f"{what:32} {count:9,}")
    print(f"{'all':32} {sum(killers.kills.values()):9,} in {killing_s:.0f} s")
    print(f"{'messages, numbered':32} {len(publisher.messages):9,}, {expected.readings:,} readings")
    repeated = publisher.sent - len(publisher.messages)
    print(f"{'published again':32} {repeated:9,} (connections of the publisher: {publisher.connections:,})")
    print(f"{'connections of the service':32} {service.connections:9,}")
    print(f"{'readings taken in':32} {taken_in:9,}")
    if bare:
        print(f"{'machines with other sequences':32} {disordered:9,}")
    print(f"{'points expected':32} {has.expected:9,}, in the database {has.found:,}")
    print(f"{'missing':32} {has.missing:9,}")
    print(f"{'duplicate or unexpected':32} {has.unexpected:9,}")
    print(f"{'scores or other fields differing':32} {has.differing:9,}")
    if not bare:  # the newest reading's arrival is in no database
        print(f"{'arrays of learned state differing':33}{len(differing):9,} {' '.join(differing[:4])}")
    for sign in ("Traceback", "journal.corrupt", "snapshot.corrupt"):
        if sign in log:
            problems.append(f"the service's log has {sign} {log.count(sign)} times")
    for line in [*problems, *has.examples]:
        print("  " + line)
    broken = bool(problems or has.missing or has.unexpected or has.differing or differing or disordered)
    broken |= taken_in != expected.readings
    print("BROKEN" if broken else "all promises kept", flush=True)
    return int(broken)


def differing_arrays(service: Spikewatch, wanted: Engine) -> list[str]:
    """Names of what is not, to the bit, as this engine has learned it."""
    snapshots = Snapshots(service.data, read_only=True)
    sequences = snapshots.sequences()
    has = (snapshots.read(sequences[0]) if sequences else None) or {}
    should = wanted.fleet.snapshot()
    return [
        name
        for name in sorted(has.keys() | should.keys())
        if name not in has or name not in should or has[name].tobytes() != should[name].tobytes()
    ]


def main() -> None:
    """One experiment; its folder is kept where a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--machines", type=int, default=4, help="of each kind")
    parser.add_argument("--per-second", type=float, default=100.0, help="messages")
    parser.add_argument("--bare", action="store_true", help="messages without a time")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="spikewatch-kills-"))
    print(f"seed {options.seed}, {options.kills} kills, in {folder}", flush=True)
    with tempfile.TemporaryDirectory(dir=SHARED if SHARED.is_dir() else None) as memory:
        broken = run(
            folder, Path(memory), options.kills, options.seed, options.machines, options.per_second, options.bare
        )
    if not broken:
        shutil.rmtree(folder)
    sys.exit(broken)


if __name__ == "__main__":
    main()
