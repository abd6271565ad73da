"""Formats beside JSON and numbers: any bytes, bounds, settings, and one message by hand for each way to set them."""

import csv
import io
import json
import math
import time
import zlib

import cbor2
import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_payloads import causes, check, decode

from pipeline.config.file import ConfigError, parsed
from pipeline.config.settings import Source
from pipeline.payloads import PAYLOADS

ONE_MEGABYTE = 1_048_576
TREES = [
    Source("t/{machine}/+", payload="cbor"),
    Source("t/+/{sensor}", payload="cbor", machine="machine", samples="values", time="ts"),
    Source("t/{machine}/+", payload="msgpack", time="ts", time_missing="arrival"),
    Source("t/{machine}/{sensor}", payload="msgpack"),
]
TEXTS = [
    Source("t/{machine}/+", payload="influx"),
    Source("t/+/{sensor}", payload="influx", machine="m", tags=("a",), measurement=False, time_unit="ms"),
    Source("t/{machine}/+", payload="csv"),
    Source(
        "t/+/{sensor}",
        payload="csv",
        columns=("ts", "m", "value", ""),
        time="ts",
        machine="m",
        separator=";",
        decimal=",",
    ),
    Source("t/{machine}/+", payload="senml"),
    Source("t/+/{sensor}", payload="senml"),
]
WRAPPED = [Source("t/{machine}/{sensor}", compression=one) for one in ("gzip", "zlib", "auto")]  # type: ignore[arg-type]
TOPIC = "t/press-1/temp"


@given(st.sampled_from([*TREES, *TEXTS, *WRAPPED]), st.binary(max_size=200))
@example(TREES[0], b"\x81" * 100_000)
@example(TREES[0], b"\xbf" * 100_000)
@example(TREES[0], b"\xd8\x1c" * 50_000)
@example(TREES[2], b"\x91" * 100_000)
@example(TREES[2], b"\xdd\x00\x0f\xff\xf0" * 500 + b"\xc0" * 100_000)
@example(TEXTS[4], b"[" * 100_000)
@example(TEXTS[2], b'"' * 100_001)
@example(WRAPPED[2], b"\x1f\x8b" * 50_000)
@settings(deadline=None)
def test_any_bytes_give_readings_or_counted_refusals(source: Source, payload: bytes) -> None:
    check(decode(source, TOPIC, payload))


KEYS = st.sampled_from(["a", "b", "ts", "value", "values", "machine", "", "a/b", "x" * 200, 1, -(2**63), b"k"])
LEAVES = st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=3)
VALUES = st.recursive(
    LEAVES | st.text(max_size=3), lambda one: st.lists(one, max_size=4) | st.dictionaries(KEYS, one, max_size=4)
)


@given(st.sampled_from(TREES), VALUES)
@settings(deadline=None)
def test_any_tree_gives_readings_or_counted_refusals(source: Source, tree: object) -> None:
    check(decode(source, TOPIC, cbor2.dumps(tree) if source.payload == "cbor" else msgpack.dumps(tree)))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**31), 2**31),
    lambda one: (
        st.lists(one, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "ts", "x.y"]), one, max_size=3)
    ),
)


@given(PLAIN)
@settings(deadline=None)
def test_cbor_and_messagepack_say_what_json_says(tree: object) -> None:
    told = [
        decode(Source("t/{machine}/+", payload=payload, time="ts", time_missing="arrival"), TOPIC, content)
        for payload, content in (
            ("json", json.dumps(tree).encode()),
            ("cbor", cbor2.dumps(tree)),
            ("msgpack", msgpack.dumps(tree)),
        )
    ]
    assert told[1] == told[0]
    assert told[2] == told[0]


NAMES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='\\"#'), min_size=1, max_size=6)


def escaped_for_lines(name: str) -> str:
    return name.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


@given(
    NAMES,
    st.dictionaries(NAMES, NAMES, max_size=2),
    st.dictionaries(NAMES, st.floats(-1e99, 1e99) | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3),
)
@settings(deadline=None)
def test_every_line_that_is_written_by_the_rules_is_read(
    measurement: str, tags: dict[str, str], fields: dict[str, float]
) -> None:
    series = "".join(f",{escaped_for_lines(key)}={escaped_for_lines(value)}" for key, value in tags.items())
    values = ",".join(
        f"{escaped_for_lines(key)}={f'{value}i' if isinstance(value, int) else repr(value)}"
        for key, value in fields.items()
    )
    line = f"{escaped_for_lines(measurement).replace(chr(92) + '=', '=')}{series} {values} 1716999990000000000"
    decoded = decode(Source("t/{machine}/+", payload="influx"), TOPIC, line.encode())
    assert causes(decoded) == []
    assert [reading.value for reading in decoded.readings] == [float(value) for value in fields.values()]
    assert all(reading.time_ns == 1_716_999_990_000_000_000 for reading in decoded.readings)


@given(st.lists(st.floats(-1e99, 1e99), min_size=1, max_size=5), st.sampled_from([",", ";", "tab", "|"]))
def test_every_row_that_is_written_by_the_csv_module_is_read(row: list[float], separator: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if separator == "tab" else separator)
    writer.writerow([f"s {number}" for number in range(len(row))])
    writer.writerow(row)
    source = Source("t/{machine}/+", payload="csv", separator=separator)
    decoded = decode(source, TOPIC, text.getvalue().encode())
    assert [(reading.sensor, reading.value) for reading in decoded.readings] == [
        (f"s {number}", value) for number, value in enumerate(row)
    ]


@given(st.binary(max_size=100), st.sampled_from([9, 15, 31]), st.integers(0, 100))
def test_what_is_unwrapped_is_what_was_wrapped_or_refused(content: bytes, window: int, cut: int) -> None:
    packer = zlib.compressobj(wbits=window)
    wrapped = packer.compress(content) + packer.flush()
    source = Source("t/{machine}/{sensor}", compression="gzip" if window == 31 else "zlib")
    whole = decode(source, TOPIC, wrapped)
    plain = decode(Source("t/{machine}/{sensor}"), TOPIC, content)
    assert whole == plain
    if 0 < cut < len(wrapped):
        assert causes(decode(source, TOPIC, wrapped[:cut])) == ["not_compressed"]


def colliding() -> list[bytes]:
    """A million bytes each, whose tables take quadratic time where their keys are taken as they are."""
    # Integers that leave the same remainder have the same hash.
    large = b"".join(b"\xc2\x50" + (number * (2**61 - 1)).to_bytes(16) + b"\x01" for number in range(1, 50_000))
    arrays = b"".join(b"\x82\x01" + b"\x1b" + number.to_bytes(8) + b"\x01" for number in range(50_000))
    return [b"\xbf" + large + b"\xff", b"\xbf" + arrays + b"\xff"]


@pytest.mark.parametrize("payload", colliding(), ids=["large-integers", "arrays"])
def test_a_map_with_hostile_keys_is_refused_in_time(payload: bytes) -> None:
    begin = time.thread_time()
    assert causes(decode(TREES[0], TOPIC, payload[:ONE_MEGABYTE])) == ["not_cbor"]
    assert time.thread_time() - begin < 2.0


def test_small_payloads_that_would_unfold_into_large_ones_do_not() -> None:
    shared = b"\x82" + b"\xd8\x1c\x80" + b"\x8a" + b"\xd8\x1d\x00" * 10  # one array, told eleven times
    assert causes(decode(TREES[0], TOPIC, b"\xa1\x61a" + shared)) == ["shape"]
    bomb = zlib.compress(b"1" * (ONE_MEGABYTE + 1))
    assert causes(decode(WRAPPED[1], TOPIC, bomb)) == ["too_large"]


def test_long_numbers_take_no_time_and_are_told() -> None:
    digits = "9" * 300_000
    for source, payload in (
        (TEXTS[0], f"k a={digits},b={digits}i,c=0.{digits}"),
        (TEXTS[2], f"a,b\n0.{digits[:100_000]},{digits[:100_000]}"),
    ):
        decoded = decode(source, TOPIC, payload.encode())
        assert all(math.isfinite(reading.value) for reading in decoded.readings)
        assert set(causes(decoded)) == {"magnitude"}


@pytest.mark.parametrize(
    ("settings_", "told"),
    [
        ("payload: number, columns: [a]", "columns: has no meaning for payload number (for csv)"),
        ("payload: json, tags: [a]", "tags: has no meaning for payload json (for influx)"),
        ("payload: influx, samples: a", "samples: has no meaning for payload influx"),
        ("payload: csv, separator: ab", "separator: is not one character"),
        ("payload: csv, decimal: ','", "separator: is the decimal sign too"),
        ("payload: csv, columns: [a, a]", "columns: names a column twice"),
        ("payload: csv, columns: [a], time: b", "time: 'b' is none of the columns"),
        ("payload: influx, time_unit: iso", "time_unit: line protocol has no such times"),
        ("payload: sparkplug", "topic: sparkplug topics say themselves"),
        ("payload: json, compression: bzip2", "compression: is not one of none, gzip, zlib, auto"),
    ],
)
def test_a_setting_that_its_format_does_not_heed_is_an_error_that_names_it(settings_: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.sources\[0\]") as error:
        parsed(f"mqtt: {{sources: [{{topic: 'a/{{machine}}/{{sensor}}', {settings_}}}]}}", "plant.yaml", {})
    assert told in str(error.value)


@pytest.mark.parametrize("topic", ["plant/#", "spBv1.0/plant/edge", "spBv1.0"])
def test_sparkplug_needs_a_topic_of_its_own(topic: str) -> None:
    with pytest.raises(ConfigError, match="needs topics of Sparkplug B"):
        parsed(f"mqtt: {{sources: [{{topic: '{topic}', payload: sparkplug}}]}}", "plant.yaml", {})


def test_every_format_has_golden_payloads_hostile_ones_among_them() -> None:
    from test_payloads import CASES

    for payload in PAYLOADS:
        cases = [case for case in CASES.iterdir() if f"payload: {payload}\n" in (case / "source.yaml").read_text()]
        refused = [json.loads((case / "expected.json").read_text())["refused"] for case in cases]
        assert any(refused), payload
        assert not all(refused), payload
