"""Promise 9: whatever happened before, a new fault on any other sensor still raises an alarm, and soon."""

from pathlib import Path

import numpy as np
import pytest
from machines import accept, counters, machine_with_modes, present

from pipeline.config.settings import Alert, MachineRule
from pipeline.engine.engine import Engine
from pipeline.engine.scoring import MachineState
from pipeline.records import MAX_MAGNITUDE, Machine, Readings

CORPUS = Path(__file__).parent / "corpus"
SECOND = 1_000_000_000
ROWS = 7_000
FAULT = slice(6_000, 6_300)
SOON = 100  # rows


def scores_of(table, engine=None):
    """Engine and scores after the table's rows; a sensor is named after its column."""
    engine = engine or Engine()
    for column in range(table.shape[1]):
        engine.fleet.number(Machine("m"), f"s{column}")
    return engine, engine.step(readings_of(table))


def readings_of(table, begin=0):
    """The readings of the table's rows from `begin` on, a row each second."""
    row, line = present(table[begin:])
    ends = np.append(row[1:] != row[:-1], True)
    row += begin
    return Readings(np.zeros(row.size, np.int64), line, (row + 1) * SECOND, table[row, line], ends)


def with_a_fifth(values, seed=5):
    """A machine of four ordinary sensors, of which s1 breaks, and a fifth."""
    table = np.column_stack([machine_with_modes(ROWS, 5, seed)[:, :4], values])
    table[FAULT, 1] += 8.0
    return table


def constant(*moves):
    """A set point of 55 that is something else in so many rows from a row on: (row, rows, value)."""
    values = np.full(ROWS, 55.0)
    for row, rows, value in moves:
        values[row : row + rows] = value
    return values


def broken_before(kind):
    """The fifth sensor with a past of its own."""
    own = machine_with_modes(ROWS, 5, 5)[:, 4]
    if kind == "a lasting change, accepted":
        own[1500:] += 12.0
    elif kind == "stuck and masked":
        own[2000:] = own[2000]
    elif kind == "lost":
        own[3000:] = np.nan
    elif kind == "alarm after alarm":
        for row in range(1500, 5500, 400):
            own[row : row + 60] += 12.0
    else:
        raise ValueError(kind)
    return own


HISTORIES = {
    "it never moves": constant(),
    "it moves for one row": constant((3000, 1, 65.0)),
    "it moves for three rows": constant((3000, 3, 65.0)),
    "it moves for a while": constant((3000, 400, 65.0)),
    "it moves for good, a little": constant((3000, ROWS, 55.5)),
    "it moves for good, by much": constant((3000, ROWS, 1500.0)),
    "it opens now and then": constant(*((row, 30, 65.0) for row in range(3000, ROWS, 700))),
    "it counts": np.cumsum(np.arange(ROWS) % 7 < 4).astype(float) % 2000,
} | {
    kind: broken_before(kind)
    for kind in ("a lasting change, accepted", "stuck and masked", "lost", "alarm after alarm")
}


@pytest.mark.parametrize("history", HISTORIES)
def test_whatever_one_sensor_did_a_fault_of_another_is_found_soon_held_and_named(history):
    _, scores = scores_of(with_a_fifth(HISTORIES[history]))
    alarm = scores.severity > 0
    assert alarm[FAULT.start : FAULT.start + SOON].any()
    assert alarm[FAULT].mean() > 0.8
    named = scores.cause[FAULT][alarm[FAULT]]
    assert (named == 1).mean() > 0.8
    assert (scores.state[FAULT][alarm[FAULT]] == MachineState.FAULT).mean() > 0.8


@pytest.mark.parametrize("history", [name for name in HISTORIES if name.startswith("it ")])
def test_what_a_constant_or_a_counter_does_is_an_event_and_no_lasting_alarm(history):
    table = with_a_fifth(HISTORIES[history])
    table[FAULT, 1] -= 8.0
    _, scores = scores_of(table)
    _, without = scores_of(table[:, :4])
    assert (scores.severity[2900:] > 0).sum() - (without.severity[2900:] > 0).sum() <= SOON


def test_while_one_sensor_is_changed_and_unconfirmed_another_is_in_fault():
    # The fifth goes on changing, so that what was accepted of it is never quiet for long.
    table = with_a_fifth(broken_before("a lasting change, accepted"))
    table[5000:, 4] += 0.01 * np.arange(ROWS - 5000)
    _, scores = scores_of(table)
    at = np.flatnonzero(scores.changed)
    assert len(at), "a change must have been accepted"
    fault = scores.state[FAULT] == MachineState.FAULT
    assert fault.mean() > 0.8
    assert (scores.cause[FAULT][fault] == 1).mean() > 0.8


def test_a_snapshot_from_before_this_was_known_loads_and_its_constant_sensor_is_begun_anew():
    """It was taken after 5,000 rows, by a version that had pinned that sensor by a spread of exactly nothing."""
    table = with_a_fifth(HISTORIES["it moves for one row"])
    restored = Engine()
    restored.fleet.restore(dict(np.load(CORPUS / "format-4.npz")))
    block = restored.fleet.block(0)
    known, held = block.line["expectation"], block.line["resolution"]
    assert known["own"].tolist() == [5000.0] * 4 + [0.0]
    assert known["unit"][4] == 0.0
    assert (held["moves"][:4] == 5000.0).all()
    assert (known["low"][:4] < known["high"][:4]).all()
    assert all(np.isfinite(known[name]).all() for name in known.dtype.names)
    assert all(np.isfinite(matrix).all() for matrix in block.cohort(0))
    scores = restored.step(readings_of(table, 5000))
    fault = slice(FAULT.start - 5000, FAULT.stop - 5000)
    assert (scores.severity[fault] > 0).mean() > 0.8
    assert (scores.severity[: fault.start] > 0).mean() < 0.05


def test_a_constant_that_moves_by_as_much_as_is_let_in_leaves_every_score_a_number():
    table = with_a_fifth(constant((3000, 1, MAX_MAGNITUDE), (3001, 1, -MAX_MAGNITUDE), (3500, 1, 1e-300)))
    _, scores = scores_of(table)
    assert np.isfinite(scores.score).all()


def test_a_counter_is_recognised_and_a_slow_sine_is_none_once_it_has_come_back():
    t = np.arange(4000.0)
    table = np.column_stack([t % 1500, np.floor(t / 3), np.sin(t / 300), 0.5 + 0.0 * t, (t // 50) % 2])
    engine, _ = scores_of(table)
    assert counters(engine) == [True, True, False, False, False]


def test_a_band_is_never_narrower_than_the_step_of_its_sensor():
    valve = constant(*((row, 30, 65.0) for row in range(500, ROWS, 300)))
    engine, scores = scores_of(with_a_fifth(valve)[:3000])
    told = engine.explain(scores, np.arange(2000, 3000))
    band = (told.high - told.low)[told.line == 4]
    assert np.isfinite(band).all()
    assert band.min() >= 10.0


def test_a_valve_that_is_read_in_every_second_row_is_known_as_well_as_one_in_every_row():
    valve = constant(*((row, 30, 65.0) for row in range(500, ROWS, 300)))
    seldom = np.where(np.arange(ROWS) % 2 == 0, valve, np.nan)
    left = []
    for values in (valve, seldom):
        engine, _ = scores_of(with_a_fifth(values)[:5000])
        left.append(engine.fleet.block(0).line["resolution"]["left"][4])
    assert left[1] > 0.5 * left[0] > 0.0


def on_and_off(rows, standing_from, seed):
    """A machine of four sensors that follow one load, on for 700 rows of 1,000 and off from a row on."""
    rng = np.random.default_rng(seed)
    on = (np.arange(rows) % 1000 < 700) & (np.arange(rows) < standing_from)
    load = on * (1 + 0.001 * rng.normal(size=rows).cumsum())
    return np.outer(load, [3.0, 4.0, 5.0, 6.0]) + 0.1 * rng.normal(size=(rows, 4))


def expected(engine):
    """Where each line of the only machine was expected in the newest row, in the sensors' units."""
    known = engine.fleet.block(0).line["expectation"]
    return known["value"] - known["residual"] * known["unit"]


@pytest.mark.parametrize("seed", range(3))
def test_while_a_machine_stands_still_no_sensor_is_led_astray_by_those_whose_change_was_accepted(seed):
    table = on_and_off(8_500, 6_700, seed)
    engine, _ = scores_of(table[:6_600])
    for line in range(3):
        accept(engine, line)
    scores = engine.step(readings_of(table, 6_600))
    assert (scores.severity[200:] > 0).sum() == 0
    assert np.abs(expected(engine) - table[-1]).max() < 0.6


@pytest.mark.parametrize("seed", range(3))
def test_after_a_lasting_change_of_a_sensor_a_fault_of_the_same_sensor_is_held(seed):
    rng = np.random.default_rng(seed)
    rows = 8_000
    load = np.sin(2 * np.pi * np.arange(rows) / 288) + 0.1 * rng.normal(size=rows).cumsum() / 30
    table = np.outer(load, np.arange(1.0, 7.0)) + 0.2 * rng.normal(size=(rows, 6))
    table[3_000:, 2] += 0.9 * load[3_000:]  # it follows the load by 1.3 of what it did
    table[7_500:7_800, 2] += 3.0
    impatient = MachineRule(alert=Alert(accept_after="2000s"))
    _, scores = scores_of(table, Engine(rule=lambda name: impatient))
    assert (scores.severity[6_500:7_500] > 0).mean() < 0.02
    assert (scores.severity[7_500:7_800] > 0).mean() > 0.9


def test_after_an_accepted_change_nobody_is_expected_far_outside_of_what_the_sensor_has_shown():
    table = on_and_off(3_100, 3_100, 1)
    engine, _ = scores_of(table[:3_000])
    accept(engine, 0)
    table[3_000:, 1:] += 60.0  # all others go where the machine has never been
    engine.step(readings_of(table[:3_004], 3_000))
    shown = table[:3_004, 0]
    assert expected(engine)[0] - shown.max() < 0.5 * np.ptp(shown)
