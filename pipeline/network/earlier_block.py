"""Blocks of earlier formats, read into those of today field by field, by name.

They have the same records less the fields that came later, and the same matrices behind them. So their layout is that
of today without those, and must be as `SINCE` says for as long as they are read: a field that comes later goes there,
too. A new field begins as in a fresh block but for what is known of it from the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from pipeline.network._core import lib
from pipeline.network.block import WRONG, Block, BlockError, record, separate

Path = tuple[str, ...]
SINCE = {  # format that is read here: fields that came after it, or whole records
    1: {
        "machine": ("rhythm", "routine", "condition.elsewhere", "condition.quiet"),
        "line": (
            *("kind", "rhythm", "quality.sure", "quality.rest", "quality.elsewhere", "quality.rests"),
            *("quality.rested", "condition.spread", "condition.wander", "condition.noise", "condition.turns"),
            *("condition.side", "condition.worth", "condition.apart"),
        ),
    },
    2: {"machine": ("routine",), "line": ()},
}
HALF_SQUARE = np.pi / 4.0  # half the mean square of steps whose mean size is 1, if they are bell-shaped


def fields(kind: np.dtype[Any], path: Path = ()) -> Iterator[Path]:
    """The path of every field of a record that has no fields of its own."""
    if kind.names is None:
        yield path
        return
    for name in kind.names:
        yield from fields(kind[name], (*path, name))


def of(records: Any, path: Path) -> Any:
    """The field of records at a path."""
    for name in path:
        records = records[name]
    return records


@cache
def earlier(format_: int, name: str) -> np.dtype[Any]:
    """The NumPy type that a structure of C had in a format."""
    return without(record(name), SINCE[format_][name])


def without(kind: np.dtype[Any], since: tuple[str, ...], path: Path = ()) -> np.dtype[Any]:
    """A record less some of its fields, each where C puts it."""
    if kind.names is None:
        return kind
    own = [(name, (*path, name)) for name in kind.names if ".".join((*path, name)) not in since]
    return np.dtype([(name, without(kind[name], since, at)) for name, at in own], align=True)


def unpacked(params: Any, stored: bytes, count: int) -> list[Block]:
    """As `Block.unpacked`, of blocks of those formats, whatever parameters the machines were begun with."""
    return [read(params, one) for one in separate(stored, count)]


def read(params: Any, stored: bytes) -> Block:
    """The machine that was sealed in one of those formats; raises BlockError where these are not its bytes."""
    head = record("header")
    if len(stored) < head.itemsize:
        raise BlockError(WRONG[lib.SW_NO_BLOCK])
    header = np.frombuffer(stored, head, 1)[0]
    if header["magic"] != lib.SW_MAGIC:
        raise BlockError(WRONG[lib.SW_NO_BLOCK])
    format_ = int(header["format"])
    if format_ not in SINCE:
        raise BlockError(WRONG[lib.SW_OTHER_FORMAT])
    kinds = earlier(format_, "machine"), earlier(format_, "line")
    lines, context = int(header["lines"]), bool(header["context"])
    begin = head.itemsize + kinds[0].itemsize
    end = begin + lines * kinds[1].itemsize
    shorter = record("machine").itemsize - kinds[0].itemsize + lines * (record("line").itemsize - kinds[1].itemsize)
    size = lib.sw_block_bytes(lines, context)
    if size == 0 or len(stored) != size - shorter or header["bytes"] != len(stored):
        raise BlockError(WRONG[lib.SW_OTHER_SIZE])
    check = head.fields["check"][1]  # type: ignore[index]
    if header["check"] != zlib.crc32(stored[check + 4 :], zlib.crc32(stored[:check])):
        raise BlockError(WRONG[lib.SW_DAMAGED])
    if context != lib.sw_params_context(params):
        raise BlockError(WRONG[lib.SW_OTHER_PARAMETERS])
    block = Block.fresh(params, lines)
    block.header["parameters"] = header["parameters"]
    machine = np.frombuffer(stored, kinds[0], 1, head.itemsize)[0]
    for path in fields(kinds[0]):
        of(block.machine, path[:-1])[path[-1]] = of(machine, path)
    line = np.frombuffer(stored, kinds[1], lines, begin)
    for path in fields(kinds[1]):
        of(block.line, path)[...] = of(line, path)
    behind = block.memory.view(np.uint8)[end + shorter :]
    behind[:] = np.frombuffer(stored, np.uint8, offset=end)
    if format_ == 1:
        begin_new_fields(block)
    return Block.of_any(params, block.sealed())


def begin_new_fields(block: Block) -> None:
    """Give the fields that came after format 1 what is known of them from the others.

    A past counts as many readings as it has: the machine is as sure of it as it was, and from here on learns how much
    it is worth. A longest hold may have been at any value.
    """
    line = block.line
    value, held, known, condition = line["value"], line["resolution"], line["quality"], line["condition"]
    line["kind"]["value"] = line["expectation"]["value"]
    known["elsewhere"] = known["longest"]
    condition["worth"] = line["rows"]["age"]
    condition["spread"] = value["variance"]
    condition["wander"] = condition["variance"]
    moves = np.maximum(held["moves"], 1.0)
    condition["noise"] = HALF_SQUARE * line["activity"]["change"] ** 2 * np.maximum(held["readings"], moves) / moves
