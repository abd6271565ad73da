"""What holds its value, counts or speaks coarsely: its moves are no fault, nobody knows it better than it says."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import counters, engine_of, live, machine_with_modes, readings, same

from pipeline.network._core import ffi, lib
from pipeline.network.binding import in_c
from pipeline.network.parameters import Expectation, Params
from pipeline.records import MAX_MAGNITUDE

ROWS = 2500
MOVES_AT = 1500


def beside(column, seed=0):
    """Three ordinary sensors that follow one load, and one more."""
    return np.column_stack([machine_with_modes(len(column), 3, seed), column])


def expected(scores, lines):
    """Where each line was expected in each row, and on either side of that how far it usually is off."""
    return scores.account["expected"].reshape(-1, lines), scores.account["usual"].reshape(-1, lines)


@pytest.mark.parametrize("far", [0.01, 5.0, -400.0])
@pytest.mark.parametrize("seed", range(2))
def test_a_first_move_of_what_never_moved_is_over_with_its_row_and_hides_no_later_fault_of_another(far, seed):
    column = np.full(ROWS, 70.0)
    column[MOVES_AT:] += far
    table = beside(column, seed)
    table[2200:2300, 1] += 12.0
    _, scores = live(table)
    alarms = np.flatnonzero(scores.severity > 0)
    assert not ((alarms > MOVES_AT) & (alarms < 2200)).any()
    assert (scores.severity[2220:2300] > 0).mean() > 0.9
    assert (scores.cause[2220:2300] == 1).mean() > 0.9


def test_what_has_never_moved_is_off_by_nothing():
    engine, scores = live(beside(np.full(ROWS, 70.0)))
    assert (scores.account["level"].reshape(-1, 4)[:, 3] == 0.0).all()
    assert (expected(scores, 4)[0][200:, 3] == 70.0).all()
    assert engine.fleet.block(0).line["resolution"]["moves"][3] == 0.0


@pytest.mark.parametrize("rolls", [137.0, 900.0])
def test_a_counter_is_recognised_and_its_roll_over_is_no_lasting_alarm(rolls):
    column = np.cumsum(np.random.default_rng(1).integers(0, 4, ROWS)) % rolls
    engine, scores = live(beside(column))
    assert counters(engine) == [False, False, False, True]
    assert np.isnan(expected(scores, 4)[0][:, 3]).all()
    assert (scores.account["level"].reshape(-1, 4)[:, 3] < 1.0).all(), "it is held by its pace, which is steady"
    assert (np.diff(column) < 0.0).sum() > 2, "it must roll over"
    _, without = live(beside(np.full(ROWS, 70.0)))
    lasting = scores.severity[1:] * scores.severity[:-1] > 0
    assert not lasting[(without.severity == 0)[1:]].any()


@pytest.mark.parametrize("period", [60, 400])
@pytest.mark.parametrize("phase", [0.0, 0.2, 0.7])
def test_a_smooth_sine_is_no_counter_after_its_first_period(period, phase):
    table = np.sin(2.0 * math.pi * (np.arange(3 * period) / period + phase))[:, None]
    engine = engine_of(1)
    engine.step(readings(table[: period + 1]))
    assert counters(engine) == [False]
    for row in range(period + 1, 3 * period):
        engine.step(readings(table[row : row + 1], row))
        assert counters(engine) == [False], row


@pytest.mark.parametrize("step", [0.125, 4.0, 30.0])
@pytest.mark.parametrize("copied", [False, True])
def test_the_band_of_a_sensor_is_never_narrower_than_its_step(step, copied):
    table = machine_with_modes(1500, 3, 2)
    table[:, 2] = step * np.round(table[:, 2] / step)
    if copied:  # nothing is known better than by its copy
        table = np.column_stack([table, table[:, 2]])
    engine, scores = live(table)
    sensors = engine.explain(scores, np.arange(len(scores)))
    for line in range(2, table.shape[1]):
        own = sensors.line == line
        band = (sensors.high - sensors.low)[own]
        moves = np.abs(np.diff(table[:, line], prepend=table[0, line]))
        least = np.minimum.accumulate(np.where(moves > 0.0, moves, np.inf))
        known = np.isfinite(band) & np.isfinite(least)
        assert known.sum() > 1300
        assert (band[known] >= least[known]).all()


def column(kind, rng, rows, first):
    """A sensor of a drawn machine."""
    if kind == "copy":
        return first.copy()
    if kind == "constant":
        return np.full(rows, rng.normal())
    if kind == "switch":
        return 3.0 * (np.cumsum(rng.random(rows) < rng.choice([0.002, 0.02])) % 2)
    return rng.normal(size=rows)


@st.composite
def machines(draw):
    """A small machine of noise, constants, switches and copies of its first sensor; one reading of it is a spike."""
    kinds = draw(st.lists(st.sampled_from(["noise", "constant", "switch", "copy"]), min_size=1, max_size=5))
    rng, rows = np.random.default_rng(draw(st.integers(0, 2**32))), draw(st.integers(150, 1200))
    first = column(draw(st.sampled_from(["noise", "switch"])), rng, rows, None)
    table = np.column_stack([first, *(column(kind, rng, rows, first) for kind in kinds)])
    table[draw(st.integers(0, rows - 1)), draw(st.integers(0, len(kinds)))] += draw(
        st.sampled_from([0.5, -8.0, 1e3, -1e6])
    )
    return table


@given(machines())
@settings(max_examples=25, deadline=None)
def test_no_expectation_lies_more_than_half_of_what_a_sensor_has_shown_outside_of_it(table):
    _, scores = live(table)
    where, _ = expected(scores, table.shape[1])
    shown = table[: len(where) - 1]
    low, high = np.minimum.accumulate(shown), np.maximum.accumulate(shown)
    half = 0.5 * (high - low) + 1e-9 * np.abs(shown).max(axis=0)
    known = ~np.isnan(where[1:])
    assert known[100:].any()
    assert (where[1:] >= low - half)[known].all()
    assert (where[1:] <= high + half)[known].all()


@given(machines(), st.lists(st.integers(0, 1200), max_size=6))
@settings(max_examples=15, deadline=None)
def test_batch_borders_change_nothing_for_what_holds_its_value(table, borders):
    whole, told = live(table)
    parts = engine_of(table.shape[1])
    ends = sorted({min(border, len(table)) for border in borders} | {len(table)})
    said = [parts.step(readings(table[begin:end], begin)) for begin, end in zip([0, *ends], ends, strict=False)]
    assert same(whole, parts)
    for name in ("score", "severity", "cause", "state"):
        assert np.array_equal(np.concatenate([getattr(scores, name) for scores in said]), getattr(told, name)), name


def spoilt(kind, most):
    """A machine with a constant, and readings as large as they come."""
    table = beside(np.full(1500, 3.0), seed=1)
    if kind == "glitches":
        table[700, 0], table[900, 0] = most, -most
    elif kind == "to and fro":
        table[:, 0] = np.random.default_rng(5).choice([-most, most], 1500)
    elif kind == "first moves":
        table[700:900, 3], table[900:, 3] = most, -most
    elif kind == "first readings":
        table[0, 0], table[5, 3] = most, -most
    return table


@pytest.mark.parametrize("kind", ["glitches", "to and fro", "first moves", "first readings"])
def test_the_largest_values_that_are_let_in_leave_every_score_finite(kind):
    engine, scores = live(spoilt(kind, MAX_MAGNITUDE))
    assert np.isfinite(scores.score).all()
    assert np.isfinite(scores.account["level"]).all()
    assert np.isfinite(scores.account["sigmas"]).all()
    for point in engine.points(scores):
        assert all(math.isfinite(value) for value in point.fields.values() if isinstance(value, float)), point


def test_even_values_that_are_not_let_in_leave_a_line_s_resolution_finite():
    params = ffi.addressof(in_c(Params()), "resolution")
    known = ffi.new("struct sw_resolution *")
    for before, value in pairwise([0.0, 1e300, -1e300, 1e-300, 1e300]):
        known.off = -value
        lib.sw_resolution_follow(params, known, False, before, value, False)
        assert np.isfinite(np.frombuffer(ffi.buffer(known))).all()
        figures = (lib.sw_resolution_rounding(known), lib.sw_resolution_unexplained(params, known))
        assert all(math.isfinite(figure) for figure in (*figures, lib.sw_resolution_unsure(params, known)))


def test_what_has_moved_once_and_stands_for_weeks_blinds_nobody():
    """A memory of 50 rows makes weeks of 7000 rows."""
    table = np.random.default_rng(0).normal(size=(7000, 3))
    table[:, 1] += table[:, 0]
    table[:, 2] = 5.0
    table[300, 2] = 9.0
    table[6800:, 1] += 12.0
    params = Params(expectation=Expectation(memory=50.0))
    engine, scores = live(table, params=params)
    block = engine.fleet.block(0)
    assert np.isfinite(block.line["evidence"]["level"]).all()
    assert np.isfinite(block.cohort(0).precision).all()
    assert (scores.severity[6850:] > 0).mean() > 0.9
