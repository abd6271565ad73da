"""From rows, incidents and silences to points for the database. Numbers become names here, and nothing is decided."""

from typing import Any

import numpy as np

from pipeline.engine import account, ageing, incidents
from pipeline.engine.fleet import Fleet, Tags
from pipeline.engine.incidents import News
from pipeline.engine.level import levels_of
from pipeline.engine.reasons import Reasons
from pipeline.engine.scores import Scores
from pipeline.engine.scoring import MachineState
from pipeline.network.quality import Quality
from pipeline.records import Point

STATES = [state.word for state in MachineState]
QUALITIES = [quality.word for quality in Quality]


class Points:
    """What is written of the machines of a fleet."""

    def __init__(self, fleet: Fleet, reasons: Reasons) -> None:
        self._fleet = fleet
        self._reasons = reasons

    def of(self, scores: Scores) -> list[Point]:
        """A point for every score that is due, each of its sensors that are, and all that happened to incidents."""
        points = self._machines(scores) + self._sensors(scores) + self._ageings(scores) + self._accounts(scores)
        return points + [self.incident(news) for news in scores.news]

    def incident(self, news: News) -> Point:
        """What has happened to an incident."""
        return Point("incident", self._tags(news.slot, news.incident.number), incidents.fields(news), news.time_ns)

    def answered(self, slot: int, number: int, answer: str, time_ns: int) -> Point:
        """Somebody has said what an incident was, of which nothing but its number is known any more."""
        fields: dict[str, Any] = {"phase": "update", "unconfirmed": False, "reason": answer}
        return Point("incident", self._tags(slot, number), fields, time_ns)

    def silent(self, slot: int, time_ns: int) -> Point:
        """A machine has stopped sending."""
        return Point("machine", self._fleet.tags[slot], {"state": MachineState.SILENT.word}, time_ns)

    def _tags(self, slot: int, number: int) -> Tags:
        """Those of a machine's incident."""
        return tuple(sorted((*self._fleet.tags[slot], ("id", str(number)))))

    def _machines(self, scores: Scores) -> list[Point]:
        """Score and state of each machine, and why it is in alarm."""
        points = []
        tags, lines = self._fleet.tags, self._fleet.lines
        chosen = np.flatnonzero(scores.due)
        reasons = iter(self._reasons.why(scores, chosen[scores.severity[chosen] > 0]))
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
        levels = levels_of(scores.score[chosen]).tolist()
        for high, slot, time_ns, score, severity, cause, learned, state, spikes, masked, changed in zip(
            levels, *(column[chosen].tolist() for column in columns), strict=True
        ):
            fields: dict[str, Any] = {
                "score": score,
                "level": high,
                "severity": severity,
                "state": STATES[state],
                "learned": learned,
                "cause": lines[cause][1],
                "spikes": spikes,
                "masked": masked,
                "changed": changed,
            }
            if severity > 0:
                fields["why"] = next(reasons)
            points.append(Point("machine", tags[slot], fields, time_ns))
        return points

    def _sensors(self, scores: Scores) -> list[Point]:
        """Value, expected band, score, share and quality of each sensor; fields that are not known yet are left out.

        Of a sensor that has become missing there is a point with its quality alone.
        """
        rows = np.flatnonzero(scores.due_sensors)
        told, own = scores.explain(rows), scores.account[scores.entries(rows)[0]]
        tags = self._fleet.line_tags
        points = [
            Point("sensor", tags[line], {"quality": Quality.MISSING.word}, time_ns)
            for line, time_ns in scores.lost.tolist()
        ]
        levels = levels_of(told.score).tolist()
        for own_level, time_ns, quality, masked, changed, line, value, expected, low, high, score, share in zip(
            levels,
            scores.time_ns[rows][told.row].tolist(),
            *(own[name].tolist() for name in ("quality", "masked", "changed")),
            *(column.tolist() for column in told[1:]),
            strict=True,
        ):
            fields: dict[str, Any] = {
                "value": value,
                "score": score,
                "level": own_level,
                "quality": QUALITIES[quality],
                "masked": masked,
                "changed": changed,
            }
            if expected == expected:
                fields |= {"expected": expected, "low": low, "high": high}
            if share == share:
                fields["share"] = share
            points.append(Point("sensor", tags[line], fields, time_ns))
        return points

    def _ageings(self, scores: Scores) -> list[Point]:
        """How far each sensor whose ageing is due has moved; what is not known or has no limit is left out."""
        entries = np.flatnonzero(scores.account["aged"])
        if not len(entries):
            return []
        fleet, own = self._fleet, scores.account[entries]
        times = scores.time_ns[np.searchsorted(scores.until, entries, side="right")].tolist()
        points = []
        for line, measured, time_ns in zip(own["line"].tolist(), own["ageing"].tolist(), times, strict=True):
            told = ageing.told(fleet.lines[line][1], measured, fleet.sensor(line).limit)
            points.append(Point("ageing", fleet.line_tags[line], ageing.fields(told), time_ns))
        return points

    def _accounts(self, scores: Scores) -> list[Point]:
        """What the network of each machine does for a reading, whenever the ageing of one of its sensors is told."""
        entries = np.flatnonzero(scores.account["aged"])
        points = []
        for row in np.unique(np.searchsorted(scores.until, entries, side="right")).tolist():
            counted = account.of(scores.counted[row], int(scores.lines[row]))
            if counted is not None:
                tags = self._fleet.tags[int(scores.slot[row])]
                points.append(Point("account", tags, account.fields(counted), int(scores.time_ns[row])))
        return points
