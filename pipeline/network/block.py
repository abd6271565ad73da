"""One machine is one block of bytes: what is in it, and its life. The layout is that of `block.h`.

Fields are read and written in place, by their names in C: `block.line["evidence"]["level"]` is the level of every
line of the machine, in order of their numbers. Nothing here describes a field a second time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network._core import ffi, lib

DELAY_STEP = 16.0 / (1 << lib.SW_DELAY_BITS)  # in compressed units
EIGHTH = 8.0 * math.log(8.0 / 7.0)  # events, of each that is remembered, in which counts lose an eighth
PRIMITIVES = {"_Bool": np.bool_}  # of C that have another name in NumPy; "float" is not Python's
NUMBERS = {"float": np.float32, "double": np.float64}


REAL = NUMBERS[ffi.typeof("sw_real").cname]  # what the network computes with


class BlockError(Exception):
    """Bytes are no block of this version."""


WRONG = {
    lib.SW_NO_BLOCK: "not a machine's block",
    lib.SW_OTHER_FORMAT: "a block of another version",
    lib.SW_OTHER_SIZE: "a truncated block",
    lib.SW_DAMAGED: "a damaged block",
    lib.SW_IMPOSSIBLE: "a block with impossible numbers",
    lib.SW_OTHER_PARAMETERS: "a block of other parameters",
}


@cache
def record(name: str) -> np.dtype[Any]:
    """The NumPy type of a structure of C, without its prefix."""
    return numpy_type(ffi.typeof(f"struct sw_{name}"))


def numpy_type(kind: Any) -> np.dtype[Any]:
    """The NumPy type of a type of C."""
    if kind.kind == "primitive":
        return np.dtype(PRIMITIVES.get(kind.cname) or NUMBERS.get(kind.cname) or kind.cname.removesuffix("_t"))
    if kind.kind == "array":
        return np.dtype((numpy_type(kind.item), (kind.length,)))
    fields = dict(kind.fields)
    return np.dtype(
        {
            "names": list(fields),
            "formats": [numpy_type(field.type) for field in fields.values()],
            "offsets": [field.offset for field in fields.values()],
            "itemsize": ffi.sizeof(kind),
        }
    )


def delays(kept: NDArray[np.int8]) -> NDArray[np.float64]:
    """Synaptic delays of a block, in compressed units: the middles of their steps, see `delay.h`."""
    return (kept + 0.5) * DELAY_STEP


class Cohort(NamedTuple):
    """The joint matrices of up to sixteen lines, by place: the order of their first readings."""

    covariance: NDArray[np.float32]  # (features, features)
    precision: NDArray[np.float32]  # (features, features)
    drift: NDArray[np.float32]  # (lines, features)


class Block:
    """The memory of one machine; see `fresh`. It must not be freed while a step uses it."""

    def __init__(self, memory: NDArray[np.uint64]) -> None:
        """`memory` is the block itself, not a copy."""
        self.memory = memory
        self.pointer = ffi.from_buffer("void *", memory)
        self.header = self._part(record("header"), 0, 1)[0]
        self.lines = int(self.header["lines"])

    @cached_property
    def machine(self) -> Any:
        """The record of the machine. This and the views below are made when first asked for, as few machines are."""
        return self.records("machine")[0]

    @cached_property
    def line(self) -> NDArray[Any]:
        """The record of each line, by its number."""
        return self.records("line")

    @cached_property
    def roster(self) -> NDArray[np.int32]:
        """The numbers of lines by their places."""
        return self._part(np.dtype(np.int32), lib.sw_block_roster(self.lines), self.lines)

    @cached_property
    def coupling(self) -> NDArray[np.float32]:
        """Weights between lines, (lines, lines), by place."""
        weights = self._part(np.dtype(np.float32), lib.sw_block_coupling(self.lines), self.lines**2)
        return weights.reshape(self.lines, self.lines)

    @cached_property
    def context(self) -> NDArray[Any]:
        """What each line remembers of its context; of none where the network has no such population."""
        return self.records("context")

    @classmethod
    def fresh(cls, params: Any, lines: int) -> Block:
        """A machine of so many lines that have seen nothing; raises ValueError if there can be none."""
        memory = room(params, lines)
        lib.sw_block_init(params, ffi.from_buffer("void *", memory), lines)
        return cls(memory)

    @classmethod
    def unpacked(cls, params: Any, stored: bytes, count: int) -> list[Block]:
        """So many machines that were sealed, one after the other; raises BlockError where it is not they."""
        return [cls.of_any(params, one) for one in separate(stored, count)]

    @classmethod
    def restored(cls, params: Any, stored: bytes) -> Block:
        """The machine that was `sealed`; raises BlockError where these are not its bytes.

        That of other parameters, too: whoever wants it says so by `of_any`.
        """
        return cls._checked(params, stored, (lib.SW_FINE,))

    @classmethod
    def of_any(cls, params: Any, stored: bytes) -> Block:
        """As `restored`, whatever parameters the machine was begun with."""
        return cls._checked(params, stored, (lib.SW_FINE, lib.SW_OTHER_PARAMETERS))

    @classmethod
    def _checked(cls, params: Any, stored: bytes, fine: tuple[int, ...]) -> Block:
        memory = np.zeros((len(stored) + 7) // 8, np.uint64)
        memory.view(np.uint8)[: len(stored)] = np.frombuffer(stored, np.uint8)
        found = lib.sw_block_check(params, ffi.from_buffer("void *", memory), len(stored))
        if found not in fine:
            raise BlockError(WRONG[found])
        return cls(memory)

    def copy(self) -> Block:
        """The same machine once more."""
        return Block(self.memory.copy())

    def grown(self, params: Any, lines: int) -> Block:
        """The same machine with room for more lines, which have seen nothing."""
        if lines < self.lines:
            raise ValueError(f"a machine of {self.lines} lines cannot shrink to {lines}")
        memory = room(params, lines)
        lib.sw_block_grow(params, self.pointer, ffi.from_buffer("void *", memory), lines)
        return Block(memory)

    def anew(self, params: Any) -> Block:
        """The machine as one that has seen nothing, after a repair; its time and its patience go on."""
        block = Block.fresh(params, self.lines)
        block._go_on_from(self)
        return block

    def back(self, params: Any, since: Block) -> Block:
        """This machine, as it was kept, in the place of what it has become since; it goes on being frozen, or not."""
        block = self.grown(params, since.lines)
        block._go_on_from(since)
        block.machine["frozen"] = since.machine["frozen"]
        return block

    def _go_on_from(self, before: Block) -> None:
        """Take over the time of another state of the machine, so that what is late stays late, and its patience."""
        self.line["clock"]["last_ns"] = before.line["clock"]["last_ns"]
        for name in ("time_ns", "closed_ns"):
            self.machine["rows"][name] = before.machine["rows"]["closed_ns"]
        self.machine["evidence"]["patience_ns"] = before.machine["evidence"]["patience_ns"]
        self.machine["scoring"]["severity"] = -1  # so the next score is written

    def renumbered(self, params: Any, lines: int, numbers: NDArray[np.int64]) -> Block:
        """The same machine with room for so many lines; its first have these numbers now, others saw nothing."""
        count = len(numbers)
        block = self.grown(params, max(lines, self.lines))
        if not np.array_equal(numbers, np.arange(count)):
            nothing = Block.fresh(params, block.lines)
            parts = [(block.line, nothing.line)]
            if block.header["context"]:
                parts.append((block.context, nothing.context))
            for own, blank in parts:
                known = own[:count].copy()
                own[:] = blank
                own[numbers] = known
            block.roster[: len(self.order)] = numbers[self.order]
        return block

    def declare(self, number: int, limits: tuple[float, float] | None) -> None:
        """Tell a line the range of its sensor, in its unit; or, by None, that it is to learn it from here on."""
        codes = [self.line["delta"]] + ([self.context["code"]] if self.header["context"] else [])
        for code in codes:
            code["declared"][number] = limits is not None
            if limits is not None:
                code["low"][number], code["high"][number] = limits

    def begin_with_prior(self) -> None:
        """Let a machine that has seen nothing know that its kind is known."""
        lib.sw_prior_begin(self.pointer)

    @property
    def order(self) -> NDArray[np.int32]:
        """Numbers of the lines that have had a reading, in order of their first ones: their places."""
        return self.roster[: int(self.machine["rows"]["size"])]

    def fits(self, params: Any, lines: int) -> bool:
        """Whether this can be a machine of so many sensors, of a network that is wired like that."""
        order = self.order
        known = len(order) <= lines <= self.lines and bool((order < lines).all())
        return known and bool(self.header["context"]) == bool(lib.sw_params_context(params))

    def seal(self) -> None:
        """Note the check sum of its bytes, before they are stored."""
        lib.sw_block_seal(self.pointer)

    def sealed(self) -> bytes:
        """Its bytes, with their check sum."""
        self.seal()
        return self.memory.tobytes()

    def cohort(self, number: int) -> Cohort:
        """The matrices of a cohort."""
        size = min(self.lines - lib.SW_COHORT * number, lib.SW_COHORT)
        features = size * lib.SW_FEATURES
        begin = lib.sw_block_cohort(self.lines, number)
        flat = self._part(np.dtype(np.float32), begin, features * (2 * features + size))
        square = features * features
        return Cohort(
            flat[:square].reshape(features, features),
            flat[square : 2 * square].reshape(features, features),
            flat[2 * square :].reshape(size, features),
        )

    def records(self, name: str) -> NDArray[Any]:
        """The one record of `machine`, or those of all lines of `line` or `context`."""
        header, machine = record("header").itemsize, record("machine").itemsize
        begin, count = {
            "machine": (header, 1),
            "line": (header + machine, self.lines),
            "context": (lib.sw_block_context(self.lines), self.lines if self.header["context"] else 0),
        }[name]
        return self._part(record(name), begin, count)

    def _part(self, kind: np.dtype[Any], begin: int, count: int) -> NDArray[Any]:
        own = self.memory.view(np.uint8)[begin : begin + count * kind.itemsize]
        part: NDArray[Any] = own.view(kind)
        return part


def room(params: Any, lines: int) -> NDArray[np.uint64]:
    """Memory for a block of so many lines; raises ValueError if there can be none."""
    size = lib.sw_block_bytes(lines, lib.sw_params_context(params))
    if size == 0:
        raise ValueError(f"a machine cannot have {lines} lines")
    return np.zeros(size // 8, np.uint64)


def separate(stored: bytes, count: int) -> Iterator[bytes]:
    """The bytes of so many blocks of any format, one after the other; raises BlockError where it is not they."""
    begin, header = 0, record("header")
    for _ in range(count):
        if len(stored) - begin < header.itemsize:
            raise BlockError(WRONG[lib.SW_OTHER_SIZE])
        size = int(np.frombuffer(stored, header, 1, begin)[0]["bytes"])
        yield stored[begin : begin + size]
        begin += size
    if begin != len(stored):
        raise BlockError("bytes left over after the last machine")
