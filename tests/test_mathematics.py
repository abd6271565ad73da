"""The core's own exponential, logarithms, power and cube root: the same bits on every machine, and right.

`python tests/test_mathematics.py` writes the tables of `pipeline/network/tables.h`.
"""

import math
import sys
from decimal import Decimal, localcontext
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.network._core import ffi, lib

TABLES = Path(__file__).parents[1] / "pipeline" / "network" / "tables.h"
STEPS = 64  # of the table of exponentials
CELLS = 128  # of that of logarithms
FIRST = 0.6875  # numbers are brought to FIRST ... 2 * FIRST, so that none near 1 is the difference of two logarithms
INFINITY = math.inf


def exponentials() -> list[float]:
    """2^(i / 64)."""
    with localcontext(prec=50):
        return [float((Decimal(2).ln() * i / STEPS).exp()) for i in range(STEPS)]


def cells() -> list[tuple[float, float]]:
    """Where each cell of the logarithm's table begins and ends: equal steps of a number's first bits."""
    edges = []
    for i in range(CELLS + 1):
        at = int(FIRST * 2 * CELLS) + i  # of steps of 1 / 256 below 1, of 1 / 128 above
        edges.append(at / (2 * CELLS) if at < 2 * CELLS else (at - 2 * CELLS) / CELLS + 1.0)
    return list(pairwise(edges))


def logarithms() -> list[tuple[float, float, float]]:
    """Of each cell its middle, the inverse of that, and its logarithm; exactly 1, 1 and 0 on both sides of 1."""
    found = []
    for begin, end in cells():
        middle = 1.0 if 1.0 in (begin, end) else (begin + end) / 2.0
        with localcontext(prec=50):
            found.append((middle, 1.0 / middle, float(Decimal(middle).ln())))
    return found


def tables() -> str:
    """The header that the core includes."""
    lines = [f"    {one.hex()}," for one in exponentials()]
    rows = [f"    {{{', '.join(number.hex() for number in cell)}}}," for cell in logarithms()]
    return "\n".join(
        (
            "/* Made by tests/test_mathematics.py, with fifty digits. */",
            "#ifndef SW_TABLES_H",
            "#define SW_TABLES_H",
            "",
            f"/* 2 to the i / {STEPS}. */",
            f"static const double EXPONENTIAL[{STEPS}] = {{",
            *lines,
            "};",
            "",
            "/* The middle of each cell from 0.6875 on, its inverse and its logarithm. */",
            "static const struct {",
            "    double middle;",
            "    double inverse;",
            "    double logarithm;",
            f"}} LOGARITHM[{CELLS}] = {{",
            *rows,
            "};",
            "",
            "#endif",
            "",
        )
    )


def test_the_tables_are_those_of_this_file():
    assert TABLES.read_text() == tables()


def apart(have: float, want: float) -> float:
    """How many steps of a double lie between two numbers."""
    if have == want or (math.isnan(have) and math.isnan(want)):
        return 0.0
    return abs(have - want) / math.ulp(want)


anything = st.floats(allow_nan=False)
above_0 = st.floats(min_value=0.0, exclude_min=True, allow_infinity=False)
near_1 = st.floats(0.5, 2.0)


@given(st.one_of(st.floats(-746.0, 710.0), st.floats(-2.0, 2.0), anything))
@example(0.0)
@example(-INFINITY)
@example(INFINITY)
@example(-745.2)
@example(709.8)
def test_the_exponential_is_right_to_two_steps(x: float):
    try:
        want = math.exp(x)
    except OverflowError:
        want = INFINITY
    assert apart(lib.sw_exp(x), want) <= 2.0


@given(st.one_of(above_0, near_1))
@example(5e-324)
@example(1.0)
@example(math.nextafter(1.0, 0.0))
@example(math.nextafter(1.0, 2.0))
def test_logarithms_are_right_to_two_and_four_steps(x: float):
    assert apart(lib.sw_log(x), math.log(x)) <= 2.0
    assert apart(lib.sw_log10(x), math.log10(x)) <= 4.0


@given(st.one_of(st.floats(min_value=0.0, allow_infinity=False), st.floats(0.0, 1e-3), near_1))
@example(0.0)
@example(5e-324)
def test_the_logarithm_of_what_is_beyond_1_is_right_to_three_steps(x: float):
    assert apart(lib.sw_log1p(x), math.log1p(x)) <= 3.0


@given(st.one_of(above_0, near_1))
@example(5e-324)
@example(8.0)
@example(1.7976931348623157e308)
def test_the_cube_root_is_right_to_two_steps(x: float):
    with localcontext(prec=40):  # that of the C library is not as good
        want = float((Decimal(x).ln() / 3).exp())
    assert apart(lib.sw_cube_root(x), want) <= 2.0


@given(st.one_of(st.floats(1e-3, 1e3), near_1), st.floats(-40.0, 40.0))
@example(10.0, -2.0)
@example(0.5, 3.0)
def test_a_power_is_as_right_as_its_exponent_lets_it_be(base: float, exponent: float):
    """The logarithm's error is multiplied by the exponent."""
    steps = 3.0 + 2.0 * abs(exponent * math.log(base))
    assert apart(lib.sw_power(base, exponent), base**exponent) <= steps


@given(above_0)
def test_a_power_of_one_is_the_number_and_of_zero_is_1(x: float):
    assert (lib.sw_power(x, 1.0), lib.sw_power(x, 0.0), lib.sw_power(1.0, x)) == (x, 1.0, 1.0)


@given(st.one_of(above_0, near_1))
@example(5e-324)
@example(2.0**-1022)
@example(math.nextafter(8.0, 0.0))
def test_the_power_of_two_below_a_number_is_the_largest_whose_inverse_is_finite(x: float):
    found = lib.sw_power_of_two_below(x)
    if x < 2.0**-1023:
        assert found == 0.0
    else:
        assert found <= x < 2.0 * found
        assert math.frexp(found)[0] == 0.5


@pytest.mark.parametrize("name", ["exp", "log", "log10", "log1p", "cube_root", "power_of_two_below"])
def test_what_is_no_number_stays_none(name: str):
    assert math.isnan(getattr(lib, f"sw_{name}")(math.nan)) or name == "power_of_two_below"


def test_the_ends_of_the_scale_are_what_they_are_in_c():
    assert [lib.sw_log(0.0), lib.sw_log10(0.0), lib.sw_log(INFINITY)] == [-INFINITY, -INFINITY, INFINITY]
    assert math.isnan(lib.sw_log(-1.0))
    assert [lib.sw_exp(-INFINITY), lib.sw_exp(1e4), lib.sw_cube_root(0.0), lib.sw_cube_root(INFINITY)] == [
        0.0,
        INFINITY,
        0.0,
        INFINITY,
    ]
    assert [lib.sw_power(0.0, 2.0), lib.sw_power(0.5, INFINITY), lib.sw_power(0.5, 1e9)] == [0.0, 0.0, 0.0]
    assert ffi.sizeof("double") == 8


if __name__ == "__main__":
    TABLES.write_text(tables())
    sys.stdout.write(f"{TABLES}\n")
