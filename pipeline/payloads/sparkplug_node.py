"""What is known of one Sparkplug edge node: what its births have defined, and where its sequence stands.

Only kept and asked here; what messages mean is in `sparkplug.py`.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from pipeline.payloads.decoded import MAX_NAME, Kept
from pipeline.payloads.sparkplug_wire import Metric
from pipeline.records import Machine
from pipeline.topics import escaped

NAMESPACE = "spBv1.0"
FIRST_ASK_NS = 10_000_000_000  # between two requests for a rebirth; doubled while there is no answer
LONGEST_ASK_NS = 600_000_000_000
HELD_NS = 30_000_000_000  # how long data waits for the birth that says what it is
HELD_MESSAGES, HELD_BYTES = 500, 262_144  # of one node
BDSEQ = "bdSeq"  # the metric that pairs a birth with its death
# The protocol's own metrics, which say nothing of a machine (specification, 6.4.22 and 6.4.23).
CONTROLS = ("Node Control/", "Device Control/")


class Definition(NamedTuple):
    """What a birth says of a metric."""

    name: str
    sensor: str  # its name here; empty for the protocol's own
    datatype: int


class Birth:
    """The metrics of a node or a device, by name and by alias."""

    def __init__(self, metrics: Iterable[tuple[str, int | None, int]]) -> None:
        self.names: dict[str, Definition] = {}
        self.aliases: dict[int, Definition] = {}
        for name, alias, datatype in metrics:
            self.names[name] = definition = Definition(name, sensor_of(name), datatype)
            if alias is not None:
                self.aliases[alias] = definition

    def packed(self) -> bytes:
        """What `unpacked` makes it of."""
        aliases = {definition.name: alias for alias, definition in self.aliases.items()}
        rows = [(name, aliases.get(name), definition.datatype) for name, definition in self.names.items()]
        return msgspec.msgpack.encode(rows)

    @classmethod
    def unpacked(cls, content: bytes) -> "Birth":
        """What was packed; ValueError where it was something else."""
        return cls(msgspec.msgpack.decode(content, type=list[tuple[str, int | None, int]]))


class Held(NamedTuple):
    """A message that waits for a birth."""

    number: int
    device: str
    received_ns: int
    payload: bytes


class Node:
    """One edge node. A device is known by its name, the node itself by an empty one."""

    def __init__(self, group: str, name: str) -> None:
        self.group, self.name = group, name
        self.births: dict[str, Birth] = {}
        self.devices: set[str] = set()  # that were heard of since the node died
        self.seq: int | None = None  # of the newest message
        self.bd_seq: int | None = None  # of the birth
        self.away = False  # we were, and no message has shown yet that nothing was missed
        self.missed = False  # something was, since the birth
        self.held: deque[Held] = deque()
        self._held_bytes = self._held_count = 0
        self._asked_ns = 0
        self._wait_ns = 0  # until it may be asked again; 0 before the first time
        self.waits_since_ns: int | None = None  # when it was first asked for what has not come

    def machine(self, device: str) -> Machine:
        """The machine that a device is, or the node. A node is of its group, a device of its node too."""
        if device:
            return Machine(device, (("group", self.group), ("node", self.name)))
        return Machine(self.name, (("group", self.group),))

    def topic(self, kind: str, device: str = "") -> str:
        """Topic of a message kind without its first letter: `BIRTH`, `DATA`, `CMD`."""
        whole = f"{NAMESPACE}/{self.group}/{'D' if device else 'N'}{kind}/{self.name}"
        return f"{whole}/{device}" if device else whole

    def may_be_asked(self, now_ns: int) -> bool:
        """Whether to ask for a rebirth now, which then counts as asked; ever more seldom while that is often."""
        if self.waits_since_ns is None:
            self.waits_since_ns = now_ns
        passed_ns = now_ns - self._asked_ns
        if self._wait_ns and passed_ns < self._wait_ns:
            return False
        often = self._wait_ns and passed_ns < 2 * LONGEST_ASK_NS
        self._wait_ns = min(2 * self._wait_ns, LONGEST_ASK_NS) if often else FIRST_ASK_NS
        self._asked_ns = now_ns
        return True

    def answers(self, now_ns: int) -> bool:
        """Whether a birth can still be expected."""
        return self.waits_since_ns is None or now_ns < self.waits_since_ns + HELD_NS

    def overdue(self, now_ns: int) -> bool:
        """Whether a message has waited for too long."""
        return bool(self.held) and now_ns >= self.held[0].received_ns + HELD_NS

    def hold(self, device: str, received_ns: int, payload: bytes) -> tuple[Kept, list[Held]]:
        """Let a message wait; also those that have to go for it."""
        self._held_count += 1
        one = Held(self._held_count, device, received_ns, payload)
        self.held.append(one)
        self._held_bytes += len(payload)
        gone = []
        while len(self.held) > HELD_MESSAGES or (self._held_bytes > HELD_BYTES and len(self.held) > 1):
            gone.append(self._let_go(self.held[0]))
        return Kept(self._held_key(one), received_ns.to_bytes(8, "little", signed=True) + payload), gone

    def release(self, device: str | None = None) -> tuple[list[Held], list[Kept]]:
        """The messages that wait, of one device or all; they wait no more, and need not be kept."""
        found = [one for one in self.held if device is None or one.device == device]
        for one in found:
            self._let_go(one)
        return found, [self.forget(one) for one in found]

    def forget(self, one: Held) -> Kept:
        """A held message need not be kept."""
        return Kept(self._held_key(one), b"")

    def _let_go(self, one: Held) -> Held:
        self.held.remove(one)
        self._held_bytes -= len(one.payload)
        return one

    def _held_key(self, one: Held) -> str:
        return f"{self.topic('DATA', one.device)}#{one.number:09}"

    def restore_held(self, device: str, number: int, content: bytes) -> None:
        """A message that waited before a restart."""
        one = Held(number, device, int.from_bytes(content[:8], "little", signed=True), content[8:])
        self.held.append(one)
        self._held_bytes += len(one.payload)
        self._held_count = max(self._held_count, number)

    def standing(self) -> Kept:
        """Where the sequence stands."""
        return Kept(self.topic("DATA"), msgspec.json.encode((self.seq, self.bd_seq)))

    def restore_standing(self, content: bytes) -> None:
        """The same from before a restart; ValueError where it is something else."""
        self.seq, self.bd_seq = msgspec.json.decode(content, type=tuple[int | None, int | None])


def sensor_of(name: str) -> str:
    """A metric's name as a sensor's; empty for the protocol's own."""
    return "" if name == BDSEQ or name.startswith(CONTROLS) else escaped(name)


def definitions(metrics: Iterable[Metric]) -> list[tuple[str, int | None, int]]:
    """Name, alias and data type of metrics that a birth defines."""
    most = MAX_NAME + 1  # of a longer name it is enough to know that it is too long
    return [(metric.name[:most], metric.alias, metric.datatype) for metric in metrics if metric.name is not None]
