"""The compiled network against its naive twin and the detector's golden numbers."""

import math

import naive
import naive_expectation
import numpy as np
import pytest

from pipeline.engine import Engine
from pipeline.network import clock, condition, evidence, layers
from pipeline.records import Machine, Readings

SECOND = 1_000_000_000
# The detector's page as it stands: its condition alone, with its own constants.
PAGE = layers.Params(
    condition=condition.Params(settle=300.0, growth=0.3),
    evidence=evidence.Params(settle=math.inf, patience_least=math.inf),
)
BY_COUNT = PAGE._replace(clock=clock.Params(by_time=False))

# row: surprise, event_raw, state_raw, gate, channel_raw[0], channel_raw[1], cause; section 8 of the detector's page
GOLDEN = {
    99: (0.000000, 0.000000, 0.000000, 1.000000, 0.000000, 0.000000, 0),
    100: (0.482946, 0.482946, 0.280578, 1.000000, 0.538804, 0.330028, 0),
    120: (0.409976, 0.000000, 0.481841, 1.000000, 0.481789, 0.407508, 1),
    200: (0.212448, 0.000000, 0.626047, 1.000000, 0.325109, 0.230975, 1),
    299: (0.273450, 0.000000, 0.478621, 1.000000, 0.378919, 0.251664, 1),
    302: (0.275559, 0.000000, 0.459618, 0.927270, 0.380780, 0.000000, 0),
    310: (0.624329, 0.000000, 0.416138, 0.986070, 0.672819, 0.520549, 0),
    400: (0.205285, 0.000000, 0.490379, 0.717539, 0.282649, 0.324252, 0),
    480: (1.939450, 1.939450, 0.591269, 0.814856, 0.732169, 1.806308, 1),
    483: (1.747038, 0.000000, 0.616839, 0.924154, 1.391127, 1.642492, 0),
    500: (1.357654, 0.000000, 3.118220, 0.020000, 1.144284, 1.311926, 1),
    561: (0.591460, 0.000000, 1.059870, 0.870690, 0.659387, 0.518743, 0),
    570: (1.562292, 0.000000, 0.820772, 0.956267, 1.495734, 0.532769, 1),
    599: (1.452059, 0.000000, 0.775597, 0.843358, 1.403958, 0.743622, 1),
}
GOLDEN_DECLARED = {150: 0.712945, 300: 0.385328, 450: 0.792678, 561: 0.697895, 575: 1.893041}


def engine_with(channels, params=BY_COUNT, real=np.float64):
    engine = Engine(params=params, real=real)
    for c in range(channels):
        engine.fleet.number(Machine("m"), f"s{c}")
    return engine


def row_of(values, time_ns):
    present = [c for c, x in enumerate(values) if not math.isnan(x)]
    n = len(present)
    return Readings(
        np.zeros(n, np.int64),
        np.array(present, np.int64),
        np.full(n, time_ns, np.int64),
        np.array([values[c] for c in present], float),
        np.array([i == n - 1 for i in range(n)], np.bool_),
    )


def raw(engine, table, times=None):
    """Per row of the table: surprise, event, state, gate, dendrites, cause as the compiled network says them."""
    result = []
    state = engine.fleet.state
    for t, values in enumerate(table):
        time_ns = (t + 1) * SECOND if times is None else times[t]
        closed = [engine.judge(row_of(values, time_ns))]
        if state.row_machines.open[0]:
            closed.append(engine.judge(Readings.none(), last=True))
        said = {name: np.concatenate([getattr(c, name) for c in closed]) for name in closed[0]._fields}
        if len(said["slot"]) == 0:
            result.append(None)
            continue
        assert len(said["slot"]) == 1
        event = 1 - 10 ** (-2 * said["event"][0] / 1.7)
        lasting = 1 - 10 ** (-2 * said["state"][0])
        cause = said["event_cause"][0] if event >= lasting else said["state_cause"][0]
        result.append(
            (
                *(float(said[name][0]) for name in ("surprise", "event", "state", "gate")),
                *state.lines.dendrite[: len(values)].tolist(),
                int(cause),
            )
        )
    return result


def test_the_golden_numbers_of_the_detectors_page_are_reproduced():
    said = raw(engine_with(2), naive.golden_input())
    for row, expected in GOLDEN.items():
        assert said[row] == pytest.approx(expected, abs=5.1e-7), row


def test_the_golden_numbers_with_a_declared_range_are_reproduced():
    from encoders import delta

    engine = engine_with(1)
    delta.declare(engine.fleet.state.lines.delta, 0, -2.0, 2.0)
    said = raw(engine, [row[:1] for row in naive.golden_input()])
    for row, expected in GOLDEN_DECLARED.items():
        assert said[row][0] == pytest.approx(expected, abs=5.1e-7), row


def test_single_precision_of_the_bulky_arrays_changes_no_golden_number_by_more_than_a_hundred_thousandth():
    said = raw(engine_with(2, real=np.float32), naive.golden_input())
    for row, expected in GOLDEN.items():
        assert said[row] == pytest.approx(expected, abs=1e-5), row


def machine_like(n, channels, seed):
    rng = np.random.default_rng(seed)
    table = np.cumsum(rng.normal(size=(n, channels)), 0) * 0.02
    table += np.sin(np.arange(n)[:, None] / (5 + np.arange(channels))) + 0.2 * rng.normal(size=(n, channels))
    table[n // 2 : n // 2 + 40, 0] += 6.0
    table[rng.random((n, channels)) < 0.05] = np.nan
    table[rng.random(n) < 0.02] = np.nan
    return table


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_the_compiled_network_equals_its_naive_twin(channels):
    table = machine_like(700, channels, seed=channels)
    said = raw(engine_with(channels), table.tolist())
    twin = naive.NaiveMachine(channels)
    for t, values in enumerate(table.tolist()):
        expected = twin.step(values)
        if said[t] is None:
            assert all(math.isnan(x) for x in values)
            continue
        mine = said[t]
        theirs = (expected.surprise, expected.event_raw, expected.state_raw, expected.gate, *expected.channel_raw)
        assert mine[:-1] == pytest.approx(theirs, abs=1e-9), t


def test_the_compiled_network_equals_its_naive_twin_on_irregular_time():
    rng = np.random.default_rng(7)
    steps = rng.choice([1, 1, 1, 1, 2, 3, 50], size=500) * SECOND
    times = np.cumsum(steps) + SECOND
    table = machine_like(500, 1, seed=9)
    table[np.isnan(table)] = 0.0
    said = raw(engine_with(1, PAGE), table.tolist(), times.tolist())
    twin = naive.NaiveMachine(1)
    usual = 0.0
    for t, values in enumerate(table.tolist()):
        step = float(steps[t])
        ratio = step / usual if usual > 0 else 1.0
        elapsed = 1.0 if abs(ratio - 1.0) <= 0.1 else ratio
        if t == 1:
            usual = step
        elif t > 1:
            reach = min(max(1.0 / t, 0.01) * usual, abs(step - usual))
            usual += reach if step > usual else -reach
        # The machine's pace is the line's, already updated when its row is judged.
        ratio = step / usual if usual > 0 else 1.0
        pace = 1.0 if t == 0 or abs(ratio - 1.0) <= 0.1 else ratio
        expected = twin.step(values, [elapsed], pace)
        theirs = (expected.surprise, expected.event_raw, expected.state_raw, expected.gate, *expected.channel_raw)
        assert said[t][:-1] == pytest.approx(theirs, abs=1e-9), t


@pytest.mark.parametrize("unit", [8.0, 2.0**-6])
def test_a_power_of_two_as_change_of_unit_changes_no_event_and_the_state_by_rounding_only(unit):
    table = np.array(naive.golden_input())
    first = raw(engine_with(2), table.tolist())
    second = raw(engine_with(2), (table * unit).tolist())
    assert [row[:2] for row in first] == [row[:2] for row in second]
    # The floor of 1e-12 under a deviation is in the sensor's unit.
    assert [row[2] for row in first] == pytest.approx([row[2] for row in second], abs=1e-3)


def machine_with_modes(rows, lines, seed):
    """Sensors that follow one load through two modes, each with its own lag and noise."""
    rng = np.random.default_rng(seed)
    load = np.repeat(rng.permuted(np.arange(rows // 100 + 1) % 2), 100)[:rows].astype(float)
    table = np.empty((rows, lines))
    for c in range(lines):
        lagged = 0.0
        for t in range(rows):
            lagged += (load[t] - lagged) / (1 + 4 * c)
            table[t, c] = 50 + 10 * (c + 1) * lagged
    return table + rng.normal(size=(rows, lines)).round(3)


def levels(table, engine=None):
    """Level of each line after each row, as the compiled network says it."""
    engine = engine or engine_with(table.shape[1], layers.Params())
    found = engine.fleet.state.lines.evidence
    result = []
    for t, values in enumerate(table.tolist()):
        engine.judge(row_of(values, (t + 1) * SECOND))
        engine.judge(Readings.none(), last=True)
        result.append(found.level[: table.shape[1]].copy())
    return np.array(result)


def test_the_compiled_expectation_equals_its_naive_twin_through_faults_and_lost_sensors():
    table = machine_with_modes(1500, 3, 7)
    table[700:760, 1] = np.nan
    table[900:903, 0] += 40.0
    table[1100:1300, 2] += 15.0
    twin = naive_expectation.NaiveExpectation(3)
    theirs = np.array([twin.step(values) for values in table])
    ours = levels(table, engine_with(3, layers.Params(clock=clock.Params(by_time=False))))
    assert theirs.max() > 2.0, "the faults must be found for the test to mean something"
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_a_held_fault_of_one_sensor_stays_in_alarm_and_names_the_sensor():
    table = machine_with_modes(3500, 4, 3)
    table[2000:3000, 1] += 8.0
    found = levels(table)
    assert (found[2020:3000, 1] >= 1.0).mean() > 0.95
    assert (found[2020:3000].argmax(1) == 1).mean() > 0.95
    assert (found[3200:] < 1.0).all(), "and it leaves the alarm when the fault does"


def test_a_lasting_change_ends_as_changed_and_not_in_endless_alarm():
    table = machine_with_modes(5600, 4, 5)
    table[1500:, 2] += 12.0
    engine = engine_with(4, layers.Params())
    row, line = np.nonzero(np.isfinite(table))
    readings = Readings(np.zeros(row.size, np.int64), line, (row + 1) * SECOND, table[row, line], line == 3)
    scores = engine.step(readings)
    alarm = scores.severity > 0
    assert alarm[1520:2900].mean() > 0.95
    assert not alarm[4000:].any()
    assert scores.changed[3200]
    assert not scores.changed[-1], "calm for long enough, it is ready again"


def test_a_sensor_that_is_lost_for_hours_raises_no_alarm_by_its_absence_or_return():
    table = machine_with_modes(4000, 4, 9)
    table[2000:3500, 3] = np.nan
    assert (levels(table)[600:] < 1.0).all()
