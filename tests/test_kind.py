"""What a line does decides what of it is held against the others: counters, few values, sensors that stand still."""

import numpy as np
import pytest
from machines import engine_of, machine_with_modes, readings

from pipeline.engine.scoring import MachineState


def running(rows, seed):
    """Two sensors of a machine that goes on and off, and its state."""
    rng = np.random.default_rng(seed)
    state = np.repeat(rng.permutation(rows // 100) % 2, 100).astype(float)
    return np.column_stack([20.0 * state + rng.normal(size=rows), 8.0 * state + rng.normal(size=rows), state])


def scored(table):
    return engine_of(table.shape[1]).step(readings(table))


def held(scores, rows, cause):
    """Share of these rows that are in alarm, and of these, in which that line is named."""
    alarm = scores.severity[rows] > 0
    return alarm.mean(), (scores.cause[rows][alarm] == cause).mean()


@pytest.mark.parametrize("rolls", [1e9, 997.0])
@pytest.mark.parametrize("pace", [0.0, 0.4])
def test_a_counter_that_stands_still_or_counts_slower_while_its_machine_runs_is_found_and_held(rolls, pace):
    table = running(6000, 1)
    made = np.random.default_rng(2).integers(3, 9, 6000) * table[:, 2]
    made[4000:4800] = np.floor(made[4000:4800] * pace)
    scores = scored(np.column_stack([table, np.cumsum(made) % rolls]))
    runs = np.arange(4200, 4800)[table[4200:4800, 2] > 0.0]
    assert (scores.severity[1500:4000] > 0).mean() < 0.01, "roll-overs and pauses are no alarm"
    share, named = held(scores, runs, 3)
    assert share > 0.7
    assert named > 0.9


def test_a_level_never_seen_is_odd_for_as_long_as_it_lasts_and_familiar_the_third_time():
    table = running(9000, 3)
    for begin in (6000, 7000, 8000):
        table[begin : begin + 200, 2] = 7.0
    engine = engine_of(3)
    scores = engine.step(readings(table))
    for begin in (6000, 7000):
        share, named = held(scores, slice(begin + 10, begin + 200), 2)
        assert share > 0.95
        assert named > 0.9
    assert engine.fleet.block(0).line["kind"]["few"][2] == 3


def test_a_line_that_shows_many_values_is_not_one_of_few():
    table = running(3000, 5)
    table[2000:, 2] += np.random.default_rng(0).normal(0, 0.1, 1000)
    engine = engine_of(3)
    engine.step(readings(table))
    assert engine.fleet.block(0).line["kind"]["few"][2] > 24
    assert engine.fleet.block(0).line["kind"]["unseen"][2] == 0.0


def test_a_sensor_that_is_stuck_where_it_may_well_be_is_in_alarm_until_patience_ends_and_then_a_change():
    table = machine_with_modes(6000, 4, 7)
    table[2500:, 1] = np.median(table[:2500, 1])
    scores = scored(table)
    assert scores.severity[2600:4000].all()
    assert (scores.cause[2600:4000] == 1).mean() > 0.95
    assert (scores.severity[5500:] > 0).mean() < 0.05
    assert scores.state[-1] == MachineState.CHANGED


def test_sensors_that_come_to_rest_with_their_machine_are_not_surely_stuck():
    table = machine_with_modes(4000, 4, 9)
    table[3000:3700] = 0.0
    engine = engine_of(4)
    engine.step(readings(table[:3690]))
    assert (engine.fleet.block(0).line["quality"]["sure"] == 0).all()


def test_a_level_never_seen_that_is_said_to_be_normal_is_no_alarm_any_more():
    table = running(7000, 3)
    table[6000:6100, 2] = 7.0  # while its machine does not change what it does
    engine = engine_of(3)
    assert engine.step(readings(table[:6050])).severity[-1] > 0
    engine.normal(0)
    assert not engine.step(readings(table[6050:6100], 6050)).severity.any()
    assert engine.fleet.block(0).line["kind"]["few"][2] == 3


def test_the_reason_of_a_held_alarm_is_what_it_is_held_for():
    table = running(6100, 3)
    table[6000:, 2] = 7.0
    engine = engine_of(3)
    engine.step(readings(table))
    assert engine.incident(0).why.startswith("s2 7")
    assert "a value never seen before" in engine.incident(0).why
    table = machine_with_modes(3000, 4, 7)
    table[2500:, 1] = np.median(table[:2500, 1])
    engine = engine_of(4)
    engine.step(readings(table))
    assert "stuck, saturated or in another unit for " in engine.incident(0).why
