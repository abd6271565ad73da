"""Messages to readings. A format is one file and one line in PAYLOADS.

`Decoder` finds the source of a topic and hands the payload to its format. It promises that any message gives
readings, refusals or both, and never an exception.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from pipeline.config.settings import Source, Times, duration_ns, unix_ns
from pipeline.payloads.decoded import Cause, Decoded, Refusal, Route, Window, is_name, refusal
from pipeline.payloads.json_object import JsonObject
from pipeline.payloads.number import Number
from pipeline.payloads.rules import Rules
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


PAYLOADS: Mapping[str, type[Format]] = {
    "number": Number,
    "json": JsonObject,
    "waveform": WaveformBlocks,
}

MAX_ROUTES = 20_000  # topics remembered; all are forgotten when full, which costs time and nothing else
MAX_ROUTE_TOPIC = 512  # characters; longer topics are decoded but not remembered, to bound the memory


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
            (parse(source.topic), PAYLOADS[source.payload](source, window), Rules(source)) for source in sources
        ]
        self._routes: dict[str, Route] = {}

    def decode(self, message: Message) -> Decoded:
        """The readings and refusals of a message; at least one of them is not empty, but for our own."""
        topic, payload, received_ns, _, _, _, _, _, skipped, retained = message
        if skipped or len(payload) > self._message_bytes:
            return refusal(Cause.TOO_LARGE, f"{skipped or len(payload)} bytes")
        if retained and self._refuses_retained(topic):
            return refusal(Cause.RETAINED, topic)
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
        if self._own(topic):
            return False
        for (template, _, _), source in zip(self._formats, self._sources, strict=True):
            if template.match(topic) is not None:
                return source.retained == "refuse"
        return False

    def _route(self, topic: str) -> Route:
        if self._own(topic):
            return lambda payload, received_ns: Decoded((), ())
        for template, form, rules in self._formats:
            captures = template.match(topic)
            if captures is not None:
                named = [name for name in (captures.machine, captures.sensor) if name is not None]
                if not all(is_name(name) for name in (*named, *(level for _, level in captures.tags))):
                    return lambda payload, received_ns: refusal(Cause.BAD_NAME, topic)
                return rules.sifted(form.route(captures))
        return lambda payload, received_ns: refusal(Cause.UNKNOWN_TOPIC, topic)
