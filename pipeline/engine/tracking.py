"""From rows to what their machines go through: a silence ends; an incident begins, is recognised, and ends.

Rows are taken in order, and only those that matter to an incident are looked at. The arithmetic of one incident is in
`incidents.py` and `recognition.py`; here it meets the readings it is about, and the names and memory of the fleet.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pipeline.engine import incidents, recognition
from pipeline.engine.explanation import Voice
from pipeline.engine.fleet import Fleet
from pipeline.engine.incidents import Incident, News, Quotes
from pipeline.engine.reasons import Reasons
from pipeline.engine.scores import Scores
from pipeline.engine.silence import Silence
from pipeline.network._core import lib
from pipeline.network.binding import Said
from pipeline.records import Bools, Floats, Ints, Readings


class Alarms(NamedTuple):
    """Rows in alarm, and what incidents may quote of their readings."""

    readings: dict[int, slice]  # of each row, in the next two
    entry: Ints  # of the account
    quotes: Quotes

    @classmethod
    def of(cls, scores: Scores, rows: Ints) -> "Alarms":
        """Those of some rows."""
        told, (entry, row) = scores.explain(rows), scores.entries(rows)
        begin = np.searchsorted(row, np.arange(len(rows) + 1)).tolist()
        with np.errstate(all="ignore"):  # readings of 1e300, and bands without width
            off = np.nan_to_num(np.abs(told.value - told.expected) / (told.high - told.expected), nan=0.0)
        # Where nothing is expected, a sensor's distance from its baseline says the same.
        account = scores.account[entry]
        side = np.sign(np.where(np.isnan(told.expected), account["sigmas"], told.value - told.expected))
        voice, sudden = scores.voice[rows][row], account["witness"] == lib.SW_NEW
        side = np.where(voice == Voice.RHYTHM, np.sign(account["rhythm"]), side)
        quotes = Quotes(
            told.line,
            np.nan_to_num(told.share),
            off,
            told.value,
            np.nan_to_num(told.low),
            np.nan_to_num(told.high),
            np.nan_to_num(side).astype(np.int64),
            np.select([voice == Voice.EVENT, (voice == Voice.EXPECTATION) & sudden], [0, 1], 2),
        )
        return cls(dict(zip(rows.tolist(), map(slice, begin, begin[1:]), strict=True)), entry, quotes)


class Tracker:
    """What the machines of a fleet go through."""

    def __init__(self, fleet: Fleet, reasons: Reasons, silence: Silence) -> None:
        self._fleet = fleet
        self._reasons = reasons
        self._silence = silence

    def take(self, said: Said) -> Scores:
        """Take rows in; returns them with what they mean to incidents. Each must be given once, and in order."""
        scores = Scores.of(said)
        scores.due[self._silence.ended(scores.slot)] = True  # a machine that speaks again is news
        return scores.with_news(tuple(self._follow(scores, said.row["accepted"])))

    def close(self, slot: int) -> Scores:
        """Score a machine's row as it is, if it is open."""
        return self.take(self._fleet.step(Readings.none(), np.array([slot])))

    def incident(self, slot: int) -> Incident | None:
        """The machine's open incident."""
        return self._incident(slot) if self._fleet.state.incident_machines.open[slot] else None

    def news(self, slot: int, time_ns: int, phase: str, reason: str = "") -> News:
        """Something that happens to a machine's incident, which is open or about to be, or is the newest."""
        return News(slot, time_ns, phase, self._incident(slot), reason)

    def closes(self, slot: int, time_ns: int, reason: str) -> News:
        """A machine's incident closes: it is given its class, and what was gathered of it is kept."""
        self._recognised(slot, closing=True)
        machines, newest = self._fleet.state.incident_machines, self._fleet.state.recognition_machines
        newest.number[slot] = number = int(machines.number[slot])
        newest.started_ns[slot], newest.closed_ns[slot] = machines.began_ns[slot], time_ns
        newest.closed[slot] = self.signatures(slot)
        if machines.confidence[slot] == 1.0:  # it was named before all of it had been seen
            self._fleet.memory.store(slot, number, str(machines.label[slot]), newest.closed[slot])
        return self.news(slot, time_ns, "close", reason)

    def signatures(self, slot: int) -> Floats:
        """Those of the machine's incident at every stage, as far as it has come."""
        state = self._fleet.state
        return recognition.stages(state.recognition_machines, slot, state.recognition_lines, self._fleet.roster(slot))

    def _follow(self, scores: Scores, accepted: Bools) -> Iterator[News]:
        """Take rows into the incidents of their machines; `accepted`: patience has run out with the row."""
        machines = self._fleet.state.incident_machines
        looked_at = incidents.interesting(machines, scores.slot, scores.severity)
        if not len(looked_at):
            return
        alarms = Alarms.of(scores, looked_at[scores.severity[looked_at] > 0])
        matters = (scores.severity > 0) | (scores.score >= machines.clear[scores.slot]) | accepted
        # In later rows too: a slow sensor need not have a reading in the row in which its change is accepted.
        matters |= scores.changed > 0
        usual: dict[int, float] = {}
        quiet_until: dict[int, int] = {}
        for number in looked_at.tolist():
            slot, time_ns = int(scores.slot[number]), int(scores.time_ns[number])
            if slot not in usual:
                usual[slot] = float(self._fleet.block(slot).machine["rows"]["usual_ns"])
            if not matters[number]:
                if slot not in quiet_until:
                    quiet_until[slot] = incidents.quiet_until(machines, slot, usual[slot])
                if time_ns <= quiet_until[slot]:
                    continue
            quiet_until.pop(slot, None)
            yield from self._row(scores, number, bool(accepted[number]), alarms, usual[slot])

    def _row(self, scores: Scores, number: int, accepted: bool, alarms: Alarms, usual_ns: float) -> Iterator[News]:
        """Take one row into the incident of its machine."""
        state = self._fleet.state
        machines, lines = state.incident_machines, state.incident_lines
        slot, time_ns = int(scores.slot[number]), int(scores.time_ns[number])
        severity, score = int(scores.severity[number]), float(scores.score[number])
        was_open = machines.open[slot]
        for phase in incidents.row(machines, slot, time_ns, score, severity, accepted, usual_ns):
            if phase == "begin":
                own = self._fleet.roster(slot)
                incidents.begin(lines, own)
                recognition.begin(state.recognition_machines, slot, state.recognition_lines, own)
            elif phase == "alarm":
                self._gather(scores, number, alarms, incidents.INTERVALS * usual_ns)
                if self._recognised(slot) and machines.open[slot]:
                    yield self.news(slot, time_ns, "update")
            elif phase == "close":
                reason = "unconfirmed" if incidents.unconfirmed(machines, slot) else "calm"
                yield self.closes(slot, time_ns, reason)
            else:
                yield self.news(slot, time_ns, phase)
        if (was_open or machines.open[slot]) and incidents.unconfirmed(machines, slot):
            account = scores.account[scores.until[number - 1] if number else 0 : scores.until[number]]
            lines.unconfirmed[account["line"][account["changed"]]] = True

    def _gather(self, scores: Scores, number: int, alarms: Alarms, pause_ns: float) -> None:
        """Take the readings of a row in alarm into the incident of its machine."""
        lines, quotes, readings = self._fleet.state.incident_lines, alarms.quotes, alarms.readings[number]
        voice, time_ns = int(scores.voice[number]), int(scores.time_ns[number])
        count = int(scores.lines[number])
        for one in incidents.gather(lines, quotes, readings, time_ns, pause_ns).tolist():
            lines.reasons[quotes.line[one]] = self._reasons.of(scores.account[alarms.entry[one]], voice, count)
        scores.lasted_ns[number] = incidents.lasted_ns(lines, int(scores.cause[number]))
        entries = scores.account[alarms.entry[readings]]
        recognition.gather(self._fleet.state.recognition_lines, entries, quotes.share[readings])

    def _recognised(self, slot: int, closing: bool = False) -> bool:
        """Give a machine's incident its class, if nobody has; returns whether that has changed.

        Looked up at every stage of `recognition.YOUNG`, and when it closes.
        """
        fleet, state = self._fleet, self._fleet.state
        machines, lines, own = state.incident_machines, state.recognition_lines, fleet.roster(slot)
        stage = recognition.WHOLE
        if not closing:
            count = recognition.rows(lines, own)
            if count not in recognition.YOUNG:
                return False
            stage = recognition.YOUNG.index(count)
        pattern = state.recognition_machines.begun[slot, stage] = recognition.signature(lines, own)
        if machines.confidence[slot] == 1.0 or not (kin := fleet.kin(slot)):
            return False
        before = str(machines.label[slot])
        found = fleet.memory.recognise(kin, pattern, stage)
        machines.label[slot], machines.confidence[slot] = found
        return before != found[0]

    def _incident(self, slot: int) -> Incident:
        """The machine's incident, open or about to be."""
        # All that are known, not its roster: after a repair a line is in that only from its next reading on.
        state, known = self._fleet.state, self._fleet.lines_of(slot)
        own = np.array([line for _, line in known], np.int64)
        sensors = incidents.parts(state.incident_lines, own, [sensor for sensor, _ in known])
        why = ""
        if sensors:
            why = sensors[0].sensor
            line = dict(known)[why]
            if quoted := incidents.quoted(state.incident_lines, line):
                why = self._reasons.sentence(line, quoted)
        return incidents.incident(state.incident_machines, slot, sensors, why)
