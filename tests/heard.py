"""What `init` is given in its tests: messages of a plant that arrive second by second, and what is made of them."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pipeline.commissioning.proposing import Proposal, Proposed, as_yaml, propose
from pipeline.config.file import parsed
from pipeline.payloads import Decoder
from pipeline.records import Message

NOW = 1_781_000_000_000_000_000  # 2026-06-09T10:13:20Z, a summer's day on which day and month are not the same
SECOND = 10**9
Payload = bytes | str | Callable[[int], object]  # a function of the Unix time, in nanoseconds, at which it is sent


def said(topic: str, payload: Payload, count: int = 4, now: int = NOW, retained: bool = False) -> list[Message]:
    """A topic's messages, one a second, each 40 ms on its way."""
    found = []
    for number in range(count):
        sent = now + number * SECOND
        content = payload(sent) if callable(payload) else payload
        if not isinstance(content, bytes | str):
            content = json.dumps(content)
        data = content.encode() if isinstance(content, str) else content
        found.append(Message(topic, data, sent + 40_000_000, retained=retained))
    return found


def of_all(*topics: Sequence[Message]) -> list[Message]:
    """Messages of several topics in the order in which they arrive."""
    return sorted((message for one in topics for message in one), key=lambda message: message.received_ns)


def clock(time_ns: int, zone: str, written: str) -> str:
    """What a clock in a zone shows."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC).astimezone(ZoneInfo(zone)).strftime(written)


def iso(time_ns: int) -> str:
    return clock(time_ns, "UTC", "%Y-%m-%dT%H:%M:%SZ")


def only(found: Proposed) -> Proposal:
    (one,) = found.proposals
    return one


def understood(found: Proposed, messages: Sequence[Message]) -> list[tuple[str, str, float, float]]:
    """Machine, sensor, value, and seconds since NOW, as the service reads these messages with what `init` writes."""
    config = parsed(as_yaml(found, "mqtt://127.0.0.1:1883"), "plant.yaml", {})
    assert config.mqtt.sources == tuple(one.source for one in found.proposals)
    decoder = Decoder(config.mqtt.sources, config.times, 1_048_576)
    return [
        (one.machine.name, one.sensor, one.value, (one.time_ns - NOW) / SECOND)
        for message in messages
        for one in decoder.decode(message).readings
    ]


def first(found: Proposed, messages: Sequence[Message]) -> dict[tuple[str, str], float]:
    """The first value of each sensor of each machine."""
    values: dict[tuple[str, str], float] = {}
    for machine, sensor, value, _ in understood(found, messages):
        values.setdefault((machine, sensor), value)
    return values


__all__ = ["NOW", "SECOND", "clock", "first", "iso", "of_all", "only", "propose", "said", "understood"]
