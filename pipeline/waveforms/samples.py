"""Bytes, base64 and JSON arrays to blocks of samples, in the unit of the readings.

A block is an array (samples, channels) of float64. Nothing is repaired: a part of a sample, or anything but numbers,
refuses the block. Whether the values can be measured is asked of each channel by `analysis`.
"""

import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.config.settings import Waveform
from pipeline.config.waveforms import MAX_SAMPLES
from pipeline.records import Floats
from pipeline.waveforms.refusals import BlockError, Why

_KINDS = {"int16": "i2", "int32": "i4", "float32": "f4", "float64": "f8"}
_ORDERS = {"little": "<", "big": ">"}
_WHY: dict[type, Why] = {type(None): Why.NULL, str: Why.TEXT, bool: Why.BOOLEAN}


def from_bytes(data: bytes, settings: Waveform) -> Floats:
    """A block whose samples lie one behind the other, those of one moment together; BlockError."""
    kind = np.dtype(_ORDERS[settings.order] + _KINDS[settings.type])
    if len(data) % kind.itemsize:
        raise BlockError(Why.PART_SAMPLE, f"{len(data)} bytes are no whole number of {settings.type}")
    if len(data) > MAX_SAMPLES * kind.itemsize:
        raise BlockError(Why.TOO_LARGE, f"{len(data) // kind.itemsize} samples, at most {MAX_SAMPLES}")
    with np.errstate(invalid="ignore"):  # a signalling NaN; `analysis` refuses every NaN
        return _block(np.frombuffer(data, kind).astype(np.float64), settings)


def from_base64(text: str, settings: Waveform) -> Floats:
    """The same, in base64 (RFC 4648, section 4: with padding, without line breaks); BlockError."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:  # of which binascii.Error is one
        raise BlockError(Why.NOT_BASE64, str(error)) from None
    return from_bytes(data, settings)


def from_numbers(items: Sequence[Any], settings: Waveform) -> Floats:
    """A block of decoded JSON numbers, with channels also as `[[x, y, z], ...]`; BlockError."""
    if len(items) > MAX_SAMPLES:
        raise BlockError(Why.TOO_LARGE, f"{len(items)} samples, at most {MAX_SAMPLES}")
    kinds = set(map(type, items))
    if kinds == {list} and settings.channels:
        widths = set(map(len, items))
        if widths != {len(settings.channels)}:
            raise BlockError(Why.PART_SAMPLE, f"not {len(settings.channels)} values at each moment")
        return from_numbers([value for moment in items for value in moment], settings)
    if not kinds <= {int, float}:
        other = next(kind for kind in map(type, items) if kind is not int and kind is not float)
        raise BlockError(_WHY.get(other, Why.SHAPE), "among the samples")
    try:
        return _block(np.array(items, np.float64), settings)
    except OverflowError:  # an integer that no double holds
        raise BlockError(Why.MAGNITUDE, "among the samples") from None


def _block(flat: Floats, settings: Waveform) -> Floats:
    width = max(len(settings.channels), 1)
    if len(flat) % width:
        raise BlockError(Why.PART_SAMPLE, f"{len(flat)} samples are no whole number for each of {width} channels")
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused by `analysis`
        return flat.reshape(-1, width) * settings.scale
