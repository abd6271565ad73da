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

from encoders.spikes import inlined, kernel

BINS = 24  # of ln surprise, each half a unit wide; the first and the last are open
EDGES = np.exp(-6.0 + 0.5 * np.arange(1, BINS))  # surprise at which the second bin, the third, ... begins


class Params(NamedTuple):
    """What the kernel reads."""

    innate: float = 200.0  # weight of the innate counts, readings
    fade: float = 1e-4  # share of its memory a neuron loses per reading: it remembers ten thousand


class State(NamedTuple):
    """Faded counts, kept as tails: reading one is then a look-up, and no bin is ever subtracted."""

    tails: NDArray[np.floating]  # (lines, populations, BINS + 1), counts in this bin and all above; the last is 0


def fresh(params: Params, lines: int, innate: NDArray[np.float64], real: type[np.floating]) -> State:
    """State of `lines` lines; `innate`, shape (populations, BINS), says how often each bin occurs per reading."""
    tails = np.zeros((len(innate), BINS + 1))
    tails[:, :BINS] = params.innate * innate[:, ::-1].cumsum(1)[:, ::-1]
    return State(np.broadcast_to(tails, (lines, *tails.shape)).astype(real, order="C"))


@inlined
def rarity(params: Params, state: State, line: int, frozen: bool, population: int, surprise: float) -> float:
    """-log10 of the share of past surprises at least this large; then counts this one, unless the line is frozen."""
    tails = state.tails
    felt = surprise + 1e-9
    own = 0
    for k in range(BINS - 1):
        own += 1 if felt >= EDGES[k] else 0
    # Half of its own bin counts as above it, as in a mid-p value.
    above = 0.5 * (float(tails[line, population, own]) + float(tails[line, population, own + 1]))
    rare = -math.log10((above + 0.5) / (float(tails[line, population, 0]) + 1.0))
    if frozen:
        return rare
    keep = tails.dtype.type(1.0 - params.fade)
    for k in range(BINS + 1):
        tails[line, population, k] *= keep
    for k in range(own + 1):
        tails[line, population, k] += tails.dtype.type(1.0)
    return rare


@kernel
def step(
    params: Params,
    state: State,
    line: NDArray[np.int64],
    frozen: NDArray[np.bool_],
    population: int,
    surprise: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Rarity of each reading's surprise into `out`; 0, and nothing counted, where the surprise is NaN (not asked)."""
    for i in range(line.size):
        c = line[i]
        out[i] = 0.0 if math.isnan(surprise[i]) else rarity(params, state, c, frozen[c], population, surprise[i])
