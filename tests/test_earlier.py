"""Snapshots of earlier formats: what a network of hundreds of arrays had learned goes on in blocks, to the bit.

`corpus/format-N.npz` has the arrays of a snapshot of that format, as the last version with them wrote it (older ones
less what they did not know). With two of them are the readings that came next, and what that version said of them.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import same

from pipeline.config.settings import Alert, MachineRule, Sensor
from pipeline.engine.earlier import SnapshotError
from pipeline.engine.engine import Engine
from pipeline.engine.fleet import FORMAT, LaterFormatError
from pipeline.network.parameters import Params, with_context
from pipeline.records import Readings

CORPUS = Path(__file__).parent / "corpus"
SECOND = 1_000_000_000
RULES = {"b": MachineRule(sensors={"s1": Sensor(range=(60.0, 160.0))}, alert=Alert(warning=0.98))}


def engine_for(name):
    """An engine as the one that the snapshot is of."""
    if name == "format-7":
        return Engine(10 * SECOND, 60 * SECOND, rule=lambda machine: RULES.get(machine, MachineRule()))
    return Engine()


def read(name):
    """Arrays of a snapshot, the readings that came next, and what was said of them."""
    whole = dict(np.load(CORPUS / f"{name}.npz"))
    arrays = {path: array for path, array in whole.items() if not path.startswith(("readings.", "scores."))}
    came = [whole[f"readings.{field}"] for field in Readings._fields] if "readings.slot" in whole else []
    said = {path.removeprefix("scores."): array for path, array in whole.items() if path.startswith("scores.")}
    return arrays, Readings(*came) if came else None, said


@pytest.mark.parametrize("name", ["format-5", "format-7"])
def test_a_fleet_goes_on_as_the_version_that_took_the_snapshot_did(name):
    arrays, came, said = read(name)
    engine = engine_for(name)
    engine.fleet.restore(arrays)
    scores = engine.step(came)
    for field, column in said.items():
        mine = getattr(scores, field)
        if column.dtype.kind == "f":  # how large a power is depends on the C library
            np.testing.assert_allclose(mine, column, rtol=1e-12, atol=1e-15, err_msg=field)
        else:
            assert np.array_equal(mine, column), field
    assert (scores.severity > 0).any() == (name == "format-7")


def test_what_was_kept_of_a_repaired_machine_and_its_frozen_neighbour_are_there():
    engine = engine_for("format-7")
    engine.fleet.restore(read("format-7")[0])
    slots = {machine.name: slot for slot, machine in enumerate(engine.fleet.machines)}
    assert [engine.fleet.has_baseline(slots[name]) for name in ("wide", "b", "lone")] == [False, True, False]
    assert [engine.fleet.frozen(slots[name]) for name in ("wide", "b", "lone")] == [False, False, True]
    assert len(engine.fleet.lines_of(slots["wide"])) == 18, "more than one cohort"
    before = engine.fleet.block(slots["b"]).copy()
    engine.rollback(slots["b"])
    known = engine.fleet.block(slots["b"]).line["expectation"]["own"]
    assert (known != before.line["expectation"]["own"]).all()
    assert (known > 0.0).all()
    assert engine.fleet.memory.examples([slots["b"]]) == {"bearing": 1}


@pytest.mark.parametrize("name", ["format-4", "format-5", "format-6-changed", "format-6-open", "format-7"])
def test_what_was_read_is_written_in_today_s_format_and_is_the_same_again(name):
    first, second = engine_for(name), engine_for(name)
    first.fleet.restore(read(name)[0])
    arrays = first.fleet.snapshot()
    assert json.loads(arrays["names"].tobytes())["format"] == FORMAT
    second.fleet.restore(arrays)
    assert same(first, second)


def test_a_snapshot_without_the_context_population_does_not_become_a_network_with_it():
    with pytest.raises(SnapshotError):
        Engine(params=with_context(Params())).fleet.restore(read("format-5")[0])


@pytest.mark.parametrize("number", [0, 1, FORMAT + 1])
def test_a_format_that_is_not_known_is_refused_with_the_numbers(number):
    arrays, *_ = read("format-5")
    names = json.loads(arrays["names"].tobytes())
    arrays["names"] = np.frombuffer(json.dumps({**names, "format": number}).encode(), np.uint8)
    with pytest.raises(LaterFormatError if number > FORMAT else SnapshotError, match=f"format {number}"):
        Engine().fleet.restore(arrays)


def spoilt(arrays, path, how):
    """The arrays of a snapshot of which one is not what it was."""
    found, array = dict(arrays), arrays[path]
    if how == "gone":
        del found[path]
    elif how == "short":
        found[path] = array[:-1]
    elif how == "of another type":
        found[path] = array.astype(np.float32 if array.dtype != np.float32 else np.float64)
    elif how == "wide":
        found[path] = np.concatenate((array, array), axis=-1) if array.ndim > 1 else array[None]
    else:
        found[path] = np.full_like(array, -7)
    return found


@given(st.data())
@settings(max_examples=150)
def test_whatever_is_wrong_with_an_array_it_is_refused_or_read_and_nothing_else(data):
    arrays, came, _ = read("format-5")
    path = data.draw(st.sampled_from(sorted(set(arrays) - {"names"})))
    how = data.draw(st.sampled_from(["gone", "short", "of another type", "wide", "impossible"]))
    engine = Engine()
    try:
        engine.fleet.restore(spoilt(arrays, path, how))
    except SnapshotError:
        return
    engine.step(Readings(*(column[:40] for column in came)))
