"""The same machine as a block, and as rows of the arrays that hold all machines in the network for Numba.

Field by field, by their names: a field of a block that the arrays do not know, or the other way round, is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.network._core import lib
from pipeline.network.block import Block

Array = NDArray[Any]


def leaves(kind: np.dtype[Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every field of a record that has no fields of its own."""
    if kind.names is None:
        yield path
        return
    for name in kind.names:
        yield from leaves(kind[name].base if kind[name].names is None else kind[name], (*path, name))


def of(records: Array, path: tuple[str, ...]) -> Array:
    """The field of records at a path."""
    for name in path:
        records = records[name]
    return records


def line_array(state: Any, path: tuple[str, ...]) -> Array:
    """The array of all lines that a field of a line is in."""
    tree = state.row_lines if path[0] == "rows" else state.lines
    for name in path[1:] if path[0] == "rows" else path:
        if name != "common":  # what the three evolving populations have in common
            tree = getattr(tree, name)
    array = np.asarray(tree)
    return array[:, : lib.SW_CONTEXT] if path[0] in ("rarity", "rank") else array


def context_array(state: Any, path: tuple[str, ...]) -> Array:
    """The array of all lines that a field of a line's context is in."""
    lines = state.lines
    if path == ("tails",):
        return np.asarray(lines.rank.tails[:, lib.SW_CONTEXT :])
    if path == ("rarity",):
        return np.asarray(lines.rarity[:, lib.SW_CONTEXT :])
    tree = lines.context.rank.tails if path == ("units",) else lines.context
    for name in () if path == ("units",) else path:
        tree = getattr(tree, name)
    return np.asarray(tree)


def machine_array(state: Any, path: tuple[str, ...]) -> Array:
    """The array of all machines that a field of a machine is in."""
    trees = {"rows": state.row_machines, "scoring": state.scoring}
    tree, names = (trees[path[0]], path[1:]) if path[0] in trees else (state.machines, path)
    for name in names:
        tree = getattr(tree, name)
    return np.asarray(tree)


def places(state: Any, slot: int, lines: list[int]) -> list[int]:
    """Lines of a machine by place: in order of their first readings, then those that have had none."""
    roster: list[int] = state.row_machines.roster[slot, : int(state.row_machines.size[slot])].tolist()
    return roster + [line for line in lines if line not in roster]


def to_block(block: Block, state: Any, slot: int, lines: list[int]) -> None:
    """Let a block be the machine of a slot, whose sensors are these lines."""
    for path in leaves(block.line.dtype):
        column = of(block.line[: len(lines)], path)
        column[...] = line_array(state, path)[lines].reshape(column.shape)
    for path in leaves(block.context.dtype) if len(block.context) else ():
        of(block.context[: len(lines)], path)[...] = context_array(state, path)[lines]
    for path in leaves(block.machine.dtype):
        if path != ("frozen",):
            of(block.machine, path[:-1])[path[-1]] = machine_array(state, path)[slot]
    block.machine["frozen"] = bool(lines) and state.lines.frozen[lines[0]]
    order = places(state, slot, lines)
    block.roster[: int(state.row_machines.size[slot])] = [
        lines.index(line) for line in order[: int(state.row_machines.size[slot])]
    ]
    block.coupling[: len(lines), : len(lines)] = state.lines.coupling.weights[order, : len(lines)]
    for first in range(0, len(lines), lib.SW_COHORT):
        own = order[first : first + lib.SW_COHORT]
        cohort, features = block.cohort(first // lib.SW_COHORT), len(own) * lib.SW_FEATURES
        known = state.lines.expectation
        cohort.covariance[:features, :features] = known.covariance[own, :, :features].reshape(features, features)
        cohort.precision[:features, :features] = known.precision[own, :, :features].reshape(features, features)
        cohort.drift[: len(own), :features] = state.lines.drift.weights[own, :features]


def to_arrays(block: Block, state: Any, slot: int, lines: list[int]) -> None:
    """Let the machine of a slot, whose sensors are these lines, be that of a block."""
    for path in leaves(block.line.dtype):
        array = line_array(state, path)
        array[lines] = of(block.line[: len(lines)], path).reshape(array[lines].shape)
    for path in leaves(block.context.dtype) if len(block.context) else ():
        context_array(state, path)[lines] = of(block.context[: len(lines)], path)
    for path in leaves(block.machine.dtype):
        if path != ("frozen",):
            machine_array(state, path)[slot] = of(block.machine, path)
    size = int(block.machine["rows"]["size"])
    state.lines.frozen[lines] = bool(block.machine["frozen"])
    state.row_machines.roster[slot, :size] = np.array(lines, np.int64)[block.roster[:size]]
    order = places(state, slot, lines)
    state.lines.coupling.weights[order, : len(lines)] = block.coupling[: len(lines), : len(lines)]
    for first in range(0, len(lines), lib.SW_COHORT):
        own = order[first : first + lib.SW_COHORT]
        cohort, features = block.cohort(first // lib.SW_COHORT), len(own) * lib.SW_FEATURES
        known, shape = state.lines.expectation, (len(own), lib.SW_FEATURES, features)
        known.covariance[own, :, :features] = cohort.covariance[:features, :features].reshape(shape)
        known.precision[own, :, :features] = cohort.precision[:features, :features].reshape(shape)
        state.lines.drift.weights[own, :features] = cohort.drift[: len(own), :features]


def differences(block: Block, state: Any, slot: int, lines: list[int], params: Any) -> list[str]:
    """Fields in which a block is not the machine of a slot, by bits; one NaN is as another."""
    other = Block.fresh(params, block.lines)
    to_block(other, state, slot, lines)
    found = []
    for path in leaves(block.line.dtype):
        if not same(of(block.line, path), of(other.line, path)):
            found.append("line." + ".".join(path))
    for path in leaves(block.context.dtype):
        if not same(of(block.context, path), of(other.context, path)):
            found.append("context." + ".".join(path))
    for path in leaves(block.machine.dtype):
        if not same(of(block.machine, path), of(other.machine, path)):
            found.append("machine." + ".".join(path))
    if not same(block.coupling, other.coupling):
        found.append("coupling")
    for number in range((block.lines + lib.SW_COHORT - 1) // lib.SW_COHORT):
        for name, have, want in zip(
            block.cohort(number)._fields, block.cohort(number), other.cohort(number), strict=True
        ):
            if not same(have, want):
                found.append(f"cohort {number} {name}")
    return found


def same(have: Array, want: Array) -> bool:
    """Whether all numbers are equal."""
    return bool(np.array_equal(have, want, equal_nan=have.dtype.kind == "f"))
