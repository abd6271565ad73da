"""How well scores match what people recorded: measures over rows, over events and over healthy time.

Pure; scores and labels in, counts out. Two rules hold throughout. What a machine cannot judge yet, the rows of its
warm-up, is neither healthy nor missed: it is left out and counted. Counts of several machines add up, so `measure` of
all of them is one fleet's figures and not a mean of ratios.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.records import Bools, Floats, Ints

EPISODE_ROWS = 10  # alarms closer than this are one; from judgement
GAP_STEPS = 10  # a row stands for at most so many usual steps of time: nobody watched during a gap; from judgement
DAY_NS = 86_400_000_000_000


class Label(NamedTuple):
    """A failure that somebody recorded, Unix time, both ends included."""

    start_ns: int
    end_ns: int
    what: str


class Event(NamedTuple):
    """A label on the rows of one recording."""

    start_ns: int
    end_ns: int
    rows: Ints  # (rows of the event,), numbers of rows; none where nothing was recorded at that time


class Judged(NamedTuple):
    """One machine's scores with its labels; arrays have one entry per row."""

    time_ns: Ints
    score: Floats  # [0, 1]
    ready: Bools  # the warm-up is over: rows before are left out
    events: Sequence[Event]


class Measures(NamedTuple):
    """Counts of one machine or of several together, and the figures that follow; None where nothing defines one."""

    rows: int  # all there are
    rows_left_out: int  # of the warm-up
    true_rows: int  # labelled, in alarm
    missed_rows: int  # labelled, not in alarm
    false_rows: int  # healthy, in alarm
    healthy_rows: int
    healthy_ns: int  # time that the healthy rows stand for
    false_alarms: int  # episodes
    events: int  # with at least one row that counts
    events_left_out: int  # without
    delays_ns: tuple[int, ...]  # of every event found, start to first alarm
    hindsight_f1: float | None  # the best that any threshold would have reached
    hindsight_threshold: float | None  # the highest such threshold

    @property
    def precision(self) -> float | None:
        """Share of the rows in alarm that are labelled."""
        return ratio(self.true_rows, self.true_rows + self.false_rows)

    @property
    def recall(self) -> float | None:
        """Share of the labelled rows that are in alarm."""
        return ratio(self.true_rows, self.true_rows + self.missed_rows)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; none without a labelled row."""
        labelled = self.true_rows + self.missed_rows
        return ratio(2 * self.true_rows, labelled + self.true_rows + self.false_rows) if labelled else None

    @property
    def events_found(self) -> int:
        """Events with an alarm in them."""
        return len(self.delays_ns)

    @property
    def median_delay_ns(self) -> float | None:
        """Of the events found."""
        return float(np.median(self.delays_ns)) if self.delays_ns else None

    @property
    def healthy_days(self) -> float:
        """Days that the healthy rows stand for."""
        return self.healthy_ns / DAY_NS

    @property
    def false_alarms_per_day(self) -> float | None:
        """Episodes outside of all events, per healthy day."""
        return ratio(self.false_alarms, self.healthy_days)

    @property
    def healthy_share_in_alarm(self) -> float | None:
        """Share of the healthy rows that are in alarm."""
        return ratio(self.false_rows, self.healthy_rows)


def ratio(part: float, whole: float) -> float | None:
    """Their quotient; None of nothing."""
    return part / whole if whole else None


def events_within(time_ns: Ints, labels: Sequence[Label]) -> list[Event]:
    """The rows whose time lies in each label; times may stand still or go back."""
    return [
        Event(label.start_ns, label.end_ns, np.flatnonzero((time_ns >= label.start_ns) & (time_ns <= label.end_ns)))
        for label in labels
    ]


def events_of_rows(time_ns: Ints, labelled: Bools) -> list[Event]:
    """Runs of labelled rows as events."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], labelled, [False])).astype(np.int8)))
    return [
        Event(int(time_ns[begin]), int(time_ns[end - 1]), np.arange(begin, end))
        for begin, end in edges.reshape(-1, 2).tolist()
    ]


def labelled_rows(rows: int, events: Sequence[Event]) -> Bools:
    """Which of `rows` rows are in an event."""
    mask = np.zeros(rows, np.bool_)
    for event in events:
        mask[event.rows] = True
    return mask


def episodes(alarm: Bools) -> int:
    """Number of alarms, where those closer than `EPISODE_ROWS` rows are one.

    >>> alarm = np.zeros(30, np.bool_)
    >>> alarm[[3, 4, 12, 22]] = True
    >>> episodes(alarm)
    2
    """
    rows = np.flatnonzero(alarm)
    return 0 if len(rows) == 0 else 1 + int(np.count_nonzero(np.diff(rows) >= EPISODE_ROWS))


def time_per_row(time_ns: Ints) -> Ints:
    """Nanoseconds that each row stands for: those since the row before, at most `GAP_STEPS` times the median step."""
    steps: Ints = np.maximum(np.diff(time_ns), 0)
    forward = steps[steps > 0]
    usual = int(np.median(forward)) if len(forward) else 0
    return np.minimum(np.concatenate((np.array([usual], np.int64), steps))[: len(time_ns)], GAP_STEPS * usual)


def hindsight(score: Floats, labelled: Bools) -> tuple[float | None, float | None]:
    """Best F1 over all thresholds and the highest threshold that has it; nothing without a labelled row."""
    total = int(np.count_nonzero(labelled))
    if total == 0:
        return None, None
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    last = np.append(falling[1:] != falling[:-1], True)  # a threshold takes all rows of one score
    hits = np.cumsum(labelled[order])[last]
    f1 = 2.0 * hits / (np.flatnonzero(last) + 1.0 + total)
    best = int(np.argmax(f1))
    return float(f1[best]), float(falling[last][best])


def measure(machines: Sequence[Judged], threshold: float) -> Measures:
    """Figures of machines taken together; a row is in alarm when its score reaches `threshold`."""
    rows = ready_rows = true = missed = false = healthy_rows = healthy_ns = alarms = left_out = 0
    events = 0
    delays: list[int] = []
    for one in machines:
        labelled = labelled_rows(len(one.score), one.events)
        alarm = (one.score >= threshold) & one.ready
        healthy = one.ready & ~labelled
        rows += len(one.score)
        ready_rows += int(np.count_nonzero(one.ready))
        true += int(np.count_nonzero(alarm & labelled))
        missed += int(np.count_nonzero(one.ready & labelled & ~alarm))
        false += int(np.count_nonzero(alarm & healthy))
        healthy_rows += int(np.count_nonzero(healthy))
        healthy_ns += int(time_per_row(one.time_ns)[healthy].sum())
        alarms += episodes(alarm & healthy)
        for event in one.events:
            counted = event.rows[one.ready[event.rows]]
            if len(counted) == 0:
                left_out += 1
                continue
            events += 1
            hits = counted[alarm[counted]]
            if len(hits):
                delays.append(max(int(one.time_ns[hits].min()) - event.start_ns, 0))
    score = np.concatenate([one.score[one.ready] for one in machines] or [np.zeros(0)])
    truth = np.concatenate(
        [labelled_rows(len(one.score), one.events)[one.ready] for one in machines] or [np.zeros(0, np.bool_)]
    )
    best, at = hindsight(score, truth)
    return Measures(
        rows=rows,
        rows_left_out=rows - ready_rows,
        true_rows=true,
        missed_rows=missed,
        false_rows=false,
        healthy_rows=healthy_rows,
        healthy_ns=healthy_ns,
        false_alarms=alarms,
        events=events,
        events_left_out=left_out,
        delays_ns=tuple(sorted(delays)),
        hindsight_f1=best,
        hindsight_threshold=at,
    )
