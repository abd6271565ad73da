"""The value of a Sparkplug metric: what its data type makes of the number that is on the wire.

Signed integers travel as unsigned ones, in two's complement: of their own width or, as some libraries do it, of the
field's 32 or 64 bits. Both are understood; what fits neither is refused.

Specification: Eclipse Sparkplug 3.0.0, 6.4.16.
"""

from typing import Any

from pipeline.payloads.decoded import Cause

# Data type -> bits, whether signed.
INTEGERS = {
    **{1: (8, True), 2: (16, True), 3: (32, True), 4: (64, True)},
    **{5: (8, False), 6: (16, False), 7: (32, False), 8: (64, False)},
}  # fmt: skip
FLOAT, DOUBLE, BOOLEAN, DATETIME, FILE, ARRAYS = 9, 10, 11, 13, 18, range(22, 35)
_FIELD_BITS = {"int": 32, "long": 64}
_OTHERS = {
    "string": Cause.TEXT,
    "dataset": Cause.DATASET,
    "template": Cause.TEMPLATE,
    "extension": Cause.BINARY,
}


def value_of(kind: str, value: Any, datatype: int) -> float | Cause:
    """What a value of this field and data type (0: not known) measures; why it is none where it is none."""
    if kind in ("float", "double"):
        return float(value) if datatype in (FLOAT, DOUBLE, 0) else Cause.NOT_SPARKPLUG
    if kind == "boolean":
        return float(value) if datatype in (BOOLEAN, 0) else Cause.NOT_SPARKPLUG
    if kind == "bytes":
        return Cause.SHAPE if datatype in ARRAYS else Cause.BINARY
    if kind in _OTHERS:
        return _OTHERS[kind]
    if datatype in INTEGERS:
        return _integer(value, _FIELD_BITS[kind], *INTEGERS[datatype])
    if datatype == DATETIME:
        return Cause.DATETIME
    return Cause.NO_BIRTH if datatype == 0 else Cause.NOT_SPARKPLUG


def _integer(value: int, field_bits: int, bits: int, signed: bool) -> float | Cause:
    if value < 1 << bits:
        return float(value - (1 << bits) if signed and value >> (bits - 1) else value)
    if signed and value >= (1 << field_bits) - (1 << (bits - 1)):  # all bits above are those of a negative number
        return float(value - (1 << field_bits))
    return Cause.MAGNITUDE
