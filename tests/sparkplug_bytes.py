"""Sparkplug payloads written byte by byte from the public field numbers, without the library that reads them."""

import struct

FIELDS = {
    **{"int": 10, "long": 11, "float": 12, "double": 13, "boolean": 14},
    **{"string": 15, "bytes": 16, "dataset": 17, "template": 18, "extension": 19},
}  # fmt: skip


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | float | bytes | None, kind: str = "") -> bytes:
    """One field; nothing for None."""
    if value is None:
        return b""
    if kind == "float":
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if kind == "double":
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(int(value))


def metric(
    name: str | None = None,
    alias: int | None = None,
    datatype: int | None = None,
    *,
    time_ms: int | None = None,
    null: bool | None = None,
    historical: bool | None = None,
    **value: object,
) -> bytes:
    """A metric; its value as `float=1.5`, `int=3`, `string=b"x"`."""
    out = field(1, None if name is None else name.encode())
    out += field(2, alias) + field(3, time_ms) + field(4, datatype) + field(5, historical) + field(7, null)
    for kind, content in value.items():
        out += field(FIELDS[kind], content, kind)  # type: ignore[arg-type]
    return out


def payload(seq: int | None, *metrics: bytes, time_ms: int | None = None) -> bytes:
    """A whole message."""
    return field(1, time_ms) + b"".join(field(2, one) for one in metrics) + field(3, seq)
