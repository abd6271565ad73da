"""The live table of the terminal: every machine, what it is doing, and what happened last.

It fits the terminal: machine, state, level and severity are never cut, and of the other columns those are shown that
there is room for. Widths do not depend on what is in the columns, so nothing jumps; only a machine's name makes its
column wider. The newest event comes first, so that it is the oldest that there is no room for.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.engine.engine import Engine
from pipeline.engine.level import level_of
from pipeline.engine.scores import Scores
from pipeline.engine.scoring import MachineState, Severity
from pipeline.recordings.evaluation import Label

COLOURS = {Severity.NORMAL: "green", Severity.WARNING: "yellow", Severity.CRITICAL: "bold white on red"}
EVENTS = 40  # kept
EVENT_LINES = 6  # at least; a machine more or less says less than what just happened
GAP = 2  # between columns
ALWAYS = {"machine": 7, "state": 14, "level": 5, "severity": 10}  # widths
CAUSE_MOST = 30
IF_ROOM = {"cause": 14, "alarms": 6, "time of the data": 19, "readings/s": 10}  # widths; those first that say most
RIGHT = {"level", "alarms", "readings/s"}
NARROW = 100  # below, events do without the year
QUIET_ROWS = 10  # alarms closer than this belong together, as on the scoreboard
SHOW_ALARM_S = 2.0  # an alarm stays visible at least this long, however fast the replay


def moment(time_ns: int) -> str:
    """A time as people read it, UTC."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


class Event(NamedTuple):
    """Something that happened to a machine."""

    word: str
    colour: str
    time_ns: int
    text: Text


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
        self._events: deque[Event] = deque(maxlen=EVENTS)  # newest first
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
                self._events.appendleft(Event("READY", "black on green", time_ns, Text(name)))
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
        high = level_of(float(scores.score[number]))
        text = Text(f"{name}  level {high:.1f}  {self._engine.why(scores, np.array([number]))[0]}")
        if label is not None:
            text.append(f"   <- recorded: {label.what}", "bold magenta")
        self._events.appendleft(Event(severity.name, COLOURS[severity], time_ns, text))

    def found(self) -> list[str]:
        """What was found of the recorded failures of each machine that was seen, and what was not, in lines."""
        lines = []
        alarms = {self._engine.fleet.machines[slot].name: row.alarms for slot, row in self._rows.items()}
        for name, labels in self._labels.items():
            if name not in alarms:
                continue
            hits = [label for label in labels if (name, label) in self._hits]
            parts = [f"{name}: {len(hits)} of {len(labels)} recorded events found"]
            for word, some in (("found", hits), ("missed", [label for label in labels if label not in hits])):
                if some:
                    parts.append(f"  {word}: {'; '.join(label.what for label in some)}")
            lines += parts
        return lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        self._measure()
        # A line less than the terminal has: the cursor waits below. A file has room for everything.
        room = options.size.height - 1 if console.is_terminal else 10**6
        rows = sorted(self._rows.items(), key=itemgetter(0))
        most = max(room - 4 - EVENT_LINES, 1)
        shown = rows
        if len(rows) > most:  # those that were in alarm last, in their usual order
            shown = sorted(sorted(rows, key=lambda entry: (entry[1].quiet, entry[0]))[: most - 1], key=itemgetter(0))
        table = self._table(shown, options.max_width)
        yield table
        if len(shown) < len(rows):
            room -= 1
            yield Text(f"and {len(rows) - len(shown)} more machines", "dim")
        yield Text("events, newest first:", "dim")
        room -= len(console.render_lines(table, options, pad=False)) + 1
        for place, event in enumerate(list(self._events)):
            line = described(event, options.max_width)
            room -= len(console.render_lines(line, options, pad=False))
            if room < 0 and place:
                return
            yield line

    def _table(self, rows: Sequence[tuple[int, Row]], width: int) -> Table:
        """These machines, by slot, in as many columns as there is room for."""
        names = {slot: self._engine.fleet.machines[slot].name for slot, _ in rows}
        widths = columns(max(map(len, names.values()), default=0), width)
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        for column, wide in widths.items():
            table.add_column(
                column,
                width=wide,
                justify="right" if column in RIGHT else "left",
                overflow="fold" if column in ALWAYS else "ellipsis",
                no_wrap=column not in ALWAYS,
            )
        for slot, row in rows:
            state = f"learning {100 * row.learned:3.0f} %" if row.state is MachineState.LEARNING else row.state.word
            cells = {
                "machine": Text(names[slot]),
                "state": Text(state),
                "level": Text(f"{level_of(row.score):.1f}"),
                "severity": Text(
                    f" {row.severity.name.lower()} ", COLOURS[row.severity] if row.learned >= 1.0 else "dim"
                ),
                "cause": Text(row.cause),
                "alarms": Text(str(row.alarms)),
                "time of the data": Text(moment(row.time_ns)),
                "readings/s": Text(f"{row.rate:,.0f}"),
            }
            table.add_row(*(cells[column] for column in widths))
        return table

    def _measure(self) -> None:
        """Readings per second of every machine since the last look, at least a second ago."""
        now = time.monotonic()
        if now - self._counted_at < 1.0:
            return
        for slot, row in list(self._rows.items()):  # the service's thread adds machines
            sensors = max(len(self._engine.fleet.lines_of(slot)), 1)
            row.rate = (row.rows - self._counted.get(slot, 0)) * sensors / (now - self._counted_at)
            self._counted[slot] = row.rows
        self._counted_at = now


def columns(longest: int, width: int) -> dict[str, int]:
    """Columns, with their widths, in so wide a terminal; `longest` is the length of the longest name of a machine.

    >>> columns(8, 60)
    {'machine': 8, 'state': 14, 'level': 5, 'severity': 10, 'cause': 15}
    """
    found = dict(ALWAYS)
    left = width - sum(found.values()) - GAP * (len(found) - 1)
    wider = min(max(longest - found["machine"], 0), max(left, 0))  # a longer name is folded
    found["machine"] += wider
    left -= wider
    for column, wide in IF_ROOM.items():
        if left < wide + GAP:
            break
        found[column] = wide
        left -= wide + GAP
    if "cause" in found:
        found["cause"] = min(found["cause"] + left, CAUSE_MOST)
    return found


def described(event: Event, width: int) -> Table:
    """An event as a line, or more where it is long: its text never runs under its time."""
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(width=10)
    line.add_column(no_wrap=True)
    line.add_column(overflow="fold")
    said = moment(event.time_ns)
    line.add_row(Text(f" {event.word:<8} ", event.colour), said[5:] if width < NARROW else said, event.text)
    return line
