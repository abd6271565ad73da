"""The topics that were heard, each with its messages and what kind of payload they have. Pure.

What a Spikewatch publishes itself, commands to machines, and what cannot be read are left out, with the reason.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pipeline.commissioning.proposing.kinds import Kind, kind_of
from pipeline.records import Message

ENOUGH = 10_000  # messages of one topic that are counted, the newest
READ = 200  # those of them whose payload is looked at
# First levels below which there are no readings; later levels that are no machine's; last levels of commands.
NO_READINGS = {"$SYS": "figures of the broker", "homeassistant": "descriptions of devices for Home Assistant"}
NO_MACHINE = {"bridge": "of a bridge, not of a machine", "availability": "whether a device can be reached"}
TO_MACHINES = frozenset(("set", "get", "cmd", "cmnd", "command", "config"))
COMMAND = "a command to a device, as its topic ends in /{}; if these are readings, write a source for it"
SELF = "published by Spikewatch itself"
# What any Spikewatch publishes (`pipeline.mqtt`, `pipeline.service.connections`): never to be read back.
STATUS, ONLINE_KEYS, OFFLINE = "/status", {"state", "version", "since"}, {"state": "offline"}
SAID: Mapping[str, set[str]] = {
    "state": {"state", "incident", "time_ns"},
    "incident": {"phase", "id", "time_ns"},
    "ageing": {"time_ns"},  # of every sensor
    "score": {"level", "score", "severity", "state", "time_ns"},
    "answer": {"command", "ok", "reason"},
}
AGEING = {
    *("shift", "moved", "per_day", "per_day_unit", "offset", "gain", "time_ns"),
    *("days_to_limit", "days_earliest", "days_latest"),
}
UNREADABLE = "neither a number nor JSON"
EMPTY = "its messages are empty"


class Topic(NamedTuple):
    """One topic that was heard, with what could be read of it, newest last."""

    levels: tuple[str, ...]
    kind: str  # of most of its payloads, as `Source.payload`; `word` for words of states
    wrapping: str  # as `Source.compression`
    trees: Sequence[Any]  # what the payloads are: numbers, objects, arrays, rows
    messages: Sequence[Message]

    @property
    def name(self) -> str:
        """As it was published."""
        return "/".join(self.levels)


class LeftOut(NamedTuple):
    """A topic that no proposal hears."""

    why: str
    messages: int


class Heard(NamedTuple):
    """All that was heard."""

    topics: Sequence[Topic]  # in the order of their levels
    left_out: Mapping[str, LeftOut]
    messages: Mapping[str, Sequence[Message]]  # of all topics but those left out by their name


def hear(messages: Iterable[Message], client_id: str) -> Heard:
    """The topics of these messages; `client_id` is the name below which the service itself publishes."""
    by_topic: dict[str, list[Message]] = {}
    for message in messages:
        by_topic.setdefault(message.topic, []).append(message)
    own = (f"{client_id}/", *_others(by_topic))
    topics, left_out, kept = [], {}, {}
    for name, said in sorted(by_topic.items(), key=lambda one: one[0].split("/")):
        levels = tuple(name.split("/"))
        why = _why_not(name, levels, said[-ENOUGH:], own)
        if why:
            left_out[name] = LeftOut(why, len(said))
            continue
        kept[name] = said[-ENOUGH:]
        topic = _topic(levels, said[-READ:])
        if topic is None:
            empty = all(not message.payload.strip() for message in said)
            left_out[name] = LeftOut(EMPTY if empty else UNREADABLE, len(said))
        else:
            topics.append(topic)
    return Heard(topics, left_out, kept)


def _why_not(name: str, levels: tuple[str, ...], said: Sequence[Message], own: tuple[str, ...]) -> str:
    """Why a topic is none of a machine; empty where it may be one."""
    if name.startswith(own) or all(map(_is_said, said)):
        return SELF
    reasons = [NO_READINGS.get(levels[0], ""), *(NO_MACHINE.get(level, "") for level in levels[1:])]
    if any(reasons):
        return next(filter(None, reasons))
    if levels[-1] in TO_MACHINES:
        return COMMAND.format(levels[-1])
    named = levels[1:] if len(levels) > 1 else levels  # the first is empty where a topic begins with a slash
    if any(not level for level in named) or any(
        any(sign in level for sign in "{}+#") or not level.isprintable() for level in levels
    ):
        return "a topic level that is empty or has a character reserved for templates"
    return ""


def _topic(levels: tuple[str, ...], said: Sequence[Message]) -> Topic | None:
    """The topic with the messages of the kind that most of them are; None where none can be read."""
    kinds = [kind_of(message) for message in said]
    known: list[tuple[Kind, Message]] = [
        (kind, message) for kind, message in zip(kinds, said, strict=True) if kind is not None
    ]
    if not known:
        return None
    count = Counter((kind.payload, kind.wrapping) for kind, _ in known)
    payload, wrapping = max(sorted(count), key=lambda one: count[one])
    same = [(kind, message) for kind, message in known if (kind.payload, kind.wrapping) == (payload, wrapping)]
    return Topic(levels, payload, wrapping, [kind.tree for kind, _ in same], [message for _, message in same])


def _others(by_topic: Mapping[str, Sequence[Message]]) -> list[str]:
    """The levels below which another Spikewatch publishes: its status is there.

    Many devices say offline in the same words: that is a Spikewatch's only where all that is beside it is too.
    """
    found = []
    for name in [name for name in by_topic if name.endswith(STATUS)]:
        below = name.removesuffix("status")
        statuses = [_object(message.payload) for message in by_topic[name]]
        online = any(one.get("state") == "online" and one.keys() == ONLINE_KEYS for one in statuses)
        if online or (OFFLINE in statuses and _all_said(below, name, by_topic)):
            found.append(below)
    return found


def _all_said(below: str, status: str, by_topic: Mapping[str, Sequence[Message]]) -> bool:
    """Whether there is something beside a status, and all of it is what a Spikewatch publishes."""
    beside = [said for name, said in by_topic.items() if name.startswith(below) and name != status]
    return bool(beside) and all(_is_said(message) for said in beside for message in said)


def _is_said(message: Message) -> bool:
    """Whether this is what a Spikewatch publishes of a machine, also one that is away and has left it there."""
    keys = SAID.get(message.topic.rpartition("/")[2])
    if keys is None:
        return False
    found = _object(message.payload)
    if not found:
        return False
    if message.topic.endswith("/ageing"):  # by sensor
        return all(isinstance(part, dict) and keys <= part.keys() <= AGEING for part in found.values())
    return keys <= found.keys()


def _object(payload: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
