"""Evolving populations: neurons are recruited for what is new and replaced when nobody needs them.

A value arrives as spike times. Each neuron holds one delay per synapse; where its delays undo the pattern of the
input its spikes coincide and it fires early. The first to fire inhibits the rest, so its lateness says how unlike
everything known the input is. The winner moves its delays towards the input; an input later than the vigilance
limit recruits a neuron of its own, and the limit is kept, by homeostasis, where a wanted share of inputs is new.

Latency code and coincidence of delays: Hopfield (1995). Evolving spiking networks: Kasabov (2007); for streams:
Maciag et al., OeSNN-UAD (2021). Vigilance: adaptive resonance, Carpenter and Grossberg (1987).

Three populations of each line work this way (`levels`, `pattern`, `changes`, see the table in `__init__`), and the
machine's `condition` uses the same pieces over all lines.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel

NEURONS = 64
ASKED_FROM = 5.0  # cycles before a population's lateness means anything


class Params(NamedTuple):
    """What the kernel reads; times in cycles of the population."""

    novel: float = 0.005  # wanted share of inputs that recruit
    move: float = 0.04  # least learning rate of a winner's delays
    memory: float = 1500.0  # strength of an unused neuron fades with this time constant
    worst: float = 0.3  # weight of the latest synapse in a neuron's lateness; the mean has the rest
    vigilance: float = 0.1  # where the limit starts
    start: float = 20.0  # readings of the line before its populations begin


class State(NamedTuple):
    """Of the evolving population of each line. Neurons are the last axis: one input is compared with all at once."""

    delays: NDArray[np.floating]  # (lines, synapses, NEURONS), in compressed units
    strength: NDArray[np.floating]  # (lines, NEURONS), ln(faded wins) + last win / memory: order needs no fading
    recruited: NDArray[np.int64]
    vigilance: NDArray[np.float64]


class Scratch(NamedTuple):
    """Room for one cycle; nothing in it outlives the cycle."""

    total: NDArray[np.floating]  # (NEURONS,), of the same type as the delays
    latest: NDArray[np.floating]
    spike_times: NDArray[np.float64]  # (synapses,)


def fresh(params: Params, lines: int, synapses: int, real: type[np.floating]) -> State:
    """State of `lines` lines whose populations are still empty."""
    return State(
        np.zeros((lines, synapses, NEURONS), real),
        np.zeros((lines, NEURONS), real),
        np.zeros(lines, np.int64),
        np.full(lines, params.vigilance),
    )


def scratch(synapses: int, neurons: int, real: type[np.floating]) -> Scratch:
    """Room for a population of so many synapses and neurons whose delays are of type `real`."""
    return Scratch(np.empty(neurons, real), np.empty(neurons, real), np.empty(synapses))


@inlined
def hear(
    spike_time: float,
    delays: NDArray[np.floating],
    line: int,
    synapse: int,
    neurons: int,
    total: NDArray[np.floating],
    latest: NDArray[np.floating],
) -> None:
    """Add the mismatch of one synapse of every neuron to `total`, and keep the largest in `latest`."""
    time = delays.dtype.type(spike_time)
    for j in range(neurons):
        late = abs(time - delays[line, synapse, j])
        total[j] += late
        latest[j] = late if late > latest[j] else latest[j]


@inlined
def fire(
    params: Params, synapses: int, neurons: int, total: NDArray[np.floating], latest: NDArray[np.floating]
) -> tuple[float, int]:
    """Lateness and number of the first neuron to fire, (0, -1) if there is none; leaves lateness in `total`."""
    share = total.dtype.type((1.0 - params.worst) / synapses)
    worst = total.dtype.type(params.worst)
    for j in range(neurons):
        total[j] = share * total[j] + worst * latest[j]
    # Four running minima side by side: the processor need not wait for one comparison to begin the next.
    a = b = c = d = total.dtype.type(np.inf)
    even = neurons - neurons % 4
    for j in range(0, even, 4):
        a = total[j] if total[j] < a else a
        b = total[j + 1] if total[j + 1] < b else b
        c = total[j + 2] if total[j + 2] < c else c
        d = total[j + 3] if total[j + 3] < d else d
    for j in range(even, neurons):
        a = total[j] if total[j] < a else a
    a = b if b < a else a
    c = d if d < c else c
    least = c if c < a else a
    for j in range(neurons):
        if total[j] == least:
            return float(least), j
    return 0.0, -1


@inlined
def surprise_limit(params: Params, limit: float, cycle: float, novel: bool) -> float:
    """The vigilance limit after an input that was novel or not; homeostasis, faster while young."""
    wanted = params.novel
    if cycle < 2000.0:  # later the term is below the last digit
        wanted *= 1.0 + 9.0 * math.exp(-cycle / 50.0)
    error = (1.0 if novel else 0.0) - wanted
    return min(max(limit * math.exp(max(0.02, 1.0 / cycle) * 0.5 * error), 0.005), 1.0)


@inlined
def settle(
    params: Params,
    strength: NDArray[np.floating],
    owner: int,
    recruited: int,
    winner: int,
    novel: bool,
    cycle: float,
) -> tuple[int, float]:
    """Which neuron of `owner` learns this input and at which rate; a novel one takes its place. Keeps strengths."""
    now = cycle / params.memory
    if not novel:
        wins = math.exp(strength[owner, winner] - now) + 1.0
        strength[owner, winner] = math.log(wins) + now
        return winner, max(params.move, 1.0 / wins)
    neuron = recruited
    if recruited == strength.shape[1]:  # full: the weakest makes room
        neuron = 0
        for j in range(1, recruited):
            if strength[owner, j] < strength[owner, neuron]:
                neuron = j
    strength[owner, neuron] = now
    return neuron, 1.0


@kernel
def step(
    params: Params,
    state: State,
    line: NDArray[np.int64],
    frozen: NDArray[np.bool_],
    seen: NDArray[np.float64],
    spike_times: NDArray[np.float64],
    lateness: NDArray[np.float64],
    scratch: Scratch,
) -> None:
    """One cycle of each reading's population: lateness of the first neuron to fire; then somebody learns, unless
    the line is frozen.

    `spike_times` has shape (n, synapses). `lateness` is NaN while the population is too young to be asked.
    """
    delays, limit, total, latest = state.delays, state.vigilance, scratch.total, scratch.latest
    synapses = delays.shape[1]
    for i in range(line.size):
        c = line[i]
        lateness[i] = np.nan
        cycle = seen[i] - params.start + 1.0
        if cycle < 1.0:
            continue
        recruited = state.recruited[c]
        total[:recruited] = 0.0
        latest[:recruited] = 0.0
        for k in range(synapses):
            hear(spike_times[i, k], delays, c, k, recruited, total, latest)
        late, winner = fire(params, synapses, recruited, total, latest)
        if cycle >= ASKED_FROM:
            lateness[i] = late
        if frozen[c]:
            continue
        novel = winner < 0 or late > limit[c]
        limit[c] = surprise_limit(params, limit[c], cycle, novel)
        neuron, rate = settle(params, state.strength, c, recruited, winner, novel, cycle)
        if neuron == recruited:
            state.recruited[c] = recruited + 1
        for k in range(synapses):
            if novel:
                delays[c, k, neuron] = spike_times[i, k]
            else:
                delays[c, k, neuron] += rate * (spike_times[i, k] - delays[c, k, neuron])
