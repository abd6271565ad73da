"""The live table of the demonstration: what a person reads of machines and their alarms."""

import io

import numpy as np
from rich.console import Console

from pipeline.board import Board
from pipeline.engine import Engine
from pipeline.evaluation import Label
from pipeline.records import Machine, Reading

SECOND = 1_000_000_000


def test_an_alarm_in_the_table_says_why_and_which_recorded_failure_it_met():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(900, 3)) + np.repeat(rng.normal(size=9), 100)[:, None] * 5
    values[800:, 1] += 30.0
    machine = Machine("press-1")
    engine = Engine()
    board = Board(engine, {"press-1": [Label(790 * SECOND, 900 * SECOND, "bearing")]})
    for t, row in enumerate(values.tolist()):
        readings = [Reading(machine, f"s{c}", (t + 1) * SECOND, x) for c, x in enumerate(row)]
        board.update(engine.step(engine.arrange([readings])))
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(board)
    lines = [line for line in console.export_text().splitlines() if "bearing" in line]
    assert len(lines) == 1
    assert "s1: " in lines[0]
    assert board.hits == {"press-1": 1}
