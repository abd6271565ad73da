"""What a person may say to a machine: normal, repaired, rollback; scores before and after."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from machines import engine_of, equal, live, machine_with_modes, messages, plant, readings, restored, same, told

from pipeline.config.settings import Alert, MachineRule, Sensor
from pipeline.engine.engine import Engine
from pipeline.engine.fleet import NoBaselineError
from pipeline.engine.scoring import MachineState
from pipeline.records import Machine


def test_normal_ends_an_alarm_and_leaves_nothing_to_confirm_and_a_new_fault_is_still_found():
    table = machine_with_modes(4000, 4, 3)
    table[1500:, 1] += 8.0
    table[3200:, 3] += 25.0
    engine, before = live(table[:2500])
    assert (before.severity[1550:] > 0).mean() > 0.95
    found = engine.fleet.block(0).line["evidence"]
    assert found["shut"][1]
    engine.normal(0)
    assert not found["shut"].any()
    calm = engine.step(readings(table[2500:3200], 2500))
    assert (calm.severity > 0).mean() < 0.01
    assert not np.isin(calm.state, (MachineState.CHANGED, MachineState.FAULT)).any()
    fault = engine.step(readings(table[3200:], 3200))
    assert (fault.severity[50:] > 0).mean() > 0.95
    assert (fault.cause[50:] == 3).mean() > 0.95


def test_normal_confirms_a_change_that_was_accepted():
    table = machine_with_modes(3700, 4, 5)
    table[1500:, 2] += 12.0
    engine, scores = live(table[:2700])
    assert scores.state[-1] == MachineState.CHANGED
    engine.normal(0)
    scores = engine.step(readings(table[2700:], 2700))
    assert set(scores.state.tolist()) == {MachineState.READY}


RULE = MachineRule(sensors={"s1": Sensor(range=(0.0, 200.0))}, alert=Alert(warning=0.98, accept_after="5000s"))


def test_a_repaired_machine_learns_anew_without_alarms_and_goes_back_to_its_old_baseline_when_told():
    table = machine_with_modes(3600, 4, 3)
    table[2000:, 1] += 8.0
    engine = engine_of(4, rule=lambda name: RULE)
    engine.step(readings(table[:2000]))
    old = engine.fleet.block(0).copy()
    engine.freeze(0)
    engine.repaired(0)
    assert not engine.fleet.frozen(0)
    scores = engine.step(readings(table[2000:2900], 2000))
    assert set(scores.state[:90].tolist()) == {MachineState.LEARNING}
    assert not scores.severity[:100].any()
    another = engine_of(4, rule=lambda name: RULE)
    new = another.step(readings(table[2000:2900], 2000))
    for name in ("score", "severity", "state", "cause"):
        assert np.array_equal(getattr(scores, name), getattr(new, name)), name
    new = engine.fleet.block(0)
    assert (new.machine["scoring"]["warning"], new.machine["evidence"]["patience_ns"]) == (0.98, 5e12)
    encoder = new.line["delta"]
    assert (encoder["low"][1], encoder["high"][1], encoder["declared"].sum()) == (0.0, 200.0, 1)
    engine.rollback(0)
    back = engine.fleet.block(0)
    assert np.array_equal(back.line["clock"]["last_ns"], new.line["clock"]["last_ns"])
    assert [back.machine["rows"][name] for name in ("time_ns", "closed_ns")] == [new.machine["rows"]["closed_ns"]] * 2
    # But for time, whether it is frozen, and that its next score is written, it is what it was.
    back = back.copy()
    back.line["clock"]["last_ns"] = old.line["clock"]["last_ns"]
    for name in ("time_ns", "closed_ns"):
        back.machine["rows"][name] = old.machine["rows"][name]
    back.machine["scoring"]["severity"] = old.machine["scoring"]["severity"]
    assert back.sealed() == old.sealed()
    found = engine.step(readings(table[2900:], 2900))
    assert not scores.severity[500:].any()
    assert (found.severity[50:] > 0).mean() > 0.9, "to the old baseline it is in alarm"
    assert found.due[0]


def test_a_second_rollback_undoes_the_first_and_without_a_kept_baseline_nothing_is_changed():
    table = plant(900, seed=10)
    engine, _ = live(table[:500])
    before = engine.fleet.snapshot()
    with pytest.raises(NoBaselineError, match="no baseline of m was kept"):
        engine.rollback(0)
    assert all(np.array_equal(before[path], array) for path, array in engine.fleet.snapshot().items())
    engine.repaired(0)
    engine.step(readings(table[500:700], 500))
    twin = restored(engine)
    engine.rollback(0)
    engine.rollback(0)
    assert equal(engine.step(readings(table[700:], 700)), twin.step(readings(table[700:], 700)))


def test_one_baseline_is_kept_per_machine_the_newest_and_it_is_in_snapshots():
    table = plant(1500, seed=11)
    engine, _ = live(table[:500])
    engine.repaired(0)
    engine.step(readings(table[500:900], 500))
    second = engine.fleet.block(0).copy()
    engine.repaired(0)
    engine.step(readings(table[900:1200], 900))
    assert len(engine.fleet.kept) == 1
    other = restored(engine)
    assert same(engine, other)
    other.rollback(0)
    back = other.fleet.block(0)
    assert np.array_equal(back.line["rank"], second.line["rank"])
    assert np.array_equal(back.machine["condition"], second.machine["condition"])
    assert np.array_equal(back.cohort(0).precision, second.cohort(0).precision)
    engine.rollback(0)
    assert equal(engine.step(readings(table[1200:], 1200)), other.step(readings(table[1200:], 1200)))


def test_readings_from_before_a_repair_are_late_afterwards_and_a_sensor_that_came_later_joins_a_rolled_back_machine():
    table = plant(700, seed=12)
    engine = engine_of(3)
    engine.step(readings(table[:300, :3]))
    engine.repaired(0)
    engine.step(readings(table[290:300, :3], 290))
    assert engine.late == 30
    assert engine.look()["lines"][0] == 0
    engine.fleet.number(Machine("m"), "s3")
    engine.step(readings(table[300:500], 300))
    engine.rollback(0)
    assert engine.look()["lines"][0] == 3
    engine.step(readings(table[490:500], 490))
    assert engine.late == 70
    scores = engine.step(readings(table[500:], 500))
    assert len(scores) == 200
    assert engine.look()["lines"][0] == 4
    assert engine.fleet.block(0).line["rows"]["age"].tolist() == [500, 500, 500, 200]


OPERATIONS = ("normal", "repaired", "rollback", "freeze", "resume", "silent")


def play(plan, cuts=(), saved=None):
    """Scores in order, and the engine, where `plan` says after which message which operation comes to machine 0.

    Batches end at `cuts` and where an operation comes; after operation number `saved` the engine is restored.
    """
    engine = Engine()
    sent = messages(260, 1)
    whole, at = [], 0
    for end in sorted({*cuts, *(place for place, _ in plan), len(sent)}):
        if end > at:
            whole.append(engine.step(engine.arrange(sent[at:end])))
            at = end
        for number, (place, operation) in enumerate(plan):
            if place != end:
                continue
            if operation == "silent":
                engine.silent(0)
            elif operation != "rollback" or engine.fleet.has_baseline(0):
                said = getattr(engine, operation)(0)
                whole += [said] if said is not None else []
            if saved == number:
                engine = restored(engine)
    whole.append(engine.finish())
    rows = [told(scores) for scores in whole]
    return {name: np.concatenate([part[name] for part in rows]) for name in rows[0]}, engine


@given(
    st.lists(st.tuples(st.integers(1, 900), st.sampled_from(OPERATIONS)), min_size=1, max_size=4),
    st.lists(st.integers(1, 900), max_size=6),
    st.integers(0, 3),
)
@example([(500, "repaired"), (700, "rollback"), (800, "normal")], [250, 499, 701], 0)
@settings(max_examples=20, deadline=None)
def test_after_operations_anywhere_batch_borders_and_a_restart_change_nothing_and_no_other_machine_notices(
    plan, cuts, saved
):
    plan = sorted(plan, key=lambda step: step[0])
    whole, engine = play(plan)
    found, other = play(plan, cuts, saved)
    for name in whole:
        for slot in (0, 1):
            assert np.array_equal(whole[name][whole["slot"] == slot], found[name][found["slot"] == slot]), name
    assert same(engine, other)
    untouched, _ = play([])
    for name in whole:
        assert np.array_equal(whole[name][whole["slot"] == 1], untouched[name][untouched["slot"] == 1]), name
    times = [columns["time_ns"][columns["slot"] == 0] for columns in (whole, untouched)]
    assert set(times[0].tolist()) == set(times[1].tolist()), "every row is scored"
    assert len(times[0]) <= len(times[1]) + len(plan), "at most one row is divided by each operation"


def test_a_repaired_machine_stands_for_itself_and_tells_its_kind_what_it_is_whatever_order_its_sensors_join_in():
    table = machine_with_modes(4600, 3, 5)
    engine, _ = live(table[:100])
    engine.repaired(0)
    later = readings(table[100:], 100)
    backwards = later._replace(line=2 - later.line, value=table[100:, ::-1].ravel())
    engine.step(backwards)
    straight, _ = live(table[100:])
    told, same_told = engine.fleet.learned(0), straight.fleet.learned(0)
    order = [told.sensors.index(sensor) for sensor in same_told.sensors]
    np.testing.assert_allclose(
        told.covariance[np.ix_(order, order)], same_told.covariance, rtol=0.05, atol=0.05 * same_told.covariance.max()
    )


def rows_given(engine):
    """Rows that each line of the only machine was given by its kind."""
    return engine.fleet.block(0).line["expectation"]["given"].tolist()


def test_a_repaired_machine_begins_without_the_prior_of_its_kind_and_so_do_its_later_sensors():
    elder, _ = live(machine_with_modes(3000, 3, 5))
    known = elder.fleet.learned(0)

    def priors(name):
        return known

    engine = engine_of(2, priors=priors)
    assert rows_given(engine) == [2000.0, 2000.0]
    engine.repaired(0)
    again = Engine(priors=priors)
    again.fleet.restore(engine.fleet.snapshot())
    for one in (engine, again):
        one.fleet.number(Machine("m"), "s2")
        assert rows_given(one) == [0.0, 0.0, 0.0]
        assert one.fleet.block(0).machine["evidence"]["given"] == 0.0
    engine.rollback(0)
    assert rows_given(engine) == [2000.0, 2000.0, 0.0]
