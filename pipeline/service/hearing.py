"""What a batch of messages says beside its readings: who has stopped sending, what to keep, what to ask for."""

import logging
from collections.abc import Mapping, Sequence

from pipeline.payloads import Decoder
from pipeline.payloads.decoded import Event, Gone, Kept, Request
from pipeline.records import Announcement, Machine, Reading

log = logging.getLogger("spikewatch")


class Hearing:
    """The events of messages, given in order of arrival."""

    def __init__(self) -> None:
        self.gone: dict[Machine, None] = {}  # machines of which nothing was heard after that
        self.kept: dict[str, bytes] = {}
        self.requests: list[Announcement] = []

    def take(self, readings: Sequence[Reading], events: Sequence[Event]) -> None:
        """The readings and events of one message; one without events matters only while a machine is gone."""
        for reading in readings if self.gone else ():
            self.gone.pop(reading.machine, None)
        for event in events:
            if isinstance(event, Kept):
                self.kept[event.key] = event.content
            elif isinstance(event, Gone):
                self.gone |= dict.fromkeys(event.machines)
            elif isinstance(event, Request):
                self.requests.append(Announcement(event.topic, event.payload, retain=False, qos=0))


def remember(decoder: Decoder, kept: Mapping[str, bytes]) -> dict[str, bytes]:
    """Give a decoder what earlier lives have kept; returns what is to be kept no more."""
    forgotten: dict[str, bytes] = {}
    for key, content in kept.items():
        try:
            decoder.restore(key, content)
        except ValueError as error:
            if not forgotten:
                first = f'first={key[:200]} reason="{error}"'
            forgotten[key] = b""
    if forgotten:  # after a change of the configuration that may be one of every machine
        log.warning("kept.forgotten count=%d %s", len(forgotten), first)
    return forgotten
