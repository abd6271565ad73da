"""A decoded tree of objects and arrays to readings: what JSON, CBOR and MessagePack have in common.

    {"temp": 1.5, "pump": {"flow": 2}}              sensors `temp` and `pump.flow`
    [{"time": 1, "temp": 1.5}, {"time": 2, ...}]    samples
    {"machine": "press-1", "values": {"temp": 1}}   `Source.machine` and `Source.samples` say where to look
    {"press-1": {"temp": 1}, "press-2": {...}}      where neither topic nor `Source.machine` names the machine
    1.5   or   {"time": 1, "value": 1.5}            where the topic names the sensor

A tree is made of dict with text as keys, list, str, int, float, bool and None; any other value is refused.

Promises: every value gives a reading or a refusal; a bad value, time or name disturbs no other reading of the
message; time and memory are in proportion to the tree, and nothing in it ends in an exception.
"""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from pipeline.config.settings import Source, unix_ns
from pipeline.payloads.decoded import MAX_DEPTH, MAX_NAME, Cause, Decoded, Refusal, Window, is_name, refuse
from pipeline.records import MAX_MAGNITUDE, Machine, Reading
from pipeline.topics import Captures

MAX_NAMES = 10_000  # sensor names, and machines, that one source remembers having checked; starts over when full

_SKIP = ""  # a path which is the time or the machine, not a sensor
_MISSING: Any = object()
_US_PER_UNIT = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_NS_PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}

# Reads the tree of one message of a topic: (root, Unix time of arrival in nanoseconds, what is refused already).
TreeRoute = Callable[[Any, int, list[Refusal]], Decoded]


class Tree:
    """The readings of decoded trees, as one source sets them."""

    def __init__(self, source: Source, window: Window) -> None:
        self.time = tuple(source.time.split(".")) if source.time else ()
        self.machine = tuple(source.machine.split(".")) if source.machine else ()
        self.samples = tuple(source.samples.split(".")) if source.samples else ()
        self.unit = source.time_unit
        self.arrival_will_do = source.time is None or source.time_missing == "arrival"
        self.window = window
        self.skip = {path: _SKIP for path in (source.time, source.machine) if path}
        self.names: dict[str, str] = dict(self.skip)  # path in a sample -> sensor, for topics that name none
        self.machines: dict[Machine, Machine] = {}  # those named in payloads

    def route(self, captures: Captures) -> TreeRoute:
        """The reader of one topic's trees; it adds to the refusals that it is given."""
        machine = None if captures.machine is None else Machine(captures.machine, captures.tags)
        tags, sensor = captures.tags, captures.sensor
        names = self.names if sensor is None else {"value": sensor, **self.skip}

        def read(root: Any, received_ns: int, refused: list[Refusal]) -> Decoded:
            walk = _Walk(self, tags, sensor, names, received_ns, refused)
            walk.descend(root, 0, machine, received_ns if self.arrival_will_do else None, 1)
            readings = _gather(walk.readings) if walk.scattered else walk.readings
            if not readings and not refused:
                refuse(refused, Cause.EMPTY)
            return Decoded(readings, refused)

        return read


class _Walk:
    """One pass over one decoded message. Time and machine are carried from each object to those inside it."""

    __slots__ = (
        "append",
        "form",
        "last_machine",
        "last_time",
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
        form: Tree,
        tags: tuple[tuple[str, str], ...],
        sensor: str | None,
        names: dict[str, str],
        received_ns: int,
        refused: list[Refusal],
    ) -> None:
        self.form = form
        self.tags = tags
        self.sensor = sensor
        self.names = names
        self.received_ns = received_ns
        self.refused = refused
        self.readings: list[Reading] = []
        self.append = self.readings.append
        self.last_machine: Machine | None = None
        self.last_time = 0
        self.seen: set[Machine] = set()
        self.scattered = False  # whether readings of one machine and time may lie apart

    def descend(
        self, node: Any, step: int, machine: Machine | Refusal | None, time: int | Refusal | None, depth: int
    ) -> None:
        """Follow `Source.samples` from its part number `step` to the samples, through every array on the way."""
        form = self.form
        if type(node) is dict:
            if depth > MAX_DEPTH:
                refuse(self.refused, Cause.TOO_DEEP)
                return
            if form.machine:
                found = _find(node, form.machine)
                if found is not _MISSING:
                    machine = self._machine(found)
            if form.time:
                found = node.get(form.time[0], _MISSING)
                if len(form.time) > 1 and found is not _MISSING:
                    found = _find(found, form.time[1:])
                if found is not _MISSING:
                    time = self._time(found)
            if step == len(form.samples):
                self._sample(node, machine, time, depth)
            elif form.samples[step] in node:
                self.descend(node[form.samples[step]], step + 1, machine, time, depth + 1)
            else:
                refuse(self.refused, Cause.SHAPE, f"no {'.'.join(form.samples[: step + 1])}")
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
            refuse(self.refused, Cause.NO_TIME, ".".join(self.form.time))
        elif isinstance(time, Refusal):
            refuse(self.refused, time.cause, time.detail)
        else:
            if machine is not self.last_machine:
                if machine in self.seen:
                    self.scattered = True
                self.seen.add(machine)
                self.last_machine = machine
            elif time < self.last_time:
                self.scattered = True
            self.last_time = time
            self._values(node, "", machine, time, depth)

    def _by_machine(self, node: dict[str, Any], time: int | Refusal | None, depth: int) -> None:
        """An object of machine name -> sample or samples, where nothing else names the machine."""
        form = self.form
        if form.machine:
            refuse(self.refused, Cause.NO_MACHINE, ".".join(form.machine))
            return
        for name, value in node.items():
            if form.time and name == form.time[0]:
                continue
            if type(value) is dict or type(value) is list or self.sensor is not None:
                self.descend(value, len(form.samples), self._machine(name), time, depth + 1)
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
            elif names.get(path) != _SKIP:
                refuse(self.refused, _cause_of(value), path)

    def _sensor(self, path: str) -> str:
        """The sensor at a `path` of a sample that is not in `names`; empty where it is refused."""
        names = self.names
        sensor = path if self.sensor is None else f"{self.sensor}.{path}"
        if not is_name(sensor):
            refuse(self.refused, Cause.BAD_NAME, sensor)
            return ""
        if self.sensor is None:  # else each topic would remember names of its own
            if len(names) >= MAX_NAMES:
                names.clear()
                names.update(self.form.skip)
            names[path] = sensor
        return sensor

    def _machine(self, name: Any) -> Machine | Refusal:
        if type(name) is int and abs(name) < 10**20:
            name = str(name)
        if type(name) is not str:
            return Refusal(Cause.NO_MACHINE, "the machine's name is not text")
        if not is_name(name):
            return Refusal(Cause.BAD_NAME, name)
        machine = Machine(name, self.tags)
        known = self.form.machines
        if machine not in known:
            if len(known) >= MAX_NAMES:
                known.clear()
            known[machine] = machine
        return known[machine]

    def _time(self, stamp: Any) -> int | Refusal:
        try:
            time_ns = _time_ns(stamp, self.form.unit)
        except ValueError as error:
            return Refusal(Cause.BAD_TIME, str(error))
        window = self.form.window
        if window.oldest_ns <= time_ns <= self.received_ns + window.future_ns:
            return time_ns
        return Refusal(Cause.TIME_PAST if time_ns < window.oldest_ns else Cause.TIME_FUTURE, _shown(time_ns))


def _time_ns(stamp: Any, unit: str) -> int:
    """Unix nanoseconds of a JSON value; ValueError where it is no time in `unit`.

    Whole numbers keep nanoseconds. Fractions and ISO 8601 keep microseconds: a double holds no more of today's
    Unix time, and the rest would be noise.
    """
    kind = type(stamp)
    if kind is str and unit in ("auto", "iso"):
        return unix_ns(stamp)
    if (kind is not int and kind is not float) or unit == "iso" or stamp != stamp:
        raise ValueError("neither a number nor ISO 8601" if unit == "auto" else f"not a time in {unit}")
    size = abs(stamp)
    if size >= 1e30:  # beyond every unit; also infinity, which no integer holds
        return 10**30 if stamp > 0 else -(10**30)
    if unit == "auto":
        # 1e11 is the year 5138 in seconds and 1973 in milliseconds; the other borders are the same years.
        unit = "s" if size < 1e11 else "ms" if size < 1e14 else "us" if size < 1e17 else "ns"
    if kind is int:
        return int(stamp) * _NS_PER_UNIT[unit]
    return round(float(stamp) * _US_PER_UNIT[unit]) * 1000


def _shown(time_ns: int) -> str:
    try:
        return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return "out of the calendar"


def _find(node: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if type(node) is not dict:
            return _MISSING
        node = node.get(part, _MISSING)
    return node


def _cause_of(value: Any) -> Cause:
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
    return Cause.MAGNITUDE


def _gather(readings: Iterable[Reading]) -> list[Reading]:
    """Bring readings of one machine and time together, otherwise in order."""
    together: dict[tuple[Machine, int], list[Reading]] = {}
    for reading in readings:
        together.setdefault((reading.machine, reading.time_ns), []).append(reading)
    return [reading for group in together.values() for reading in group]
