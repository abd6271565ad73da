"""Sparkplug B: edge nodes that say once, at birth, what their metrics are, and afterwards send aliases and values.

The machine is the device, with its group and node as tags; a node's own metrics are a machine of its group. Topics
say all of it, so `Source.topic` is `spBv1.0/#` or one group's or node's part of it.

Promises: no reading is misnamed, and none is lost that can be known. An alias means what the newest birth has said.
Where a message is missing in the sequence, that birth may be one of those missed: the node is asked for a rebirth,
and data waits for it, in bounds. If none comes, the births known count again where we have listened all the time (the
death that would have ended them comes at QoS 1); after a restart or a new connection of ours they do not. What no
birth explains in the end is refused as such, but for metrics that say themselves what they are. What has to be known
after a restart is in events (`Kept`), to be committed with the readings.

Time comes in with the messages. Specification: Eclipse Sparkplug 3.0.0, chapters 4 to 6.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import msgspec

from pipeline.config.settings import Source
from pipeline.payloads.collection import Collection
from pipeline.payloads.decoded import (
    Cause,
    Decoded,
    Event,
    Gone,
    Kept,
    Noted,
    Request,
    Route,
    Window,
    is_name,
    refusal,
)
from pipeline.payloads.sparkplug_node import BDSEQ, NAMESPACE, Birth, Definition, Held, Node, definitions, sensor_of
from pipeline.payloads.sparkplug_values import value_of
from pipeline.payloads.sparkplug_wire import Metric, Payload, TooLargeError, read, rebirth
from pipeline.records import Machine

MOST_NODES = 10_000  # remembered by one source; one without a birth, of the oldest, makes room
LOOKED_AT = 100  # of the oldest
MOST_DEFINITIONS = 200_000  # metrics of all births of one source; some 300 bytes each
SEQUENCE = 256  # numbers of messages, and of births, go round
MILLISECOND_NS = 1_000_000
BIRTH_KINDS, DATA_KINDS, DEATH_KINDS = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA"), ("NDEATH", "DDEATH")
NOTED = ("NCMD", "DCMD", "STATE")  # what is said to nodes, and by other hosts
_MOST_MS = 10**16  # of a time stamp; what is beyond is out of the calendar anyway


class Sparkplug:
    """The format `sparkplug`, as one source sets it, with all nodes that it knows."""

    def __init__(self, source: Source, window: Window) -> None:
        self._window = window
        self._nodes: dict[tuple[str, str], Node] = {}
        self._definitions = 0

    def listen(self, topic: str) -> Route:
        """The decoder of one topic."""
        parts = topic.split("/")
        if len(parts) >= 3 and parts[0] == NAMESPACE and (parts[1] == "STATE" or parts[2] in NOTED):
            return lambda payload, received_ns: Decoded((), (), (Noted("a command, or the state of a host"),))
        of_node = len(parts) == 4 and parts[2] in ("NBIRTH", "NDATA", "NDEATH")
        of_device = len(parts) == 5 and parts[2] in ("DBIRTH", "DDATA", "DDEATH")
        if parts[0] != NAMESPACE or not (of_node or of_device):
            return lambda payload, received_ns: refusal(Cause.NOT_SPARKPLUG, topic)
        if not all(is_name(part) for part in parts[1:]):
            return lambda payload, received_ns: refusal(Cause.BAD_NAME, topic)
        group, kind, name = parts[1:4]
        device = parts[4] if of_device else ""
        take: Callable[[Node, str, bytes, Payload, _Taking], None]
        take = self._birth if kind in BIRTH_KINDS else self._data if kind in DATA_KINDS else self._death

        def decode(payload: bytes, received_ns: int) -> Decoded:
            try:
                content = read(payload)
            except ValueError as error:
                too_large = isinstance(error, TooLargeError)
                return refusal(Cause.TOO_LARGE if too_large else Cause.NOT_SPARKPLUG, str(error))
            taking = _Taking(self._window, received_ns)
            node = self._node(group, name, taking)
            if node is None:
                return refusal(Cause.BIRTHS_FULL, f"{MOST_NODES} nodes")
            take(node, device, payload, content, taking)
            return taking.decoded()

        return decode

    def interrupted(self) -> None:
        """Messages may have been missed: a new connection to the broker."""
        for node in self._nodes.values():
            node.away = True

    def overdue(self, now_ns: int) -> Decoded:
        """What has waited for a birth that has not come; empty where there is nothing."""
        taking = _Taking(self._window, now_ns)
        for node in self._nodes.values():
            if node.overdue(now_ns):
                self._release(node, None, taking)
        return taking.decoded() if taking.events else Decoded((), ())

    def restore(self, key: str, content: bytes) -> None:
        """Something that was kept; ValueError where it is nothing that we keep."""
        topic, _, number = key.partition("#")
        parts = topic.split("/")
        if len(parts) not in (4, 5) or parts[0] != NAMESPACE:
            raise ValueError(f"{key!r} is no topic of a node")
        node = self._node(parts[1], parts[3], _Taking(self._window, 0))
        if node is None:
            raise ValueError(f"more than {MOST_NODES} nodes")
        node.away = True
        device = parts[4] if len(parts) == 5 else ""
        try:
            if number:
                node.restore_held(device, int(number), content)
            elif parts[2] in BIRTH_KINDS:
                self._define(node, device, Birth.unpacked(content))
            else:
                node.restore_standing(content)
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from None

    def _node(self, group: str, name: str, taking: "_Taking") -> Node | None:
        """The node of this name; None where there is no room for one more."""
        node = self._nodes.get((group, name))
        if node is None:
            if len(self._nodes) >= MOST_NODES:
                oldest = islice(self._nodes.items(), LOOKED_AT)
                dead = next((one for _, one in oldest if not one.births and not one.held), None)
                if dead is None:
                    return None
                del self._nodes[dead.group, dead.name]
                taking.events.append(Kept(dead.topic("DATA"), b""))
            node = self._nodes[group, name] = Node(group, name)
        return node

    def _define(self, node: Node, device: str, birth: Birth | None) -> bool:
        """Let a birth count, or no birth; False where there is no room for it."""
        before = node.births.pop(device, None)
        self._definitions -= 0 if before is None else len(before.names)
        if birth is None:
            return True
        if self._definitions + len(birth.names) > MOST_DEFINITIONS:
            return False
        self._definitions += len(birth.names)
        node.births[device] = birth
        node.devices.add(device)
        return True

    def _forget(self, node: Node, devices: Iterable[str], taking: "_Taking") -> None:
        """The births of devices count no more."""
        for device in devices:
            if device in node.births:
                self._define(node, device, None)
                taking.events.append(Kept(node.topic("BIRTH", device), b""))

    def _birth(self, node: Node, device: str, payload: bytes, content: Payload, taking: "_Taking") -> None:
        """A node or a device says what its metrics are, and what they are now."""
        metrics = list(content.metrics)
        if device:
            self._follow(node, content.seq, taking)
        else:
            self._forget(node, list(node.births), taking)
            node.seq, node.bd_seq = content.seq, _bd_seq(metrics)
            node.away = node.missed = False
            node.waits_since_ns = None
            taking.events.append(node.standing())
        defined = definitions(metrics)
        counts = Counter(alias for _, alias, _ in defined if alias is not None)
        if counts and max(counts.values()) > 1:  # data could mean the one or the other
            again = {alias for alias, count in counts.items() if count > 1}
            for name, alias, _ in defined:
                if alias in again:
                    taking.refuse(Cause.DUPLICATE_KEY, name)
            defined = [(name, None if alias in again else alias, kind) for name, alias, kind in defined]
        birth = Birth(defined)
        if not self._define(node, device, birth):
            taking.refuse(Cause.BIRTHS_FULL, f"{MOST_DEFINITIONS} metrics")
            return
        taking.events.append(Kept(node.topic("BIRTH", device), birth.packed()))
        self._release(node, device, taking)
        self._metrics(node, device, content.time_ms, metrics, taking)

    def _data(self, node: Node, device: str, payload: bytes, content: Payload, taking: "_Taking") -> None:
        """Values of metrics."""
        self._follow(node, content.seq, taking)
        node.devices.add(device)
        if device not in node.births or node.missed:
            self._ask(node, taking)
            if node.answers(taking.received_ns):
                kept, gone = node.hold(device, taking.received_ns, payload)
                taking.events += [kept, Noted("waits for the birth that says what it is")]
                for one in gone:
                    taking.events.append(node.forget(one))
                    self._held(node, one, taking)
                return
            self._release(node, None, taking)
        if not self._metrics(node, device, content.time_ms, content.metrics, taking):
            self._ask(node, taking)

    def _death(self, node: Node, device: str, payload: bytes, content: Payload, taking: "_Taking") -> None:
        """A device, or a node with all its devices, has stopped sending."""
        if device:
            self._follow(node, content.seq, taking)
            taking.events.append(Gone((node.machine(device),)))
            self._forget(node, [device], taking)
            node.devices.discard(device)
            return
        bd_seq = _bd_seq(content.metrics)
        if bd_seq is not None and node.bd_seq is not None and 0 < (node.bd_seq - bd_seq) % SEQUENCE <= SEQUENCE // 2:
            taking.events.append(Noted("the death of an earlier session"))
            return
        self._release(node, None, taking)
        taking.events.append(Gone(tuple(node.machine(one) for one in sorted({*node.devices, ""}))))
        self._forget(node, list(node.births), taking)
        node.devices.clear()
        node.seq = node.bd_seq = node.waits_since_ns = None
        node.away = node.missed = False
        taking.events.append(Kept(node.topic("DATA"), b""))

    def _follow(self, node: Node, seq: int | None, taking: "_Taking") -> None:
        """Take the next number of a sequence; where one is missing, ask for a rebirth."""
        following = node.seq is not None and seq == (node.seq + 1) % SEQUENCE
        if node.away and not following:  # the node may have been born anew while we were away
            self._forget(node, list(node.births), taking)
            node.missed = True
        # A node that does not count cannot be seen to have missed something.
        node.missed = node.missed or (not following and node.seq is not None and seq is not None)
        if node.missed or not node.births:
            self._ask(node, taking)
        node.away = False
        node.seq = seq
        taking.events.append(node.standing())

    def _ask(self, node: Node, taking: "_Taking") -> None:
        """Ask a node for its births, unless it was asked just now."""
        if node.may_be_asked(taking.received_ns):
            taking.events.append(Request(node.topic("CMD"), rebirth(taking.received_ns // MILLISECOND_NS)))

    def _release(self, node: Node, device: str | None, taking: "_Taking") -> None:
        """Take the messages that wait, of one device or all: their birth has come, or is not waited for any more."""
        held, kept = node.release(device)
        taking.events += kept
        for one in held:
            self._held(node, one, taking)

    def _held(self, node: Node, one: Held, taking: "_Taking") -> None:
        """Take a message that has waited."""
        try:
            content = read(one.payload)
        except ValueError:  # it was read before, so this is a damaged journal's
            taking.refuse(Cause.NOT_SPARKPLUG, one.device or node.name)
            return
        self._metrics(node, one.device, content.time_ms, content.metrics, taking, one.received_ns)

    def _metrics(
        self,
        node: Node,
        device: str,
        time_ms: int | None,
        metrics: Iterable[Metric],
        taking: "_Taking",
        received_ns: int | None = None,
    ) -> bool:
        """Take the values of metrics; False where a birth has to say what one of them is."""
        birth = node.births.get(device)
        machine = node.machine(device)
        usual_ns = taking.received_ns if received_ns is None else received_ns
        if time_ms is not None:
            usual_ns = min(time_ms, _MOST_MS) * MILLISECOND_NS
        explained = True
        for metric in metrics:
            definition = _definition(metric, birth)
            if definition is None:
                explained = False
                taking.refuse(Cause.NO_BIRTH, metric.name or ("" if metric.alias is None else str(metric.alias)))
            elif definition.sensor:
                explained = self._metric(metric, definition, machine, usual_ns, taking) and explained
        return explained

    def _metric(
        self, metric: Metric, definition: Definition, machine: Machine, usual_ns: int, taking: "_Taking"
    ) -> bool:
        """Take one value; False where its data type is not known."""
        sensor = definition.sensor
        if not taking.named(sensor):
            return True
        if metric.null or metric.kind is None:
            taking.refuse(Cause.NULL, sensor)
            return True
        value = value_of(metric.kind, metric.value, definition.datatype)
        if isinstance(value, Cause):
            taking.refuse(value, sensor)
            return value is not Cause.NO_BIRTH
        time_ns = usual_ns if metric.time_ms is None else min(metric.time_ms, _MOST_MS) * MILLISECOND_NS
        if taking.believes(time_ns, sensor):
            taking.add(machine, sensor, time_ns, value)
        return True


class _Taking(Collection):
    """What one message comes to, with its events."""

    __slots__ = ("events",)

    def __init__(self, window: Window, received_ns: int) -> None:
        super().__init__(window, received_ns)
        self.events: list[Event] = []

    def decoded(self) -> Decoded:
        """Readings, refusals and events."""
        if not self.readings and not self.refused:
            return Decoded((), (), self.events or (Noted("no metrics"),))
        return super().decoded()._replace(events=self.events)


def _definition(metric: Metric, birth: Birth | None) -> Definition | None:
    """What is known of a metric; None where a birth has to say it."""
    if metric.name is None:
        known = None if birth is None or metric.alias is None else birth.aliases.get(metric.alias)
    else:
        known = None if birth is None else birth.names.get(metric.name)
        if known is None:  # it says itself what it is, as far as it does
            return Definition(metric.name, sensor_of(metric.name), metric.datatype)
    if known is not None and metric.datatype not in (0, known.datatype):
        return None
    return known


def _bd_seq(metrics: Iterable[Metric]) -> int | None:
    """The number of a session, which its birth and its death have in common."""
    found: Any = next((metric.value for metric in metrics if metric.name == BDSEQ), None)
    return found if type(found) is int else None
