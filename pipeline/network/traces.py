"""Synaptic traces: what the encoder's spikes leave behind, over longer and longer times.

A cascade of leaky membranes over the reconstruction of the delta code gives an evolving population the recent past
at five time scales; two membranes of its roughness say how restless the signal is.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import kernel, leak

CASCADE = 5  # membranes behind the reconstruction itself
LEVELS, PATTERN, CHANGES = CASCADE + 1, 3, CASCADE - 1  # synapses of the populations that read the traces


class Settings(NamedTuple):
    """Times in usual sampling intervals."""

    first: float = 1.5  # time constant of the first membrane
    ratio: float = 1.9  # each next one is slower by this factor
    rough_fast: float = 4.0
    rough_slow: float = 16.0
    rough_weight: float = 0.9
    rough_floor: float = 0.05


class Params(NamedTuple):
    """What the kernel reads: shares a membrane forgets in one interval, and the scaling of roughness."""

    forget: tuple[float, float, float, float, float]
    forget_fast: float
    forget_slow: float
    rough_weight: float
    rough_floor: float

    @classmethod
    def of(cls, settings: Settings) -> "Params":
        """The kernel's numbers; raises ValueError where a time constant is not positive."""
        taus = [settings.first * settings.ratio**k for k in range(CASCADE)]
        taus += [settings.rough_fast, settings.rough_slow]
        if min(taus) <= 0:
            raise ValueError("traces: time constants must be positive")
        a, b, c, d, e, fast, slow = (1.0 - math.exp(-1.0 / tau) for tau in taus)
        return cls((a, b, c, d, e), fast, slow, settings.rough_weight, settings.rough_floor)


class State(NamedTuple):
    """In compressed units."""

    trace: NDArray[np.float64]  # (lines, CASCADE)
    rough: NDArray[np.float64]  # (lines, 2)


def fresh(params: Params, lines: int) -> State:
    """State of `lines` lines that have seen nothing."""
    return State(np.zeros((lines, CASCADE)), np.zeros((lines, 2)))


@kernel
def step(params: Params, state: State, line: int, seen: float, elapsed: float, level: float) -> None:
    """Pass the reconstruction `level` down the cascade. The reconstruction starts at 0, and so do the traces."""
    youth = 1.0 / (seen + 1.0)
    before = level
    for k in range(CASCADE):
        state.trace[line, k] += leak(max(params.forget[k], youth), elapsed) * (before - state.trace[line, k])
        before = state.trace[line, k]
    rough = abs(level - state.trace[line, 1])
    state.rough[line, 0] += leak(max(params.forget_fast, youth), elapsed) * (rough - state.rough[line, 0])
    state.rough[line, 1] += leak(max(params.forget_slow, youth), elapsed) * (rough - state.rough[line, 1])


@kernel
def levels(state: State, line: int, level: float, out: NDArray[np.float64]) -> None:
    """Where the signal is, now and on every time scale: LEVELS spike times."""
    out[0] = level
    for k in range(CASCADE):
        out[k + 1] = state.trace[line, k]


@kernel
def pattern(params: Params, state: State, line: int, out: NDArray[np.float64]) -> None:
    """Slow level and roughness on two time scales: PATTERN spike times."""
    out[0] = state.trace[line, 3]
    out[1] = params.rough_weight * math.log(state.rough[line, 0] + params.rough_floor)
    out[2] = params.rough_weight * math.log(state.rough[line, 1] + params.rough_floor)


@kernel
def changes(state: State, line: int, level: float, out: NDArray[np.float64]) -> None:
    """How the signal has moved between neighbouring time scales: CHANGES spike times."""
    before = level
    for k in range(CHANGES):
        out[k] = before - state.trace[line, k]
        before = state.trace[line, k]
