"""What machines of one kind have in common, so that a new one need not learn it again.

How a kind's sensors move together, how far they usually are from what the others expect, and how rough they are
carries over from machine to machine; where they stand does not: mounting and age shift it, so every machine learns
its own means from its first reading on. A prior counts as `ROWS` rows of experience about the former and none about
the latter.

It is data that is fixed before a machine begins, and never a look at other machines while it lives: the same readings
give the same scores whatever else is in the fleet, and a restart restores the same bits.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.network._core import lib
from pipeline.network.block import Block

ROWS = float(lib.SW_PRIOR_ROWS)  # of experience that a prior counts as; by measurement, docs/decisions.md
FEATURES = lib.SW_FEATURES


class Prior(NamedTuple):
    """Of n sensors, in their units; `covariance` is over the features of all of them, sensor by sensor."""

    machines: tuple[str, ...]  # it was learned from, for a person to read
    sensors: tuple[str, ...]
    covariance: NDArray[np.float64]  # (n, n, FEATURES, FEATURES)
    residual: NDArray[np.float64]  # (n,), mean square
    innovation: NDArray[np.float64]  # (n,), mean square
    spread: NDArray[np.float64]  # (n, MEMBRANES), as in evidence.h
    energy: NDArray[np.float64]  # (n,), as in evidence.h


def learned(name: str, sensors: list[str], block: Block) -> Prior | None:
    """What one machine knows, None while it is less than a prior is worth. `sensors`: of its lines, in order.

    Sensors that never moved say nothing about their kind and are left out. Those of different cohorts have never
    been compared, and count as unrelated.
    """
    line = block.line[block.order]
    known, found, n = line["expectation"], line["evidence"], len(line)
    experience = known["own"][known["unit"] > 0.0]  # of those that ever moved
    if not len(experience) or experience.min() < ROWS:
        return None
    covariance = np.zeros((n, n, FEATURES, FEATURES))
    for p in range(n):
        first = p - p % lib.SW_COHORT
        matrix = block.cohort(first // lib.SW_COHORT).covariance
        row = (p - first) * FEATURES
        for q in range(first, min(first + lib.SW_COHORT, n)):
            column = (q - first) * FEATURES
            own = matrix[row : row + FEATURES, column : column + FEATURES].astype(np.float64)
            covariance[p, q] = own * known["unit"][p] * known["unit"][q]
    moved = [p for p in range(n) if covariance[p, p, 0, 0] > 0.0]
    square = known["unit"][moved] ** 2
    return Prior(
        (name,),
        tuple(sensors[p] for p in moved),
        covariance[np.ix_(moved, moved)],
        found["size"][moved] * square,
        found["size_new"][moved] * square,
        found["spread"][moved],
        found["energy"][moved],
    )


def pooled(priors: list[Prior]) -> Prior:
    """The mean of what several machines know, over the sensors that all of them have."""
    shared = [sensor for sensor in priors[0].sensors if all(sensor in one.sensors for one in priors)]
    chosen = [[one.sensors.index(sensor) for sensor in shared] for one in priors]
    pairs = list(zip(priors, chosen, strict=True))
    return Prior(
        tuple(name for one in priors for name in one.machines),
        tuple(shared),
        np.mean([one.covariance[np.ix_(own, own)] for one, own in pairs], axis=0),
        np.mean([one.residual[own] for one, own in pairs], axis=0),
        np.mean([one.innovation[own] for one, own in pairs], axis=0),
        np.mean([one.spread[own] for one, own in pairs], axis=0),
        np.mean([one.energy[own] for one, own in pairs], axis=0),
    )
