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
LEVELS, PATTERN, CHANGES = CASCADE + 1, 3, CASCADE - 1  # synapses of the populations that hear the traces
SYNAPSES = LEVELS + PATTERN + CHANGES


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

    step: float  # of the encoder: what one spike adds to the level
    forget: tuple[float, float, float, float, float]
    forget_fast: float
    forget_slow: float
    rough_weight: float
    rough_floor: float

    @classmethod
    def of(cls, settings: Settings, step: float) -> "Params":
        """The kernel's numbers, for an encoder of this step; raises ValueError unless time constants are positive."""
        taus = [settings.first * settings.ratio**k for k in range(CASCADE)]
        taus += [settings.rough_fast, settings.rough_slow]
        if min(taus) <= 0:
            raise ValueError("traces: time constants must be positive")
        a, b, c, d, e, fast, slow = (1.0 - math.exp(-1.0 / tau) for tau in taus)
        return cls(step, (a, b, c, d, e), fast, slow, settings.rough_weight, settings.rough_floor)


class State(NamedTuple):
    """In compressed units."""

    level: NDArray[np.float64]  # (lines,), the reconstruction: what the spikes so far add up to
    trace: NDArray[np.float64]  # (lines, CASCADE)
    rough: NDArray[np.float64]  # (lines, 2)


def fresh(params: Params, lines: int) -> State:
    """State of `lines` lines that have seen nothing."""
    return State(np.zeros(lines), np.zeros((lines, CASCADE)), np.zeros((lines, 2)))


@kernel
def step(
    params: Params,
    state: State,
    line: NDArray[np.int64],
    seen: NDArray[np.float64],
    elapsed: NDArray[np.float64],
    spikes: NDArray[np.int64],
    spike_times: NDArray[np.float64],
) -> None:
    """Let each reading's spikes run down the cascade; what the populations hear goes to `spike_times`.

    `spikes` has shape (n, 1), `spike_times` (n, SYNAPSES): where the signal is, now and on every time scale
    (`LEVELS`); slow level and roughness (`PATTERN`); how it moved between neighbouring time scales (`CHANGES`).
    """
    trace, rough = state.trace, state.rough
    for i in range(line.size):
        c = line[i]
        youth = 1.0 / (seen[i] + 1.0)
        state.level[c] += spikes[i, 0] * params.step
        before = state.level[c]
        spike_times[i, 0] = before
        for k in range(CASCADE):
            trace[c, k] += max(leak(params.forget[k], elapsed[i]), youth) * (before - trace[c, k])
            if k < CHANGES:
                spike_times[i, LEVELS + PATTERN + k] = before - trace[c, k]
            before = trace[c, k]
            spike_times[i, k + 1] = before
        jump = abs(state.level[c] - trace[c, 1])
        rough[c, 0] += max(leak(params.forget_fast, elapsed[i]), youth) * (jump - rough[c, 0])
        rough[c, 1] += max(leak(params.forget_slow, elapsed[i]), youth) * (jump - rough[c, 1])
        spike_times[i, LEVELS] = trace[c, 3]
        spike_times[i, LEVELS + 1] = params.rough_weight * math.log(rough[c, 0] + params.rough_floor)
        spike_times[i, LEVELS + 2] = params.rough_weight * math.log(rough[c, 1] + params.rough_floor)
