"""A long life in short: does anything grow that should not, over millions of readings and lost connections?

    python benchmarks/faults/soak.py --readings 10000000 --reconnects 4         # three minutes
    python benchmarks/faults/soak.py --cycles 10000                             # snapshot and restore, in one process

The first: the service reads from Mosquitto through a proxy that hangs up again and again, while a publisher sends
messages of 48 readings. Memory, file descriptors, threads and the data folder are looked at ten times, each time at
rest: everything sent has been scored, and memory used by a burst was returned. What is learned must have the size
it had at half-time, and every reading must have been scored once. Many reconnects take long: who loses the
connection five times within a minute waits for up to a minute, in case another client has the same name. The
second: networks are saved to files, read again and restored, with readings in between, and must at the end be those
of an engine that has never been saved, bit by bit.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import psutil
from victims import SHARED, InfluxDB, Mosquitto, Spikewatch, until
from workload import SENSORS, START_S, rows, sample, scored

from pipeline.engine.engine import Engine
from pipeline.mqtt import Broker, Publisher
from pipeline.records import Machine, Readings
from pipeline.storage.snapshots import GENERATIONS, Snapshots

DATABASE = "machines"
MACHINES = 20
SAMPLES = 12  # of a message: 48 readings
SLOPE = 0.01  # of the memory, over the second half
RESTS = 10  # in which everything sent has been scored: only then does memory not tell how much is on its way
REST_S = 12.0  # the service gives memory back every ten seconds
PATIENCE_S = 300.0  # until everything is scored
FEW = 2  # descriptors or threads that come and go: a connection to the database, one to the broker


class Proxy:
    """Passes bytes between whoever connects and a broker, until it hangs up on them."""

    def __init__(self, target: int) -> None:
        self.cuts = 0
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection("127.0.0.1", self._target)
        self._open |= {writer, to}
        try:
            await asyncio.gather(self._pass(reader, to), self._pass(there, writer))
        finally:
            self._open -= {writer, to}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # the other side hung up, and so do we
        finally:
            writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Serve nobody any more."""

        async def end() -> None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()

    def cut(self) -> None:
        """Hang up on everybody, without a goodbye, wherever in a packet they are."""
        self.cuts += 1
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in self._open])


def batches(seed: int) -> Iterator[tuple[str, bytes]]:
    """Messages of `SAMPLES` instants of a machine, one machine after the other, for ever."""
    values = [rows(machine, seed) for machine in range(MACHINES)]
    for turn in itertools.count():
        for machine in range(MACHINES):
            instants = range(START_S + turn * SAMPLES, START_S + (turn + 1) * SAMPLES)
            yield f"whole/m-{machine}", json.dumps([sample(at, next(values[machine])) for at in instants]).encode()


class Look(NamedTuple):
    """The service at one moment."""

    seconds: float
    sent: int  # readings published so far
    cuts: int
    rss: int
    descriptors: int
    threads: int
    folder: int  # bytes in the data folder

    def line(self) -> str:
        """Of the table."""
        return (
            f"{self.seconds:9.0f} {self.sent:11,} {self.cuts:11,} {self.rss / 1e6:13.1f} {self.descriptors:12}"
            f" {self.threads:8} {self.folder / 1e6:15.1f}"
        )


def look(service: Spikewatch, begin: float, sent: int, cuts: int) -> Look:
    """Look at the process."""
    assert service.process is not None
    process = psutil.Process(service.process.pid)
    folder = 0
    for path in service.data.iterdir():
        try:
            folder += path.stat().st_size
        except FileNotFoundError:  # a snapshot that has just been replaced
            continue
    return Look(
        time.monotonic() - begin,
        sent,
        cuts,
        process.memory_info().rss,
        process.num_fds(),
        process.num_threads(),
        folder,
    )


def state_bytes(service: Spikewatch) -> int:
    """Of the newest snapshot's arrays."""
    snapshots = Snapshots(service.data, read_only=True)
    until(snapshots.sequences, "a snapshot")
    arrays = snapshots.read(snapshots.sequences()[0])
    assert arrays is not None, "the newest snapshot cannot be read"
    return sum(array.nbytes for array in arrays.values())


def slope(looks: list[Look]) -> float:
    """Growth of the memory from the first to the last of these, by least squares, as a share of its mean."""
    at, rss = np.array([one.seconds for one in looks]), np.array([one.rss for one in looks], float)
    return float(np.polyfit(at, rss, 1)[0] * (at[-1] - at[0]) / rss.mean())


def soak(
    folder: Path, readings: int, reconnects: int, seed: int, most_growth: float = SLOPE, rest_s: float = REST_S
) -> list[str]:
    """Run the service through it; prints a table; returns what does not hold."""
    problems = []
    broker, influxdb = Mosquitto(folder / "mosquitto"), InfluxDB(folder / "influxdb")
    with broker, influxdb, Proxy(broker.port) as proxy:
        influxdb.query(f'CREATE DATABASE "{DATABASE}"')
        service = Spikewatch(
            folder / "service",
            mqtt={
                "url": f"mqtt://127.0.0.1:{proxy.port}",
                "sources": [{"topic": "whole/{machine}", "payload": "json", "time": "time"}],
            },
            influxdb={"url": influxdb.url, "database": DATABASE},
            # The page's newest rows have 13 MB, which are taken as they fill: well before half-time.
            emit={"every": "10s", "sensors": "10s"},
            snapshot_every="2s",
        )
        with service:
            until(lambda: service.connections, "the service is subscribed", 180.0)
            time.sleep(0.5)  # the subscription is on its way

            print("  seconds    readings  reconnects   resident MB  descriptors  threads  data folder MB", flush=True)
            begin, early, sent, rests, source = time.monotonic(), 0, 0, [], batches(seed)
            # One in every share of the readings, so that what a connection leaves behind shows at the end as well.
            rng = np.random.default_rng(seed)
            cut_at = [readings * (number + rng.random()) / reconnects for number in range(reconnects)]

            def reached(check: Callable[[], bool], what: str) -> None:
                until(lambda: service.ended is not None or check(), what, PATIENCE_S)
                assert service.ended is None, f"the service ended by itself, code {service.ended}"

            def all_scored() -> bool:
                return scored(service) == sent

            with Publisher(Broker.of(broker.url, client_id="soak", protocol=4)) as publisher:
                for part in range(1, RESTS + 1):
                    while sent < readings * part // RESTS:
                        publisher.publish(*next(source))
                        sent += SAMPLES * SENSORS
                        if proxy.cuts < reconnects and sent >= cut_at[proxy.cuts]:
                            reached(lambda: service.connections > proxy.cuts, "the service is connected again")
                            proxy.cut()
                    publisher.drain()
                    reached(all_scored, "everything sent is scored")
                    time.sleep(rest_s)
                    rests.append(look(service, begin, sent, proxy.cuts))
                    print(rests[-1].line(), flush=True)
                    if part == RESTS // 2:
                        early = state_bytes(service)
            late, half = state_bytes(service), rests[RESTS // 2 - 1 :]
            code = service.stop()
            known, grown = scored(service), slope(half)
            print(f"readings scored {known:,} of {sent:,}")
            print(f"hung up {proxy.cuts:,} times, {service.connections:,} connections")
            print(f"state: {early:,} bytes at half-time, {late:,} at the end")
            print(f"memory at rest over the second half: {grown:+.2%}")
            for name in ("descriptors", "threads"):
                first, last = (getattr(one, name) for one in (half[0], half[-1]))
                print(f"{name}: {first} at half-time, {last} at the end")
                if last > first + FEW:
                    problems.append(f"{name} grow: {first}, then {last}")
    if grown > most_growth:
        problems.append(f"memory grows by {grown:+.2%}")
    if late != early:
        problems.append("the size of the state is not constant")
    if known != sent:
        problems.append("a reading was lost, or scored twice")
    if code != 0:
        problems.append(f"the service ended with code {code}")
    if "Traceback" in service.log:
        problems.append("the service's log has a traceback")
    return problems


def cut_in_two(looks: list[Look]) -> tuple[list[Look], list[Look]]:
    """First and second half."""
    middle = len(looks) // 2
    return looks[:middle], looks[middle:]


def block(turn: int, machines: int, values: np.ndarray) -> Readings:
    """A row of every machine."""
    count = machines * SENSORS
    line = np.arange(count)
    time_ns = np.full(count, (START_S + turn) * 10**9)
    return Readings(line // SENSORS, line, time_ns, np.roll(values, 7 * turn)[:count], line % SENSORS == SENSORS - 1)


def fresh(machines: int) -> Engine:
    """An engine that knows so many machines."""
    engine = Engine(10**10)
    for machine, sensor in itertools.product(range(machines), range(SENSORS)):
        engine.fleet.number(Machine(f"m-{machine}"), f"s{sensor}")
    return engine


def cycle(folder: Path, cycles: int, seed: int, machines: int = MACHINES, most_growth: float = SLOPE) -> list[str]:
    """Save, read and restore so many times, with a row of every machine in between; what does not hold."""
    values = np.random.default_rng(seed).normal(20.0, 1.0, 10_007)
    snapshots = Snapshots(folder)
    process = psutil.Process()
    engine, never_saved = fresh(machines), fresh(machines)
    looks: list[Look] = []
    begin = time.monotonic()
    sizes = set()
    for turn in range(cycles):
        for one in (engine, never_saved):
            one.step(block(turn, machines, values))
        snapshots.write(turn + 1, engine.fleet.snapshot())
        arrays = snapshots.read(turn + 1)
        assert arrays is not None
        engine = Engine(10**10)
        engine.fleet.restore(arrays)
        if turn % max(1, cycles // 200) == 0:
            size = sum(path.stat().st_size for path in folder.iterdir())
            rss, descriptors = process.memory_info().rss, process.num_fds()
            looks.append(Look(time.monotonic() - begin, turn, 0, rss, descriptors, process.num_threads(), size))
            sizes.add(sum(array.nbytes for array in arrays.values()))
    mine, wanted = engine.fleet.snapshot(), never_saved.fleet.snapshot()
    half = cut_in_two(looks)[1]
    grown = slope(half)
    print(f"{cycles:,} times saved, read and restored in {time.monotonic() - begin:.0f} s")
    print(f"memory over the second half: {grown:+.2%} of {half[-1].rss / 1e6:.1f} MB")
    print(f"descriptors {half[0].descriptors}, then {half[-1].descriptors}; files {len(list(folder.iterdir()))}")
    print(f"state: {min(sizes):,} to {max(sizes):,} bytes")
    problems = []
    if mine.keys() != wanted.keys() or any(mine[name].tobytes() != wanted[name].tobytes() for name in wanted):
        problems.append("the networks are not those of an engine that was never saved")
    if grown > most_growth:
        problems.append(f"memory grows by {grown:+.2%}")
    if half[-1].descriptors > half[0].descriptors:
        problems.append("descriptors grow")
    if len(list(folder.iterdir())) > GENERATIONS:
        problems.append("more files than generations")
    if len(sizes) != 1:
        problems.append("the size of the state is not constant")
    return problems


def main() -> None:
    """What was asked for; 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=0)
    parser.add_argument("--reconnects", type=int, default=0)
    parser.add_argument("--cycles", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    problems = []
    with tempfile.TemporaryDirectory(prefix="spikewatch-soak-") as folder:
        if options.readings:
            problems += soak(Path(folder), options.readings, options.reconnects, options.seed)
    if options.cycles:
        # In memory: what synchronising a file costs is not the question, and it is nearly all of the time.
        with tempfile.TemporaryDirectory(dir=SHARED if SHARED.is_dir() else None) as folder:
            problems += cycle(Path(folder), options.cycles, options.seed)
    for problem in problems:
        print("  " + problem)
    print("BROKEN" if problems else "all promises kept")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
