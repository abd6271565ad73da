"""Snapshots of earlier formats: what was learned is there, and goes on in the blocks of today.

`corpus/format-N.npz` has the arrays of a snapshot of that format, as the last version with them wrote it (older ones
less what they did not know). With three of them are the readings that came next, and what that version said of them;
`corpus/make.py` made that of format 8, in which a network is blocks already.
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
from pipeline.network.block import Block
from pipeline.network.earlier_block import fields, of
from pipeline.network.parameters import Params, with_context
from pipeline.records import Readings

CORPUS = Path(__file__).parent / "corpus"
SECOND = 1_000_000_000
NAMES = ["format-4", "format-5", "format-6-changed", "format-6-open", "format-7", "format-8", "format-9", "format-10"]
RULES = {"b": MachineRule(sensors={"s1": Sensor(range=(60.0, 160.0))}, alert=Alert(warning=0.98))}


def engine_for(name):
    """An engine as the one that the snapshot is of."""
    if name in NAMES[4:]:
        return Engine(10 * SECOND, 60 * SECOND, rule=lambda machine: RULES.get(machine, MachineRule()))
    return Engine()


def read(name):
    """Arrays of a snapshot, the readings that came next, and what was said of them."""
    whole = dict(np.load(CORPUS / f"{name}.npz"))
    arrays = {path: array for path, array in whole.items() if not path.startswith(("readings.", "scores."))}
    came = [whole[f"readings.{field}"] for field in Readings._fields] if "readings.slot" in whole else []
    said = {path.removeprefix("scores."): array for path, array in whole.items() if path.startswith("scores.")}
    return arrays, Readings(*came) if came else None, said


def loudness(score):
    """A score as the network has it: 1 is one of 0.99."""
    return -np.log10(1.0 - score) / 2.0


@pytest.mark.parametrize("name", ["format-5", *NAMES[4:]])
def test_a_fleet_goes_on_nearly_as_the_version_that_took_the_snapshot_did(name):
    """Rows are the same, and so are alarms, but for what was nearly one, and while a sensor is masked for nonsense.

    How loud they are differs as this version differs: by no more than that of machines of `make.py` that lived under
    this version from the beginning, which is at most 0.65, and whose median is up to 0.27.
    """
    arrays, came, said = read(name)
    engine = engine_for(name)
    engine.fleet.restore(arrays)
    scores = engine.step(came)
    for field in ("slot", "time_ns"):
        assert np.array_equal(getattr(scores, field), said[field])
    alarms, alarmed = scores.severity > 0, said["severity"] > 0
    quiet = ~alarmed & (said["masked"] == 0) & (loudness(said["score"]) < 0.95)
    assert not (alarms & quiet).any()
    assert (alarmed & ~alarms).sum() <= 0.2 * alarmed.sum(), "nor is it deaf"
    doubted = np.isin(said["slot"], said["slot"][said["masked"] > 0])
    off = np.abs(loudness(scores.score) - loudness(said["score"]))[~doubted]
    assert off.max() < 0.65
    assert np.median(off) < 0.05


def blocks_as_written(whole, name):
    """Records of the machine and of the lines of each block, and the bytes behind them, without the reader."""
    layout = json.loads(whole["layout"].tobytes())
    stored, begin = whole[name].tobytes(), 0
    while begin < len(stored):
        found, at = {}, begin
        for part in ("header", "machine", "line"):
            size, fields = layout[part]
            kind = np.dtype(
                {
                    "names": [path for path, *_ in fields],
                    "formats": [(type_, tuple(shape)) for _, type_, shape, _ in fields],
                    "offsets": [offset for *_, offset in fields],
                    "itemsize": size,
                }
            )
            count = int(found["header"]["lines"][0]) if part == "line" else 1
            found[part] = np.frombuffer(stored, kind, count, at)
            at += count * size
        begin += int(found["header"]["bytes"][0])
        yield found, stored[at:begin]


def assert_all_is_there(block, old):
    """Every field of the records as they were written; of those that were floats once, what whole numbers hold."""
    line, machine = old["line"], old["machine"]
    cycle = dict.fromkeys(("levels", "pattern", "changes"), line["clock.seen"] - 20.0)
    for part, records in (("machine", block.records("machine")), ("line", block.line)):
        for path in old[part].dtype.names:
            *within, last = path.split(".")
            was, inside = old[part][path], of(records, tuple(within))
            if last == "recruited":
                assert np.array_equal(inside["competition"]["recruited"], was), path
            elif last in ("delays", "centre"):
                middle = (inside[last] + 0.5) / 16.0
                assert np.abs(middle - np.clip(was, -7.97, 7.97)).max() <= 1 / 32 + 1e-6, path
            elif last == "tails":
                assert np.abs(inside[last] / 6.0 - was[..., :-1]).max() <= 1 / 12 + 1e-3, path
            elif last == "place":
                assert np.abs(inside[last] / 256.0 - np.clip(was, -8, 8)).max() <= 1 / 512, path
            elif last in ("strength", "use"):
                assert_neurons_have_won_as_often(
                    inside, last, was, cycle.get(within[0], machine["rows.oldest"] - 21.0)
                )
            else:
                now = inside[last]
                assert np.array_equal(now, was) if was.dtype.kind != "V" else now.tobytes() == was.tobytes(), path


def assert_neurons_have_won_as_often(inside, name, was, cycle):
    """`strength` was ln(faded wins) + last win / 1500, `use` the faded wins themselves."""
    for own, floats, now, competition in zip(inside[name], was, cycle, inside["competition"], strict=True):
        wins = floats if name == "use" else np.exp(floats - now / 1500.0)
        recruited = competition["recruited"]
        assert not own[recruited:].any()
        assert own[:recruited] / 6.0 == pytest.approx(wins[:recruited], rel=0.01, abs=0.1)
        assert competition["wins"] == own.sum()


def test_all_that_a_block_of_format_1_held_is_in_that_of_today_and_what_is_new_begins_with_what_is_known():
    arrays, *_ = read("format-8")
    fleet = engine_for("format-8").fleet
    fleet.restore(arrays)
    slots = [*range(len(fleet.machines))]
    blocks = [*(fleet.block(slot) for slot in slots), *(fleet.kept[slot] for slot in sorted(fleet.kept))]
    written = [*blocks_as_written(arrays, "blocks"), *blocks_as_written(arrays, "kept.blocks")]
    for (old, behind), block in zip(written, blocks, strict=True):
        assert_all_is_there(block, old)
        assert block.memory.tobytes().endswith(behind), "the matrices"
        assert block.header["parameters"] == old["header"]["parameters"][0]
        fresh, line = Block.fresh(fleet.core.params, block.lines), old["line"]
        new = set(fields(block.line.dtype)) - {tuple(path.split(".")) for path in line.dtype.names}
        known = {
            ("kind", "value"): line["expectation.value"],
            ("quality", "elsewhere"): line["quality.longest"],
            ("condition", "worth"): line["rows.age"],
            ("condition", "spread"): line["value.variance"],
            ("condition", "wander"): line["condition.variance"],
        }
        for path in new - {("condition", "noise")} - {path for path in new if "competition" in path}:
            assert np.array_equal(of(block.line, path), known.get(path, of(fresh.line, path))), path
        least = 0.78 * line["activity.change"] ** 2  # of bell-shaped steps; more if they are rare
        assert (block.line["condition"]["noise"] >= least).all()
        assert block.machine["rhythm"] == fresh.machine["rhythm"]


@pytest.mark.parametrize("name", ["format-9", "format-10"])
def test_all_that_a_block_of_format_2_or_3_held_is_in_that_of_today_and_nothing_else_is_known(name):
    arrays, *_ = read(name)
    fleet = engine_for(name).fleet
    fleet.restore(arrays)
    blocks = [fleet.block(slot) for slot in range(len(fleet.machines))]
    for (old, behind), block in zip(blocks_as_written(arrays, "blocks"), blocks, strict=True):
        assert_all_is_there(block, old)
        assert block.memory.tobytes().endswith(behind), "the matrices"
        assert block.header["machine"] == 0, "nobody has said whose it is"
        assert not np.array([block.machine["account"]]).view(np.int64).any()
        assert name != "format-9" or not block.machine["routine"]["week"]["size"].any()


def damaged(stored, how):
    """Bytes of blocks that are not what was written."""
    return {
        "damaged": stored[:5_000] + bytes([stored[5_000] ^ 1]) + stored[5_001:],
        "truncated": stored[:-8],
        "left over": stored + bytes(8),
        "another version": stored[:4] + b"\7" + stored[5:],
        "not a machine's block": b"no block" + stored[8:],
    }[how]


@pytest.mark.parametrize("how", ["damaged", "truncated", "left over", "another version", "not a machine's block"])
@pytest.mark.parametrize("path", ["blocks", "kept.blocks"])
def test_blocks_of_format_1_that_are_not_as_they_were_written_are_refused(path, how):
    arrays, *_ = read("format-8")
    arrays[path] = np.frombuffer(damaged(arrays[path].tobytes(), how), np.uint8)
    with pytest.raises(SnapshotError, match=how):
        engine_for("format-8").fleet.restore(arrays)


@pytest.mark.parametrize("path", ["blocks", "kept.blocks", "incident_machines.open"])
def test_a_snapshot_of_format_8_lacks_nothing(path):
    arrays, *_ = read("format-8")
    del arrays[path]
    with pytest.raises(SnapshotError, match=path):
        engine_for("format-8").fleet.restore(arrays)


@pytest.mark.parametrize(("name", "frozen"), [("format-7", "lone"), ("format-8", "frozen"), ("format-9", "frozen")])
def test_what_was_kept_of_a_repaired_machine_and_its_frozen_neighbour_are_there(name, frozen):
    engine = engine_for(name)
    engine.fleet.restore(read(name)[0])
    slots = {machine.name: slot for slot, machine in enumerate(engine.fleet.machines)}
    assert [own for own, slot in slots.items() if engine.fleet.has_baseline(slot)] == ["b"]
    assert [own for own, slot in slots.items() if engine.fleet.frozen(slot)] == [frozen]
    assert len(engine.fleet.lines_of(slots["wide"])) > 16, "more than one cohort"
    before = engine.fleet.block(slots["b"]).copy()
    engine.rollback(slots["b"])
    known = engine.fleet.block(slots["b"]).line["expectation"]["own"]
    assert (known != before.line["expectation"]["own"]).all()
    assert (known > 0.0).all()
    assert engine.fleet.memory.examples([slots["b"]]) == {"bearing": 1}


@pytest.mark.parametrize("name", NAMES)
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
