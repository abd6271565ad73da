"""Machines whose sensors are spread over several levels of topics, as in a unified namespace. Pure.

    acme/line4/press1/oee
    acme/line4/press1/hydraulics/pressure
    acme/line4/press2/hydraulics/pressure

A level names machines if what lies below its names is much the same for all of them, and what comes next are parts of
a machine: they hang beside sensors of its own, or have other sensors than one another, or are called as parts are.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.commissioning.proposing.heard import Topic
from pipeline.commissioning.proposing.words import has_digit, is_area, is_part, told

Rests = Mapping[tuple[str, ...], frozenset[tuple[str, ...]]]  # levels down to a machine's -> what lies below


class Spread(NamedTuple):
    """Topics of machines that are spread over levels."""

    members: Sequence[Topic]
    machine: int  # number of the level
    note: str  # what else it could be


def spread(topics: Sequence[Topic]) -> list[Spread]:
    """The machines that are spread, by the first level of their topics."""
    first = _below(topics, 0)
    if len(first) > 1 and all(has_digit(levels[0]) for levels in first):  # machines are the first level
        found = _spread_at(topics, 0)
        if found:
            return [found]
    by_root: dict[str, list[Topic]] = defaultdict(list)
    for one in topics:
        by_root[one.levels[0]].append(one)
    known = []
    for members in by_root.values():
        deepest = max(len(one.levels) for one in members)
        found = next(filter(None, (_spread_at(members, level) for level in range(deepest - 2, 0, -1))), None)
        known += [] if found is None else [found]
    return known


def _spread_at(topics: Sequence[Topic], level: int) -> Spread | None:
    """The machines, if the names at a level are machines that are spread over those below it."""
    members = [one for one in topics if len(one.levels) > level + 1]  # shorter ones are of something else
    below = _below(members, level)
    if not _are_machines(below) or not _are_parts(below):
        return None
    parts = {rest[0] for rests in below.values() for rest in rests if len(rest) > 1}
    machines = {levels[-1] for levels in below}
    note = f"machines are {told(machines)}, with the parts {told(parts)}: or are these the machines?"
    return Spread(members, level, note)


def _below(members: Sequence[Topic], level: int) -> Rests:
    found: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    for one in members:
        found[one.levels[: level + 1]].add(one.levels[level + 1 :])
    return {levels: frozenset(rests) for levels, rests in found.items()}


def _are_machines(below: Rests) -> bool:
    """Whether these could be machines: neither areas nor parts, and what is below each is also below others."""
    names = Counter(levels[-1] for levels in below)
    recurring = any(count > 1 and not has_digit(name) for name, count in names.items())
    if recurring or any(is_area(name) or is_part(name) or not name for name in names):
        return False
    common = Counter(rest for rests in below.values() for rest in rests)
    return len(below) == 1 or all(
        2 * sum(common[rest] > 1 for rest in rests) >= len(rests) or _has_sensors_beside_parts(rests)
        for rests in below.values()
    )


def _has_sensors_beside_parts(rests: frozenset[tuple[str, ...]]) -> bool:
    return {len(rest) > 1 for rest in rests} == {True, False}


def _are_parts(below: Rests) -> bool:
    """Whether the names below a level are parts of its machines rather than machines."""
    parts: dict[str, set[tuple[str, ...]]] = defaultdict(set)  # sensors of each part
    for rests in below.values():
        for rest in rests:
            if len(rest) > 1:
                parts[rest[0]].add(rest[1:])
    beside = any(map(_has_sensors_beside_parts, below.values()))
    if not parts or not (beside or len(parts) > 1) or any(map(has_digit, parts)):
        return False
    called = any(map(is_part, parts))
    numbered = all(has_digit(levels[-1]) for levels in below)
    if len(parts) > 1 and _share([parts[name] for name in sorted(parts)]):
        # The same sensors, as machines have: parts only if they are called so and are below every machine.
        everywhere = all({rest[0] for rest in rests} >= {*parts} for rests in below.values())
        return called and numbered and everywhere and len(below) > 1
    return beside or called or numbered


def _share(sensors: Sequence[set[tuple[str, ...]]]) -> bool:
    """Whether all have at least half of their sensors in common with the first."""
    first = sensors[0]
    return all(2 * len(first & other) >= len(first | other) for other in sensors[1:])
