"""The live table of the demonstration: what a person reads of machines and their alarms, in any terminal."""

import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.commissioning.board import ALWAYS, GAP, Board, columns
from pipeline.engine.engine import Engine
from pipeline.recordings.evaluation import Label
from pipeline.records import Machine, Reading

SECOND = 1_000_000_000
ROWS = 900
NAMES = ("hydraulic-rig", "machine-temperature", "ur3-robot")
TERMINALS = [(80, 24), (100, 30), (160, 50)]


def shown(board, width, height, terminal=True):
    """Lines of the board in a terminal, or a file, of this size."""
    console = Console(width=width, height=height, force_terminal=terminal, file=io.StringIO(), record=True)
    console.print(board)
    return [line.rstrip() for line in console.export_text().splitlines()]


def watched(names, labels=None, broken=()):
    """A board of machines with these names; in those that are broken a sensor jumps near the end."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(ROWS, 3)) + np.repeat(rng.normal(size=9), 100)[:, None] * 5
    engine = Engine()
    board = Board(engine, labels or {})
    for t in range(ROWS):
        rows = []
        for name in names:
            row = values[t].tolist()
            row[1] += 30.0 if name in broken and t >= 800 + 10 * broken.index(name) else 0.0
            rows.append([Reading(Machine(name), f"sensor_{c}", (t + 1) * SECOND, x) for c, x in enumerate(row)])
        board.update(engine.step(engine.arrange(rows)))
    return board


@pytest.fixture(scope="module")
def three():
    """Three machines as in the demonstration; two of them break, one after the other."""
    label = {"machine-temperature": [Label(790 * SECOND, ROWS * SECOND, "bearing")]}
    return watched(NAMES, label, NAMES[:2])


@pytest.fixture(scope="module")
def many():
    """More machines than a small terminal has lines; the last but one is in alarm."""
    return watched([f"press-{number:02}" for number in range(40)], None, ("press-38",))


def test_an_alarm_in_the_table_says_why_and_which_recorded_failure_it_met(three):
    (line,) = [line for line in shown(three, 160, 50) if "bearing" in line]
    assert re.search(r" sensor_1 \S+, above the expected \S+ to \S+; ", line)
    assert three.found()[0] == "machine-temperature: 1 of 1 recorded events found"


@pytest.mark.parametrize(("width", "height"), TERMINALS)
def test_machine_state_level_and_severity_are_never_cut(three, width, height):
    lines = shown(three, width, height)
    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= width
    assert len(lines) < height
    for name in NAMES:
        (line,) = [line for line in lines[2:5] if line.startswith(name)]
        state, level, severity = line[len(name) :].split()[:3]
        assert state in {"ready", "fault"}
        assert 0.0 <= float(level) <= 10.0
        assert severity in {"normal", "warning", "critical"}


def test_the_wider_the_terminal_the_more_columns():
    heads = [tuple(columns(19, width)) for width, _ in TERMINALS]
    assert heads[0] == (*ALWAYS, "cause", "alarms")
    assert heads[1] == (*heads[0], "time of the data")
    assert heads[2] == (*heads[1], "readings/s")


@given(st.integers(0, 200), st.integers(20, 300))
def test_columns_fit_and_what_matters_has_its_whole_width(longest, width):
    found = columns(longest, width)
    assert all(found[column] >= wide for column, wide in ALWAYS.items())
    least = sum(ALWAYS.values()) + GAP * (len(ALWAYS) - 1)
    assert sum(found.values()) + GAP * (len(found) - 1) <= max(width, least)


def test_widths_do_not_depend_on_what_is_in_the_columns(three):
    fresh = young(NAMES)
    for width, height in TERMINALS:
        assert shown(fresh, width, height)[:2] == shown(three, width, height)[:2]


def young(names):
    """A board of machines with these names that has seen next to nothing."""
    engine = Engine()
    board = Board(engine, {})
    for t in (1, 2, 3):
        readings = [[Reading(Machine(name), "sensor_0", t * SECOND, 1.0)] for name in names]
        board.update(engine.step(engine.arrange(readings)))
    return board


@pytest.mark.parametrize(("width", "height"), TERMINALS)
def test_the_newest_event_comes_first_and_whole(three, width, height):
    lines = shown(three, width, height)
    begin = lines.index("events, newest first:") + 1
    assert "machine-temperature" in lines[begin], "it broke later"
    whole = " ".join(line.strip() for line in lines[begin : begin + 3])
    assert "recorded: bearing" in whole


@pytest.mark.parametrize(("width", "height"), TERMINALS)
def test_of_more_machines_than_there_are_lines_those_in_alarm_are_shown_and_the_others_counted(many, width, height):
    lines = shown(many, width, height)
    assert len(lines) < height
    machines = [line for line in lines[2:] if line.startswith("press-")]
    assert any("press-38" in line for line in machines)
    assert f"and {40 - len(machines)} more machines" in lines or len(machines) == 40
    assert "press-38" in lines[lines.index("events, newest first:") + 1]


def test_a_file_gets_every_machine(many):
    assert sum(line.startswith("press-") for line in shown(many, 120, 25, terminal=False)) == 40


def test_a_name_that_is_too_long_is_folded():
    name = "line-7" + "x" * 60 + "-end"
    lines = shown(young([name]), 80, 24)
    first = lines[2].split()
    assert (first[1], first[3:]) == ("learning", ["%", "0.0", "normal"])
    assert first[0] + lines[3] == name
