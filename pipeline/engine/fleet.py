"""All machines: their names as numbers, and the memory of each.

Here names become numbers and numbers become names. A machine has a slot, a sensor of a machine has a line; both are
given out in order of discovery. In its machine a sensor has a number, too: its place in the machine's block of bytes,
which is all that the network has learned. What incidents are to machines and sensors lies beside it, in arrays that
grow.

What belongs to one machine can be cut out and pasted elsewhere: a cut is the snapshot of a fleet of that machine
alone. The baseline that a repaired machine had before is a block that is kept.

Pure: snapshots leave as a dictionary of arrays and come back as one; files are somebody else's concern.
"""

import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.config.settings import Limits, MachineRule, Sensor, duration_ns
from pipeline.engine import earlier, incidents, recognition
from pipeline.engine.earlier import SnapshotError
from pipeline.network import earlier_block, prior
from pipeline.network._core import lib
from pipeline.network.binding import Core, Said
from pipeline.network.block import Block, BlockError
from pipeline.network.calendar import Calendar
from pipeline.records import Ints, Machine, Readings

Array = NDArray[Any]
Tags = tuple[tuple[str, str], ...]
Read = Callable[[Any, bytes, int], list[Block]]
FORMAT = 11  # of a snapshot; raised when a field changes its meaning
UNKNOWN = Sensor()  # one that the configuration does not name


class State(NamedTuple):
    """What incidents are to machines and lines. Fields of `PER_SLOT` have a row per machine, the others per line."""

    incident_lines: incidents.Lines
    incident_machines: incidents.Machines
    recognition_lines: recognition.Lines
    recognition_machines: recognition.Machines


PER_SLOT = {"incident_machines", "recognition_machines"}
IGNORED, NO_ROOM, NO_ROOM_IN_GROUP = -1, -2, -3  # in place of a line


@dataclass(slots=True)
class Group:
    """What the machines with the same tags take together."""

    machines: int = 0
    sensors: int = 0
    full: bool = False  # and somebody was refused


class NoBaselineError(Exception):
    """No baseline of this machine was kept; nothing was changed."""


class LaterFormatError(SnapshotError):
    """A later version took the snapshot: it must not be set aside."""


def fresh(slots: int, lines: int) -> State:
    """State of machines that had no incident."""
    return State(
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


def read_names(arrays: dict[str, Array]) -> earlier.Names:
    """What `named` wrote; raises SnapshotError where another version did, LaterFormatError where a later one."""
    names = earlier.Names.of(arrays["names"])
    if names.format > FORMAT:
        raise LaterFormatError(f"format {names.format}", f"formats {earlier.OLDEST} to {FORMAT}")
    if names.format < earlier.OLDEST:
        raise SnapshotError(f"snapshot of format {names.format}, this version reads {earlier.OLDEST} to {FORMAT}")
    return names


def doubled(have: int, need: int) -> int:
    """Room along an axis: what there is if it suffices, else at least twice as much."""
    return have if need <= have else max(need, 2 * have)


def room_for(lines: int) -> int:
    """Lines that a block of a machine with so many has room for; the same however they came.

    Up to a cohort just as many; then whole cohorts, as every growth copies what grows with the square of the lines.
    """
    cohort: int = lib.SW_COHORT
    return max(lines, 1) if lines <= cohort else -(-lines // cohort) * cohort


def packed(blocks: list[Block]) -> Array:
    """Blocks as an array of a snapshot, one after the other; each says how long it is."""
    whole = np.empty(sum(block.memory.nbytes for block in blocks), np.uint8)
    begin = 0
    for block in blocks:
        block.seal()
        whole[begin : begin + block.memory.nbytes] = block.memory.view(np.uint8)
        begin += block.memory.nbytes
    return whole


class Fleet:
    """Names, numbers and memory of all machines."""

    def __init__(
        self,
        core: Core,
        limits: Limits,
        rule: Callable[[str], MachineRule],
        priors: Callable[[str], prior.Prior | None] | None = None,
        calendars: Callable[[str], Calendar | None] | None = None,
    ) -> None:
        """`core` has no machine yet.

        `rule`, `priors`, `calendars`: settings of a machine by its name, what its kind knows, and its local time.
        """
        self.core = core
        self.machines: list[Machine] = []
        self.lines: list[tuple[int, str]] = []  # slot and sensor of each line
        self.rules: list[MachineRule] = []
        self._priors: list[prior.Prior | None] = []
        self.tags: list[tuple[tuple[str, str], ...]] = []  # of each slot's points, sorted
        self.line_tags: list[tuple[tuple[str, str], ...]] = []  # the same of each line's
        self.full_groups: list[Tags] = []  # of which somebody was refused, in order
        self.memory = recognition.Memory()  # of faults that people have named
        self.kept: dict[int, Block] = {}  # machines that were repaired, as they were before, by slot
        self._limits = limits
        self._rule = rule
        self._prior = priors or (lambda name: None)
        self._calendar = calendars or (lambda name: None)
        self._slots: dict[Machine, int] = {}
        self._groups: dict[Tags, Group] = {}
        self._numbers: list[dict[str, int]] = []  # sensor -> line, per slot; -1 for a sensor to be ignored
        self._own: list[list[int]] = []  # lines per slot, by their numbers in the machine
        self._roomed: list[int] = []  # how many of them the machine's block knows
        self._waiting: set[int] = set()  # slots with others
        self._number = np.zeros(0, np.int64)  # of each line in its machine
        self._table = np.zeros((0, 0), np.int32)  # of each slot, lines by their numbers
        self._room = (0, 0)  # slots, lines
        self.state = fresh(0, 0)

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
        if len(self._own[slot]) >= self._limits.sensors_per_machine:
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
        slot = self.core.add()
        rule = self._rule(machine.name)
        self.machines.append(machine)
        self.rules.append(rule)
        self.tags.append(tuple(sorted((("machine", machine.name), *machine.tags))))
        self._slots[machine] = slot
        self._groups.setdefault(machine.tags, Group()).machines += 1
        self._numbers.append({})
        self._own.append([])
        self._roomed.append(0)
        self._reserve(slot + 1, len(self.lines))
        self._priors.append(self._prior(machine.name))
        self.core.keep_time(slot, self.calendar(slot))
        self._set_alert(slot)
        return slot

    def add_line(self, slot: int, sensor: str) -> int:
        """Give a sensor of a machine the next line. Its network takes it in with its first reading.

        A machine's lines must be given out in the order of their first readings, which is that of its roster.
        """
        line, number = len(self.lines), len(self._own[slot])
        self._groups[self.machines[slot].tags].sensors += 1
        self.lines.append((slot, sensor))
        self.line_tags.append(tuple(sorted((*self.tags[slot], ("sensor", sensor)))))
        self._numbers[slot][sensor] = line
        self._own[slot].append(line)
        self._waiting.add(slot)
        self._reserve(len(self.machines), line + 1)
        if number >= self._table.shape[1]:
            wider = np.zeros((self._table.shape[0], doubled(self._table.shape[1], number + 1)), np.int32)
            wider[:, : self._table.shape[1]] = self._table
            self._table = wider
        self._number[line], self._table[slot, number] = number, line
        return line

    def slot(self, machine: Machine) -> int:
        """Slot of a machine; -1 for one that is not known."""
        return self._slots.get(machine, -1)

    def lines_of(self, slot: int) -> list[tuple[str, int]]:
        """Sensors and lines of a machine, in order of discovery."""
        return [(self.lines[line][1], line) for line in self._own[slot]]

    def signature(self, slot: int) -> int:
        """A number for a machine and its sensors, in their order: CRC-32 of names and tags; never 0."""
        named = json.dumps([self.machines[slot], [sensor for sensor, _ in self.lines_of(slot)]])
        return zlib.crc32(named.encode()) or 1

    def sensor(self, line: int) -> Sensor:
        """What the configuration says of a line."""
        slot, sensor = self.lines[line]
        return self.rules[slot].sensors.get(sensor, UNKNOWN)

    def block(self, slot: int) -> Block:
        """All that the network has learned of a machine, with room for all its sensors."""
        if slot in self._waiting or self.core.blocks[slot] is None:
            self._make_room(slot)
        return self.core.block(slot)

    def calendar(self, slot: int) -> Calendar | None:
        """Local time and days of rest of a machine; None where it has no time zone."""
        return self._calendar(self.machines[slot].name)

    def roster(self, slot: int) -> Ints:
        """Lines of a machine that have had a reading, in order of its rows."""
        lines: Ints = self._table[slot, self.block(slot).order].astype(np.int64)
        return lines

    def step(self, readings: Readings, closing: Ints) -> Said:
        """What the networks say of readings, by lines; afterwards the open rows of these machines are judged."""
        for waiting in [*self._waiting]:
            self._make_room(waiting)
        line = self._number[readings.line]
        self.core.call_lines(self._table)
        return self.core.step(
            readings.slot, line, readings.time_ns, readings.value, readings.ends, closing[self.has_lines(closing)]
        )

    def has_lines(self, slots: Ints) -> NDArray[np.bool_]:
        """Of some machines, whether they have a sensor."""
        return np.array([bool(self._own[slot]) for slot in slots.tolist()], np.bool_)

    def _make_room(self, slot: int) -> None:
        """Let a machine's block know all its sensors, with what their kind and the configuration say of them."""
        self._waiting.discard(slot)
        core, block, known = self.core, self.core.blocks[slot], self._priors[slot]
        begin, end = self._roomed[slot], len(self._own[slot])
        if block is None:
            block = Block.fresh(core.params, room_for(end))
            if known is not None:
                block.begin_with_prior()
        elif block.lines < end:
            block = block.grown(core.params, room_for(end))
        core.replace(slot, block)
        self._roomed[slot] = end
        self._configure(slot, begin)
        if known is not None:
            sensors = [self.lines[line][1] for line in self._own[slot]]
            for number in range(begin, end):
                core.give(slot, known, number, sensors[: number + 1])

    def _configure(self, slot: int, begin: int = 0) -> None:
        """Give a machine the thresholds of its rule, and its lines from a number on the ranges of their sensors.

        Both are configuration, not memory.
        """
        alert, block = self.rules[slot].alert, self.core.block(slot)
        block.machine["scoring"]["warning"] = alert.warning
        block.machine["scoring"]["critical"] = alert.critical
        patience_ns = duration_ns(alert.accept_after) if alert.accept_after is not None else 0
        never = alert.accept_after is not None and not patience_ns
        block.machine["evidence"]["patience_ns"] = math.inf if never else patience_ns
        for number, line in enumerate(self._own[slot][begin:], begin):
            block.declare(number, self.sensor(line).range)

    def _set_alert(self, slot: int) -> None:
        """Give a machine the times and thresholds of its rule for incidents, which are configuration, too."""
        alert, machines = self.rules[slot].alert, self.state.incident_machines
        machines.hold_ns[slot] = duration_ns(alert.hold)
        machines.close_ns[slot] = duration_ns(alert.close)
        machines.escalate_ns[slot] = duration_ns(alert.escalate)
        machines.clear[slot] = min(alert.clear, alert.warning)

    def learned(self, slot: int) -> prior.Prior | None:
        """What a machine can tell others of its kind; None while it has learned too little."""
        sensors = [self.lines[line][1] for line in self.roster(slot).tolist()]
        return prior.learned(self.machines[slot].name, sensors, self.block(slot))

    def kin(self, slot: int) -> list[int]:
        """Machines of which faults were named that this one may have, too: itself, and those of its kind."""
        kind = self.rules[slot].kind
        return [one for one in self.memory.machines() if one == slot or (kind and self.rules[one].kind == kind)]

    def freeze(self, slot: int, frozen: bool) -> None:
        """Whether the lines of a machine learn, later ones too; a machine without sensors has nothing to freeze."""
        if self._own[slot]:
            self.block(slot).machine["frozen"] = frozen

    def frozen(self, slot: int) -> bool:
        """Whether a machine is frozen; one without sensors never is."""
        return bool(self._own[slot] and self.block(slot).machine["frozen"])

    def cut(self, slot: int) -> dict[str, Array]:
        """Copies of all that belongs to one machine: the snapshot of a fleet that knows nothing else."""
        own = np.array(self._own[slot], np.int64)
        arrays = {path: leaf[self._rows(path, slot, own)] for path, leaf in leaves(self.state)}
        names = [(0, self.lines[line][1]) for line in self._own[slot]]
        return {
            **arrays,
            "names": named([self.machines[slot]], names),
            "blocks": packed([self.block(slot)]),
        }

    def paste(self, slot: int, arrays: dict[str, Array]) -> None:
        """Let a machine become the one that was cut out, of any fleet; sensors find each other by name.

        Sensors that the cut does not know have seen nothing. Thresholds and ranges are those of this fleet's rules.
        Raises SnapshotError, and changes nothing, where the arrays are not those of this version.
        """
        alone = Fleet(self.core.alike(), self._limits, self._rule)
        alone.restore(arrays)
        if len(alone.machines) != 1:
            raise SnapshotError("not the cut of one machine")
        sensors = [sensor for _, sensor in alone.lines]
        for sensor in sensors:
            if self._numbers[slot].get(sensor, -1) < 0:
                self.add_line(slot, sensor)
        own = np.array([self._numbers[slot][sensor] for sensor in sensors], np.int64)
        numbers = self._number[own]
        room = room_for(len(self._own[slot]))
        self._waiting.discard(slot)
        self._roomed[slot] = len(self._own[slot])
        self.core.replace(slot, alone.block(0).renumbered(self.core.params, room, numbers))
        self._configure(slot)
        every, nothing = np.array(self._own[slot], np.int64), dict(leaves(fresh(1, len(self._own[slot]))))
        given = dict(leaves(alone.state))
        for path, leaf in leaves(self.state):
            leaf[self._rows(path, slot, every)] = nothing[path]
            leaf[self._rows(path, slot, own)] = given[path][: alone._used(path)]
        self._set_alert(slot)

    def repair(self, slot: int) -> None:
        """Keep a machine as it is, in place of what was kept of it before, and let it begin anew.

        From here on it stands for itself: neither it nor sensors that it gets later begin with the prior of its kind.
        """
        self._priors[slot] = None
        self.kept[slot] = self.block(slot)
        self.core.replace(slot, self.kept[slot].anew(self.core.params))
        self._configure(slot)

    def take_over(self, slot: int, block: Block) -> None:
        """Let a machine go on, in its own time, with a block of its own from elsewhere; what it was is kept."""
        now = self.block(slot)
        self.core.replace(slot, block.back(self.core.params, now))
        self._priors[slot], self.kept[slot] = None, now
        self._configure(slot)
        self._set_alert(slot)

    def has_baseline(self, slot: int) -> bool:
        """Whether a baseline of a machine was kept."""
        return slot in self.kept

    def baseline(self, slot: int) -> Block:
        """A machine as it was when it was kept; raises NoBaselineError."""
        if not self.has_baseline(slot):
            raise NoBaselineError(f"no baseline of {self.machines[slot].name} was kept")
        return self.kept[slot]

    def exchange(self, slot: int) -> None:
        """Let a machine be as it was when it was kept, and keep it as it is; raises NoBaselineError."""
        kept, now = self.baseline(slot), self.block(slot)
        self.core.replace(slot, kept.back(self.core.params, now))
        self.kept[slot] = now
        self._configure(slot)

    def _rows(self, path: str, slot: int, lines: Ints) -> Ints:
        """Rows of a machine in the array of that path."""
        return np.array([slot]) if path.split(".")[0] in PER_SLOT else lines

    def _reserve(self, slots: int, lines: int) -> None:
        """Make room for so many; each axis doubles when it is full, so that growing costs little on average."""
        have = self._room
        room = (doubled(have[0], slots), doubled(have[1], lines))
        if room == have:
            return
        self._room = room
        grown = fresh(*room)
        for (_, new), (_, old) in zip(leaves(grown), leaves(self.state), strict=True):
            new[: len(old)] = old
        self.state = grown
        self._number = np.concatenate((self._number, np.zeros(room[1] - have[1], np.int64)))
        self._table = np.concatenate((self._table, np.zeros((room[0] - have[0], self._table.shape[1]), np.int32)))

    def snapshot(self) -> dict[str, Array]:
        """Copies of all arrays, and the names; `restore` makes an equal fleet of them."""
        arrays = {path: leaf[: self._used(path)].copy() for path, leaf in leaves(self.state)}
        arrays["names"] = named(self.machines, self.lines)
        arrays["blocks"] = packed([self.block(slot) for slot in range(len(self.machines))])
        arrays |= self.memory.arrays()
        if self.kept:
            kept = sorted(self.kept)
            arrays["kept.slots"] = np.array(kept, np.int64)
            arrays["kept.blocks"] = packed([self.kept[slot] for slot in kept])
        return arrays

    def restore(self, arrays: dict[str, Array]) -> None:
        """Become the fleet a snapshot was taken of; only for a fleet that knows nothing yet.

        Raises SnapshotError where the arrays are not those of this version.
        """
        names = read_names(arrays)
        for name, tags in names.machines:
            self.add_machine(Machine(name, tuple((key, value) for key, value in tags)))
        for slot, sensor in names.lines:
            self.add_line(slot, sensor)
        if names.format <= earlier.NEWEST:
            blocks, self.kept = earlier.blocks(self.core.params, arrays, names, room_for)
        else:
            read = Block.unpacked if names.format == FORMAT else earlier_block.unpacked
            blocks = self._unpacked(read, arrays, "blocks", len(self.machines))
            slots = arrays.get("kept.slots", np.zeros(0, np.int64)).tolist()
            self.kept = dict(zip(slots, self._unpacked(read, arrays, "kept.blocks", len(slots)), strict=True))
        for slot, block in [*enumerate(blocks), *self.kept.items()]:
            if not 0 <= slot < len(self.machines) or not block.fits(self.core.params, len(self._own[slot])):
                raise SnapshotError("snapshot: a machine has other sensors, or a network of other parameters")
        self._fill(arrays, names.format)
        try:
            self.memory = recognition.Memory.of(arrays)
        except ValueError as error:
            raise SnapshotError(str(error)) from None
        for slot, block in enumerate(blocks):
            self.core.replace(slot, block)
            self._roomed[slot] = len(self._own[slot])
            self._configure(slot)
            self._set_alert(slot)
            if slot in self.kept:
                self._priors[slot] = None
        self._waiting.clear()

    def _unpacked(self, read: Read, arrays: dict[str, Array], name: str, count: int) -> list[Block]:
        """The blocks that `packed` wrote; raises SnapshotError where these are not so many."""
        try:
            return read(self.core.params, arrays[name].tobytes(), count) if count else []
        except (BlockError, KeyError) as error:
            raise SnapshotError(f"snapshot, {name}: {error}") from None

    def _fill(self, arrays: dict[str, Array], format_: int) -> None:
        """Take over what incidents were to machines and lines; what an older format did not know stays as it is."""
        for path, leaf in leaves(self.state):
            saved = arrays.get(path)
            if saved is None and format_ <= earlier.NEWEST:
                continue
            own = leaf[: self._used(path)]
            if saved is None or saved.dtype != own.dtype or saved.ndim != own.ndim or len(saved) != len(own):
                raise SnapshotError(f"snapshot lacks {path} as this version keeps it")
            if any(have > room for have, room in zip(saved.shape, own.shape, strict=True)):
                raise SnapshotError(f"snapshot has {path} of another wiring")
            own[tuple(slice(length) for length in saved.shape)] = saved

    def _used(self, path: str) -> int:
        return len(self.machines) if path.split(".")[0] in PER_SLOT else len(self.lines)
