"""What the network says of thirty lives, bit by bit: `tests/golden` has the numbers, `scenarios.py` the lives."""

import numpy as np
import pytest
from scenarios import scenarios
from vectors import HERE, SAMPLES, differences, vector

LIVES = {scenario.name: scenario for scenario in scenarios(SAMPLES)}


@pytest.mark.parametrize("name", LIVES)
def test_a_life_is_told_as_it_was_to_the_last_bit(name):
    with np.load(HERE / f"{name}.npz") as file:
        assert differences(vector(LIVES[name]), dict(file)) == []


def test_every_file_belongs_to_a_life():
    assert sorted(path.stem for path in HERE.glob("*.npz")) == sorted(LIVES)
