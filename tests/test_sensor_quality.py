"""Sensor quality: what is the matter with a sensor, and that it has no part in its machine's score then."""

import itertools
import json

import numpy as np
import pytest
from fleets import listed
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import SECOND, START, engine_of, equal, live, plant, readings, restored
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.console import views
from pipeline.engine.engine import Engine
from pipeline.engine.standing import Trust
from pipeline.network.quality import Quality
from pipeline.records import Machine, Reading, Readings
from pipeline.storage.journal import Journal


def without(rows, gone):
    """Readings without those of line `gone[0]` in the rows `gone[1:]`; its messages end with another then."""
    line, begin, end = gone
    row = (rows.time_ns - rows.time_ns[0]) // SECOND
    kept = (rows.line != line) | (row < begin) | (row >= end)
    return Readings(*(column[kept] for column in rows))


def broken(kind, begin=2000, rows=2600):
    """A machine of four sensors, the second of which breaks; it is whole again in the last 300 rows."""
    table = plant(rows, 4, 3)
    end = rows - 300
    if kind is Quality.STUCK:
        table[begin:end, 1] = table[begin, 1]
    if kind is Quality.SATURATED:
        table[begin:end:2, 1] = table[:, 1].max() + 1.0
    if kind is Quality.UNIT_JUMP:
        table[begin:end, 1] = 1.8 * table[begin:end, 1] + 32
    given = readings(table)
    return without(given, (1, begin, end)) if kind is Quality.MISSING else given


def masked(scores, line):
    """Rows in which a line's readings were not judged."""
    row = np.searchsorted(scores.until, np.flatnonzero(scores.account["line"] == line), side="right")
    return 1 + row[scores.account["masked"][scores.account["line"] == line]]


def alarms(scores, begin, end):
    """How many of these rows were in alarm."""
    row = (scores.time_ns - START) // SECOND
    return int((scores.severity[(row >= begin) & (row < end)] > 0).sum())


KINDS = [Quality.STUCK, Quality.MISSING, Quality.SATURATED, Quality.UNIT_JUMP]


def said(engine, given, borders=()):
    """Time and word of every change of quality of the second sensor, as it is written."""
    word, changes = "good", []
    cuts = np.searchsorted(given.time_ns, START + np.array([0, *sorted(borders), 10**6]) * SECOND)
    for begin, end in itertools.pairwise(cuts.tolist()):
        points = engine.points(engine.step(Readings(*(column[begin:end] for column in given))))
        for point in sorted(points, key=lambda point: point.time_ns):
            if point.measurement == "sensor" and ("sensor", "s1") in point.tags and point.fields["quality"] != word:
                word = point.fields["quality"]
                changes.append(((point.time_ns - START) // SECOND, word))
    return changes


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_named_and_ends_when_the_sensor_is_well_again(kind):
    engine = engine_of(4, every_ns=10**15, sensors_every_ns=10**15)
    changes = said(engine, broken(kind))
    assert {word for _, word in changes} == {kind.word, "good"}, changes
    assert 2010 <= changes[0][0] < 2150
    assert changes[-1][1] == "good"
    assert 2280 <= changes[-1][0] < 2400
    assert engine.quality(0) == tuple(Trust(f"s{line}", Quality.GOOD, masked=False) for line in range(4))


@pytest.mark.parametrize("kind", [Quality.STUCK, Quality.SATURATED, Quality.UNIT_JUMP])
def test_the_alarm_comes_before_the_verdict(kind):
    engine = engine_of(4, every_ns=10**15, sensors_every_ns=10**15)
    given = broken(kind)
    scores = engine.step(given)
    (verdict, _), *_ = said(engine_of(4, every_ns=10**15, sensors_every_ns=10**15), given)
    row = (scores.time_ns - START) // SECOND
    assert (scores.severity[(row >= 2000) & (row < verdict)] > 0).any()


@pytest.mark.parametrize("seed", range(4))
def test_healthy_sensors_are_good_whether_they_move_hold_switch_or_count_coarsely(seed):
    table = plant(4000, 4, seed)
    rng = np.random.default_rng(seed)
    table[:, 1] = np.repeat(rng.integers(0, 2, 80), 50)  # a switch
    table[:, 2] = np.round(table[:, 2] / 20) * 20
    table[:, 3] = 7.0
    engine = engine_of(4, every_ns=0, sensors_every_ns=0)
    points = engine.points(engine.step(readings(table)))
    sensors = [point for point in points if point.measurement == "sensor"]
    # How long a coarse one holds is not known before it has held for the first time.
    assert {point.fields["quality"] for point in sensors if point.time_ns > START + 2500 * SECOND} == {"good"}
    assert {point.fields["quality"] for point in sensors if ("sensor", "s2") not in point.tags} == {"good"}


def test_a_sensor_that_is_slower_than_its_machine_or_pauses_as_it_always_does_is_not_missing():
    table = plant(4000, 3, 1)
    row = np.repeat(np.arange(4000), 3)
    given = readings(table)
    heard = (given.line != 1) | (row % 40 == 0)
    heard &= (given.line != 2) | (row % 200 < 120)
    engine = engine_of(3, every_ns=0, sensors_every_ns=0)
    words = [
        point.fields["quality"]
        for point in engine.points(engine.step(Readings(*(column[heard] for column in given))))
        if point.measurement == "sensor" and point.time_ns > START + 400 * SECOND
    ]
    assert set(words) == {"good"}


def test_a_clock_that_stands_or_goes_back_is_wrong_and_right_again():
    engine = Engine()
    machine = Machine("m")
    for t in range(100):
        late = 40 if 40 <= t < 60 else t
        times = {"a": START + t * SECOND, "b": START + late * SECOND}
        engine.step(engine.arrange([[Reading(machine, sensor, at, 1.0 * t)] for sensor, at in times.items()]))
        expected = Quality.CLOCK if 50 <= t < 69 else Quality.GOOD
        assert engine.quality(0) == (Trust("a", Quality.GOOD, masked=False), Trust("b", expected, masked=False)), t
        assert engine.doubtful().tolist() == [expected is not Quality.GOOD], t


@pytest.mark.parametrize("kind", KINDS)
@given(borders=st.lists(st.integers(0, 2600), max_size=4))
@settings(max_examples=5, deadline=None)
def test_batch_borders_change_no_quality(kind, borders):
    options = {"every_ns": 10**15, "sensors_every_ns": 10**15}
    assert said(engine_of(4, **options), broken(kind), borders) == said(engine_of(4, **options), broken(kind))


def test_saved_and_restored_in_the_middle_of_a_doubt_changes_nothing():
    table = plant(2600, 4, 3)
    table[2000:2300, 1] = table[2000, 1]
    engine, _ = live(table[:2050])
    other = restored(engine)
    assert equal(engine.step(readings(table[2050:], 2050)), other.step(readings(table[2050:], 2050)))
    assert engine.quality(0) == other.quality(0)


@pytest.mark.parametrize("kind", [Quality.STUCK, Quality.SATURATED, Quality.UNIT_JUMP])
def test_a_bad_sensor_is_masked_after_its_alarm_which_lasts_until_it_is_good(kind):
    given = broken(kind, rows=3400)
    scores = engine_of(4).step(given)
    rows = masked(scores, 1)
    assert alarms(scores, 2000, int(rows[0])) > 10
    assert len(rows) > 950  # of the 1,100 in which it is broken
    assert all(len(masked(scores, line)) == 0 for line in (0, 2, 3))
    assert alarms(scores, 2100, 3100) > 850
    assert (scores.cause[2100:3100][scores.severity[2100:3100] > 0] == 1).mean() > 0.95
    # It is whole again, and as it was when it was last believed: no alarm at its return.
    assert alarms(scores, 3160, 3400) == 0


def test_what_a_masked_sensor_says_is_not_heard_by_the_others():
    table = plant(2600, 4, 3)
    table[2000:, 1] = table[2000, 1]
    other = table.copy()
    other[2200:2240, 1] += np.random.default_rng(0).normal(0, 1e6, 40)  # as if it were alive, for less than it takes
    one, another = (engine_of(4).step(readings(each[:2245])) for each in (table, other))
    assert masked(one, 1)[0] < 2200
    assert np.array_equal(one.gate, another.gate)
    levels = [scores.account["level"].reshape(-1, 4)[:, [0, 2, 3]] for scores in (one, another)]
    assert np.array_equal(*levels)


def test_a_fault_of_another_sensor_is_found_while_one_is_masked():
    table = plant(3000, 4, 3)
    table[2000:, 1] = table[2000, 1]
    table[2500:2700, 2] += 6.0
    scores = engine_of(4).step(readings(table))
    assert scores.masked[2300:].all()
    assert alarms(scores, 2300, 2500) == 200, "the masked one holds its alarm"
    assert (scores.cause[2300:2500] == 1).mean() > 0.98
    assert (scores.cause[2600:2700] != 1).mean() > 0.8, "and hides no other"


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_at_least_half_of_the_sensors_are_always_judged(lines):
    table = plant(2600, lines, 3)
    table[2000:] = table[2000]
    scores = engine_of(lines).step(readings(table))
    seen = np.zeros((2600, lines), np.int64)
    for line in range(lines):
        seen[masked(scores, line) - 1, line] = 1
    assert seen.sum(1).max() <= lines // 2
    assert set(scores.masked.tolist()) <= set(range(lines // 2 + 1))


def test_a_sensor_that_is_missing_is_masked_and_judged_again_at_once_when_it_is_back():
    engine = engine_of(4)
    given = broken(Quality.MISSING)
    scores = engine.step(given)
    assert scores.masked[[2000, 2200, 2290]].tolist() == [0, 1, 1]
    assert not scores.masked[2301:].any()


def test_normal_has_a_masked_sensor_believed_as_it_is_now():
    table = plant(3200, 4, 4)
    table[2000:, 1] += 273.15  # degC, K
    engine = engine_of(4)
    before = engine.step(readings(table[:2500]))
    assert before.masked[-1] == 1
    engine.normal(0)
    after = engine.step(readings(table[2500:], 2500))
    assert not after.masked.any()
    assert before.severity[2000:2040].any()
    assert not after.severity.any()
    assert engine.quality(0)[1] == Trust("s1", Quality.GOOD, masked=False)


def test_it_is_written_which_sensor_is_masked_and_how_many_are():
    engine = engine_of(4, every_ns=10**15, sensors_every_ns=10**15)
    points = engine.points(engine.step(broken(Quality.STUCK)))
    bad = [point for point in points if point.measurement == "sensor" and point.fields.get("masked")]
    assert {(dict(point.tags)["sensor"], point.fields["quality"]) for point in bad} == {
        ("s1", "stuck"),
        ("s1", "good"),
    }  # and for a while after
    first = min(point.time_ns for point in bad)
    assert {
        point.fields["masked"] for point in points if point.measurement == "machine" and point.time_ns == first
    } == {1}


@given(borders=st.lists(st.integers(0, 2600), max_size=4))
@settings(max_examples=5, deadline=None)
def test_batch_borders_change_no_score_of_a_machine_with_a_masked_sensor(borders):
    table = plant(2600, 4, 3)
    table[2000:2300, 1] = table[2000, 1]
    whole, engine = engine_of(4).step(readings(table)), engine_of(4)
    parts = [
        engine.step(readings(table[begin:end], begin))
        for begin, end in itertools.pairwise([0, *sorted(borders), 2600])
        if begin < end
    ]
    assert whole.masked.any()
    for name in ("score", "severity", "cause", "state", "masked"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name)), name


def test_on_the_page_a_machine_with_a_bad_sensor_comes_before_those_that_are_ready_and_says_which():
    engine = engine_of(4, "whole")
    for line in range(4):
        engine.fleet.number(Machine("hurt"), f"s{line}")
    table = plant(3200, 4, 4)
    engine.step(readings(table))
    table[2000:, 1] = table[2000, 1]
    engine.step(readings(table, slot=1, lines=range(4, 8)))
    found = listed(engine)
    assert [(one["name"], one["attention"]) for one in found] == [("hurt", "warning"), ("whole", "ready")]
    assert found[0]["bad"] == [{"sensor": "s1", "quality": "stuck", "masked": True}]
    assert found[1]["bad"] == []
    assert [one["name"] for one in listed(engine, attention="warning")] == ["hurt"]
    page = views.page(views.details(engine, 1))
    assert page["attention"] == "warning"
    assert page["sensors"][1] == {**found[0]["bad"][0], "name": "s1", "unit": "", "group": ""}


def test_the_list_of_machines_names_sensors_that_are_bad(tmp_path):
    engine = engine_of(4)
    (tmp_path / "data").mkdir()
    journal = Journal(tmp_path / "data" / "journal.sqlite")
    lines = [(line, *name) for line, name in enumerate(engine.fleet.lines)]
    given = Readings(*(column[: 2200 * 4] for column in broken(Quality.STUCK)))
    journal.commit(given, list(enumerate(engine.fleet.machines)), lines)
    journal.close()
    (tmp_path / "c.yaml").write_text(f"data: {tmp_path / 'data'}\n")
    command = ["machines", "--config", str(tmp_path / "c.yaml")]
    assert "s1 (stuck, masked)" in CliRunner(env={"COLUMNS": "200"}).invoke(app, command).output
    (told,) = json.loads(CliRunner().invoke(app, [*command, "--json"]).output)
    assert told["quality"][0] == {"sensor": "s0", "quality": "good", "masked": False}
    assert told["quality"][1] == {"sensor": "s1", "quality": "stuck", "masked": True}


@pytest.mark.parametrize("kind", [Quality.STUCK, Quality.SATURATED, Quality.UNIT_JUMP])
def test_of_the_nonsense_of_a_masked_sensor_nothing_is_learned(kind):
    """But how time passes, what its traces hear, and what its quality is judged by."""
    given = broken(kind)
    engine = engine_of(4)
    until = int(np.searchsorted(given.time_ns, START + 2200 * SECOND))
    scores = engine.step(Readings(*(column[:until] for column in given)))
    assert len(masked(scores, 1)), "it must be masked by now"
    before = engine.fleet.block(0).copy()
    engine.step(Readings(*(column[until : until + 4 * 50] for column in given)))
    after = engine.fleet.block(0)
    assert after.line["quality"]["masked"][1]
    for part, names in {
        "value": ("low", "high", "mean", "variance"),
        "delta": ("baseline", "scale", "low", "high"),
        "activity": ("change", "mean", "variance", "usual_quiet"),
        "rank": ("tails",),
        "levels": ("common", "delays"),
        "expectation": ("own", "variance"),
    }.items():
        for name in names:
            for line, learns in ((1, False), (2, True)):
                same = np.array_equal(before.line[part][name][line], after.line[part][name][line])
                assert same != learns or (part, name) in {("value", "low"), ("value", "high")}, (part, name, line)
