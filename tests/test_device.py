"""A machine on a microcontroller: its block in floats, and what it says there."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from inside import single_precision
from scenarios import scenarios
from test_core_sanitized import of_life

import build_core
from pipeline.network import binding
from pipeline.network import device_block as layout
from pipeline.network.binding import Core, in_c
from pipeline.network.block import BlockError
from pipeline.network.parameters import Params, with_context

LIVES = {scenario.name: scenario for scenario in scenarios(build_core.ROOT / "sample_data")}
WARNING, CRITICAL = 0.99, 0.999
MOST = 3.4e38
RECORDS = ("header", "machine", "line", "context", "params", "row", "entry", "lost")


def lived(name: str, params: Params, share: float = 1.0, network: Any = binding) -> tuple[Core, np.ndarray]:
    """A core after so much of a golden life, and what it said of every row."""
    lines, readings = of_life(LIVES[name])
    core = network.Core(params)
    for count in lines:
        core.add(network.Block.fresh(core.params, count))
    upto = int(share * len(readings.line))
    return core, core.step(*(column[:upto] for column in readings)).row


@pytest.fixture(scope="module")
def device():
    """The types and functions of the core as a device has it."""
    return single_precision()


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_is_where_the_compiler_of_a_device_puts_it(device, name):
    kind = device.ffi.typeof(f"struct sw_{name}")
    found = layout.device(name)
    assert found.itemsize == device.ffi.sizeof(kind)
    assert {one: found.fields[one][1] for one in found.names} == {one: field.offset for one, field in kind.fields}


@pytest.mark.parametrize(
    ("life", "params"), [("ageing-12-8", Params()), ("wide", Params()), ("context", with_context(Params()))]
)
def test_a_machine_goes_to_a_device_which_takes_it_and_comes_back_as_it_was_but_for_rounding(device, life, params):
    core, _ = lived(life, params)
    for block in core.blocks:
        stored = layout.to_device(core.params, block)
        memory = device.ffi.new("uint64_t[]", len(stored) // 8)
        device.ffi.memmove(memory, stored, len(stored))
        numbers = device.ffi.new("struct sw_params *")
        device.ffi.memmove(numbers, layout.parameters_of_device(core.params), device.ffi.sizeof("struct sw_params"))
        assert device.lib.sw_block_check(numbers, memory, len(stored)) == device.lib.SW_FINE
        back = layout.of_device(core.params, stored)
        assert layout.to_device(core.params, back) == stored
        for name in ("machine", "line", "context"):
            same(back.records(name), block.records(name))


def same(have, want):
    """Equal to what a float holds."""
    for name in want.dtype.names or ():
        same(have[name], want[name])
    if want.dtype.names is None and len(want):
        np.testing.assert_allclose(have, want, rtol=1e-7, atol=1e-38)


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        (lambda stored: stored[:20], "not a machine's block"),
        (lambda stored: b"PK" + stored[2:], "not a machine's block"),
        (lambda stored: stored[:-8], "a truncated block"),
        (lambda stored: stored + bytes(8), "a truncated block"),
        (lambda stored: stored[:200] + bytes([stored[200] ^ 1]) + stored[201:], "a damaged block"),
        (lambda stored: stored[:4] + b"\x02" + stored[5:], "a block of version 2 of a device"),
        (lambda stored: stored[:5] + b"\x00" + stored[6:], "a block of version 4 of a gateway"),
    ],
)
def test_what_is_no_block_of_a_device_is_refused_with_the_reason(spoilt, says):
    core, _ = lived("ageing-12-8", Params(), 0.1)
    with pytest.raises(BlockError, match=says):
        layout.of_device(core.params, spoilt(layout.to_device(core.params, core.blocks[0])))


def test_a_device_s_block_of_other_parameters_is_refused():
    core, _ = lived("ageing-12-8", Params(), 0.1)
    stored = layout.to_device(core.params, core.blocks[0])
    other = in_c(Params()._replace(rank=Params().rank._replace(innate=100.0)))
    with pytest.raises(BlockError, match="a block of other parameters"):
        layout.of_device(other, stored)


@pytest.mark.parametrize(
    ("life", "otherwise"),
    [
        *((life, 0.001) for life in ("ageing-12-8", "missing", "restless-3-1", "never-moved", "irregular")),
        ("restless-4-4-by-count", 0.06),  # whose neurons are recruited and replaced all the time
    ],
)
def test_a_life_in_floats_has_the_alarms_that_it_has_in_doubles(device, life, otherwise):
    _, want = lived(life, Params())
    _, have = lived(life, Params(), network=device)
    np.testing.assert_array_equal(have["time_ns"], want["time_ns"])
    for threshold in (WARNING, CRITICAL):
        alarms = want["score"] >= threshold
        assert ((have["score"] >= threshold) != alarms).sum() <= otherwise * alarms.sum()


def ulps(have: float, want: float) -> float:
    """How many steps of a float lie between two numbers."""
    if have == want or (math.isnan(have) and math.isnan(want)):
        return 0.0
    return abs(have - want) / float(np.spacing(np.float32(min(max(abs(want), 1.2e-38), MOST))))


floats = st.floats(width=32, allow_nan=False)
above_0 = st.floats(0.0, exclude_min=True, width=32, allow_infinity=False)


@given(st.one_of(floats, st.floats(-104.0, 88.0, width=32), st.floats(-2.0, 2.0, width=32)))
@example(-math.inf)
@example(-103.5)
def test_the_exponential_of_floats_is_right_to_two_steps(device, x):
    want = math.exp(x) if x < 88.7 else math.inf
    assert ulps(device.lib.sw_exp(x), want) <= 2.0


@given(st.one_of(above_0, st.floats(0.5, 2.0, width=32)))
@example(1.0)
@example(2.0**-149)
def test_logarithms_cube_and_square_roots_of_floats_are_right_to_three_steps(device, x):
    assert ulps(device.lib.sw_log(x), math.log(x)) <= 2.0
    assert ulps(device.lib.sw_log10(x), math.log10(x)) <= 3.0
    assert ulps(device.lib.sw_log1p(x), math.log1p(x)) <= 3.0
    assert ulps(device.lib.sw_cube_root(x), math.cbrt(x)) <= 2.0
    found = device.lib.sw_power_of_two_below(x)
    assert found == 0.0 or (found <= x < 2.0 * found and math.frexp(found)[0] == 0.5)
