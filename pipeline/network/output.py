"""Dendrite and output neuron: many rare surprises become one event.

The dendrite of a line adds the cubes of its populations' rarities: a soft OR, moved by one very rare surprise or by
several fair ones. The machine listens to its most surprised line, allows for the number of lines, and an output
neuron, whose threshold jumps when it fires and then decays, turns the surprise into single events.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel


class Params(NamedTuple):
    """What the kernel reads; times in readings of the machine's oldest line."""

    warm: float = 100.0  # readings of a line before it may speak
    lines_power: float = 0.5  # allowance for many lines, in decades of their number
    young: float = 0.5  # allowance for young rank neurons, which cannot answer as high
    rise: float = 1.1  # threshold after an event, in its size
    threshold: float = 50.0  # time constant of the threshold's decay
    hold_share: float = 0.06  # the threshold is held for this share of the machine's life ...
    hold_least: float = 20.0  # ... but at least and at most so long
    hold_most: float = 150.0


class State(NamedTuple):
    """One entry per machine."""

    threshold: NDArray[np.float64]
    hold: NDArray[np.float64]  # intervals until the threshold begins to decay


def fresh(params: Params, slots: int) -> State:
    """State of `slots` machines that have seen nothing."""
    return State(np.zeros(slots), np.zeros(slots))


@inlined
def surprise(params: Params, best: float, size: int, oldest: float, innate: float) -> float:
    """Surprise of a machine of `size` lines whose most surprised dendrite says `best`."""
    allowed = max(best - params.lines_power * math.log10(float(size)), 0.0)
    reach = math.log10(2.0 * (min(oldest, 1e4) + innate))
    return allowed * (4.3 / reach) ** params.young


@kernel
def step(params: Params, state: State, slot: int, elapsed: float, oldest: float, surprise: float) -> float:
    """Size of the event the output neuron makes of a row's surprise; 0 for none."""
    if state.hold[slot] > 0.0:
        state.hold[slot] = max(state.hold[slot] - elapsed, 0.0)
    else:
        state.threshold[slot] *= math.exp(-elapsed / params.threshold)
    if surprise <= state.threshold[slot]:
        return 0.0
    state.threshold[slot] = params.rise * surprise
    state.hold[slot] = min(params.hold_most, max(params.hold_least, params.hold_share * oldest))
    return surprise
