"""What can break in a simulated plant, in words: `simulate --help` lists it and has no numbers to wait for."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What can break. Sizes are in sigmas: a sensor's noise when the machine was new."""

    BEARING = (
        "bearing"  # vibration rises by 8 and has knocks of 8 more in every fifth row; temperature creeps up by 10
    )
    LEAK = "leak"  # pressure and flow creep down by 12
    STUCK = "stuck"  # a sensor repeats its last value
    DROPOUT = "dropout"  # a sensor sends nothing any more
    OFFSET = "offset"  # a sensor reads 10 more from one row to the next, as after a knock or a wrong exchange
    DRIFT = "drift"  # a sensor creeps up by 15, as one that is fouled
    NOISE = "noise"  # a sensor's noise is twelve times what it was, as of a loose contact


class Fault(NamedTuple):
    """Something that breaks, and stays broken."""

    kind: Kind
    machine: int  # its number, from 0
    row: int  # from which on
    sensor: int | None = None  # of stuck, dropout, offset, drift, noise; None: the first
