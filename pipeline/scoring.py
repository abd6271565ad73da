"""What the network says becomes what a person reads: a score in [0, 1], a severity, and when to write it down.

A score of 0.99 is one unit of surprise or state, 0.999 one and a half, on every machine and sensor alike.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import kernel
from pipeline.records import Bools, Floats, Ints

EVENT_UNIT = 1.7  # size of an event that scores 0.99, where one sensor is all there is
EVENT_UNIT_OF_MANY = 2.0  # the same with several: their state says much of what events would
LONE_WITNESS = 0.9  # most that a state scores which may hold an alarm and never raise one: of one sensor, or changed
WARM = 100.0  # readings a machine learns from before it says anything


class Severity(IntEnum):
    """How urgent a score is."""

    NORMAL = 0
    WARNING = 1
    CRITICAL = 2


class Params(NamedTuple):
    """What the kernel reads."""

    every_ns: int  # longest time without a written score, in the time of the data; 0 writes every score
    sensors_every_ns: int  # the same for the sensors of a score that is written


class State(NamedTuple):
    """One entry per machine."""

    warning: NDArray[np.float64]  # score from which severity is WARNING
    critical: NDArray[np.float64]
    written_ns: NDArray[np.int64]  # time of the last score that was due
    sensors_ns: NDArray[np.int64]  # time of the last score whose sensors were due
    severity: NDArray[np.int64]  # of the last score that was due; -1 before the first
    ready: NDArray[np.bool_]  # whether the machine had learned enough then
    newest: NDArray[np.float64]  # score, for whoever lists machines


def fresh(slots: int) -> State:
    """State of `slots` machines that have seen nothing, with the default thresholds."""
    return State(
        np.full(slots, 0.99),
        np.full(slots, 0.999),
        np.zeros(slots, np.int64),
        np.zeros(slots, np.int64),
        np.full(slots, -1, np.int64),
        np.zeros(slots, np.bool_),
        np.zeros(slots),
    )


def event_score(size: Floats, lines: Ints) -> Floats:
    """Score of an event of this size, or of a line's surprise, given the number of the machine's lines."""
    return 1.0 - 10.0 ** (-2.0 * size / np.where(lines == 1, EVENT_UNIT, EVENT_UNIT_OF_MANY))


def state_score(state: Floats, lines: Ints, changed: Bools) -> Floats:
    """Score of a machine's raw state, given the number of its lines and whether a change waits to be confirmed."""
    return np.minimum(1.0 - 10.0 ** (-2.0 * state), np.where((lines == 1) | changed, LONE_WITNESS, 1.0))


@kernel
def step(
    params: Params,
    state: State,
    slot: Ints,
    time_ns: Ints,
    score: Floats,
    age: Floats,
    severity: Ints,
    due: Bools,
    due_sensors: Bools,
) -> None:
    """Severity of each score, and whether it is due to be written: on change, in alarm, or after a while.

    Its sensors are due with it, on change or after a while of their own, in alarm no more often: there are many.
    """
    for i in range(slot.size):
        s = slot[i]
        level = 0
        if score[i] >= state.warning[s]:
            level = 1
        if score[i] >= state.critical[s]:
            level = 2
        ready = age[i] > WARM
        severity[i] = level
        state.newest[s] = score[i]
        changed = state.severity[s] != level or state.ready[s] != ready  # the first score does, too
        due[i] = changed or level > 0 or time_ns[i] - state.written_ns[s] >= params.every_ns
        due_sensors[i] = due[i] and (changed or time_ns[i] - state.sensors_ns[s] >= params.sensors_every_ns)
        if due[i]:
            state.written_ns[s] = time_ns[i]
            state.severity[s] = level
            state.ready[s] = ready
        if due_sensors[i]:
            state.sensors_ns[s] = time_ns[i]
