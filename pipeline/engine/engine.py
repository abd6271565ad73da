"""The engine: readings in, scores and points out. Pure; time comes in with the data.

The same engine is driven by the service, by `spikewatch score`, by the benchmarks and by the tests. A score depends
on the readings so far and on nothing else: not on batch borders, other machines, or a restart in between.

Readings become rows of numbers, the networks of the fleet judge them, and the tracker takes the rows into incidents.
What is made of that has a room each: `points.py` for the database, `standing.py` for who asks how a machine stands,
`operations.py` for what people say to it.
"""

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from pipeline.config.settings import Limits, MachineRule
from pipeline.engine.account import Account
from pipeline.engine.ageing import Ageing
from pipeline.engine.commands import Command
from pipeline.engine.explanation import Sensors
from pipeline.engine.fleet import IGNORED, NO_ROOM, Fleet
from pipeline.engine.incidents import Incident
from pipeline.engine.lateness import Lateness
from pipeline.engine.operations import Operations
from pipeline.engine.points import Points
from pipeline.engine.reasons import Reasons
from pipeline.engine.scores import Scores
from pipeline.engine.silence import INTERVALS, Silence
from pipeline.engine.standing import Changes, Standing, Summary, Trust
from pipeline.engine.tracking import Tracker
from pipeline.network import NAMES, prior
from pipeline.network._core import lib
from pipeline.network.binding import Core, Records, Said
from pipeline.network.calendar import Calendar
from pipeline.network.parameters import Params
from pipeline.records import Bools, Ints, Machine, Point, Reading, Readings

HOUR_NS = 3_600_000_000_000


class Engine:
    """Networks of all machines."""

    def __init__(
        self,
        every_ns: int = 0,
        sensors_every_ns: int = 0,
        limits: Limits | None = None,
        rule: Callable[[str], MachineRule] | None = None,
        params: Params | None = None,
        priors: Callable[[str], prior.Prior | None] | None = None,
        ageing_every_ns: int = HOUR_NS,
        threads: int = 1,
        calendars: Callable[[str], Calendar | None] | None = None,
    ) -> None:
        """`every_ns`: longest time without a written score, `sensors_every_ns` without its sensors.

        `ageing_every_ns`: shortest time between two written ageings of a sensor. `rule`, `priors`: settings of a
        machine by its name, and what is known of its kind. `calendars`: its local time and holidays, fixed before it
        begins; None is UTC. `threads`: that share the machines of a large batch; what
        they say is the same for any number.
        """
        self.params = params or Params()
        core = Core(self.params, every_ns, sensors_every_ns, ageing_every_ns, threads)
        default = MachineRule()
        self.fleet = Fleet(core, limits or Limits(), rule or (lambda name: default), priors, calendars)
        self._silence = Silence()
        self._lateness = Lateness(self.params.quality.late)
        self._reasons = Reasons(self.fleet, self.params)
        self._tracker = Tracker(self.fleet, self._reasons, self._silence)
        self._points = Points(self.fleet, self._reasons)
        self._standing = Standing(self.fleet, self._tracker, self._silence, self._lateness)
        self._operations = Operations(self.fleet, self._tracker, self._points)

    def arrange(self, messages: Iterable[Iterable[Reading]], refused: Counter[str] | None = None) -> Readings:
        """Readings of several messages as rows of numbers; discovers machines and sensors.

        Readings without room are left out and counted in `refused` by cause.
        """
        slots: list[int] = []
        lines: list[int] = []
        times: list[int] = []
        values: list[float] = []
        ends: list[bool] = []
        number = self.fleet.number
        for message in messages:
            begin = len(slots)
            last = (-1, 0)
            for machine, sensor, time_ns, value in message:
                slot, line = number(machine, sensor)
                if line < 0:
                    if line != IGNORED and refused is not None:
                        refused["no_room" if line == NO_ROOM else "no_room_group"] += 1
                    continue
                if len(slots) > begin:
                    ends.append(last != (slot, time_ns))
                last = (slot, time_ns)
                slots.append(slot)
                lines.append(line)
                times.append(time_ns)
                values.append(value)
            if len(slots) > begin:
                ends.append(True)
        return Readings(
            np.array(slots, np.int64),
            np.array(lines, np.int64),
            np.array(times, np.int64),
            np.array(values, np.float64),
            np.array(ends, np.bool_),
        )

    def step(self, readings: Readings) -> Scores:
        """Score readings in order and learn from them."""
        return self._tracker.take(self.judge(readings))

    def judge(self, readings: Readings, last: bool = False) -> Said:
        """What the networks say of rows and of their readings, before incidents are made of it. Most want `step`.

        `last`: no more readings will come, so rows that are still open are judged too.
        """
        said = self.fleet.step(readings, np.arange(len(self.fleet.machines) if last else 0))
        self._lateness.count(readings.line, said.late)
        return said

    def finish(self) -> Scores:
        """Score the rows that are still open, where no more readings will come: the end of a file."""
        return self._tracker.take(self.judge(Readings.none(), last=True))

    def points(self, scores: Scores) -> list[Point]:
        """A point for every score that is due, each of its sensors that are, and all that happened to incidents."""
        return self._points.of(scores)

    def silent(self, now_ns: int) -> list[Point]:
        """A point for every machine that has become silent; to be asked every few seconds.

        `now_ns`: of any clock that only goes forward. The point's time comes from the data, so that it is the same
        point after a restart. Not said again until the machine has spoken; see `pipeline.engine.silence`.
        """
        now = self.fleet.core.look()
        newest_ns, usual_ns = now["time_ns"], now["usual_ns"]
        return [
            self._points.silent(slot, int(newest_ns[slot]) + int(INTERVALS * usual_ns[slot]))
            for slot in self._silence.ask(now_ns, newest_ns, usual_ns)
        ]

    def gone(self, machines: Iterable[Machine], now_ns: int) -> list[Point]:
        """A point for every machine that has become silent by somebody's word, its own or not; of those known.

        `now_ns`: Unix time of that word. The point lies behind the machine's newest row, and not after the moment at
        which its silence would have been noticed: its clock may be another than the one of who said it.
        """
        now = self.fleet.core.look()
        points = []
        for slot in map(self.fleet.slot, machines):
            if slot >= 0 and self._silence.gone(slot):
                newest_ns = int(now["time_ns"][slot])
                latest_ns = newest_ns + int(INTERVALS * now["usual_ns"][slot])
                points.append(self._points.silent(slot, max(min(now_ns, latest_ns), newest_ns + 1)))
        return points

    def explain(self, scores: Scores, rows: Ints) -> Sensors:
        """Of some rows of `scores`, what each sensor with a reading had to do with it, and where it was expected."""
        return scores.explain(rows)

    def why(self, scores: Scores, rows: Ints) -> list[str]:
        """Why the score of some rows is what it is: a sentence each, about its cause."""
        return self._reasons.why(scores, rows)

    # What people say to a machine, between two rows: see `operations.py`.

    def apply(self, command: Command) -> list[Point]:
        """Do what somebody says; returns the points that tell of it. Raises CommandError where it cannot be done."""
        return self._operations.apply(command)

    def freeze(self, slot: int) -> None:
        """Have a machine learn nothing from now on."""
        self._operations.freeze(slot)

    def resume(self, slot: int) -> None:
        """Have a frozen machine learn again."""
        self._operations.resume(slot)

    def normal(self, slot: int) -> None:
        """What this machine does now is fine, and it is normal from here on."""
        self._operations.normal(slot)

    def repaired(self, slot: int) -> Scores:
        """The machine learns anew from here, and what it was is kept; returns the score of its open row."""
        return self._operations.repaired(slot)

    def rollback(self, slot: int) -> Scores:
        """Return a machine to what was kept of it, and keep what it is; returns the score of its open row."""
        return self._operations.rollback(slot)

    # How machines stand: see `standing.py`. All of them are in order of discovery.

    def summary(self, slot: int) -> Summary:
        """One machine as it stands."""
        return self._standing.summary(slot)

    def summaries(self) -> list[Summary]:
        """Every machine as it stands."""
        return self._standing.summaries()

    def incident(self, slot: int) -> Incident | None:
        """The machine's open incident."""
        return self._tracker.incident(slot)

    def quality(self, slot: int) -> tuple[Trust, ...]:
        """Whether each sensor of a machine can be believed."""
        return self._standing.quality(slot)

    def doubtful(self) -> Bools:
        """Of every machine, whether `quality` has something to say."""
        return self._standing.doubtful()

    def changes(self, slot: int) -> Changes:
        """Which sensors of a machine have changed for good, as far as nobody has confirmed it."""
        return self._standing.changes(slot)

    def unsettled(self) -> Bools:
        """Of every machine, whether `changes` has something to say."""
        return self._standing.unsettled()

    def ageing(self, slot: int) -> tuple[Ageing, ...]:
        """How far each sensor of a machine has moved, and how that compares with others of its kind."""
        return self._standing.ageing(slot)

    def ageings(self) -> list[tuple[Ageing, ...]]:
        """The same of every machine."""
        return self._standing.ageings()

    def measured(self, slot: int) -> list[Ageing]:
        """How far each sensor of a machine has moved, held against no other; it takes less."""
        return self._standing.measured(slot)

    def account(self, slot: int) -> Account | None:
        """What the network of a machine does for a reading; None before it has counted one."""
        return self._standing.account(slot)

    def look(self) -> Records:
        """All machines at a glance: `struct sw_glance`."""
        return self.fleet.core.look()

    @property
    def late(self) -> int:
        """Readings not newer than their line's last one; not learned from."""
        return self._lateness.total

    @property
    def silent_slots(self) -> tuple[int, ...]:
        """Machines that have stopped sending."""
        return tuple(self._silence.silent)

    @property
    def populations(self) -> tuple[str, ...]:
        """Aspects of a line that can surprise, those that run: the optional ones only where they are heard."""
        return NAMES if any(self.params.weights[lib.SW_CONTEXT :]) else NAMES[: lib.SW_CONTEXT]
