"""Bytes in and out: what each source has sent, and what is left of it in points and announcements.

The ratio of the two is what a database or broker elsewhere need not carry. Both sides are counted before any
compression, and without what the protocols add: of a message its topic and payload, of a point its MessagePack, as in
the outbox (line protocol is about a third longer), of an announcement again topic and payload. Counted since the
start, once each: neither messages that the broker repeats nor announcements and points that are sent again.

Sources are named by their topic as it is configured, so there are no more names than the configuration has.
"""

from collections.abc import Callable, Iterable

from pipeline.config.settings import Source
from pipeline.payloads import MAX_ROUTE_TOPIC, MAX_ROUTES, Decoded
from pipeline.records import Announcement, Message
from pipeline.service.unread import Trouble, Unread

Figures = dict[str, float | int | str | bool]


class Amount:
    """Messages and their bytes."""

    __slots__ = ("count", "size")

    def __init__(self) -> None:
        self.count = self.size = 0


class Received(Amount):
    """The messages of a source, and what was read of them."""

    __slots__ = ("readings", "unread")

    def __init__(self) -> None:
        super().__init__()
        self.readings = 0
        self.unread = Unread()


class Volume:
    """Counts of one life of the service; one thread writes."""

    def __init__(self, sources: Iterable[Source], source_of: Callable[[str], Source | None]) -> None:
        """`source_of` tells whose a topic is; what is nobody's is not counted."""
        self.sources = {source.topic: Received() for source in sources}
        self.said = Amount()
        self._source_of = source_of
        self._topics: dict[str, tuple[Received, int]] = {}  # of a topic: where it is counted, and its own bytes

    def came(self, messages: Iterable[Message], decoded: Iterable[Decoded]) -> None:
        """Count the messages of a batch, with what each was decoded to."""
        known = self._topics
        for message, found in zip(messages, decoded, strict=True):
            source, size = known.get(message.topic) or self._known(message.topic)
            source.count += 1
            source.size += size + len(message.payload) + message.skipped
            if found.readings:
                source.readings += len(found.readings)
                if source.unread.messages:
                    source.unread.clear()
            else:
                source.unread.add(message, found)

    def troubles(self) -> list[Trouble]:
        """The sources of which nothing can be read."""
        found = (source.unread.trouble(topic) for topic, source in self.sources.items())
        return [one for one in found if one is not None]

    def _known(self, topic: str) -> tuple[Received, int]:
        source = self._source_of(topic)
        found = Received() if source is None else self.sources[source.topic], len(topic.encode("utf-8", "replace"))
        if len(topic) <= MAX_ROUTE_TOPIC:  # in the bounds of the decoder, for the same reasons
            if len(self._topics) >= MAX_ROUTES:
                self._topics.clear()
            self._topics[topic] = found
        return found

    def went(self, announcement: Announcement) -> None:
        """Count an announcement."""
        self.said.count += 1
        self.said.size += len(announcement.topic.encode("utf-8", "replace")) + len(announcement.payload)

    @property
    def bytes_in(self) -> int:
        """Of all sources."""
        return sum(amount.size for amount in self.sources.values())

    def figures(self, points_bytes: int) -> Figures:
        """Counters by name, with the bytes of points that somebody else has counted."""
        found: Figures = {
            "bytes_in": self.bytes_in,
            "points_bytes": points_bytes,
            "announcements": self.said.count,
            "announcements_bytes": self.said.size,
        }
        if out := points_bytes + self.said.size:
            found["reduction"] = self.bytes_in / out
        for topic, amount in self.sources.items():
            found[f"source_messages_{topic}"] = amount.count
            found[f"source_bytes_{topic}"] = amount.size
            found[f"source_readings_{topic}"] = amount.readings
        return found
