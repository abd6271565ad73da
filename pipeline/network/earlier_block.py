"""Blocks of earlier formats, read into those of today field by field, by name.

Up to format 3 delays, strengths and the counts of rank neurons were floats: `third` has those records, `renewed`
makes today's of them. Formats before that have the same less the fields that came later, so their layout is that of
format 3 without those, as `SINCE` says. A new field begins as in a fresh block but for what is known of it from the
others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.network._core import lib
from pipeline.network.block import DELAY_STEP, EIGHTH, WRONG, Block, BlockError, record, separate

Path = tuple[str, ...]
Records = NDArray[Any]
Since = dict[str, tuple[str, ...]]
# Format that is read here: fields that came after it, or whole records.
SINCE: dict[int, Since] = {
    1: {
        "machine": ("rhythm", "routine", "account", "condition.elsewhere", "condition.quiet"),
        "line": (
            *("kind", "rhythm", "quality.sure", "quality.rest", "quality.elsewhere", "quality.rests"),
            *("quality.rested", "condition.spread", "condition.wander", "condition.noise", "condition.turns"),
            *("condition.side", "condition.worth", "condition.apart"),
        ),
    },
    2: {"machine": ("routine", "account"), "line": ()},
    3: {"machine": ("account",), "line": ()},
}
BINS_AND_NONE = lib.SW_BINS + 1  # a rank neuron had one tail more, which was always 0
MOST_STEPS = (1 << lib.SW_DELAY_BITS) // 2  # of a delay to either side
FARTHEST = 8.0  # deviations that a mode may be from the mean: modes.c
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
def third(name: str) -> np.dtype[Any]:
    """The NumPy type that a structure of C had in format 3."""
    return with_floats(record(name))


def with_floats(kind: np.dtype[Any], path: Path = ()) -> np.dtype[Any]:
    """A record with the fields of format 3 in the place of whole numbers."""
    shape = np.empty((), kind).shape  # that of all dimensions, as arrays of arrays have several types
    if path[-1:] in (("tails",), ("units",)):
        return np.dtype((np.float32, (*shape[:-1], BINS_AND_NONE)))
    if path[-1:] in (("delays",), ("centre",), ("strength",)) and shape:
        return np.dtype((np.float32, shape))
    if path[-1:] in (("use",), ("place",)):
        return np.dtype((np.float64, shape))
    if kind.names is None:
        return kind
    own = [(name, with_floats(kind[name], (*path, name))) for name in kind.names if name != "competition"]
    if "competition" in kind.names:
        own.insert([name for name, _ in own].index("vigilance"), ("recruited", np.dtype(np.int64)))
    if "centre" in kind.names:
        rest = [one for one in own if one[0] not in ("place", "winner")]
        own = [("place", dict(own)["place"]), ("winner", np.dtype(np.int64)), *rest]
    later = "spare" if "tails" in kind.names else "machine" if "magic" in kind.names else ""
    own = [one for one in own if one[0] != later]
    return np.dtype(own, align=True)


@cache
def earlier(format_: int, name: str) -> np.dtype[Any]:
    """The NumPy type that a structure of C had in a format."""
    return without(third(name), SINCE[format_].get(name, ()))


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
    head = third("header")
    if len(stored) < head.itemsize:
        raise BlockError(WRONG[lib.SW_NO_BLOCK])
    header = np.frombuffer(stored, head, 1)[0]
    if header["magic"] != lib.SW_MAGIC:
        raise BlockError(WRONG[lib.SW_NO_BLOCK])
    format_ = int(header["format"])
    if format_ not in SINCE:
        raise BlockError(WRONG[lib.SW_OTHER_FORMAT])
    kinds = earlier(format_, "machine"), earlier(format_, "line"), earlier(format_, "context")
    lines, context = int(header["lines"]), bool(header["context"])
    if lib.sw_block_bytes(lines, context) == 0:
        raise BlockError(WRONG[lib.SW_OTHER_SIZE])
    begin = head.itemsize + kinds[0].itemsize
    joint = begin + lines * kinds[1].itemsize
    behind = joint + lib.sw_block_context(lines) - lib.sw_block_roster(lines)
    end = behind + (lines * kinds[2].itemsize if context else 0)
    if not len(stored) == header["bytes"] == end:
        raise BlockError(WRONG[lib.SW_OTHER_SIZE])
    check = head.fields["check"][1]  # type: ignore[index]
    if header["check"] != zlib.crc32(stored[check + 4 :], zlib.crc32(stored[:check])):
        raise BlockError(WRONG[lib.SW_DAMAGED])
    if context != lib.sw_params_context(params):
        raise BlockError(WRONG[lib.SW_OTHER_PARAMETERS])
    block = Block.fresh(params, lines)
    block.header["parameters"] = header["parameters"]
    renewed(
        params,
        block,
        np.frombuffer(stored, kinds[0], 1, head.itemsize),
        np.frombuffer(stored, kinds[1], lines, begin),
        np.frombuffer(stored, kinds[2], lines if context else 0, behind),
    )
    own = block.memory.view(np.uint8)
    own[lib.sw_block_roster(lines) : lib.sw_block_context(lines)] = np.frombuffer(stored[joint:behind], np.uint8)
    if format_ == 1:
        begin_new_fields(block)
    return Block.of_any(params, block.sealed())


def begun(block: Block, name: str, rows: int) -> Records:
    """The first records of a block as they were in format 1, of a machine that has seen nothing."""
    made, own = np.zeros(rows, earlier(1, name)), block.records(name)[:rows]
    alike = set(fields(made.dtype)) & set(fields(own.dtype))
    for path in alike:
        if of(made, path).dtype == of(own, path).dtype:
            of(made, path)[...] = of(own, path)
    return made


def renewed(params: Any, block: Block, machine: Records, line: Records, context: Records) -> None:
    """Give a block what these records of format 3, or of one before, know of its machine and its first lines."""
    for name, known in (("machine", machine), ("line", line), ("context", context)):
        to = block.records(name)[: len(known)]
        for path in fields(known.dtype):
            old = of(known, path)
            if path[-1] in ("tails", "units"):
                of(to, path)[...] = counts(old[..., : lib.SW_BINS])
            elif path[-1] in ("delays", "centre"):
                of(to, path)[...] = np.clip(np.floor(old / DELAY_STEP), -MOST_STEPS, MOST_STEPS - 1)
            elif path[-1] == "place":
                of(to, path)[...] = np.floor(np.clip(old, -FARTHEST, FARTHEST) * lib.SW_TIMES_A_UNIT + 0.5)
            elif path[-1] not in ("strength", "use", "recruited"):
                of(to, path)[...] = old
    cycle = line["clock"]["seen"] - params.evolving.start
    for name in ("levels", "pattern", "changes"):
        population = line[name]["common"]
        compete(block.line[name]["common"][: len(line)], "strength", wins(params, population, cycle), population)
    own, population = block.records("machine"), machine["condition"]
    cycle = machine["rows"]["oldest"] - 21.0
    compete(own["condition"], "strength", wins(params, population, cycle), population)
    compete(own["modes"], "use", machine["modes"]["use"], machine["modes"])


def counts(events: Records) -> Records:
    """Events as counts that fade."""
    return np.floor(np.clip(events, 0.0, lib.SW_MOST_FULL) * lib.SW_ONE + 0.5)


def wins(params: Any, population: Records, cycle: Records) -> Records:
    """Faded wins of neurons, of which ln(wins) + last win / memory was kept."""
    memory = params.evolving.full / EIGHTH
    with np.errstate(over="ignore"):
        return np.exp(population["strength"] - (cycle / memory)[:, None])


def compete(to: Records, name: str, events: Records, known: Records) -> None:
    """Let the neurons that were recruited have won so often."""
    recruited = known["recruited"]
    own = np.where(np.arange(events.shape[1]) < recruited[:, None], np.maximum(counts(events), 1.0), 0.0)
    to[name] = own
    to["competition"]["recruited"] = recruited
    to["competition"]["wins"] = own.sum(1)


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
