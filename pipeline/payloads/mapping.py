"""The walk over a tree whose source says more than where samples are: see the keys of `Source`.

sensor, value     {"id": "Press.Temp", "v": 63.5}: a sample of a name and a value
quality, good     a sample that its sender does not believe itself is refused
samples           with `{machine}`, `{sensor}` and `*` for keys that are not known beforehand
row, header       samples that are arrays: their items get names, and then they are objects as any other
ignore, states, number_text      sensors that are no measurements; words and text that are numbers
"""

import json
from typing import Any

from pipeline.config.paths import EVERY
from pipeline.payloads.decoded import MAX_DEPTH, MAX_NAME, Cause, Refusal, as_name, refuse
from pipeline.payloads.layout import Layout, quality_of
from pipeline.payloads.walk import MISSING, Walk, cause_of, find
from pipeline.records import MAX_MAGNITUDE, Machine, Reading


class MappedWalk(Walk):
    """One pass over one decoded message. What names a sample, and its quality, are carried inwards too."""

    __slots__ = ("columns", "ignored", "quality", "topic_sensor", "unnamed")

    def __init__(
        self,
        layout: Layout,
        tags: tuple[tuple[str, str], ...],
        sensor: str | None,
        names: dict[str, str],
        received_ns: int,
        refused: list[Refusal],
    ) -> None:
        super().__init__(layout, tags, sensor, names, received_ns, refused)
        self.topic_sensor = sensor
        self.quality: Any = None
        self.columns: tuple[str, ...] | Refusal = layout.row or Refusal(Cause.SHAPE, "no header")
        # Why a sample has no name, where the source says that one is in it.
        self.unnamed = Refusal(Cause.NO_SENSOR, ".".join(layout.sensor)) if layout.sensor else None
        self.ignored = False  # whether anything was

    def nothing(self) -> Cause:
        """Why there is no reading where nothing was refused."""
        return Cause.IGNORED if self.ignored else Cause.EMPTY

    def descend(
        self, node: Any, step: int, machine: Machine | Refusal | None, time: int | Refusal | None, depth: int
    ) -> None:
        """As the plain walk does; names, quality and columns hold for what is inside `node` and end with it."""
        layout = self.layout
        at_samples = step == len(layout.samples)
        if type(node) is list and layout.rows and at_samples and depth <= MAX_DEPTH:
            self._rows(node, step, machine, time, depth)
        elif type(node) is dict:
            before = self.sensor, self.names, self.unnamed, self.quality, self.columns
            self._look(node)
            super().descend(node, step, machine, time, depth)
            self.sensor, self.names, self.unnamed, self.quality, self.columns = before
        elif type(node) is list:
            super().descend(node, step, machine, time, depth)
        elif not at_samples:
            refuse(self.refused, Cause.SHAPE, f"no {'.'.join(layout.samples[: step + 1])}")
        elif layout.value and machine is not None and self.sensor is not None:
            for key in reversed(layout.value):  # a bare value is a sample that has nothing else
                node = {key: node}
            self._sample(node, machine, time, depth)
        else:
            super().descend(node, step, machine, time, depth)

    def _look(self, node: dict[str, Any]) -> None:
        """What an object says of all samples in it."""
        layout = self.layout
        if layout.quality:
            found = node.get(layout.quality[0], MISSING)
            if found is not MISSING:
                inner = find(found, layout.quality[1:])
                self.quality = _bounded(found if inner is MISSING else inner)
        if layout.sensor:
            found = find(node, layout.sensor)
            if found is not MISSING:
                self._name(found)
        if layout.header:
            found = find(node, layout.header)
            if found is not MISSING:
                self.columns = _columns(found)

    def _name(self, name: Any) -> None:
        """The sensor of all samples inside, behind what the topic says."""
        if type(name) is int and abs(name) < 10**20:
            name = str(name)
        sensor = as_name(name) if type(name) is str else ""
        if sensor and self.topic_sensor is not None:
            sensor = f"{self.topic_sensor}.{sensor}"
        if not 0 < len(sensor) <= MAX_NAME:
            self.sensor = self.topic_sensor
            self.unnamed = Refusal(Cause.BAD_NAME, name if type(name) is str else "the sensor's name is not text")
            return
        self.unnamed = None
        self.sensor = sensor
        self.names = {"value": sensor, **self.layout.skip}

    def _step(
        self,
        node: dict[str, Any],
        step: int,
        machine: Machine | Refusal | None,
        time: int | Refusal | None,
        depth: int,
    ) -> None:
        part = self.layout.samples[step]
        if part not in ("{machine}", "{sensor}", EVERY):
            super()._step(node, step, machine, time, depth)
            return
        before = self.sensor, self.names, self.unnamed
        for name, inner in node.items():
            if name in self.layout.beside:
                continue
            if part == "{sensor}":
                self._name(name)
            self.descend(inner, step + 1, self._machine(name) if part == "{machine}" else machine, time, depth + 1)
        self.sensor, self.names, self.unnamed = before

    def _rows(
        self,
        node: list[Any],
        step: int,
        machine: Machine | Refusal | None,
        time: int | Refusal | None,
        depth: int,
    ) -> None:
        """Rows, arrays of rows, or one row of values."""
        if all(type(item) is list or type(item) is dict for item in node):
            before, begin = self.columns, 0
            if self.layout.first_row and node and _are_names(node[0]):
                self.columns, begin = _columns(node[0]), 1
            for place in range(begin, len(node)):
                self.descend(node[place], step, machine, time, depth + 1)
            self.columns = before
        elif isinstance(self.columns, Refusal):
            refuse(self.refused, self.columns.cause, self.columns.detail)
        elif len(node) != len(self.columns):
            refuse(self.refused, Cause.SHAPE, f"{len(node)} values for {len(self.columns)} names")
        else:
            self.descend(dict(zip(self.columns, node, strict=True)), step, machine, time, depth)

    def _sample(
        self,
        node: dict[str, Any],
        machine: Machine | Refusal | None,
        time: int | Refusal | None,
        depth: int,
    ) -> None:
        layout = self.layout
        if machine is not None:
            if self.sensor is not None and layout.rules.of(self.sensor).ignored:
                self.ignored = True
                return
            if self.unnamed is not None:
                refuse(self.refused, self.unnamed.cause, self.unnamed.detail)
                return
            if layout.quality and quality_of(self.quality) not in layout.good:
                of = self.sensor or layout.quality[-1]
                refuse(self.refused, Cause.BAD_QUALITY, f"{of}: {json.dumps(self.quality, default=repr)}")
                return
            if layout.value:
                found = find(node, layout.value)
                if found is MISSING:
                    refuse(self.refused, Cause.NO_VALUE, f"{self.sensor}: no {'.'.join(layout.value)}")
                    return
                node = found if type(found) is dict else {"value": found}
        super()._sample(node, machine, time, depth)

    def _other(self, path: str, value: Any, machine: Machine, time_ns: int) -> None:
        sensor = self.names.get(path) or self._sensor(path)
        if not sensor:
            return  # refused by its name
        rules = self.layout.rules
        if rules.of(sensor).ignored:
            self.ignored = True
            return
        number = rules.number(sensor, value) if type(value) is str or type(value) is bool else cause_of(value)
        if isinstance(number, Cause):
            refuse(self.refused, number, path if type(value) is not str else f"{sensor}: {value[:MAX_NAME]}")
        elif -MAX_MAGNITUDE <= number <= MAX_MAGNITUDE:
            self.append(Reading(machine, sensor, time_ns, number))
        else:
            refuse(self.refused, Cause.MAGNITUDE, sensor)


def _are_names(node: Any) -> bool:
    return type(node) is list and bool(node) and all(type(item) is str for item in node)


def _columns(node: Any) -> tuple[str, ...] | Refusal:
    if not _are_names(node) or len(set(node)) != len(node):
        return Refusal(Cause.SHAPE, "the header is not an array of different names")
    return tuple(node)


def _bounded(quality: Any) -> Any:
    """A quality that every sample inside can be held against; what is no single value is no good one either."""
    if type(quality) is str:
        return quality[:MAX_NAME]
    return quality if quality is None or isinstance(quality, int | float) else "not a single value"
