"""The topics that were heard, each with its messages and what kind of payload they have. Pure.

What a Spikewatch says itself, what is said to machines, and what cannot be read is told apart, with the reason.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pipeline.commissioning.proposing.kinds import Kind, kind_of
from pipeline.records import Message

ENOUGH = 10_000  # messages of one topic that are counted, the newest
READ = 200  # those of them whose payload is looked at
NOT_OURS = frozenset(("$SYS", "homeassistant"))  # first levels that hold no readings
NO_MACHINE = frozenset(("bridge", "availability"))  # second or later ones
TO_MACHINES = frozenset(
    ("set", "get", "cmd", "cmnd", "command", "config")
)  # last ones: said to machines, not by them
# What any Spikewatch says (`pipeline.mqtt.announcements`, `pipeline.service.connections`): never to be read back.
STATUS, STATUS_KEYS = "/status", {"state", "version", "since"}
SAID: Mapping[str, set[str]] = {
    "state": {"state", "incident", "time_ns"},
    "incident": {"phase", "id", "time_ns"},
    "ageing": {"time_ns"},  # of every sensor
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
    statuses = {name for name, said in by_topic.items() if any(map(_is_status, said))}
    own = tuple({f"{client_id}/"} | {f"{name[: -len(STATUS)]}/" for name in statuses})
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
        return "what a Spikewatch says itself"
    if levels[0] in NOT_OURS or NO_MACHINE & {*levels[1:]} or levels[-1] in TO_MACHINES:
        return "not of a machine"
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


def _is_status(message: Message) -> bool:
    """Whether a Spikewatch says here that it is there; all that it says is below the same levels."""
    if not message.topic.endswith(STATUS):
        return False
    found = _object(message.payload)
    return found.get("state") == "online" and found.keys() == STATUS_KEYS


def _is_said(message: Message) -> bool:
    """Whether this is what a Spikewatch says of a machine, also one that is away and has left it with the broker."""
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
