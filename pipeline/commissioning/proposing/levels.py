"""What the levels of a group's topics name: the machine, the sensor, and tags. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.commissioning.proposing.groups import Group, varying
from pipeline.commissioning.proposing.heard import Topic
from pipeline.commissioning.proposing.words import KINDS_OF_MESSAGE, has_digit, is_area, is_component, is_part, told

CAPTURES = ("site", "area", "line", "cell")
ONE_MACHINE = "messages of only one machine were received: is its topic level the right one?"


class Place(NamedTuple):
    """A topic template, and what to ask about it."""

    topic: str
    notes: tuple[str, ...]


def place(group: Group) -> Place | None:
    """The template of a group; None where the topics have no level for what they would have to name."""
    members = group.members
    if group.kind == "sparkplug":
        return Place("spBv1.0/#", ())
    if group.spread is not None:
        machine = group.spread.machine
        shallow = [one._replace(levels=one.levels[: machine + 1]) for one in members]
        several = len({one.levels for one in shallow}) > 1
        asked = () if several else (ONE_MACHINE,)
        return Place(template(shallow, machine, None) + "/{sensor+}", (*asked, group.spread.note))
    depth, changing = len(members[0].levels), varying(members)
    if group.single:
        if depth < 2:
            return None
        before = [number for number in changing if number < depth - 1]
        machine = before[-1] if before else depth - 2
        notes = _which(members, before) if before else (ONE_MACHINE,)
        return Place(template(members, machine, depth - 1), notes)
    if depth > 1 and all(is_component(one.levels[-1]) for one in members):
        before = [number for number in changing if number < depth - 1]
        kind = depth > 2 and members[0].levels[-2] in KINDS_OF_MESSAGE
        machine = before[-1] if before else depth - 3 if kind else depth - 2
        return Place(template(members, machine, depth - 1), () if before else (ONE_MACHINE,))
    if changing:
        return Place(template(members, changing[-1], None), ())
    machine = depth - 1
    if depth > 1 and members[0].levels[-1].casefold() in KINDS_OF_MESSAGE:
        machine = depth - 2
    return Place(template(members, machine, None), (ONE_MACHINE,))


def _which(members: Sequence[Topic], before: Sequence[int]) -> tuple[str, ...]:
    """The question which level is the machine, where two are as likely: the same names without numbers recur."""
    if len(before) < 2:
        return ()
    machine, above = before[-1], before[-2]
    names = {one.levels[machine] for one in members}
    parents = {one.levels[above] for one in members}
    everywhere = all(
        {one.levels[machine] for one in members if one.levels[above] == parent} == names for parent in parents
    )
    unclear = len(names) > 1 and everywhere and not any(map(has_digit, names)) and not any(map(is_area, parents))
    if not unclear and not any(map(is_part, names)):
        return ()
    return (
        f"the machine is the level {told(names)}, as likely is {told(parents)} with these as its parts"
        f" (topic: {template(_cut(members, above), above, None)}/{{sensor+}})",
    )


def _cut(members: Sequence[Topic], level: int) -> list[Topic]:
    return [one._replace(levels=one.levels[: level + 1]) for one in members]


def literal(members: Sequence[Topic]) -> str:
    """A topic that names no machine: levels that differ are passed over."""
    changing = {*varying(members)}
    return "/".join("+" if number in changing else level for number, level in enumerate(members[0].levels))


def template(members: Sequence[Topic], machine: int, sensor: int | None) -> str:
    """The topic with a capture for the machine, the sensor and every other level that differs."""
    names = {machine: "{machine}"}
    if sensor is not None:
        names[sensor] = "{sensor}"
    others = [number for number in varying(members) if number not in names]
    for count, number in enumerate(others):
        names[number] = f"{{{CAPTURES[count]}}}" if count < len(CAPTURES) else f"{{level{number}}}"
    return "/".join(names.get(number, level) for number, level in enumerate(members[0].levels))
