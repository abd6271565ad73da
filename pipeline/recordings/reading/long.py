"""Rows of one value each to rows of one time each, and rows of several machines to a table of each.

Nothing is lost on the way: two values of one sensor at one time become two rows.
"""

from typing import NamedTuple

import numpy as np

from pipeline.recordings.reading.choices import TableError
from pipeline.records import Floats, Ints

MOST_CELLS = 250_000_000  # of a table, 2 GB


class Wide(NamedTuple):
    """A table with a column per sensor."""

    row: Ints  # (rows,), of the long table: the first that went into each
    row_of: Ints  # the row that each row of the long table went into
    sensors: list[int]  # codes, in order of their first value
    values: Floats  # (rows, sensors), NaN where a sensor has no value at a time


def widened(time_ns: Ints, sensor: Ints, values: Floats) -> Wide:
    """One row per time, in order of time; where a sensor has several values at one time, one row per value.

    All of one length; `sensor` are codes, none below 0.
    """
    order = np.lexsort((np.arange(len(time_ns)), sensor, time_ns))
    same = (np.diff(time_ns[order]) == 0) & (np.diff(sensor[order]) == 0)
    begins = np.append(True, ~same)[: len(order)]
    place = np.arange(len(order))
    nth = np.empty(len(order), np.int64)
    nth[order] = place - np.maximum.accumulate(np.where(begins, place, 0))
    by_row = np.lexsort((np.arange(len(time_ns)), nth, time_ns))
    new = np.append(True, (np.diff(time_ns[by_row]) != 0) | (np.diff(nth[by_row]) != 0))[: len(by_row)]
    row_of = np.empty(len(order), np.int64)
    row_of[by_row] = np.cumsum(new) - 1
    _, first, code = np.unique(sensor, return_index=True, return_inverse=True)
    by_first = np.argsort(first, kind="stable")
    column = np.empty(len(first), np.int64)
    column[by_first] = np.arange(len(first))
    count = int(new.sum())
    if count * len(first) > MOST_CELLS:
        raise TableError(
            f"{count:,} times of {len(first):,} sensors are too many for one table: cut the file into parts"
        )
    table = np.full((count, len(first)), np.nan)
    table[row_of, column[code]] = values
    return Wide(by_row[new], row_of, sensor[first[by_first]].tolist(), table)
