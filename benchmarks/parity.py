"""The network in C against the network for Numba, on the lives of `tests/golden/scenarios.py`, number by number.

    python benchmarks/parity.py [NAME ...]     side by side
    python benchmarks/parity.py golden         the core in the engine's place, against tests/golden

Both judge the same readings side by side. After every batch all that was said of rows, readings and lines is compared
with ==, and so is all memory of every machine. What people say in between is said to both. Ends with 1 where one
number differs.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "golden"))

from scenarios import scenarios  # noqa: E402

from pipeline.engine.commands import Command  # noqa: E402
from pipeline.engine.engine import Engine  # noqa: E402
from pipeline.network import judgement, mirror, rows, wear  # noqa: E402
from pipeline.network._core import lib  # noqa: E402
from pipeline.network.binding import Core, Said  # noqa: E402
from pipeline.network.block import Block  # noqa: E402
from pipeline.records import Readings  # noqa: E402

ROW = (
    *("slot", "time_ns", "surprise", "event", "strange", "off", "state", "changed", "drifting", "gate", "age"),
    *("lines", "event_cause", "state_cause", "spikes", "until", "lost", "doubted", "masked", "accepted"),
)
ENTRY = (
    *("line", "value", "expected", "usual", "level", "witness", "sigmas", "dendrite", "rarity", "aged", "ageing"),
    *("quality", "masked", "changed"),
)
SCORE = ("score", "severity", "due", "due_sensors")


class Twins:
    """An engine, and the core beside it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.core = Core(
            engine._params,
            engine._scoring.every_ns,
            engine._scoring.sensors_every_ns,
            engine._ageing_ns,
        )
        self.equal: dict[str, int] = {}  # numbers that were equal, by column
        self.differ: dict[str, int] = {}
        self.told: list[int] = []  # lines of each machine that the core knows
        self.kept: dict[int, Block] = {}  # machines as they were before they were repaired
        self.memory: list[str] = []  # fields of memory that differed
        self.batches = 0

    def lines(self, slot: int) -> list[int]:
        return [line for _, line in self.engine.fleet.lines_of(slot)]

    def grow(self) -> None:
        """Give the core the machines and sensors that the engine has met."""
        for slot in range(len(self.engine.fleet.machines)):
            lines = self.lines(slot)
            if slot == len(self.core.blocks):
                self.core.add(Block.fresh(self.core.params, 1))
                self.told.append(0)
                if self.engine.fleet._priors[slot] is not None:
                    lib.sw_prior_begin(self.core.blocks[slot].pointer)
                self.core.blocks[slot].machine["scoring"]["warning"] = self.engine.fleet.rules[slot].alert.warning
                self.core.blocks[slot].machine["scoring"]["critical"] = self.engine.fleet.rules[slot].alert.critical
            block = self.core.blocks[slot]
            if len(lines) > self.told[slot]:
                block = block.grown(self.core.params, len(lines))
                self.core.replace(slot, block)
                self.configure(slot, block, lines)

    def configure(self, slot: int, block: Block, lines: list[int]) -> None:
        """What is said of new lines before their first readings: ranges, and priors."""
        state, known = self.engine.fleet.state.lines.delta, self.engine.fleet._priors[slot]
        sensors = [sensor for sensor, _ in self.engine.fleet.lines_of(slot)]
        for number in range(self.told[slot] if known else len(lines), len(lines)):
            self.core.give(slot, known, number, sensors[: number + 1])
        self.told[slot] = len(lines)
        for number, line in enumerate(lines):
            if state.declared[line] and not block.line["clock"]["seen"][number]:
                block.line["delta"]["declared"][number] = 1
                block.line["delta"]["low"][number] = state.low[line]
                block.line["delta"]["high"][number] = state.high[line]

    def judge(self, readings: Readings, last: bool = False) -> None:
        engine, fleet = self.engine, self.engine.fleet
        self.grow()
        numbers = {
            line: number for slot in range(len(fleet.machines)) for number, line in enumerate(self.lines(slot))
        }
        own = np.array([numbers[line] for line in readings.line.tolist()], np.int64)
        late = engine.late
        closing = np.arange(len(fleet.machines) if last else 0)
        said = self.core.step(*readings._replace(line=own), closing)
        closed, account = engine.judge(readings, last)
        self.count("late", np.array([said.late.sum()]), np.array([engine.late - late]))
        self.compare(said, closed, account)
        scores = engine._score(closed, account)
        for name in SCORE:
            self.count(f"scores.{name}", said.row[name], getattr(scores, name))
        self.count("scores.state", said.row["machine_state"], scores.state)
        self.count("scores.changed", said.row["changed_lines"], scores.changed)
        for slot in range(len(fleet.machines)):
            self.look(slot)
            self.count("ages", self.core.ages(slot).view(np.float64), engine._measured(slot)[1].ravel())
        self.batches += 1

    def compare(self, said: Said, closed: Any, account: Any) -> None:
        table = [np.array(self.lines(slot)) for slot in range(len(self.engine.fleet.machines))]
        slots = said.row["slot"]
        for name in ROW:
            have = said.row[name]
            if name.endswith("cause"):
                have = np.array([table[slot][line] for slot, line in zip(slots, have, strict=True)], np.int64)
            self.count(f"closed.{name}", have, getattr(closed, name))
        of_entry = np.repeat(slots, np.diff(said.row["until"], prepend=0))
        of_lost = np.repeat(slots, np.diff(said.row["lost"], prepend=0))
        for name in ENTRY:
            have, want = said.entry[name], getattr(account, name)
            if name == "rarity":
                have = have[:, : want.shape[1]]
            if name == "line":
                have = np.array([table[slot][line] for slot, line in zip(of_entry, have, strict=True)], np.int64)
            if name == "ageing":
                aged = account.aged
                have = np.ascontiguousarray(have)[aged].view(np.float64).reshape(int(aged.sum()), wear.COLUMNS)
                want = want[aged]
            self.count(f"account.{name}", have, want)
        lost = [table[slot][line] for slot, line in zip(of_lost, said.lost["line"], strict=True)]
        self.count("account.lost_line", np.array(lost, np.int64), account.lost_line)
        self.count("account.lost_ns", said.lost["time_ns"], account.lost_ns)

    def count(self, name: str, have: Any, want: Any) -> None:
        have, want = np.asarray(have), np.asarray(want)
        if have.shape != want.shape:
            self.differ[name] = self.differ.get(name, 0) + max(have.size, want.size)
            return
        both_none = np.zeros(have.shape, bool)
        if have.dtype.kind == "f":
            both_none = np.isnan(have) & np.isnan(want)
        equal = (have == want) | both_none
        self.equal[name] = self.equal.get(name, 0) + int(equal.sum())
        if not equal.all():
            self.differ[name] = self.differ.get(name, 0) + int((~equal).sum())

    def apply(self, command: Command) -> None:
        """Do what people say to both."""
        self.engine.apply(command)
        for slot, machine in enumerate(self.engine.fleet.machines):
            if machine == command.machine and command.verb == "normal":
                self.core.confirm(slot)
            elif machine == command.machine and command.verb in ("freeze", "resume"):
                self.core.blocks[slot].machine["frozen"] = command.verb == "freeze"
            elif machine == command.machine and command.verb in ("repaired", "rollback"):
                self.core.step(*Readings.none(), np.array([slot]))
                now = self.core.blocks[slot].copy()
                kept = self.kept.get(slot)
                self.core.replace(
                    slot,
                    kept.back(self.core.params, now)
                    if kept and command.verb == "rollback"
                    else now.anew(self.core.params),
                )
                self.kept[slot] = now
            self.look(slot)

    def look(self, slot: int) -> None:
        """Compare the memory of a machine."""
        state, lines = self.engine.fleet.state, self.lines(slot)
        found = mirror.differences(self.core.blocks[slot], state, slot, lines, self.core.params)
        self.memory += [f"batch {self.batches} slot {slot} {field}" for field in found]


class CoreEngine(Engine):
    """An engine whose readings are judged by the core; its arrays are what the blocks say, after every batch."""

    def _judge(self, readings: Readings, closing: Any) -> tuple[rows.Closed, judgement.Account]:
        fleet = self.fleet
        core = Core(self._params, self._scoring.every_ns, self._scoring.sensors_every_ns, self._ageing_ns)
        lines = [[line for _, line in fleet.lines_of(slot)] for slot in range(len(fleet.machines))]
        for slot, own in enumerate(lines):
            core.add(Block.fresh(core.params, max(len(own), 1)))
            mirror.to_block(core.blocks[slot], fleet.state, slot, own)
        numbers = {line: number for own in lines for number, line in enumerate(own)}
        own = np.array([numbers[line] for line in readings.line.tolist()], np.int64)
        said = core.step(*readings._replace(line=own), closing)
        late = int(said.late.sum())
        if late or self._late:
            self._count_late(readings.line, np.where(said.late, -1.0, 0.0))
        self.late += late
        scored = [column[: len(fleet.machines)].copy() for column in fleet.state.scoring]  # `_score` does that again
        for slot, own_lines in enumerate(lines):
            mirror.to_arrays(core.blocks[slot], fleet.state, slot, own_lines)
        for column, before in zip(fleet.state.scoring, scored, strict=True):
            column[: len(before)] = before
        return self._told(said, [np.array(own, np.int64) for own in lines])

    def _told(self, said: Said, lines: list[Any]) -> tuple[rows.Closed, judgement.Account]:
        """What the core said, with the engine's numbers of lines."""

        def numbered(slots: Any, own: Any) -> Any:
            return np.array([lines[slot][line] for slot, line in zip(slots, own, strict=True)], np.int64)

        slots = said.row["slot"]
        closed = {name: np.ascontiguousarray(said.row[name]) for name in rows.Closed._fields}
        closed |= {name: numbered(slots, closed[name]) for name in ("event_cause", "state_cause")}
        account = {name: np.ascontiguousarray(said.entry[name]) for name in judgement.Account._fields[:-2]}
        account["line"] = numbered(np.repeat(slots, np.diff(said.row["until"], prepend=0)), account["line"])
        account["rarity"] = account["rarity"][:, : self.fleet.state.lines.rarity.shape[1]]
        account["ageing"] = account["ageing"].view(np.float64).reshape(-1, wear.COLUMNS)
        of_lost = np.repeat(slots, np.diff(said.row["lost"], prepend=0))
        lost = numbered(of_lost, said.lost["line"])
        said_of_lines = judgement.Account(**account, lost_line=lost, lost_ns=said.lost["time_ns"].copy())
        return rows.Closed(**closed), said_of_lines


def golden() -> int:
    """Check the golden vectors with the core in the engine's place; returns 1 where one differs."""
    import scenarios as lives
    import vectors

    lives.Engine = CoreEngine
    wrong = 0
    for scenario in scenarios(ROOT / "sample_data"):
        with np.load(ROOT / "tests" / "golden" / f"{scenario.name}.npz") as file:
            found = vectors.differences(vectors.vector(scenario), dict(file))
        print(f"{scenario.name:20} {'; '.join(found) or '=='}", flush=True)
        wrong += bool(found)
    return min(wrong, 1)


def live(scenario: Any) -> Twins:
    """Live a scenario with both."""
    twins = Twins(scenario.engine())
    for step in scenario.steps():
        if isinstance(step, Command):
            twins.apply(step)
        else:
            twins.judge(twins.engine.arrange(step))
    twins.judge(Readings.none(), last=True)
    return twins


def main(names: list[str]) -> int:
    """Compare; returns 1 where anything differs."""
    wrong = equal = 0
    for scenario in scenarios(ROOT / "sample_data"):
        if names and scenario.name not in names:
            continue
        twins = live(scenario)
        rows = twins.equal.get("closed.slot", 0)
        differ = ", ".join(f"{name} {count}" for name, count in twins.differ.items())
        print(
            f"{scenario.name:20} rows {rows:6} columns {len(twins.equal):3} numbers {sum(twins.equal.values()):9} "
            f"{'== ' if not differ else 'differ: ' + differ} "
            f"memory {'==' if not twins.memory else f'{len(twins.memory)} differ, first {twins.memory[:3]}'}",
            flush=True,
        )
        equal += sum(twins.equal.values())
        wrong += bool(differ or twins.memory)
    print(f"{equal} numbers equal, {wrong} lives differ")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(golden() if sys.argv[1:] == ["golden"] else main(sys.argv[1:]))
