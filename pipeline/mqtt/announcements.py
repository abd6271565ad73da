"""What is said of machines on MQTT, and where they are spoken to. Pure: topics and payloads, sent by somebody else.

Below `<client_id>/`, then the values of the machine's captures by the order of their names, then its name:

- `.../state`, retained: what the machine is in, its score and its incident; on change, and every ten seconds at most
- `.../incident`: what happens to an incident, as in measurement `incident`
- `.../ageing`, retained: by sensor what measurement `ageing` says
- `.../command`: what is said to it, answered on `.../answer`
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from pipeline.engine.incidents import Incident
from pipeline.engine.level import level_of
from pipeline.mqtt.home_assistant import discovery
from pipeline.records import Announcement, Machine, Point
from pipeline.topics import Template

EVERY_NS = 10_000_000_000  # between two states of a machine that say nothing new
OWN = ("state", "incident", "ageing", "command", "answer")
_ESCAPED = {character: f"%{ord(character):02X}" for character in "%/+#\0"}


def level(name: str) -> str:
    """A name as one level of a topic.

    >>> level("hall 1/press#2")
    'hall 1%2Fpress%232'
    """
    return "".join(_ESCAPED.get(character, character) for character in name)


def topic_of(client_id: str, machine: Machine, what: str) -> str:
    """Where something is said of a machine, or to it."""
    return "/".join([client_id, *(level(value) for _, value in machine.tags), level(machine.name), what])


def command_filters(client_id: str, templates: Iterable[Template], tags: Iterable[int] = ()) -> list[str]:
    """What to subscribe to for commands to machines of these topics; `tags`: how many others may have."""
    counts = {sum(name not in ("machine", "sensor") for name, _ in template.names) for template in templates}
    counts |= set(tags)
    return ["/".join([client_id, *["+"] * (count + 1), "command"]) for count in sorted(counts)]


def is_own(client_id: str, topic: str) -> bool:
    """Whether a topic is one of ours: what is said there are no readings."""
    begin, _, what = topic.rpartition("/")
    return begin.startswith(f"{client_id}/") and what in OWN


def incident_fields(incident: Incident | None) -> dict[str, Any] | None:
    """An incident as part of a state."""
    if incident is None:
        return None
    return {
        "id": incident.number,
        "severity": incident.severity.name.lower(),
        "started_ns": incident.started_ns,
        "peak": incident.peak,
        "peak_level": level_of(incident.peak),
        "why": incident.why,
        "sensors": [part._asdict() for part in incident.sensors],
        "acknowledged": incident.acknowledged,
        "class": incident.label,
        "confidence": incident.confidence,
        "unconfirmed": incident.unconfirmed,
    }


class Announcer:
    """Turns points into what is said on MQTT. Keeps, per machine, what was said last."""

    def __init__(self, client_id: str, home_assistant: bool = False) -> None:
        """`home_assistant`: introduce every machine to it, before its first state."""
        self._client_id = client_id
        self._home_assistant = home_assistant
        self._introduced: set[Machine] = set()
        self._told: dict[Machine, tuple[object, int]] = {}  # what was new then, and when
        self._ageing: dict[Machine, dict[str, dict[str, Any]]] = {}

    def of(
        self, points: Sequence[Point], incident: Callable[[Machine], Incident | None], now_ns: int
    ) -> list[Announcement]:
        """What to say of the points of a batch; `incident` tells the open one, `now_ns` is of any steady clock."""
        said = []
        newest: dict[Machine, Point] = {}
        aged: set[Machine] = set()
        for point in points:
            if point.measurement == "machine":
                newest[machine_of(point)] = point
            elif point.measurement == "incident":
                machine = machine_of(point)
                fields = {**point.fields, "id": int(dict(point.tags)["id"]), "time_ns": point.time_ns}
                said.append(self._announcement(machine, "incident", fields, retain=False))
                self._told.pop(machine, None)
            elif point.measurement == "ageing":
                machine = machine_of(point)
                self._ageing.setdefault(machine, {})[dict(point.tags)["sensor"]] = {
                    **point.fields,
                    "time_ns": point.time_ns,
                }
                aged.add(machine)
        for machine, point in newest.items():
            current = incident(machine)
            news = (point.fields["state"], point.fields.get("severity"), current and current._replace(peak=0.0))
            before, then_ns = self._told.get(machine, (None, 0))
            if news != before or now_ns - then_ns >= EVERY_NS:
                self._told[machine] = (news, now_ns)
                if self._home_assistant and machine not in self._introduced:
                    self._introduced.add(machine)
                    said += self._introduction(machine)
                state = {**point.fields, "incident": incident_fields(current), "time_ns": point.time_ns}
                said.append(self._announcement(machine, "state", state, retain=True))
        said += [self._announcement(machine, "ageing", self._ageing[machine], retain=True) for machine in aged]
        return said

    def answer(self, machine: Machine, verb: str, problem: str) -> Announcement:
        """What came of a command; `problem` is empty where it was done."""
        told = {"command": verb, "ok": not problem, "reason": problem}
        return self._announcement(machine, "answer", told, retain=False)

    def _introduction(self, machine: Machine) -> list[Announcement]:
        found = discovery(self._client_id, machine, topic_of(self._client_id, machine, "state"))
        return [Announcement(topic, payload, True) for topic, payload in found]

    def _announcement(self, machine: Machine, what: str, told: object, *, retain: bool) -> Announcement:
        return Announcement(topic_of(self._client_id, machine, what), msgspec.json.encode(told), retain)


def machine_of(point: Point) -> Machine:
    """Which machine a point is of."""
    tags = dict(point.tags)
    others = tuple((key, value) for key, value in point.tags if key not in ("machine", "sensor", "id"))
    return Machine(tags["machine"], others)
