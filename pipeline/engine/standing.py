"""Machines as they stand: what somebody who asks is told between two rows. Nothing is changed by asking."""

from typing import Any, NamedTuple

import numpy as np

from pipeline.engine import account, ageing
from pipeline.engine.account import Account
from pipeline.engine.ageing import DAY_NS, Ageing
from pipeline.engine.fleet import Fleet
from pipeline.engine.incidents import Incident
from pipeline.engine.lateness import Lateness
from pipeline.engine.scoring import MachineState, Severity
from pipeline.engine.silence import Silence
from pipeline.engine.tracking import Tracker
from pipeline.network.binding import Records
from pipeline.network.quality import Quality
from pipeline.records import Bools, Machine


class Shift(NamedTuple):
    """How far a sensor has moved since commissioning, or since its machine was repaired; 0 in its first rows."""

    sensor: str
    sigmas: float  # of what the other sensors left unexplained of it then
    per_day: float  # sigmas, at its present pace


class Trust(NamedTuple):
    """Whether a sensor can be believed."""

    sensor: str
    quality: Quality
    masked: bool  # it has no part in its machine's score

    @property
    def fine(self) -> bool:
        """There is nothing to say of it."""
        return self.quality is Quality.GOOD and not self.masked

    @property
    def says(self) -> str:
        """What is the matter with it.

        >>> Trust("flow", Quality.STUCK, masked=True).says
        'stuck, masked'
        """
        return f"{self.quality.word}, masked" if self.masked else self.quality.word

    def told(self) -> dict[str, Any]:
        """As it is told in JSON."""
        return {**self._asdict(), "quality": self.quality.word}


class Changes(NamedTuple):
    """Lasting changes of a machine that its network has accepted and nobody has confirmed."""

    sensors: tuple[str, ...]  # that have changed; empty where it is the machine as a whole
    unconfirmed: int  # number of the incident that nobody has answered; 0 where there is none
    lasting: bool  # there is anything to say

    @property
    def says(self) -> str:
        """Which sensors, and whether an incident waits for an answer.

        >>> Changes(("valve",), 7, lasting=True).says
        'valve (unconfirmed)'
        """
        names = ", ".join(self.sensors) or ("the machine as a whole" if self.lasting else "")
        return f"{names} (unconfirmed)" if self.unconfirmed else names

    def told(self) -> dict[str, Any]:
        """As it is told in JSON."""
        return {"changed": self.sensors, "unconfirmed": self.unconfirmed or None}


class Summary(NamedTuple):
    """One machine as it stands."""

    machine: Machine
    sensors: int
    readings: int
    state: MachineState
    learned: float
    frozen: bool  # a machine in fault may be, too
    time_ns: int  # of its newest row
    score: float
    severity: Severity
    shifts: tuple[Shift, ...]  # of its sensors, in order of their first readings
    incident: Incident | None  # the open one


class Standing:
    """How the machines of a fleet stand."""

    def __init__(self, fleet: Fleet, tracker: Tracker, silence: Silence, lateness: Lateness) -> None:
        self._fleet = fleet
        self._tracker = tracker
        self._silence = silence
        self._lateness = lateness

    def summary(self, slot: int) -> Summary:
        """One machine."""
        (now,) = self._fleet.core.look(slot, slot + 1)
        return Summary(
            self._fleet.machines[slot],
            int(now["lines"]),
            int(now["readings"]),
            MachineState.SILENT if slot in self._silence.silent else MachineState(int(now["state"])),
            float(now["learned"]),
            bool(now["frozen"]),
            int(now["closed_ns"]),
            float(now["newest"]),
            Severity(max(int(now["severity"]), 0)),
            self._shifts(slot),
            self._tracker.incident(slot),
        )

    def summaries(self) -> list[Summary]:
        """Every machine, in order of discovery."""
        return [self.summary(slot) for slot in range(len(self._fleet.machines))]

    def quality(self, slot: int) -> tuple[Trust, ...]:
        """Whether each sensor of a machine can be believed, in order of their first readings.

        Only here a clock is said to be wrong: what is late is in no row, and a sensor that is always late is missing.
        """
        lines, own = self._fleet.roster(slot), self._own(slot)["quality"]
        found = np.where(np.isin(lines, self._lateness.lines()), int(Quality.CLOCK), own["verdict"])
        return tuple(
            Trust(self._fleet.lines[line][1], Quality(one), bool(masked))
            for line, one, masked in zip(lines.tolist(), found.tolist(), own["masked"].tolist(), strict=True)
        )

    def doubtful(self) -> Bools:
        """Of every machine, whether it has a sensor of which `quality` has something to say."""
        found: Bools = self._fleet.core.look()["doubtful"] > 0
        found[[self._fleet.lines[line][0] for line in self._lateness.lines()]] = True
        return found

    def changes(self, slot: int) -> Changes:
        """Which sensors of a machine have changed for good, as far as nobody has confirmed it."""
        state, lines = self._fleet.state, self._fleet.roster(slot)
        calm = self._own(slot)["evidence"]["calm"]
        changed = lines[(calm > 0.0) | state.incident_lines.unconfirmed[lines]]
        found = tuple(self._fleet.lines[line][1] for line in changed.tolist())
        unconfirmed = int(state.incident_machines.unconfirmed[slot])
        whole = bool(self._fleet.block(slot).machine["evidence"]["calm"] > 0.0)
        return Changes(found, unconfirmed, lasting=bool(found or unconfirmed or whole))

    def unsettled(self) -> Bools:
        """Of every machine, whether `changes` has something to say."""
        state, count = self._fleet.state, len(self._fleet.machines)
        found: Bools = (self._fleet.core.look()["changed"] > 0) | (state.incident_machines.unconfirmed[:count] > 0)
        lines = np.flatnonzero(state.incident_lines.unconfirmed)
        found[[self._fleet.lines[line][0] for line in lines.tolist()]] = True
        return found

    def ageing(self, slot: int) -> tuple[Ageing, ...]:
        """How far each sensor of a machine has moved since commissioning or the last repair, in order of discovery.

        Where its rule names a kind, also how that compares with the other machines of that kind.
        """
        mates = next(group for group in self._kinds() if slot in group)
        return self._compared(mates)[mates.index(slot)]

    def ageings(self) -> list[tuple[Ageing, ...]]:
        """The same of every machine, in order of discovery."""
        found: dict[int, tuple[Ageing, ...]] = {}
        for mates in self._kinds():
            found.update(zip(mates, self._compared(mates), strict=True))
        return [found[slot] for slot in range(len(self._fleet.machines))]

    def _kinds(self) -> list[list[int]]:
        """Machines that can be compared; one without a kind is alone."""
        kinds: dict[str | int, list[int]] = {}
        for slot, rule in enumerate(self._fleet.rules):
            kinds.setdefault(slot if rule.kind is None else rule.kind, []).append(slot)
        return list(kinds.values())

    def _compared(self, mates: list[int]) -> list[tuple[Ageing, ...]]:
        """Machines of a kind held against each other."""
        return ageing.compared([self.measured(slot) for slot in mates])

    def measured(self, slot: int) -> list[Ageing]:
        """What is known of the ageing of a machine's lines, in order of their first readings."""
        fleet, lines = self._fleet, self._fleet.roster(slot).tolist()
        measured = fleet.core.ages(slot).tolist() if lines else []
        return [
            ageing.told(fleet.lines[line][1], one, fleet.sensor(line).limit)
            for line, one in zip(lines, measured, strict=True)
        ]

    def account(self, slot: int) -> Account | None:
        """What the network of a machine does for a reading; None before it has counted one."""
        sensors = len(self._fleet.roster(slot))
        return account.of(self._fleet.core.account(slot), sensors) if sensors else None

    def _shifts(self, slot: int) -> tuple[Shift, ...]:
        """How far the sensors of a machine have moved."""
        lines, usual_ns = self._fleet.roster(slot).tolist(), self._own(slot)["clock"]["usual_ns"].tolist()
        moved = self._fleet.core.shifts(slot) if lines else []
        return tuple(
            Shift(self._fleet.lines[line][1], sigmas, per_row * DAY_NS / one if one > 0.0 else 0.0)
            for line, one, (sigmas, per_row) in zip(lines, usual_ns, moved, strict=True)
        )

    def _own(self, slot: int) -> Records:
        """What the network knows of each line of a machine, in order of its rows; a copy."""
        block = self._fleet.block(slot)
        return block.line[block.order]
