"""Persistence: a membrane over the evolving populations, for what is rather strange for rather long."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import kernel


class Params(NamedTuple):
    """What the kernel reads."""

    membrane: float = 20.0  # time constant, readings
    start: float = 20.0  # readings of the line before its evolving populations begin


class State(NamedTuple):
    """One entry per line."""

    membrane: NDArray[np.float64]  # of the populations' mean rarity


def fresh(params: Params, lines: int) -> State:
    """State of `lines` lines that have seen nothing."""
    return State(np.zeros(lines))


@kernel
def step(
    params: Params,
    state: State,
    line: NDArray[np.int64],
    seen: NDArray[np.float64],
    rarity: NDArray[np.float64],
    surprise: NDArray[np.float64],
) -> None:
    """The membrane after each reading, given the populations' `rarity` (n, populations); NaN before they run."""
    for i in range(line.size):
        surprise[i] = np.nan
        if seen[i] < params.start:
            continue
        cubes = 0.0
        for k in range(rarity.shape[1]):
            cubes += rarity[i, k] ** 3
        mean = np.cbrt(cubes / rarity.shape[1])
        membrane = state.membrane[line[i]]
        surprise[i] = membrane + (mean - membrane) / min(seen[i] + 1.0, params.membrane)
        state.membrane[line[i]] = surprise[i]
