"""What becomes of one live message, in words: its machine and sensors, and what is ignored and why."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from pipeline.payloads import Cause, Decoded
from pipeline.payloads.decoded import Gone, Noted
from pipeline.payloads.why import WHY
from pipeline.records import Message

NOTED = "understood, and nothing to score"
OURS = "published by the service itself"


class Value(NamedTuple):
    """One reading of a message."""

    machine: str
    tags: Mapping[str, str]
    sensor: str
    value: float
    time: str  # ISO 8601


class Ignored(NamedTuple):
    """One part of a message that gave no reading, or all of it."""

    cause: str  # as its counter is labelled; `ours` for what we say ourselves, `noted` where nothing is wrong
    why: str
    where: str  # field or topic; may be empty


class Told(NamedTuple):
    """All that became of a message."""

    topic: str
    readings: tuple[Value, ...]
    ignored: tuple[Ignored, ...]


def tell(message: Message, decoded: Decoded, client_id: str) -> Told:
    """What became of a message. Topics below `client_id` that no source matches are the service's own."""
    readings = tuple(
        Value(one.machine.name, dict(one.machine.tags), one.sensor, one.value, moment(one.time_ns))
        for one in decoded.readings
    )
    ignored = tuple(Ignored(str(cause), WHY[cause], where) for cause, where in decoded.refused)
    unknown = [one.cause == Cause.UNKNOWN_TOPIC for one in ignored]
    if not readings and not ignored and decoded.events:
        ignored = (Ignored("noted", NOTED, _noted(decoded)),)
    if message.topic.startswith(f"{client_id}/") and all(unknown):
        ignored = (Ignored("ours", OURS, ""),)
    return Told(message.topic, readings, ignored)


def _noted(decoded: Decoded) -> str:
    """What a message without readings has said; empty where there is no more to it."""
    told = [one.what for one in decoded.events if isinstance(one, Noted)]
    gone = [machine.name for one in decoded.events if isinstance(one, Gone) for machine in one.machines]
    return ", ".join([*told, *([f"silent from now on: {', '.join(gone)}"] if gone else [])])


def moment(time_ns: int) -> str:
    """To the millisecond, in UTC."""
    return datetime.fromtimestamp(time_ns // 1_000_000 / 1000, UTC).isoformat(timespec="milliseconds")


def in_words(told: Told) -> list[str]:
    """Lines for a terminal: one for each machine of the message, one for each part that is ignored."""
    lines = []
    machines: dict[tuple[str, tuple[tuple[str, str], ...]], list[Value]] = {}
    for one in told.readings:
        machines.setdefault((one.machine, tuple(one.tags.items())), []).append(one)
    for (machine, tags), values in machines.items():
        names = " ".join([f"machine={machine}", *(f"{key}={text}" for key, text in tags)])
        lines.append(f"{told.topic} -> {names}: {', '.join(f'{one.sensor}={one.value:g}' for one in values)}")
    for cause, why, where in told.ignored:
        about = f" ({where})" if where and where != told.topic else ""
        lines.append(f"{told.topic} -> ignored, {cause}{about}: {why}")
    return [repr(line)[1:-1] if not line.isprintable() else line for line in lines]
