"""The payload `waveform`: what any bytes give, the bounds of one message, and settings that cannot work."""

import base64
import json
import math
import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_payloads import KEYS, NOW_NS, SCALARS, causes, check, decode

from pipeline.config.file import parsed
from pipeline.config.settings import Bearing, ConfigError, Source, Times, Waveform
from pipeline.config.waveforms import MAX_SAMPLES
from pipeline.payloads import Cause, Decoder
from pipeline.payloads.waveform import MOST_BLOCKS
from pipeline.payloads.why import WHY
from pipeline.records import Message
from pipeline.waveforms.refusals import Why

LINE = "t/{machine}/{sensor}"
SHAFT = {"unit": "g", "bands": ((10.0, 1000.0),), "bearing": Bearing(9, 7.94, 39.04)}


def source(topic=LINE, time=None, machine=None, samples=None, **waveform):
    return Source(
        topic, payload="waveform", time=time, machine=machine, samples=samples, waveform=Waveform(**waveform)
    )


RAW = [
    source(rate=4096.0, speed=1480.0, **SHAFT),
    source(rate=4096.0, type="int32", order="big", channels=("x", "y")),
    source(rate=4096.0, type="float32", scale=1e300),
    source(rate=1e-6, type="float64", order="big", unit="m/s2", speed=1e9, bearing=Bearing(9, 7.94, 39.04)),
]
TREES = [
    source(rate=4096.0, encoding="array", speed_path="rpm", **SHAFT),
    source("t/{machine}/+", samples="a", time="ts", rate=4096.0, encoding="array", channels=("x", "y")),
    source("t/+/+", machine="machine", samples="a.b", rate_path="b", encoding="array"),
    source("t/{machine}/+", samples="values", rate=4096.0, encoding="base64", type="float32"),
    source("t/+/+", samples="{machine}.{sensor}", rate=4096.0, encoding="array"),
    source("t/{machine}/+", samples="*", rate=4096.0, encoding="base64"),
    Source(
        "t/{machine}/+", payload="waveform", sensor="a", value="values", waveform=Waveform(rate=9.0, encoding="array")
    ),
]


@given(st.sampled_from(RAW), st.binary(max_size=1200))
@example(RAW[2], struct.pack("<f", 3e38) * 100)
@example(RAW[2], b"\x01\x00\xa0\x7f" * 100)  # signalling NaN
@example(RAW[3], struct.pack(">d", 1e-308) * 64 + struct.pack(">d", 5e-324) * 64)
@settings(deadline=None)
def test_any_bytes_give_features_or_documented_refusals(source: Source, payload: bytes) -> None:
    check(decode(source, "t/press-1/temp", payload))


@given(st.sampled_from(RAW), st.binary(min_size=8, max_size=8), st.integers(64, 300))
@settings(deadline=None)
def test_any_repeated_bytes_give_features_or_documented_refusals(source: Source, part: bytes, times: int) -> None:
    check(decode(source, "t/press-1/temp", part * times))


BLOCKS = (
    st.lists(st.floats() | st.integers(), min_size=64, max_size=80)
    | st.lists(SCALARS, max_size=80)
    | st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=64, max_size=70)
    | st.binary(max_size=400).map(lambda block: base64.b64encode(block).decode())
    | st.sampled_from([[[]], [{}], [[1, 2], 3], [10**400] * 64, [1] * 100, "AAA", "é", "=", ""])
)
NODES = st.recursive(
    SCALARS | BLOCKS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.just("rpm"), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(TREES), NODES)
@example(TREES[0], {"rpm": [1] * 64})
@example(TREES[1], {"a": [], "ts": 1_716_999_990})
@example(TREES[2], {"b": math.nan, "machine": "m", "a": {"b": [1, 2] * 64}})
@settings(deadline=None)
def test_any_json_gives_features_or_documented_refusals(source: Source, value: object) -> None:
    check(decode(source, "t/press-1/temp", json.dumps(value).encode()))


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"a":['])
def test_a_message_of_openings_is_refused(opening: bytes) -> None:
    for one in TREES:
        check(decode(one, "t/press-1/temp", opening * 100_000))


def test_a_message_costs_no_more_than_so_many_blocks() -> None:
    blocks = {f"s{number}": [1, 2] * 32 for number in range(5_000)}
    decoded = decode(source("t/{machine}/+", rate=100.0, encoding="array"), "t/m/x", json.dumps(blocks).encode())
    assert len({reading.sensor.partition(".")[0] for reading in decoded.readings}) == MOST_BLOCKS
    assert causes(decoded).count("too_large") == 5_000 - MOST_BLOCKS


def test_a_block_of_more_samples_than_allowed_is_refused_and_the_largest_is_measured() -> None:
    largest = np.arange(MAX_SAMPLES, dtype=">i4").tobytes()
    decoder = Decoder((RAW[1],), Times(), 100 * MAX_SAMPLES)
    assert len(decoder.decode(Message("t/m/s", largest, NOW_NS)).readings) == 12
    assert causes(decoder.decode(Message("t/m/s", largest + bytes(8), NOW_NS))) == ["too_large"]


def test_a_bad_time_is_counted_once_whatever_the_block_holds() -> None:
    one = source(time="ts", samples="data", rate=100.0, encoding="array")
    decoded = decode(one, "t/m/s", json.dumps({"ts": "never", "data": [1, 2] * 50}).encode())
    assert not decoded.readings
    assert causes(decoded) == ["bad_time"]


def test_every_reason_of_a_block_is_a_cause_that_is_explained() -> None:
    assert {why.value for why in Why} <= {cause.value for cause in Cause}
    assert set(WHY) == set(Cause)


def problems(text: str) -> list[str]:
    try:
        parsed(text, "plant.yaml", {})
    except ConfigError as error:
        return str(error).splitlines()
    return []


RATE = "rate: 25600"


@pytest.mark.parametrize(
    ("waveform", "expected"),
    [
        ("{}", "waveform.rate: is missing"),
        (f"{{{RATE}, rate_path: fs, encoding: array}}", "waveform.rate_path: rate is set too"),
        ("{rate_path: fs}", "waveform.rate_path: raw samples have no fields"),
        ("{rate: 0}", "waveform.rate: 0 is not a number of samples a second"),
        (f"{{{RATE}, type: int17}}", "waveform.type: is not one of int16, int32, float32, float64"),
        (f"{{{RATE}, unit: m/s^2}}", "waveform.unit: is not one of g, m/s2"),
        (f"{{{RATE}, scale: 0}}", "waveform.scale: 0 is not the worth of one count"),
        (f"{{{RATE}, bands: [[10, 1000], [1000, 20000]]}}", "bands[1]: [1000, 20000] ends above half the rate"),
        (f"{{{RATE}, bands: [[1000, 10]]}}", "bands[0]: [1000, 10] is not a band"),
        (f"{{{RATE}, bands: [[1, 10], [1, 10]]}}", "bands[1]: is there twice"),
        (f"{{{RATE}, bands: [[1, 10], [1, 10.0000000000001]]}}", "bands[1]: is there twice"),
        (f"{{{RATE}, velocity: [10, 1000]}}", "velocity: needs unit, g or m/s2"),
        ("{rate: 1600, unit: g}", "velocity: [10, 1000] ends above half the rate: give at most 800 Hz"),
        (f"{{{RATE}, speed: -1}}", "speed: -1 is not a shaft speed"),
        (f"{{{RATE}, envelope: [500, 5000]}}", "envelope: needs bearing"),
        (f"{{{RATE}, bearing: {{rollers: 9, ball: 7.94, pitch: 39.04}}}}", "waveform.bearing: needs speed"),
        (f"{{{RATE}, speed: 9, bearing: {{rollers: 9, ball: 50, pitch: 39}}}}", "bearing.ball: 50 and pitch 39"),
        (f"{{{RATE}, speed: 9, bearing: {{rollers: 9, ball: 5}}}}", "waveform.bearing.pitch: is missing"),
        ("{rate: 900, speed: 9, bearing: {rollers: 9, ball: 5, pitch: 39}}", "envelope: [500, 450] is not a band"),
        (f"{{{RATE}, channels: [x, x]}}", "channels[1]: x is there twice"),
        (f"{{{RATE}, channels: [x/y]}}", "channels[0]: is not a name"),
        (f"{{{RATE}, sped: 1480}}", "waveform.sped: unknown key (did you mean speed?)"),
    ],
)
def test_a_waveform_that_cannot_work_is_told_what_is_wrong_and_where(waveform: str, expected: str) -> None:
    text = f"mqtt:\n  sources:\n  - topic: {LINE}\n    payload: waveform\n    waveform: {waveform}\n"
    (found,) = problems(text)
    assert found.startswith("plant.yaml:5: mqtt.sources[0].")
    assert expected in found


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (f"topic: {LINE}, payload: waveform", "waveform: is missing: a payload waveform needs at least"),
        (f"topic: {LINE}, waveform: {{rate: 1}}", "waveform: needs payload: waveform"),
        ("topic: 't/{machine}', payload: waveform, waveform: {rate: 1}", "topic: raw samples need a name"),
        ("topic: 't/{sensor}', payload: waveform, waveform: {rate: 1}", "topic: raw samples need a level {machine}"),
        (f"topic: {LINE}, payload: waveform, waveform: {{rate: 1}}, time: ts", "time: raw samples have no fields"),
        (
            f"topic: {LINE}, payload: waveform, row: [a, b], waveform: {{rate: 1, encoding: array}}",
            "row: arrays of a payload waveform are samples",
        ),
    ],
)
def test_a_source_that_cannot_give_waveforms_is_told_why(fields: str, expected: str) -> None:
    text = "mqtt: {sources: [{" + fields.replace(LINE, f"'{LINE}'") + "}]}"
    (found,) = problems(text)
    assert expected in found


def test_without_scipy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    text = f"mqtt: {{sources: [{{topic: '{LINE}', payload: waveform, waveform: {{rate: 100}}}}]}}"
    (found,) = problems(text)
    assert "pip install '.[waveform]'" in found
