"""The contract of `encoders.spikes`, run over every encoder in the table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders import ENCODERS, delta, rate

every_encoder = pytest.mark.parametrize("name", ENCODERS)


def encode(name, line, value, elapsed=None, state=None, lines=3, frozen=False):
    """Spikes and state after encoding `value` on `line`."""
    encoder = ENCODERS[name]
    params = encoder.Params.of(encoder.Settings())
    state = state or encoder.fresh(params, lines)
    value = np.asarray(value, float)
    line = np.broadcast_to(np.asarray(line, np.int64), value.shape).copy()
    elapsed = np.ones(len(value)) if elapsed is None else np.asarray(elapsed, float)
    out = np.full((len(value), encoder.OUTPUTS), -99, np.int64)
    encoder.step(params, state, line, np.full(lines, frozen), elapsed, value, out)
    return out, state


def signal(n=500, seed=1):
    rng = np.random.default_rng(seed)
    return 20 + 5 * np.sin(np.arange(n) / 9) + rng.normal(size=n)


@every_encoder
@given(border=st.integers(0, 300), seed=st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_batch_borders_change_no_spike(name, border, seed):
    value = signal(300, seed)
    whole, _ = encode(name, 0, value)
    first, state = encode(name, 0, value[:border])
    second, _ = encode(name, 0, value[border:], state=state)
    assert np.array_equal(np.concatenate([first, second]), whole)


@every_encoder
@given(order=st.lists(st.integers(0, 2), min_size=60, max_size=60))
@settings(max_examples=20, deadline=None)
def test_lines_never_influence_each_other(name, order):
    line = np.array(order)
    value = signal(60) * (line + 1)
    together, _ = encode(name, line, value)
    for own in range(3):
        alone, _ = encode(name, own, value[line == own])
        assert np.array_equal(together[line == own], alone)


@every_encoder
def test_saved_and_restored_state_goes_on_with_the_same_bits(name):
    value = signal()
    _, state = encode(name, 0, value[:250])
    copy = type(state)(*(array.copy() for array in state))
    first, _ = encode(name, 0, value[250:], state=state)
    second, _ = encode(name, 0, value[250:], state=copy)
    assert np.array_equal(first, second)


@every_encoder
@pytest.mark.parametrize("unit", [2.0**-20, 8.0, 2.0**30])
def test_a_power_of_two_as_change_of_unit_changes_no_spike(name, unit):
    value = signal()
    assert np.array_equal(encode(name, 0, value)[0], encode(name, 0, value * unit)[0])


@every_encoder
@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_any_finite_values_leave_a_finite_state(name, value):
    _, state = encode(name, 0, value)
    for field, array in zip(state._fields, state, strict=True):
        assert np.all(np.isfinite(array)), field


@every_encoder
def test_a_constant_signal_makes_the_same_spikes_for_ever(name):
    out, _ = encode(name, 0, np.full(400, 7.0))
    assert np.array_equal(out[200:300], out[300:400])


@every_encoder
def test_a_line_without_readings_is_not_touched(name):
    encoder = ENCODERS[name]
    _, state = encode(name, 0, signal())
    untouched = encoder.fresh(encoder.Params.of(encoder.Settings()), 3)
    for used, fresh in zip(state, untouched, strict=True):
        assert np.array_equal(used[1:], fresh[1:])


@every_encoder
def test_a_frozen_line_keeps_what_it_learned_to_the_bit_and_still_encodes(name):
    value = signal()
    _, state = encode(name, 0, value[:250])
    learned = {field: getattr(state, field).copy() for field in ENCODERS[name].LEARNED}
    out, state = encode(name, 0, value[250:] * 3 + 10, state=state, frozen=True)
    assert np.count_nonzero(out)
    for field, before in learned.items():
        assert np.array_equal(getattr(state, field), before), field
    assert state.seen[0] == len(value)


def test_delta_sends_several_on_spikes_for_a_jump_up_and_off_spikes_for_the_way_back():
    value = np.concatenate([signal(300), [60.0], signal(1)])
    out, _ = encode("delta", 0, value)
    assert out[300, 0] >= 5
    assert out[301, 0] <= -5


def test_the_sum_of_delta_spikes_follows_the_compressed_value_within_one_step():
    params = delta.Params.of(delta.Settings())
    state = delta.fresh(params, 1)
    sums = 0
    for value in signal():
        out = np.zeros((1, 1), np.int64)
        delta.step(params, state, np.zeros(1, np.int64), np.zeros(1, np.bool_), np.ones(1), np.array([value]), out)
        sums += int(out[0, 0])
    assert state.compressed[0] == pytest.approx(sums * params.step, abs=1e-9)


def test_delta_follows_a_slow_drift_without_falling_behind():
    value = signal(4000) + np.linspace(0, 20, 4000)
    _, state = encode("delta", 0, value)
    assert abs(state.baseline[0] - value[-200:].mean()) < 5


def test_rate_counts_say_where_the_value_is():
    value = np.concatenate([[0.0, 30.0], np.full(400, 10.0)])
    out, _ = encode("rate", 0, value)
    centre = (out[2:].sum(0) * np.arange(rate.FIELDS)).sum() / out[2:].sum()
    assert centre == pytest.approx(10.0 / 30.0 * (rate.FIELDS - 1), abs=0.05)


def test_rate_fields_share_a_fixed_number_of_spikes():
    out, _ = encode("rate", 0, signal(1000))
    assert abs(out.sum() - 8 * 1000) <= rate.FIELDS


@every_encoder
def test_a_declared_range_must_have_a_width(name):
    encoder = ENCODERS[name]
    state = encoder.fresh(encoder.Params.of(encoder.Settings()), 1)
    with pytest.raises(ValueError, match="declared range"):
        encoder.declare(state, 0, 5.0, 5.0)


def test_time_is_felt_in_usual_intervals_and_a_slow_membrane_forgets_more_in_a_gap():
    params = rate.Params.of(rate.Settings())
    places = []
    for gap in (1.0, 40.0):
        state = rate.fresh(params, 1)
        rate.declare(state, 0, 0.0, 1.0)
        for value, elapsed in ((0.0, 1.0),) * 50 + ((1.0, gap),):
            out = np.zeros((1, rate.OUTPUTS), np.int64)
            one = np.zeros(1, np.int64), np.zeros(1, np.bool_), np.array([elapsed]), np.array([value])
            rate.step(params, state, *one, out)
        places.append(state.membrane[0].copy())
    assert places[0] == pytest.approx([1, 1 / 8, 1 / 16])
    assert places[1] == pytest.approx([1, 1 - (7 / 8) ** 40, 1 - (15 / 16) ** 40])
