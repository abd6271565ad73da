"""The ageing report: how far, how fast, until when; and that nothing of it depends on batches, restarts or others."""

import itertools
import json

import ageing as machines_that_age
import ageing_report
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import SECOND, engine_of, plant, readings
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.settings import MachineRule, Sensor
from pipeline.engine import ageing
from pipeline.engine.engine import Engine
from pipeline.records import Machine, Reading
from pipeline.storage.journal import Journal

HOUR = 3600 * SECOND


def test_a_sensor_that_is_alone_is_told_by_its_own_mean_and_pace():
    rng = np.random.default_rng(6)
    slope = 1.0 / 2000
    engine = engine_of(1)
    engine.step(readings(20 + rng.normal(size=(14_000, 1)) + slope * np.arange(14_000)[:, None]))
    (one,) = engine.ageing(0)
    assert one.moved == pytest.approx(slope * (14_000 - 2000 - 2250), rel=0.1)
    assert one.shift == pytest.approx(one.moved, rel=0.1), "its noise has a deviation of 1"
    assert one.per_day_unit == pytest.approx(slope * 86_400, rel=0.15)
    assert one.level == pytest.approx(20 + slope * 14_000, rel=0.02)
    assert one.gain is None, "nobody tells its load"
    assert one.offset == pytest.approx(one.moved)


def test_of_several_the_one_that_ages_is_named_and_the_others_stay_where_they_are():
    engine = engine_of(4)
    engine.step(readings(plant(14_000, 4, 3, aged=8.0)))
    told = engine.ageing(0)
    true = 8.0 * (14_000 - 2000 - 2250) / 14_000
    assert told[0].moved == pytest.approx(true, abs=2.5 * told[0].error)
    assert 0.7 * true < told[0].moved < true, "that the load has not moved them all is never quite sure"
    for one in told[1:]:
        assert abs(one.moved) < 1.5 * one.error, one
        assert abs(one.shift) < 0.4 * told[0].shift, one


def test_what_a_sensor_shows_of_a_movement_is_its_gain_and_the_offset_goes_with_it():
    rng = np.random.default_rng(2)
    load = np.repeat(rng.uniform(0, 20, 700), 20)[:, None]
    table = 50 + load * [1.0, 2.0, 1.5, 1.0, 2.0] + rng.normal(size=(14_000, 5))
    ramp = np.clip((np.arange(14_000) - 3500) / 6000, 0, 1)
    table[:, 0] = 50 + (1 + 0.1 * ramp) * load[:, 0] + rng.normal(size=14_000)
    engine = engine_of(5)
    engine.step(readings(table))
    told = engine.ageing(0)
    assert 1.05 < told[0].gain < 1.11
    assert told[0].offset + told[0].gain * 60.0 == pytest.approx(50 + 1.1 * 10.0, abs=1.0)
    for one in told[1:]:
        assert one.gain == pytest.approx(1.0, abs=0.03)


def test_before_a_sensor_is_known_its_share_of_commissioning_is_all_that_is_told():
    engine = engine_of(2)
    engine.step(readings(plant(1500, 2)))
    told = engine.ageing(0)
    assert [one.known for one in told] == [pytest.approx(0.5, abs=0.02)] * 2
    assert {value for one in told for value in one[2:]} == {None}


def test_repaired_begins_anew_and_rollback_tells_the_old_story():
    engine = engine_of(3)
    engine.step(readings(plant(6000, 3, 4, aged=8.0)))
    before = engine.ageing(0)
    engine.repaired(0)
    assert all(one.known < 1.0 for one in engine.ageing(0))
    engine.rollback(0)
    assert engine.ageing(0) == before


def test_a_change_that_is_called_normal_is_no_ageing():
    table = plant(12_000, 4, 5)
    table[5000:, 1] += 15.0
    engine = engine_of(4)
    engine.step(readings(table[:5300]))
    engine.normal(0)
    engine.step(readings(table[5300:], 5300))
    assert all(abs(one.shift) < 1.0 for one in engine.ageing(0)), engine.ageing(0)


RULES = {
    "a": MachineRule(kind="press", sensors={"s0": Sensor(limit=140.0)}),
    "b": MachineRule(kind="press"),
    "c": MachineRule(),
}


def test_a_machine_is_compared_with_its_kind_only():
    engine = Engine(rule=lambda name: RULES[name])
    for slot, (name, aged) in enumerate({"a": 6.0, "b": 0.0, "c": 9.0}.items()):
        for sensor in range(3):
            engine.fleet.number(Machine(name), f"s{sensor}")
        engine.step(readings(plant(8000, 3, slot, aged=aged), 0, slot, range(3 * slot, 3 * slot + 3)))
    a, b, c = engine.ageings()
    assert (a[0].peers.machines, a[0].peers.rank, b[0].peers.rank) == (2, 1, 2)
    assert a[0].peers.shift == b[0].peers.shift == pytest.approx((a[0].shift + b[0].shift) / 2)
    assert {one.peers for one in c} == {None}
    assert engine.ageing(0) == a
    assert (a[0].forecast is None, {one.forecast for one in (*a[1:], *b, *c)}) == (False, {None})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((10.0, 0.0, 5.0, 0.0, 1.0, 0.0), (5.0, 5.0, 5.0)),
        ((-10.0, 0.0, -5.0, 0.0, -1.0, 0.0), (5.0, 5.0, 5.0)),  # a limit below is as good as one above
        ((10.0, 0.0, 11.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0)),
        ((10.0, 0.0, 5.0, 0.0, -1.0, 0.0), (None, None, None)),  # it goes away from it
        ((10.0, 0.0, 5.0, 0.0, 0.0, 0.0), (None, None, None)),
        ((10.0, 0.0, 5.0, 0.0, 0.1, 1.0), (None, pytest.approx(5 / 2.6), None)),  # it may be going nowhere
        ((10.0, 0.0, 5.0, 0.0, 1.0, 0.2), (5.0, pytest.approx(5 / 1.5), pytest.approx(10.0))),
        ((10.0, 0.0, 5.0, 0.0, 1.0, 0.5), (5.0, pytest.approx(5 / 2.25), None)),  # or very slowly
        ((10.0, 0.0, 9.9, 1.0, 1.0, 0.0), (pytest.approx(0.1), 0.0, pytest.approx(2.6))),
        ((10.0, 0.0, 5.0, 0.0, 1e-9, 0.0), (None, None, None)),  # nobody plans for then
    ],
)
def test_a_limit_has_a_date_where_it_is_approached_and_none_elsewhere(given, told):
    assert ageing.forecast(*given)[1:] == told


@given(
    st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e3), st.floats(-1e3, 1e3),
    st.floats(0, 1e3),
)  # fmt: skip
def test_the_earliest_day_is_before_the_likely_one_and_that_before_the_latest(
    limit, mean, level, error, pace, unsure
):
    days = [day for day in ageing.forecast(limit, mean, level, error, pace, unsure)[1:] if day is not None]
    _, likely, earliest, latest = ageing.forecast(limit, mean, level, error, pace, unsure)
    assert all(day >= 0.0 for day in days)
    if likely is not None:
        assert earliest <= likely * (1 + 1e-9)
        assert latest is None or likely <= latest * (1 + 1e-9)


def messages(table, machine="m"):
    """A row every ten seconds, a message each."""
    start = 1_700_000_000 * SECOND
    return [
        [Reading(Machine(machine), f"s{c}", start + t * 10 * SECOND, x) for c, x in enumerate(row)]
        for t, row in enumerate(table.tolist())
    ]


AGED = messages(plant(4200, 3, 2, aged=30.0))


def written(borders=(), engine=None, given=AGED):
    engine = engine or Engine(10**18, 10**18)
    found = []
    for begin, end in itertools.pairwise([0, *sorted(borders), len(given)]):
        found += engine.points(engine.step(engine.arrange(given[begin:end])))
    return [point for point in found if point.measurement == "ageing"], engine


WHOLE, _ = written()


def test_the_points_of_a_sensor_come_once_an_hour_of_the_data_from_when_it_is_known():
    times = {}
    for point in WHOLE:
        times.setdefault(dict(point.tags)["sensor"], []).append(point.time_ns)
        assert set(point.fields) == {"shift", "moved", "per_day", "per_day_unit", "offset", "gain"}
    assert set(times) == {"s0", "s1", "s2"}
    for of_sensor in times.values():
        assert len(of_sensor) == 4
        assert np.diff(of_sensor).min() == HOUR


@given(st.lists(st.integers(0, 4200), max_size=5))
@settings(max_examples=10, deadline=None)
def test_batch_borders_change_no_ageing(borders):
    assert written(borders)[0] == WHOLE


@pytest.mark.parametrize("middle", [2900, 3333, 3360])
def test_saved_and_restored_in_the_middle_changes_no_ageing(middle):
    before, engine = written(given=AGED[:middle])
    other = Engine(10**18, 10**18)
    other.fleet.restore(engine.fleet.snapshot())
    assert before + written(engine=other, given=AGED[middle:])[0] == WHOLE


def test_a_limit_in_the_configuration_gives_its_days():
    engine = Engine(10**18, 10**18, rule=lambda name: MachineRule(sensors={"s0": Sensor(limit=200.0)}))
    newest = [point for point in written(engine=engine)[0] if dict(point.tags)["sensor"] == "s0"][-1]
    assert 0.0 < newest.fields["days_earliest"] < newest.fields.get("days_to_limit", 1e9)


def test_the_machines_of_the_benchmark_are_told_as_they_age():
    """One of sixteen sensors; `benchmarks/quality/ageing_report.py` has all figures."""
    told = ageing_report.examine(5, 2, (11_000,))
    assert len(told) == machines_that_age.SENSORS[4] == 16
    assert np.corrcoef([one.moved for one in told], [one.moved_true for one in told])[0, 1] > 0.8
    assert np.corrcoef([one.gain for one in told], [one.gain_true for one in told])[0, 1] > 0.5


def test_the_command_tells_it_from_the_data_folder(tmp_path):
    (tmp_path / "c.yaml").write_text(
        f"data: {tmp_path / 'data'}\nmachines: [{{match: m, kind: press, sensors: {{s0: {{limit: 100}}}}}}]\n"
    )
    engine = Engine()
    rows = engine.arrange(AGED)
    (tmp_path / "data").mkdir()
    journal = Journal(tmp_path / "data" / "journal.sqlite")
    lines = [(line, *name) for line, name in enumerate(engine.fleet.lines)]
    journal.commit(rows, list(enumerate(engine.fleet.machines)), lines)
    journal.close()
    command = ["ageing", "--config", str(tmp_path / "c.yaml")]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "s0" in shown.output
    (told,) = json.loads(CliRunner().invoke(app, [*command, "m", "--json"]).output)
    assert told["machine"] == "m"
    assert told["sensors"][0]["forecast"]["limit"] == 100
    assert CliRunner().invoke(app, [*command, "nobody"]).exit_code == 1
