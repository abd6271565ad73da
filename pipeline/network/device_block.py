"""A machine's block as a microcontroller keeps it: the same fields, with floats in the place of doubles.

Which fields there are and in which order follows from the network's own types; C's rules of alignment, which ARM and
x86-64 share, say where they are. The device's own compiler confirms it when `machine.c` is compiled, see `export.py`.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.network._core import ffi, lib
from pipeline.network.block import Block, BlockError, numpy_type, record

SINGLE = 0x100  # what the format of a block of floats has more: SW_LAYOUT in real.h
MOST = float(np.finfo(np.float32).max)
Bytes = NDArray[np.uint8]


def narrow(kind: np.dtype[Any]) -> np.dtype[Any]:
    """A type of the network as it is where `sw_real` is a float."""
    if kind.subdtype is not None:
        item, shape = kind.subdtype
        return np.dtype((narrow(item), shape))
    if kind.names is None:
        return np.dtype(np.float32) if kind == np.float64 else kind
    fields = [(name, narrow(kind[name])) for name in kind.names]
    return np.dtype({"names": [name for name, _ in fields], "formats": [one for _, one in fields]}, align=True)


@cache
def device(name: str) -> np.dtype[Any]:
    """The NumPy type of a structure of C on the device, without its prefix."""
    return narrow(record(name))


def aligned(size: int) -> int:
    """The next whole number of eight bytes."""
    return -(-size // 8) * 8


def copied(to: NDArray[Any], given: NDArray[Any]) -> None:
    """Give every field the number of the same name; what is beyond a float becomes the largest there is."""
    if given.dtype.names is not None:
        for name in given.dtype.names:
            copied(to[name], given[name])
    elif given.dtype == np.float64 and to.dtype == np.float32:
        to[...] = np.where(np.isfinite(given), np.clip(given, -MOST, MOST), given)
    else:
        to[...] = given


def parameters_of_device(params: Any) -> bytes:
    """The numbers of all parts, of `in_c`, as the device has them."""
    kind = numpy_type(ffi.typeof("struct sw_params"))
    made = np.zeros(1, narrow(kind))
    copied(made, np.frombuffer(bytes(ffi.buffer(params)), kind))
    return made.tobytes()


class Parts:
    """Where the parts of a device's block of so many lines are."""

    def __init__(self, lines: int, context: bool) -> None:
        self.lines = lines
        self.machine = device("header").itemsize
        self.line = self.machine + device("machine").itemsize
        self.joint = self.line + lines * device("line").itemsize  # from here on the same bytes on both sides ...
        self.context = self.joint + lib.sw_block_context(lines) - lib.sw_block_roster(lines)  # ... until here
        self.bytes = self.context + (lines * device("context").itemsize if context else 0)

    def views(self, memory: Bytes) -> list[tuple[str, NDArray[Any]]]:
        """The parts that have doubles on a gateway, by the names that `Block` has for them."""
        spans = [("machine", self.machine, 1), ("line", self.line, self.lines)]
        if self.bytes > self.context:
            spans.append(("context", self.context, self.lines))
        return [
            (name, memory[begin : begin + count * device(name).itemsize].view(device(name)))
            for name, begin, count in spans
        ]


def joint(block: Block) -> Bytes:
    """The part of a gateway's block that has no doubles: the order of its lines, and its matrices."""
    begin, end = lib.sw_block_roster(block.lines), lib.sw_block_context(block.lines)
    return block.memory.view(np.uint8)[begin:end]


def check_sum(stored: bytes) -> int:
    """CRC-32 of a block, but for the field that holds it."""
    begin = device("header").fields["check"][1]  # type: ignore[index]
    return zlib.crc32(stored[begin + 4 :], zlib.crc32(stored[:begin]))


def to_device(params: Any, block: Block, whose: int = 0) -> bytes:
    """A machine as the device keeps it, sealed; `params` of `in_c`, `whose`: a number for the machine."""
    parts = Parts(block.lines, bool(block.header["context"]))
    memory = np.zeros(parts.bytes, np.uint8)
    for name, part in parts.views(memory):
        copied(part, block.records(name))
    memory[parts.joint : parts.context] = joint(block)
    header = memory[: parts.machine].view(device("header"))
    header[0] = block.header
    header["format"] += SINGLE
    header["bytes"] = parts.bytes
    header["machine"] = whose
    header["parameters"] = zlib.crc32(parameters_of_device(params))
    header["check"] = check_sum(memory.tobytes())
    return memory.tobytes()


def of_device(params: Any, stored: bytes, whose: int = 0) -> Block:
    """A machine that a device kept, as a gateway keeps it; raises BlockError, which says what is wrong with it."""
    if len(stored) < device("header").itemsize:
        raise BlockError("not a machine's block")
    header = np.frombuffer(stored, device("header"), 1)[0]
    if header["magic"] != lib.SW_MAGIC:
        raise BlockError("not a machine's block")
    if header["format"] != lib.SW_FORMAT + SINGLE:
        raise BlockError(
            f"a block of version {_version(int(header['format']))}, not of {_version(lib.SW_FORMAT + SINGLE)}"
        )
    parts = Parts(int(header["lines"]), bool(header["context"]))
    if (
        header["lines"] < 1
        or header["lines"] > lib.SW_MOST_LINES
        or not len(stored) == header["bytes"] == parts.bytes
    ):
        raise BlockError("a truncated block")
    if header["check"] != check_sum(stored):
        raise BlockError("a damaged block")
    if header["parameters"] != zlib.crc32(parameters_of_device(params)):
        raise BlockError("a block of other parameters")
    if header["machine"] != whose:
        raise BlockError("a block of another machine, or of other sensors")
    memory = np.frombuffer(stored, np.uint8).copy()
    block = Block.fresh(params, parts.lines)
    for name, part in parts.views(memory):
        copied(block.records(name), part)
    joint(block)[:] = memory[parts.joint : parts.context]
    return Block.restored(params, block.sealed())  # which checks every number that points somewhere


def _version(number: int) -> str:
    return f"{number % SINGLE} {'of a device' if number >= SINGLE else 'of a gateway'}"
