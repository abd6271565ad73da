"""Coupling: is this sensor where the machine's other sensors say it should be?

Every line is predicted from traces of the others by a normalised delta rule (LMS: Widrow and Hoff, 1960); a membrane
of the squared error, in units of its usual size, is the surprise.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel, leak


class Params(NamedTuple):
    """What the kernel reads; times in readings."""

    trace: float = 4.0  # time constant of the traces that predict and are predicted
    clip: float = 8.0  # sigmas a trace takes in at most
    rate: float = 0.05  # learning rate of the weights
    membrane: float = 10.0  # time constant of the error
    usual: float = 2000.0  # memory of the usual squared error
    after: float = 100.0  # readings before errors count


class State(NamedTuple):
    """One entry (or row) per line, in sigmas of the line."""

    trace: NDArray[np.float64]
    weights: NDArray[np.floating]  # (lines, width), from the other lines of the machine, in roster order
    error: NDArray[np.float64]
    usual: NDArray[np.float64]


def fresh(params: Params, lines: int, width: int, real: type[np.floating]) -> State:
    """State of `lines` lines in machines of at most `width` lines."""
    return State(np.zeros(lines), np.zeros((lines, width), real), np.zeros(lines), np.zeros(lines))


@inlined
def follow(params: Params, state: State, line: int, seen: float, elapsed: float, sigmas: float) -> None:
    """Let the line's trace take in a reading."""
    taken = min(max(sigmas, -params.clip), params.clip) if seen > 20.0 else 0.0
    state.trace[line] += leak(1.0 / params.trace, elapsed) * (taken - state.trace[line])


@inlined
def power(state: State, roster: NDArray[np.int64], slot: int, size: int) -> float:
    """Power of all traces of a machine, the norm of the delta rule."""
    total = 1e-3
    for i in range(size):
        total += state.trace[roster[slot, i]] ** 2 + 0.3
    return total


@kernel
def step(
    params: Params,
    state: State,
    roster: NDArray[np.int64],
    slot: int,
    size: int,
    own: int,
    frozen: bool,
    age: float,
    power: float,
) -> float:
    """Surprise of the machine's `own`-th line about its partners; then its weights learn, unless it is
    frozen. `age`: its readings."""
    line = roster[slot, own]
    predicted = 0.0
    for i in range(size):
        if i != own:
            predicted += state.weights[line, i] * state.trace[roster[slot, i]]
    error = state.trace[line] - predicted
    squared = error * error
    usual = state.usual[line]
    taken = min(squared, 25.0 * usual + 0.1) if age > params.after else 0.0
    state.error[line] += (taken - state.error[line]) / params.membrane
    surprise = state.error[line] / (usual + 1e-3)
    if frozen:
        return surprise
    state.usual[line] += (min(squared, 9.0 * usual + 1.0) - usual) / min(age, params.usual)
    gain = params.rate * min(max(error, -1.0), 1.0) / power
    for i in range(size):
        if i != own:
            state.weights[line, i] += gain * state.trace[roster[slot, i]]
    return surprise
