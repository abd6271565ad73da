"""All machines at once, for a page of ten or ten thousand: in which order, in which groups, and one part of them.

`copied` and `rows` run on the main thread between two batches and take what is asked for and no more; filters, order
and groups are found on the copy by whoever asks.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.config.settings import MachineRule
from pipeline.console.labels import machine_label, part_told
from pipeline.console.views import ATTENTION, ranked, told
from pipeline.engine.engine import Engine
from pipeline.engine.fleet import Fleet
from pipeline.engine.level import level_of
from pipeline.engine.scoring import MachineState, Severity
from pipeline.identity import identity
from pipeline.network.binding import Records
from pipeline.records import Bools, Ints, Machine

SORTS = ("attention", "name", "level", "since", "newest", "sensors")
KIND = "kind"  # what machines can be grouped by beside their captures
GROUPS = 200  # in an answer; the machines of all others are together in the last one
GROUPINGS = 16  # captures that can be chosen
BLAMED = 2  # sensors of an incident that are told in brief
_DIGITS = re.compile("([0-9]+)")


class Asked(NamedTuple):
    """Which machines, and in which order."""

    search: str = ""  # words, each part of its name, of a capture or of its kind
    attention: str = ""
    sort: str = "attention"  # one of SORTS, the urgent, large and new first; with a `-` the other way round
    group: str = ""  # a capture or KIND


class Copy(NamedTuple):
    """What is known of every machine, one entry per slot."""

    now: Records
    states: Ints
    severity: Ints
    rank: Ints  # place in ATTENTION
    doubtful: Bools
    open: Bools
    acknowledged: Bools
    snoozed: Bools
    since_ns: Ints  # 0 without an open incident


class Group(NamedTuple):
    """Machines with the same value of what they are grouped by."""

    name: str
    offset: int  # of its first machine
    machines: int
    attention: dict[str, int]  # how many need what, without those that nobody does
    newest_s: float
    quiet: bool  # every one of them is silent


class Arranged(NamedTuple):
    """The machines that were asked for."""

    slots: Ints  # in order
    counts: dict[str, int]  # of all machines, by attention
    groups: list[Group]
    newest_s: float  # of all machines
    quiet: bool  # every machine is silent


def natural(name: str) -> list[tuple[int, str]]:
    """By this press-2 comes before press-10.

    >>> natural("Press-010") == natural("press-10")
    True
    """
    parts = _DIGITS.split(name.casefold())
    numbers = [one.lstrip("0") if at % 2 else one for at, one in enumerate(parts)]
    return [(len(one) if at % 2 else 0, one) for at, one in enumerate(numbers)]


def is_quiet(states: Ints) -> bool:
    """All are silent, and there are some: one cause rather than one for each."""
    return len(states) > 1 and bool((states == MachineState.SILENT).all())


def copied(engine: Engine) -> Copy:
    """Runs on the main thread."""
    fleet = engine.fleet
    now, count = engine.look(), len(fleet.machines)
    states = now["state"].copy()
    states[[slot for slot in engine.silent_slots if slot < count]] = MachineState.SILENT
    incident = fleet.state.incident_machines
    open_ = incident.open[:count].copy()
    severity = np.maximum(np.maximum(now["severity"], 0), np.where(open_, incident.severity[:count], 0))
    doubtful = engine.doubtful()
    return Copy(
        now,
        states,
        severity,
        ranked(states, severity, doubtful, engine.unsettled()),
        doubtful,
        open_,
        open_ & incident.acknowledged[:count],
        open_ & (incident.snoozed_ns[:count] > 0),
        np.where(open_, incident.began_ns[:count], 0),
    )


class Figures(NamedTuple):
    """One machine in figures."""

    machine: Machine
    level: float
    severity: int
    state: str
    incident: bool  # whether one is open


def figures(copy: Copy, machine: Machine, slot: int) -> Figures:
    """Of the machine in this slot."""
    return Figures(
        machine,
        level_of(float(copy.now["newest"][slot])),
        int(copy.severity[slot]),
        MachineState(copy.states[slot]).word,
        bool(copy.open[slot]),
    )


class Names:
    """The names of machines as what they are found and ordered by. Machines come and never go."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._count = -1
        self._words: list[str] = []  # of each slot, to be searched
        self._place: Ints = np.zeros(0, np.int64)  # of each slot among all by name
        self._values: dict[str, list[str]] = {}  # of each slot, by what it is grouped by

    def _learn(self, count: int) -> None:
        if count == self._count:
            return
        machines, rules = self._fleet.machines[:count], self._fleet.rules[:count]
        self._words = [
            "\n".join((*_names(rule, machine), *(value for _, value in machine.tags))).casefold()
            for machine, rule in zip(machines, rules, strict=True)
        ]
        keys = [(natural(machine.name), machine.tags) for machine in machines]
        self._place = np.empty(count, np.int64)
        self._place[sorted(range(count), key=keys.__getitem__)] = np.arange(count)
        captures = sorted({key for machine in machines for key, _ in machine.tags})[:GROUPINGS]
        self._values = {
            capture: [next((value for key, value in machine.tags if key == capture), "") for machine in machines]
            for capture in captures
        }
        if any(rule.kind for rule in rules):
            self._values[KIND] = [rule.kind or "" for rule in rules]
        self._count = count

    def arranged(self, copy: Copy, asked: Asked) -> Arranged:
        """Which machines are shown, and where. One thread at a time."""
        count = len(copy.rank)
        self._learn(count)
        chosen = np.arange(count)
        for word in asked.search.casefold().split():
            chosen = np.array([slot for slot in chosen.tolist() if word in self._words[slot]], np.int64)
        if asked.attention in ATTENTION:
            chosen = chosen[copy.rank[chosen] == ATTENTION.index(asked.attention)]
        order = chosen[np.lexsort([key[chosen] for key in reversed(self._keys(copy, asked.sort))])]
        groups: list[Group] = []
        if asked.group in self._values:
            order, groups = self._grouped(copy, order, self._values[asked.group])
        newest_s = float(copy.now["closed_ns"].max(initial=0)) / 1e9
        return Arranged(order, _counts(copy.rank), groups, newest_s, is_quiet(copy.states))

    @property
    def groupings(self) -> list[str]:
        """What machines can be grouped by."""
        return list(self._values)

    def _keys(self, copy: Copy, sort: str) -> list[NDArray[Any]]:
        """By what machines are ordered, the first counts most. By name in the end, so that none changes places."""
        backwards, name = sort.startswith("-"), sort.removeprefix("-")
        urgent: list[NDArray[Any]] = [copy.rank, copy.acknowledged, copy.since_ns]
        first: dict[str, list[NDArray[Any]]] = {
            "name": [],
            "level": [-copy.now["newest"]],
            "since": [np.where(copy.open, -copy.since_ns, 1)],
            "newest": [-copy.now["closed_ns"]],
            "sensors": [-copy.now["lines"]],
        }
        keys = first.get(name, urgent)
        if name == "name":
            return [-self._place if backwards else self._place]
        own: list[NDArray[Any]] = [-key.astype(float) if backwards else key for key in keys]
        return [*own, self._place]

    def _grouped(self, copy: Copy, order: Ints, values: list[str]) -> tuple[Ints, list[Group]]:
        """Machines of one group beside each other; groups by name, those without a value last."""
        own = [values[slot] for slot in order.tolist()]
        names = sorted(set(own), key=lambda one: (not one, natural(one)))
        number = {name: min(at, GROUPS - 1) for at, name in enumerate(names)}
        of = np.array([number[name] for name in own], np.int64)
        placed = np.argsort(of, kind="stable")
        order, of = order[placed], of[placed]
        groups = []
        for at, name in enumerate(names[:GROUPS]):
            begin, end = np.searchsorted(of, (at, at + 1)).tolist()
            slots = order[begin:end]
            others = at == GROUPS - 1 and len(names) > GROUPS
            groups.append(
                Group(
                    "all others" if others else name,
                    begin,
                    end - begin,
                    {one: many for one, many in _counts(copy.rank[slots]).items() if many},
                    float(copy.now["closed_ns"][slots].max(initial=0)) / 1e9,
                    is_quiet(copy.states[slots]),
                )
            )
        return order, groups


def _names(rule: MachineRule, machine: Machine) -> tuple[str, ...]:
    return machine.name, machine_label(rule, machine.name), rule.kind or ""


def _counts(rank: Ints) -> dict[str, int]:
    return dict(zip(ATTENTION, np.bincount(rank, minlength=len(ATTENTION)).tolist(), strict=True))


def _brief(engine: Engine, copy: Copy, slot: int) -> dict[str, Any]:
    """What a row of a table says of a machine."""
    machine, now, rule = engine.fleet.machines[slot], copy.now[slot], engine.fleet.rules[slot]
    incident = engine.incident(slot) if copy.open[slot] else None
    score = float(now["newest"])
    return {
        "id": identity(machine),
        "name": machine.name,
        "label": machine_label(rule, machine.name),
        "tags": dict(machine.tags),
        "kind": rule.kind,
        "attention": ATTENTION[copy.rank[slot]],
        "severity": Severity(int(copy.severity[slot])).name.lower(),
        "score": score,
        "level": level_of(score),
        "warning_level": level_of(rule.alert.warning),
        "critical_level": level_of(rule.alert.critical),
        "learned": float(now["learned"]),
        "frozen": bool(now["frozen"]),
        "sensors": int(now["lines"]),
        "newest_s": int(now["closed_ns"]) / 1e9,
        "since_s": int(copy.since_ns[slot]) / 1e9 or None,
        "acknowledged": bool(copy.acknowledged[slot]),
        "snoozed": bool(copy.snoozed[slot]),
        "blamed": [part_told(rule, part) for part in incident.sensors[:BLAMED]] if incident else [],
        "why": incident.why if incident else "",
    }


def _full(engine: Engine, copy: Copy, slot: int) -> dict[str, Any]:
    """The same with its incident, its bad sensors and what has changed for good."""
    return {
        **_brief(engine, copy, slot),
        "state": MachineState(int(copy.states[slot])).word,
        "incident": told(engine.incident(slot), engine.fleet.rules[slot]),
        "bad": [one.told() for one in engine.quality(slot) if not one.fine] if copy.doubtful[slot] else [],
        **engine.changes(slot).told(),
    }


def rows(engine: Engine, copy: Copy, slots: Sequence[int], brief: bool) -> list[dict[str, Any]]:
    """Runs on the main thread. Machines of a copy as they are told."""
    one: Callable[[Engine, Copy, int], dict[str, Any]] = _brief if brief else _full
    return [one(engine, copy, slot) for slot in slots]
