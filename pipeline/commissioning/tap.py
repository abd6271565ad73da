"""What becomes of one live message, in words: its machine and sensors, and what is ignored and why."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import NamedTuple

from msgspec.structs import replace

from pipeline.config.settings import Source, Times
from pipeline.payloads import Cause, Decoded, Decoder
from pipeline.payloads.decoded import Gone, Noted
from pipeline.payloads.why import WHY
from pipeline.records import Message

SIFTED = "no measurement, as ignore of its source says"
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


class Unsifted:
    """The same sources without what they ignore, so that it can be told what that is."""

    def __init__(self, sources: Sequence[Source], times: Times, message_bytes: int) -> None:
        self._ignoring = any(source.ignore for source in sources)
        self._sources = Decoder(sources, times, message_bytes)
        self._all = Decoder([replace(source, ignore=()) for source in sources], times, message_bytes)

    def ignored(self, message: Message) -> list[str]:
        """The sensors in a message that its source ignores; to be asked of every message, as some build on others."""
        if not self._ignoring:
            return []
        readings, refused, _ = self._all.decode(message)
        source = self._sources.source_of(message.topic)
        patterns = () if source is None else source.ignore
        names = {one.sensor for one in readings} | {where.partition(": ")[0] for _, where in refused}
        return sorted(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


def tell(message: Message, decoded: Decoded, client_id: str, sifted: Sequence[str] = ()) -> Told:
    """What became of a message; `sifted`: sensors in it that its source ignores.

    Topics below `client_id` that no source matches are the service's own.
    """
    readings = tuple(
        Value(one.machine.name, dict(one.machine.tags), one.sensor, one.value, moment(one.time_ns))
        for one in decoded.readings
    )
    ignored = tuple(Ignored(str(cause), WHY[cause], where) for cause, where in decoded.refused)
    if sifted:
        by_name = tuple(Ignored(str(Cause.IGNORED), SIFTED, sensor) for sensor in sifted)
        ignored = (*(one for one in ignored if one.cause != Cause.IGNORED), *by_name)
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
    sifted = [one.where for one in told.ignored if one.why == SIFTED]
    if sifted:
        lines.append(f"{told.topic} -> ignored ({', '.join(sifted)}): {SIFTED}")
    for cause, why, where in told.ignored:
        if why == SIFTED:
            continue
        about = f" ({where})" if where and where != told.topic else ""
        lines.append(f"{told.topic} -> ignored, {cause}{about}: {why}")
    return [repr(line)[1:-1] if not line.isprintable() else line for line in lines]
