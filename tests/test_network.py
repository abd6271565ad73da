"""The network in C against its naive twin and the twin's golden numbers."""

import math

import naive
import naive_expectation
import numpy as np
import pytest
from inside import double_precision
from machines import machine_with_modes, present

from pipeline.config.settings import MachineRule, Sensor
from pipeline.engine.earlier import SnapshotError
from pipeline.engine.engine import Engine
from pipeline.engine.scoring import MachineState
from pipeline.network import NAMES
from pipeline.network._core import lib
from pipeline.network.parameters import Clock, Evidence, Params, Resolution, with_context, without
from pipeline.records import Machine, Readings

SECOND = 1_000_000_000
# What the naive twin has: of what the lines expect of each other, the condition alone hears.
PAGE = Params(
    evidence=Evidence(settle=math.inf, patience_least=math.inf),
    resolution=Resolution(proof=0.0, begin=math.inf),
)
BY_COUNT = PAGE._replace(clock=Clock(by_time=False))

# row: surprise, event_raw, state_raw, gate, channel_raw[0], channel_raw[1], cause; as in test_naive.py
GOLDEN = {
    99: (0.000000, 0.000000, 0.000000, 1.000000, 0.000000, 0.000000, 0),
    100: (0.531074, 0.531074, 0.221058, 1.000000, 0.577499, 0.445040, 0),
    120: (0.407827, 0.000000, 0.312749, 1.000000, 0.480052, 0.278138, 1),
    200: (0.342834, 0.000000, 0.314335, 1.000000, 0.337969, 0.432263, 1),
    299: (0.220290, 0.000000, 0.369824, 1.000000, 0.334516, 0.241838, 1),
    302: (0.285052, 0.000000, 0.377989, 1.000000, 0.388713, 0.000000, 0),
    310: (0.723945, 0.000000, 0.360150, 1.000000, 0.756155, 0.501240, 0),
    400: (0.311128, 0.000000, 0.333187, 1.000000, 0.271203, 0.413829, 0),
    480: (1.924406, 1.924406, 0.418097, 1.000000, 0.733803, 1.793465, 1),
    483: (1.712946, 0.000000, 0.543276, 1.000000, 1.391305, 1.613377, 0),
    500: (1.378066, 0.000000, 2.350633, 0.020000, 1.105328, 1.329387, 1),
    561: (0.674086, 0.000000, 0.909643, 0.809781, 0.730475, 0.360137, 0),
    570: (1.564397, 0.000000, 0.618659, 0.974992, 1.497546, 0.402129, 0),
    599: (1.492236, 0.000000, 0.613108, 0.871673, 1.438639, 0.702061, 1),
}
# The same machine, frozen at row 350.
GOLDEN_FROZEN = {
    349: (0.525341, 0.525341, 0.255151, 1.000000, 0.592333, 0.450253, 0),
    350: (0.603461, 0.603461, 0.288137, 1.000000, 0.658098, 0.599249, 0),
    400: (0.258838, 0.000000, 0.347615, 1.000000, 0.369574, 0.336117, 0),
    480: (1.809958, 1.809958, 0.386477, 1.000000, 0.501315, 1.695756, 1),
    483: (2.244315, 0.000000, 0.521857, 1.000000, 1.366901, 2.067168, 0),
    500: (2.532815, 0.000000, 2.634984, 0.020000, 1.852158, 2.317222, 1),
    561: (1.223132, 0.000000, 1.144192, 0.866884, 0.646470, 1.202856, 0),
    570: (1.878693, 0.000000, 0.993514, 0.913553, 1.768172, 1.268702, 1),
    599: (2.534617, 0.000000, 0.988219, 0.728166, 2.338440, 1.556701, 1),
}
GOLDEN_DECLARED = {150: 0.925448, 300: 0.554359, 450: 0.701361, 561: 0.710129, 575: 1.602175}


def engine_with(channels, params=BY_COUNT, engine=Engine, **options):
    """An engine that knows a machine of so many sensors; `engine`: of which precision."""
    made = engine(params=params, **options)
    for c in range(channels):
        made.fleet.number(Machine("m"), f"s{c}")
    return made


@pytest.fixture(scope="module")
def precise():
    """The engine in double precision, as the naive twin is."""
    return double_precision().Engine


def lines_of(engine):
    """What the network knows of each line of the only machine."""
    return engine.fleet.block(0).line


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
    """Per row of the table: surprise, event, state, gate, dendrites, cause as the network says them."""
    result = []
    for t, values in enumerate(table):
        time_ns = (t + 1) * SECOND if times is None else times[t]
        rows = [engine.judge(row_of(values, time_ns)).row]
        if engine.fleet.block(0).machine["rows"]["open"]:
            rows.append(engine.judge(Readings.none(), last=True).row)
        rows = np.concatenate(rows)
        if len(rows) == 0:
            result.append(None)
            continue
        (row,) = rows
        result.append(
            (
                *(float(row[name]) for name in ("surprise", "event", "state", "gate")),
                *lines_of(engine)["dendrite"][: len(values)].tolist(),
                int(row["cause"]),
            )
        )
    return result


def test_the_golden_numbers_of_the_naive_twin_are_reproduced(precise):
    said = raw(engine_with(2, engine=precise), naive.golden_input())
    for row, expected in GOLDEN.items():
        assert said[row] == pytest.approx(expected, abs=5.1e-7), row


def test_a_frozen_machine_reproduces_its_golden_numbers(precise):
    engine = engine_with(2, engine=precise)
    table = naive.golden_input()
    said = raw(engine, table[:350])
    engine.freeze(0)
    said += raw(engine, table[350:], [(t + 1) * SECOND for t in range(350, len(table))])
    for row, expected in GOLDEN_FROZEN.items():
        assert said[row] == pytest.approx(expected, abs=5.1e-7), row


def test_the_golden_numbers_with_a_declared_range_are_reproduced(precise):
    rule = MachineRule(sensors={"s0": Sensor(range=(-2.0, 2.0))})
    engine = engine_with(1, engine=precise, rule=lambda name: rule)
    said = raw(engine, [row[:1] for row in naive.golden_input()])
    for row, expected in GOLDEN_DECLARED.items():
        assert said[row][0] == pytest.approx(expected, abs=5.1e-7), row


def test_single_precision_of_the_bulky_arrays_changes_no_golden_number_by_more_than_a_hundred_thousandth():
    said = raw(engine_with(2), naive.golden_input())
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
def test_the_network_equals_its_naive_twin(channels, precise):
    table = machine_like(700, channels, seed=channels)
    said = raw(engine_with(channels, engine=precise), table.tolist())
    twin = naive.NaiveMachine(channels)
    for t, values in enumerate(table.tolist()):
        expected = twin.step(values)
        if said[t] is None:
            assert all(math.isnan(x) for x in values)
            continue
        mine = said[t]
        theirs = (expected.surprise, expected.event_raw, expected.state_raw, expected.gate, *expected.channel_raw)
        assert mine[:-1] == pytest.approx(theirs, abs=1e-9), t


def paces(steps):
    """Elapsed time of a line that has every reading, and the machine's, by the running median of its steps."""
    usual = 0.0
    for t, step in enumerate(steps):
        elapsed = step / usual if usual > 0 else 1.0
        if t == 1:
            usual = step
        elif t > 1:
            reach = min(max(1.0 / t, 0.01) * usual, abs(step - usual))
            usual += reach if step > usual else -reach
        # The machine's pace is the line's, already updated when its row is judged.
        pace = step / usual if t > 0 else 1.0
        yield tuple(1.0 if abs(ratio - 1.0) <= 0.1 else ratio for ratio in (elapsed, pace))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_network_equals_its_naive_twin_on_irregular_time(channels, precise):
    rng = np.random.default_rng(7)
    steps = rng.choice([1, 1, 1, 1, 2, 3, 50], size=700) * SECOND
    times = np.cumsum(steps) + SECOND
    table = machine_like(700, channels, seed=9)
    table[np.isnan(table)] = 0.0
    said = raw(engine_with(channels, PAGE, precise), table.tolist(), times.tolist())
    twin = naive.NaiveMachine(channels)
    for t, (values, (elapsed, pace)) in enumerate(zip(table.tolist(), paces(steps.tolist()), strict=True)):
        expected = twin.step(values, [elapsed] * channels, pace)
        theirs = (expected.surprise, expected.event_raw, expected.state_raw, expected.gate, *expected.channel_raw)
        assert said[t][:-1] == pytest.approx(theirs, abs=1e-9), t


def assert_the_condition_is_the_twins(engine, twin):
    """All that the condition remembers of its lines and machine."""
    line, machine = (getattr(engine.fleet.block(0), part)["condition"] for part in ("line", "machine"))
    baselines = [channel.baseline for channel in twin.channels]
    theirs = {
        "trace": [each.ly for each in baselines],
        "mean": [each.reference.mean for each in baselines],
        "variance": [each.reference.variance for each in baselines],
        "sigmas": [each.z for each in baselines],
    }
    for name in ("spread", "wander", "noise", "turns", "side", "worth", "apart"):
        theirs[name] = [getattr(each, name) for each in baselines]
    for name, values in theirs.items():
        assert line[name] == pytest.approx(values, abs=1e-9, rel=1e-9), name
    neurons = twin.condition.population.neurons
    assert machine["competition"]["recruited"] == len(neurons)
    assert machine["born"][: len(neurons)].tolist() == [neuron.born for neuron in neurons]
    same = {"usual": "norm", "late": "late", "gate": "gate", "elsewhere": "elsewhere", "quiet": "quiet"}
    for name, its in same.items():
        assert machine[name] == pytest.approx(getattr(twin.condition, its), abs=1e-9), name


@pytest.mark.parametrize("channels", [1, 4])
def test_the_condition_equals_its_naive_twin_when_it_wanders_starts_and_is_frozen(channels, precise):
    """A machine older than a thousand readings; at 1400 it starts something else, and goes back, frozen."""
    n = 1900
    rng = np.random.default_rng(50 + channels)
    hours = np.sin(np.arange(n)[:, None] / 30 + np.arange(channels)) ** 3  # the last line hardly follows them
    table = hours * np.linspace(2.0, 0.1, channels) + 0.3 * rng.normal(size=(n, channels))
    table[1400:1700] += 25.0
    table[rng.random((n, channels)) < 0.03] = np.nan
    engine, twin = engine_with(channels, engine=precise), naive.NaiveMachine(channels)
    regimes = 0
    for t, values in enumerate(table.tolist()):
        twin.learning = t < 1650 or t >= 1800
        (engine.resume if twin.learning else engine.freeze)(0)
        (said,) = raw(engine, [values], [(t + 1) * SECOND])
        quiet = twin.condition.quiet
        expected = twin.step(values)
        if said is None:
            continue
        regimes += twin.condition.quiet > quiet
        assert said[2:4] == pytest.approx((expected.state_raw, expected.gate), abs=1e-9), t
        if t % 50 == 0:
            assert_the_condition_is_the_twins(engine, twin)
    assert_the_condition_is_the_twins(engine, twin)
    assert regimes == (1 if channels > 1 else 0), "a lone line has no others that were there, too"
    assert max(channel.baseline.turns for channel in twin.channels) > 5


def test_a_population_switched_off_is_not_heard_and_learns_as_ever(precise):
    table = machine_like(400, 2, seed=3)
    silent = ("levels", "pattern", "coupling")
    engine = engine_with(2, without(BY_COUNT, silent), precise)
    said = raw(engine, table.tolist())
    twin = naive.NaiveMachine(2)
    twin.dendrite = naive.Dendrite(without(Params(), silent).weights)
    for t, values in enumerate(table.tolist()):
        expected = twin.step(values)
        if said[t] is not None:
            theirs = (expected.surprise, expected.event_raw, expected.state_raw, expected.gate)
            assert said[t][:-1] == pytest.approx((*theirs, *expected.channel_raw), abs=1e-9), t


@pytest.mark.parametrize("declared", [None, (-3.0, 3.0)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_context_population_equals_its_naive_twin_also_when_frozen(channels, declared, precise):
    rule = MachineRule(sensors={f"s{c}": Sensor(range=declared) for c in range(channels)})
    engine = engine_with(channels, with_context(BY_COUNT), precise, rule=lambda name: rule)
    table = machine_like(600, channels, seed=60 + channels)
    twin = naive.NaiveMachine(channels, [declared] * channels, context=True)
    said = raw(engine, table[:450].tolist())
    engine.freeze(0)
    said += raw(engine, table[450:].tolist(), [(t + 1) * SECOND for t in range(450, 600)])
    heard = 0.0
    for t, values in enumerate(table.tolist()):
        twin.learning = t < 450
        expected = twin.step(values)
        if said[t] is not None:
            theirs = (expected.surprise, expected.event_raw, expected.state_raw, expected.gate)
            assert said[t][:-1] == pytest.approx((*theirs, *expected.channel_raw), abs=1e-9), t
            heard = max(heard, *expected.parts[0][naive.CONTEXT :])
    assert heard > 1.0, "the input must surprise the context"


def context_of(elapsed, values):
    """What the context population of one line says of values, (readings, readouts)."""
    ffi, lib = double_precision().ffi, double_precision().lib
    engine = engine_with(1, with_context(BY_COUNT), double_precision().Engine)
    params, block = engine.fleet.core.params, engine.fleet.block(0)
    line = ffi.cast("struct sw_context *", block.context.ctypes.data)
    out, said = ffi.new(f"double[{lib.SW_READOUTS}]"), []
    numbers = ffi.addressof(params, "context"), ffi.addressof(params, "rank")
    for gone, value in zip(elapsed.tolist(), values.tolist(), strict=True):
        lib.sw_context_step(*numbers, line, False, gone, value, out)
        said.append(list(out))
    return np.array(said)


def test_the_context_population_feels_time_like_its_naive_twin():
    rng = np.random.default_rng(8)
    elapsed = rng.choice([1.0, 1.0, 2.5, 40.0], size=300)
    x = np.sin(np.arange(300) / 5) + 0.1 * rng.normal(size=300)
    out = context_of(elapsed, x)
    twin = naive.Context(naive.RateCode())
    for t in range(300):
        twin.step(float(x[t]), t, float(elapsed[t]), True)
        if t >= lib.SW_REACH:
            assert out[t] == pytest.approx(twin.membranes, abs=1e-12), t


def test_the_context_population_learns_which_level_follows_and_notices_a_new_order():
    course = np.tile([0.0, 1.0, 2.0, 3.0], 500)
    course[1900:] = np.tile([0.0, 3.0, 2.0, 1.0], 25)  # the same levels and steps of the same size, backwards
    out = context_of(np.ones(2000), course)
    assert out[1905:1915, 1].min() > 2 * out[1000:1900, 1].max()


def test_without_the_context_population_nothing_is_kept_for_it_and_its_snapshots_do_not_fit():
    off, on = engine_with(2), engine_with(2, with_context(BY_COUNT))
    assert len(off.fleet.block(0).context) == 0
    with pytest.raises(SnapshotError):
        Engine(params=BY_COUNT).fleet.restore(on.fleet.snapshot())
    restored = Engine(params=with_context(BY_COUNT))
    restored.fleet.restore(on.fleet.snapshot())
    assert len(restored.fleet.block(0).context) == 2


def test_with_every_population_switched_off_nothing_surprises():
    said = raw(engine_with(2, without(BY_COUNT, NAMES)), machine_like(200, 2, seed=3).tolist())
    assert {row[0] for row in said if row} == {0.0}


def test_an_unknown_population_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no population level, move; there are range, value, .*coupling"):
        without(Params(), ["move", "levels", "level"])


COMPETITION = ("competition.recruited", "competition.winner", "competition.wins")
EVOLVING = ("strength", "vigilance", *COMPETITION)
# What learning changes in a line and in a machine; all else in their state goes on when it is frozen.
LEARNED = {
    "value.low", "value.high", "value.mean", "value.variance",
    "activity.change", "activity.mean", "activity.variance", "activity.usual_quiet",
    "delta.baseline", "delta.scale", "delta.low", "delta.high", "rank.tails",
    *(f"{name}.delays" for name in ("levels", "pattern", "changes")),
    *(f"{name}.common.{field}" for name in ("levels", "pattern", "changes") for field in EVOLVING),
    "coupling.usual",
    *(f"condition.{name}" for name in ("mean", "variance", "spread", "wander", "noise", "worth", "delays")),
    "expectation.own", "expectation.mean", "expectation.variance", "expectation.low", "expectation.high",
    "expectation.gain", "modes.centre", "modes.rows", "modes.size", "modes.size_new",
    "evidence.size", "evidence.size_new", "evidence.spread", "evidence.energy",
    *(f"resolution.{name}" for name in ("readings", "moves", "rises", "step", "jump", "left")),
}  # fmt: skip
# Of these, what the other machine need not change: a range is seldom left, a smaller step is rare.
SELDOM = {"value.low", "value.high", "expectation.low", "expectation.high", "resolution.step"}
LEARNED_BY_MACHINES = {
    *(f"condition.{name}" for name in ("strength", "born", "vigilance", "usual", *COMPETITION)),
    *(f"modes.{name}" for name in ("use", "vigilance", *COMPETITION)),
}
GOES_ON = {
    "clock.seen", "activity.reference", "activity.activity", "delta.compressed", "traces.level", "traces.trace",
    "traces.rough", "persistence.membrane", "coupling.trace", "coupling.error", "rarity",
    *(f"condition.{name}" for name in ("trace", "sigmas", "apart")),
    "expectation.used", "expectation.real", "expectation.residual", "evidence.membrane", "resolution.off",
}  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("frozen_at", [15, 60, 400])
def test_a_frozen_machine_scores_like_its_naive_twin_and_learns_again_when_resumed(channels, frozen_at, precise):
    table = machine_like(600, channels, seed=40 + channels)
    engine, twin = engine_with(channels, engine=precise), naive.NaiveMachine(channels)
    said = []
    for learning, part in ((True, table[:frozen_at]), (False, table[frozen_at:550]), (True, table[550:])):
        (engine.resume if learning else engine.freeze)(0)
        said += raw(engine, part.tolist(), [(len(said) + t + 1) * SECOND for t in range(len(part))])
    for t, values in enumerate(table.tolist()):
        twin.learning = not frozen_at <= t < 550
        expected = twin.step(values)
        if said[t] is not None:
            theirs = (expected.surprise, expected.event_raw, expected.state_raw, expected.gate)
            assert said[t][:-1] == pytest.approx((*theirs, *expected.channel_raw), abs=1e-9), t


def test_freezing_changes_no_bit_of_what_was_learned_while_traces_go_on_and_other_machines_learn():
    table = machine_like(700, 3, seed=12)
    engine = engine_with(3)
    for c in range(3):
        engine.fleet.number(Machine("other"), f"s{c}")
    both = [row_of(row, (t + 1) * SECOND) for t, row in enumerate(table.tolist())]

    def feed(rows_):
        for row in rows_:
            engine.step(row)
            engine.step(row._replace(slot=row.slot + 1, line=row.line + 3))

    feed(both[:300])
    engine.finish()
    engine.freeze(0)
    before = [engine.fleet.block(slot).copy() for slot in range(2)]
    feed(both[300:])
    engine.finish()
    after = [engine.fleet.block(slot) for slot in range(2)]

    def changed(slot, records, path):
        found = [getattr(state[slot], records) for state in (before, after)]
        for name in path.split("."):
            found = [one[name] for one in found]
        return not np.array_equal(*found)

    for name in LEARNED:
        assert not changed(0, "line", name), name
        assert changed(1, "line", name) or name in SELDOM, name
    for name in GOES_ON:
        assert changed(0, "line", name), name
    for name in LEARNED_BY_MACHINES:
        assert not changed(0, "machine", name), name
    for name in ("late", "gate"):
        assert changed(0, "machine", f"condition.{name}"), name
    for slot in range(2):
        matrices = [(state[slot].coupling, *state[slot].cohort(0)[:2]) for state in (before, after)]
        for was, now in zip(*matrices, strict=True):
            assert np.array_equal(was, now) == (slot == 0)


def test_a_sensor_that_joins_a_frozen_machine_is_frozen_and_a_restored_machine_stays_so():
    engine = engine_with(2)
    engine.freeze(0)
    engine.fleet.number(Machine("m"), "late")
    engine.fleet.number(Machine("other"), "s0")
    restored = Engine(params=BY_COUNT)
    restored.fleet.restore(engine.fleet.snapshot())
    restored.fleet.number(Machine("m"), "later")
    assert [restored.fleet.frozen(slot) for slot in range(2)] == [True, False]
    assert restored.fleet.block(0).lines == 4
    restored.resume(0)
    assert not any(restored.fleet.frozen(slot) for slot in range(2))


@pytest.mark.parametrize("unit", [8.0, 2.0**-6])
def test_a_power_of_two_as_change_of_unit_changes_no_event_and_the_state_by_rounding_only(unit):
    table = np.array(naive.golden_input())
    first = raw(engine_with(2), table.tolist())
    second = raw(engine_with(2), (table * unit).tolist())
    assert [row[:2] for row in first] == [row[:2] for row in second]
    # The floor of 1e-12 under a deviation is in the sensor's unit.
    assert [row[2] for row in first] == pytest.approx([row[2] for row in second], abs=1e-3)


def levels(table, engine=None, frozen=()):
    """Level of each line after each row, as the network says it; it learns nothing in the `frozen` rows."""
    engine = engine or engine_with(table.shape[1], Params())
    return watched(table, engine, frozen)[0]


def watched(table, engine, frozen):
    """Level of each line after each row, and for how many rows it has been in alarm."""
    found = lines_of(engine)["evidence"]
    said = []
    for t, values in enumerate(table.tolist()):
        (engine.freeze if t in frozen else engine.resume)(0)
        engine.judge(row_of(values, (t + 1) * SECOND))
        engine.judge(Readings.none(), last=True)
        said.append((found["level"].copy(), found["alarm"].copy()))
    return np.array(said).transpose(1, 0, 2)


def assert_the_twin_agrees(table, frozen):
    """Return the twin that has said the same as the network in every row; neither accepts a change."""
    lines = table.shape[1]
    twin = naive_expectation.NaiveExpectation(lines)
    theirs = []
    for t, values in enumerate(table):
        twin.learning = t not in frozen
        theirs.append((twin.step(values), twin.alarm.copy()))
    theirs, alarm = np.array(theirs).transpose(1, 0, 2)
    accepts_nothing = Evidence(regime=math.inf, patience_least=math.inf)
    params = Params(clock=Clock(by_time=False), evidence=accepts_nothing)
    engine = engine_with(lines, params, double_precision().Engine)
    ours, rows = watched(table, engine, frozen)
    assert theirs.max() > 1.0, "the faults must raise alarms for the test to mean something"
    np.testing.assert_array_equal(rows, alarm)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
    own = lines_of(engine)
    same = {
        "usual": (own["evidence"]["usual"], twin.usual),
        "low": (own["expectation"]["low"], twin.low),
        "high": (own["expectation"]["high"], twin.high),
        "moves": (own["resolution"]["moves"], twin.resolution.moves),
        "step": (own["resolution"]["step"], twin.resolution.grain),
        "jump": (own["resolution"]["jump"], twin.resolution.jump),
        "left": (own["resolution"]["left"], twin.resolution.left),
    }
    for name, (mine, its) in same.items():
        np.testing.assert_allclose(mine, its, rtol=1e-6, atol=1e-9, err_msg=name)
    return twin


@pytest.mark.parametrize("frozen", [range(0), range(100, 300), range(1000, 1250)])
def test_the_expectation_equals_its_naive_twin_through_faults_lost_sensors_and_frozen_times(frozen):
    table = machine_with_modes(1500, 4, 5)
    table[700:760, 1] = np.nan
    table[900:903, 0] += 40.0
    table[1100:1300, 2] += np.linspace(0.0, 15.0, 200)
    twin = assert_the_twin_agrees(table, frozen)
    assert twin.blamed > 0 or frozen, "and one line blamed in another's place"


def of_every_kind(rows, seed):
    """A machine whose lines are: two ordinary ones, a copy, a set point, a valve, a coarse sensor and a counter."""
    rng = np.random.default_rng(seed)
    ordinary = machine_with_modes(rows, 3, seed)
    set_point = np.where(np.arange(rows) < 1300, 70.0, 75.0)
    valve = np.zeros(rows)
    for begin in rng.choice(rows - 30, 14, replace=False):
        valve[begin : begin + rng.integers(3, 30)] = 1.0
    coarse = 4.0 * np.round(ordinary[:, 2] / 4.0)
    counter = np.cumsum(rng.integers(0, 4, rows)) % 900.0
    return np.column_stack([ordinary[:, :2], ordinary[:, 1], set_point, valve, coarse, counter])


@pytest.mark.parametrize("frozen", [range(0), range(1250, 1400), range(1500, 1700)])
def test_the_expectation_equals_its_naive_twin_for_what_holds_repeats_rounds_and_counts(frozen):
    table = of_every_kind(2200, 3)
    table[850:900, 4] = np.nan
    table[1000:1040, 6] = np.nan
    table[np.random.default_rng(0).random(table.shape) < 0.02] = np.nan
    table[1600:1603, 0] += 40.0
    table[1800:1900, 5] += 24.0
    table[2000:, 0] += np.linspace(0.0, 20.0, 200)
    twin = assert_the_twin_agrees(table, frozen)
    assert twin.resolution.counters.tolist() == [False] * 6 + [True]


@pytest.mark.parametrize("seed", range(3))
def test_sensors_of_which_only_one_is_ever_heard_at_a_time_do_not_lead_each_other_astray(seed):
    table = machine_with_modes(1500, 6, seed)
    engine = engine_with(6, Params())
    known = lines_of(engine)["expectation"]
    spread = table.std(axis=0)
    for t, values in enumerate(table.tolist()):
        for line in range(6):
            alone = [value if line == own else math.nan for own, value in enumerate(values)]
            engine.judge(row_of(alone, (6 * t + line + 1) * SECOND))
            scores = engine.finish()
            assert np.isfinite(scores.score).all()
        heard = known["offset"] + known["unit"] * known["used"][:, 0]
        assert (abs(heard - table.mean(axis=0)) < 20.0 * spread).all(), t


def test_a_held_fault_of_one_sensor_stays_in_alarm_and_names_the_sensor():
    table = machine_with_modes(3500, 4, 3)
    table[2000:3000, 1] += 8.0
    found = levels(table)
    assert (found[2020:3000, 1] >= 1.0).mean() > 0.95
    assert (found[2020:3000].argmax(1) == 1).mean() > 0.95
    assert (found[3200:] < 1.0).all(), "and it leaves the alarm when the fault does"


def test_a_frozen_machine_never_accepts_a_change():
    table = machine_with_modes(3500, 4, 5)
    table[1500:, 2] += 12.0
    found = levels(table, frozen=range(1600, 3500))
    assert (found[1700:, 2] >= 1.0).mean() > 0.95


def test_a_lasting_change_ends_as_changed_and_not_in_endless_alarm():
    table = machine_with_modes(5600, 4, 5)
    table[1500:, 2] += 12.0
    engine = engine_with(4, Params())
    row, line = present(table)
    readings = Readings(np.zeros(row.size, np.int64), line, (row + 1) * SECOND, table[row, line], line == 3)
    scores = engine.step(readings)
    alarm = scores.severity > 0
    assert alarm[1520:2500].mean() > 0.95, "a machine of 1,500 rows waits for 1,000"
    assert not alarm[4000:].any()
    assert scores.state[2700] == MachineState.CHANGED
    assert scores.state[-1] == MachineState.READY, "calm for long enough, it is ready again"


def test_a_sensor_that_is_lost_for_hours_raises_no_alarm_by_its_absence_or_return():
    table = machine_with_modes(4000, 4, 9)
    table[2000:3500, 3] = np.nan
    assert (levels(table)[600:] < 1.0).all()
