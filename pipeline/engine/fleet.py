"""All machines: their names as numbers, and their memory as arrays that grow.

Here names become numbers and numbers become names. A machine has a slot, a sensor of a machine has a line; both are
given out in order of discovery. All state is one tree of named tuples of arrays; growing, saving and restoring are
written once, over that tree.

What belongs to one machine can be cut out and pasted elsewhere: a cut is the snapshot of a fleet of that machine
alone. So the baseline that a repaired machine had before is a machine of the same name in a fleet beside this one.

Pure: snapshots leave as a dictionary of arrays and come back as one; files are somebody else's concern.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders import delta, rate
from pipeline.config.settings import Limits, MachineRule, duration_ns
from pipeline.engine import incidents, recognition, scoring
from pipeline.network import layers, prior, rows
from pipeline.records import Ints, Machine

Array = NDArray[Any]
Tags = tuple[tuple[str, str], ...]
FORMAT = 7  # of a snapshot; raised when a field changes its meaning
OLDEST = 2  # that is still read: what it did not know yet is as if nothing had been seen
RESOLUTION_SINCE = 5  # the format that knows how finely a sensor speaks, and how often it moves
SETTLED_SINCE = 6  # the format that knows from how many rows a sensor's mean is known
BEFORE = "before."  # begins the names of those arrays of a snapshot that belong to the kept baselines


class State(NamedTuple):
    """Everything that was learned or counted. Fields of `PER_SLOT` have one row per machine, the others per line."""

    lines: layers.Lines
    machines: layers.Machines
    row_lines: rows.Lines
    row_machines: rows.Machines
    scoring: scoring.State
    incident_lines: incidents.Lines
    incident_machines: incidents.Machines
    recognition_lines: recognition.Lines
    recognition_machines: recognition.Machines


PER_SLOT = {"machines", "row_machines", "scoring", "incident_machines", "recognition_machines"}
IGNORED, NO_ROOM, NO_ROOM_IN_GROUP = -1, -2, -3  # in place of a line


@dataclass(slots=True)
class Group:
    """What the machines with the same tags take together."""

    machines: int = 0
    sensors: int = 0
    full: bool = False  # and somebody was refused


class NoBaselineError(Exception):
    """No baseline of this machine was kept; nothing was changed."""


class SnapshotError(Exception):
    """A snapshot does not fit this version; set it aside and start from an older one."""


class LaterFormatError(SnapshotError):
    """A later version took the snapshot: it must not be set aside."""


def fresh(params: layers.Params, slots: int, lines: int, width: int, real: type[np.floating]) -> State:
    """State of machines that have seen nothing."""
    return State(
        layers.fresh_lines(params, lines, width, real),
        layers.fresh_machines(params, slots, real),
        rows.fresh_lines(lines),
        rows.fresh_machines(slots, width),
        scoring.fresh(slots),
        incidents.fresh_lines(lines),
        incidents.fresh_machines(slots),
        recognition.fresh_lines(lines),
        recognition.fresh_machines(slots),
    )


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    """Every array of a tree of named tuples, with its dotted path."""
    if isinstance(tree, np.ndarray):
        yield path, tree
        return
    for name in tree._fields:
        yield from leaves(getattr(tree, name), f"{path}.{name}" if path else name)


def named(machines: list[Machine], lines: list[tuple[int, str]]) -> Array:
    """The names of machines and lines as an array of a snapshot."""
    names = {"format": FORMAT, "machines": machines, "lines": lines}
    return np.frombuffer(json.dumps(names).encode(), np.uint8)


def read_names(arrays: dict[str, Array]) -> dict[str, Any]:
    """What `named` wrote; raises SnapshotError where another version did, LaterFormatError where a later one."""
    names: dict[str, Any] = json.loads(arrays["names"].tobytes())
    if names["format"] > FORMAT:
        raise LaterFormatError(f"format {names['format']}", f"formats {OLDEST} to {FORMAT}")
    if not OLDEST <= names["format"] <= FORMAT:
        raise SnapshotError(f"snapshot of format {names['format']}, this version reads {OLDEST} to {FORMAT}")
    return names


def check(arrays: dict[str, Array], state: State, format_: int) -> None:
    """Raise SnapshotError unless every array of a snapshot of that format has its place in `state`."""
    for path, leaf in leaves(state):
        saved = arrays.get(path)
        if saved is None and format_ < FORMAT:
            continue
        if saved is None or saved.dtype != leaf.dtype or saved.ndim != leaf.ndim or misfit(saved, leaf):
            raise SnapshotError(f"snapshot lacks {path} as this version keeps it")


def misfit(saved: Array, leaf: Array) -> bool:
    """Whether an array of a snapshot has no place in that of today's network: it was taken of another wiring."""
    return len(saved) > 0 and any(have > room for have, room in zip(saved.shape, leaf.shape, strict=True))


def doubled(have: int, need: int) -> int:
    """Room along an axis: what there is if it suffices, else at least twice as much."""
    return have if need <= have else max(need, 2 * have)


class Fleet:
    """Names, numbers and State of all machines."""

    def __init__(
        self,
        params: layers.Params,
        limits: Limits,
        rule: Callable[[str], MachineRule],
        real: type[np.floating] = np.float32,
        priors: Callable[[str], prior.Prior | None] | None = None,
    ) -> None:
        self.params = params
        self.machines: list[Machine] = []
        self.lines: list[tuple[int, str]] = []  # slot and sensor of each line
        self.rules: list[MachineRule] = []
        self._priors: list[prior.Prior | None] = []
        self.tags: list[tuple[tuple[str, str], ...]] = []  # of each slot's points, sorted
        self.line_tags: list[tuple[tuple[str, str], ...]] = []  # the same of each line's
        self.full_groups: list[Tags] = []  # of which somebody was refused, in order
        self.memory = recognition.Memory()  # of faults that people have named
        self.before: Fleet | None = None  # of machines that were repaired, as they were before
        self._limits = limits
        self._rule = rule
        self._prior = priors or (lambda name: None)
        self._real = real
        self._slots: dict[Machine, int] = {}
        self._groups: dict[Tags, Group] = {}
        self._numbers: list[dict[str, int]] = []  # sensor -> line, per slot; -1 for a sensor to be ignored
        self._sizes: list[int] = []  # lines per slot
        self._room = (0, 0, 0)  # slots, lines, width
        self.state = fresh(params, 0, 0, 0, real)

    def number(self, machine: Machine, sensor: str) -> tuple[int, int]:
        """Slot and line of a sensor, given out on first sight.

        Instead of a line: IGNORED for a sensor that the configuration ignores, NO_ROOM or NO_ROOM_IN_GROUP where a
        limit leaves none. What is refused leaves no trace but its group in `full_groups`, and that only if the group
        has machines, so names that nobody knows take no memory.
        """
        slot = self._slots.get(machine, -1)
        if slot >= 0:
            line = self._numbers[slot].get(sensor)
            if line is not None:
                return slot, line
        elif full := self._full(machine, new=True):
            return -1, full
        else:
            slot = self.add_machine(machine)
        known = self.rules[slot].sensors.get(sensor)
        if known is not None and known.ignore:
            self._numbers[slot][sensor] = IGNORED
            return slot, IGNORED
        if self._sizes[slot] >= self._limits.sensors_per_machine:
            return slot, NO_ROOM
        if full := self._full(machine, new=False):
            return slot, full
        return slot, self.add_line(slot, sensor)

    def _full(self, machine: Machine, new: bool) -> int:
        """Why there is no room for one more sensor, and its machine if that is new; 0 where there is."""
        limits, group = self._limits, self._groups.get(machine.tags)
        if group is not None and (
            group.sensors >= limits.sensors_per_group or (new and group.machines >= limits.machines_per_group)
        ):
            if not group.full:
                group.full = True
                self.full_groups.append(machine.tags)
            return NO_ROOM_IN_GROUP
        if len(self.lines) >= limits.sensors or (new and len(self.machines) >= limits.machines):
            return NO_ROOM
        return 0

    def add_machine(self, machine: Machine) -> int:
        """Give a machine the next slot."""
        slot = len(self.machines)
        rule = self._rule(machine.name)
        self.machines.append(machine)
        self.rules.append(rule)
        self.tags.append(tuple(sorted((("machine", machine.name), *machine.tags))))
        self._slots[machine] = slot
        self._groups.setdefault(machine.tags, Group()).machines += 1
        self._numbers.append({})
        self._sizes.append(0)
        self._reserve(slot + 1, len(self.lines), 1)
        self._configure(slot)
        self._priors.append(self._prior(machine.name))
        if self._priors[slot] is not None:
            self.state.machines.evidence.given[slot] = prior.ROWS
        return slot

    def add_line(self, slot: int, sensor: str) -> int:
        """Give a sensor of a machine the next line. Its network takes it in with its first reading.

        A machine's lines must be given out in the order of their first readings, which is that of its roster.
        """
        line = len(self.lines)
        earlier = self.lines_of(slot)
        self._sizes[slot] += 1
        self._groups[self.machines[slot].tags].sensors += 1
        self.lines.append((slot, sensor))
        self.line_tags.append(tuple(sorted((*self.tags[slot], ("sensor", sensor)))))
        self._numbers[slot][sensor] = line
        self._reserve(len(self.machines), line + 1, self._sizes[slot])
        first = next((number for number in self._numbers[slot].values() if number >= 0), line)
        self.state.lines.frozen[line] = self.state.lines.frozen[first]  # as the machine's other sensors
        self._declare(line)
        known = self._priors[slot]
        if known is not None:
            lines = self.state.lines
            prior.give(known, sensor, line, earlier, lines.expectation, lines.evidence, lines.resolution)
        return line

    def slot(self, machine: Machine) -> int:
        """Slot of a machine; -1 for one that is not known."""
        return self._slots.get(machine, -1)

    def lines_of(self, slot: int) -> list[tuple[str, int]]:
        """Sensors and lines of a machine, in order of discovery."""
        return [(sensor, line) for sensor, line in self._numbers[slot].items() if line >= 0]

    def learned(self, slot: int) -> prior.Prior | None:
        """What a machine can tell others of its kind; None while it has learned too little."""
        state = self.state
        lines = state.row_machines.roster[slot, : state.row_machines.size[slot]].tolist()
        sensors = [self.lines[line][1] for line in lines]
        return prior.learned(self.machines[slot].name, sensors, lines, state.lines.expectation, state.lines.evidence)

    def kin(self, slot: int) -> list[int]:
        """Machines of which faults were named that this one may have, too: itself, and those of its kind."""
        kind = self.rules[slot].kind
        return [one for one in self.memory.machines() if one == slot or (kind and self.rules[one].kind == kind)]

    def _configure(self, slot: int) -> None:
        """Give a machine the thresholds of its rule and its lines the ranges: both are configuration, not memory."""
        alert = self.rules[slot].alert
        self.state.scoring.warning[slot] = alert.warning
        self.state.scoring.critical[slot] = alert.critical
        machines = self.state.incident_machines
        machines.hold_ns[slot] = duration_ns(alert.hold)
        machines.close_ns[slot] = duration_ns(alert.close)
        machines.escalate_ns[slot] = duration_ns(alert.escalate)
        machines.clear[slot] = min(alert.clear, alert.warning)
        for _, line in self.lines_of(slot):
            self._declare(line)

    def _declare(self, line: int) -> None:
        """Tell a line's encoders the range of its sensor, or that they learn it from here on."""
        slot, sensor = self.lines[line]
        known = self.rules[slot].sensors.get(sensor)
        lines = self.state.lines
        remembers = layers.has_context(self.params)
        if known is not None and known.range is not None:
            delta.declare(lines.delta, line, *known.range)
            if remembers:
                rate.declare(lines.context.code, line, *known.range)
        else:
            lines.delta.declared[line] = False
            if remembers:
                lines.context.code.declared[line] = False

    def freeze(self, slot: int, frozen: bool) -> None:
        """Whether the lines of a machine learn; later ones take after them."""
        self.state.lines.frozen[self._own(slot)] = frozen

    def frozen(self, slot: int) -> bool:
        """Whether a machine is frozen; one without sensors never is."""
        return bool(self.state.lines.frozen[self._own(slot)].any())

    def cut(self, slot: int) -> dict[str, Array]:
        """Copies of all that belongs to one machine: the snapshot of a fleet that knows nothing else."""
        lines = self._own(slot)
        alone = fresh(self.params, 1, len(lines), max(len(lines), 1), self._real)
        arrays = {}
        for (path, leaf), (_, own) in zip(leaves(self.state), leaves(alone), strict=True):
            arrays[path] = own
            if len(leaf):  # what no dendrite hears has no rows
                own[:] = leaf[self._rows(path, slot, lines)][tuple(slice(length) for length in own.shape)]
        roster = arrays["row_machines.roster"][0, : int(arrays["row_machines.size"][0])]
        roster[:] = np.searchsorted(lines, roster)
        names = [(0, self.lines[line][1]) for line in lines]
        return arrays | {"names": named([self.machines[slot]], names)}

    def paste(self, slot: int, arrays: dict[str, Array]) -> None:
        """Let a machine become the one that was cut out, of any fleet; sensors find each other by name.

        Sensors that the cut does not know have seen nothing. Thresholds and ranges are those of this fleet's rules.
        Raises SnapshotError, and changes nothing, where the arrays are not those of this version.
        """
        names = read_names(arrays)
        sensors = [sensor for _, sensor in names["lines"]]
        alone = fresh(self.params, 1, len(sensors), max(len(sensors), 1), self._real)
        check(arrays, alone, names["format"])
        if any(arrays[path].shape != leaf.shape for path, leaf in leaves(alone)):
            raise SnapshotError("not the cut of one machine")
        for sensor in sensors:
            if self._numbers[slot].get(sensor, -1) < 0:
                self.add_line(slot, sensor)
        self.clear(slot)
        lines = np.array([self._numbers[slot][sensor] for sensor in sensors], np.int64)
        for path, leaf in leaves(self.state):
            if len(leaf):
                rows = self._rows(path, slot, lines)
                own = leaf[rows]
                own[tuple(slice(length) for length in arrays[path].shape)] = arrays[path]
                leaf[rows] = own
        roster = self.state.row_machines.roster[slot, : self.state.row_machines.size[slot]]
        roster[:] = lines[roster]
        self._configure(slot)

    def clear(self, slot: int) -> None:
        """Let a machine have seen nothing; what the configuration says of it holds."""
        lines = self._own(slot)
        nothing = fresh(self.params, 1, 1, self._room[2], self._real)
        for (path, leaf), (_, blank) in zip(leaves(self.state), leaves(nothing), strict=True):
            if len(leaf):
                leaf[self._rows(path, slot, lines)] = blank[0]
        self._configure(slot)

    def keep(self, slot: int) -> None:
        """Keep a machine as it is beside the fleet, in place of what was kept of it before.

        From here on it stands for itself: sensors that it gets later begin without the prior of its kind.
        """
        self._priors[slot] = None
        if self.before is None:
            self.before = Fleet(self.params, self._limits, self._rule, self._real)
        machine, known = self.machines[slot], self.before._slots
        kept = known[machine] if machine in known else self.before.add_machine(machine)
        self.before.paste(kept, self.cut(slot))

    def baseline(self, slot: int) -> dict[str, Array]:
        """What was kept of a machine, as it was cut; raises NoBaselineError where nothing was."""
        machine = self.machines[slot]
        if self.before is None or machine not in self.before._slots:
            raise NoBaselineError(f"no baseline of {machine.name} was kept")
        return self.before.cut(self.before._slots[machine])

    def exchange(self, slot: int) -> None:
        """Let a machine be as it was when it was kept, and keep it as it is; raises NoBaselineError."""
        kept = self.baseline(slot)
        self.keep(slot)
        self.paste(slot, kept)

    def _own(self, slot: int) -> Ints:
        """Lines of a machine, in order of discovery."""
        return np.array([line for _, line in self.lines_of(slot)], np.int64)

    def _rows(self, path: str, slot: int, lines: Ints) -> Ints:
        """Rows of a machine in the array of that path."""
        return np.array([slot]) if path.split(".")[0] in PER_SLOT else lines

    def _reserve(self, slots: int, lines: int, width: int) -> None:
        """Make room for so many; each axis doubles when it is full, so that growing costs little on average."""
        have = self._room
        room = (doubled(have[0], slots), doubled(have[1], lines), doubled(have[2], width))
        if room == have:
            return
        self._room = room
        grown = fresh(self.params, *room, self._real)
        for (_, new), (_, old) in zip(leaves(grown), leaves(self.state), strict=True):
            new[tuple(slice(length) for length in old.shape)] = old
        self.state = grown

    def snapshot(self) -> dict[str, Array]:
        """Copies of all arrays, and the names; `restore` makes an equal fleet of them."""
        arrays = {path: leaf[: self._used(path)].copy() for path, leaf in leaves(self.state)}
        arrays["names"] = named(self.machines, self.lines)
        arrays |= self.memory.arrays()
        if self.before is not None:
            arrays |= {BEFORE + name: array for name, array in self.before.snapshot().items()}
        return arrays

    def restore(self, arrays: dict[str, Array]) -> None:
        """Become the fleet a snapshot was taken of; only for a fleet that knows nothing yet.

        Raises SnapshotError where the arrays are not those of this version.
        """
        names = read_names(arrays)
        for name, tags in names["machines"]:
            self.add_machine(Machine(name, tuple((key, value) for key, value in tags)))
        for slot, sensor in names["lines"]:
            self.add_line(slot, sensor)
        check(arrays, self.state, names["format"])
        for path, leaf in leaves(self.state):
            saved = arrays.get(path)
            if saved is None:  # of an older format
                continue
            leaf[tuple(slice(length) for length in saved.shape)] = saved
        if names["format"] < RESOLUTION_SINCE:
            rows_ = self.state.row_machines
            layers.adopt(self.params, self.state.lines, rows_.roster, rows_.size)
        if names["format"] < SETTLED_SINCE:
            known = self.state.lines.expectation
            known.settled[:] = known.own - known.given
        try:
            self.memory = recognition.Memory.of(arrays)
        except ValueError as error:
            raise SnapshotError(str(error)) from None
        for slot in range(len(self.machines)):
            self._configure(slot)
        kept = {name.removeprefix(BEFORE): array for name, array in arrays.items() if name.startswith(BEFORE)}
        if kept:
            self.before = Fleet(self.params, self._limits, self._rule, self._real)
            self.before.restore(kept)
            for machine in self.before.machines:
                self._priors[self._slots[machine]] = None

    def _used(self, path: str) -> int:
        return len(self.machines) if path.split(".")[0] in PER_SLOT else len(self.lines)
