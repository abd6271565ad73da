"""The network in C: one block a machine, the same bits however it is asked, and nothing that bad input could hurt."""

import math
import shutil
import subprocess

import numpy as np
import pytest

import build_core
from pipeline.network import parameters
from pipeline.network._core import ffi, lib
from pipeline.network.binding import Core, RefusedError
from pipeline.network.block import Block, BlockError, record
from pipeline.network.parameters import Params

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def readings(machines, sensors, rows, seed=1, begin=0):
    """Messages of a row each, of machines that take turns: slot, line, time, value, ends."""
    rng = np.random.default_rng(seed)
    shape = (rows, machines, sensors)
    values = rng.normal(size=shape) + 3 * np.sin(np.arange(rows) / 9)[:, None, None] + 40
    values[rows // 2 : rows // 2 + 40, :, 0] += 30
    slot, line = np.broadcast_to(np.arange(machines)[:, None], shape), np.broadcast_to(np.arange(sensors), shape)
    time_ns = np.broadcast_to((START + (begin + np.arange(rows)) * SECOND)[:, None, None], shape)
    ends = np.broadcast_to(np.arange(sensors) == sensors - 1, shape)
    return tuple(np.ascontiguousarray(column).ravel() for column in (slot, line, time_ns, values, ends))


def core_of(machines, sensors, threads=1):
    core = Core(Params(), 10 * SECOND, 60 * SECOND, 3600 * SECOND, threads)
    for _ in range(machines):
        core.add(Block.fresh(core.params, sensors))
    return core


def part(batch, begin, end):
    return tuple(column[begin:end] for column in batch)


def memory(core):
    return [block.memory.tobytes() for block in core.blocks]


def same(have, want):
    """Whether two records say the same, but for rooms that are not set, and where in which batch that was."""
    return all(
        np.array_equal(have[name], want[name], equal_nan=want[name].dtype.kind == "f")
        for name in want.dtype.names
        if name not in ("ageing", "at")
    )


def test_batch_borders_change_no_bit():
    batch = readings(3, 4, 500)
    whole, pieces = core_of(3, 4), core_of(3, 4)
    said = whole.step(*batch)
    borders = np.flatnonzero(batch[4])[np.sort(np.random.default_rng(7).integers(1, 1500, 60))] + 1
    parts = [
        pieces.step(*part(batch, begin, end)) for begin, end in zip([0, *borders], [*borders, 6000], strict=True)
    ]
    assert memory(whole) == memory(pieces)
    entries = np.concatenate([one.entry for one in parts])
    rows = np.concatenate([one.row for one in parts])
    rows["until"] = np.cumsum(np.concatenate([np.diff(one.row["until"], prepend=0) for one in parts]))
    rows["lost"] = np.cumsum(np.concatenate([np.diff(one.row["lost"], prepend=0) for one in parts]))
    assert same(rows, said.row)
    assert same(entries, said.entry)


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("machines", [1, 3, 50])
def test_what_is_said_and_learned_is_the_same_for_any_number_of_threads(threads, machines):
    rows = 3000 // machines // 4
    batch = readings(machines, 4, rows)
    gaps = np.random.default_rng(5).random(len(batch[0])) > 0.1  # so that rows stay open, and sensors become missing
    batch[4][:] = np.append(batch[0][1:] != batch[0][:-1], True)
    batch = tuple(column[gaps] for column in batch)
    batch[4][:] = np.append(batch[0][1:] != batch[0][:-1], True)
    one, several = core_of(machines, 4), core_of(machines, 4, threads)
    for begin, end in ((0, 600), (600, 2000), (2000, len(batch[0]))):
        closing = np.arange(machines)[:: 2 if end == 2000 else 1][: 0 if end == 600 else None]
        want, have = (core.step(*part(batch, begin, end), closing=closing) for core in (one, several))
        assert same(have.row, want.row)
        assert np.array_equal(have.row["at"], want.row["at"])
        assert same(have.entry, want.entry)
        assert np.array_equal(have.lost, want.lost)
        assert np.array_equal(have.late, want.late)
    assert memory(one) == memory(several)


def test_a_message_s_part_for_a_machine_ends_where_another_machine_s_begins():
    """Whether that is said or not; but what is not said to end is not complete."""
    told, untold = core_of(3, 2), core_of(3, 2, 2)
    batch = readings(3, 2, 400)
    want = told.step(*batch)
    batch[4][:] = False
    have = untold.step(*batch)
    assert len(want.row) - 3 <= len(have.row) < len(want.row)


def test_a_batch_that_says_more_than_there_is_room_for_is_taken_in_several_turns():
    """Each of these readings closes a row of sixteen others."""
    batch, late = readings(20, 17, 1), readings(20, 17, 1, begin=10)
    most = batch[1] < 16
    ones = tuple(column[late[1] == 0] for column in late)
    ones[4][:] = True
    whole, single = core_of(20, 17), core_of(20, 17)
    for core in (whole, single):
        core.step(*(column[most] for column in batch))
    said = whole.step(*ones)
    each = [single.step(*part(ones, i, i + 1)) for i in range(20)]
    assert len(said.entry) == 320
    assert said.row["until"].tolist() == list(range(16, 321, 16))
    assert memory(whole) == memory(single)
    assert same(said.entry, np.concatenate([one.entry for one in each]))


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        (0, -1, "no such machine"),
        (0, 2, "no such machine"),
        (0, 2**62, "no such machine"),
        (1, -1, "no such line"),
        (1, 3, "no such line"),
        (1, 2**32, "no such line"),
        (3, np.nan, "not a finite number"),
        (3, -np.inf, "not a finite number"),
        (3, 1e101, "not a finite number"),
    ],
)
def test_a_reading_that_cannot_be_refuses_its_batch_and_changes_nothing(column, value, says):
    core, batch = core_of(2, 3), readings(2, 3, 50)
    core.step(*part(batch, 0, 120))
    before = memory(core)
    bad = part(batch, 120, 300)
    bad[column][77] = value
    with pytest.raises(RefusedError, match=f"reading 77: .*{says}"):
        core.step(*bad)
    assert memory(core) == before


def test_a_row_of_a_machine_that_is_not_there_cannot_be_closed():
    core, batch = core_of(1, 3), readings(1, 3, 5)
    with pytest.raises(RefusedError, match="reading 15"):
        core.step(*batch, closing=np.array([1]))


def test_memory_that_is_no_block_is_refused():
    core = core_of(1, 3)
    core.blocks[0].header["magic"] = 0
    with pytest.raises(RefusedError, match="memory"):
        core.step(*readings(1, 3, 1))


@pytest.mark.parametrize("name", ["machine", "line", "roster", "coupling", "context"])
def test_a_view_of_a_block_is_made_once_and_when_asked_for(name: str):
    block = Block.fresh(core_of(0, 0).params, 3)
    assert name not in vars(block)
    assert getattr(block, name) is getattr(block, name)


def test_what_is_written_into_a_view_is_in_the_block():
    block = Block.fresh(core_of(0, 0).params, 3)
    block.line["evidence"]["level"][1] = 2.5
    block.machine["rows"]["time_ns"] = 7
    again = block.copy()
    assert again.line["evidence"]["level"].tolist() == [0.0, 2.5, 0.0]
    assert again.machine["rows"]["time_ns"] == 7


def test_a_copy_of_a_block_is_the_machine():
    core, batch = core_of(1, 5), readings(1, 5, 700)
    core.step(*part(batch, 0, 2502))  # with a row open
    twin = core_of(0, 5)
    twin.add(Block.restored(core.params, core.blocks[0].copy().sealed()))
    have, want = twin.step(*part(batch, 2502, 3500)), core.step(*part(batch, 2502, 3500))
    assert same(have.row, want.row)
    assert same(have.entry, want.entry)
    assert twin.blocks[0].sealed() == core.blocks[0].sealed()


@pytest.mark.parametrize(("before", "after"), [(3, 4), (8, 15), (15, 17), (16, 33), (17, 40)])
def test_a_grown_machine_knows_what_it_knew(before, after):
    """One that grows in the middle of its life says what one says that had the room from the beginning."""
    own, more = readings(1, before, 300), readings(1, after, 200, seed=2, begin=300)
    grows, roomy = core_of(1, before), core_of(1, after)
    assert same(grows.step(*own).row, roomy.step(*own).row)
    grows.replace(0, grows.blocks[0].grown(grows.params, after))
    assert memory(grows) == memory(roomy)
    assert same(grows.step(*more).row, roomy.step(*more).row)
    assert memory(grows) == memory(roomy)


def test_columns_of_other_types_are_converted_and_of_other_lengths_refused():
    given = readings(1, 3, 100)
    usual, other = core_of(1, 3), core_of(1, 3)
    narrow = (given[0].astype(np.int32), given[1].astype(np.int32), given[2], given[3].astype(np.float64), given[4])
    assert np.array_equal(usual.step(*given).row, other.step(*narrow).row)
    with pytest.raises(ValueError, match="differ in length"):
        usual.step(given[0], given[1][:1], *given[2:])


def test_a_block_that_was_damaged_cut_off_or_is_of_another_kind_is_refused():
    core = core_of(1, 3)
    core.step(*readings(1, 3, 100))
    good = core.blocks[0].sealed()
    other = Core(parameters.without(Params(), ["range"]))
    for bad, says in (
        (good[:1000] + b"\1" + good[1001:], "damaged"),
        (good[:-8], "truncated"),
        (b"no block" + good[8:], "not a machine's block"),
        (good[:4] + b"\1" + good[5:], "version"),
        (b"", "not a machine's block"),
    ):
        with pytest.raises(BlockError, match=says):
            Block.restored(core.params, bad)
    with pytest.raises(BlockError, match="other parameters"):
        Block.restored(other.params, good)
    assert Block.of_any(other.params, good).sealed() == good


@pytest.mark.parametrize(
    ("record", "part", "field", "value"),
    [
        ("machine", "rows", "size", 4),
        ("machine", "rows", "size", 2),
        ("machine", "condition", "competition.recruited", 49),
        ("machine", "modes", "competition.winner", -1),
        ("machine", "rhythm", "phase", 48),
        ("line", "clock", "seen", 0.0),  # so its next reading would let it join once more
        ("line", "clock", "seen", -1.0),
        ("line", "clock", "seen", math.nan),
        ("line", "kind", "few", -1),
        ("line", "kind", "few", lib.SW_FEW + 2),
        ("line", "kind", "counts", 2),
        ("line", "kind", "odd", -1),
        ("line", "quality", "sure", lib.SW_CERTAIN + 1),
    ],
)
def test_a_sealed_block_whose_numbers_point_elsewhere_is_refused(record, part, field, value):
    core = core_of(1, 3)
    core.step(*readings(1, 3, 100))
    records, (*within, last) = getattr(core.blocks[0], record)[part], field.split(".")
    for name in within:
        records = records[name]
    records[last] = value
    with pytest.raises(BlockError, match="impossible"):
        Block.restored(core.params, core.blocks[0].sealed())


def test_a_record_has_no_hidden_bytes():
    """So that equal machines are equal bytes."""
    for name in ("header", "machine", "line", "context"):
        assert summed(record(name)) == ffi.sizeof(f"struct sw_{name}")


def summed(kind):
    """Bytes of all fields of a record."""
    if kind.subdtype is not None:
        return kind.itemsize
    return kind.itemsize if kind.names is None else sum(summed(kind[name]) for name in kind.names)


def test_every_part_of_a_block_is_where_a_double_may_be():
    for lines in (1, 2, 7, 15, 16, 17, 31, 33):
        cohorts = [lib.sw_block_cohort(lines, number) for number in range((lines + 15) // 16)]
        places = [
            lib.sw_block_roster(lines),
            lib.sw_block_coupling(lines),
            *cohorts,
            lib.sw_block_bytes(lines, False),
        ]
        assert places == sorted(places)
        assert not any(place % 8 for place in places)


def test_cppcheck_has_nothing_to_say_of_the_core():
    order = ["cppcheck", "--enable=warning,style,performance,portability", "--inconclusive", "--std=c99", "--quiet"]
    order += ["--suppress=missingIncludeSystem", f"-I{build_core.ROOT}", *build_core.sources()]
    assert subprocess.run(order, capture_output=True, text=True, check=True).stderr == ""


def test_the_core_compiles_without_a_warning():
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror", "-fsyntax-only"]
    for compiler in ("gcc", *(["clang"] if shutil.which("clang") else [])):
        order = [compiler, *build_core.OPTIONS, *warnings, f"-I{build_core.ROOT}", *build_core.sources()]
        assert subprocess.run(order, capture_output=True, text=True, check=False).stderr == ""
