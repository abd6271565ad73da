"""One machine can be cut out of a fleet, and goes on anywhere with the same bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import messages, told

from pipeline.engine.engine import Engine
from pipeline.engine.fleet import SnapshotError
from pipeline.network.parameters import Params, with_context
from pipeline.records import Machine


@given(st.integers(1, 900))
@settings(max_examples=15, deadline=None)
def test_cut_and_pasted_again_a_machine_is_the_same_to_the_bit(end):
    engine = Engine()
    engine.step(engine.arrange(messages(260, 2)[:end]))
    before = engine.fleet.snapshot()
    for slot in range(len(engine.fleet.machines)):
        engine.fleet.paste(slot, engine.fleet.cut(slot))
    after = engine.fleet.snapshot()
    assert all(np.array_equal(before[path], after[path]) for path in before)


@given(st.integers(1, 900))
@settings(max_examples=15, deadline=None)
def test_a_machine_moved_to_another_fleet_goes_on_with_the_same_bits_under_other_numbers(end):
    rows = messages(260, 3)
    home, away = Engine(), Engine()
    for name, sensors in (("wide", 20), ("b", 1)):
        for c in range(sensors):
            away.fleet.number(Machine(name), f"x{c}")
    home.step(home.arrange(rows[:end]))
    slot = away.fleet.add_machine(Machine("a"))
    away.fleet.number(Machine("wide"), "between")
    away.fleet.paste(slot, home.fleet.cut(0))
    own = [message for message in rows[end:] if message[0].machine.name == "a"]
    here, there = home.step(home.arrange(own)), away.step(away.arrange(own))
    second = told(there)
    for name, column in told(here).items():
        assert name in {"slot", "cause"} or np.array_equal(column, second[name])
    names = [
        [engine.fleet.lines[line][1] for line in scores.cause] for engine, scores in ((home, here), (away, there))
    ]
    assert names[0] == names[1]
    first, second = home.fleet.cut(0), away.fleet.cut(slot)
    assert all(np.array_equal(first[path], second[path]) for path in first if path != "names")


@pytest.mark.parametrize("params", [Params(), with_context(Params())], ids=["usual", "context"])
def test_a_machine_pasted_over_one_that_has_its_sensors_in_another_order_goes_on_with_the_same_bits(params):
    rows = messages(260, 3)
    home, away = Engine(params=params), Engine(params=params)
    home.step(home.arrange(rows[:400]))
    slot, known = home.fleet.slot(Machine("a")), home.fleet.lines_of(0)
    for sensor, _ in [("new", 0), *reversed(known)]:
        away.fleet.number(Machine("a"), sensor)
    away.fleet.paste(0, home.fleet.cut(slot))
    own = [message for message in rows[400:] if message[0].machine.name == "a"]
    here, there = home.step(home.arrange(own)), away.step(away.arrange(own))
    assert len(known) > 1
    assert len(here) > 10
    for name in ("time_ns", "score", "severity", "learned", "spikes"):
        assert np.array_equal(getattr(here, name), getattr(there, name))


def test_a_cut_is_the_snapshot_of_a_fleet_of_one_and_one_of_another_version_is_refused_whole():
    engine = Engine()
    engine.step(engine.arrange(messages(200, 4)))
    cut = engine.fleet.cut(1)
    alone = Engine()
    alone.fleet.restore(cut)
    assert alone.fleet.machines == [Machine("b")]
    more = [message for message in messages(260, 4)[len(messages(200, 4)) :] if message[0].machine.name == "b"]
    assert np.array_equal(alone.step(alone.arrange(more)).score, engine.step(engine.arrange(more)).score)
    before = engine.fleet.snapshot()
    for wrong in ({"blocks": cut["blocks"][:-8]}, {"incident_machines.open": np.zeros(1)}):
        with pytest.raises(SnapshotError):
            engine.fleet.paste(1, cut | wrong)
    after = engine.fleet.snapshot()
    assert all(np.array_equal(before[path], after[path]) for path in before)
