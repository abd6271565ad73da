"""The walk over a decoded tree, from objects and arrays to readings.

This is the plain one: samples are objects of sensor and number. `pipeline.payloads.mapping` builds on it what else a
source may say; `pipeline.payloads.tree` chooses.
"""

import math
from collections.abc import Iterable
from typing import Any

from pipeline.payloads.decoded import MAX_DEPTH, MAX_NAME, MAX_NAMES, Cause, Refusal, as_name, refuse
from pipeline.payloads.layout import SKIP, Layout
from pipeline.records import MAX_MAGNITUDE, Machine, Reading

MISSING: Any = object()  # what is at a path where nothing is


class Walk:
    """One pass over one decoded message. Time and machine are carried from each object to those inside it."""

    __slots__ = (
        "append",
        "last_machine",
        "last_time",
        "layout",
        "names",
        "readings",
        "received_ns",
        "refused",
        "scattered",
        "seen",
        "sensor",
        "tags",
    )

    def __init__(
        self,
        layout: Layout,
        tags: tuple[tuple[str, str], ...],
        sensor: str | None,
        names: dict[str, str],
        received_ns: int,
        refused: list[Refusal],
    ) -> None:
        self.layout = layout
        self.tags = tags
        self.sensor = sensor
        self.names = names
        self.received_ns = received_ns
        self.refused = refused
        self.readings: list[Reading] = []
        self.append = self.readings.append
        self.last_machine: Machine | None = None
        self.last_time = 0
        self.seen: set[Machine] = set()  # those before it
        self.scattered = False  # whether readings of one machine and time may lie apart

    def descend(
        self, node: Any, step: int, machine: Machine | Refusal | None, time: int | Refusal | None, depth: int
    ) -> None:
        """Follow `Source.samples` from its part number `step` to the samples, through every array on the way."""
        layout = self.layout
        if type(node) is dict:
            if depth > MAX_DEPTH:
                refuse(self.refused, Cause.TOO_DEEP)
                return
            if layout.machine:
                found = find(node, layout.machine)
                if found is not MISSING:
                    machine = self._machine(found)
            if layout.time:
                found = node.get(layout.time[0], MISSING)
                if len(layout.time) > 1 and found is not MISSING:
                    found = find(found, layout.time[1:])
                if found is not MISSING:
                    time = layout.stamps.read(found, self.received_ns)
            if step == len(layout.samples):
                self._sample(node, machine, time, depth)
            else:
                self._step(node, step, machine, time, depth)
        elif type(node) is list:
            if depth > MAX_DEPTH:
                refuse(self.refused, Cause.TOO_DEEP)
                return
            for item in node:
                if type(item) is dict or type(item) is list:
                    self.descend(item, step, machine, time, depth + 1)
                else:  # no two values of one sensor share a time, so a row of bare values cannot be placed
                    refuse(self.refused, Cause.SHAPE, "a bare value in an array")
        elif machine is None:
            refuse(self.refused, Cause.NO_MACHINE)
        elif self.sensor is None:
            refuse(self.refused, Cause.NO_SENSOR)
        else:
            self._sample({"value": node}, machine, time, depth)

    def _step(
        self,
        node: dict[str, Any],
        step: int,
        machine: Machine | Refusal | None,
        time: int | Refusal | None,
        depth: int,
    ) -> None:
        """Go to what part number `step` of `Source.samples` says."""
        samples = self.layout.samples
        if samples[step] in node:
            self.descend(node[samples[step]], step + 1, machine, time, depth + 1)
        else:
            refuse(self.refused, Cause.SHAPE, f"no {'.'.join(samples[: step + 1])}")

    def _sample(
        self,
        node: dict[str, Any],
        machine: Machine | Refusal | None,
        time: int | Refusal | None,
        depth: int,
    ) -> None:
        if machine is None:
            self._by_machine(node, time, depth)
        elif isinstance(machine, Refusal):
            refuse(self.refused, machine.cause, machine.detail)
        elif time is None:
            refuse(self.refused, Cause.NO_TIME, ".".join(self.layout.time))
        elif isinstance(time, Refusal):
            refuse(self.refused, time.cause, time.detail)
        else:
            last = self.last_machine
            if machine is not last:
                if last is not None:
                    self.seen.add(last)
                    self.scattered = self.scattered or machine in self.seen
                self.last_machine = machine
            elif time < self.last_time:
                self.scattered = True
            self.last_time = time
            self._values(node, "", machine, time, depth)

    def _by_machine(self, node: dict[str, Any], time: int | Refusal | None, depth: int) -> None:
        """An object of machine name -> sample or samples, where nothing else names the machine."""
        layout = self.layout
        if layout.machine:
            refuse(self.refused, Cause.NO_MACHINE, ".".join(layout.machine))
            return
        for name, value in node.items():
            if name in layout.beside:
                continue
            if type(value) is dict or type(value) is list or self.sensor is not None:
                self.descend(value, len(layout.samples), self._machine(name), time, depth + 1)
            else:
                refuse(self.refused, Cause.NO_MACHINE, name)

    def _values(self, node: dict[str, Any], prefix: str, machine: Machine, time_ns: int, depth: int) -> None:
        names, append, new, low, high = self.names, self.append, tuple.__new__, -MAX_MAGNITUDE, MAX_MAGNITUDE
        for key, value in node.items():
            path = prefix + key if prefix else key
            kind = type(value)
            if (kind is float or kind is int) and low <= value <= high:
                sensor = names.get(path)
                if sensor is None:
                    sensor = self._sensor(path)
                if sensor:  # tuple.__new__ takes a third of the time of a named tuple's own constructor
                    append(new(Reading, (machine, sensor, time_ns, value if kind is float else float(value))))
            elif kind is dict:
                if depth >= MAX_DEPTH:
                    refuse(self.refused, Cause.TOO_DEEP, path)
                elif len(path) >= MAX_NAME:  # so would be every name within, each with a copy of this one
                    refuse(self.refused, Cause.BAD_NAME, path)
                else:
                    self._values(value, path + ".", machine, time_ns, depth + 1)
            elif names.get(path) != SKIP:
                self._other(path, value, machine, time_ns)

    def _other(self, path: str, value: Any, machine: Machine, time_ns: int) -> None:
        """What is at a `path` of a sample, and neither an object nor a number that can be a reading."""
        refuse(self.refused, cause_of(value), path)

    def nothing(self) -> Cause:
        """Why there is no reading where nothing was refused."""
        return Cause.EMPTY

    def _sensor(self, path: str) -> str:
        """The sensor at a `path` of a sample that is not in `names`; empty where it is refused."""
        names = self.names
        name = as_name(path)
        sensor = name if self.sensor is None else f"{self.sensor}.{name}"
        if not name or len(sensor) > MAX_NAME:
            refuse(self.refused, Cause.BAD_NAME, path)
            return ""
        if self.sensor is None:  # else each topic would remember names of its own
            if len(names) >= MAX_NAMES:
                names.clear()
                names.update(self.layout.skip)
            names[path] = sensor
        return sensor

    def _machine(self, name: Any) -> Machine | Refusal:
        if type(name) is int and abs(name) < 10**20:
            name = str(name)
        if type(name) is not str:
            return Refusal(Cause.NO_MACHINE, "the machine's name is not text")
        safe = as_name(name)
        if not safe:
            return Refusal(Cause.BAD_NAME, name)
        machine = Machine(safe, self.tags)
        known = self.layout.machines
        if machine not in known:
            if len(known) >= MAX_NAMES:
                known.clear()
            known[machine] = machine
        return known[machine]


def find(node: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if type(node) is not dict:
            return MISSING
        node = node.get(part, MISSING)
    return node


def cause_of(value: Any) -> Cause:
    """Why a JSON value is no reading."""
    if value is None:
        return Cause.NULL
    if isinstance(value, bool):
        return Cause.BOOLEAN
    if isinstance(value, str):
        return Cause.TEXT
    if isinstance(value, list):
        return Cause.SHAPE
    if isinstance(value, float):
        if math.isnan(value):
            return Cause.NAN
        if math.isinf(value):
            return Cause.INFINITE
    return Cause.MAGNITUDE if isinstance(value, int | float) else Cause.BINARY


def gather(readings: Iterable[Reading]) -> list[Reading]:
    """Bring readings of one machine and time together, otherwise in order."""
    together: dict[tuple[Machine, int], list[Reading]] = {}
    for reading in readings:
        together.setdefault((reading.machine, reading.time_ns), []).append(reading)
    return [reading for group in together.values() for reading in group]
