"""Why a score is what it is: shares, expected bands, words, and the points of the sensors."""

import itertools
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from machines import live, machine_with_modes

from pipeline.config.settings import MachineRule, Sensor
from pipeline.engine import explanation, incidents
from pipeline.engine.engine import Engine
from pipeline.engine.explanation import Quoted, Voice
from pipeline.engine.incidents import Part
from pipeline.network import NAMES
from pipeline.network._core import lib
from pipeline.network.parameters import Params
from pipeline.recordings.score import score
from pipeline.recordings.tables import Table
from pipeline.records import Machine, Reading

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
    assert all(said.startswith("s2 ") for said in why)
    assert sum(count for said, count in why.items() if "above the expected" in said) > 500
    assert sum(count for said, count in why.items() if "disagrees with the other sensors for " in said) > 500
    assert "disagrees with the other sensors for 5 min" in told.why[2320]


def test_an_event_is_explained_by_populations_and_a_quiet_row_not_at_all():
    machine = [point for point in WHOLE if point.measurement == "machine"]
    assert all(("why" in point.fields) == (point.fields["severity"] > 0) for point in machine)
    at = {point.time_ns: point.fields for point in machine}
    spike = at[START + 640 * SECOND]
    quote, *phrases = spike["why"].split("; ")
    assert quote.startswith("s0 ")
    assert "above the expected" in quote
    assert set(phrases) <= set(explanation.POPULATION.values())
    lasting = [at[START + t * SECOND]["why"] for t in range(760, 840) if "why" in at.get(START + t * SECOND, {})]
    assert sum(said.startswith("s1 ") and "disagrees" in said for said in lasting) > 60


def test_populations_share_a_surprise_by_weight_and_cube():
    rarity = [0.0] * 9
    rarity[NAMES.index("silence")], rarity[NAMES.index("value")] = 2.0, 1.0
    share = explanation.populations(Params().weights, rarity)
    assert sum(share.values()) == pytest.approx(1.0)
    assert share["silence"] == pytest.approx(16 / 17)
    assert explanation.populations(Params().weights, [0.0] * 9) == {}


def said(voice, witness=0, share=None, clear=False, **quoted):
    """What is said of a sensor called a."""
    told = {"value": 5.0, "low": 0.0, "high": 0.0, "lasted_ns": 0, **quoted}
    return explanation.why("a", Quoted(reasons=explanation.reasons(voice, witness, share, clear), **told))


def test_every_witness_of_a_state_and_every_population_has_its_words():
    assert len(explanation.WITNESSES) == lib.SW_MEMBRANES
    assert len((*explanation.WITNESSES, *explanation.HELD)) == lib.SW_UNBELIEVED + 1
    assert said(Voice.CONDITION, lib.SW_UNSEEN) == "a 5; a value never seen before"
    assert explanation.POPULATION.keys() == set(NAMES)
    assert said(Voice.EXPECTATION, lib.SW_NEW) == "a 5; sudden deviation from the other sensors"
    assert said(Voice.CONDITION) == "a 5; overall pattern unlike this machine's history"
    share = {"silence": 0.6, "range": 0.3, "value": 0.1}
    assert said(Voice.EVENT, 0, share) == "a 5; outside everything seen so far; no change for unusually long"
    assert said(Voice.CONDITION, 0, share, clear=True).endswith(
        "; outside everything seen so far; no change for unusually long"
    )


def test_what_lasts_says_for_how_long_and_what_only_happens_does_not():
    for ns, text in (
        (0, ""),
        (40e9, " for 40 s"),
        (720e9, " for 12 min"),
        (10_800e9, " for 3 h"),
        (2e14, " for 2 days"),
    ):
        assert (
            said(Voice.EXPECTATION, lib.SW_LONG, lasted_ns=int(ns)) == f"a 5; disagrees with the other sensors{text}"
        )
    assert said(Voice.EVENT, 0, {"value": 1.0}, lasted_ns=10**12) == "a 5; far from its average"
    assert said(Voice.EXPECTATION, lib.SW_NEW, lasted_ns=10**12) == "a 5; sudden deviation from the other sensors"


def test_the_same_disagreement_is_not_said_twice():
    assert said(Voice.EXPECTATION, lib.SW_LONG, {"coupling": 1.0}, clear=True).count("disagrees") == 1


def test_a_sensor_without_a_new_reading_is_quoted_with_none():
    nothing = {"value": np.nan, "low": np.nan, "high": np.nan}
    assert said(Voice.CONDITION, **nothing) == f"a without a new reading; {explanation.CONDITION}"


@example(3.97, 3.98, 0.43)
@example(1e300, -1e300, 2e300)
@example(5e-324, 0.0, 1e-300)
@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.one_of(st.floats(1e-3, 1e3), st.floats(1e-12, 1e12)))
def test_the_direction_in_the_text_is_that_of_its_figures_and_that_of_the_reading(value, low, width):
    high = low + width
    assume(low < high)
    text = explanation.why("flow", Quoted(value, low, high, 0, 0), "l/min")
    found = re.fullmatch(r"flow (\S+) l/min, (above the |below the |)expected (\S+) to (\S+)", text)
    there, side, least, most = found.groups()
    there, least, most = float(there), float(least), float(most)
    assert (value > high, value < low) == (there > most, there < least)
    assert (value > high, value < low) == (side == "above the ", side == "below the ")


FAULTS = ("step", "spike", "stuck", "dropout", "noise", "drift")


def broken(values, kind, sensor, begin, end, size):
    """A fault of one sensor in some rows, in place; `size` in standard deviations of its noise."""
    rows = slice(begin, end)
    match kind:
        case "step":
            values[rows, sensor] += size
        case "spike":
            values[begin : begin + 2, sensor] += 4 * size
        case "stuck":
            values[rows, sensor] = values[begin, sensor]
        case "dropout":
            values[rows, sensor] = 0.0
        case "noise":
            values[rows, sensor] += size * np.random.default_rng(begin).normal(size=end - begin)
        case "drift":
            values[rows, sensor] += np.linspace(0.0, 2 * size, end - begin)


ONE_FAULT = st.tuples(
    st.sampled_from(FAULTS),
    st.integers(0, 4),
    st.integers(0, 500),
    st.integers(3, 400),
    st.floats(4.0, 30.0),
    st.sampled_from([1.0, -1.0]),
)
# The peak of the first is of s1, and s2 has most of the blame in the end.
PEAK_OF_ANOTHER = [("spike", 1, 0, 10, 30.0, 1.0), ("step", 2, 5, 400, 8.0, -1.0)]


@example(3, 4, PEAK_OF_ANOTHER)
@given(st.integers(0, 20), st.integers(2, 5), st.lists(ONE_FAULT, min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_blame_direction_and_text_of_an_incident_never_contradict_each_other(seed, sensors, faults):
    values = machine_with_modes(2000, sensors, seed)
    for kind, sensor, begin, length, size, sign in faults:
        broken(values, kind, sensor % sensors, 1000 + begin, 1000 + begin + length, sign * size)
    engine, scores = live(values)
    for news in scores.news:
        agrees(news.incident.why, news.incident.sensors)
        fields = incidents.fields(news)
        assert fields["cause"] == news.incident.sensors[0].sensor
    alarms = np.flatnonzero(scores.severity > 0)
    told = engine.explain(scores, alarms)
    for number, (row, text) in enumerate(zip(alarms, engine.why(scores, alarms), strict=True)):
        own = told.row == number
        cause = int(scores.cause[row])
        if cause not in told.line[own]:
            continue
        assert told.share[own][told.line[own] == cause] == pytest.approx(told.share[own].max())
        value, expected = (float(each[own][told.line[own] == cause][0]) for each in (told.value, told.expected))
        direction = "high" if value > expected else "low" if value < expected else ""
        agrees(text, [Part(f"s{cause}", 1.0, direction)])


def agrees(why, parts):
    """The first who is blamed is explained, nobody else is named, and the figures say what the direction does."""
    assert set(re.findall(r"\bs\d\b", why)) == {parts[0].sensor}
    found = re.match(r"s\d (\S+?)(?:, (above the |below the |)expected (\S+) to (\S+))?; ", why)
    assert found, why
    value, side, low, high = found.groups()
    if side is None:  # learning: nothing is expected yet
        return
    value, low, high = float(value), float(low), float(high)
    assert (value > high, value < low) == (side == "above the ", side == "below the "), why
    leaning = {"high": 1, "low": -1, "": 0}[parts[0].direction]
    if side:
        assert leaning in (0, 1 if value > high else -1), (why, parts)
    slack = 0.51 * 10.0 ** -len(found[1].partition(".")[2])  # of rounding
    assert leaning * (value - (low + high) / 2) >= -2 * slack, (why, parts)


def test_an_incident_quotes_the_reading_that_was_the_farthest_off_and_counts_its_time_from_row_to_row():
    values = machine_with_modes(2000, 4, 3)
    values[1200:1600, 2] -= 12.0
    engine, scores = live(values[:1590])
    one = engine.incident(0)
    assert one.sensors[0][::2] == ("s2", "low")
    assert "below the expected" in one.why
    assert one.why.endswith("disagrees with the other sensors for 6 min")
    told = engine.explain(scores, 1200 + np.flatnonzero(scores.severity[1200:] > 0))
    off = np.where(told.line == 2, (told.expected - told.value) / (told.high - told.expected), 0.0)
    assert float(one.why.split()[1].rstrip(",")) == pytest.approx(told.value[np.argmax(off)], abs=0.6)


def test_a_unit_that_is_configured_stands_behind_the_value():
    values = machine_with_modes(1600, 4, 3)
    values[1500:, 1] += 12.0
    engine, _ = live(values, rule=lambda name: MachineRule(sensors={"s1": Sensor(unit="l/min")}))
    assert re.match(r"s1 \S+ l/min, above the expected ", engine.incident(0).why)


def test_sensors_are_written_at_a_change_and_now_and_then_also_in_alarm():
    written, _ = points(TROUBLED, every_ns=10 * SECOND)
    machine = [point for point in written if point.measurement == "machine"]
    times = sorted({point.time_ns for point in written if point.measurement == "sensor"})
    assert set(times) <= {point.time_ns for point in machine}, "only beside the machine's point"
    told = [(point.time_ns, (point.fields["severity"], point.fields["state"])) for point in machine]
    changed = {time for (_, a), (time, b) in itertools.pairwise(told) if a != b}
    assert changed <= set(times)
    alarm = [time for time, (severity, _) in told if severity]
    assert len(alarm) > 100
    assert sum(time in alarm for time in times) < len(alarm) / 4
    close = [time for before, time in itertools.pairwise(times) if time - before < 10 * SECOND]
    assert all(time in changed for time in close)
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
