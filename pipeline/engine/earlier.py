"""Snapshots of earlier formats, in which a network was hundreds of arrays over all machines: read into blocks.

A field of a block has the name that its array had, so each is found by its path; what a format did not know yet stays
as in a machine that has seen nothing. Formats 2 to 7 are read; from 8 on a snapshot holds the blocks themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network import earlier_block
from pipeline.network._core import lib
from pipeline.network.block import Block, BlockError
from pipeline.network.earlier_block import Path, fields, of

Array = NDArray[Any]
OLDEST = 2  # that is read
RESOLUTION_SINCE = 5  # the format that knows how finely a sensor speaks, and how often it moves
SETTLED_SINCE = 6  # the format that knows from how many rows a sensor's mean is known
NEWEST = 7  # with arrays; must have all of them
EVERY, COMMON, OPTIONAL = slice(None), slice(lib.SW_CONTEXT), slice(lib.SW_CONTEXT, None)  # columns: populations
KEPT = "before."  # begins the names of those arrays that belong to the kept baselines


class SnapshotError(Exception):
    """A snapshot does not fit this version; set it aside and start from an older one."""


class Names(NamedTuple):
    """Which machines and lines a snapshot is of, and in which format."""

    format: int
    machines: list[tuple[str, list[tuple[str, str]]]]  # name and tags
    lines: list[tuple[int, str]]  # slot and sensor

    @classmethod
    def of(cls, array: Array) -> Names:
        """As they are in a snapshot."""
        read = json.loads(array.tobytes())
        return cls(read["format"], read["machines"], read["lines"])

    def own(self, slot: int) -> list[int]:
        """Lines of a machine."""
        return [line for line, (other, _) in enumerate(self.lines) if other == slot]


def line_array(path: Path) -> str:
    """The array that had a field of a line."""
    if path[0] == "rows":
        return ".".join(("row_lines", *path[1:]))
    return ".".join(("lines", *(name for name in path if name != "common")))  # of the three evolving populations


def machine_array(path: Path) -> str:
    """The array that had a field of a machine."""
    other = {"rows": "row_machines", "scoring": "scoring"}.get(path[0])
    return ".".join((other, *path[1:]) if other else ("machines", *path))


def context_array(path: Path) -> str:
    """The array that had a field of a line's context; those of its rank neurons lay behind all others."""
    special: dict[Path, str] = {
        ("tails",): "lines.rank.tails",
        ("rarity",): "lines.rarity",
        ("units",): "lines.context.rank.tails",
    }
    return special.get(path) or ".".join(("lines.context", *path))


class Reader:
    """One fleet of a snapshot."""

    def __init__(self, params: Any, arrays: dict[str, Array], names: Names, room_for: Callable[[int], int]) -> None:
        self._params = params
        self._arrays = arrays
        self._names = names
        self._room_for = room_for

    def block(self, slot: int) -> Block:
        """The memory of a machine; raises SnapshotError where the arrays are not those of a version that was."""
        own = self._names.own(slot)
        count = len(own)
        block = Block.fresh(self._params, self._room_for(count))
        machine, line, context = (
            earlier_block.begun(block, name, rows)
            for name, rows in (("machine", 1), ("line", count), ("context", min(count, len(block.context))))
        )
        for path in fields(line.dtype):
            columns = COMMON if path[0] in ("rank", "rarity") else EVERY
            self._fill(line_array(path), own, of(line, path), columns)
        for path in fields(context.dtype) if len(context) else ():
            columns = OPTIONAL if path in (("tails",), ("rarity",)) else EVERY
            self._fill(context_array(path), own, of(context, path), columns)
        if not len(block.context) and len(self._arrays.get("lines.context.membrane", ())):
            raise SnapshotError("snapshot of a network with the context population")
        for path in fields(machine.dtype):
            if path != ("frozen",):
                self._fill(machine_array(path), [slot], of(machine, path))
        earlier_block.renewed(self._params, block, machine, line, context)
        block.machine["frozen"] = bool(count) and self._rows("lines.frozen", own)[0]
        self._join(block, slot, own)
        if self._names.format < RESOLUTION_SINCE:
            adopt(self._params, block, count)
        if self._names.format < SETTLED_SINCE:
            known = block.line["expectation"]
            known["settled"][:count] = (known["own"] - known["given"])[:count]
        earlier_block.begin_new_fields(block)
        try:
            return Block.of_any(self._params, block.sealed())
        except BlockError as error:
            raise SnapshotError(f"snapshot: {error}") from None

    def _rows(self, name: str, rows: list[int]) -> Array:
        """Some rows of an array that has to be there."""
        try:
            return self._arrays[name][rows]
        except (KeyError, IndexError):
            raise SnapshotError(f"snapshot lacks {name} as its version kept it") from None

    def _fill(self, name: str, rows: list[int], to: Array, columns: slice = EVERY) -> None:
        """Take over some rows of an array, where its format knew it."""
        if name not in self._arrays and self._names.format < NEWEST:
            return
        saved = self._rows(name, rows)
        if saved.dtype != to.dtype and not (saved.dtype == np.bool_ and to.dtype == np.int64):
            raise SnapshotError(f"snapshot has {name} of another type")
        if columns != EVERY:
            saved = saved[:, columns]
        if saved.size == to.size:
            saved = saved.reshape(to.shape)
        if saved.ndim != to.ndim or any(have > room for have, room in zip(saved.shape, to.shape, strict=True)):
            raise SnapshotError(f"snapshot has {name} of another wiring")
        to[tuple(slice(length) for length in saved.shape)] = saved

    def _join(self, block: Block, slot: int, own: list[int]) -> None:
        """The order of the lines, and the matrices in which each has its place."""
        size = int(block.machine["rows"]["size"])
        roster = self._rows("row_machines.roster", [slot])[0]
        first = roster[:size].tolist()
        if len(first) < size or not set(first) <= set(own):
            raise SnapshotError("snapshot has a machine with the lines of another")
        order = first + [line for line in own if line not in first]
        block.roster[:size] = [own.index(line) for line in first]
        count = len(own)
        # Rows of lines, columns of places: as long as the machine with the most lines needed.
        weights = self._rows("lines.coupling.weights", order)[:, :count]
        block.coupling[: len(weights), : weights.shape[1]] = weights
        for begin in range(0, count, lib.SW_COHORT):
            mates = order[begin : begin + lib.SW_COHORT]
            cohort, features = block.cohort(begin // lib.SW_COHORT), len(mates) * lib.SW_FEATURES
            for name in ("covariance", "precision"):
                saved = self._rows(f"lines.expectation.{name}", mates)[:, :, :features]
                square = saved.reshape(features, -1)
                getattr(cohort, name)[:features, : square.shape[1]] = square
            saved = self._rows("lines.drift.weights", mates)[:, :features]
            cohort.drift[: len(mates), : saved.shape[1]] = saved


def blocks(
    params: Any, arrays: dict[str, Array], names: Names, room_for: Callable[[int], int]
) -> tuple[list[Block], dict[int, Block]]:
    """The machines of a snapshot of an earlier format, and by slot what was kept of those that were repaired.

    Raises SnapshotError where the arrays are not those of a version that was.
    """
    reader = Reader(params, arrays, names, room_for)
    found = [reader.block(slot) for slot in range(len(names.machines))]
    kept = {name.removeprefix(KEPT): array for name, array in arrays.items() if name.startswith(KEPT)}
    if not kept:
        return found, {}
    before = Names.of(kept["names"])
    reader = Reader(params, kept, before, room_for)
    baselines = {}
    for number, machine in enumerate(before.machines):
        if machine not in names.machines:
            raise SnapshotError(f"snapshot has a baseline of {machine[0]}, which it does not know")
        slot = names.machines.index(machine)
        sensors = [names.lines[line][1] for line in names.own(slot)]
        own = [before.lines[line][1] for line in before.own(number)]
        if not set(own) <= set(sensors):
            raise SnapshotError(f"snapshot has a baseline of {machine[0]} with sensors that it does not know")
        numbers = np.array([sensors.index(sensor) for sensor in own], np.int64)
        baselines[slot] = reader.block(number).renumbered(params, room_for(len(sensors)), numbers)
    return found, baselines


def adopt(params: Any, block: Block, count: int) -> None:
    """Fill in what snapshots before format 5 did not know of their lines, as if every reading had moved.

    A line whose usual residual is exactly 0 never moved but for a moment, and is begun anew.
    """
    line = block.line[:count]
    known, held, found = line["expectation"], line["resolution"], line["evidence"]
    constant = (found["size"] == 0.0) & (known["own"] > params.evidence.warm)
    for name in ("own", "unit", "variance", "residual", "innovation", "used", "real", "mean"):
        known[name][constant] = 0.0
    for name in ("level", "membrane", "spread"):
        found[name][constant] = 0.0
    for place, number in enumerate(block.order.tolist()):
        if constant[number]:
            cohort, first = block.cohort(place // lib.SW_COHORT), place % lib.SW_COHORT * lib.SW_FEATURES
            own = slice(first, first + lib.SW_FEATURES)
            for matrix in (cohort.covariance, cohort.precision):
                matrix[own] = matrix[:, own] = 0.0
    known["offset"][constant] = known["value"][constant]
    found["shut"][constant] = 0
    unit = np.where(known["unit"] > 0.0, known["unit"], 1.0)
    for name in ("low", "high"):
        seen = (line["value"][name] - known["offset"]) / unit
        known[name] = np.where(known["unit"] > 0.0, seen, 0.0)
    held["readings"] = held["moves"] = known["own"]
    held["rises"] = known["own"] / 2.0
