"""The anomaly level: one scale from 0 to 10 for every score, on points, MQTT and in the API."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.settings import Alert
from pipeline.engine.level import level_of, levels_of

SCORES = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("score", "level"),
    [(0.0, 0.0), (0.67, 0.31), (0.97, 1.0), (0.99, 5.0), (0.999, 8.0), (0.99999, 10.0), (1.0, 10.0)],
)
def test_the_points_of_the_scale_are_those_of_its_table(score: float, level: float):
    assert level_of(score) == level


@given(SCORES)
def test_a_level_of_5_is_a_warning_and_one_of_8_is_critical_unless_the_configuration_says_otherwise(score: float):
    assert (level_of(score) >= 5.0) == (score >= Alert().warning)
    assert (level_of(score) >= 8.0) == (score >= Alert().critical)
    assert (level_of(score) >= 1.0) == (score >= Alert().clear)


@given(SCORES, SCORES)
def test_a_higher_score_never_has_a_lower_level_and_none_is_outside_0_to_10(one: float, other: float):
    low, high = levels_of(np.array(sorted((one, other)))).tolist()
    assert 0.0 <= low <= high <= 10.0


@given(st.lists(SCORES))
def test_a_score_has_the_same_level_among_others_as_alone(scores: list[float]):
    assert levels_of(np.array(scores)).tolist() == [level_of(score) for score in scores]


def test_what_has_no_score_has_no_level():
    assert math.isnan(level_of(math.nan))
