"""What a source would make of messages: each way to read them is tried with the service's own decoder. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.commissioning.proposing.heard import Topic
from pipeline.commissioning.proposing.kinds import MESSAGE_BYTES
from pipeline.config.settings import Source, Times
from pipeline.payloads import Cause, Decoded, Decoder
from pipeline.records import Message, Reading

ENOUGH = 200  # messages that a way is tried on


class Fit(NamedTuple):
    """How well a source reads messages; the larger, the better."""

    unique: bool  # there are readings, also of a bad quality, and no sensor has two of one time in one message
    readings: int  # also those of a bad quality
    understood: int  # parts that were not refused, as a negative number of those that were


class Trial(NamedTuple):
    """What a source made of messages."""

    readings: Sequence[Reading]
    refused: Sequence[tuple[str, str]]  # cause, where
    repeated: str  # a sensor that had two readings of one time in one message; empty where none had

    @property
    def bad(self) -> int:
        """How many samples were read, and refused for their quality only."""
        return sum(cause == Cause.BAD_QUALITY for cause, _ in self.refused)

    @property
    def fit(self) -> Fit:
        """How well that is."""
        found = len(self.readings) + self.bad
        return Fit(not self.repeated and bool(found), found, self.bad - len(self.refused))

    @property
    def causes(self) -> Mapping[str, int]:
        """How often what was refused, by cause."""
        return dict(sorted(Counter(cause for cause, _ in self.refused).items()))


def some(members: Sequence[Topic], enough: int = ENOUGH) -> list[Message]:
    """The newest messages of each topic, a bounded number of all, in the order of topics."""
    each = max(1, enough // max(1, len(members)))
    return [message for one in members[:enough] for message in one.messages[-each:]]


def shortened(members: Sequence[Topic], enough: int = 2 * ENOUGH) -> list[Topic]:
    """The same topics with the newest messages of each, a bounded number of all."""
    each = max(1, enough // max(1, len(members)))
    return [one._replace(trees=one.trees[-each:], messages=one.messages[-each:]) for one in members]


def decoded(decoder: Decoder, message: Message) -> Decoded:
    """What is stored gives the service no reading, but shows as well as any other what there is."""
    return decoder.decode(message._replace(retained=False))


def tried(source: Source, messages: Sequence[Message]) -> Trial:
    """What a source makes of messages."""
    decoder = Decoder((source,), Times(), MESSAGE_BYTES)
    readings: list[Reading] = []
    refused: list[tuple[str, str]] = []
    repeated = ""
    for message in messages:
        found = decoded(decoder, message)
        count = Counter(reading[:3] for reading in found.readings)
        repeated = repeated or next((sensor for (_, sensor, _), times in count.items() if times > 1), "")
        readings += found.readings
        refused += [(str(cause), where) for cause, where in found.refused]
    return Trial(readings, refused, repeated)


def in_words(causes: Mapping[str, int]) -> str:
    """Causes and how often, for a person."""
    return ", ".join(f"{count} x {cause}" for cause, count in sorted(causes.items()))
