"""What the network counts of its own work is what a count by hand gives, from where it was before each row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import machine_with_modes

from pipeline.engine.engine import Engine
from pipeline.network.parameters import Params, with_context
from pipeline.records import Machine, Reading, Readings

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
MACHINE = Machine("m")
SYNAPSES = {"levels": 6, "pattern": 3, "changes": 4}
UNITS = (1, 16, 8, 32)  # delays of the four units of context, readings


def row_of(engine, values, row):
    return engine.arrange(
        [
            [
                Reading(MACHINE, f"s{number}", START + row * SECOND, value)
                for number, value in enumerate(values)
                if np.isfinite(value)
            ]
        ]
    )


def by_hand(block, values, row, learning):
    """Operations of synapses, and products, of the next row of a machine of which every line has had a reading."""
    n, machine, synapses = len(values), block.machine, 0
    for line, context, value in zip(
        block.line, block.context if len(block.context) else [None] * n, values, strict=True
    ):
        if not np.isfinite(value):
            continue
        seen = line["clock"]["seen"]
        if seen >= 20:
            synapses += sum(
                line[name]["common"]["competition"]["recruited"] * each for name, each in SYNAPSES.items()
            )
        if context is not None:
            synapses += 4 * sum(seen >= delay for delay in UNITS)
        synapses += n - 1
    synapses += n * machine["condition"]["competition"]["recruited"]
    synapses += 2 * n * machine["modes"]["competition"]["recruited"]
    features = 3 * n
    if not learning:
        return synapses, features**2
    inverted = features**3 // 2 if row % 20 == 0 else 0
    return synapses, 2 * features**2 + n * features + inverted


@pytest.mark.parametrize("params", [Params(), with_context(Params())], ids=["usual", "with context"])
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=4, deadline=None)
def test_the_account_is_that_of_a_count_by_hand_also_where_readings_are_missing_and_while_frozen(params, lines, seed):
    rng, rows = np.random.default_rng(seed), 320
    table = machine_with_modes(rows, lines, seed % 1000)
    missing = rng.random(table.shape) < 0.03
    missing[0] = missing.all(axis=1, keepdims=True)[0] = False
    table[missing & (missing.sum(axis=1) < lines)[:, None]] = np.nan
    engine = Engine(params=params)
    engine.judge(row_of(engine, table[0].tolist(), 0))
    spikes = int(engine.judge(Readings.none(), last=True).row["spikes"].sum())
    for row, values in enumerate(table.tolist()[1:], 1):
        learning = row <= 250
        (engine.resume if learning else engine.freeze)(0)
        before = engine.fleet.block(0).copy()
        said = engine.judge(row_of(engine, values, row)), engine.judge(Readings.none(), last=True)
        assert sum(len(one.row) for one in said) == 1
        spikes += sum(int(one.row["spikes"].sum()) for one in said)
        was, now = (block.machine["account"] for block in (before, engine.fleet.block(0)))
        assert now["spikes"] == spikes
        assert now["readings"] - was["readings"] == np.isfinite(values).sum()
        done = now["synapses"] - was["synapses"], now["products"] - was["products"]
        assert done == by_hand(before, values, row + 1, learning), row
