"""What the network counts of its own work is what a count by hand gives, and so is what is told of it."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import machine_with_modes, plant
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.engine import account
from pipeline.engine.energies import CHIPS, Chip
from pipeline.engine.engine import Engine
from pipeline.network.parameters import Params, with_context
from pipeline.records import Machine, Reading, Readings
from pipeline.storage.journal import Journal

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


def test_figures_are_means_of_a_reading_and_energies_their_sums():
    """By hand, of 5 sensors: 25 inputs, so (25 * 128 + 3 * 128 * 128 + 128 * 8) * 2 = 106,752 multiply-adds a row."""
    counted = {"readings": 10, "spikes": 220, "synapses": 7540, "products": 1200}
    found = account.of(counted, 5)
    assert found[:4] == (22.0, 754.0, 120.0, 106_752 / 5)
    usual, loihi = found.energies
    assert usual.nj == pytest.approx((750 * 0.13 + 4 * 4.6 + 120 * 4.6) / 1000)
    assert usual.dense_nj == pytest.approx(21_350.4 * 0.3 / 1000)
    assert loihi.nj == pytest.approx((22 * 1.7 + 754 * 23.6 + 120 * 4.6) / 1000)
    assert loihi.dense_nj is None
    assert found.says == (
        "Per reading: 22 spikes, 754 synaptic operations and 120 multiply-adds; a dense autoencoder: 21,350 "
        "multiply-adds; about 0.67 nJ against 6.4 nJ on 45 nm CMOS (estimate)"
    )
    assert [one["chip"] for one in found.told()["energies"]] == [chip.name for chip in CHIPS]


def test_a_chip_without_a_figure_for_dense_networks_is_told_without_one():
    found = account.of({"readings": 1, "spikes": 1, "synapses": 0, "products": 0}, 9)
    chip = Chip("mine", "", 2000.0, 1.0, 1.0, 1.0, None)
    alone = found._replace(energies=(account.energy(chip, 9, 1.0, 0.0, 0.0, 1.0),))
    assert alone.energies == (("mine", 2.0, None),), "without synapses none of them has a weight"
    assert alone.says.endswith("; about 2 nJ on mine (estimate)")
    assert "dense_energy_nj" not in account.fields(alone)


def test_before_a_reading_is_counted_there_are_no_figures():
    assert account.of(dict.fromkeys(("readings", "spikes", "synapses", "products"), 0), 3) is None
    engine = Engine()
    engine.judge(row_of(engine, [1.0, 2.0], 0))
    assert engine.account(0) is not None
    engine.fleet.block(0).machine["account"]["readings"] = 0  # as of a snapshot of an earlier version
    assert engine.account(0) is None


AGED = plant(3600, 2, 2)


def written(borders=()):
    """Points of the account of a machine that sends every ten seconds, and the machine itself at its end."""
    engine, points = Engine(10**18, 10**18), []
    for begin, end in itertools.pairwise([0, *sorted(borders), len(AGED)]):
        rows = [
            [Reading(MACHINE, f"s{c}", START + 10 * t * SECOND, x) for c, x in enumerate(AGED[t].tolist())]
            for t in range(begin, end)
        ]
        points += engine.points(engine.step(engine.arrange(rows)))
    return [point for point in points if point.measurement == "account"], engine


def test_points_come_with_the_ageing_once_an_hour_and_have_what_was_counted_up_to_their_row():
    points, engine = written()
    assert [point.tags for point in points] == [(("machine", "m"),)] * 2
    assert points[1].time_ns - points[0].time_ns == 3600 * SECOND
    until = (points[-1].time_ns - START) // (10 * SECOND) + 1
    other = Engine()
    other.step(
        other.arrange(
            [Reading(MACHINE, f"s{c}", START + 10 * t * SECOND, x) for c, x in enumerate(AGED[t].tolist())]
            for t in range(until)
        )
    )
    assert points[-1].fields == account.fields(other.account(0))
    assert points[-1].fields != account.fields(engine.account(0)), "it went on counting"


@given(st.lists(st.integers(0, len(AGED)), max_size=5))
@settings(max_examples=5, deadline=None)
def test_batch_borders_change_no_point(borders):
    assert written(borders)[0] == written()[0]


def test_the_list_of_machines_has_it_in_json(tmp_path):
    (tmp_path / "c.yaml").write_text(f"data: {tmp_path / 'data'}\n")
    (tmp_path / "data").mkdir()
    engine = Engine()
    rows = engine.arrange(
        [Reading(MACHINE, f"s{c}", START + t * SECOND, x) for c, x in enumerate(row)]
        for t, row in enumerate(AGED[:100].tolist())
    )
    journal = Journal(tmp_path / "data" / "journal.sqlite")
    lines = [(line, *name) for line, name in enumerate(engine.fleet.lines)]
    journal.commit(rows, list(enumerate(engine.fleet.machines)), lines)
    journal.close()
    engine.step(rows)
    told = CliRunner().invoke(app, ["machines", "--config", str(tmp_path / "c.yaml"), "--json"])
    assert told.exit_code == 0, told.output
    (one,) = json.loads(told.output)
    assert one["account"] == engine.account(0).told()
    assert one["account"]["dense_products"] == account.dense_products(2) / 2
