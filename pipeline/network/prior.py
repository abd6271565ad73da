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

from pipeline.network import evidence, expectation, resolution

ROWS = 2000.0  # of experience that a prior counts as; by measurement, docs/decisions.md
FEATURES = expectation.FEATURES


class Prior(NamedTuple):
    """Of n sensors, in their units; `covariance` is over the features of all of them, sensor by sensor."""

    machines: tuple[str, ...]  # it was learned from, for a person to read
    sensors: tuple[str, ...]
    covariance: NDArray[np.float64]  # (n, n, FEATURES, FEATURES)
    residual: NDArray[np.float64]  # (n,), mean square
    innovation: NDArray[np.float64]  # (n,), mean square
    spread: NDArray[np.float64]  # (n, MEMBRANES), as in `evidence`
    energy: NDArray[np.float64]  # (n,), as in `evidence`


def learned(
    name: str,
    sensors: list[str],
    lines: list[int],
    known: expectation.Lines,
    found: evidence.Lines,
) -> Prior | None:
    """What one machine knows, `lines` being its sensors' in order; None while it knows less than a prior is worth.

    Sensors that never moved say nothing about their kind and are left out. Those of different cohorts have never
    been compared, and count as unrelated.
    """
    experience = [known.own[line] for line in lines if known.unit[line] > 0.0]  # of those that ever moved
    if not experience or min(experience) < ROWS:
        return None
    n = len(lines)
    covariance = np.zeros((n, n, FEATURES, FEATURES))
    for p, line in enumerate(lines):
        first = p - p % expectation.COHORT
        for q in range(first, min(first + expectation.COHORT, n)):
            begin = (q - first) * FEATURES
            block = known.covariance[line, :, begin : begin + FEATURES].astype(np.float64)
            covariance[p, q] = block * known.unit[line] * known.unit[lines[q]]
    moved = [p for p in range(n) if covariance[p, p, 0, 0] > 0.0]
    chosen = [lines[p] for p in moved]
    square = known.unit[chosen] ** 2
    return Prior(
        (name,),
        tuple(sensors[p] for p in moved),
        covariance[np.ix_(moved, moved)],
        found.size[chosen] * square,
        found.size_new[chosen] * square,
        found.spread[chosen].copy(),
        found.energy[chosen].copy(),
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


def give(
    prior: Prior,
    sensor: str,
    line: int,
    earlier: list[tuple[str, int]],
    known: expectation.Lines,
    found: evidence.Lines,
    held: resolution.Lines,
) -> None:
    """Let a line that has seen nothing begin with what is known of its kind's `sensor`, if anything is.

    `earlier`: sensors and lines of its machine so far, in order.
    """
    if sensor not in prior.sensors:
        return
    own = prior.sensors.index(sensor)
    known.unit[line] = 2.0 ** np.floor(np.log2(np.sqrt(prior.covariance[own, own, 0, 0])))
    known.own[line] = known.given[line] = ROWS
    held.readings[line] = held.moves[line] = ROWS  # of sensors that move with every reading
    held.rises[line] = ROWS / 2.0
    place = len(earlier)
    first = place - place % expectation.COHORT
    for q, (other, there) in enumerate([*earlier[first:], (sensor, line)]):
        if other not in prior.sensors:
            continue
        block = prior.covariance[own, prior.sensors.index(other)] / (known.unit[line] * known.unit[there])
        begin, mine = q * FEATURES, (place - first) * FEATURES
        known.covariance[line, :, begin : begin + FEATURES] = block
        known.covariance[there, :, mine : mine + FEATURES] = block.T
    square = known.unit[line] ** 2
    known.variance[line] = prior.covariance[own, own, 0, 0] / square
    found.size[line] = prior.residual[own] / square
    found.size_new[line] = prior.innovation[own] / square
    found.spread[line] = prior.spread[own]
    found.energy[line] = prior.energy[own]
    found.membrane[line, evidence.ENERGY] = np.exp(prior.energy[own]) - 0.1
