"""Population rate code: sixteen receptive fields whose firing rates say where a value is.

Triangular fields tile the range a line has learned (or was told). A value excites the two fields beside it, in
proportion to its nearness; each field turns its rate into spikes with a phase accumulator, so the code is
deterministic: the same readings give the same spikes, and over time the counts are the rates. Leaky membranes smooth
what is encoded.

Receptive fields: Bohte, Kok, La Poutre, Neurocomputing 48 (2002), with triangles in place of Gaussians because
two fields then carry the value exactly and cheaply.

A line has three membranes over one range; the spike train is that of the first. A population that wants the slower
ones, or the rates before they are spelled out in spikes, reads `place`: `FIELDS - 1` places between the fields, the
two beside it firing at `1 - f` and `f` for a place `f` above the lower one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel, leak

FIELDS = 16
MEMBRANES = 3
OUTPUTS = FIELDS
LEARNED = ("low", "high")  # fields that a frozen line keeps


class Settings(NamedTuple):
    """Times in usual sampling intervals."""

    spikes_per_reading: float = 8.0  # of all fields together
    membranes: tuple[float, float, float] = (1.0, 8.0, 16.0)  # time constants; 1 follows every reading


class Params(NamedTuple):
    """What the kernel reads; see `Settings`."""

    spikes_per_reading: float
    membranes: tuple[float, float, float]

    @classmethod
    def of(cls, settings: Settings) -> "Params":
        """The kernel's numbers; raises ValueError where a setting makes no sense."""
        if settings.spikes_per_reading <= 0 or min(settings.membranes) < 1:
            raise ValueError("rate encoder: spikes_per_reading must be positive, membranes at least 1")
        return cls(*settings)


class State(NamedTuple):
    """One entry (or row) per line; values in the sensor's unit."""

    seen: NDArray[np.float64]  # readings so far
    low: NDArray[np.float64]  # learned or declared range
    high: NDArray[np.float64]
    declared: NDArray[np.bool_]
    membrane: NDArray[np.float64]  # (lines, MEMBRANES)
    phase: NDArray[np.float64]  # (lines, FIELDS), share of the next spike each field has gathered, 0..1


def fresh(params: Params, lines: int) -> State:
    """State of `lines` lines that have seen nothing."""
    return State(
        np.zeros(lines),
        np.zeros(lines),
        np.zeros(lines),
        np.zeros(lines, np.bool_),
        np.zeros((lines, MEMBRANES)),
        np.zeros((lines, FIELDS)),
    )


def declare(state: State, line: int, low: float, high: float) -> None:
    """Tell a line the range of its sensor, in its unit; raises ValueError unless low < high."""
    if not low < high:
        raise ValueError(f"declared range: {low} is not below {high}")
    state.low[line], state.high[line], state.declared[line] = low, high, True


@inlined
def follow(params: Params, state: State, line: int, frozen: bool, elapsed: float, value: float) -> None:
    """Let the line's membranes take in a reading, and its range unless that is declared or the line frozen."""
    seen = state.seen[line]
    state.seen[line] = seen + 1.0
    if not state.declared[line]:
        if seen == 0.0:
            state.low[line] = value
            state.high[line] = value
        elif not frozen:
            state.low[line] = min(state.low[line], value)
            state.high[line] = max(state.high[line], value)
    for m in range(MEMBRANES):
        share = leak(1.0 / min(seen + 1.0, params.membranes[m]), elapsed)
        state.membrane[line, m] += share * (value - state.membrane[line, m])


@inlined
def place(state: State, line: int, membrane: int) -> float:
    """Where one of the line's membranes lies among the fields, 0..FIELDS - 1."""
    width = state.high[line] - state.low[line]
    if width <= 0.0:
        return 0.5 * (FIELDS - 1)  # nothing known about the range yet: the middle
    return min(max((state.membrane[line, membrane] - state.low[line]) / width, 0.0), 1.0) * (FIELDS - 1)


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
        c = line[i]
        follow(params, state, c, frozen[c], elapsed[i], value[i])
        here = place(state, c, 0)
        first = min(int(here), FIELDS - 2)
        nearness = here - first
        out[i, :] = 0
        for field, rate in ((first, 1.0 - nearness), (first + 1, nearness)):
            phase = state.phase[c, field] + rate * params.spikes_per_reading
            spikes = int(phase)
            state.phase[c, field] = phase - spikes
            out[i, field] = spikes
