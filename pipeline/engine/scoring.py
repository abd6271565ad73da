"""What the network says becomes what a person reads: severity and state of a score.

A score of 0.99 is one unit of surprise or state, 0.999 one and a half, on every machine and sensor alike; how it is
made is in `pipeline/network/scoring.c`.
"""

from enum import IntEnum

import numpy as np

from pipeline.network._core import ffi, lib
from pipeline.network.block import REAL
from pipeline.records import Floats, Ints


class Severity(IntEnum):
    """How urgent a score is."""

    NORMAL = lib.SW_NORMAL
    WARNING = lib.SW_WARNING
    CRITICAL = lib.SW_CRITICAL


class MachineState(IntEnum):
    """What a machine is in. Where several hold, the last of this list does: it is what to act on first."""

    READY = lib.SW_READY
    DRIFTING = lib.SW_DRIFTING  # it ages and is followed: plan, do not run
    CHANGED = lib.SW_CHANGED  # a lasting change was accepted and waits for a person to confirm it
    LEARNING = lib.SW_LEARNING  # it says nothing yet, so neither of the above can be trusted
    FROZEN = lib.SW_FROZEN  # somebody stopped the learning and must start it again
    FAULT = lib.SW_FAULT  # the lasting state is in alarm; a frozen machine can be, one that is learning cannot
    SILENT = lib.SW_FAULT + 1  # no reading for long: nothing else is known of it

    @property
    def word(self) -> str:
        """As it is written."""
        return self.name.lower()


def line_scores(dendrite: Floats, level: Floats, rhythm: Floats, lines: Ints) -> Floats:
    """Score of each of some readings: the largest of surprise, rhythm and, with several lines, level."""
    score = np.empty(len(dendrite), REAL)
    given = [ffi.from_buffer("sw_real[]", np.ascontiguousarray(one, REAL)) for one in (dendrite, level, rhythm)]
    counts = ffi.from_buffer("int64_t[]", np.ascontiguousarray(lines))
    lib.sw_scoring_of_lines(len(score), *given, counts, ffi.from_buffer("sw_real[]", score))
    return score
