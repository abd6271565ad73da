"""The bytes of Sparkplug B: protocol buffers, as the numbers of their fields in the public specification say.

The only file that knows protobuf. What readings need is declared, everything else is skipped over: metadata and
properties; datasets and templates are told, not taken apart. Texts are declared as bytes, which is the same on the
wire: a name that is not UTF-8 then costs its metric, and not its message.

Specification: Eclipse Sparkplug 3.0.0, chapter 6 (field numbers, 6.4; data types, 6.4.16). Any bytes give a `Payload`
or ValueError.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from pipeline.payloads.compression import unwrapped

MOST_INFLATED = 1 << 20  # bytes of a payload that Sparkplug itself has compressed
COMPRESSED = b"SPBV1.0_COMPRESSED"  # in place of the identifier of such a payload
BOOLEAN = 11  # data type

_PAYLOAD = {"timestamp": (1, "UINT64"), "seq": (3, "UINT64"), "uuid": (4, "BYTES"), "body": (5, "BYTES")}
_METRIC = {
    "name": (1, "BYTES"),
    "alias": (2, "UINT64"),
    "timestamp": (3, "UINT64"),
    "datatype": (4, "UINT32"),
    "is_historical": (5, "BOOL"),
    "is_null": (7, "BOOL"),
}
_VALUES = {
    "int": (10, "UINT32"),
    "long": (11, "UINT64"),
    "float": (12, "FLOAT"),
    "double": (13, "DOUBLE"),
    "boolean": (14, "BOOL"),
    "string": (15, "BYTES"),
    "bytes": (16, "BYTES"),
    "dataset": (17, "BYTES"),
    "template": (18, "BYTES"),
    "extension": (19, "BYTES"),
}


class Metric(NamedTuple):
    """One metric as it was sent; what was not sent is None."""

    name: str | None
    alias: int | None
    time_ms: int | None  # Unix time
    datatype: int  # 0 where none was sent
    null: bool
    kind: str | None  # which of `_VALUES` has the value
    value: Any


class Payload(NamedTuple):
    """A message of an edge node."""

    time_ms: int | None
    seq: int | None  # 0 to 255
    metrics: Iterator[Metric]  # taken one by one: a megabyte can hold half a million of them


class TooLargeError(ValueError):
    """A payload that Sparkplug has compressed unwraps to more than is taken."""


@cache
def _message_class() -> tuple[Any, type[Exception]]:
    """The class of payloads, and what it raises."""
    # Here: most plants need none of it, and it takes as long to load as all other formats.
    from google.protobuf import descriptor_pb2, descriptor_pool
    from google.protobuf.message import DecodeError
    from google.protobuf.message_factory import GetMessageClass

    form = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="spikewatch_sparkplug.proto", package="spikewatch", syntax="proto2"
    )
    metric, payload = file.message_type.add(name="Metric"), file.message_type.add(name="Payload")
    for message, fields in ((metric, _METRIC | _VALUES), (payload, _PAYLOAD)):
        for name, (number, kind) in fields.items():
            field = message.field.add(name=name, number=number, label=form.LABEL_OPTIONAL)
            field.type = getattr(form, f"TYPE_{kind}")
            if name in _VALUES and message is metric:
                field.oneof_index = 0
    metric.oneof_decl.add(name="value")
    payload.field.add(
        name="metrics",
        number=2,
        label=form.LABEL_REPEATED,
        type=form.TYPE_MESSAGE,
        type_name=".spikewatch.Metric",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("spikewatch.Payload")), DecodeError


def read(payload: bytes) -> Payload:
    """What the bytes say; ValueError where they are no payload."""
    kind, no_payload = _message_class()
    try:
        message = kind.FromString(payload)
        if message.uuid == COMPRESSED:
            body = unwrapped(message.body, "auto", MOST_INFLATED)
            if len(body) > MOST_INFLATED:
                raise TooLargeError(f"more than {MOST_INFLATED} bytes when unwrapped")
            message = kind.FromString(body)
    except no_payload as error:
        raise ValueError(str(error)) from None
    time_ms = message.timestamp if message.HasField("timestamp") else None
    seq = message.seq if message.HasField("seq") else None
    return Payload(time_ms, seq, map(_metric, message.metrics))


def _metric(metric: Any) -> Metric:
    kind = metric.WhichOneof("value")
    return Metric(
        metric.name.decode("utf-8", "replace") or None,
        metric.alias if metric.HasField("alias") else None,
        metric.timestamp if metric.HasField("timestamp") else None,
        metric.datatype,
        metric.is_null,
        kind,
        None if kind is None else getattr(metric, kind),
    )


def rebirth(time_ms: int) -> bytes:
    """The payload that asks an edge node for its births."""
    kind, _ = _message_class()
    message = kind(timestamp=time_ms)
    message.metrics.add(name=b"Node Control/Rebirth", timestamp=time_ms, datatype=BOOLEAN, boolean=True)
    return bytes(message.SerializeToString())
