"""Messages to readings. A format is one file and one line in PAYLOADS.

`Decoder` finds the source of a topic and hands the payload to its format. It promises that any message gives
readings, refusals or both, and never an exception.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from pipeline.config.settings import Source, Times, duration_ns, unix_ns
from pipeline.payloads.binary import Cbor, MessagePack
from pipeline.payloads.compression import unwrapping
from pipeline.payloads.csv_rows import CsvRows
from pipeline.payloads.decoded import Cause, Decoded, Refusal, Route, Window, is_name, refusal
from pipeline.payloads.influx import Influx
from pipeline.payloads.json_object import JsonObject
from pipeline.payloads.number import Number
from pipeline.payloads.rules import Rules
from pipeline.payloads.senml import SenML
from pipeline.payloads.sparkplug import Sparkplug
from pipeline.payloads.waveform import WaveformBlocks
from pipeline.records import Message
from pipeline.topics import Captures, parse

__all__ = ["PAYLOADS", "Cause", "Decoded", "Decoder", "Format", "Refusal"]


class Format(Protocol):
    """A payload format, as one source sets it."""

    def __init__(self, source: Source, window: Window) -> None: ...

    def route(self, captures: Captures) -> Route:
        """The decoder of one topic's payloads; it must not raise."""
        ...


@runtime_checkable
class Conversation(Protocol):
    """A format whose messages mean what earlier ones have said; it reads topics itself, and gives events."""

    def __init__(self, source: Source, window: Window) -> None: ...

    def listen(self, topic: str) -> Route:
        """The decoder of one topic's payloads; it must not raise."""
        ...

    def interrupted(self) -> None:
        """Messages may have been missed before the next one."""
        ...

    def overdue(self, now_ns: int) -> Decoded:
        """What has waited for long enough for something that has not come, at this time of arrival."""
        ...

    def restore(self, key: str, content: bytes) -> None:
        """Something that an event said to keep; ValueError where it is nothing of the kind."""
        ...


PAYLOADS: Mapping[str, type[Format] | type[Conversation]] = {
    "number": Number,
    "json": JsonObject,
    "cbor": Cbor,
    "msgpack": MessagePack,
    "senml": SenML,
    "influx": Influx,
    "csv": CsvRows,
    "sparkplug": Sparkplug,
    "waveform": WaveformBlocks,
}

MAX_ROUTES = 20_000  # topics remembered; all are forgotten when full, which costs time and nothing else
MAX_ROUTE_TOPIC = 512  # characters; longer topics are decoded but not remembered, to bound the memory


def tag_counts(sources: Iterable[Source]) -> set[int]:
    """How many tags machines have that are not captures of their topic: group, or group and node."""
    return {1, 2} if any(source.payload == "sparkplug" for source in sources) else set()


class Decoder:
    """Decodes every message of all sources. The first source whose topic matches counts.

    Sources must be valid, as `config.load` makes sure; ValueError where they are not. Messages on topics that are
    `own` are what we say ourselves: they give neither readings nor refusals.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        times: Times,
        message_bytes: int,
        own: Callable[[str], bool] = lambda topic: False,
    ) -> None:
        self._own = own
        self._sources = sources
        window = Window(unix_ns(times.oldest), duration_ns(times.future))
        self._message_bytes = message_bytes
        self._formats = [
            (parse(source.topic), PAYLOADS[source.payload](source, window), Rules(source), source.compression)
            for source in sources
        ]
        self._conversations = [form for _, form, _, _ in self._formats if isinstance(form, Conversation)]
        self._connection = 0
        self._routes: dict[str, Route] = {}

    def decode(self, message: Message) -> Decoded:
        """The readings, refusals and events of a message; one of them at least is not empty, but for our own."""
        topic, payload, received_ns, _, _, connection, _, _, skipped, retained = message
        if skipped or len(payload) > self._message_bytes:
            return refusal(Cause.TOO_LARGE, f"{skipped or len(payload)} bytes")
        if retained and self._refuses_retained(topic):
            return refusal(Cause.RETAINED, topic)
        if self._conversations and connection != self._connection:
            self._connection = connection
            for form in self._conversations:
                form.interrupted()
        route = self._routes.get(topic)
        if route is None:
            route = self._route(topic)
            if len(topic) <= MAX_ROUTE_TOPIC:
                if len(self._routes) >= MAX_ROUTES:
                    self._routes.clear()
                self._routes[topic] = route
        return route(payload, received_ns)

    def _refuses_retained(self, topic: str) -> bool:
        """Whether what the broker has stored gives no readings. It need not be fast: it comes when we subscribe."""
        source = self.source_of(topic)
        return source is not None and source.retained == "refuse"

    def source_of(self, topic: str) -> Source | None:
        """The source whose messages are published there; None for what we say ourselves and what is nobody's."""
        if self._own(topic):
            return None
        for (template, *_), source in zip(self._formats, self._sources, strict=True):
            if template.match(topic) is not None:
                return source
        return None

    def overdue(self, now_ns: int) -> Decoded:
        """What has waited too long for another message, to be asked now and then. `now_ns`: as times of arrival."""
        found = [
            rules.sift(form.overdue(now_ns)) for _, form, rules, _ in self._formats if isinstance(form, Conversation)
        ]
        return Decoded(
            [reading for one in found for reading in one.readings],
            [refused for one in found for refused in one.refused],
            [event for one in found for event in one.events],
        )

    def restore(self, key: str, content: bytes) -> None:
        """Something that an event said to keep, before the first message; ValueError where nobody knows it now."""
        topic = key.partition("#")[0]
        for template, form, _, _ in self._formats:
            if isinstance(form, Conversation) and template.match(topic) is not None:
                form.restore(key, content)
                return
        raise ValueError(f"no source listens to {topic[:80]!r}")

    def _route(self, topic: str) -> Route:
        if self._own(topic):
            return lambda payload, received_ns: Decoded((), ())
        for template, form, rules, wrapping in self._formats:
            captures = template.match(topic)
            if captures is not None:
                named = [name for name in (captures.machine, captures.sensor) if name is not None]
                if not all(is_name(name) for name in (*named, *(level for _, level in captures.tags))):
                    return lambda payload, received_ns: refusal(Cause.BAD_NAME, topic)
                route = rules.sifted(form.listen(topic) if isinstance(form, Conversation) else form.route(captures))
                return route if wrapping == "none" else unwrapping(route, wrapping, self._message_bytes)
        return lambda payload, received_ns: refusal(Cause.UNKNOWN_TOPIC, topic)
