"""Payload decoding: golden samples, what any bytes give, and the bounds on what one message may cost."""

import json
import math
from pathlib import Path
from typing import get_args, get_type_hints

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.config.file import load
from pipeline.config.settings import Source, Times
from pipeline.payloads import MAX_ROUTES, PAYLOADS, Cause, Decoded, Decoder
from pipeline.payloads.decoded import DETAILED, MAX_NAMES, Refusal
from pipeline.payloads.json_object import JsonObject
from pipeline.records import MAX_MAGNITUDE, Machine, Message, Reading

NOW_NS = 1_717_000_000_000_000_000  # 2024-05-29T16:26:40Z
CASES = Path(__file__).parent / "payloads"
ONE_MEGABYTE = 1_048_576


def decode(source: Source, topic: str, payload: bytes) -> Decoded:
    return Decoder((source,), Times(), ONE_MEGABYTE).decode(Message(topic, payload, NOW_NS))


def causes(decoded: Decoded) -> list[str]:
    return [refusal.cause.value for refusal in decoded.refused]


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_golden_payload_gives_exactly_its_readings_and_refusals(case: str) -> None:
    folder = CASES / case
    config = load(folder / "source.yaml", {})
    (payload,) = folder.glob("payload.*")
    topic = (folder / "topic.txt").read_text().rstrip("\n")
    expected = json.loads((folder / "expected.json").read_text())
    decoder = Decoder(config.mqtt.sources, config.times, config.limits.message_bytes)
    message = Message(topic, payload.read_bytes(), NOW_NS)
    for _ in range(2):  # the second time the decoder remembers topics and names
        decoded = decoder.decode(message)
        readings = [[*reading.machine, *reading[1:]] for reading in decoded.readings]
        right = [[name, tuple(sorted(tags.items())), *rest] for name, tags, *rest in expected["readings"]]
        if case.startswith("waveform"):  # the last digits of a transform go by the processor
            values = [reading.pop() for reading in readings]
            assert values == pytest.approx([reading.pop() for reading in right], rel=1e-9, abs=1e-9)
        assert readings == right
        assert causes(decoded) == expected["refused"]


def test_every_format_of_the_configuration_has_a_decoder() -> None:
    assert set(PAYLOADS) == set(get_args(get_type_hints(Source)["payload"]))


SOURCES = [
    Source("t/{machine}/{sensor}", payload="number"),
    Source("t/{machine}/{sensor}", payload="json"),
    Source("t/{machine}/{sensor}", payload="json", time="ts"),
    Source("t/{machine}/+", payload="json"),
    Source("t/{machine}/+", payload="json", time="a.ts", samples="a.values"),
    Source("t/+/+", payload="json", time="ts", time_unit="ms"),
    Source("t/+/+", payload="json", machine="machine", samples="values"),
    Source("t/+/{sensor}", payload="json", time="ts", time_unit="iso"),
]
KEYS = st.sampled_from(["a", "b", "ts", "value", "values", "machine", "", "a/b", "a.b", "\ud800", "x" * 200])
SCALARS = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.integers(1_716_999_000, 1_717_000_000)
    | st.text(max_size=5)
    | st.sampled_from(["2024-05-29T16:26:40Z", "0001-01-01T00:00:00+14:00", 10**400, -(10**101), "press-1"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=30
)


def check(decoded: Decoded) -> None:
    """What holds for every message."""
    assert decoded.readings or decoded.refused
    assert all(type(reading) is Reading and type(reading.value) is float for reading in decoded.readings)
    assert all(math.isfinite(reading.value) for reading in decoded.readings)
    assert all(abs(reading.value) <= MAX_MAGNITUDE for reading in decoded.readings)
    assert all(type(reading.time_ns) is int for reading in decoded.readings)
    assert all(type(refusal.cause) is Cause for refusal in decoded.refused)
    assert all(refusal.detail.isprintable() for refusal in decoded.refused)
    rows = [(reading.machine, reading.time_ns) for reading in decoded.readings]
    borders = [row for number, row in enumerate(rows) if number == 0 or row != rows[number - 1]]
    assert len(borders) == len(set(borders)), "readings of one machine and time must be adjacent"


@given(st.sampled_from(SOURCES), st.binary(max_size=200))
@example(SOURCES[0], b"\x00")
@example(SOURCES[0], b"9" * 100_000)
@example(SOURCES[1], b"9" * 100_000)
@example(SOURCES[3], b"[" * 100_000)
@example(SOURCES[3], b'{"a":' * 100_000)
@example(SOURCES[3], b'{"a":1,"a":' + b"[" * 100_000)
@example(SOURCES[3], b'{"a":"\\ud800"}')
@example(SOURCES[3], b'{"\\ud800":1}')
@example(SOURCES[3], b'{"a":1e400,"b":-1e400,"c":' + b"9" * 5000 + b"}")
@settings(deadline=None)
def test_any_bytes_give_readings_or_documented_refusals(source: Source, payload: bytes) -> None:
    check(decode(source, "t/press-1/temp", payload))


@given(st.sampled_from(SOURCES), VALUES)
@settings(deadline=None)
def test_any_json_gives_readings_or_documented_refusals(source: Source, value: object) -> None:
    payload = json.dumps(value).encode()
    decoded = decode(source, "t/press-1/temp", payload)
    check(decoded)
    if source.payload == "json":
        assert "not_json" not in causes(decoded)
        # White space defeats the quick look for duplicate keys, so this takes the other decoder.
        spaced = decode(source, "t/press-1/temp", json.dumps(value, separators=(" , ", " : ")).encode())
        assert spaced.readings == decoded.readings
        assert causes(spaced) == causes(decoded)


@given(st.text(max_size=30))
def test_any_topic_gives_readings_or_documented_refusals(topic: str) -> None:
    for source in SOURCES:
        check(decode(source, topic, b"1"))
        check(decode(source, f"t/{topic}/temp", b"1"))


PAIRS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "ts:", '"', "\\"]), st.sampled_from(["1", '":"', '"\\u003a"', '{"a":2}'])),
    max_size=6,
)


@given(PAIRS, st.sampled_from([":", ": ", " :", "\n:"]))
def test_a_duplicate_key_is_always_counted_and_its_last_value_kept(pairs: list[tuple[str, str]], colon: str) -> None:
    payload = "{" + ",".join(f"{json.dumps(key)}{colon}{value}" for key, value in pairs) + "}"
    decoded = decode(Source("t/{machine}", payload="json"), "t/press-1", payload.encode())
    assert causes(decoded).count("duplicate_key") == len(pairs) - len({key for key, _ in pairs})
    found = {reading.sensor: reading.value for reading in decoded.readings}
    for key, value in dict(pairs).items():
        assert found.get(key) == (1.0 if value == "1" else None)


@pytest.mark.parametrize("bad", ["NaN", "null", '"12.5"', "1e999", "true", "[1]", "-Infinity", "9" * 5000])
def test_a_bad_value_disturbs_no_other_reading_of_its_message(bad: str) -> None:
    payload = f'{{"a": 1.25, "bad": {bad}, "ts": 1716999990123456789, "b": {{"c": 2, "bad": {bad}}}}}'
    decoded = decode(Source("t/{machine}", payload="json", time="ts"), "t/press-1", payload.encode())
    machine, time_ns = Machine("press-1"), 1_716_999_990_123_456_789
    assert decoded.readings == [Reading(machine, "a", time_ns, 1.25), Reading(machine, "b.c", time_ns, 2.0)]
    assert len(decoded.refused) == 2
    assert len(set(causes(decoded))) == 1


def test_a_bad_time_around_samples_does_not_refuse_samples_with_a_time_of_their_own() -> None:
    source = Source("t/{machine}", payload="json", time="ts", samples="rows")
    payload = b'{"ts": "never", "rows": [{"ts": 1716999990, "a": 1}, {"a": 2}]}'
    decoded = decode(source, "t/press-1", payload)
    assert [reading.value for reading in decoded.readings] == [1.0]
    assert causes(decoded) == ["bad_time"]


def test_a_hostile_message_is_counted_in_full_and_told_in_part() -> None:
    decoded = decode(Source("t/{machine}", payload="json"), "t/press-1", b"[" + b"1," * 50_000 + b"1]")
    assert causes(decoded) == ["shape"] * 50_001
    assert len({id(refusal) for refusal in decoded.refused}) == DETAILED + 1


def test_a_long_key_is_not_copied_into_the_name_of_every_value_within() -> None:
    inside = b",".join(b'"%d":1' % number for number in range(40_000))
    payload = b'{"' + b"x" * 500_000 + b'":{' + inside + b'},"a":1}'
    decoded = decode(Source("t/{machine}", payload="json"), "t/press-1", payload)
    assert [reading.sensor for reading in decoded.readings] == ["a"]
    assert causes(decoded) == ["bad_name"]


def test_what_the_decoder_remembers_is_bounded() -> None:
    source = Source("t/{site}", payload="json", machine="machine")
    decoder = Decoder((source,), Times(), ONE_MEGABYTE)
    for number in range(MAX_ROUTES + 10):
        payload = b'{"machine":%d,"s%d":1}' % (number, number)
        decoded = decoder.decode(Message(f"t/{number}", payload, NOW_NS))
        assert decoded.readings == [
            Reading(Machine(str(number), (("site", str(number)),)), f"s{number}", NOW_NS, 1.0)
        ]
    form = decoder._formats[0][1]
    assert isinstance(form, JsonObject)
    assert len(decoder._routes) <= MAX_ROUTES
    assert len(form.tree.layout.names) <= MAX_NAMES
    assert len(form.tree.layout.machines) <= MAX_NAMES
    decoder.decode(Message("t/" + "x" * 60_000, b"1", NOW_NS))
    assert all(len(topic) < 600 for topic in decoder._routes)


def test_the_first_source_that_matches_counts() -> None:
    sources = (Source("t/{machine}/{sensor}"), Source("t/{machine}/+", payload="json"))
    decoded = Decoder(sources, Times(), ONE_MEGABYTE).decode(Message("t/press-1/temp", b"[]", NOW_NS))
    assert causes(decoded) == ["not_number"]


def test_a_sample_without_its_time_field_gets_the_time_of_arrival_where_the_source_says_so():
    source = Source(topic="plant/{machine}", payload="json", time="time", time_missing="arrival")
    decoder = Decoder((source,), Times(), 10_000)
    arrival = 1_717_000_000 * 10**9
    stamps = [
        decoder.decode(Message("plant/m", payload, arrival)).readings[0].time_ns
        for payload in (b'{"temp": 1}', b'{"time": 1716999999, "temp": 2}')
    ]
    assert stamps == [arrival, 1_716_999_999 * 10**9]


def test_a_message_whose_payload_was_too_large_to_be_held_is_refused_as_such():
    decoder = Decoder((Source(topic="plant/{machine}/{sensor}"),), Times(), ONE_MEGABYTE)
    decoded = decoder.decode(Message("plant/m/s", b"", NOW_NS, skipped=200_000_000))
    assert decoded == ((), [Refusal(Cause.TOO_LARGE, "200000000 bytes")], ())


def test_a_header_of_a_megabyte_with_one_name_is_one_refusal():
    source = Source("t/{machine}", payload="csv")
    assert causes(decode(source, "t/press-1", b"a," * 500_000)) == ["duplicate_key"]


def test_a_quality_that_json_does_not_know_is_refused_as_any_other():
    source = Source("t/{machine}", payload="cbor", quality="q")
    assert causes(decode(source, "t/press-1", cbor2.dumps({"temp": 1.5, "q": b"\x00"}))) == ["bad_quality"]
