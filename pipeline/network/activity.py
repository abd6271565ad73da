"""Activity and silence: is the signal busier, calmer, or stiller than it ever was?

Ten send-on-delta neurons with steps that double: their spike count is a logarithm of how much the signal moves,
whatever its unit. A membrane of that count is the activity; a run of readings without any spike is the silence
that a stuck sensor makes.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel, leak

STEPS = 10


class Params(NamedTuple):
    """What the kernel reads; times in readings."""

    smallest: float = 1 / 32  # step of the first neuron, in mean absolute changes
    slow: float = 8000.0  # memory of the mean absolute change and of the usual quiet run
    membrane: float = 16.0  # time constant of the activity
    reference: float = 4000.0  # memory of its usual mean and variance
    long_quiet: float = 5.0  # silence counts beyond this many usual quiet runs


class State(NamedTuple):
    """One entry per line; values in the sensor's unit."""

    previous: NDArray[np.float64]
    change: NDArray[np.float64]  # mean absolute change from reading to reading
    reference: NDArray[np.float64]  # (lines, STEPS), value at each neuron's last spike
    activity: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    quiet: NDArray[np.float64]  # usual sampling intervals since any spike
    usual_quiet: NDArray[np.float64]


def fresh(params: Params, lines: int) -> State:
    """State of `lines` lines that have seen nothing."""
    return State(np.zeros(lines), np.zeros(lines), np.zeros((lines, STEPS)), *[np.zeros(lines) for _ in range(5)])


@inlined
def spikes(params: Params, state: State, line: int, frozen: bool, seen: float, value: float) -> float:
    """How many of the ten neurons spike on this reading."""
    if seen == 0.0:
        state.previous[line] = value
        state.reference[line, :] = value
    change = abs(value - state.previous[line])
    state.previous[line] = value
    if seen > 0.0 and not frozen:
        state.change[line] += (change - state.change[line]) / min(seen, params.slow)
    step = params.smallest * state.change[line]
    fired = 0.0
    if step > 0.0:
        for j in range(STEPS):
            if abs(value - state.reference[line, j]) >= step:
                state.reference[line, j] = value
                fired += 1.0
            step *= 2.0
    return fired


@inlined
def unusual(
    params: Params, state: State, line: int, frozen: bool, seen: float, elapsed: float, fired: float
) -> float:
    """Distance of the activity from its usual level, in its own deviations; then that level learns."""
    state.activity[line] += leak(1.0 / min(seen + 1.0, params.membrane), elapsed) * (fired - state.activity[line])
    error = state.activity[line] - state.mean[line]
    surprise = abs(error) / (math.sqrt(state.variance[line]) + 0.05)
    if frozen:
        return surprise
    rate = 1.0 / min(seen + 1.0, params.reference)
    state.mean[line] += rate * error
    state.variance[line] += rate * (error * (state.activity[line] - state.mean[line]) - state.variance[line])
    return surprise


@inlined
def silence(
    params: Params, state: State, line: int, frozen: bool, seen: float, elapsed: float, fired: float
) -> tuple[float, bool]:
    """Length of the present quiet run in usual intervals, and whether it is long for this line; then learns."""
    quiet = state.quiet[line] + elapsed if fired == 0.0 else 0.0
    state.quiet[line] = quiet
    long = quiet > params.long_quiet * (1.0 + state.usual_quiet[line])
    if not frozen:
        state.usual_quiet[line] += (quiet - state.usual_quiet[line]) / min(seen + 1.0, params.slow)
    return quiet, long


@kernel
def step(
    params: Params,
    state: State,
    line: NDArray[np.int64],
    frozen: NDArray[np.bool_],
    seen: NDArray[np.float64],
    elapsed: NDArray[np.float64],
    x: NDArray[np.float64],
    fired: NDArray[np.float64],
    strange: NDArray[np.float64],
    quiet: NDArray[np.float64],
    long: NDArray[np.bool_],
) -> None:
    """`spikes`, `unusual` and `silence` of each reading, in order."""
    for i in range(line.size):
        c = line[i]
        fired[i] = spikes(params, state, c, frozen[c], seen[i], x[i])
        strange[i] = unusual(params, state, c, frozen[c], seen[i], elapsed[i], fired[i])
        quiet[i], long[i] = silence(params, state, c, frozen[c], seen[i], elapsed[i], fired[i])
