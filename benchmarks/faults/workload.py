"""Readings of several machines by number, what an undisturbed engine says of them, and what a database has of that.

Machines report in four ways: all sensors of an instant in one message, ten instants in one message, one sensor a
message with a time, and (`bare_messages`) one number a message, which gets the time of its arrival. Values have
noise, a slow swing, and now and then a fault, so that scores, alarms and reasons are there to differ.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from victims import ROOT, InfluxDB, Spikewatch

from pipeline.config.file import load
from pipeline.config.settings import Config
from pipeline.engine.engine import Engine
from pipeline.payloads import Decoder
from pipeline.records import Machine, Message, Point, Reading

# A minute from row to row, so that no machine counts as silent while a server is away; and long past, so that no
# time lies in the future, however fast the rows come.
START_S, EVERY_S = 1_704_067_200, 60
SENSORS = 4
SAMPLES = 10  # of a batched machine, in one message
FAULT_EVERY, FAULT_ROWS = 700, 40

SOURCES = [
    {"topic": "whole/{machine}", "payload": "json", "time": "time"},
    {"topic": "single/{machine}/{sensor}", "payload": "json", "time": "time"},
    {"topic": "bare/{machine}/{sensor}", "payload": "number"},
]


def rows(machine: int, seed: int) -> Iterator[list[float]]:
    """One row after the other of one machine: its values are what depends on each other, swings and fails."""
    rng = np.random.default_rng([seed, machine])
    gain = rng.uniform(0.5, 2.0, SENSORS)
    at = 0
    while True:
        common = np.sin(at / (7.0 + machine)) + 0.3 * rng.normal()
        values = 20.0 + gain * common + 0.1 * rng.normal(size=SENSORS)
        if at % FAULT_EVERY >= FAULT_EVERY - FAULT_ROWS:
            values[machine % SENSORS] += 3.0
        yield [round(float(value), 4) for value in values]
        at += 1


def messages(machines: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Topic and payload, for ever: of so many machines of each of the three kinds that tell the time."""
    whole = [rows(number, seed) for number in range(machines)]
    batched = [rows(machines + number, seed) for number in range(machines)]
    single = [rows(2 * machines + number, seed) for number in range(machines)]
    kept: list[list[dict[str, float]]] = [[] for _ in range(machines)]
    at = START_S
    while True:
        at += EVERY_S
        for number in range(machines):
            yield f"whole/row-{number}", json.dumps(sample(at, next(whole[number]))).encode()
            for sensor, value in enumerate(next(single[number])):
                payload = json.dumps({"time": at, "value": value}).encode()
                yield f"single/sensor-{number}/s{sensor}", payload
            kept[number].append(sample(at, next(batched[number])))
            if len(kept[number]) == SAMPLES:
                yield f"whole/batch-{number}", json.dumps(kept[number]).encode()
                kept[number].clear()


def bare_messages(machines: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Numbers without a time, for ever: of machines that swing, and of as many calm ones that repeat themselves.

    One sensor a machine, so that each message is a row. A calm one says the same again and again: whether a message
    is one that was seen before, its payload does not tell.
    """
    swinging = [rows(number, seed) for number in range(machines)]
    rng = np.random.default_rng(seed)
    while True:
        for number in range(machines):
            yield f"bare/swings-{number}/s", str(next(swinging[number])[0]).encode()
            yield f"bare/calm-{number}/s", b"20.0" if rng.random() < 0.9 else b"20.1"


def sample(at: int, values: Sequence[float]) -> dict[str, float]:
    """One instant of a machine."""
    return {"time": at} | {f"s{sensor}": value for sensor, value in enumerate(values)}


class Truth(NamedTuple):
    """What a service that was never disturbed does with some messages."""

    engine: Engine
    readings: int
    points: list[Point]  # of rows that are closed


def truth(config: Path, sent: Sequence[tuple[str, bytes]]) -> Truth:
    """One engine in one process that sees every message once, in order."""
    settings: Config = load(config, {})
    decoder = Decoder(settings.mqtt.sources, settings.times, settings.limits.message_bytes)
    engine = Engine(limits=settings.limits)
    points, readings = [], 0
    for begin in range(0, len(sent), 1_000):
        decoded = []
        for topic, payload in sent[begin : begin + 1_000]:
            found, refused, _ = decoder.decode(Message(topic, payload, (START_S + 10**9) * 10**9))
            assert not refused, refused
            decoded.append(found)
        arranged = engine.arrange(decoded)
        readings += len(arranged.line)
        points += engine.points(engine.step(arranged))
    assert engine.late == 0, "the publisher's own readings are in order"
    return Truth(engine, readings, points)


def truth_of_arrivals(
    config: Path, influxdb: InfluxDB, database: str, sent: Sequence[tuple[str, bytes]]
) -> tuple[Truth, int]:
    """As `truth`, for messages without a time: the times are those that the service gave, as the database has them.

    Also returns how many machines have not just the values that were sent, each once, in order; the newest may be
    missing, since its row is not closed yet.
    """
    wanted: dict[str, list[float]] = {}
    for topic, payload in sent:
        wanted.setdefault(topic.split("/")[1], []).append(float(payload))
    arrivals, wrong = [], 0
    for machine, values in wanted.items():
        rows = influxdb.query(f"SELECT value FROM sensor WHERE machine = '{machine}'", database)
        has = [(int(str(row["time"])), float(str(row["value"]))) for row in rows]
        found = [value for _, value in has]
        wrong += found not in (values, values[:-1])
        arrivals += [Reading(Machine(machine), "s", time_ns, value) for time_ns, value in has]
    arrivals.sort(key=lambda reading: reading.time_ns)
    engine = Engine(limits=load(config, {}).limits)
    points = engine.points(engine.step(engine.arrange([reading] for reading in arrivals)))
    points += engine.points(engine.finish())
    return Truth(engine, len(sent), points), wrong


def scored(service: Spikewatch) -> int:
    """Readings that the networks have taken in, as `spikewatch machines` has them."""
    command = [sys.executable, "-m", "pipeline", "machines", "--config", str(service.config), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environment).stdout
    return sum(machine["readings"] for machine in json.loads(said))


class Comparison(NamedTuple):
    """What a database has, beside what it should have."""

    expected: int
    found: int
    missing: int
    unexpected: int  # a point scored twice under another time, or one that nobody should have written
    differing: int  # any field that is not the same to the last bit
    examples: list[str]


FIELDS = {
    "machine": ("score", "level", "severity", "state", "learned", "cause", "spikes", "masked", "changed", "why"),
    "sensor": ("value", "expected", "low", "high", "score", "level", "share", "quality", "masked", "changed"),
    "incident": (
        "phase", "severity", "peak", "cause", "sensors", "why", "class", "confidence", "started", "ended",
        "acknowledged", "unconfirmed", "reason",
    ),
    "ageing": ("shift", "moved", "per_day", "per_day_unit", "offset", "gain"),
    "account": ("spikes", "synapses", "products", "dense_products", "energy_nj", "dense_energy_nj"),
}  # fmt: skip
ALWAYS = {  # every point has these
    "machine": "state", "sensor": "quality", "incident": "phase", "ageing": "shift", "account": "spikes",
}  # fmt: skip


def points_in(influxdb: InfluxDB, database: str, measurements: Iterable[str] = ALWAYS) -> int:
    """Points in the database."""
    asked = (influxdb.query(f"SELECT count({ALWAYS[name]}) FROM {name}", database) for name in measurements)
    return sum(int(str(rows[0]["count"])) for rows in asked if rows)


def compare(influxdb: InfluxDB, database: str, points: Sequence[Point]) -> Comparison:
    """Every point, series by series; floats are compared as they are, not nearly."""
    expected: dict[tuple[str, str, str], dict[int, dict[str, object]]] = {}
    for point in points:
        tags = dict(point.tags)
        series = (point.measurement, tags["machine"], tags.get("sensor", tags.get("id", "")))
        own = expected.setdefault(series, {})
        # An incident may open and get its class in one row: the later point has all fields, and overwrites.
        assert point.time_ns not in own or point.measurement == "incident", f"{series} twice at {point.time_ns}"
        own[point.time_ns] = point.fields
    found = missing = unexpected = differing = 0
    examples = []
    known = {
        (measurement, str(row["machine"]), str(row.get("sensor", row.get("id", ""))))
        for measurement, field in ALWAYS.items()
        for row in influxdb.query(f"SELECT count({field}) FROM {measurement} GROUP BY *", database)
    }
    for series in sorted(known | expected.keys()):
        measurement, machine, own_name = series
        tag = "id" if measurement == "incident" else "sensor"
        where = f"machine = '{machine}'" + (f" AND {tag} = '{own_name}'" if own_name else "")
        names = FIELDS[measurement]
        asked = ", ".join(f'"{name}"' for name in names)
        rows = influxdb.query(f"SELECT {asked} FROM {measurement} WHERE {where}", database)
        own = dict(expected.get(series, {}))
        found += len(rows)
        for row in rows:
            fields = own.pop(int(str(row["time"])), None)
            if fields is None:
                unexpected += 1
                examples.append(f"unexpected: {series} {row}")
            elif fields != (has := {name: row[name] for name in names if row[name] is not None}):
                differing += 1
                examples.append(f"differing: {series} at {row['time']}: {has} should be {fields}")
        missing += len(own)
        examples += [f"missing: {series} at {time_ns}" for time_ns in list(own)[:3]]
    examples.sort(reverse=True)  # what is missing or unexpected first
    return Comparison(sum(map(len, expected.values())), found, missing, unexpected, differing, examples[:20])
