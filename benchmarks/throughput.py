"""Throughput and memory, as ratios against something named, in one run of a few minutes.

    python benchmarks/throughput.py [--quick]

(a) the engine alone, one core, beside River's detectors on the same rows;
(b) MQTT to committed and acknowledged, QoS 1, beside mosquitto_sub taking the same backlog to /dev/null;
(c) the same job the usual way (paho + River + influxdb-client's batching writer), every score to the same database;
(d) memory;
(e) the engine by number of sensors, and whether it stays as fast and as small over ten million readings;
(f) decoding of each payload format, beside JSON that says the same.

Absolute figures depend on the machine and its mood; the ratios are what counts.
"""

import argparse
import gzip
import json
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cbor2
import msgpack
import msgspec
import numpy as np
import psutil
from load import SHAPES, TOPICS, Broker

from pipeline.config.settings import Config, Emit, InfluxDB, Limits, Mqtt, Source, Times
from pipeline.engine.engine import Engine
from pipeline.mqtt import Broker as Address
from pipeline.mqtt import Receiver
from pipeline.payloads import Decoder
from pipeline.records import Announcement, Machine, Message, Readings
from pipeline.service.connections import open_sink
from pipeline.service.service import Service

SENSORS = 8
SECOND = 1_000_000_000
LABELS = {"bn": -2, "bt": -3, "n": 0, "v": 2}  # of SenML in CBOR; RFC 8428, table 4


def fleet_of(machines: int, sensors: int = SENSORS, threads: int = 1) -> Engine:
    """An engine that knows so many machines of so many sensors."""
    count = machines * sensors
    limits = Limits(machines=machines, machines_per_group=machines, sensors=count, sensors_per_group=count)
    engine = Engine(10 * SECOND, 60 * SECOND, limits, threads=threads)
    for m in range(machines):
        for s in range(sensors):
            engine.fleet.number(Machine(f"m-{m}"), f"s{s}")
    return engine


def batch(machines: Sequence[int], rows: int, start: int, values: np.ndarray, sensors: int = SENSORS) -> Readings:
    """`rows` rows of each machine in turn, one a second from `start`."""
    slot = np.tile(np.repeat(np.asarray(machines), sensors), rows)
    line = slot * sensors + np.tile(np.arange(sensors), len(machines) * rows)
    time_ns = (start + np.repeat(np.arange(rows), len(machines) * sensors) + 1) * SECOND
    return Readings(slot, line, time_ns, values[: len(line)], np.arange(len(line)) % sensors == sensors - 1)


def engine_seconds_per_reading(
    machines: int, values: np.ndarray, warm_rows: int, rows: int, threads: int = 1
) -> float:
    """Of machines that have seen `warm_rows` rows each, in batches of about 4,000 readings."""
    engine = fleet_of(machines, threads=threads)
    per_batch = max(1, 500 // machines)
    spent, counted, at = 0.0, 0, 0
    while at < warm_rows + rows:
        for first in range(0, machines, 500):
            readings = batch(
                range(first, min(first + 500, machines)), per_batch, at, np.roll(values, -7 * (at + first))
            )
            begin = time.perf_counter()
            engine.step(readings)
            if at >= warm_rows:
                spent += time.perf_counter() - begin
                counted += len(readings.line)
        at += per_batch
    return spent / counted


def part_a(quick: bool) -> None:
    """The engine beside River."""
    import river_baselines  # here, so that part (d) does not measure what it carries along

    rng = np.random.default_rng(1)
    rows = 20 + np.sin(np.arange(3000)[:, None] / (5 + np.arange(SENSORS))) + 0.2 * rng.normal(size=(3000, SENSORS))
    values = np.ascontiguousarray(np.resize(rows, (10_000, SENSORS)).ravel())
    river = river_baselines.seconds_per_reading(rows[: 1000 if quick else 2000])
    print("(a) one core, 8 sensors a machine         us/reading   readings/s   HalfSpaceTrees/us  GaussianScorer/us")
    cost = {}
    for machines, warm, counted in ((1, 3000, 3000), (100, 500, 300), (10_000, 40, 10)):
        seconds = engine_seconds_per_reading(machines, values, warm, counted)
        cost[machines] = seconds
        print(
            f"    Engine.step, {machines:6,} machines         {seconds * 1e6:10.2f} {1 / seconds:12,.0f}"
            f" {river['HalfSpaceTrees'] / seconds:18.1f} {river['GaussianScorer'] / seconds:18.1f}"
        )
    for machines, warm, counted in ((100, 500, 300), (10_000, 40, 10)):
        seconds = engine_seconds_per_reading(machines, values, warm, counted, threads=2)
        print(
            f"    the same by two threads, {machines:6,} {seconds * 1e6:17.2f} {1 / seconds:12,.0f}"
            f"   times one thread: {cost[machines] / seconds:.2f}"
        )
    for name, seconds in river.items():
        print(f"    River {name:16} (1 machine) {seconds * 1e6:17.2f} {1 / seconds:12,.0f}")
    print(f"    cost of 10,000 machines / 100 machines: {cost[10_000] / cost[100]:.2f}")


class Counting:
    """A source that ends the service when so many messages are acknowledged."""

    def __init__(self, receiver: Receiver, messages: int, stop: threading.Event) -> None:
        self._receiver, self._left, self._stop = receiver, messages, stop

    def take(self, max_messages: int, timeout_s: float) -> list[Message]:
        """As the receiver."""
        return self._receiver.take(max_messages, timeout_s)

    def counters(self) -> dict[str, int]:
        """As the receiver."""
        return self._receiver.counters()

    def publish(self, announcement: Announcement) -> None:
        """As the receiver."""
        self._receiver.publish(announcement)

    def ack(self, messages: Sequence[Message]) -> None:
        """As the receiver; counts."""
        self._receiver.ack(messages)
        self._left -= len(messages)
        if self._left <= 0:
            self._stop.set()


def drain(port: int, messages: int, influx: str, every: str) -> None:
    """Child process: drain a backlog; prints seconds until acknowledged, and until everything is delivered."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(
            data=folder,
            mqtt=Mqtt(
                url=f"mqtt://127.0.0.1:{port}",
                client_id="drain",
                sources=(
                    Source(topic="plant/{machine}/{sensor}"),
                    Source(topic="plant/{machine}", payload="json", time="time"),
                ),
            ),
            influxdb=InfluxDB(url=influx, bucket="machines") if influx else None,
            emit=Emit(every=every, sensors="3650d"),  # scores are compared
        )
        service = Service(config, open_sink(config, {}))
        stop = threading.Event()
        address = Address.of(config.mqtt.url or "", client_id="drain", receive_maximum=config.mqtt.receive_maximum)
        receiver = Receiver(address, [(TOPICS, 1)])
        acknowledged = []

        def note() -> None:
            stop.wait()
            acknowledged.append(time.perf_counter())

        threading.Thread(target=note, daemon=True).start()
        begin = time.perf_counter()
        receiver.start()
        service.run(Counting(receiver, messages, stop), stop)
        result = {
            "acknowledged": acknowledged[0] - begin,
            "delivered": time.perf_counter() - begin,
            "readings": service.readings,
            "late": service.engine.late,
            "points": service.delivery.delivered,
        }
        receiver.stop()
        print(json.dumps(result))


def child(*arguments: object) -> dict[str, float]:
    """What this file prints when called with these arguments."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return msgspec.json.decode(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def part_b(quick: bool) -> None:
    """End to end beside mosquitto_sub, in turn."""
    print("(b) MQTT to committed and acknowledged, QoS 1      messages/s   readings/s   mosquitto_sub   ratio")
    for shape, count in (("single", 100_000), ("batched", 20_000)):
        for _ in range(1 if quick else 3):
            with Broker() as broker:
                broker.queue("drain", shape, count)
                bar = broker.drain_with_mosquitto_sub("drain", count)
            with Broker() as broker:
                broker.queue("drain", shape, count)
                ours = child("--drain", broker.port, count, "", "10s")
            seconds = ours["acknowledged"]
            print(
                f"    {SHAPES[shape].readings:2} readings a message, {count:,} messages {count / seconds:16,.0f}"
                f" {ours['readings'] / seconds:12,.0f} {count / bar:15,.0f} {bar / seconds:7.2f}"
            )


class Database:
    """VictoriaMetrics, which speaks the v2 write API, on a free port in a temporary folder."""

    def __enter__(self) -> str:
        program = shutil.which("victoria-metrics")
        if program is None:
            raise RuntimeError("victoria-metrics is needed: apt install victoria-metrics")
        self._folder = tempfile.TemporaryDirectory()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [
                program,
                f"-httpListenAddr=127.0.0.1:{port}",
                f"-storageDataPath={self._folder.name}",
                "-retentionPeriod=100y",
            ],
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._folder.cleanup()


def part_c(quick: bool) -> None:
    """The usual way beside ours: every score written, until the database has the last one."""
    print("(c) the whole job, every score to the database     messages/s   the usual way   ratio")
    usual = Path(__file__).with_name("usual_way.py")
    warm = {"single": 2_000, "batched": 100}  # messages in which River builds its trees; not timed
    for shape, count, fewer in (("single", 100_000, 20_000), ("batched", 20_000, 1_500)):
        with Database() as influx:
            with Broker() as broker:
                broker.queue("usual-way", shape, warm[shape] + fewer)
                command = [
                    sys.executable,
                    usual,
                    "--port",
                    broker.port,
                    "--influx",
                    influx,
                    "--messages",
                    warm[shape] + fewer,
                ]
                command += ["--warm", warm[shape]]
                said = subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True).stdout
                theirs = float(said.split()[0].replace(",", ""))
            with Broker() as broker:
                broker.queue("drain", shape, count)
                ours = child("--drain", broker.port, count, influx, "0s")
        rate = count / ours["delivered"]
        print(f"    {SHAPES[shape].readings:2} readings a message {rate:37,.0f} {theirs:15,.0f} {rate / theirs:7.1f}")


def state_bytes(engine: Engine) -> int:
    """Of all that is learned or counted, without room for more."""
    return sum(array.nbytes for name, array in engine.fleet.snapshot().items() if name != "names")


def memory() -> None:
    """Child process: 1,000 machines of 8 sensors that have learned, as the service holds them."""
    engine = fleet_of(1000)
    values = np.random.default_rng(1).normal(size=1000 * SENSORS)
    for at in range(150):
        for first in range(0, 1000, 250):
            engine.step(batch(range(first, first + 250), 1, at, values))
    state = state_bytes(engine)
    print(json.dumps({"rss": psutil.Process().memory_info().rss, "sensor": state / (1000 * SENSORS)}))


def part_d() -> None:
    """Memory of state and of the process."""
    memory_of = child("--memory")
    print("(d) memory, 1,000 machines of 8 sensors")
    print(f"    {memory_of['sensor']:,.0f} bytes of state a sensor")
    print(f"    {memory_of['rss'] / 1e6:.0f} MB resident in all, libraries included")


def part_e(quick: bool) -> None:
    """Cost and size by number of sensors and what they send, early and late in a long life."""
    million = 1_000_000
    print("(e) the engine, one core, ten machines          us/reading   after       bytes a sensor   after")
    for sensors, kind in [(n, "noise") for n in (1, 2, 4, 8, 16)] + [
        (n, kind) for n in (1, 2, 8) for kind in ("constant", "stopped")
    ]:
        readings = 10 * million if (sensors, kind) == (SENSORS, "noise") and not quick else million
        engine = fleet_of(10, sensors)
        rows = 4_000 // (10 * sensors)
        noise = np.random.default_rng(1).normal(size=2 * rows * 10 * sensors)
        spent, sizes = [], []
        for at in range(0, readings // (10 * sensors), rows):
            still = kind == "constant" or (kind == "stopped" and at >= readings // (20 * sensors))
            one = batch(range(10), rows, at, np.full_like(noise, 5.0) if still else np.roll(noise, -7 * at), sensors)
            begin = time.thread_time()
            engine.step(one)
            spent.append((time.thread_time() - begin) / len(one.line))
            if len(sizes) == 0 or at == (readings // (10 * sensors) - 1) // rows * rows:
                sizes.append(state_bytes(engine) / (10 * sensors))
        tenth = len(spent) // 10
        early, late = (1e6 * float(np.median(part)) for part in (spent[tenth : 2 * tenth], spent[-tenth:]))
        name = f"{sensors} sensors, {kind}, {readings / million:.0f} million readings"
        print(f"    {name:41} {early:10.2f} {late:11.2f} {sizes[0]:16,.0f} {sizes[-1]:11,.0f}")


def varint_field(number: int, content: bytes) -> bytes:
    """A field of protocol buffers with bytes in it, shorter than 128."""
    return bytes([number << 3 | 2, len(content)]) + content


def sparkplug_metric(alias: int, value: float, name: str = "") -> bytes:
    """A metric of data type Double: by name and alias, or by its alias alone."""
    named = varint_field(1, name.encode()) if name else b""
    return varint_field(2, named + bytes([2 << 3, alias, 4 << 3, 10, 13 << 3 | 1]) + struct.pack("<d", value))


def samples_of_formats() -> dict[str, tuple[Source, list[Message]]]:
    """By name: a source, what opens its conversation, and last a message of eight values (`number`: of one)."""
    stamp = 1_717_000_000
    values = {f"sensor{n}": 20.5 + n / 7 for n in range(SENSORS)}
    flat = {"time": stamp, **values}
    text = json.dumps(flat, separators=(",", ":")).encode()
    fields = ",".join(f"{name}={value!r}" for name, value in values.items())
    cells = ",".join([str(stamp), *map(repr, values.values())])
    records = [{"n": name, "v": value} for name, value in values.items()]
    records[0] |= {"bn": "press-1:", "bt": stamp}
    metrics = b"".join(sparkplug_metric(n, value) for n, value in enumerate(values.values()))
    named = b"".join(sparkplug_metric(n, value, name) for n, (name, value) in enumerate(values.items()))
    made = {
        "number": (Source("t/{machine}/{sensor}"), [("t/press-1/temp", b"20.642857142857142")]),
        "json": (Source("t/{machine}", payload="json", time="time"), [("t/press-1", text)]),
        "json, gzip": (
            Source("t/{machine}", payload="json", time="time", compression="gzip"),
            [("t/press-1", gzip.compress(text))],
        ),
        "cbor": (Source("t/{machine}", payload="cbor", time="time"), [("t/press-1", cbor2.dumps(flat))]),
        "msgpack": (Source("t/{machine}", payload="msgpack", time="time"), [("t/press-1", msgpack.dumps(flat))]),
        "senml, JSON": (Source("t/{machine}", payload="senml"), [("t/press-1", json.dumps(records).encode())]),
        "senml, CBOR": (
            Source("t/{machine}", payload="senml"),
            [("t/press-1", cbor2.dumps([{LABELS[key]: value for key, value in one.items()} for one in records]))],
        ),
        "influx": (
            Source("t/{machine}", payload="influx"),
            [("t/press-1", f"motor {fields} {stamp}000000000".encode())],
        ),
        "csv": (
            Source("t/{machine}", payload="csv", time="time", columns=("time", *values)),
            [("t/press-1", cells.encode())],
        ),
        "sparkplug": (
            Source("spBv1.0/#", payload="sparkplug"),
            [
                ("spBv1.0/plant/NBIRTH/edge", b"\x18\xff\x01"),  # of number 255
                ("spBv1.0/plant/DBIRTH/edge/press-1", named + b"\x18\x00"),
                *(
                    ("spBv1.0/plant/DDATA/edge/press-1", metrics + bytes([3 << 3, number]))
                    for number in range(1, 101)
                ),
            ],
        ),
    }
    return {
        name: (source, [Message(topic, payload, stamp * SECOND) for topic, payload in messages])
        for name, (source, messages) in made.items()
    }


def part_f(quick: bool) -> None:
    """Decoding alone, one core: the best of several rounds of processor time."""
    print("(f) decoding, one core, 8 readings a message      us/message     readings/s   bytes   times JSON")
    of_json = 0.0
    for name, (source, messages) in samples_of_formats().items():
        opening, repeated = messages[:-100], messages[-100:]
        rounds = []
        for _ in range(20 if quick else 100):
            decoder = Decoder((source,), Times(), 1 << 20)
            for message in opening:
                decoder.decode(message)
            work = repeated * (100 // len(repeated))
            readings = decoder.decode(work[0]).readings if len(repeated) == 1 else ()
            begin = time.thread_time()
            for message in work:
                readings = decoder.decode(message).readings
            rounds.append((time.thread_time() - begin) / len(work))
            assert len(readings) == (1 if name == "number" else SENSORS), name
        seconds = min(rounds)
        of_json = seconds if name == "json" else of_json
        ratio = f"{seconds / of_json:12.2f}" if of_json else ""
        size = len(messages[-1].payload)
        print(f"    {name:41} {seconds * 1e6:14.2f} {len(readings) / seconds:14,.0f} {size:7}{ratio}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one run of each")
    parser.add_argument("--parts", default="abcdef", help="which of the six")
    parser.add_argument("--drain", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drain:
        port, messages, influx, every = options.drain
        drain(int(port), int(messages), influx, every)
    elif options.memory:
        memory()
    else:
        parts = {"a": part_a, "b": part_b, "c": part_c, "d": lambda quick: part_d(), "e": part_e, "f": part_f}
        for part in options.parts:
            parts[part](options.quick)


if __name__ == "__main__":
    main()
