"""What a machine is in: learning, ready, drifting, changed, frozen, fault, silent."""

import json
import math

import numpy as np
import pytest
from big_fleets import Direct
from fleets import listed
from machines import SECOND, START, engine_of, live, machine_with_modes, plant, readings, restored
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.settings import Alert, MachineRule
from pipeline.console import views
from pipeline.engine.commands import Command
from pipeline.engine.scoring import MachineState, Severity
from pipeline.engine.silence import INTERVALS, LEAST_NS
from pipeline.network._core import ffi, lib
from pipeline.records import Machine
from pipeline.storage.journal import Journal

LONG = LEAST_NS // SECOND + 60  # seconds in which a machine of one row a second becomes silent


# What is said of a score, and what an engineer reads: age, lasting, frozen, changed, drifting.
READ = [
    ((99.0, 1.0, False, True, True), MachineState.LEARNING),
    ((100.0, 0.5, False, False, False), MachineState.READY),
    ((100.0, 0.5, False, False, True), MachineState.DRIFTING),
    ((100.0, 0.5, False, True, True), MachineState.CHANGED),
    ((100.0, 0.5, True, True, True), MachineState.FROZEN),
    ((50.0, 0.5, True, False, False), MachineState.FROZEN),
    ((100.0, 0.9901, True, True, True), MachineState.FAULT),
    ((100.0, 0.9901, False, False, False), MachineState.FAULT),
]


@pytest.mark.parametrize(("said", "state"), READ)
def test_where_several_states_hold_the_one_to_act_on_first_is_read(said, state):
    age, score, frozen, changed, drifting = said
    lasting = -math.log10(1.0 - score) / 2.0 if score < 1.0 else 99.0  # of a machine of several lines
    params = ffi.new("struct sw_scoring_params *")
    machine, row = ffi.new("struct sw_scoring *"), ffi.new("struct sw_row *")
    lib.sw_scoring_init(machine)
    row.age, row.state, row.lines, row.changed, row.drifting = age, lasting, 2, changed, drifting
    lib.sw_scoring_step(params, machine, frozen, row)
    assert row.lasting == pytest.approx(score)
    assert MachineState(row.machine_state) is state


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


BRIEF = MachineRule(alert=Alert(close="1m"))
CHANGE = 3200  # row


def of_a_change(rows=7000):
    """A machine whose second sensor changes for good."""
    table = machine_with_modes(rows, 4, 3)
    table[CHANGE:, 1] += 12.0
    return table


def until_accepted(engine, table):
    """Live until patience, of 2,000 rows in alarm, has run out, and 200 rows more; returns how many those are."""
    engine.step(readings(table[: CHANGE + 2000]))
    assert not engine.changes(0).lasting
    for row in range(CHANGE + 2000, len(table), 100):
        engine.step(readings(table[row : row + 100], row))
        if engine.changes(0).sensors:
            engine.step(readings(table[row + 100 : row + 300], row + 100))
            return row + 300
    raise AssertionError("it is never accepted")


def attention(engine):
    """What the list of machines and the machine's own page say that it needs, and why."""
    [found] = listed(engine)
    page = views.page(views.details(engine, 0))
    for name in ("attention", "changed", "unconfirmed", "severity", "incident"):
        assert found[name] == page[name], name
    return page["attention"], page["changed"], page["unconfirmed"]


def test_while_one_sensor_is_changed_a_fault_of_another_is_a_fault_and_the_change_waits_for_an_answer():
    table = of_a_change()
    engine = engine_of(4, rule=lambda name: BRIEF)
    begin = until_accepted(engine, table)
    end = begin + 60
    table[begin:end, 3] += 25.0
    summary = engine.summaries()[0]
    assert (summary.state, summary.severity) == (MachineState.CHANGED, Severity.NORMAL)
    number = engine.changes(0).unconfirmed
    assert attention(engine) == ("changed", ("s1",), number)
    twin = restored(engine)

    fault = engine.step(readings(table[begin:end], begin))
    assert (fault.state[10:] == MachineState.FAULT).all()
    assert (fault.cause[10:] == 3).all()
    assert (fault.severity[10:] == Severity.CRITICAL).all()
    assert set(fault.changed.tolist()) == {1}
    assert attention(engine) == ("critical", ("s1",), number)
    assert engine.incident(0).sensors[0].sensor == "s3"
    points = engine.points(fault)
    assert {point.fields["changed"] for point in points if point.measurement == "machine"} == {1}
    assert {
        (dict(point.tags)["sensor"], point.fields["changed"]) for point in points if point.measurement == "sensor"
    } == {("s0", False), ("s1", True), ("s2", False), ("s3", False)}

    calm = engine.step(readings(table[end:], end))
    assert next(news.reason for news in calm.news if news.phase == "close") == "calm"
    assert calm.state[-1] == MachineState.READY, "the network has been quiet for long enough"
    assert calm.changed[-1] == 0
    assert attention(engine) == ("changed", ("s1",), number), "and nobody has answered"
    assert len(listed(engine, attention="changed")) == 1
    assert [(one["changed"], one["unconfirmed"]) for one in views.unconfirmed(Direct(engine).ask)] == [
        (("s1",), number)
    ]

    again = twin.step(readings(table[begin:end], begin))
    assert again.news == fault.news
    later = restored(twin)
    later.step(readings(table[end:], end))
    for one in (engine, later, restored(later)):
        assert attention(one) == ("changed", ("s1",), number)
        one.apply(Command("normal", Machine("m"), "", "anna", "cli", START))
        assert attention(one) == ("ready", (), None)
        assert views.unconfirmed(Direct(one).ask) == []


def test_a_change_is_to_be_confirmed_also_of_a_machine_that_is_frozen_or_silent():
    engine = engine_of(4, rule=lambda name: BRIEF)
    table = of_a_change()
    begin = until_accepted(engine, table)
    number = engine.changes(0).unconfirmed
    engine.freeze(0)
    engine.step(readings(table[begin : begin + 20], begin))
    assert engine.summaries()[0].state is MachineState.FROZEN
    assert attention(engine) == ("changed", ("s1",), number)
    assert asked(engine, (0, LONG)) != []
    assert attention(engine) == ("changed", ("s1",), number)


def test_the_list_of_machines_names_sensors_that_have_changed(tmp_path):
    engine = engine_of(4)
    (tmp_path / "data").mkdir()
    journal = Journal(tmp_path / "data" / "journal.sqlite")
    lines = [(line, *name) for line, name in enumerate(engine.fleet.lines)]
    journal.commit(readings(of_a_change()), list(enumerate(engine.fleet.machines)), lines)
    journal.close()
    (tmp_path / "c.yaml").write_text(f"data: {tmp_path / 'data'}\n")
    command = ["machines", "--config", str(tmp_path / "c.yaml")]
    assert "s1 (unconfirmed)" in CliRunner(env={"COLUMNS": "200"}).invoke(app, command).output
    (told,) = json.loads(CliRunner().invoke(app, [*command, "--json"]).output)
    assert (told["changed"], told["unconfirmed"] > 0) == (["s1"], True)


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
    drift = engine.fleet.block(0).line["drift"][0]
    assert drift["rows"] == pytest.approx(4000, abs=60)
    assert abs(drift["fast"] - drift["reference"]) < 0.2 * np.sqrt(drift["variance"])


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


def test_a_machine_that_is_said_to_have_stopped_is_silent_at_once_and_until_it_speaks():
    table = plant(1300)
    engine, _ = live(table[:1200])
    newest_ns = START + 1199 * SECOND
    unknown = Machine("nobody")
    [point] = engine.gone([Machine("m"), unknown], newest_ns + 5 * SECOND)
    assert (point.fields, point.time_ns) == ({"state": "silent"}, newest_ns + 5 * SECOND)
    assert engine.summary(0).state is MachineState.SILENT
    assert engine.gone([Machine("m")], newest_ns + 6 * SECOND) == []
    points = machine_points(engine, engine.step(readings(table[1200:1210], 1200)))
    assert points[0].fields["state"] != "silent"
    assert engine.silent_slots == ()


@pytest.mark.parametrize(("after_s", "told_s"), [(-3600, 0), (0, 0), (3600, INTERVALS)])
def test_the_point_of_a_death_lies_behind_the_last_row_whatever_clock_tells_of_it(after_s, told_s):
    engine, _ = live(plant(1200))
    newest_ns = START + 1199 * SECOND
    [point] = engine.gone([Machine("m")], newest_ns + after_s * SECOND)
    assert point.time_ns == pytest.approx(newest_ns + told_s * SECOND, abs=2)
    assert point.time_ns > newest_ns
