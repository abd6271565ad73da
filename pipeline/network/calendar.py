"""Local time and days of rest of machines, as tables: the core is pure and asks no clock, no file and no data base.

A calendar is configuration. It is fixed before a machine begins, so a score still depends on the readings alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network._core import ffi


class Calendar(NamedTuple):
    """See `struct sw_calendar`."""

    begin_ns: Sequence[int]  # Unix time from which on each offset holds, in order; the first holds before, too
    offset_ns: Sequence[int]  # of local time from UTC
    rest: Sequence[int] = ()  # local days since 1970 on which nobody works, in order


class InC(NamedTuple):
    """A calendar as C has it; the arrays are kept for as long as C may read them."""

    pointer: object
    columns: tuple[NDArray[np.int64], ...]


def in_c(calendar: Calendar) -> InC:
    """A calendar for C. Raises ValueError for columns that are not in order or differ in length."""
    columns = tuple(np.array(column, np.int64) for column in calendar)
    begin, offset, rest = columns
    if len(begin) != len(offset) or (np.diff(begin) <= 0).any() or (np.diff(rest) <= 0).any():
        raise ValueError("a calendar's times and days must be in order, with one offset for each time")
    own = ffi.new("struct sw_calendar *", {"spans": len(begin), "rests": len(rest)})
    for name, column in zip(("begin_ns", "offset_ns", "rest"), columns, strict=True):
        setattr(own, name, ffi.from_buffer("int64_t[]", column))
    return InC(own, columns)
