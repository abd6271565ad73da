"""One number per message, such as `21.5`; machine and sensor come from the topic.

In ASCII, unless the source says that numbers may have a comma or a unit (`number_text`), or what words stand for
(`states`): then text is UTF-8, or else Latin-1, in which every byte is a character.
"""

import math

from pipeline.config.settings import Source
from pipeline.payloads.decoded import Cause, Decoded, Route, Window, refusal
from pipeline.payloads.rules import Rules
from pipeline.records import MAX_MAGNITUDE, Machine, Reading
from pipeline.topics import Captures

MAX_BYTES = 1024  # exact decimals of a double have at most 1075 digits, and nobody sends them


class Number:
    """The format `number`: its readings carry the time of arrival."""

    def __init__(self, source: Source, window: Window) -> None:
        self.rules = Rules(source)

    def route(self, captures: Captures) -> Route:
        """The decoder of one topic."""
        if captures.machine is None:
            return lambda payload, received_ns: refusal(Cause.NO_MACHINE)
        if captures.sensor is None:
            return lambda payload, received_ns: refusal(Cause.NO_SENSOR)
        if self.rules.of(captures.sensor).ignored:
            return lambda payload, received_ns: refusal(Cause.IGNORED, captures.sensor or "")
        machine, sensor = Machine(captures.machine, captures.tags), captures.sensor
        rules = self.rules
        new = tuple.__new__  # a third of the time of a named tuple's own constructor

        def decode(payload: bytes, received_ns: int) -> Decoded:
            try:
                # ValueError also for text that `float` alone would take: 1_000, or a megabyte of digits.
                value = float(payload) if len(payload) <= MAX_BYTES and b"_" not in payload else _no_number()
            except ValueError:
                if not payload.strip():
                    return refusal(Cause.EMPTY, sensor)
                if not rules.reads_words or len(payload) > MAX_BYTES:
                    return refusal(Cause.NOT_NUMBER, sensor)
                text = _text(payload)
                number = rules.number(sensor, text)
                if isinstance(number, Cause):
                    return refusal(number, f"{sensor}: {text}")
                value = number
            if -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE:
                return new(Decoded, ((new(Reading, (machine, sensor, received_ns, value)),), (), ()))
            if math.isnan(value):
                return refusal(Cause.NAN, sensor)
            spelled_out = b"inf" in payload.lower()
            return refusal(Cause.INFINITE if spelled_out else Cause.MAGNITUDE, sensor)

        return decode


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return payload.decode("latin-1")


def _no_number() -> float:
    raise ValueError
