"""What a format takes from one message, value by value: checked, counted, and in the order the engine wants.

For formats that find their values themselves (line protocol, CSV, SenML, Sparkplug). Promises what every format does:
no value is lost without a named cause, and readings of one machine and time are adjacent.
"""

import math
import re

from pipeline.payloads.decoded import Cause, Decoded, Refusal, Window, is_name, refuse
from pipeline.payloads.stamps import shown
from pipeline.payloads.walk import gather
from pipeline.records import MAX_MAGNITUDE, Machine, Reading

LONGEST_INTEGER = 40  # characters; longer ones take `int` quadratic time, or make it raise
_NUMBER = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?", re.ASCII)
_SPELLED_OUT = {
    "nan": Cause.NAN,
    **dict.fromkeys(("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"), Cause.INFINITE),
}


class Collection:
    """The readings and refusals of one message. `machine`, `sensor` given to it must be names."""

    __slots__ = ("_rows", "_sorted", "_window", "readings", "received_ns", "refused")

    def __init__(self, window: Window, received_ns: int) -> None:
        self.readings: list[Reading] = []
        self.refused: list[Refusal] = []
        self.received_ns = received_ns
        self._window = window
        self._rows: set[tuple[Machine, int]] = set()
        self._sorted = True

    def refuse(self, cause: Cause, detail: str = "") -> None:
        """Count a part that gives no reading."""
        refuse(self.refused, cause, detail)

    def believes(self, time_ns: int, detail: str) -> bool:
        """Whether a time stamp, Unix nanoseconds, can be believed; else it is refused."""
        beyond = self._window.beyond(time_ns, self.received_ns)
        if beyond is not None:
            self.refuse(beyond, f"{detail} {shown(time_ns)}")
        return beyond is None

    def named(self, name: str) -> bool:
        """Whether something can have this name; else it is refused."""
        if is_name(name):
            return True
        self.refuse(Cause.BAD_NAME, name)
        return False

    def add(self, machine: Machine, sensor: str, time_ns: int, value: float) -> None:
        """One value, at a time that is believed."""
        if not -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE:
            infinite = isinstance(value, float) and math.isinf(value)
            self.refuse(Cause.NAN if value != value else Cause.INFINITE if infinite else Cause.MAGNITUDE, sensor)
            return
        row = (machine, time_ns)
        if not self.readings or self.readings[-1].time_ns != time_ns or self.readings[-1].machine != machine:
            if row in self._rows:
                self._sorted = False
            self._rows.add(row)
        self.readings.append(Reading(machine, sensor, time_ns, float(value)))

    def decoded(self) -> Decoded:
        """What the message came to."""
        if not self.readings and not self.refused:
            self.refuse(Cause.EMPTY)
        if self._sorted:
            return Decoded(self.readings, self.refused)
        return Decoded(gather(self.readings), self.refused)


def number(text: str) -> float | Cause:
    """The value of a number in decimal, with a point; why it is none where it is none.

    >>> number("-1.5e3"), number("12 bar")
    (-1500.0, <Cause.TEXT: 'text'>)
    """
    if _NUMBER.fullmatch(text) is None:
        return _SPELLED_OUT.get(text.lower(), Cause.TEXT)
    value = float(text)
    return value if -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE else Cause.MAGNITUDE
