"""The rank neuron: how rare is this surprise on this very sensor?

It counts past surprises in logarithmic bins, forgets slowly, and answers with -log10 of the tail probability of the
present one, so that "never this busy" and "outside everything seen" become comparable without units. It is born
with innate counts, worth two hundred readings, so that its first answers are sober.

Conformal / rank p-values: Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World" (2005); anomaly
likelihood: Lavin and Ahmad (2015).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import kernel

BINS = 24  # of ln surprise
LOWEST = -6.0  # ln surprise at which the first bin begins
BINS_PER_UNIT = 2.0  # each bin is half a unit of ln surprise wide


class Params(NamedTuple):
    """What the kernel reads."""

    innate: float = 200.0  # weight of the innate counts, readings
    fade: float = 1e-4  # share of its memory a neuron loses per reading: it remembers ten thousand


class State(NamedTuple):
    """Faded counts."""

    counts: NDArray[np.floating]  # (lines, populations, BINS + 1); the last entry is the sum of the others


def fresh(params: Params, lines: int, innate: NDArray[np.float64], real: type[np.floating]) -> State:
    """State of `lines` lines; `innate`, shape (populations, BINS), says how often each bin occurs per reading."""
    start = params.innate * innate
    start = np.concatenate([start, start.sum(1, keepdims=True)], axis=1)
    return State(np.broadcast_to(start, (lines, *start.shape)).astype(real))


@kernel
def rarity(params: Params, state: State, line: int, population: int, surprise: float) -> float:
    """-log10 of the share of past surprises at least this large; then counts this one."""
    counts = state.counts
    own = min(max(int((math.log(surprise + 1e-9) - LOWEST) * BINS_PER_UNIT), 0), BINS - 1)
    tail = 0.5 * counts[line, population, own]  # half of its own bin, as in a mid-p value
    for k in range(own + 1, BINS):
        tail += counts[line, population, k]
    rare = -math.log10((tail + 0.5) / (counts[line, population, BINS] + 1.0))
    keep = 1.0 - params.fade
    for k in range(BINS + 1):
        counts[line, population, k] *= keep
    counts[line, population, own] += 1.0
    counts[line, population, BINS] += 1.0
    return rare


@kernel
def step(
    params: Params,
    state: State,
    line: NDArray[np.int64],
    population: int,
    surprise: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Rarity of each reading's surprise into `out`; 0, and nothing counted, where the surprise is NaN (not asked)."""
    for i in range(line.size):
        out[i] = 0.0 if math.isnan(surprise[i]) else rarity(params, state, line[i], population, surprise[i])
