"""A decoded tree of objects and arrays to readings: what JSON, CBOR and MessagePack have in common.

    {"temp": 1.5, "pump": {"flow": 2}}              sensors `temp` and `pump.flow`
    [{"time": 1, "temp": 1.5}, {"time": 2, ...}]    samples
    {"machine": "press-1", "values": {"temp": 1}}   `Source.machine` and `Source.samples` say where to look
    {"press-1": {"temp": 1}, "press-2": {...}}      where neither topic nor `Source.machine` names the machine
    1.5   or   {"time": 1, "value": 1.5}            where the topic names the sensor
    [{"id": "temp", "v": 1.5, "q": true}, ...]      `Source.sensor`, `value` and `quality` say where to look

A tree is made of dict with text as keys, list, str, int, float, bool and None; any other value is refused.

Promises: every value gives a reading or a refusal, but for what the source ignores, and for the rest of a sample
where it says where the value is; a bad value, time, quality or name disturbs no other reading of the message; time
and memory are in proportion to the tree, and nothing in it ends in an exception.
"""

from collections.abc import Callable
from typing import Any

from pipeline.config.settings import Source
from pipeline.payloads.decoded import Decoded, Refusal, Window, refuse
from pipeline.payloads.layout import Layout
from pipeline.payloads.mapping import MappedWalk
from pipeline.payloads.walk import Walk, gather
from pipeline.records import Machine
from pipeline.topics import Captures

# Reads the tree of one message of a topic: (root, Unix time of arrival in nanoseconds, what is refused already).
TreeRoute = Callable[[Any, int, list[Refusal]], Decoded]


class Tree:
    """The readings of decoded trees, as one source sets them."""

    def __init__(self, source: Source, window: Window) -> None:
        self.layout = Layout(source, window)

    def route(self, captures: Captures) -> TreeRoute:
        """The reader of one topic's trees; it adds to the refusals that it is given."""
        layout = self.layout
        walk_of = MappedWalk if layout.mapped else Walk
        arrival_will_do = layout.arrival_will_do
        new = tuple.__new__  # a third of the time of a named tuple's own constructor
        machine = None if captures.machine is None else Machine(captures.machine, captures.tags)
        tags, sensor = captures.tags, captures.sensor
        names = layout.names if sensor is None else {"value": sensor, **layout.skip}

        def read(root: Any, received_ns: int, refused: list[Refusal]) -> Decoded:
            walk = walk_of(layout, tags, sensor, names, received_ns, refused)
            walk.descend(root, 0, machine, received_ns if arrival_will_do else None, 1)
            readings = gather(walk.readings) if walk.scattered else walk.readings
            if not readings and not refused:
                refuse(refused, walk.nothing())
            return new(Decoded, (readings, refused, ()))

        return read
