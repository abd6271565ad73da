"""What a second broker is sent: states, incidents, ageing as on the first, and the highest score of each interval.

Pure: points in, points out, whose fields are topic and payload of a message. A state is told on change, a score once
per interval, both by the time of the data.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pipeline.engine.incidents import Incident
from pipeline.engine.level import level_of
from pipeline.mqtt.announcements import incident_fields, machine_of, topic_of
from pipeline.records import Announcement, Machine, Point

# Where room is needed, the lowest goes first.
RANKS = {"score": 0, "state": 1, "ageing": 1, "incident": 2}
RETAINED = ("state", "ageing")
TOLD = {"states": "state", "incidents": "incident", "ageing": "ageing", "scores": "score"}  # last level of the topic


class Highest(NamedTuple):
    """The highest score of a machine in an interval that has not ended."""

    score: float
    severity: int
    state: str
    time_ns: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Machine, Highest]).decode


class Thinning:
    """One score of each machine per interval: its highest, the first of several as high.

    An interval ends with the machine's first point of a later one. What comes out depends on the points of a machine
    in their order and on nothing else, so not on how they were batched.
    """

    def __init__(self, every_ns: int) -> None:
        """`every_ns`: length of an interval; 0: every score is told."""
        self._every_ns = every_ns
        self._open: dict[Machine, Highest] = {}
        self._changed: set[Machine] = set()

    def take(self, machine: Machine, point: Point) -> Highest | None:
        """One point of measurement `machine`; returns what is to be told now."""
        score, before = point.fields.get("score"), self._open.get(machine)
        found = None
        if score is not None:
            found = Highest(float(score), int(point.fields["severity"]), str(point.fields["state"]), point.time_ns)
        if not self._every_ns:
            return found
        if before is not None and point.time_ns // self._every_ns <= before.time_ns // self._every_ns:
            if found is not None and found.score > before.score:
                self._put(machine, found)
            return None
        if before is not None or found is not None:
            self._put(machine, found)
        return before

    def _put(self, machine: Machine, highest: Highest | None) -> None:
        self._changed.add(machine)
        if highest is None:
            del self._open[machine]
        else:
            self._open[machine] = highest

    def changed(self) -> dict[str, bytes]:
        """What is to be kept over a restart of the intervals that have not ended: what has changed, by its key."""
        kept = {}
        for machine in self._changed:
            highest = self._open.get(machine)
            kept[topic_of("", machine, "")] = b"" if highest is None else _encode((machine, highest))
        self._changed.clear()
        return kept

    def restore(self, content: bytes) -> None:
        """Something that was kept; ValueError where it is nothing of the kind, or no intervals are open any more."""
        if not self._every_ns:
            raise ValueError("every score is told")
        machine, highest = _decode(content)
        self._open[machine] = highest


class Selection:
    """Chooses what goes there of the points of a batch."""

    def __init__(self, prefix: str, what: Collection[str], every_ns: int) -> None:
        """`prefix`: what topics begin with. `what`: of TOLD. `every_ns`: between two scores of a machine."""
        self._prefix = prefix
        self._what = {TOLD[name] for name in what}
        self.thinning = Thinning(every_ns)
        self._states: dict[Machine, tuple[object, int]] = {}  # what was told last, and of which time
        self._ageing: dict[Machine, dict[str, dict[str, Any]]] = {}

    def choose(
        self, points: Sequence[Point], incident: Callable[[Machine], Incident | None]
    ) -> list[tuple[int, list[Point]]]:
        """Messages in the order in which they are to be told, each with its rank; `incident` tells the open one."""
        found: list[Point] = []
        newest: dict[Machine, Point] = {}
        aged: dict[Machine, int] = {}
        for point in points:
            if point.measurement == "machine":
                machine = machine_of(point)
                newest[machine] = point
                highest = self.thinning.take(machine, point) if "score" in self._what else None
                if highest is not None:
                    told = {"level": level_of(highest.score), **highest._asdict()}
                    found.append(self._message(machine, "score", told, highest.time_ns))
            elif point.measurement == "incident" and "incident" in self._what:
                told = {**point.fields, "id": int(dict(point.tags)["id"]), "time_ns": point.time_ns}
                found.append(self._message(machine_of(point), "incident", told, point.time_ns))
            elif point.measurement == "ageing" and "ageing" in self._what:
                machine = machine_of(point)
                told = {**point.fields, "time_ns": point.time_ns}
                self._ageing.setdefault(machine, {})[dict(point.tags)["sensor"]] = told
                aged[machine] = point.time_ns
        if "state" in self._what:
            found += [told for told in map(self._state, newest, newest.values(), map(incident, newest)) if told]
        found += [self._message(machine, "ageing", self._ageing[machine], time) for machine, time in aged.items()]
        ranks = {RANKS[point.measurement] for point in found}
        return [(rank, [point for point in found if RANKS[point.measurement] == rank]) for rank in sorted(ranks)]

    def _state(self, machine: Machine, point: Point, incident: Incident | None) -> Point | None:
        """The state of a machine where it is another than it was."""
        news = (
            point.fields["state"],
            point.fields.get("severity"),
            incident and (incident.number, incident.severity, incident.acknowledged, incident.label),
        )
        before, then_ns = self._states.get(machine, (None, 0))
        if before == news:
            return None
        # A silence lies ahead of its machine's rows; what is told after it must not seem to be older than it.
        time_ns = max(point.time_ns, then_ns)
        self._states[machine] = news, time_ns
        told = {**point.fields, "incident": incident_fields(incident), "time_ns": point.time_ns}
        return self._message(machine, "state", told, time_ns)

    def repeat(self) -> None:
        """Tell every state once more, as what was told may not have arrived."""
        self._states = {machine: (None, time_ns) for machine, (_, time_ns) in self._states.items()}

    def _message(self, machine: Machine, what: str, told: Mapping[str, Any], time_ns: int) -> Point:
        topic = topic_of(self._prefix, machine, what)
        fields: dict[str, float | int | str | bool] = {
            "payload": msgspec.json.encode(told).decode(),
            "retain": what in RETAINED,
        }
        return Point(what, (("topic", topic),), fields, time_ns)


def announcement_of(message: Point) -> Announcement:
    """A message as it is published."""
    payload = str(message.fields["payload"]).encode()
    return Announcement(message.tags[0][1], payload, bool(message.fields["retain"]))
