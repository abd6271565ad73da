"""What lies in the log: readings of the machines of one bucket, or a command to one of them, as bytes.

A machine belongs to the bucket that its identity hashes to, for life. A message holds rows of many machines of one
bucket, as columns of numbers with the names beside them. Its sender numbers the messages of each bucket upwards, so
that one which comes twice is known again.

Pure. A message that cannot be read is an `UnreadableError` that names its cause, whatever its bytes are.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import msgspec
import numpy as np

from pipeline.engine.commands import Command, CommandError, checked
from pipeline.identity import identity
from pipeline.records import MAX_MAGNITUDE, Bools, Floats, Ints, Machine, Reading

FORMAT = 1  # of a message; raised when a field changes its meaning
COLUMNS = ("<u4", "<i8", "<f8", "u1")  # which sensor of the message, time_ns, value, ends


class UnreadableError(Exception):
    """The bytes are no message; `args` are the cause, a word for its counter, and what is wrong."""


class Header(NamedTuple):
    """Of every message."""

    format: int
    buckets: int  # how many there are: another number would put machines elsewhere
    bucket: int  # to which one
    sender: int  # one life of a sender
    number: int  # of its messages to this bucket, from 1 on


class Named(NamedTuple):
    """A machine, and those of its sensors that a message is about, in order of their first readings in it."""

    machine: Machine
    sensors: tuple[str, ...]


class Columns(NamedTuple):
    """Readings in order of arrival. `sensor` counts the sensors of the machines one after the other.

    `ends` is that of `pipeline.records.Readings`, as it was in the whole of what the sender got.
    """

    sensor: Ints
    time_ns: Ints
    value: Floats
    ends: Bools


class Rows(msgspec.Struct, array_like=True, tag="rows", frozen=True, forbid_unknown_fields=True):
    """Readings."""

    header: Header
    machines: tuple[msgspec.Raw, ...]  # each a `Named`; a reader knows most of them from before
    columns: bytes


class Said(msgspec.Struct, array_like=True, tag="said", frozen=True, forbid_unknown_fields=True):
    """A command."""

    header: Header
    command: Command


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Rows | Said).decode
_decode_named = msgspec.msgpack.Decoder(Named).decode


@lru_cache(maxsize=262_144)
def bucket_of(machine: Machine, buckets: int) -> int:
    """The bucket of a machine, of so many."""
    return crc32(identity(machine).encode()) % buckets


def read(payload: bytes, bucket: int, buckets: int) -> Rows | Said:
    """A message to a bucket, of so many; raises UnreadableError."""
    try:
        message: Rows | Said = _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError("not_message", str(error)) from None
    header = message.header
    if header.format != FORMAT:
        raise UnreadableError("format", f"a message of format {header.format}, this version reads {FORMAT}")
    if header.buckets != buckets:
        raise UnreadableError("buckets", f"its sender has {header.buckets} buckets, this application {buckets}")
    if header.bucket != bucket:
        raise UnreadableError("bucket", f"a message to bucket {header.bucket}, not to {bucket}")
    if isinstance(message, Said):
        try:
            checked(message.command)
        except CommandError as error:
            raise UnreadableError("command", str(error)) from None
    return message


def read_named(entry: bytes) -> Named:
    """One of `Rows.machines`; raises UnreadableError."""
    try:
        return _decode_named(entry)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError("not_message", str(error)) from None


def read_columns(rows: Rows, sensors: int) -> Columns:
    """The columns of readings of so many sensors; raises UnreadableError."""
    width = sum(np.dtype(kind).itemsize for kind in COLUMNS)
    count, rest = divmod(len(rows.columns), width)
    if rest:
        raise UnreadableError("not_message", f"{len(rows.columns)} bytes of columns, which are {width} a reading")
    found, begin = [], 0
    for kind in COLUMNS:
        found.append(np.frombuffer(rows.columns, kind, count, begin))
        begin += count * np.dtype(kind).itemsize
    sensor, time_ns, value, ends = found
    if count and int(sensor.max()) >= sensors:
        raise UnreadableError("not_message", f"a reading of sensor {int(sensor.max())} of {sensors}")
    if not (np.abs(value) <= MAX_MAGNITUDE).all():  # False where it is not a number, too
        raise UnreadableError("value", "a value that is not finite, or too large")
    if count and not ends[-1]:
        raise UnreadableError("not_message", "the last reading ends no row")
    return Columns(sensor.astype(np.int64), time_ns.astype(np.int64), value.astype(np.float64), ends != 0)


class _Open:
    """What is gathered for one bucket."""

    def __init__(self) -> None:
        self.machines: dict[Machine, tuple[int, dict[str, int]]] = {}  # its number here, and those of its sensors
        self.where: list[tuple[int, int]] = []
        self.times: list[int] = []
        self.values: list[float] = []
        self.ends: list[bool] = []

    def add(self, reading: Reading) -> None:
        machine, sensor, time_ns, value = reading
        number, sensors = self.machines.setdefault(machine, (len(self.machines), {}))
        self.where.append((number, sensors.setdefault(sensor, len(sensors))))
        self.times.append(time_ns)
        self.values.append(value)
        self.ends.append(False)

    def written(self, header: Header) -> bytes:
        """All of it as a message."""
        begins = np.cumsum([0, *(len(sensors) for _, sensors in self.machines.values())])
        number, own = np.array(self.where, np.int64).T
        columns = (begins[number] + own, self.times, self.values, self.ends)
        packed = b"".join(np.asarray(one).astype(kind).tobytes() for one, kind in zip(columns, COLUMNS, strict=True))
        named = tuple(
            msgspec.Raw(_encode(Named(machine, tuple(sensors)))) for machine, (_, sensors) in self.machines.items()
        )
        return _encode(Rows(header, named, packed))


class Packer:
    """Gathers readings and commands, and gives them out as messages of buckets, in order."""

    def __init__(self, buckets: int, sender: int) -> None:
        """`sender`: a number that no other life of a sender has."""
        self._buckets, self._sender = buckets, sender
        self._numbers: dict[int, int] = {}  # of each bucket's newest message
        self._open: dict[int, _Open] = {}

    def add(self, readings: Sequence[Reading]) -> None:
        """Gather the readings of one message of a machine, or of several."""
        last: _Open | None = None
        row: tuple[Machine, int] | None = None
        for reading in readings:
            now = reading.machine, reading.time_ns
            if last is not None and now != row:
                last.ends[-1] = True
            row = now
            last = self._open.setdefault(bucket_of(reading.machine, self._buckets), _Open())
            last.add(reading)
        if last is not None:
            last.ends[-1] = True

    def flush(self) -> list[tuple[int, bytes]]:
        """Buckets and their messages, of all that was gathered."""
        given = [(bucket, one.written(self._header(bucket))) for bucket, one in self._open.items()]
        self._open.clear()
        return given

    def say(self, command: Command) -> list[tuple[int, bytes]]:
        """The same, and a command after it."""
        bucket = bucket_of(command.machine, self._buckets)
        return [*self.flush(), (bucket, _encode(Said(self._header(bucket), command)))]

    def _header(self, bucket: int) -> Header:
        number = self._numbers[bucket] = self._numbers.get(bucket, 0) + 1
        return Header(FORMAT, self._buckets, bucket, self._sender, number)
