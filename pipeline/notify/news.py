"""What has happened to a matter that somebody may be told of: an incident, a silence, the service's own trouble.

Of each machine at most one incident and one silence last at a time, and of each part of the service one trouble; so
what is known of a matter is its newest news. Pure.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from pipeline.engine.scoring import MachineState, Severity
from pipeline.records import Machine, Point

WARNING, CRITICAL = int(Severity.WARNING), int(Severity.CRITICAL)
SILENT = MachineState.SILENT.word
HEARD = "heard"
Tags = tuple[tuple[str, str], ...]
About = Literal["incident", "silence", "service"]


class Key(NamedTuple):
    """Which matter: an incident or silence of a machine, or trouble of a part of the service."""

    about: About
    name: str
    tags: Tags = ()


class News(msgspec.Struct, frozen=True, array_like=True):
    """How a matter stands."""

    about: About
    name: str  # of the machine, or the part of the service: broker, database, disk, data
    tags: Tags  # captures of the machine
    number: int  # of the incident; else 0
    began_ns: int  # as is the next, Unix time of the data; of the service's trouble, of its clock
    time_ns: int
    severity: int  # WARNING or CRITICAL; of an incident the highest so far
    over: bool = False
    acknowledged: bool = False
    cause: str = ""  # the sensor that is blamed first
    why: str = ""
    reason: str = ""  # for which it is over: calm, unconfirmed, or the command that ended it
    label: str = ""  # class of the fault, where it is known

    @property
    def key(self) -> Key:
        """Which matter it is about."""
        return Key(self.about, self.name, self.tags)

    @property
    def machine(self) -> Machine:
        """The machine it is about; of the service's trouble, none."""
        return Machine(self.name, self.tags)

    @property
    def instance(self) -> tuple[int, int]:
        """Grows with every new incident of a machine, every new silence, every new trouble."""
        return self.began_ns, self.number


class Trouble(NamedTuple):
    """Something is wrong with a part of the service now."""

    name: str
    began_ns: int  # Unix time
    why: str
    severity: int
    each: bool = False  # a later beginning is another one, also where the one before is not over


def notices(points: Iterable[Point], silent: dict[Machine, int]) -> list[Point]:
    """Of points that are about to be committed, those that somebody may have to be told of.

    All of incidents, a machine's when it becomes silent, and its first one after that, as state HEARD. `silent`: the
    machines of which the former has been said, and since when; it is kept up to date.
    """
    found: list[Point] = []
    for point in points:
        if point.measurement == "incident" and "severity" in point.fields:
            found.append(point)
        elif point.measurement == "machine" and (silent or point.fields.get("state") == SILENT):
            machine = machine_of(point.tags)
            if point.fields.get("state") == SILENT:
                silent[machine] = point.time_ns
                found.append(point)
            elif machine in silent:
                found.append(point._replace(fields={"state": HEARD, "began": silent.pop(machine)}))
    return found


def machine_of(tags: Tags) -> Machine:
    """The machine that a point's tags name."""
    name = next((value for key, value in tags if key == "machine"), "")
    return Machine(name, tuple(tag for tag in tags if tag[0] not in ("machine", "id")))


def read(point: Point) -> News:
    """The news that one of `notices` holds."""
    machine, fields = machine_of(point.tags), point.fields
    if point.measurement != "incident":
        over, began_ns = fields["state"] == HEARD, int(fields.get("began", point.time_ns))
        return News("silence", machine.name, machine.tags, 0, began_ns, point.time_ns, WARNING, over)
    number = next((value for key, value in point.tags if key == "id"), "0")
    return News(
        "incident",
        machine.name,
        machine.tags,
        int(number),
        int(fields["started"]),
        point.time_ns,
        max(int(fields["severity"]), WARNING),
        fields["phase"] == "close",
        bool(fields["acknowledged"]),
        str(fields["cause"]),
        str(fields["why"]),
        str(fields.get("reason", "")),
        str(fields["class"]),
    )


def changes(known: dict[str, News], now: Sequence[Trouble], now_ns: int) -> list[News]:
    """What is new of the service's own trouble: what has begun, and what is over. `known` is kept up to date."""
    found = []
    for one in now:
        before = known.get(one.name)
        if before is None or before.over or (one.each and one.began_ns > before.began_ns):
            began_ns = max(one.began_ns, 0 if before is None else before.began_ns + 1)
            news = News("service", one.name, (), 0, began_ns, now_ns, one.severity, why=one.why)
            known[one.name] = news
            found.append(news)
    names = {one.name for one in now}
    for name, before in known.items():
        if name not in names and not before.over:
            known[name] = msgspec.structs.replace(before, over=True, time_ns=now_ns)
            found.append(known[name])
    return found
