"""Why a score is what it is: shares, expected bands, words, and the points of the sensors."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import explanation
from pipeline.engine import Engine
from pipeline.explanation import Voice
from pipeline.network import NAMES, POPULATIONS, evidence, layers
from pipeline.records import Machine, Reading
from pipeline.score import score
from pipeline.tables import Table

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def machine_like(rows, sensors, seed=0):
    """Sensors that follow one load through two modes, each with its own lag and noise, in units far apart."""
    rng = np.random.default_rng(seed)
    load = np.repeat(rng.permuted(np.arange(rows // 50 + 1) % 2), 50)[:rows].astype(float)
    table = np.empty((rows, sensors))
    for c in range(sensors):
        lagged = 0.0
        for t in range(rows):
            lagged += (load[t] - lagged) / (1 + 4 * c)
            table[t, c] = 50 + 10 * (c + 1) * lagged
    return (table + rng.normal(size=table.shape).round(3)) * 10.0 ** np.arange(sensors)


def recording(values):
    rows, sensors = values.shape
    return Table("m", [""] * rows, START + np.arange(rows) * SECOND, [f"s{c}" for c in range(sensors)], values, [])


def messages(values):
    machine = Machine("m", (("site", "x"),))
    return [
        [Reading(machine, f"s{c}", START + t * SECOND, x) for c, x in enumerate(row) if x == x]
        for t, row in enumerate(values.tolist())
    ]


def points(given, borders=(), engine=None, every_ns=0):
    """Points of messages fed in batches, and the engine."""
    engine = engine or Engine(every_ns, every_ns)
    cuts = [0, *sorted(borders), len(given)]
    written = []
    for begin, end in itertools.pairwise(cuts):
        written += engine.points(engine.step(engine.arrange(given[begin:end])))
    return sorted(written, key=lambda point: (point.time_ns, point.tags)), engine


def troubled():
    """A machine of three sensors with lost readings, a spike and an offset that lasts."""
    values = machine_like(900, 3)
    values[np.random.default_rng(1).random(values.shape) < 0.05] = np.nan
    values[640, 0] += 60.0
    values[700:850, 1] += 150.0
    return values


TROUBLED = messages(troubled())
WHOLE, WHOLE_ENGINE = points(TROUBLED)


@given(st.lists(st.integers(0, 900), max_size=5))
@settings(max_examples=15, deadline=None)
def test_batch_borders_change_no_field_of_any_point(borders):
    assert points(TROUBLED, borders)[0] == WHOLE


@pytest.mark.parametrize("every_s", [0, 10])
@pytest.mark.parametrize("middle", [130, 641, 720])
def test_saved_and_restored_in_the_middle_changes_no_point(middle, every_s):
    whole, _ = points(TROUBLED, every_ns=every_s * SECOND)
    before, engine = points(TROUBLED[:middle], every_ns=every_s * SECOND)
    restored = Engine(every_s * SECOND, every_s * SECOND)
    restored.fleet.restore(engine.fleet.snapshot())
    assert before + points(TROUBLED[middle:], engine=restored)[0] == whole


def test_every_reading_of_a_row_that_is_written_has_a_point_with_its_tags_and_its_value():
    values = troubled()
    sensors = [point for point in WHOLE if point.measurement == "sensor"]
    closed = {point.time_ns for point in WHOLE if point.measurement == "machine"}
    expected = {
        (START + t * SECOND, f"s{c}"): x
        for t, row in enumerate(values.tolist())
        for c, x in enumerate(row)
        if x == x and START + t * SECOND in closed
    }
    assert {(point.time_ns, dict(point.tags)["sensor"]): point.fields["value"] for point in sensors} == expected
    assert len(sensors) == len(expected)
    assert {point.tags for point in sensors} == {
        (("machine", "m"), ("sensor", f"s{c}"), ("site", "x")) for c in range(3)
    }


def test_the_shares_of_a_row_sum_to_1_and_the_cause_has_the_largest():
    causes = {p.time_ns: p.fields["cause"] for p in WHOLE if p.measurement == "machine" and p.fields["score"] > 0}
    shares = {}
    for point in WHOLE:
        if "share" in point.fields:
            shares.setdefault(point.time_ns, {})[dict(point.tags)["sensor"]] = point.fields["share"]
    assert shares.keys() == causes.keys()
    assert len(shares) > 700
    for time_ns, of_row in shares.items():
        assert sum(of_row.values()) == pytest.approx(1.0)
        assert of_row.get(causes[time_ns], 1.0) == pytest.approx(max(of_row.values())), time_ns


def test_nothing_is_expected_while_a_sensor_is_learning_and_everything_lies_in_order_later():
    seen = Counter()
    for point in WHOLE:
        if point.measurement != "sensor":
            continue
        seen[point.tags] += 1
        assert ("expected" in point.fields) == (seen[point.tags] > 100)
        if seen[point.tags] > 100:
            assert point.fields["low"] < point.fields["expected"] < point.fields["high"]
        assert 0.0 <= point.fields["score"] <= 1.0


@pytest.mark.parametrize("sensors", [1, 2, 5])
def test_about_99_of_100_healthy_readings_lie_inside_the_expected_band(sensors):
    table = recording(machine_like(3000, sensors, seed=sensors))
    told = score(table, explain=True).explained
    inside = (table.values >= told.low) & (table.values <= told.high)
    assert np.isnan(told.low[:100]).all()
    assert inside[100:500].mean() >= 0.965
    least = 0.97 if sensors == 1 else 0.98  # a lone sensor that jumps between modes leaves its own past at each jump
    assert least <= inside[500:].mean() <= 0.999


def test_a_sensor_that_is_off_leaves_its_band_while_the_others_stay_in_theirs():
    values = machine_like(3000, 4, seed=9)
    healthy = values.copy()
    values[2000:2600, 2] += 1500.0
    told = score(recording(values), explain=True).explained
    inside = (values >= told.low) & (values <= told.high)
    assert inside[2050:2600, 2].mean() < 0.02
    assert inside[2050:2600][:, [0, 1, 3]].mean() > 0.97
    # It is expected where it would have been.
    off = np.abs(told.expected - healthy)[2050:2600, 2]
    assert np.median(off) < 150.0
    assert (told.share[2050:2600, 2] > 0.9).mean() > 0.95
    why = Counter(told.why[2050:2600])
    assert all(said.startswith("s2: ") for said in why)
    assert sum(count for said, count in why.items() if "offset" in said) > 500


def test_an_event_is_explained_by_populations_and_a_quiet_row_not_at_all():
    machine = [point for point in WHOLE if point.measurement == "machine"]
    assert all(("why" in point.fields) == (point.fields["severity"] > 0) for point in machine)
    at = {point.time_ns: point.fields for point in machine}
    spike = at[START + 640 * SECOND]
    assert spike["why"].startswith("s0: ")
    assert set(spike["why"].removeprefix("s0: ").split("; ")) <= {population.says for population in POPULATIONS}
    lasting = [at[START + t * SECOND]["why"] for t in range(760, 840) if "why" in at.get(START + t * SECOND, {})]
    assert sum(said.startswith("s1: offset") for said in lasting) > 60


def test_populations_share_a_surprise_by_weight_and_cube():
    rarity = [0.0] * 9
    rarity[NAMES.index("silence")], rarity[NAMES.index("value")] = 2.0, 1.0
    share = explanation.populations(layers.Params().weights, rarity)
    assert sum(share.values()) == pytest.approx(1.0)
    assert share["silence"] == pytest.approx(16 / 17)
    assert explanation.populations(layers.Params().weights, [0.0] * 9) == {}


def test_every_witness_of_a_state_has_its_words():
    assert len(evidence.SAYS) == evidence.MEMBRANES
    assert explanation.why("a", Voice.EXPECTATION, evidence.NEW) == "a: came suddenly"
    assert explanation.why("a", Voice.CONDITION) == "a: the machine as a whole unlike its past"
    share = {"silence": 0.6, "range": 0.3, "value": 0.1}
    assert explanation.why("a", Voice.EVENT, 0, share) == "a: still for too long; outside everything seen"
    assert explanation.why("a", Voice.CONDITION, 0, share, clear=True).endswith(
        "; still for too long; outside everything seen"
    )


def test_sensors_are_written_at_a_change_and_now_and_then_also_in_alarm():
    written, _ = points(TROUBLED, every_ns=10 * SECOND)
    machine = [point for point in written if point.measurement == "machine"]
    times = sorted({point.time_ns for point in written if point.measurement == "sensor"})
    assert set(times) <= {point.time_ns for point in machine}, "only beside the machine's point"
    severities = [(point.time_ns, point.fields["severity"]) for point in machine]
    changed = {time for (_, a), (time, b) in itertools.pairwise(severities) if a != b}
    assert changed <= set(times)
    alarm = [time for time, severity in severities if severity]
    assert len(alarm) > 100
    assert sum(time in alarm for time in times) < len(alarm) / 4
    close = [time for before, time in itertools.pairwise(times) if time - before < 10 * SECOND]
    became_ready = START + 100 * SECOND
    assert all(time in changed or abs(time - became_ready) < 20 * SECOND for time in close)
    longest = max(later - before for before, later in itertools.pairwise(times))
    assert longest <= 11 * SECOND  # a row without readings may come between


def test_a_sensor_without_a_reading_in_a_row_has_no_part_in_it():
    values = machine_like(400, 2, seed=4)
    values[300:320, 1] = np.nan
    told = score(recording(values), explain=True).explained
    assert np.isnan(told.share[300:320, 1]).all()
    assert np.isnan(told.expected[300:320, 1]).all()
    assert told.share[300:320, 0] == pytest.approx(1.0)


def test_explanations_of_a_file_are_those_of_any_batch_size_and_change_no_score():
    table = recording(troubled())
    whole, plain = score(table, explain=True), score(table)
    assert plain.explained is None
    assert np.array_equal(plain.score, whole.score)
    for rows in (1, 77):
        again = score(table, rows, explain=True).explained
        assert again.why == whole.explained.why
        for name in ("share", "expected", "low", "high"):
            assert np.array_equal(getattr(again, name), getattr(whole.explained, name), equal_nan=True), name
