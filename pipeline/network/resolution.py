"""Resolution: how finely does a sensor speak, and how often does it say something new?

A set point, a switch or a valve stands still for thousands of rows and then moves. Such a row is no new evidence:
what stands still says the same thing again. So of every line the smallest step is kept, how often it has moved and
how far, and how far it was from what the others expected at the end of each of its holds. Three things follow.

A reading is known to its step and no better: the variance of rounding to it, step^2 / 12, is added to what a line is
usually off (Widrow, Kollar, "Quantization Noise", 2008). What has moved n times is known to n / (n + `proof`), and as
far as it is not known it may move as far again; before its first move a line is not known at all. And a line that
holds its values is off by as much for as long as it holds them, which counts as one deviation and not as many.

A line that moves with nearly every reading holds nothing, and none of this touches it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined

FARTHEST = 1e150  # move that counts, so that its square is finite
NO_HOLD = 0.01  # usual readings beyond the first that a value is held, below which it is not


class Params(NamedTuple):
    """What the kernel reads."""

    proof: float = 1.0  # moves that what is not known yet weighs as much as
    memory: float = 1000.0  # of moves and of what was left at the end of holds, in moves
    long: float = 60.0  # readings running that are a long hold
    begin: float = 20.0  # moves from which a line may be a counter ...
    back: float = 0.05  # ... if no more of them go the other way


class Lines(NamedTuple):
    """One entry per line; values in the sensor's unit."""

    readings: NDArray[np.float64]  # so far, the first not counted
    moves: NDArray[np.float64]  # of these, that were not equal to the one before
    rises: NDArray[np.float64]  # of the moves, that went up
    step: NDArray[np.float64]  # smallest move; 0 before one
    jump: NDArray[np.float64]  # mean square of the moves
    off: NDArray[np.float64]  # residual of the newest reading that was judged, which need not be of the newest row
    left: NDArray[np.float64]  # mean square of that at the end of a hold


def fresh(lines: int) -> Lines:
    """State of `lines` lines that have seen nothing."""
    return Lines(*(np.zeros(lines) for _ in Lines._fields))


@inlined
def follow(params: Params, lines: Lines, line: int, frozen: bool, before: float, value: float, shut: bool) -> None:
    """Take in a reading after one of `before`, the end of a hold if they differ.

    A `shut` line teaches no size, a `frozen` one nothing.
    """
    c = line
    if frozen:
        return
    lines.readings[c] += 1.0
    if value == before:
        return
    far = min(abs(value - before), FARTHEST)
    lines.moves[c] += 1.0
    lines.rises[c] += value > before
    lines.step[c] = far if lines.step[c] == 0.0 else min(lines.step[c], far)
    if not shut:
        rate = 1.0 / min(lines.moves[c], params.memory)
        lines.jump[c] += rate * (far * far - lines.jump[c])
        off = min(abs(lines.off[c]), FARTHEST)
        lines.left[c] += rate * (off * off - lines.left[c])


@inlined
def rounding(lines: Lines, line: int) -> float:
    """Variance of a reading from being rounded to the line's step."""
    return lines.step[line] * lines.step[line] / 12.0


@inlined
def holds(lines: Lines, line: int, tau: float) -> float:
    """Square of how far a membrane of `tau` readings fills while the line holds a value; 0 if it holds none."""
    hold = lines.readings[line] / max(lines.moves[line], 1.0) - 1.0
    if hold < NO_HOLD:
        return 0.0
    filled = 1.0 - (1.0 - 1.0 / tau) ** hold
    return filled * filled


@inlined
def unknown(params: Params, lines: Lines, line: int) -> float:
    """Variance that a line may have beyond what it has shown, because it has moved so seldom."""
    return params.proof / (lines.moves[line] + params.proof) * lines.jump[line]


@inlined
def unexplained(params: Params, lines: Lines, line: int) -> float:
    """Mean squared residual to be expected of a line while it holds a value."""
    moves = lines.moves[line]
    return moves / (moves + params.proof) * lines.left[line] + unknown(params, lines, line)


@inlined
def counts(params: Params, lines: Lines, line: int) -> bool:
    """Whether a line is a counter: it goes one way, but for its resets. How high it is says nothing of a machine."""
    moves = lines.moves[line]
    return moves >= params.begin and min(lines.rises[line], moves - lines.rises[line]) <= params.back * moves


@inlined
def unsure(params: Params, lines: Lines, line: int) -> float:
    """Variance that the line's own past does not show, because it has moved so seldom; infinite for a counter."""
    if counts(params, lines, line):
        return np.inf
    return holds(lines, line, params.long) * unknown(params, lines, line)
