"""The live table of the terminal: every machine, what it is doing, and what happened last."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.engine import Engine, Scores
from pipeline.evaluation import Label
from pipeline.scoring import MachineState, Severity

COLOURS = {Severity.NORMAL: "green", Severity.WARNING: "yellow", Severity.CRITICAL: "bold white on red"}
EVENTS = 12  # shown
QUIET_ROWS = 10  # alarms closer than this belong together, as on the scoreboard
SHOW_ALARM_S = 2.0  # an alarm stays visible at least this long, however fast the replay


def moment(time_ns: int) -> str:
    """A time as people read it, UTC."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


class Row:
    """What the board knows of one machine."""

    def __init__(self) -> None:
        self.learned = 0.0
        self.state = MachineState.LEARNING
        self.score = 0.0
        self.severity = Severity.NORMAL
        self.cause = ""
        self.time_ns = 0
        self.rows = 0
        self.quiet = QUIET_ROWS
        self.alarms = 0
        self.shown_until = 0.0
        self.rate = 0.0


class Board:
    """Follows scores as they come; rendered by rich whenever it likes."""

    def __init__(self, engine: Engine, labels: Mapping[str, Sequence[Label]]) -> None:
        """`labels`: recorded failures by name of machine; may be empty."""
        self._engine = engine
        self._labels = labels
        self._rows: dict[int, Row] = {}
        self._hits: set[tuple[str, Label]] = set()
        self._events: deque[Text] = deque(maxlen=EVENTS)
        self._counted: dict[int, int] = {}
        self._counted_at = time.monotonic()

    def update(self, scores: Scores) -> None:
        """Take in the scores of a batch."""
        now = time.monotonic()
        columns = (
            scores.slot,
            scores.time_ns,
            scores.score,
            scores.severity,
            scores.cause,
            scores.learned,
            scores.state,
        )
        for number, (slot, time_ns, score, severity, cause, learned, state) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            row = self._rows.setdefault(slot, Row())
            row.rows += 1
            if learned >= 1.0 > row.learned:
                name = self._engine.fleet.machines[slot].name
                self._events.append(Text.assemble((" READY    ", "black on green"), f" {moment(time_ns)}  {name}"))
            row.learned, row.time_ns, row.state = learned, time_ns, MachineState(state)
            if severity:
                self._alarm(row, scores, number)
            row.quiet = 0 if severity else row.quiet + 1
            if severity >= row.severity or now > row.shown_until:
                row.score, row.severity = score, Severity(severity)
                row.cause = self._engine.fleet.lines[cause][1]
                row.shown_until = now + (SHOW_ALARM_S if severity else 0.0)

    def _alarm(self, row: Row, scores: Scores, number: int) -> None:
        """The row with this number is in alarm."""
        name = self._engine.fleet.machines[scores.slot[number]].name
        time_ns, severity = int(scores.time_ns[number]), Severity(scores.severity[number])
        label = next((one for one in self._labels.get(name, ()) if one.start_ns <= time_ns <= one.end_ns), None)
        new_hit = label is not None and (name, label) not in self._hits
        if label is not None:
            self._hits.add((name, label))
        if row.quiet < QUIET_ROWS and not new_hit:
            return
        row.alarms += 1
        text = Text.assemble(
            (f" {severity.name:<8} ", COLOURS[severity]),
            f" {moment(time_ns)}  {name}  {scores.score[number]:.4f}  ",
            self._engine.why(scores, np.array([number]))[0],
        )
        if label is not None:
            text.append(f"   <- recorded: {label.what}", "bold magenta")
        self._events.append(text)

    @property
    def hits(self) -> dict[str, int]:
        """Recorded failures in which an alarm was raised, by machine."""
        return {name: sum(hit[0] == name for hit in self._hits) for name in self._labels}

    def __rich__(self) -> RenderableType:
        self._measure()
        table = Table(title="Spikewatch", expand=False)
        for column in ("machine", "state", "time of the data", "readings/s", "score", "severity", "cause", "alarms"):
            table.add_column(column, justify="right" if column in {"readings/s", "score", "alarms"} else "left")
        for slot, row in sorted(self._rows.items()):
            state = f"learning {100 * row.learned:3.0f} %" if row.state is MachineState.LEARNING else row.state.word
            colour = COLOURS[row.severity] if row.learned >= 1.0 else "dim"
            table.add_row(
                self._engine.fleet.machines[slot].name,
                state,
                moment(row.time_ns),
                f"{row.rate:,.0f}",
                f"{row.score:.4f}",
                Text(f" {row.severity.name.lower()} ", colour),
                row.cause,
                str(row.alarms),
            )
        return Group(table, Text("what happened, newest last:", "dim"), *self._events)

    def _measure(self) -> None:
        """Readings per second of every machine since the last look, at least a second ago."""
        now = time.monotonic()
        if now - self._counted_at < 1.0:
            return
        for slot, row in self._rows.items():
            sensors = max(int(self._engine.fleet.state.row_machines.size[slot]), 1)
            row.rate = (row.rows - self._counted.get(slot, 0)) * sensors / (now - self._counted_at)
            self._counted[slot] = row.rows
        self._counted_at = now
