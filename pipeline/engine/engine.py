"""The engine: readings in, scores and points out. Pure; time comes in with the data.

The same engine is driven by the service, by `spikewatch score`, by the benchmarks and by the tests. A score depends
on the readings so far and on nothing else: not on batch borders, other machines, or a restart in between.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from pipeline.config.settings import Limits, MachineRule
from pipeline.engine import ageing, explanation, incidents, recognition, silence
from pipeline.engine.ageing import Ageing
from pipeline.engine.commands import Command, CommandError, audit, checked, snooze_ns
from pipeline.engine.explanation import Sensors, Voice
from pipeline.engine.fleet import IGNORED, NO_ROOM, Fleet, NoBaselineError
from pipeline.engine.incidents import Incident, News
from pipeline.engine.scoring import MachineState, Severity
from pipeline.network import NAMES, prior
from pipeline.network._core import lib
from pipeline.network.binding import Core, Records, Said
from pipeline.network.parameters import Params
from pipeline.network.quality import Quality
from pipeline.records import Bools, Floats, Ints, Machine, Point, Reading, Readings

NANOSECONDS_PER_DAY = 86_400e9
HOUR_NS = 3_600_000_000_000
STATES = list(MachineState)
QUALITIES = list(Quality)
MOST_LATE = 50  # late readings of a sensor that count, so that it is soon believed again


class Scores(NamedTuple):
    """One entry per row of a machine that closed, in order."""

    slot: Ints
    time_ns: Ints
    score: Floats  # [0, 1]
    severity: Ints  # see `Severity`
    cause: Ints  # line that explains the score best
    learned: Floats  # share of the warm-up that is done
    gate: Floats  # 1 the baseline learns fully .. 0.02 it is protected
    state: Ints  # see `MachineState`
    changed: Ints  # sensors with a reading in the row whose lasting change was accepted and is not confirmed
    spikes: Ints  # that travelled for this row
    due: Bools  # to be written
    due_sensors: Bools  # with every sensor
    voice: Ints  # see `Voice`
    lasted_ns: Ints  # of rows in alarm: how long their cause has had a part in the incident
    lines: Ints  # of the machine
    masked: Ints  # of them, that have no part in the score from the next row on
    until: Ints  # entry of the account after the row's last one
    account: Records  # `struct sw_entry`, one per reading of the rows
    lost: Records  # `struct sw_lost`, lines that have become missing
    news: tuple[News, ...]  # of incidents, in order

    def __len__(self) -> int:
        return len(self.slot)


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
    ) -> None:
        """`every_ns`: longest time without a written score, `sensors_every_ns` without its sensors.

        `ageing_every_ns`: shortest time between two written ageings of a sensor. `rule`, `priors`: settings of a
        machine by its name, and what is known of its kind. `threads`: that share the machines of a large batch; what
        they say is the same for any number.
        """
        self.params = params or Params()
        self._core = Core(self.params, every_ns, sensors_every_ns, ageing_every_ns, threads)
        default = MachineRule()
        self.fleet = Fleet(self._core, limits or Limits(), rule or (lambda name: default), priors)
        self._silence = silence.Silence()
        self.late = 0  # readings not newer than their line's last one; not learned from
        self._late: dict[int, int] = {}  # the same by line, less the others; of this life only: nothing is learned

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
        return self._score(self.judge(readings))

    def judge(self, readings: Readings, last: bool = False) -> Said:
        """What the networks say of rows and of their readings, before incidents are made of it. Most want `step`.

        `last`: no more readings will come, so rows that are still open are judged too.
        """
        return self._judge(readings, np.arange(len(self.fleet.machines) if last else 0))

    def _judge(self, readings: Readings, closing: Ints) -> Said:
        """As `judge`; afterwards the rows of these machines are judged, if they are open."""
        said = self.fleet.step(readings, closing)
        late = int(np.count_nonzero(said.late))
        if late or self._late:
            self._count_late(readings.line, said.late)
            self.late += late
        return said

    def _count_late(self, line: Ints, late: Bools) -> None:
        """Follow the lines that have been late."""
        for number in {*self._late, *line[late].tolist()}:
            count = self._late.get(number, 0)
            for one in late[line == number].tolist():
                count = min(count + 1, MOST_LATE) if one else max(count - 1, 0)
            if count:
                self._late[number] = count
            else:
                self._late.pop(number, None)

    def finish(self) -> Scores:
        """Score the rows that are still open, where no more readings will come: the end of a file."""
        return self._score(self.judge(Readings.none(), last=True))

    def freeze(self, slot: int) -> None:
        """Have a machine learn nothing from now on, so that a fault does not become its new normal.

        It goes on being scored against what it knows. Holds for sensors that appear later, and in snapshots.
        """
        self.fleet.freeze(slot, True)

    def resume(self, slot: int) -> None:
        """Have a frozen machine learn again."""
        self.fleet.freeze(slot, False)

    def normal(self, slot: int) -> None:
        """What this machine does now is fine: alarms end, and it is normal from here on, even if it is frozen.

        Said of a changed machine, it confirms the change. What differs from now on is found as ever.
        """
        if self.fleet.lines_of(slot):
            self.fleet.block(slot)
            self._core.confirm(slot)

    def repaired(self, slot: int) -> Scores:
        """Maintenance is done: the machine learns anew from here, and its old baseline is kept for `rollback`.

        One is kept per machine, the newest. Names, numbers, thresholds, declared ranges and patience stay, a frozen
        machine learns again, and a prior of its kind is not given again. The old network judges the row that is open,
        if there is one, and its score is returned.
        """
        scores = self._close(slot)
        self.fleet.repair(slot)
        return scores

    def rollback(self, slot: int) -> Scores:
        """Return a machine to the baseline it had before it was `repaired`; what it is now is kept in its place.

        So a second rollback undoes the first. Whether it is frozen, its thresholds and its patience stay. Returns the
        score of the row that is open, as `repaired` does. Raises NoBaselineError where none was kept.
        """
        if not self.fleet.has_baseline(slot):  # before anything is changed
            raise NoBaselineError(f"no baseline of {self.fleet.machines[slot].name} was kept")
        scores = self._close(slot)
        self.fleet.exchange(slot)
        return scores

    def _close(self, slot: int) -> Scores:
        """Score a machine's row as it is, if it is open."""
        return self._score(self._judge(Readings.none(), np.array([slot])))

    def silent(self, now_ns: int) -> list[Point]:
        """A point for every machine that has become silent; to be asked every few seconds.

        `now_ns`: of any clock that only goes forward. The point's time comes from the data, so that it is the same
        point after a restart. Not said again until the machine has spoken; see `pipeline.engine.silence`.
        """
        now = self._core.look()
        newest_ns, usual_ns = now["time_ns"], now["usual_ns"]
        return [
            Point(
                "machine",
                self.fleet.tags[slot],
                {"state": MachineState.SILENT.word},
                int(newest_ns[slot]) + int(silence.INTERVALS * usual_ns[slot]),
            )
            for slot in self._silence.ask(now_ns, newest_ns, usual_ns)
        ]

    def _score(self, said: Said) -> Scores:
        row = said.row
        # A machine that speaks again is news.
        for slot in self._silence.silent.intersection(row["slot"].tolist()) if self._silence.silent else ():
            row["due"][np.argmax(row["slot"] == slot)] = True
            self._silence.silent.remove(slot)
        scores = Scores(
            slot=row["slot"],
            time_ns=row["time_ns"],
            score=row["score"],
            severity=row["severity"],
            cause=row["cause"],
            learned=row["learned"],
            gate=row["gate"],
            state=row["machine_state"],
            changed=row["changed_lines"],
            spikes=row["spikes"],
            due=row["due"],
            due_sensors=row["due_sensors"],
            voice=row["voice"],
            lasted_ns=np.zeros(len(row), np.int64),
            lines=row["lines"],
            masked=row["masked"],
            until=row["until"],
            account=said.entry,
            lost=said.lost,
            news=(),
        )
        return Scores(*scores[:-1], tuple(self._follow(scores, row["accepted"])))

    def _follow(self, scores: Scores, accepted: Bools) -> Iterator[News]:
        """Take rows into the incidents of their machines."""
        state = self.fleet.state
        machines, lines = state.incident_machines, state.incident_lines
        looked_at = incidents.interesting(machines, scores.slot, scores.severity)
        if not len(looked_at):
            return
        alarms = looked_at[scores.severity[looked_at] > 0]
        entry, row = explanation.entries(scores.until, alarms)
        begin = np.searchsorted(row, np.arange(len(alarms) + 1)).tolist()
        quotes = self._quotes(scores, alarms, entry, row)
        alarm = 0
        usual: dict[int, float] = {}
        matters = (scores.severity > 0) | (scores.score >= machines.clear[scores.slot]) | accepted
        # In later rows too: a slow sensor need not have a reading in the row in which its change is accepted.
        matters |= scores.changed > 0
        quiet_until: dict[int, int] = {}
        for number in looked_at.tolist():
            slot, time_ns = int(scores.slot[number]), int(scores.time_ns[number])
            if slot not in usual:
                usual[slot] = float(self.fleet.block(slot).machine["rows"]["usual_ns"])
            usual_ns = usual[slot]
            if not matters[number]:
                if slot not in quiet_until:
                    quiet_until[slot] = incidents.quiet_until(machines, slot, usual_ns)
                if time_ns <= quiet_until[slot]:
                    continue
            quiet_until.pop(slot, None)
            severity, score = int(scores.severity[number]), float(scores.score[number])
            over, was_open = bool(accepted[number]), machines.open[slot]
            for phase in incidents.row(machines, slot, time_ns, score, severity, over, usual_ns):
                if phase == "begin":
                    own = self._roster(slot)
                    incidents.begin(lines, own)
                    recognition.begin(state.recognition_machines, slot, state.recognition_lines, own)
                elif phase == "alarm":
                    first, end = begin[alarm], begin[alarm + 1]
                    pause_ns = incidents.INTERVALS * usual_ns
                    for one in incidents.gather(lines, quotes, slice(first, end), time_ns, pause_ns).tolist():
                        voice = int(scores.voice[number])
                        lines.reasons[quotes.line[one]] = self._reasons(scores.account, int(entry[one]), voice)
                    scores.lasted_ns[number] = incidents.lasted_ns(lines, int(scores.cause[number]))
                    recognition.gather(
                        state.recognition_lines, scores.account[entry[first:end]], quotes.share[first:end]
                    )
                    if self._recognised(slot) and machines.open[slot]:
                        yield News(slot, time_ns, "update", self._incident(slot))
                elif phase == "close":
                    self._remember(slot, time_ns)
                    one = self._incident(slot)
                    yield News(slot, time_ns, phase, one, "unconfirmed" if one.unconfirmed else "calm")
                else:
                    yield News(slot, time_ns, phase, self._incident(slot))
            if (was_open or machines.open[slot]) and incidents.unconfirmed(machines, slot):
                entries = slice(scores.until[number - 1] if number else 0, scores.until[number])
                account = scores.account[entries]
                lines.unconfirmed[account["line"][account["changed"]]] = True
            alarm += severity > 0

    def _quotes(self, scores: Scores, alarms: Ints, entry: Ints, row: Ints) -> incidents.Quotes:
        """What incidents may quote of the readings of rows in alarm, which are these entries of the account."""
        told = self.explain(scores, alarms)
        with np.errstate(all="ignore"):  # readings of 1e300, and bands without width
            off = np.nan_to_num(np.abs(told.value - told.expected) / (told.high - told.expected), nan=0.0)
        # Where nothing is expected, a sensor's distance from its baseline says the same.
        side = np.sign(np.where(np.isnan(told.expected), scores.account["sigmas"][entry], told.value - told.expected))
        voice, sudden = scores.voice[alarms][row], scores.account["witness"][entry] == lib.SW_NEW
        return incidents.Quotes(
            told.line,
            np.nan_to_num(told.share),
            off,
            told.value,
            np.nan_to_num(told.low),
            np.nan_to_num(told.high),
            np.nan_to_num(side).astype(np.int64),
            np.select([voice == Voice.EVENT, (voice == Voice.EXPECTATION) & sudden], [0, 1], 2),
        )

    def _reasons(self, account: Records, entry: int, voice: int) -> int:
        """The reasons for which a reading has its part in the score of a row with this voice."""
        one = account[entry]
        share = explanation.populations(self.params.weights, one["rarity"].tolist())
        return explanation.reasons(voice, int(one["witness"]), share, float(one["dendrite"]) >= explanation.CLEAR)

    def _why(self, slot: int, sensor: str, quoted: explanation.Quoted) -> str:
        """Why a sensor of a machine is blamed."""
        known = self.fleet.rules[slot].sensors.get(sensor)
        return explanation.why(sensor, quoted, (known and known.unit) or "")

    def _recognised(self, slot: int, closing: bool = False) -> bool:
        """Give a machine's incident its class, if nobody has; returns whether that has changed.

        Looked up at every stage of `recognition.YOUNG`, and when it closes.
        """
        state = self.fleet.state
        machines, lines, own = state.incident_machines, state.recognition_lines, self._roster(slot)
        stage = recognition.WHOLE
        if not closing:
            count = recognition.rows(lines, own)
            if count not in recognition.YOUNG:
                return False
            stage = recognition.YOUNG.index(count)
        pattern = state.recognition_machines.begun[slot, stage] = recognition.signature(lines, own)
        if machines.confidence[slot] == 1.0 or not (kin := self.fleet.kin(slot)):
            return False
        before = str(machines.label[slot])
        found = self.fleet.memory.recognise(kin, pattern, stage)
        machines.label[slot], machines.confidence[slot] = found
        return before != found[0]

    def _remember(self, slot: int, now_ns: int) -> None:
        """A machine's incident closes: give it its class, and keep what was gathered of it."""
        self._recognised(slot, closing=True)
        machines, newest = self.fleet.state.incident_machines, self.fleet.state.recognition_machines
        newest.number[slot] = number = int(machines.number[slot])
        newest.started_ns[slot], newest.closed_ns[slot] = machines.began_ns[slot], now_ns
        newest.closed[slot] = recognition.stages(newest, slot, self.fleet.state.recognition_lines, self._roster(slot))
        if machines.confidence[slot] == 1.0:  # it was named before all of it had been seen
            self.fleet.memory.store(slot, number, str(machines.label[slot]), newest.closed[slot])

    def _label(self, slot: int, label: str, now_ns: int) -> list[Point]:
        """A person names the open incident, or else the newest; returns the points that say so."""
        machines, newest = self.fleet.state.incident_machines, self.fleet.state.recognition_machines
        is_open = bool(machines.open[slot])
        if not is_open and not newest.number[slot]:
            raise CommandError(f"{self.fleet.machines[slot].name} has had no incident yet")
        number, patterns = int(newest.number[slot]), newest.closed[slot]
        if is_open:
            number = int(machines.number[slot])
            patterns = recognition.stages(newest, slot, self.fleet.state.recognition_lines, self._roster(slot))
        try:
            self.fleet.memory.store(slot, number, label, patterns)
        except recognition.TooManyClassesError as error:
            raise CommandError(str(error)) from None
        known = is_open or bool(newest.started_ns[slot])
        if known:
            machines.label[slot], machines.confidence[slot] = label, 1.0
        if number == machines.unconfirmed[slot]:
            points = self._settle(slot, "label", now_ns)
            if not is_open:
                return points
        if is_open:
            return [self._incident_point(News(slot, now_ns, "update", self._incident(slot)))]
        return [self._closed_again(slot)] if known else []

    def _closed_again(self, slot: int, reason: str = "") -> Point:
        """The newest incident, which has closed: in place of the point that said so."""
        newest = self.fleet.state.recognition_machines
        one = self._incident(slot)._replace(started_ns=int(newest.started_ns[slot]))
        return self._incident_point(News(slot, int(newest.closed_ns[slot]), "close", one, reason))

    def _settle(self, slot: int, answer: str, now_ns: int) -> list[Point]:
        """Somebody has answered: no incident is unconfirmed any more; the point that says so, if it had closed."""
        state = self.fleet.state
        machines, newest = state.incident_machines, state.recognition_machines
        lines = np.array([line for _, line in self.fleet.lines_of(slot)], np.int64)
        number = incidents.settle(machines, slot, state.incident_lines, lines)
        if not number or (machines.open[slot] and number == machines.number[slot]):
            return []
        if number == newest.number[slot] and newest.started_ns[slot]:
            return [self._closed_again(slot, answer)]
        # Another has begun since, and nothing else is known of this one.
        fields: dict[str, Any] = {"phase": "update", "unconfirmed": False, "reason": answer}
        return [Point("incident", self._incident_tags(slot, number), fields, now_ns)]

    def _roster(self, slot: int) -> Ints:
        """Lines of a machine, in order of its rows."""
        return self.fleet.roster(slot)

    def _incident(self, slot: int) -> Incident:
        """The machine's incident, open or about to be."""
        # All that are known, not its roster: after a repair a line is in that only from its next reading on.
        state, known = self.fleet.state, self.fleet.lines_of(slot)
        own = np.array([line for _, line in known], np.int64)
        lines = state.incident_lines
        sensors = incidents.parts(lines, own, [sensor for sensor, _ in known])
        why = ""
        if sensors:
            first = sensors[0].sensor
            quoted = incidents.quoted(lines, next(line for sensor, line in known if sensor == first))
            why = first if quoted is None else self._why(slot, first, quoted)
        return incidents.incident(state.incident_machines, slot, sensors, why)

    def incident(self, slot: int) -> Incident | None:
        """The machine's open incident."""
        return self._incident(slot) if self.fleet.state.incident_machines.open[slot] else None

    def apply(self, command: Command) -> list[Point]:
        """Do what somebody says to a machine, between two rows; returns the points that tell of it.

        Raises CommandError, and changes nothing, where it cannot be done.
        """
        checked(command)
        slot = self.fleet.slot(command.machine)
        if slot < 0:
            raise CommandError(f"no machine {command.machine.name!r} is known")
        machines = self.fleet.state.incident_machines
        now_ns = int(self._core.look(slot, slot + 1)["closed_ns"][0])
        points = []
        match command.verb:
            case "normal":
                points = self._end_incident(slot, now_ns, command.verb)
                self.normal(slot)
            case "repaired":
                points = self._end_incident(slot, now_ns, command.verb)
                points += self.points(self.repaired(slot))
            case "rollback":
                if not self.fleet.has_baseline(slot):
                    raise CommandError(f"no baseline of {command.machine.name} was kept")
                points = self._end_incident(slot, now_ns, command.verb)
                points += self.points(self.rollback(slot))
            case "freeze":
                self.freeze(slot)
            case "resume":
                self.resume(slot)
            case "ack" | "snooze":
                if not machines.open[slot]:
                    raise CommandError(f"{command.machine.name} has no open incident")
                machines.acknowledged[slot] = True
                machines.snoozed_ns[slot] = now_ns + snooze_ns(command) if command.verb == "snooze" else 0
                points = [self._incident_point(News(slot, now_ns, "update", self._incident(slot)))]
            case "label":
                points = self._label(slot, command.argument, now_ns)
        return [*points, audit(command, self.fleet.tags[slot])]

    def _end_incident(self, slot: int, now_ns: int, reason: str) -> list[Point]:
        """Close the open incident, if there is one, because of what somebody said; none is unconfirmed after that."""
        machines = self.fleet.state.incident_machines
        points = self._settle(slot, reason, now_ns)
        if machines.open[slot]:
            self._remember(slot, now_ns)
            points.append(self._incident_point(News(slot, now_ns, "close", self._incident(slot), reason)))
        incidents.forget(machines, slot)
        return points

    def _incident_point(self, news: News) -> Point:
        tags = self._incident_tags(news.slot, news.incident.number)
        return Point("incident", tags, incidents.fields(news), news.time_ns)

    def _incident_tags(self, slot: int, number: int) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((*self.fleet.tags[slot], ("id", str(number)))))

    def explain(self, scores: Scores, rows: Ints) -> Sensors:
        """Of some rows of `scores`, what each sensor with a reading had to do with it, and where it was expected."""
        return explanation.sensors(
            scores.account,
            scores.until,
            rows,
            scores.score[rows],
            scores.voice[rows],
            scores.lines[rows],
        )

    def why(self, scores: Scores, rows: Ints) -> list[str]:
        """Why the score of some rows is what it is: a sentence each, about its cause."""
        told, account = self.explain(scores, rows), scores.account
        entry, row = explanation.entries(scores.until, rows)
        found = {int(row[one]): one for one in np.flatnonzero(told.line == scores.cause[rows][row]).tolist()}
        said = []
        for number, (slot, cause, voice, lasted_ns) in enumerate(
            zip(
                *(column[rows].tolist() for column in (scores.slot, scores.cause, scores.voice, scores.lasted_ns)),
                strict=True,
            )
        ):
            one = found.get(number)
            if one is None:  # no line with a reading is to blame
                nothing = math.nan
                quoted = explanation.Quoted(
                    nothing, nothing, nothing, explanation.reasons(voice, lib.SW_LONG), lasted_ns
                )
            else:
                value, low, high = (float(column[one]) for column in (told.value, told.low, told.high))
                quoted = explanation.Quoted(
                    value, low, high, self._reasons(account, int(entry[one]), voice), lasted_ns
                )
            said.append(self._why(slot, self.fleet.lines[cause][1], quoted))
        return said

    def points(self, scores: Scores) -> list[Point]:
        """A point for every score that is due, each of its sensors that are, and all that happened to incidents."""
        points = []
        tags, lines = self.fleet.tags, self.fleet.lines
        chosen = np.flatnonzero(scores.due)
        reasons = iter(self.why(scores, chosen[scores.severity[chosen] > 0]))
        columns = (
            scores.slot,
            scores.time_ns,
            scores.score,
            scores.severity,
            scores.cause,
            scores.learned,
            scores.state,
            scores.spikes,
            scores.masked,
            scores.changed,
        )
        for slot, time_ns, score, severity, cause, learned, state, spikes, masked, changed in zip(
            *(column[chosen].tolist() for column in columns), strict=True
        ):
            fields: dict[str, Any] = {
                "score": score,
                "severity": severity,
                "state": STATES[state].word,
                "learned": learned,
                "cause": lines[cause][1],
                "spikes": spikes,
                "masked": masked,
                "changed": changed,
            }
            if severity > 0:
                fields["why"] = next(reasons)
            points.append(Point("machine", tags[slot], fields, time_ns))
        points += self._sensor_points(scores) + self._ageing_points(scores)
        return points + [self._incident_point(news) for news in scores.news]

    def _sensor_points(self, scores: Scores) -> list[Point]:
        """Value, expected band, score, share and quality of each sensor; fields that are not known yet are left out.

        Of a sensor that has become missing there is a point with its quality alone.
        """
        rows = np.flatnonzero(scores.due_sensors)
        told = self.explain(scores, rows)
        tags = self.fleet.line_tags
        entry = explanation.entries(scores.until, rows)[0]
        points = [
            Point("sensor", tags[line], {"quality": Quality.MISSING.word}, time_ns)
            for line, time_ns in scores.lost.tolist()
        ]
        for time_ns, quality, masked, changed, line, value, expected, low, high, score, share in zip(
            scores.time_ns[rows][told.row].tolist(),
            scores.account["quality"][entry].tolist(),
            scores.account["masked"][entry].tolist(),
            scores.account["changed"][entry].tolist(),
            *(column.tolist() for column in told[1:]),
            strict=True,
        ):
            fields: dict[str, Any] = {
                "value": value,
                "score": score,
                "quality": QUALITIES[quality].word,
                "masked": masked,
                "changed": changed,
            }
            if expected == expected:
                fields |= {"expected": expected, "low": low, "high": high}
            if share == share:
                fields["share"] = share
            points.append(Point("sensor", tags[line], fields, time_ns))
        return points

    def _ageing_points(self, scores: Scores) -> list[Point]:
        """How far each sensor whose ageing is due has moved; what is not known or has no limit is left out."""
        entries = np.flatnonzero(scores.account["aged"])
        if not len(entries):
            return []
        times = scores.time_ns[np.searchsorted(scores.until, entries, side="right")].tolist()
        lines = scores.account["line"][entries].tolist()
        told = self._aged(lines, scores.account["ageing"][entries])
        tags = self.fleet.line_tags
        return [
            Point("ageing", tags[line], ageing.fields(one), time_ns)
            for one, line, time_ns in zip(told, lines, times, strict=True)
        ]

    def _aged(self, lines: list[int], measured: Records) -> list[Ageing]:
        """What is measured of the ageing of lines, `struct sw_wear_measured`, as it is told."""
        told = []
        for line, row in zip(lines, measured.tolist(), strict=True):
            slot, sensor = self.fleet.lines[line]
            known = self.fleet.rules[slot].sensors.get(sensor)
            told.append(ageing.told(sensor, row, None if known is None else known.limit))
        return told

    def _measured(self, slot: int) -> list[Ageing]:
        """What is known of the ageing of a machine's lines, in order of their first readings."""
        lines = self._roster(slot).tolist()
        return self._aged(lines, self._core.ages(slot)) if lines else []

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
        return [found[slot] for slot in range(len(self.fleet.machines))]

    def quality(self, slot: int) -> tuple[Trust, ...]:
        """Whether each sensor of a machine can be believed, in order of their first readings.

        Only here a clock is said to be wrong: what is late is in no row, and a sensor that is always late is missing.
        """
        lines, own = self._roster(slot), self._own(slot)
        late = np.isin(lines, self._late_lines())
        found = np.where(late, int(Quality.CLOCK), own["quality"]["verdict"])
        return tuple(
            Trust(self.fleet.lines[line][1], QUALITIES[one], bool(masked))
            for line, one, masked in zip(
                lines.tolist(), found.tolist(), own["quality"]["masked"].tolist(), strict=True
            )
        )

    def _own(self, slot: int) -> Records:
        """What the network knows of each line of a machine, in order of its rows; a copy."""
        block = self.fleet.block(slot)
        return block.line[block.order]

    def _late_lines(self) -> list[int]:
        """Lines whose clocks are wrong."""
        return [line for line, count in self._late.items() if count >= self.params.quality.late]

    def doubtful(self) -> Bools:
        """Of every machine, whether it has a sensor of which `quality` has something to say."""
        found: Bools = self._core.look()["doubtful"] > 0
        found[[self.fleet.lines[line][0] for line in self._late_lines()]] = True
        return found

    def changes(self, slot: int) -> Changes:
        """Which sensors of a machine have changed for good, as far as nobody has confirmed it."""
        state, lines = self.fleet.state, self._roster(slot)
        calm = self._own(slot)["evidence"]["calm"]
        changed = lines[(calm > 0.0) | state.incident_lines.unconfirmed[lines]]
        found = tuple(self.fleet.lines[line][1] for line in changed.tolist())
        unconfirmed = int(state.incident_machines.unconfirmed[slot])
        whole = bool(self.fleet.block(slot).machine["evidence"]["calm"] > 0.0)
        return Changes(found, unconfirmed, lasting=bool(found or unconfirmed or whole))

    def unsettled(self) -> Bools:
        """Of every machine, whether `changes` has something to say."""
        state, count = self.fleet.state, len(self.fleet.machines)
        found: Bools = (self._core.look()["changed"] > 0) | (state.incident_machines.unconfirmed[:count] > 0)
        lines = np.flatnonzero(state.incident_lines.unconfirmed)
        found[[self.fleet.lines[line][0] for line in lines.tolist()]] = True
        return found

    def _kinds(self) -> list[list[int]]:
        """Machines that can be compared; one without a kind is alone."""
        kinds: dict[str | int, list[int]] = {}
        for slot, rule in enumerate(self.fleet.rules):
            kinds.setdefault(slot if rule.kind is None else rule.kind, []).append(slot)
        return list(kinds.values())

    def _compared(self, mates: list[int]) -> list[tuple[Ageing, ...]]:
        return ageing.compared([self._measured(slot) for slot in mates])

    def summaries(self) -> list[Summary]:
        """Every machine as it stands, in order of discovery."""
        return [self.summary(slot) for slot in range(len(self.fleet.machines))]

    def summary(self, slot: int) -> Summary:
        """One machine as it stands."""
        (now,) = self._core.look(slot, slot + 1)
        return Summary(
            self.fleet.machines[slot],
            int(now["lines"]),
            int(now["readings"]),
            MachineState.SILENT if slot in self._silence.silent else STATES[now["state"]],
            float(now["learned"]),
            bool(now["frozen"]),
            int(now["closed_ns"]),
            float(now["newest"]),
            Severity(max(int(now["severity"]), 0)),
            self._shifts(slot),
            self.incident(slot),
        )

    def look(self) -> Records:
        """How all machines stand, in order of discovery: `struct sw_glance`."""
        return self._core.look()

    @property
    def populations(self) -> tuple[str, ...]:
        """Aspects of a line that can surprise, those that run: the optional ones only where they are heard."""
        return NAMES if any(self.params.weights[lib.SW_CONTEXT :]) else NAMES[: lib.SW_CONTEXT]

    @property
    def silent_slots(self) -> tuple[int, ...]:
        """Machines that have stopped sending."""
        return tuple(self._silence.silent)

    def _shifts(self, slot: int) -> tuple[Shift, ...]:
        lines, usual_ns = self._roster(slot).tolist(), self._own(slot)["clock"]["usual_ns"].tolist()
        moved = self._core.shifts(slot) if lines else []
        return tuple(
            Shift(self.fleet.lines[line][1], sigmas, per_row * NANOSECONDS_PER_DAY / one if one > 0.0 else 0.0)
            for line, one, (sigmas, per_row) in zip(lines, usual_ns, moved, strict=True)
        )
