"""The contract of `encoders`, run over every encoder in the table."""

import numpy as np
import pytest
from encoding import LEARNED, Lines
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders import ENCODERS, delta, rate

every_encoder = pytest.mark.parametrize("name", ENCODERS)


def signal(n=500, seed=1):
    rng = np.random.default_rng(seed)
    return 20 + 5 * np.sin(np.arange(n) / 9) + rng.normal(size=n)


@every_encoder
@given(order=st.lists(st.integers(0, 2), min_size=60, max_size=60))
@settings(max_examples=20, deadline=None)
def test_lines_never_influence_each_other(name, order):
    line = np.array(order)
    value = signal(60) * (line + 1)
    together = Lines(name).encode(line, value)
    for own in range(3):
        assert np.array_equal(together[line == own], Lines(name).encode(own, value[line == own]))


@every_encoder
def test_a_copy_of_a_line_s_memory_goes_on_with_the_same_bits(name):
    value = signal()
    lines = Lines(name)
    lines.encode(0, value[:250])
    copy = lines.copy()
    assert np.array_equal(lines.encode(0, value[250:]), copy.encode(0, value[250:]))
    assert lines.bytes(0) == copy.bytes(0)


@every_encoder
@pytest.mark.parametrize("unit", [2.0**-20, 8.0, 2.0**30])
def test_a_power_of_two_as_change_of_unit_changes_no_spike(name, unit):
    value = signal()
    assert np.array_equal(Lines(name).encode(0, value), Lines(name).encode(0, value * unit))


@every_encoder
@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_any_finite_values_leave_a_finite_memory(name, value):
    lines = Lines(name)
    lines.encode(0, value)
    assert np.isfinite(np.frombuffer(lines.bytes(0))).all()  # whole numbers too, of which none is large


@every_encoder
def test_a_constant_signal_makes_the_same_spikes_for_ever(name):
    out = Lines(name).encode(0, np.full(400, 7.0))
    assert np.array_equal(out[200:300], out[300:400])


@every_encoder
def test_a_line_without_readings_is_not_touched(name):
    lines = Lines(name)
    lines.encode(0, signal())
    assert [lines.bytes(number) for number in (1, 2)] == [Lines(name).bytes(1)] * 2


@every_encoder
def test_a_frozen_line_keeps_what_it_learned_to_the_bit_and_still_encodes(name):
    value = signal()
    lines = Lines(name)
    lines.encode(0, value[:250])
    learned = {field: lines.field(0, field) for field in LEARNED[name]}
    out = lines.encode(0, value[250:] * 3 + 10, frozen=True)
    assert np.count_nonzero(out)
    for field, before in learned.items():
        assert lines.field(0, field) == before, field
    assert lines.field(0, "seen") == len(value)


def test_delta_sends_several_on_spikes_for_a_jump_up_and_off_spikes_for_the_way_back():
    out = Lines("delta").encode(0, np.concatenate([signal(300), [60.0], signal(1)]))
    assert out[300, 0] >= 5
    assert out[301, 0] <= -5


def test_the_sum_of_delta_spikes_follows_the_compressed_value_within_one_step():
    lines = Lines("delta")
    sums = lines.encode(0, signal()).sum()
    assert lines.field(0, "compressed") == pytest.approx(sums * delta.Params().step, abs=1e-9)


def test_delta_follows_a_slow_drift_without_falling_behind():
    value = signal(4000) + np.linspace(0, 20, 4000)
    lines = Lines("delta")
    lines.encode(0, value)
    assert abs(lines.field(0, "baseline") - value[-200:].mean()) < 5


def test_rate_counts_say_where_the_value_is():
    out = Lines("rate").encode(0, np.concatenate([[0.0, 30.0], np.full(400, 10.0)]))
    centre = (out[2:].sum(0) * np.arange(rate.OUTPUTS)).sum() / out[2:].sum()
    assert centre == pytest.approx(10.0 / 30.0 * (rate.OUTPUTS - 1), abs=0.05)


def test_rate_fields_share_a_fixed_number_of_spikes():
    out = Lines("rate").encode(0, signal(1000))
    assert abs(out.sum() - 8 * 1000) <= rate.OUTPUTS


@every_encoder
def test_a_declared_range_must_have_a_width_and_what_is_none_changes_nothing(name):
    lines = Lines(name)
    assert not lines.declare(0, 5.0, 5.0)
    assert lines.bytes(0) == Lines(name).bytes(0)
    assert lines.declare(0, 5.0, 6.0)
    assert (lines.field(0, "low"), lines.field(0, "high")) == (5.0, 6.0)


def test_time_is_felt_in_usual_intervals_and_a_slow_membrane_forgets_more_in_a_gap():
    places = []
    for gap in (1.0, 40.0):
        lines = Lines("rate")
        lines.declare(0, 0.0, 1.0)
        lines.encode(0, [0.0] * 50 + [1.0], [1.0] * 50 + [gap])
        places.append(lines.field(0, "membrane"))
    assert places[0] == pytest.approx([1, 1 / 8, 1 / 16])
    assert places[1] == pytest.approx([1, 1 - (7 / 8) ** 40, 1 - (15 / 16) ** 40])
