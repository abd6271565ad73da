"""Every pure function that divides: whatever finite numbers come, none ends in an error and none invents a figure."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commissioning import simulation
from pipeline.config.prior_file import unsound
from pipeline.console.views import rounded
from pipeline.engine import ageing, explanation, recognition
from pipeline.network._core import lib
from pipeline.network.prior import FEATURES, Prior
from pipeline.recordings import evaluation, picture, tuning

SMALLEST, LARGEST = 5e-324, 1.7976931348623157e308
# Hypothesis seldom tries the ends of the scale; there the squares of what is not 0 are.
ENDS = (0.0, SMALLEST, 1e-320, 2.3e-308, 1e-170, 1e-100, 1.0, 1e100, 1e170, LARGEST)
some = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([*ENDS, *(-end for end in ENDS)])
no_less_than_0 = some.map(abs)
within_measure = st.floats(-1e100, 1e100) | st.sampled_from([end for end in ENDS if end <= 1e100])


@given(some, some, some, no_less_than_0, some, no_less_than_0)
@example(0.0, 0.0, 1.3e-54, 0.0, -2.2e-309, 0.0)  # found: the square of the pace is 0, that of the level is not
@example(0.0, 0.0, 1.3e-54, 0.0, -2.2e-309, 1.0)
@example(1.0, 0.0, 0.0, 0.0, SMALLEST, SMALLEST)
@example(LARGEST, -LARGEST, -LARGEST, 0.0, 1.0, 0.0)
def test_a_limit_has_days_in_order_or_none(limit, mean, level, error, pace, unsure):
    _, likely, earliest, latest = ageing.forecast(limit, mean, level, error, pace, unsure)
    for day in (likely, earliest, latest):
        assert day is None or 0.0 <= day <= ageing.FARTHEST_DAYS
    if likely is not None and earliest is not None:
        assert earliest <= likely * (1 + 1e-9)
    if likely is not None and latest is not None:
        assert likely <= latest * (1 + 1e-9)


@given(
    st.floats(0.1, 10.0), st.floats(0.0, 0.01), st.floats(0.001, 1.0), st.floats(0.0, 0.0001), st.integers(-900, 900)
)
def test_the_days_to_a_limit_do_not_depend_on_the_unit(left, error, pace, unsure, power):
    unit = 2.0**power
    told = ageing.forecast(left, 0.0, 0.0, error, pace, unsure)[1:]
    assert ageing.forecast(*(unit * one for one in (left, 0.0, 0.0, error, pace, unsure)))[1:] == pytest.approx(told)


@given(no_less_than_0, some, some, no_less_than_0, no_less_than_0, some, no_less_than_0, some, no_less_than_0, some)
@example(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1e9, 2.0)  # no deviation at commissioning
@example(SMALLEST, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, SMALLEST, 2.0)
def test_what_is_told_of_a_sensor_is_finite(deviation, mean, moved, lag, error, pace, unsure, gain, usual_ns, limit):
    told = ageing.told("s", (1.0, deviation, mean, moved, lag, error, pace, unsure, gain, usual_ns), limit)
    assert all(math.isfinite(figure) for figure in ageing.fields(told).values())
    assert told.level is None or math.isfinite(told.level)
    assert told.forecast is None or told.shift is not None


@given(st.lists(no_less_than_0, max_size=6), st.lists(some, max_size=6))
def test_the_shares_of_populations_are_shares_or_there_are_none(weights, rarity):
    shares = explanation.populations(weights, rarity).values()
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert not shares or sum(shares) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(0, 3), within_measure), min_size=1, max_size=60), st.integers(1, 20))
def test_a_picture_has_every_extreme_of_times_that_stand_still_or_hardly_move(rows, columns):
    times, values = np.array(sorted(row[0] for row in rows)), np.array([row[1] for row in rows])
    for unit in (1.0, SMALLEST, 1e-300, 1e300):
        gathered = picture.gather(times * unit, values, values, columns)
        assert np.nanmin(gathered.low) == values.min()
        assert np.nanmax(gathered.high) == values.max()


@given(st.lists(some, min_size=1, max_size=20))
def test_a_number_for_a_chart_is_the_number_to_a_few_digits(values):
    with np.errstate(all="raise"):
        shown = rounded(np.array(values))
    assert shown == pytest.approx(values, rel=1e-4, abs=0.0)


@given(st.lists(st.tuples(no_less_than_0, no_less_than_0), min_size=1, max_size=2), some)
def test_the_figures_of_a_prior_are_judged_whatever_they_are(spread, variance):
    n = len(spread)
    covariance = np.zeros((n, n, FEATURES, FEATURES))
    for own in range(n):
        np.fill_diagonal(covariance[own, own], variance)
    found = (
        np.ones(n),
        np.ones(n),
        np.array([[first] + [second] * (lib.SW_MEMBRANES - 1) for first, second in spread]),
    )
    assert isinstance(unsound(Prior(("m",), tuple("ab"[:n]), covariance, *found, np.ones(n))), str)


@given(st.lists(st.integers(0, 2), max_size=20), st.floats(0.0, 1.0))
def test_recordings_whose_stamps_are_equal_have_figures(steps, threshold):
    times = np.cumsum(np.array(steps, np.int64))
    score = np.linspace(0.0, 1.0, len(times))
    stood_for = evaluation.time_per_row(times)
    assert len(stood_for) == len(times)
    assert (stood_for >= 0).all()
    assert evaluation.ratio(len(times), stood_for.sum() / evaluation.DAY_NS) != math.inf
    tuned = tuning.tune(times, score, tuning.budget_of("2 per week"), threshold)
    assert math.isfinite(tuned.threshold)


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3), min_size=2, max_size=5))
def test_examples_that_are_all_alike_are_compared(signatures):
    assert np.isfinite(recognition.apart(np.array(signatures), np.array(signatures), np.ones(3))).all()


@given(no_less_than_0, st.floats(1.0, LARGEST), no_less_than_0)
def test_history_is_due_at_a_time_whatever_its_speed(seconds, speed, history):
    assert simulation.due_s(seconds, speed, history) >= 0.0


@pytest.mark.parametrize("speed", ["0", "-1", "nan"])
def test_recordings_are_not_played_at_no_speed(speed):
    done = CliRunner().invoke(app, ["replay", "sample_data/ur3-robot.csv.gz", "--speed", speed])
    assert done.exit_code == 2
    assert "--speed" in done.output
