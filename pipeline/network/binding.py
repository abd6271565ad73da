"""The network in C, for Python: its parameters, and its one entrance.

A step releases the interpreter lock while it runs. What it says are records of C, named as there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network import CONTEXT_INNATE, EDGES, INNATE
from pipeline.network._core import ffi, lib
from pipeline.network.block import EIGHTH, REAL, Block, record
from pipeline.network.calendar import Calendar, InC
from pipeline.network.calendar import in_c as calendar_in_c
from pipeline.network.parameters import Params
from pipeline.network.prior import Prior

Records = NDArray[Any]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Page = tuple[Records, Records, Records]  # rows, entries, lost lines
SHARED = 512  # readings from which on a batch is worth more than one thread
WRONG = {
    lib.SW_BAD_SLOT: "there is no such machine",
    lib.SW_BAD_BLOCK: "its machine has no valid memory block",
    lib.SW_BAD_LINE: "its machine has no such line",
    lib.SW_BAD_VALUE: "its value is not a finite number of at most 1e100",
    lib.SW_BAD_ROOM: "the working memory is too small for its machine",
}


class RefusedError(ValueError):
    """A batch has an invalid reading; nothing of it was taken in."""


class Said(NamedTuple):
    """What a step says."""

    row: Records  # `struct sw_row` of each row that closed, in order
    entry: Records  # `struct sw_entry` of each of their readings
    lost: Records  # `struct sw_lost`
    late: Bools  # of each reading that was given


def in_c(params: Params) -> Any:
    """The numbers of every part as C has them."""
    own = ffi.new("struct sw_params *")
    given = params._asdict()
    given["innate"] = INNATE
    given["context"] = {**params.context._asdict(), "innate": CONTEXT_INNATE}
    given["rank"] = {**params.rank._asdict(), "edges": EDGES, "full": full(params.rank.memory)}
    given["evolving"] = {**params.evolving._asdict(), "full": full(params.evolving.memory)}
    given["modes"] = {**params.modes._asdict(), "full": full(params.modes.memory)}
    fill(own, given)
    return own


def full(memory: float) -> int:
    """Events in counts that fade, when they lose an eighth, so that they remember about so many; see counts.h."""
    return min(max(round(EIGHTH * memory), 1), lib.SW_MOST_FULL)


def fill(own: Any, given: dict[str, Any]) -> None:
    """Give every field of a structure the number of the same name; a word of C has a line under it at its end."""
    kind = ffi.typeof(own)
    for name, field in (kind.item if kind.kind == "pointer" else kind).fields:
        value = given[name.removesuffix("_")]
        if field.type.kind == "struct":
            fill(getattr(own, name), value if isinstance(value, dict) else value._asdict())
        else:
            setattr(own, name, value)


def page(rows: int, entries: int, losses: int) -> Page:
    """Memory for so many of each."""
    return np.empty(rows, record("row")), np.empty(entries, record("entry")), np.empty(losses, record("lost"))


class Core:
    """Machines by slot, and the step that takes readings over all of them."""

    def __init__(
        self, params: Params, every_ns: int = 0, sensors_every_ns: int = 0, ageing_ns: int = 0, threads: int = 1
    ) -> None:
        """Times as of `Engine`; `threads`: that share a large batch."""
        scoring = {"every_ns": every_ns, "sensors_every_ns": sensors_every_ns}
        self._begin(in_c(params), scoring, ageing_ns, threads)

    def _begin(self, params: Any, scoring: Any, ageing_ns: int, threads: int = 1) -> None:
        self.params = params
        self.blocks: list[Block | None] = []  # None before a machine has a sensor
        self._addresses = np.zeros(0, np.uint64)
        self._calendars = np.zeros(0, np.uint64)  # the same of calendars; 0 for none
        self._calendar: dict[int, InC] = {}  # those in use, by slot
        self._fleet = ffi.new("struct sw_fleet *", {"scoring": scoring, "ageing_ns": ageing_ns})
        self._names: NDArray[np.int32] | None = None  # kept for as long as C may read it
        self._most = 0  # lines of a machine
        self._rooms = [np.zeros(0, np.uint64) for _ in range(threads)]
        self._pages: list[Page] = [page(0, 0, 0)] * threads
        self._helpers = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def alike(self) -> Core:
        """Another one of the same parameters, without a machine."""
        other = Core.__new__(Core)
        other._begin(self.params, self._fleet.scoring, self._fleet.ageing_ns)
        return other

    def add(self, block: Block | None = None) -> int:
        """Give a machine the next slot."""
        slot = len(self.blocks)
        self.blocks.append(None)
        if slot >= len(self._addresses):
            self._addresses = np.append(self._addresses, np.zeros(max(16, len(self._addresses)), np.uint64))
            self._fleet.block = ffi.from_buffer("void *[]", self._addresses)
            self._calendars = np.append(self._calendars, np.zeros(len(self._addresses) - slot, np.uint64))
            self._fleet.calendar = ffi.from_buffer("struct sw_calendar *[]", self._calendars)
        self._fleet.slots = slot + 1
        if block is not None:
            self.replace(slot, block)
        return slot

    def keep_time(self, slot: int, calendar: Calendar | None) -> None:
        """Give a machine local time and days of rest; None for UTC without any."""
        if calendar is not None:
            self._calendar[slot] = calendar_in_c(calendar)
            self._calendars[slot] = int(ffi.cast("uintptr_t", self._calendar[slot].pointer))

    def block(self, slot: int) -> Block:
        """The memory of a machine that has some."""
        block = self.blocks[slot]
        if block is None:
            raise KeyError(slot)
        return block

    def replace(self, slot: int, block: Block) -> None:
        """Let a slot be another machine, or the same one grown."""
        self.blocks[slot] = block
        self._addresses[slot] = int(ffi.cast("uintptr_t", block.pointer))
        if block.lines > self._most:
            self._most = block.lines
            size = (lib.sw_room_bytes(self._most) + 7) // 8
            self._rooms = [np.zeros(size, np.uint64) for _ in self._rooms]

    def call_lines(self, names: NDArray[np.int32]) -> None:
        """What is said of a line has this number, (slots, numbers in the machine); the array is not copied."""
        self._names = names
        self._fleet.name = ffi.from_buffer("int32_t[]", names)
        self._fleet.names = names.shape[1]

    def step(
        self, slot: Ints, line: Ints, time_ns: Ints, value: Floats, ends: Bools, closing: Ints | None = None
    ) -> Said:
        """Score readings in order and learn from them; `line` is a number in its machine, the rest as in `Readings`.

        Then the open rows of the slots of `closing` are judged as they are. Raises RefusedError, and ValueError for
        columns of different lengths.
        """
        closing = np.zeros(0, np.int64) if closing is None else np.ascontiguousarray(closing, np.int64)
        kinds = (np.int64, np.int64, np.int64, REAL, np.bool_)  # C believes the caller
        given = zip((slot, line, time_ns, value, ends), kinds, strict=True)
        columns: list[NDArray[Any]] = [np.ascontiguousarray(column, kind) for column, kind in given]
        if any(len(column) != len(slot) for column in columns):
            raise ValueError("columns of readings differ in length")
        parts = len(self._rooms) if len(slot) >= SHARED else 1
        if self._helpers is None or parts == 1:
            return self._part(columns, closing, 0, 1)
        others = [self._helpers.submit(self._part, columns, closing, part, parts) for part in range(1, parts)]
        try:
            own = self._part(columns, closing, 0, parts)
        finally:
            wait(others)  # they step machines of ours
        return in_order([own, *(other.result() for other in others)])

    def _part(self, columns: list[NDArray[Any]], closing: Ints, part: int, parts: int) -> Said:
        """The machines of a part of a batch; several may run at the same time, each with memory of its own."""
        said: list[Said] = []
        late = np.zeros(len(columns[0]), np.bool_)
        begin = closed = 0
        while not said or begin < len(late) or closed < len(closing):
            rest = [column[begin:] for column in columns]
            told, taken, ended = self._step(rest, closing[closed:], late[begin:], part, parts)
            told.row["at"] += 2 * begin + closed
            begin, closed = begin + taken, closed + ended
            if parts > 1 and (begin < len(late) or closed < len(closing)):  # the next turn writes where this one did
                told = Said(*(column.copy() for column in told))
            said.append(told)
        return (said[0] if len(said) == 1 else joined(said))._replace(late=late)

    def _step(
        self, columns: list[NDArray[Any]], closing: Ints, late: Bools, part: int, parts: int
    ) -> tuple[Said, int, int]:
        """As much of a part as finds a place; returns how many readings, and closings, were gone through."""
        count, most = len(columns[0]), 2 * self._most
        places = (count + len(closing) + 16, 2 * count + 16 * len(closing) + 2 * most, count // 8 + 2 * most)
        row, entry, lost = self._page(part, parts, places)
        arrival = np.empty(count, record("arrival"))
        sizes = {"readings": count, "closings": len(closing), "part": part, "parts": parts}
        batch, said = ffi.new("struct sw_batch *", sizes), ffi.new("struct sw_said *")
        for name, kind, column in zip(
            ("slot", "line", "time_ns", "value", "ends", "closing"),
            ("int64_t[]", "int64_t[]", "int64_t[]", "sw_real[]", "bool[]", "int64_t[]"),
            (*columns, closing),
            strict=True,
        ):
            setattr(batch, name, ffi.from_buffer(kind, column))
        said.row, said.entry = ffi.from_buffer("struct sw_row[]", row), ffi.from_buffer("struct sw_entry[]", entry)
        said.lost, said.late = ffi.from_buffer("struct sw_lost[]", lost), ffi.from_buffer("bool[]", late)
        said.arrival = ffi.from_buffer("struct sw_arrival[]", arrival)
        said.room, said.room_lines = ffi.from_buffer("void *", self._rooms[part]), self._most
        said.row_places, said.entry_places, said.lost_places = len(row), len(entry), len(lost)
        wrong = lib.sw_step(self.params, self._fleet, batch, said)
        if wrong != lib.SW_DONE:
            raise RefusedError(f"reading {said.refused}: {WRONG[wrong]}")
        told = Said(row[: said.rows], entry[: said.entries], lost[: said.losses], late)
        return told, int(said.readings), int(said.closings)

    def _page(self, part: int, parts: int, places: tuple[int, int, int]) -> Page:
        """Memory for rows, entries and lost lines.

        What one thread says is the caller's to keep. What several say is put in order elsewhere: each has memory of
        its own and writes to it again: the system need not find new pages for every batch.
        """
        if parts == 1:
            return page(*places)
        if any(len(have) < need for have, need in zip(self._pages[part], places, strict=True)):
            self._pages[part] = page(*places)
        return self._pages[part]

    def give(self, slot: int, known: Prior, number: int, sensors: list[str]) -> None:
        """Let a line that has seen nothing begin with what is known of its kind's sensor, if anything is.

        `sensors`: names of the machine's lines in order of their numbers, that one's as the last.
        """
        own = np.array([known.sensors.index(one) if one in known.sensors else -1 for one in sensors], np.int64)
        given = ffi.new("struct sw_prior *")
        given.sensors = len(known.sensors)
        names = ("covariance", "residual", "innovation", "spread", "energy")
        columns = [np.ascontiguousarray(getattr(known, name), REAL) for name in names]
        for name, column in zip(names, columns, strict=True):
            setattr(given, name, ffi.from_buffer("sw_real[]", column))
        others = ffi.from_buffer("int64_t[]", own)
        lib.sw_prior_give(given, self.block(slot).pointer, number, int(own[-1]), others)

    def ages(self, slot: int) -> Records:
        """What is known of the ageing of each line that has had a reading, in order of these; `sw_wear_measured`."""
        block = self.block(slot)
        out = np.empty(int(block.machine["rows"]["size"]), record("wear_measured"))
        room = ffi.from_buffer("void *", self._rooms[0])
        lib.sw_ages(self.params, block.pointer, room, ffi.from_buffer("struct sw_wear_measured[]", out))
        return out

    def shifts(self, slot: int) -> list[tuple[float, float]]:
        """How far each line that has had a reading has moved, and moves in a row; see `drift.h`."""
        params, block = ffi.addressof(self.params, "drift"), self.block(slot)
        lines = ffi.cast("struct sw_line *", block.line.ctypes.data)
        drifts = [ffi.addressof(lines[number], "drift") for number in block.order.tolist()]
        return [(lib.sw_drift_shift(params, one), lib.sw_drift_pace(params, one)) for one in drifts]

    def account(self, slot: int) -> Any:
        """What the network of a machine has done so far, `struct sw_account`; in place, so it goes on counting."""
        return self.block(slot).machine["account"]

    def confirm(self, slot: int) -> None:
        """A person says that what the machine does now is normal."""
        lib.sw_confirm(self.params, self.block(slot).pointer)

    def look(self, begin: int = 0, end: int | None = None) -> Records:
        """How the machines of these slots stand, of all by default; `struct sw_glance`."""
        end = len(self.blocks) if end is None else end
        out = np.empty(end - begin, record("glance"))
        lib.sw_look(self._fleet, begin, end, ffi.from_buffer("struct sw_glance[]", out))
        return out


def joined(parts: list[Said]) -> Said:
    """What several steps said, one after the other."""
    return put_together(parts, np.arange(sum(len(part.row) for part in parts)))


def in_order(parts: list[Said]) -> Said:
    """What several parts of one batch said, as if one had said it all: in the order of its readings."""
    order = np.argsort(np.concatenate([part.row["at"] for part in parts]), kind="stable")
    return put_together(parts, order)._replace(late=np.logical_or.reduce([part.late for part in parts]))


def put_together(parts: list[Said], order: Ints) -> Said:
    """What several said as one; `order`: of their rows, of which entries and lost lines are a part."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    row = placed([part.row for part in parts], place)
    found = []
    for name, records in (("until", [part.entry for part in parts]), ("lost", [part.lost for part in parts])):
        count = np.concatenate([np.diff(part.row[name], prepend=0) for part in parts])
        ends = np.cumsum(count[order])
        row[name] = ends
        begins = np.empty(len(order), np.int64)
        begins[order] = ends - count[order]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        found.append(placed(records, np.repeat(begins, count) + within))
    return Said(row, found[0], found[1], parts[0].late)


def placed(records: list[Records], place: Ints) -> Records:
    """Records each in its place. Copied as bytes: NumPy would copy them field by field."""
    kind = records[0].dtype
    whole, begin = np.empty(len(place), (np.void, kind.itemsize)), 0
    for some in records:
        whole[place[begin : begin + len(some)]] = some.view(whole.dtype)
        begin += len(some)
    found: Records = whole.view(kind)
    return found
