"""What a machine is in: learning, ready, drifting, changed, frozen, fault, silent."""

import numpy as np
import pytest
from machines import SECOND, START, engine_of, live, machine_with_modes, plant, readings, restored

from pipeline import scoring
from pipeline.records import Machine
from pipeline.scoring import MachineState
from pipeline.silence import INTERVALS, LEAST_NS

LONG = LEAST_NS // SECOND + 60  # seconds in which a machine of one row a second becomes silent


# What is said of a score, and what an engineer reads: age, lasting, frozen, changed, drifting.
READ = [
    ((99.0, 1.0, False, True, True), MachineState.LEARNING),
    ((100.0, 0.5, False, False, False), MachineState.READY),
    ((100.0, 0.5, False, False, True), MachineState.DRIFTING),
    ((100.0, 0.5, False, True, True), MachineState.CHANGED),
    ((100.0, 0.5, True, True, True), MachineState.FROZEN),
    ((50.0, 0.5, True, False, False), MachineState.FROZEN),
    ((100.0, 0.99, True, True, True), MachineState.FAULT),
    ((100.0, 0.99, False, False, False), MachineState.FAULT),
]


@pytest.mark.parametrize(("said", "state"), READ)
def test_where_several_states_hold_the_one_to_act_on_first_is_read(said, state):
    age, lasting, *flags = said
    severity, states, due = np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.bool_)
    scoring.step(
        scoring.Params(0, 0),
        scoring.fresh(1),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        np.array([lasting]),
        np.array([lasting]),
        np.array([age]),
        *(np.array([flag]) for flag in flags),
        severity,
        states,
        due,
        due.copy(),
    )
    assert MachineState(states[0]) is state


def machine_points(engine, scores):
    return [point for point in engine.points(scores) if point.measurement == "machine"]


def test_a_change_of_state_makes_a_score_due_and_its_point_says_the_state():
    engine = engine_of(4, every_ns=10**15)
    table = plant(1300)
    points = machine_points(engine, engine.step(readings(table[:1200])))
    assert [point.fields["state"] for point in points if point.fields["severity"] == 0][:2] == ["learning", "ready"]
    engine.freeze(0)
    points = machine_points(engine, engine.step(readings(table[1200:1250], 1200)))
    assert [point.fields["state"] for point in points] == ["frozen"]
    engine.resume(0)
    points = machine_points(engine, engine.step(readings(table[1250:], 1250)))
    assert [point.fields["state"] for point in points] == ["ready"]


def test_a_held_fault_reads_as_fault_also_on_a_frozen_machine():
    table = machine_with_modes(2600, 4, 3)
    table[2000:, 1] += 8.0
    engine, scores = live(table[:2300])
    fault = scores.state == MachineState.FAULT
    assert not fault[1000:2000].any()
    assert fault[2050:].mean() > 0.95
    engine.freeze(0)
    scores = engine.step(readings(table[2300:], 2300))
    assert (scores.state == MachineState.FAULT).mean() > 0.95
    assert engine.summaries()[0].frozen, "and that it is frozen is still to be seen"


def drifting(table):
    """Share of the second half of a life in which a machine reads as drifting."""
    _, scores = live(table)
    return (scores.state == MachineState.DRIFTING)[len(table) // 2 :].mean()


@pytest.mark.parametrize("lines", [1, 4])
def test_a_machine_that_ages_fast_is_drifting_and_one_that_does_not_never_is(lines):
    if lines == 1:  # nobody tells a lone sensor's load: of one that only runs
        rng = np.random.default_rng(3)
        calm = 50 + rng.normal(size=(12_000, 1))
        aged = calm + 6.0 * np.arange(12_000)[:, None] / 12_000
    else:
        calm, aged = plant(12_000, lines, 3), plant(12_000, lines, 3, aged=8.0)
    assert drifting(calm) == 0.0
    assert drifting(aged) > 0.6


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_a_mode_that_commissioning_has_not_seen_is_no_drift(seed):
    table, idle = plant(12_000, seed=seed), plant(4000, seed=seed)
    table[:4000] = np.resize(idle[idle[:, 0] < np.quantile(idle[:, 0], 0.3)], (4000, 4))
    _, scores = live(table)
    assert not (scores.state == MachineState.DRIFTING).any()


def test_neither_a_held_fault_nor_a_change_that_was_accepted_is_drift():
    table = machine_with_modes(13_000, 4, 5)
    table[4000:5000, 1] += 12.0
    table[6500:, 2] += 12.0
    engine, scores = live(table)
    assert (scores.state == MachineState.CHANGED).any()
    assert not (scores.state == MachineState.DRIFTING).any()
    assert max(abs(shift.sigmas) for shift in engine.summaries()[0].shifts) < 0.2


def test_the_shift_and_its_pace_are_those_of_the_sensor():
    rng = np.random.default_rng(6)
    slope = 1.0 / 2000
    table = 20 + rng.normal(size=(14_000, 1)) + slope * np.arange(14_000)[:, None]
    engine, _ = live(table)
    (shift,) = engine.summaries()[0].shifts
    assert shift.sensor == "s0"
    # From the middle of commissioning (row 2250) to two thousand rows ago, in deviations that hold some drift too.
    assert shift.sigmas == pytest.approx(slope * (14_000 - 2000 - 2250), rel=0.1)
    assert shift.per_day == pytest.approx(slope * 86_400, rel=0.15)


def test_a_line_that_is_nowhere_it_was_known_is_commissioned_anew():
    rng = np.random.default_rng(8)
    table = 20 + rng.normal(size=(10_000, 1))
    table[4000:] += 100.0
    engine, scores = live(table)
    assert not (scores.state == MachineState.DRIFTING).any()
    drift = engine.fleet.state.lines.drift
    assert drift.rows[0] == pytest.approx(4000, abs=60)
    assert abs(drift.fast[0] - drift.reference[0]) < 0.2 * np.sqrt(drift.variance[0])


def asked(engine, seconds, every=10):
    """Points of an engine that is asked for silent machines through so many seconds of somebody's clock."""
    return [point for second in range(*seconds, every) for point in engine.silent(second * SECOND)]


def test_a_silent_machine_is_said_to_be_once_at_a_time_of_the_data_and_again_after_it_has_spoken():
    engine = engine_of(1, every_ns=10**15)
    table = 20 + np.random.default_rng(1).normal(size=(400, 1))
    engine.step(readings(table[:300]))
    assert asked(engine, (0, LEAST_NS // SECOND)) == []
    (point,) = asked(engine, (LEAST_NS // SECOND, 1000))
    assert point.tags == (("machine", "m"),)
    assert point.fields == {"state": "silent"}
    assert point.time_ns == START + (299 + INTERVALS) * SECOND
    assert engine.summaries()[0].state is MachineState.SILENT
    spoke = engine.points(engine.step(readings(table[300:320], 400)))
    assert [spoke[0].time_ns, spoke[0].fields["state"]] == [START + 400 * SECOND, "ready"]
    assert engine.summaries()[0].state is MachineState.READY
    for second in range(1000, 5000, 10):  # the long pause before is forgotten by and by
        engine.step(readings(table[:10], second))
        assert engine.silent(second * SECOND) == []
    (again,) = asked(engine, (5000, 6000))
    assert again.time_ns == START + (5009 - 10 + INTERVALS) * SECOND


def test_after_a_restart_a_silent_machine_is_given_time_and_then_said_by_the_same_point():
    engine = engine_of(1)
    engine.step(readings(np.arange(50.0)[:, None]))
    other = restored(engine)
    assert asked(other, (10**6, 10**6 + 50)) == []
    assert asked(other, (10**6 + 50, 10**6 + LONG)) == asked(engine, (0, LONG)) != []


def test_recordings_of_any_year_at_any_speed_and_pauses_between_uploads_are_no_silence():
    engine = engine_of(1)
    for line in range(2):
        engine.fleet.number(Machine("old"), f"s{line}")
    table = np.random.default_rng(2).normal(size=(20_000, 1))
    points = []
    for ask in range(100):  # a recording ten years younger than the other, both a hundred times as fast as life
        part = table[ask * 100 : (ask + 1) * 100]
        engine.step(readings(part, ask * 100))
        engine.step(readings(part, ask * 100 - 10 * 365 * 86_400, 1, [1]))
        points += engine.silent(ask * SECOND)
    assert points == []
    # A gateway that uploads an hour of seconds every hour: it is missed before its habit is known, then never.
    for hour in range(4):
        engine.step(readings(table[10_000 + hour * 100 :][:100], 10_000 + hour * 100))
        points += [
            point for point in asked(engine, (1000 + hour * 3600, 4600 + hour * 3600)) if point.tags[0][1] == "m"
        ]
    assert len(points) == 1


def test_who_was_away_himself_accuses_nobody():
    engine = engine_of(1)
    engine.step(readings(np.arange(50.0)[:, None]))
    assert asked(engine, (0, 30)) == []
    assert engine.silent(86_400 * SECOND) == []
    assert asked(engine, (86_410, 86_500)) != []
