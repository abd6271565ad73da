"""The numbers of every part of the network: names as in the part's header in C, values with their reasons here.

`Params` has a field per part, in the order of `params.h`. A machine keeps a check sum of the numbers it began with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from encoders import delta, rate
from pipeline.network import NAMES, POPULATIONS
from pipeline.network._core import lib

CONTEXT = lib.SW_CONTEXT  # the first of the optional populations, which come last
WEIGHTS = tuple(population.weight for population in POPULATIONS)
ALONE = tuple(population.alone for population in POPULATIONS)
NO_CONTEXT = (0.0,) * len(WEIGHTS[CONTEXT:])


class Clock(NamedTuple):
    """What time is to a line."""

    by_time: bool = True  # False: every reading is one interval, whatever its time


class Rank(NamedTuple):
    """What a rank neuron is born with, and how it forgets."""

    innate: float = 200.0  # weight of the innate counts, readings
    memory: float = 10_000.0  # readings; counts of 16 bits have no room for more than 10,200


class Value(NamedTuple):
    """Times in readings."""

    slow: float = 8000.0  # memory of the slow mean and variance


class Activity(NamedTuple):
    """Times in readings."""

    smallest: float = 1 / 32  # step of the first neuron, in mean absolute changes
    slow: float = 8000.0  # memory of the mean absolute change and of the usual quiet run
    membrane: float = 16.0  # time constant of the activity
    reference: float = 4000.0  # memory of its usual mean and variance
    long_quiet: float = 5.0  # silence counts beyond this many usual quiet runs


class TracesSettings(NamedTuple):
    """Times in usual sampling intervals."""

    first: float = 1.5  # time constant of the first membrane
    ratio: float = 1.9  # each next one is slower by this factor
    rough_fast: float = 4.0
    rough_slow: float = 16.0
    rough_weight: float = 0.9
    rough_floor: float = 0.05


class Traces(NamedTuple):
    """Shares a membrane forgets in one interval, and the scaling of roughness."""

    step: float  # of the encoder: what one spike adds to the level
    forget: tuple[float, float, float, float, float]
    forget_fast: float
    forget_slow: float
    rough_weight: float
    rough_floor: float

    @classmethod
    def of(cls, settings: TracesSettings, step: float) -> Traces:
        """The numbers for an encoder of this step; raises ValueError unless time constants are positive."""
        taus = [settings.first * settings.ratio**k for k in range(lib.SW_CASCADE)]
        taus += [settings.rough_fast, settings.rough_slow]
        if min(taus) <= 0:
            raise ValueError("traces: time constants must be positive")
        a, b, c, d, e, fast, slow = (1.0 - math.exp(-1.0 / tau) for tau in taus)
        return cls(step, (a, b, c, d, e), fast, slow, settings.rough_weight, settings.rough_floor)


class Evolving(NamedTuple):
    """Times in cycles of the population."""

    novel: float = 0.005  # wanted share of inputs that recruit
    move: float = 0.04  # least learning rate of a winner's delays
    memory: float = 1500.0  # of the neurons' strengths, inputs
    worst: float = 0.3  # weight of the latest synapse in a neuron's lateness; the mean has the rest
    vigilance: float = 0.1  # where the limit starts
    start: float = 20.0  # readings of the line before its populations begin


class Coupling(NamedTuple):
    """Times in readings."""

    trace: float = 4.0  # time constant of the traces that predict and are predicted
    clip: float = 8.0  # sigmas a trace takes in at most
    rate: float = 0.05  # learning rate of the weights
    membrane: float = 10.0  # time constant of the error
    usual: float = 2000.0  # memory of the usual squared error
    after: float = 100.0  # readings before errors count


class Condition(NamedTuple):
    """Times in readings of the machine's oldest line."""

    trace: float = 20.0  # time constant of the traces whose baseline is kept
    slow: float = 8000.0  # memory of that baseline
    clip: float = 12.0  # sigmas a line counts for at most
    squash: float = 5.0  # knee of the logarithmic compression
    gate_at: float = 1.8  # level at which the gate is half closed
    familiar: float = 3.0  # weight of lateness against level in the gate
    gate_least: float = 0.02
    settle: float = 500.0  # readings before the gate may close
    ripe_share: float = 0.5  # a neuron is mature after this share of the machine's life ...
    ripe_most: float = 3000.0  # ... or after this many readings
    late: float = 20.0  # membrane of the lateness
    late_cap: float = 8.0
    level_unit: float = 4.8
    late_unit: float = 0.9
    growth: float = 2.5  # of the state's unit per decade of age beyond a thousand readings
    alone: float = 5.35  # what a lone line's state is multiplied by: a coupling's surprises are as large as these
    warm: float = 100.0  # readings before there is a state
    enough: float = 5.0  # independent readings after which a line's past counts half
    turn: float = 0.5  # independent readings that a turn of the trace is worth
    side: float = 1.5  # deviations on either side of the baseline between which it turns
    fade: float = 1.5  # pace at which the worth of a line's past may fall, in its inverse age
    agreed: float = 800.0  # readings from which what the other lines let expect counts less ...
    agreed_over: float = 1200.0  # ... and within so many more not at all
    noise: float = 200.0  # memory of the noise
    far: float = 7.0  # noises from its baseline at which a line is in another regime ...
    regime: float = 30.0  # ... and rows of alarm after which most lines there are one ...
    quiet: float = 500.0  # ... and rows without alarm until the state there may be one again


class Expectation(NamedTuple):
    """Times in rows, forgetting in shares per usual interval."""

    forget: tuple[float, float, float] = (1.0, 1.0 / 5.0, 1.0 / 40.0)  # of the features; the value has no memory
    memory: float = 6000.0  # of means and covariance
    ridge: float = 1e-5  # on the diagonal of the correlations
    ridge_young: float = 0.5  # times (features / rows)^2, against chance correlations
    begin: float = 50.0  # rows before a line joins the others' expectation
    renew: int = 20  # rows between two inversions
    doubt: float = 8.0  # usual residuals from which a reading is doubted
    teach: float = 10.0  # usual residuals a doubted reading may teach at most
    reach: float = 10.0  # deviations a line may be expected to lie off its mean, and a reading off it may teach
    beyond: float = 0.4  # share of what a line has shown by which its expectation may lie outside of it
    been: float = 4.0  # mean squared deviation of the others from which they are where they have not been
    alike: float = 60.0  # rows running that say the same, as to that
    price: float = 9.0  # squared usual residuals that blaming one more line must explain
    farthest: float = 100.0  # squared usual residuals that one line counts for at most in that


class Modes(NamedTuple):
    """Times in rows."""

    begin: float = 200.0  # rows of a machine before modes are told apart
    vigilance: float = 0.5  # mean distance, in deviations, from which a state is a new mode; where it starts
    wider: float = 1.02  # the limit grows by this when all neurons are taken
    move: float = 0.02  # least learning rate of the winner's centre
    memory: float = 5000.0  # of the neurons' use, rows
    size_memory: float = 1000.0  # of the usual sizes in a mode
    shrink: float = 30.0  # rows in a mode that weigh as much as the line's overall size


class Evidence(NamedTuple):
    """Times in rows."""

    warm: float = 200.0  # rows of a line before its residuals are weighed
    settle: float = 500.0  # rows before its level counts and it can be shut
    tau: tuple[float, float, float, float] = (3.0, 8.0, 60.0, 40.0)  # of the membranes
    cap: tuple[float, float, float, float] = (15.0, 6.0, 4.0, 16.0)  # of what one row adds
    limit: tuple[float, float, float, float] = (6.5, 5.0, 3.5, 2.75)  # own spreads at which the level is 1
    memory: float = 6000.0  # of sizes and spreads
    floor: float = 0.003  # share of the line's deviation that a usual residual has at least
    young: float = 2.5  # widening of the limits, times sqrt(60 / rows)
    chance: float = 1000.0  # widening, times (features / rows)^2: a joint expectation of many lines fits by chance
    open_at: float = 0.6  # level at which a shut line opens again
    gate_least: float = 0.05  # a shut line's sizes learn at this share
    recurrence: float = 3.0  # how fast that share grows with alarms
    wary: float = 0.1  # growth of the limits with each remembered alarm
    alarm_memory: float = 10_000.0  # an alarm is forgotten with this time constant ...
    alarm_days: float = 28.0  # ... or this one, if longer, as a machine does the same every week ...
    alarm_most: float = 50_000.0  # ... but at most so many rows
    regime: float = 150.0  # rows that more than half of the lines must be off, to be a new regime
    patience: float = 2000.0  # rows of alarm until a change is accepted ...
    patience_hours: float = 8.0  # ... or so many hours, if longer ...
    patience_young: float = 2 / 3  # ... or this share of the rows that the machine had seen, if fewer ...
    patience_first: float = 400.0  # ... but that share is never fewer than these ...
    patience_days: float = 7.0  # ... or this time, if shorter ...
    patience_least: float = 150.0  # ... but at least so many rows
    resettle: float = 60.0  # rows that the mean of a line is known from when its change is accepted, at most
    calm: float = 500.0  # rows without alarm until a changed machine is ready again


class Drift(NamedTuple):
    """Times in rows of the line, distances in deviations at commissioning."""

    begin: float = 1500.0  # rows after which what the others say of a line is written down ...
    known: float = 3000.0  # ... and after which its residual at commissioning is known
    fast: float = 2000.0  # memory of the two slow means
    slow: float = 8000.0
    wider: float = 0.25  # share of what the others said in all by which that may be exceeded
    far: float = 8.0  # distance from the fast mean at which a reading is not comparable ...
    lost: float = 2000.0  # ... and so many of these running begin a new commissioning
    middle: float = 200.0  # memory of a third mean, whose wandering says how uncertain the others are
    shift: float = 0.75  # shift from which a line may be drifting ...
    sure: float = 3.5  # ... if it is also so many times its own uncertainty ...
    ahead: float = 0.1  # ... and the fast mean is so far ahead of the slow one
    stay: float = 0.75  # share of these limits at which a drifting machine stops drifting
    gains: float = 0.05  # by which gains usually change; what is not surer than that is taken for no change


class Wear(NamedTuple):
    """Times in rows, distances in deviations at commissioning. From judgement."""

    usual: float = 2.0  # a sensor moves by so much ...
    life: float = 10_000.0  # ... in so many rows, before anything is known ...
    trust: float = 4.0  # ... and so many lines must say otherwise to be believed as much
    bend: float = 0.5  # share of its mean pace so far by which a sensor's pace may usually have changed
    doubt: float = 2.25  # times the variance of the pace, as mean pace and trend rest on the same late mean; measured


class Quality(NamedTuple):
    """In readings of the line, but for the first three."""

    intervals: float = 30.0  # usual ones without a reading that a line is missing after ...
    pauses: float = 3.0  # ... if they are so many of its longest pauses ...
    missed: int = 30  # ... and so many rows of its machine
    run: float = 40.0  # equal values that are stuck ...
    runs: float = 5.0  # ... if they are so many times as many as ever before
    often: float = 100.0  # moves from which a line's longest hold says nothing of another value
    together: float = 0.1  # share of a run by which two that began together may differ
    moves: float = 1000.0  # readings from which a line may be said to move
    recent: float = 50.0  # memory of how often a line is at its rail now ...
    usual: float = 2000.0  # ... and of how often it is in general
    railed: float = 0.25  # share of recent readings at a rail, above twice the usual one and that of equal ones
    far: float = 8.0  # usual distances from which a value may be in another unit ...
    near: float = 4.0  # ... if in that it is as near as so many to what is expected ...
    again: float = 20.0  # ... so often running, while it moves farther than chance would let it
    late: float = 10.0  # late readings, less the others, from which a clock is wrong
    fade: float = 0.001  # share of the longest pause that is forgotten with each reading
    trust: float = 50.0  # good readings running after which a line is believed again


class Resolution(NamedTuple):
    """How finely a sensor speaks, and how often it moves."""

    proof: float = 1.0  # moves that what is not known yet weighs as much as
    memory: float = 1000.0  # of moves and of what was left at the end of holds, in moves
    long: float = 60.0  # readings running that are a long hold
    begin: float = 40.0  # moves from which a line may be a counter ...
    back: float = 0.05  # ... if no more of them go the other way


class Kind(NamedTuple):
    """What a line does, and so what of it is held against the others."""

    waits: float = 8.0  # usual waits that a counter's pace is averaged over
    visits: float = 20.0  # moves since a line's newest value after which another is unseen
    stay: float = 8.0  # readings that an unseen value must stay for, as a time constant
    again: float = 2.0  # unseen values after which the next one is learned


class Rhythm(NamedTuple):
    """Times in hours, each of which is a visit of its phase neuron; distances in usual ones."""

    memory: float = 10.0  # visits that a phase neuron remembers
    drift_hours: float = 72.0  # memory of the level that all phases share
    plain_hours: float = 36.0  # memory of the rival without a clock
    proof_hours: float = 168.0  # memory of what both are off
    proof: float = 0.3  # share that a rhythm explains, to be heard in the dendrite ...
    proof_young: float = 0.5  # ... and more, divided by the days that were predicted
    sure: float = 0.8  # the same to raise a lasting alarm; less, and a gas turbine's load is a rhythm ...
    stay: float = 0.5  # ... and to go on doing so, as a fault itself is not explained ...
    sure_hours: float = 216.0  # ... once so many hours were predicted: a second weekend has been seen
    shrink: float = 1.0  # visits that the usual distance at any hour weighs as much as
    clip: float = 3.0  # distance a visit teaches a level at most, and the drift
    clip_size: float = 5.0  # the same of usual distances
    membrane_hours: float = 0.5  # of the distance ...
    slow_hours: float = 3.0  # ... and of the slow one
    cap: float = 50.0  # distance that counts at most, so that an alarm ends with its fault
    limit: float = 16.0  # distance at which a line is off its rhythm ...
    slow_limit: float = 6.0  # ... and the slow one ...
    wide: float = 5.0  # ... or, if that is more, so many times what its largest of an hour usually are ...
    lines: float = 0.25  # ... and more for each decade of lines ...
    young: float = 1.0  # ... and more, divided by the days that were predicted
    asked: float = 2.0  # visits from which a phase neuron is asked
    heard: float = 1.0  # weight in the dendrite
    rarity: float = 4.0  # there, of a line that is off its rhythm by 1 ...
    rarest: float = 4.5  # ... and at most
    taste: float = 0.45  # of an hour of the week for a kind of day, learned in a visit by all lines


class Routine(NamedTuple):
    """What a machine does every week; sizes in alarms."""

    apart_hours: float = 1.0  # without alarm after which an alarm has ended
    more: float = 1.5  # times its remembered size that an alarm may have
    longer: float = 1.5  # times its remembered duration that it may last
    fade: float = 0.8  # share of a size and a duration that is left after a week without it
    longest_hours: float = 72.0  # duration up to which an alarm is remembered
    due: float = 1.25  # size that an alarm may have where a switch is due ...
    due_hours: float = 4.0  # ... and for how long
    steep: float = 5.0  # step of a rhythm within two hours, in its usual distances, that is a switch


class Persistence(NamedTuple):
    """For how long a line has been strange."""

    membrane: float = 20.0  # time constant, readings
    start: float = 20.0  # readings of the line before its evolving populations begin


class Output(NamedTuple):
    """Times in readings of the machine's oldest line."""

    warm: float = 100.0  # readings of a line before it may speak
    lines_power: float = 0.5  # allowance for many lines, in decades of their number
    young: float = 0.5  # allowance for young rank neurons, which cannot answer as high
    rise: float = 1.1  # threshold after an event, in its size
    threshold: float = 50.0  # time constant of the threshold's decay
    hold_share: float = 0.06  # the threshold is held for this share of the machine's life ...
    hold_least: float = 20.0  # ... but at least and at most so long
    hold_most: float = 150.0


class Context(NamedTuple):
    """The population that learns the order of levels."""

    code: rate.Params = rate.Params()
    least_rate: float = 0.002  # learning rate of a field that has fired often
    floor: float = 0.001  # probability at which surprise ends
    readouts: tuple[float, float, float] = (3.0, 10.0, 40.0)  # time constants, usual sampling intervals


TRACES = Traces.of(TracesSettings(), delta.Params().step)


class Params(NamedTuple):
    """Numbers of every part, and the few that belong to the wiring."""

    clock: Clock = Clock()
    delta: delta.Params = delta.Params()
    rank: Rank = Rank()
    value: Value = Value()
    activity: Activity = Activity()
    traces: Traces = TRACES
    evolving: Evolving = Evolving()
    coupling: Coupling = Coupling()
    condition: Condition = Condition()
    expectation: Expectation = Expectation()
    modes: Modes = Modes()
    evidence: Evidence = Evidence()
    drift: Drift = Drift()
    wear: Wear = Wear()
    quality: Quality = Quality()
    resolution: Resolution = Resolution()
    kind: Kind = Kind()
    persistence: Persistence = Persistence()
    rhythm: Rhythm = Rhythm()
    routine: Routine = Routine()
    output: Output = Output()
    context: Context = Context()
    weights: tuple[float, ...] = (
        WEIGHTS[:CONTEXT] + NO_CONTEXT  # of the populations in the dendrite; one of weight 0 is not heard
    )
    weights_alone: tuple[float, ...] = ALONE[:CONTEXT] + NO_CONTEXT  # the same in a machine of one line


def without(params: Params, names: Iterable[str]) -> Params:
    """The same network, but the dendrite does not hear the named populations; raises ValueError for unknown names."""
    silent = set(names)
    unknown = sorted(silent - set(NAMES))
    if unknown:
        raise ValueError(f"no population {', '.join(unknown)}; there are {', '.join(NAMES)}")

    def heard(weights: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(0.0 if name in silent else weight for name, weight in zip(NAMES, weights, strict=True))

    return params._replace(weights=heard(params.weights), weights_alone=heard(params.weights_alone))


def with_context(params: Params) -> Params:
    """The same network with the context population, which nearly doubles the memory of a line."""
    return params._replace(
        weights=params.weights[:CONTEXT] + WEIGHTS[CONTEXT:],
        weights_alone=params.weights_alone[:CONTEXT] + ALONE[CONTEXT:],
    )
