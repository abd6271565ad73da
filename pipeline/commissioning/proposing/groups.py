"""Topics that one source can describe: as many levels, the same kind of payload, the same first level. Pure.

Machines that are spread over several levels (`press1/oee`, `press1/hydraulics/pressure`) are put together before.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.commissioning.proposing.heard import Topic
from pipeline.commissioning.proposing.kinds import TREES
from pipeline.commissioning.proposing.shapes import is_single
from pipeline.commissioning.proposing.spread import Spread, spread
from pipeline.commissioning.proposing.words import KINDS_OF_MESSAGE, is_component


class Group(NamedTuple):
    """Topics for one source."""

    kind: str  # as `Source.payload`
    single: bool  # whether a message is one value of the sensor that its topic names
    members: Sequence[Topic]
    spread: Spread | None = None


def groups(topics: Sequence[Topic]) -> tuple[list[Group], list[Topic]]:
    """The groups, and the topics of words of states that belong to none."""
    by_kind: dict[tuple[str, str, bool], list[Topic]] = defaultdict(list)
    for one in topics:
        kind = "number" if one.kind == "word" else one.kind
        by_kind[kind, one.wrapping, kind == "number" or (kind in TREES and is_single(one))].append(one)
    found: list[Group] = []
    alone: list[Topic] = []
    for (kind, _, single), same in sorted(by_kind.items()):
        left: Sequence[Topic] = same
        if single:
            parts = spread(same)
            found += [Group(kind, True, one.members, one) for one in parts]
            taken = {topic.levels for one in parts for topic in one.members}
            left = [topic for topic in same if topic.levels not in taken]
        for members in _alike(left):
            if all(topic.kind == "word" for topic in members):
                alone += members
            elif kind == "sparkplug":
                found.append(Group(kind, False, members))
            else:
                components = [one for one in members if not single and is_component(one.levels[-1])]
                others = [one for one in members if single or not is_component(one.levels[-1])]
                found += [Group(kind, single, components)] * bool(components)
                found += [Group(kind, single, part) for part in ([others] if single else _kinds(others)) if part]
    return found, alone


def _alike(topics: Sequence[Topic]) -> list[list[Topic]]:
    """Topics of one depth and one root, or of several roots that look the same below it."""
    by_root: dict[int, dict[str, list[Topic]]] = defaultdict(lambda: defaultdict(list))
    for one in topics:
        by_root[0 if one.kind == "sparkplug" else len(one.levels)][one.levels[0]].append(one)
    found = []
    for depth, roots in sorted(by_root.items()):
        if depth == 1:
            found.append([one for members in roots.values() for one in members])
            continue
        merged: list[tuple[set[tuple[str, ...]], list[Topic]]] = []
        for members in roots.values():
            below = {one.levels[1:] for one in members}
            for known, group in merged:
                if 2 * len(known & below) >= len(known | below):
                    group += members
                    known |= below
                    break
            else:
                merged.append((below, list(members)))
        found += [group for _, group in merged]
    return found


def varying(members: Sequence[Topic]) -> list[int]:
    """Numbers of the levels that are not the same everywhere."""
    levels = zip(*(one.levels for one in members), strict=True)
    return [number for number, level in enumerate(levels) if len(set(level)) > 1]


def _kinds(members: list[Topic]) -> list[list[Topic]]:
    """Topics by their last level, where that says which kind of message it is; else as they are."""
    if not members:
        return []
    depth, changing = len(members[0].levels), varying(members)
    all_kinds = all(one.levels[-1].casefold() in KINDS_OF_MESSAGE for one in members)
    if not changing or changing[-1] != depth - 1 or (len(changing) < 2 and not (depth > 1 and all_kinds)):
        return [members]
    by_last: dict[str, list[Topic]] = defaultdict(list)
    for one in members:
        by_last[one.levels[-1]].append(one)
    shapes = {last: frozenset().union(*map(_keys, same)) for last, same in by_last.items()}
    shared = len(members) > len(by_last)  # the same last level comes below several others
    if all_kinds or (shared and len(set(shapes.values())) == len(shapes)):
        return list(by_last.values())
    return [members]


def _keys(topic: Topic) -> frozenset[str]:
    return frozenset(
        key
        for tree in topic.trees
        for item in (tree if isinstance(tree, list) else [tree])
        if isinstance(item, dict)
        for key in item
    )
