"""What flows through the service, from a message at one edge to a point at the other.

Message -> Reading -> Readings -> Scores -> Point. Names live in `Message`, `Reading` and `Point`;
everything between them is arrays of numbers. Records are plain tuples: they hold, they do not act.

Imports nothing of ours, so every part may import it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Of a reading. Scoring squares values and sums the squares, which must stay finite (a double ends at 1.8e308).
MAX_MAGNITUDE = 1e100

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Machine(NamedTuple):
    """Identity of a machine: its name plus the other topic captures, so that two sites may use one name."""

    name: str
    tags: tuple[tuple[str, str], ...] = ()  # (key, value), sorted by key


class Message(NamedTuple):
    """What the broker delivered; `mid` and `qos` are what its acknowledgement needs."""

    topic: str
    payload: bytes
    received_ns: int  # Unix time of arrival
    mid: int = 0
    qos: int = 0
    connection: int = 0  # which connection to the broker it came on: it can be acknowledged on no other
    session: int = 0  # how often the broker had forgotten us before; packet ids are of one session
    dup: bool = False  # the broker says it may have sent it before
    skipped: int = 0  # bytes of a payload that was too large to be held; `payload` is empty then
    retained: bool = False  # the broker had stored it before we subscribed: it says nothing of now


class Reading(NamedTuple):
    """One finite value of one sensor."""

    machine: Machine
    sensor: str
    time_ns: int  # Unix time, nanoseconds
    value: float


class Readings(NamedTuple):
    """Rows of numbers, in order of arrival; every array has one entry per reading.

    `line` is the number of a sensor (an input of a network) and `slot` the number of its machine; both are
    given out by `fleet`. `ends` is True on the last reading that a message holds for a machine and time: there a
    machine's row may close. It is a property of the data and not of how it was batched.
    """

    slot: Ints
    line: Ints
    time_ns: Ints
    value: Floats
    ends: Bools

    @classmethod
    def none(cls) -> "Readings":
        """No readings."""
        whole = np.zeros(0, np.int64)
        return cls(whole, whole, whole, np.zeros(0), np.zeros(0, np.bool_))


class Point(NamedTuple):
    """One row for a database. Points are idempotent: same series and time overwrite."""

    measurement: str
    tags: tuple[tuple[str, str], ...]  # sorted by key
    fields: dict[str, float | int | str | bool]
    time_ns: int


class Announcement(NamedTuple):
    """Something to publish over MQTT."""

    topic: str
    payload: bytes
    retain: bool
    qos: int = 1  # 0: said once, and nobody asks whether it arrived
