"""One number in ASCII per message, such as `21.5`; machine and sensor come from the topic."""

import math

from pipeline.config.settings import Source
from pipeline.payloads.decoded import Cause, Decoded, Route, Window, refusal
from pipeline.records import MAX_MAGNITUDE, Machine, Reading
from pipeline.topics import Captures

MAX_BYTES = 1024  # exact decimals of a double have at most 1075 digits, and nobody sends them


class Number:
    """The format `number`: its readings carry the time of arrival."""

    def __init__(self, source: Source, window: Window) -> None:
        pass  # nothing about a bare number can be set

    def route(self, captures: Captures) -> Route:
        """The decoder of one topic."""
        if captures.machine is None:
            return lambda payload, received_ns: refusal(Cause.NO_MACHINE)
        if captures.sensor is None:
            return lambda payload, received_ns: refusal(Cause.NO_SENSOR)
        machine, sensor = Machine(captures.machine, captures.tags), captures.sensor
        new = tuple.__new__  # a third of the time of a named tuple's own constructor

        def decode(payload: bytes, received_ns: int) -> Decoded:
            try:
                # ValueError also for text that `float` alone would take: 1_000, or a megabyte of digits.
                value = float(payload) if len(payload) <= MAX_BYTES and b"_" not in payload else _no_number()
            except ValueError:
                return refusal(Cause.NOT_NUMBER if payload.strip() else Cause.EMPTY, sensor)
            if -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE:
                return new(Decoded, ((new(Reading, (machine, sensor, received_ns, value)),), ()))
            if math.isnan(value):
                return refusal(Cause.NAN, sensor)
            spelled_out = b"inf" in payload.lower()
            return refusal(Cause.INFINITE if spelled_out else Cause.MAGNITUDE, sensor)

        return decode


def _no_number() -> float:
    raise ValueError
