"""Range and value: is this reading outside everything seen, or far from the slow mean?"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel

OVERFLOW = 20.0  # surprise of leaving the range by its own width


class Params(NamedTuple):
    """What the kernel reads; times in readings."""

    slow: float = 8000.0  # memory of the slow mean and variance


class State(NamedTuple):
    """One entry per line, in the sensor's unit."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


def fresh(params: Params, lines: int) -> State:
    """State of `lines` lines that have seen nothing."""
    return State(np.zeros(lines), np.zeros(lines), np.zeros(lines), np.zeros(lines))


@inlined
def deviation(variance: float, mean: float) -> float:
    """Standard deviation with a floor against rounding, so that a constant signal divides by something."""
    return math.sqrt(variance) + 1e-6 * abs(mean) + 1e-12


@inlined
def overflow(state: State, line: int, frozen: bool, seen: float, value: float) -> float:
    """How far a reading lies outside everything seen, in twentieths of that range; 0 inside. Widens the range."""
    if seen == 0.0:
        state.low[line] = value
        state.high[line] = value
    low, high = state.low[line], state.high[line]
    outside = max(value - high, low - value, 0.0)
    if not frozen:
        state.low[line] = min(low, value)
        state.high[line] = max(high, value)
    if outside <= 0.0:
        return 0.0
    return OVERFLOW * outside / (high - low) if high > low else OVERFLOW


@inlined
def distance(params: Params, state: State, line: int, frozen: bool, seen: float, value: float) -> float:
    """Signed distance from the slow mean in standard deviations; then the mean learns."""
    if seen == 0.0:
        state.mean[line] = value
    mean = state.mean[line]
    sigmas = (value - mean) / deviation(state.variance[line], mean)
    if frozen:
        return sigmas
    rate = 1.0 / min(seen + 1.0, params.slow)
    error = value - mean
    state.mean[line] = mean + rate * error
    if seen > 0.0:
        state.variance[line] += rate * (error * (value - state.mean[line]) - state.variance[line])
    return sigmas


@kernel
def step(
    params: Params,
    state: State,
    line: NDArray[np.int64],
    frozen: NDArray[np.bool_],
    seen: NDArray[np.float64],
    x: NDArray[np.float64],
    outside: NDArray[np.float64],
    sigmas: NDArray[np.float64],
) -> None:
    """`overflow` and `distance` of each reading, in order."""
    for i in range(line.size):
        c = line[i]
        outside[i] = overflow(state, c, frozen[c], seen[i], x[i])
        sigmas[i] = distance(params, state, c, frozen[c], seen[i], x[i])
