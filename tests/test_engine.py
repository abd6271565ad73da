"""Promises of the engine: a score depends on the readings so far, and on nothing else."""

import itertools
from collections import Counter

import machines
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.settings import Alert, Limits, MachineRule, Sensor
from pipeline.engine.engine import Engine
from pipeline.engine.scoring import Severity
from pipeline.network.parameters import Params, with_context
from pipeline.records import Machine, Reading, Readings

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def life(name="m", rows=160, sensors=3, seed=0, missing=0.1):
    """Messages of one machine, one per row; sensor 2 appears late and some readings are missing."""
    rng = np.random.default_rng(seed)
    machine = Machine(name)
    messages = []
    for t in range(rows):
        values = (
            10 + np.sin(t / 7 + np.arange(sensors)) + 0.1 * rng.normal(size=sensors) + (8 if 120 < t < 130 else 0)
        )
        row = [
            Reading(machine, f"s{c}", START + t * SECOND, float(values[c]))
            for c in range(sensors)
            if rng.random() >= missing and (c != 2 or t > rows // 2)
        ]
        if row:
            messages.append(row)
    return messages


def run(messages, borders=(), engine=None):
    """Scores per machine as (time, score, severity) after feeding messages in batches, and the engine."""
    engine = engine or Engine()
    found = {}
    cuts = [0, *sorted(borders), len(messages)]
    for begin, end in itertools.pairwise(cuts):
        scores = engine.step(engine.arrange(messages[begin:end]))
        for slot, time_ns, score, severity in zip(
            *(column.tolist() for column in (scores.slot, scores.time_ns, scores.score, scores.severity)), strict=True
        ):
            found.setdefault(engine.fleet.machines[slot].name, []).append((time_ns, score, severity))
    return found, engine


def same(first, second):
    """Whether two engines hold the same bits."""
    a, b = first.fleet.snapshot(), second.fleet.snapshot()
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


WHOLE, WHOLE_ENGINE = run(life())


@given(st.lists(st.integers(0, 159), max_size=6))
@settings(max_examples=25, deadline=None)
def test_batch_borders_change_nothing(borders):
    borders = [min(border, len(life())) for border in borders]
    found, engine = run(life(), borders)
    assert found == WHOLE
    assert same(engine, WHOLE_ENGINE)


@given(st.integers(0, 2**31), st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_machines_never_influence_each_other(seed, chunk):
    lives = {name: life(name, 150, seed=number) for number, name in enumerate("abc")}
    rng = np.random.default_rng(seed)
    left = {name: list(messages) for name, messages in lives.items()}
    mixed = []
    while any(left.values()):
        name = rng.choice([name for name, messages in left.items() if messages])
        mixed.append(left[name].pop(0))
    together, _ = run(mixed, range(chunk, len(mixed), chunk))
    for name, messages in lives.items():
        assert together[name] == run(messages)[0][name]


@given(st.integers(0, 159))
@settings(max_examples=15, deadline=None)
def test_saved_and_restored_in_the_middle_changes_nothing(middle):
    messages = life()
    middle = min(middle, len(messages))
    before, engine = run(messages[:middle])
    restored = Engine()
    restored.fleet.restore(engine.fleet.snapshot())
    after, restored = run(messages[middle:], engine=restored)
    assert before.get("m", []) + after.get("m", []) == WHOLE["m"]
    assert same(restored, WHOLE_ENGINE)


def test_with_the_context_population_batch_borders_and_a_restart_change_nothing_either():
    def remembering():
        return Engine(params=with_context(Params()))

    messages = life()
    whole, one = run(messages, engine=remembering())
    found, other = run(messages, (7, 40, 41, 120), engine=remembering())
    assert found == whole
    assert same(one, other)
    before, engine = run(messages[:90], engine=remembering())
    restored = remembering()
    restored.fleet.restore(engine.fleet.snapshot())
    after, restored = run(messages[90:], engine=restored)
    assert before["m"] + after["m"] == whole["m"] != WHOLE["m"]
    assert same(restored, one)


@given(st.integers(0, 5))
@settings(max_examples=6, deadline=None)
def test_one_message_per_sensor_gives_the_scores_of_one_message_per_row(seed):
    messages = life(seed=seed, missing=0.0, sensors=2)
    single = [[reading] for message in messages for reading in message]
    assert run(single, range(0, len(single), 7))[0] == run(messages)[0]


def apart(messages, share):
    """The same readings, each in a message of its own and later than the row by `share` of its sensor, in seconds."""
    each = [(r._replace(time_ns=r.time_ns + int(share[r.sensor] * SECOND)),) for row in messages for r in row]
    return sorted(each, key=lambda message: message[0].time_ns)


@given(
    st.lists(st.floats(0.0, 0.99), min_size=3, max_size=3),
    st.lists(st.integers(0, 2000), max_size=5),
    st.integers(0, 5),
)
@settings(max_examples=20, deadline=None)
def test_sensors_that_send_by_themselves_are_seen_together_whatever_their_clocks(shares, borders, seed):
    messages = life(seed=seed, missing=0.0, rows=200)
    sent = apart(messages, dict(zip(("s0", "s1", "s2"), shares, strict=True)))
    found, engine = run(sent, [min(border, len(sent)) for border in borders])
    whole, one_engine = run(sent)
    assert found == whole
    assert same(engine, one_engine)
    times = [time_ns for time_ns, _, _ in found["m"]]
    assert len(times) - len(set(times)) <= 1, "but that of a sensor's very first reading, which nobody waited for"
    # While their interval is not known yet, and when a third joins, some rows are of one or two of them.
    assert abs(len(times) - len(messages)) <= 12


def test_a_fault_is_found_as_well_where_every_sensor_sends_by_itself():
    table = machines.plant(2600, 4, 3, faulty=((2200, 2300, 1, 8.0),))
    given_, interval = machines.readings(table), SECOND
    together = machines.engine_of(4).step(given_)
    for shares in ((0.0, 0.01, 0.02, 0.03), (0.0, 0.7, 0.2, 0.4)):
        times = given_.time_ns + (np.array(shares)[given_.line] * interval).astype(np.int64)
        order = np.argsort(times, kind="stable")
        sent = Readings(
            given_.slot, given_.line[order], times[order], given_.value[order], np.ones(len(order), np.bool_)
        )
        scores = machines.engine_of(4).step(sent)
        assert abs(len(scores) - 2600) < 10
        first, other = (
            {int(t) for t in (one.time_ns[one.severity > 0] - START) // SECOND if t >= 2000}
            for one in (together, scores)
        )
        assert len(first) > 90
        assert len(first ^ other) < 10


def test_a_message_is_never_torn_apart_by_the_row_that_is_open():
    machine, engine, times = Machine("m"), Engine(), []
    for t in range(60):
        at = START + t * SECOND - (t == 50) * SECOND // 4  # earlier than usual, while the row before waits for s0
        sensors = ("s1",) if t == 49 else ("s0", "s1")
        scores = engine.step(engine.arrange([[Reading(machine, sensor, at, float(t % 7)) for sensor in sensors]]))
        assert np.diff(scores.until, prepend=0).tolist() == [
            1 if time == START + 49 * SECOND else 2 for time in scores.time_ns
        ]
        times += scores.time_ns.tolist()
    assert len(times) == 60


def test_rows_at_the_usual_interval_are_not_taken_for_one_where_each_lacks_another_sensor():
    messages = life(missing=0.0, rows=100)
    messages[60], messages[61] = messages[60][:1], messages[61][1:]
    assert len(run(messages)[0]["m"]) + 1 >= len(messages)


def test_a_repeated_message_is_counted_as_late_and_teaches_nothing():
    messages = life()
    doubled = [message for message in messages for _ in range(2)]
    found, engine = run(doubled, range(0, len(doubled), 5))
    assert found == WHOLE
    assert engine.late == sum(len(message) for message in messages)
    assert same(engine, WHOLE_ENGINE)


def test_a_late_reading_is_counted_and_the_others_of_its_message_still_count():
    messages = life(missing=0.0)
    old = messages[-1][0]._replace(time_ns=START)
    found, engine = run([*messages[:-1], [old, *messages[-1]]])
    assert engine.late == 1
    assert found == run(messages)[0]


def test_a_machine_that_is_learning_never_alarms():
    rng = np.random.default_rng(3)
    machine = Machine("m")
    rows = [
        [Reading(machine, "s", START + t * SECOND, float(rng.normal() * 10 ** rng.integers(0, 6)))]
        for t in range(100)
    ]
    found, _ = run(rows)
    assert all(severity == Severity.NORMAL for _, _, severity in found["m"])


def test_a_clear_fault_of_a_machine_that_has_learned_raises_a_warning_and_names_the_sensor():
    engine = Engine()
    rng = np.random.default_rng(5)
    machine = Machine("press-1")
    alarms = []
    for t in range(3000):
        values = {name: 20 + np.sin(t / 9 + n) + 0.1 * rng.normal() for n, name in enumerate(("temp", "flow"))}
        if t >= 2990:
            values["flow"] += 30
        message = [Reading(machine, name, START + t * SECOND, float(x)) for name, x in values.items()]
        scores = engine.step(engine.arrange([message]))
        points = [point for point in engine.points(scores) if point.measurement == "machine"]
        alarms += [point for point in points if t >= 2990 and point.fields["severity"] > 0]
    assert alarms
    assert alarms[0].tags == (("machine", "press-1"),)
    assert {point.fields["cause"] for point in alarms} == {"flow"}


def test_points_are_written_on_change_in_alarm_and_when_due():
    engine = Engine(every_ns=10 * SECOND)
    points = []
    for message in life(missing=0.0):
        points += engine.points(engine.step(engine.arrange([message])))
    times = [point.time_ns for point in points if point.measurement == "machine"]
    assert times == sorted(set(times))
    assert len(times) < len(WHOLE["m"]) / 3
    quiet = [b - a for a, b in itertools.pairwise(times)]
    assert max(quiet) <= 10 * SECOND


def test_ignored_sensors_and_limits_leave_readings_out_and_count_them():
    rule = MachineRule(sensors={"noise": Sensor(ignore=True)}, alert=Alert())
    engine = Engine(limits=Limits(machines=1, sensors_per_machine=1), rule=lambda name: rule)
    refused = Counter()
    rows = engine.arrange(
        [[Reading(Machine(m), s, START, 1.0) for m, s in (("a", "noise"), ("a", "x"), ("a", "y"), ("b", "x"))]],
        refused,
    )
    assert len(rows.line) == 1
    assert refused["no_room"] == 2
    assert rows.ends.tolist() == [True]


def test_the_declared_range_is_that_of_today_s_configuration_whatever_a_snapshot_says():
    def engine(*span):
        rule = MachineRule(sensors={"s1": Sensor(range=span)} if span else {})
        return Engine(rule=lambda name: rule)

    _, first = run(life(), engine=engine(0.0, 50.0))
    for wanted in ((0.0, 50.0), (-5.0, 20.0), ()):
        second = engine(*wanted)
        second.fleet.restore(first.fleet.snapshot())
        number = [sensor for sensor, _ in second.fleet.lines_of(0)].index("s1")
        encoder = second.fleet.block(0).line["delta"][number]
        assert bool(encoder["declared"]) == bool(wanted)
        assert (encoder["low"], encoder["high"]) == (wanted or (0.0, 50.0))  # learned on from where it was
        assert same(first, second) == (wanted == (0.0, 50.0))


@pytest.mark.parametrize("value", [1e100, -1e100, 1e-300, 0.0])
def test_extreme_values_leave_every_score_and_every_band_finite(value):
    rng = np.random.default_rng(1)
    machine = Machine("m")
    values = np.where(rng.random(400) < 0.05, value, rng.normal(size=400))
    engine = Engine()
    messages = [[Reading(machine, "s", START + t * SECOND, float(x))] for t, x in enumerate(values)]
    scores = engine.step(engine.arrange(messages))
    assert ((scores.score >= 0.0) & (scores.score <= 1.0)).all()
    numbers = [x for point in engine.points(scores) for x in point.fields.values() if isinstance(x, float)]
    assert len(numbers) > 2000
    assert np.isfinite(numbers).all()
