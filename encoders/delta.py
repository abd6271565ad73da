"""Send-on-delta with an adaptive step: spikes when a value has moved.

A line follows its own baseline and its own noise, expresses the value in that unit, compresses it logarithmically
and sends one ON (or OFF) spike for every step the compressed value has moved since the last spike, several per
reading where the jump is large. The receiver's sum of spikes times the step is the line's reconstruction.

Send-on-delta: Miskowicz, "Send-on-delta concept: an event-based data reporting strategy", Sensors 6 (2006).
The constants are those of the detector's parameter set; they were chosen on development data as a plateau.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel

OUTPUTS = 1  # signed: ON spikes minus OFF spikes
LEARNED = ("baseline", "scale", "low", "high")  # fields that a frozen line keeps


class Settings(NamedTuple):
    """Sizes relative to the line's own unit, times in usual sampling intervals."""

    step: float = 0.2  # movement of the compressed value that makes one spike
    squash: float = 5.0  # knee of the logarithmic compression, in units
    scale_intervals: float = 2000.0  # memory of the noise scale
    scale_cap: float = 2.0  # a deviation counts for at most this many scales
    walk: float = 0.02  # speed of the baseline, scales per interval
    walk_early: float = 0.1  # the same during a line's first hundred readings
    coarse: float = 0.02  # share of the learned range in the unit
    coarse_declared: float = 0.05  # share of the declared range in the unit
    range_intervals: float = 10_000.0  # leak of the learned range towards the baseline


class Params(NamedTuple):
    """What the kernel reads; see `Settings`."""

    step: float
    squash: float
    scale_intervals: float
    scale_cap: float
    walk: float
    walk_early: float
    coarse: float
    coarse_declared: float
    range_intervals: float

    @classmethod
    def of(cls, settings: Settings) -> "Params":
        """The kernel's numbers; raises ValueError where a setting makes no sense."""
        if settings.step <= 0 or settings.squash <= 0:
            raise ValueError("delta encoder: step and squash must be positive")
        return cls(*settings)


class State(NamedTuple):
    """One entry per line; values in the sensor's unit unless said otherwise."""

    seen: NDArray[np.float64]  # readings so far
    baseline: NDArray[np.float64]  # slow running median
    scale: NDArray[np.float64]  # mean distance from the baseline, capped
    low: NDArray[np.float64]  # leaky learned range, or the declared one
    high: NDArray[np.float64]
    declared: NDArray[np.bool_]
    compressed: NDArray[np.float64]  # what the spikes so far add up to, in compressed units


def fresh(params: Params, lines: int) -> State:
    """State of `lines` lines that have seen nothing."""
    return State(
        np.zeros(lines),
        np.zeros(lines),
        np.zeros(lines),
        np.zeros(lines),
        np.zeros(lines),
        np.zeros(lines, np.bool_),
        np.zeros(lines),
    )


def declare(state: State, line: int, low: float, high: float) -> None:
    """Tell a line the range of its sensor, in its unit, as a data sheet does; raises ValueError unless low < high."""
    if not low < high:
        raise ValueError(f"declared range: {low} is not below {high}")
    state.low[line], state.high[line], state.declared[line] = low, high, True


@inlined
def encode(params: Params, state: State, line: int, frozen: bool, elapsed: float, value: float) -> int:
    """Signed number of spikes one reading causes; learns from it unless the line is frozen."""
    seen = state.seen[line]
    state.seen[line] = seen + 1.0
    declared = state.declared[line]
    if seen == 0.0:
        state.baseline[line] = value
        if not declared:
            state.low[line] = value
            state.high[line] = value
    baseline = state.baseline[line]
    scale = state.scale[line]
    distance = abs(value - baseline)

    # The unit is what was known before this reading, so that a jump is measured with the old ruler.
    share = params.coarse_declared if declared else params.coarse
    unit = scale + share * (state.high[line] - state.low[line])
    if unit <= 0.0:
        unit = distance if distance > 0.0 else 1.0
    compressed = math.copysign(params.squash * math.log1p(distance / unit / params.squash), value - baseline)

    if not frozen:
        if not declared:
            low, high = state.low[line], state.high[line]
            state.low[line] = min(low + (baseline - low) / params.range_intervals, value)
            state.high[line] = max(high - (high - baseline) / params.range_intervals, value)
        capped = min(distance, params.scale_cap * scale) if seen > 50.0 and scale > 0.0 else distance
        scale += max(1.0 / (seen + 1.0), 1.0 / params.scale_intervals) * (capped - scale)
        state.scale[line] = scale
        # The baseline walks towards the value with a speed limit: a running median that drift leads, a fault cannot.
        reach = (params.walk if seen > 100.0 else params.walk_early) * scale * elapsed
        state.baseline[line] = min(baseline + reach, value) if value > baseline else max(baseline - reach, value)

    if seen == 0.0:
        state.compressed[line] = compressed
        return 0
    moved = compressed - state.compressed[line]
    spikes = int(abs(moved) / params.step)
    if moved < 0.0:
        spikes = -spikes
    state.compressed[line] += spikes * params.step
    return spikes


@kernel
def step(
    params: Params,
    state: State,
    line: NDArray[np.int64],
    frozen: NDArray[np.bool_],
    elapsed: NDArray[np.float64],
    value: NDArray[np.float64],
    out: NDArray[np.int64],
) -> None:
    """Encode readings in order; see the contract in `encoders.spikes`."""
    for i in range(line.size):
        out[i, 0] = encode(params, state, line[i], frozen[line[i]], elapsed[i], value[i])
