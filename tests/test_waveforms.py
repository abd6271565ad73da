"""Features of blocks: against the equations in plain numpy, of signals that are known, and in the limits."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from reference_waveform import features as reference

from pipeline.config.settings import Bearing, Waveform
from pipeline.records import MAX_MAGNITUDE
from pipeline.waveforms.analysis import MIN_SAMPLES, Analysis
from pipeline.waveforms.bearing import frequencies
from pipeline.waveforms.refusals import BlockError, Why
from pipeline.waveforms.spectrum import MOST_WINDOWS, Windows, of_signal

RATE = 25_600.0
BALL_BEARING = Bearing(rollers=9, ball=7.94, pitch=39.04)  # of the size of a 6205
ALL = Waveform(
    rate=RATE,
    unit="g",
    bands=((10.0, 1000.0), (1000.0, 5000.0), (5000.0, 12_800.0)),
    speed=1480.0,
    bearing=BALL_BEARING,
)
SECOND = np.arange(25_600) / RATE


def measured(samples, waveform=ALL, rate=RATE, speed=1480.0):
    return Analysis(waveform).measure(np.asarray(samples, float), rate, speed)


def noise(seed, count=25_600):
    return np.random.default_rng(seed).normal(size=count)


def impacts(rate_hz, count=25_600, seed=1):
    """A resonance at 4 kHz that is struck so many times a second, in a little noise."""
    time = np.arange(count) / RATE
    since = np.mod(time, 1.0 / rate_hz)
    return np.exp(-since * 800.0) * np.sin(2 * np.pi * 4000.0 * since) + 0.02 * noise(seed, count)


@pytest.mark.parametrize("count", [25_600, 25_601, 12_799, 20_011])
@pytest.mark.parametrize("kind", ["noise", "impacts", "offset and drift"])
def test_every_feature_is_that_of_its_equation(count, kind):
    samples = {
        "noise": noise(3, count),
        "impacts": impacts(88.4, count),
        "offset and drift": 5.0 + np.linspace(0, 2, count) + noise(4, count),
    }[kind]
    expected = reference(samples, RATE, "g", ALL.bands, speed=1480.0, bearing=(9, 7.94, 39.04, 0.0))
    found = measured(samples)
    assert found.missing == []
    assert found.features == pytest.approx(expected, rel=1e-9)
    assert list(found.features) == list(expected)


def test_settings_change_the_features_they_name():
    waveform = Waveform(
        unit="m/s2",
        bands=((0.0, 50.5),),
        velocity=(2.0, 300.0),
        speed=300.0,
        bearing=Bearing(12, 10.0, 60.0, angle=15.0),
        envelope=(100.0, 900.0),
    )
    samples = noise(5, 8_192)
    found = measured(samples, waveform, 2_048.0, 300.0)
    expected = reference(
        samples, 2_048.0, "m/s2", waveform.bands, (2, 300), 300.0, (12, 10.0, 60.0, 15.0), (100, 900)
    )
    assert found.missing == []
    assert found.features == pytest.approx(expected, rel=1e-9)


FINITE = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
BLOCKS = arrays.arrays(np.float64, st.integers(MIN_SAMPLES, 400), elements=FINITE)
SIMPLE = Waveform(bands=((1.0, 1000.0),))


@given(BLOCKS, st.sampled_from([1e-3, 0.5, 2.0, 9.81, 1e4]))
@settings(deadline=None)
def test_a_block_times_k_has_k_times_the_level_and_the_same_shape(samples, factor):
    assume(np.ptp(samples) > 1.0)
    once, scaled = measured(samples, SIMPLE).features, measured(samples * factor, SIMPLE).features
    for name in ("mean", "rms", "peak", "band_1_1000"):
        assert scaled[name] == pytest.approx(factor * once[name], rel=1e-6, abs=1e-9 * factor * once["peak"])
    for name in ("crest_factor", "kurtosis", "skewness"):
        assert scaled[name] == pytest.approx(once[name], rel=1e-6, abs=1e-6)


@given(st.integers(1, 12_799), st.floats(1e-3, 1e3), st.floats(0, 6.28))
@settings(deadline=None)
def test_a_sine_has_the_level_and_the_shape_of_a_sine(hz, amplitude, phase):
    samples = amplitude * np.sin(2 * np.pi * hz * SECOND + phase)
    found = measured(samples, Waveform()).features
    assert found["rms"] == pytest.approx(amplitude / math.sqrt(2))
    assert found["kurtosis"] == pytest.approx(1.5)
    assert found["skewness"] == pytest.approx(0.0, abs=1e-9)


@given(st.integers(12, 990), st.floats(1e-3, 1e3), st.sampled_from(["g", "m/s2"]))
@settings(deadline=None)
def test_the_velocity_of_a_sine_is_its_acceleration_over_two_pi_f(hz, amplitude, unit):
    samples = amplitude * np.sin(2 * np.pi * hz * SECOND)
    in_mm_s2 = 1000 * amplitude * (9.80665 if unit == "g" else 1.0)
    found = measured(samples, Waveform(unit=unit)).features["velocity_rms"]
    # Lines beside the middle one count by their own frequency: 1 part in (lines to 0 Hz)^2.
    assert found == pytest.approx(in_mm_s2 / (2 * math.pi * hz * math.sqrt(2)), rel=1.1 / hz**2 + 1e-9)


def test_the_name_of_a_band_of_megahertz_is_that_of_a_sensor():
    waveform = Waveform(bands=((1e6, 2.5e6),))
    found = measured(noise(13), waveform, 1e7).features
    assert [name for name in found if name.startswith("band")] == ["band_1000000_2500000"]


def test_what_lies_outside_of_the_velocity_band_is_no_velocity():
    low, high = (np.sin(2 * np.pi * hz * SECOND) for hz in (5.0, 1_500.0))
    inside = measured(np.sin(2 * np.pi * 100.0 * SECOND)).features["velocity_rms"]
    assert measured(low).features["velocity_rms"] < 1e-6 * inside
    assert measured(high).features["velocity_rms"] < 1e-6 * inside


@given(st.lists(st.floats(1.0, 12_000.0), min_size=1, max_size=5, unique=True), st.integers(0, 100))
@settings(deadline=None, max_examples=30)
def test_bands_that_touch_share_the_power_between_them(borders, seed):
    edges = [0.0, *sorted(borders), 12_800.0]
    assume(min(np.diff(edges)) > 2.0)
    samples = noise(seed, 25_601)  # of an odd number no line lies on half the rate
    features = measured(samples, Waveform(bands=tuple(pairwise(edges)))).features
    total = of_signal(samples - samples.mean(), RATE, Windows()).power.sum()
    assert sum(value**2 for name, value in features.items() if name.startswith("band")) == pytest.approx(total)


@pytest.mark.parametrize(
    ("struck", "others"), [("bpfo", {"bpfi", "bsf"}), ("bpfi", {"bpfo", "bsf"}), ("bsf", {"bpfo", "bpfi"})]
)
@pytest.mark.parametrize("speed", [900.0, 1480.0, 2970.0])
def test_impacts_at_one_frequency_of_the_bearing_raise_its_feature_and_not_the_others(struck, others, speed):
    rates = frequencies(BALL_BEARING, speed / 60)
    found = measured(impacts(rates[struck]), speed=speed).features
    for other in others:
        assert found[f"envelope_{struck}"] > 30 * found[f"envelope_{other}"]


def test_rollers_that_slip_by_a_hundredth_are_still_seen():
    bpfo = frequencies(BALL_BEARING, 1480 / 60)["bpfo"]
    exact, slipped = (measured(impacts(hz)).features["envelope_bpfo"] for hz in (bpfo, 0.99 * bpfo))
    assert slipped == pytest.approx(exact, rel=0.1)


def test_the_harmonics_of_the_shaft_are_told_apart():
    shaft = 1480 / 60
    samples = sum(
        level * np.sin(2 * np.pi * order * shaft * SECOND) for order, level in ((1, 3.0), (2, 2.0), (3, 1.0))
    )
    found = measured(samples).features
    for order, level in ((1, 3.0), (2, 2.0), (3, 1.0)):
        assert found[f"harmonic_{order}x"] == pytest.approx(level / math.sqrt(2), rel=1e-2)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.25, 1e100, 5e-324])
def test_a_constant_block_has_a_level_of_zero_and_no_shape(value):
    found = measured(np.full(25_600, value))
    shapeless = {"crest_factor", "kurtosis", "skewness"}
    assert (
        {name for name, why in found.missing if why is Why.CONSTANT_BLOCK}
        == shapeless
        == {n for n, _ in found.missing}
    )
    assert found.features.pop("mean") == value
    assert set(found.features.values()) == {0.0}


def test_a_level_too_small_to_square_is_not_taken_for_constant():
    found = measured(1e-200 * noise(6))
    assert found.missing == []
    assert found.features["kurtosis"] == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize(
    ("odd", "why"),
    [(math.nan, Why.NAN), (math.inf, Why.INFINITE), (-math.inf, Why.INFINITE), (2e100, Why.MAGNITUDE)],
)
def test_a_block_with_a_sample_that_is_no_reading_is_refused_by_its_cause(odd, why):
    samples = noise(7)
    samples[100] = odd
    with pytest.raises(BlockError) as refused:
        measured(samples)
    assert refused.value.why is why


def test_a_block_too_short_for_any_feature_is_refused():
    with pytest.raises(BlockError) as refused:
        measured(noise(8, MIN_SAMPLES - 1))
    assert refused.value.why is Why.SHORT_BLOCK


def test_what_a_tenth_of_a_second_cannot_show_is_named_and_the_rest_is_measured():
    found = measured(noise(9, 2_560))
    short = {"velocity_rms", "harmonic_1x", "harmonic_2x", "harmonic_3x", "envelope_ftf"}
    assert dict(found.missing) == dict.fromkeys(short, Why.SHORT_BLOCK) | {
        name: why for name, why in found.missing if name not in short
    }
    assert short <= set(dict(found.missing))
    assert {"rms", "kurtosis", "band_10_1000", "envelope_bpfo"} <= set(found.features)


def test_a_frequency_beyond_the_rate_is_named():
    found = measured(noise(10, 4_096), ALL, 1_024.0)
    beyond = {name for name, why in found.missing if why is Why.BEYOND_RATE}
    assert beyond >= {"velocity_rms", "band_10_1000", "band_1000_5000", "envelope_bpfo"}
    assert {"rms", "harmonic_1x"} <= set(found.features)


@pytest.mark.parametrize("speed", [None, 0.0, -5.0, math.nan, math.inf])
def test_without_a_shaft_speed_there_are_no_orders(speed):
    found = measured(noise(11), speed=speed)
    assert found.missing == [("speed", Why.NO_SPEED)]
    assert not {name for name in found.features if name.startswith(("harmonic", "envelope"))}


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf, 1e-300])
def test_a_rate_that_is_none_refuses_the_block(rate):
    with pytest.raises(BlockError) as refused:
        measured(noise(12), rate=rate)
    assert refused.value.why is Why.NO_RATE


@given(
    arrays.arrays(np.float64, st.integers(0, 300), elements=st.floats(allow_nan=True)),
    st.sampled_from([1e-6, 0.1, 10.0, 1e3, 25_600.0, 1e9]),
    st.sampled_from([None, 5e-324, 1e-3, 60.0, 1480.0, 1e9]),
)
@example(np.full(MIN_SAMPLES, 1e100), 1e9, 1e9)
@example(np.array([1e100, -1e100] * 50), 25_600.0, 1480.0)
@example(np.array([0.0, 5e-324] * 50), 1e9, 1e9)
@settings(deadline=None)
def test_any_block_gives_finite_features_or_a_named_reason(samples, rate, speed):
    try:
        found = measured(samples, ALL, rate, speed)
    except BlockError:
        return
    assert {"mean", "rms", "peak"} <= set(found.features)
    assert all(type(value) is float and math.isfinite(value) for value in found.features.values())
    assert abs(found.features["rms"]) <= MAX_MAGNITUDE * 2
    assert not set(found.features) & {name for name, _ in found.missing}


def test_the_windows_that_are_kept_are_bounded():
    windows = Windows()
    for length in range(MIN_SAMPLES, MIN_SAMPLES + 50):
        windows.of(length)
    assert len(windows._kept) <= MOST_WINDOWS
