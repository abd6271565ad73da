"""What the network says becomes what a person reads: score in [0, 1], severity, state, and when to write them down.

A score of 0.99 is one unit of surprise or state, 0.999 one and a half, on every machine and sensor alike.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import kernel
from pipeline.network import evidence
from pipeline.records import Bools, Floats, Ints

EVENT_UNIT = 1.7  # size of an event that scores 0.99, where one sensor is all there is
EVENT_UNIT_OF_MANY = 2.0  # the same with several: their state says much of what events would
WARM = 100.0  # readings a machine learns from before it says anything


class Severity(IntEnum):
    """How urgent a score is."""

    NORMAL = 0
    WARNING = 1
    CRITICAL = 2


class MachineState(IntEnum):
    """What a machine is in. Where several hold, the last of this list does: it is what to act on first."""

    READY = 0
    DRIFTING = 1  # it ages and is followed: plan, do not run
    CHANGED = 2  # a lasting change was accepted and waits for a person to confirm it
    LEARNING = 3  # it says nothing yet, so neither of the above can be trusted
    FROZEN = 4  # somebody stopped the learning and must start it again
    FAULT = 5  # the lasting state is in alarm; a frozen machine can be, one that is learning cannot
    SILENT = 6  # no reading for long: nothing else is known of it

    @property
    def word(self) -> str:
        """As it is written."""
        return self.name.lower()


READY, DRIFTING, CHANGED, LEARNING, FROZEN, FAULT = (
    int(state) for state in list(MachineState)[:-1]
)  # for the kernel


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
    state: NDArray[np.int64]  # of the newest score, a `MachineState`; never SILENT, which no score is
    newest: NDArray[np.float64]  # score, for whoever lists machines


def fresh(slots: int) -> State:
    """State of `slots` machines that have seen nothing, with the default thresholds."""
    return State(
        np.full(slots, 0.99),
        np.full(slots, 0.999),
        np.zeros(slots, np.int64),
        np.zeros(slots, np.int64),
        np.full(slots, -1, np.int64),
        np.full(slots, LEARNING),
        np.zeros(slots),
    )


def event_score(size: Floats, lines: Ints) -> Floats:
    """Score of an event of this size, or of a line's surprise, given the number of the machine's lines."""
    return 1.0 - 10.0 ** (-2.0 * size / np.where(lines == 1, EVENT_UNIT, EVENT_UNIT_OF_MANY))


def state_score(state: Floats, lines: Ints) -> Floats:
    """Score of a machine's raw state, given the number of its lines: of one alone it raises no alarm."""
    return 1.0 - 10.0 ** (-2.0 * np.where(lines == 1, evidence.short_of_alarm(state), state))


@kernel
def step(
    params: Params,
    state: State,
    slot: Ints,
    time_ns: Ints,
    score: Floats,
    lasting: Floats,
    age: Floats,
    frozen: Bools,
    changed: Bools,
    drifting: Bools,
    severity: Ints,
    states: Ints,
    due: Bools,
    due_sensors: Bools,
) -> None:
    """Severity and state of each score, and whether it is due to be written: on change, in alarm, or after a while.

    `lasting`: the part of the score that is no single event. `frozen`, `changed`, `drifting`: what the network says.
    Its sensors are due with it, on change or after a while of their own, in alarm no more often: there are many.
    """
    for i in range(slot.size):
        s = slot[i]
        level = 0
        if score[i] >= state.warning[s]:
            level = 1
        if score[i] >= state.critical[s]:
            level = 2
        if age[i] >= WARM and lasting[i] >= state.warning[s]:
            now = FAULT
        elif frozen[i]:
            now = FROZEN
        elif age[i] < WARM:
            now = LEARNING
        elif changed[i]:
            now = CHANGED
        else:
            now = DRIFTING if drifting[i] else READY
        severity[i] = level
        states[i] = now
        state.newest[s] = score[i]
        news = state.severity[s] != level or state.state[s] != now  # the first score is, too
        state.state[s] = now
        due[i] = news or level > 0 or time_ns[i] - state.written_ns[s] >= params.every_ns
        due_sensors[i] = due[i] and (news or time_ns[i] - state.sensors_ns[s] >= params.sensors_every_ns)
        if due[i]:
            state.written_ns[s] = time_ns[i]
            state.severity[s] = level
        if due_sensors[i]:
            state.sensors_ns[s] = time_ns[i]
