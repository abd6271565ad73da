"""What a source can say of its payloads: clocks that change, numbers as text, rules by sensor; and wrong settings."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_payloads import NOW_NS, ONE_MEGABYTE, VALUES, causes, check, decode

from pipeline.config.file import parsed
from pipeline.config.settings import ConfigError, Source, Times
from pipeline.payloads import Decoder
from pipeline.payloads.decoded import MAX_NAMES
from pipeline.payloads.json_object import JsonObject
from pipeline.payloads.stamps import WallClock
from pipeline.payloads.text_numbers import MAX_TEXT, number_of
from pipeline.records import Message

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def source(**settings_):
    return Source("t/{machine}/+", payload="json", **settings_)


SOURCES = [
    source(samples="values", sensor="a", value="b", quality="value", good=(True, None, 1), time="ts"),
    source(samples="{sensor}", value="value", number_text=True),
    source(samples="*.{sensor}", quality="a", good=(None,), ignore=("b*",)),
    source(row=("ts", "value", "b"), time="ts", time_zone="Europe/Berlin"),
    source(header="first_row", number_text=True, states={"*": ("a", "b", "ts")}),
    source(samples="values", header="a", sensor="b"),
    source(ignore=("*",)),
    source(missing=(0.0, 1.0), valid={"*": (-5.0, 5.0)}, states={"*": (False, True)}),
    source(time="ts", time_format="%d.%m.%Y %H:%M", time_missing="arrival"),
    Source("t/+/+", payload="json", samples="{machine}.values", time="ts"),
    Source("t/{machine}/{sensor+}", payload="json", sensor="a", value="b", quality="ts"),
    Source("t/{machine}/{sensor+}", number_text=True, states={"*": ("a", "b")}, ignore=("b",), missing=(1.0,)),
]


@given(st.sampled_from(SOURCES), VALUES)
@example(SOURCES[3], [[[[[[[[[[1]]]]]]]]]])
@example(SOURCES[2], {"a": {"b": {"a": 1}}})
@example(SOURCES[0], {"values": [{"a": "\ud800", "b": 1, "value": "x" * 500, "ts": 1_716_999_990}]})
@settings(deadline=None)
def test_any_json_gives_readings_or_documented_refusals_whatever_the_source_says(one, value):
    check(decode(one, "t/press-1/temp", json.dumps(value).encode()))


@given(st.sampled_from(SOURCES), st.binary(max_size=100))
@example(SOURCES[11], "\u22125\u202fbar".encode())
@example(SOURCES[11], b"\xff" * 1025)
@settings(deadline=None)
def test_any_bytes_give_readings_or_documented_refusals_whatever_the_source_says(one, payload):
    check(decode(one, "t/press-1/temp", payload))


def test_what_a_source_remembers_of_names_is_bounded():
    decoder = Decoder((source(samples="{sensor}", ignore=("x",), missing=(-1.0,)),), Times(), ONE_MEGABYTE)
    for begin in range(0, MAX_NAMES + 1_000, 500):
        payload = json.dumps({f"s{number}": 1 for number in range(begin, begin + 500)}).encode()
        assert len(decoder.decode(Message("t/press-1/x", payload, NOW_NS)).readings) == 500
    _, form, rules, _ = decoder._formats[0]
    assert isinstance(form, JsonObject)
    assert len(rules._known) <= MAX_NAMES
    assert len(form.tree.layout.rules._known) <= MAX_NAMES


def test_a_long_quality_or_name_is_not_repeated_for_every_sample_within():
    one = source(samples="rows", sensor="name", quality="q")
    for payload in ({"name": "n" * 300_000}, {"q": "q" * 300_000, "name": "a"}):
        refused = decode(one, "t/press-1/x", json.dumps({**payload, "rows": [{"a": 1}] * 20_000}).encode()).refused
        assert len(refused) == 20_000
        assert all(len(refusal.detail) <= 80 for refusal in refused)


# --- clocks


def nanoseconds(moment):
    """Unix nanoseconds of a time of whole seconds, or of what a clock shows as if it were UTC."""
    return (moment.replace(tzinfo=moment.tzinfo and UTC) - EPOCH) // timedelta(seconds=1) * SECOND_NS


@pytest.mark.parametrize(
    ("zone", "night"),
    [
        ("America/Chicago", datetime(2026, 11, 1, 4, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 3, 28, 22, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 12, tzinfo=UTC)),  # goes back half an hour
    ],
)
def test_what_arrives_as_it_happens_has_its_time_through_the_night_when_the_clock_changes(zone, night):
    clock, tz = WallClock(zone), ZoneInfo(zone)
    moments = [night + timedelta(minutes=minute) for minute in range(360)]
    found = [
        clock.unix_ns(nanoseconds(moment.astimezone(tz)), nanoseconds(moment) + 2 * SECOND_NS) for moment in moments
    ]
    assert found == [nanoseconds(moment) for moment in moments]


def test_of_an_hour_that_occurs_twice_the_earlier_is_meant_where_the_arrival_does_not_tell():
    clock = WallClock("America/Chicago")
    wall_ns = nanoseconds(datetime(2026, 11, 1, 1, 30, tzinfo=UTC))
    earlier, later = wall_ns + 5 * HOUR_NS, wall_ns + 6 * HOUR_NS
    assert clock.unix_ns(wall_ns, earlier + 400 * HOUR_NS) == earlier
    assert clock.unix_ns(wall_ns, earlier - 1) == earlier
    assert clock.unix_ns(wall_ns, later - HOUR_NS // 2 - 1) == earlier
    assert clock.unix_ns(wall_ns, later - HOUR_NS // 2) == later
    assert clock.unix_ns(wall_ns, later + HOUR_NS // 2) == later
    assert clock.unix_ns(wall_ns, later + HOUR_NS // 2 + 1) == earlier


@given(
    st.sampled_from(["Europe/Berlin", "America/Chicago", "Asia/Tokyo", "Pacific/Apia", "Africa/Casablanca"]),
    st.integers(946_771_200, 2_524_521_600),
    st.integers(0, 10**18),
)
@example("Pacific/Apia", 1_325_246_400, 0)  # 30 December 2011, a day that Samoa left out
@settings(deadline=None)
def test_a_wall_clock_gives_a_time_at_which_it_shows_that_or_says_that_there_was_none(zone, second, received_ns):
    tz = ZoneInfo(zone)
    shown = EPOCH + timedelta(seconds=second)
    there = [
        shown.replace(tzinfo=tz, fold=fold).astimezone(UTC).astimezone(tz).replace(tzinfo=UTC) == shown
        for fold in (0, 1)
    ]
    try:
        found_ns = WallClock(zone).unix_ns(second * SECOND_NS, received_ns)
    except ValueError:
        assert not any(there)
        return
    assert any(there)
    found = EPOCH + timedelta(seconds=found_ns // SECOND_NS)
    assert found.astimezone(tz).replace(tzinfo=UTC) == shown


# --- numbers as text


@given(st.floats(-1e9, 1e9), st.sampled_from(["", " bar", "kWh", " m3/h", "\u00a0°C"]), st.booleans())
def test_a_number_as_text_is_that_number_with_a_point_or_a_comma_and_with_a_unit_or_none(value, unit, comma):
    text, grouped = f"{value:.4f}", f"{value:,.2f}"
    swap = str.maketrans(".,", ",.") if comma else {}
    assert number_of(text.translate(swap) + unit) == float(text)
    if abs(value) >= 1000:
        assert number_of(grouped.translate(swap) + unit) == float(f"{value:.2f}")


@given(st.text(alphabet="0123456789.,-+eE barm/°%x \u2212", max_size=70) | st.text(max_size=MAX_TEXT))
@example("9" * MAX_TEXT)
@example("1e999")
@example("\u0663")
def test_any_text_is_one_number_or_none_and_plain_digits_are_what_they_are(text):
    number = number_of(text)
    if text.isascii() and text.isdecimal() and len(text) <= MAX_TEXT:
        assert number == float(text)
    if number is not None:
        assert any(sign in "0123456789" for sign in text)


@pytest.mark.parametrize(
    "text",
    ["1.2.3", "1,234,567", "12:30", "2026-01-04", "0x1F", "3 errors", "0417A", "B-77", "5.", "1.23,456,7", "1_000",
     "", "NaN", "inf", "12,34,567.8", "1.2345,6", "5 bar gauge", "+-5", "0,123.5"],
)  # fmt: skip
def test_a_text_that_may_be_something_else_is_no_number(text):
    assert number_of(text) is None


# --- what is wrong on paper


def problems(*lines, topic="t/{machine}", payload="json"):
    """What is wrong with a source, as `key: message`."""
    text = f"mqtt:\n  sources:\n    - topic: {json.dumps(topic)}\n      payload: {payload}\n"
    try:
        parsed(text + "".join(f"      {line}\n" for line in lines), "plant.yaml", {})
    except ConfigError as error:
        found = error.problems
    else:
        return []
    assert all(problem.line >= 3 for problem in found)
    return [f"{problem.key.removeprefix('mqtt.sources[0].')}: {problem.message}" for problem in found]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["good: [true]"], "good: needs quality, the path"),
        (["quality: q", "good: []"], "good: is empty"),
        (["quality: q", "good: [[1]]"], "good[0]: is not a single value"),
        (["value: v"], "value: needs sensor"),
        (["samples: a..b"], "samples: 'a..b' is not a path"),
        (["sensor: '{sensor}'"], "sensor: {machine}, {sensor} and * are for samples"),
        (["samples: '{machine}.values'"], "samples: the topic names the machine already"),
        (["samples: '{sensor}'", "sensor: id"], "samples: sensor names the sensor already"),
        (["samples: 'a.{name}'"], "samples: only {machine} and {sensor} can be captured"),
        (["samples: '{sensor}.{sensor}'"], "samples: {sensor} is there twice"),
        (["row: [a, b]", "header: c"], "row: header says already"),
        (["row: [a, a]"], "row: needs a different name"),
        (["time_zone: Europe/Berlin"], "time_zone: needs time, the path"),
        (["time_format: '%Y-%m-%d'"], "time_format: needs time, the path"),
        (["time: t", "time_zone: Europe/Berln"], "time_zone: 'Europe/Berln' is no time zone"),
        (["time: t", "time_zone: Europe/Berlin", "time_unit: ms"], "time_zone: a time in ms since 1970 has no zone"),
        (["time: t", "time_format: '%Y-%m-%d'", "time_unit: s"], "time_unit: time_format says already"),
        (["time: t", "time_format: '%H:%M:%S'"], "time_format: says no whole date"),
        (["time: t", "time_format: 'DD.MM.YYYY'"], "time_format: says no whole date"),
        (["time: t", "time_format: '%Y-%m-%d %I:%M'"], "time_format: needs either %H, or %I with %p"),
        (["time: t", "time_format: '%Y-%m-%d %Q'"], "time_format: %Q is none of"),
        (["time: t", "time_format: '%Y-%Y-%m-%d'"], "time_format: %Y is there twice"),
        (["time: t", "time_format: '%Y-%m-%d %H:%M:%S%'"], "time_format: % is none of"),
        (["ignore: ['']"], "ignore: has an empty pattern"),
        (["missing: [.nan]"], "missing: only finite numbers"),
        (["missing: [none]"], "missing[0]: is not a number"),
        (["valid: {temp: [5, -5]}"], "valid.temp: is not a range"),
        (["valid: {temp: }"], "valid.temp: is not a range"),
        (["valid: {'*': [0, 1], temp: [0, 2]}"], "valid: what follows * is never reached"),
        (["states: {valve: [OPEN]}"], "states.valve: needs two words"),
        (["states: {valve: [OPEN, open]}"], "states.valve: has a word twice"),
        (["states: {valve: [0, 1]}"], "states.valve[0]: is not text, true or false"),
        (["retained: maybe"], "retained: is not one of refuse, accept"),
    ],
)
def test_a_contradiction_is_an_error_that_names_its_key(lines, expected):
    found = problems(*lines)
    assert any(problem.startswith(expected) for problem in found), found


@pytest.mark.parametrize("line", ["sensor: a", "value: v", "quality: q", "row: [a, b]", "header: h", "samples: s"])
def test_a_bare_number_has_no_fields_nor_a_quality(line):
    found = problems(line, topic="t/{machine}/{sensor}", payload="number")
    assert f"{line.partition(':')[0]}: a payload number has no fields (payload: json)" in found
    assert problems("good: [3]", topic="t/{machine}/{sensor}", payload="number")[0].startswith("good: needs quality")


@pytest.mark.parametrize(
    "form",
    ["%d.%m.%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f%z", "%d %b %y", "%I:%M %p on %A, %d. %B %Y", "%Y%j", "100%% %d%m%y"],
)  # fmt: skip
def test_a_format_that_passes_reads_what_it_writes(form):
    assert problems("time: t", f"time_format: {json.dumps(form)}") == []
    text = datetime(2024, 5, 28, 16, 26, 30, 250_000, UTC).strftime(form)
    one = msgspec.structs.replace(source(), time="t", time_format=form)
    (reading,) = decode(one, "t/press-1/x", json.dumps({"t": text, "a": 1}).encode()).readings
    assert (EPOCH + timedelta(microseconds=reading.time_ns // 1000)).strftime(form) == text


def test_every_yaml_block_of_the_documentation_is_a_sound_configuration():
    text = (Path(__file__).parents[1] / "docs" / "inputs.md").read_text()
    blocks = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]
    assert len(blocks) >= 12
    for block in blocks:
        lines = "".join(f"    {line}\n" for line in block.splitlines())
        parsed(block if block.startswith("mqtt:") else f"mqtt:\n  sources:\n{lines}", "inputs.md", {})


def test_a_state_or_quality_that_is_not_listed_is_named():
    one = source(states={"valve": ("CLOSED", "OPEN")}, quality="q")
    (refusal,) = decode(one, "t/press-1/x", b'{"q": 192, "valve": "HALF"}').refused
    assert refusal == ("unknown_state", "valve: HALF")
    decoded = decode(one, "t/press-1/x", b'{"q": 64, "valve": "OPEN"}')
    assert causes(decoded) == ["bad_quality"]
    assert decoded.refused[0].detail == "q: 64"
