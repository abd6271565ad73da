"""Time as a line feels it: in units of its usual sampling interval, learned online.

All time constants of the network count usual intervals, so nothing ticks while nothing arrives. A step within ten
per cent of the usual one counts as exactly one interval: jitter is no information, and equal steps then run the
plain equations.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel

NEVER = np.iinfo(np.int64).min  # time before every reading
JITTER = 0.1
SLOWEST_WALK = 0.01  # the running median moves by at least this share of itself per reading, by judgement


class Params(NamedTuple):
    """What the kernel reads."""

    by_time: bool = True  # False: every reading is one interval, whatever its time


class State(NamedTuple):
    """One entry per line."""

    seen: NDArray[np.float64]  # readings so far
    last_ns: NDArray[np.int64]  # Unix time of the newest reading; outlives what was learned, so that it stays late
    usual_ns: NDArray[np.float64]  # running median of the steps; 0 before the second reading


def fresh(params: Params, lines: int) -> State:
    """State of `lines` lines that have seen nothing."""
    return State(np.zeros(lines), np.full(lines, NEVER), np.zeros(lines))


@inlined
def intervals(params: Params, step_ns: float, usual_ns: float) -> float:
    """A step in units of the usual one; 1.0 exactly where it is the usual one or nothing is known yet."""
    if not params.by_time or usual_ns <= 0.0:
        return 1.0
    ratio = step_ns / usual_ns
    return 1.0 if abs(ratio - 1.0) <= JITTER else ratio


@kernel
def step(
    params: Params,
    state: State,
    line: NDArray[np.int64],
    time_ns: NDArray[np.int64],
    seen: NDArray[np.float64],
    elapsed: NDArray[np.float64],
    usual_ns: NDArray[np.float64],
) -> int:
    """For each reading: readings its line had before, usual intervals since the last one, and the usual interval.

    A reading not newer than its line's last one is late: `seen` becomes -1 and nothing is learned. Returns how many.
    """
    late = 0
    for i in range(line.size):
        c = line[i]
        before = state.seen[c]
        if time_ns[i] <= state.last_ns[c]:
            seen[i] = -1.0
            late += 1
            continue
        step_ns = float(time_ns[i] - state.last_ns[c]) if before > 0.0 else 0.0
        seen[i] = before
        elapsed[i] = 1.0
        state.seen[c] = before + 1.0
        state.last_ns[c] = time_ns[i]
        usual = state.usual_ns[c]
        if usual > 0.0:
            elapsed[i] = intervals(params, step_ns, usual)
            reach = min(max(1.0 / before, SLOWEST_WALK) * usual, abs(step_ns - usual))
            usual += reach if step_ns > usual else -reach
        elif before > 0.0:
            usual = step_ns
        state.usual_ns[c] = usual
        usual_ns[i] = usual
    return late
