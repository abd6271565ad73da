"""Sources of which nothing can be read: all that arrives is refused, so nothing is watched.

A refusal is counted, and one among many readings is no more than that. Where a source gives refusals only, its
configuration does not fit what is sent, and whoever operates the service must be told, with an example.
"""

from collections import Counter
from typing import NamedTuple

from pipeline.payloads.decoded import Cause, Decoded
from pipeline.payloads.why import WHY
from pipeline.records import Message

ENOUGH = 5  # messages in a row without a reading
ENOUGH_NS = 10 * 10**9  # and the time in which they have to arrive at least: what was stored arrives at once
MEANT = frozenset((Cause.IGNORED, Cause.RETAINED))  # refused because the source says so


class Trouble(NamedTuple):
    """What a source sends, and why it gives no reading."""

    source: str  # its topic, as configured
    messages: int  # without a reading since the last that gave one
    since_s: float  # Unix time of arrival of the first of them
    causes: dict[str, int]  # most frequent first
    topic: str  # of an example
    why: str  # it was refused, in words


class Unread:
    """The messages of one source that gave no reading, since the last that did."""

    __slots__ = ("begin_ns", "causes", "example", "messages", "newest_ns")

    def __init__(self) -> None:
        self.causes: Counter[str] = Counter()
        self.messages = self.begin_ns = self.newest_ns = 0
        self.example = ("", "")

    def add(self, message: Message, decoded: Decoded) -> None:
        """One message that gave no reading; one that says something else, or was meant to be refused, is none."""
        if decoded.events or not decoded.refused or all(cause in MEANT for cause, _ in decoded.refused):
            return
        cause, detail = decoded.refused[0]
        if not self.messages:
            self.begin_ns = message.received_ns
        self.messages += 1
        self.newest_ns = message.received_ns
        self.causes.update(str(one) for one, _ in decoded.refused)
        about = f" ({detail})" if detail and detail != message.topic else ""
        self.example = message.topic[:200], f"{WHY[cause]}{about}"

    def causes_in_words(self) -> str:
        """Each with how often, most frequent first."""
        return ", ".join(f"{count} {cause}" for cause, count in self.causes.most_common())

    def clear(self) -> None:
        """There is a reading."""
        self.causes.clear()
        self.messages = 0

    def trouble(self, source: str) -> Trouble | None:
        """What is to be told of the source of this topic; None where too little came, or it is understood."""
        if self.messages < ENOUGH or self.newest_ns - self.begin_ns < ENOUGH_NS:
            return None
        return Trouble(source, self.messages, self.begin_ns / 1e9, dict(self.causes.most_common()), *self.example)
