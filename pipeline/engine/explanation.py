"""Why a row has its score: each sensor's share in it, where each was expected, and the reasons in a sentence.

A row's score is the largest of four voices, and its cause is the sensor for which that voice is loudest. So the
shares follow that voice alone: a sum over all could name another sensor than the cause. Pure; works on what
the network kept of each reading, for the rows that somebody wants explained and no others.
"""

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from pipeline.engine.scoring import line_scores
from pipeline.network import NAMES
from pipeline.network._core import lib
from pipeline.network.binding import Records
from pipeline.network.parameters import Condition
from pipeline.records import Floats, Ints

BAND = 3.0  # usual distances on either side of what was expected: about 99 % of healthy readings, measured
CLEAR = 1.0  # surprise of a dendrite that is worth a word beside a state; from judgement
LEADING = 0.25  # share in the surprise from which a population is named; from judgement
NAMED = 2  # populations at most
SIGMAS = Condition().clip  # that a line counts for at most in a condition


class Voice(IntEnum):
    """What a row has its score from."""

    EVENT = lib.SW_VOICE_EVENT  # something just happened: the dendrites
    CONDITION = lib.SW_VOICE_CONDITION  # the machine as a whole is unlike its past
    EXPECTATION = lib.SW_VOICE_EXPECTATION  # a sensor is not where the others expect it
    RHYTHM = lib.SW_VOICE_RHYTHM  # a sensor is not where it usually is at this hour


class Sensors(NamedTuple):
    """Every reading of some rows, row after row."""

    row: Ints  # which of the rows asked for
    line: Ints
    value: Floats  # in the sensor's unit, as are the next three; these are NaN while the line is learning
    expected: Floats
    low: Floats
    high: Floats
    score: Floats  # the line's own, [0, 1]; it goes on while the row's falls after an event
    share: Floats  # in the row's score; those of a row sum to 1, NaN where that score is 0


def entries(until: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Entries of an account that belong to `rows`, and for each which of the rows it is; `until` of all rows."""
    begin = np.concatenate((np.zeros(1, np.int64), until[:-1]))[rows] if len(until) else until
    count = until[rows] - begin
    row = np.repeat(np.arange(len(rows)), count)
    first = np.cumsum(count) - count
    return np.arange(len(row)) - first[row] + begin[row], row


def sensors(account: Records, until: Ints, rows: Ints, score: Floats, voice: Ints, lines: Ints) -> Sensors:
    """Explain `rows`; the last three hold an entry per row asked for, `until` one per row of the account."""
    entry, row = entries(until, rows)
    own = account[entry]
    dendrite, level, sigmas, rhythm = own["dendrite"], own["level"], own["sigmas"], own["rhythm"]
    # As loud as each is where the voices are joined: cubes in a dendrite, the level's mean of fourth powers, and the
    # root of squares that joins condition and expectation.
    # Products, not powers: those of numpy depend on the processor.
    squared = np.square(np.minimum(np.abs(sigmas), SIGMAS))
    loud = np.choose(voice[row], (dendrite * dendrite * dendrite, squared * squared, level * level, rhythm * rhythm))
    total = np.bincount(row, loud, len(rows))[row]
    share = np.where(total > 0.0, loud / np.where(total > 0.0, total, 1.0), 1.0 / np.bincount(row)[row])
    with np.errstate(over="ignore", invalid="ignore"):
        by_clock = (voice[row] == Voice.RHYTHM) & np.isfinite(own["by_clock"])
        expected = np.where(by_clock, own["by_clock"], own["expected"])
        reach = BAND * np.where(by_clock, own["usual_by_clock"], own["usual"])
        low, high = expected - reach, expected + reach
    # After readings of 1e100 the usual distance may be none: such a band says nothing, and there is none.
    expected = np.where(np.isfinite(low) & np.isfinite(high), expected, np.nan)
    return Sensors(
        row,
        own["line"],
        own["value"],
        expected,
        np.where(np.isnan(expected), np.nan, low),
        np.where(np.isnan(expected), np.nan, high),
        line_scores(dendrite, level, rhythm, lines[row]),
        np.where(score[row] > 0.0, share, np.nan),
    )


def populations(weights: Sequence[float], rarity: Sequence[float]) -> dict[str, float]:
    """Share of each population in a line's surprise, by name; empty for a line without any."""
    rarest, heaviest = max((0.0, *rarity)) or 1.0, max((0.0, *weights)) or 1.0  # a cube may be beyond every number
    pairs = zip(weights, rarity, strict=False)
    cubes = [(weight / heaviest) * (max(one, 0.0) / rarest) ** 3 for weight, one in pairs]
    total = sum(cubes)
    return {name: cube / total for name, cube in zip(NAMES, cubes, strict=False)} if total > 0.0 else {}


# Why a reading counts, in the order in which reasons are given: a set of them is a number, a bit for each.
WITNESSES = (  # of a level, as evidence.h numbers them
    "sudden deviation from the other sensors",
    "disagrees with the other sensors",
    "disagrees with the other sensors",
    "noise higher or lower than normal",
)
CONDITION = "overall pattern unlike this machine's history"
POPULATION = {
    "range": "outside everything seen so far",
    "value": "far from its average",
    "activity": "fluctuates more or less than normal",
    "silence": "no change for unusually long",
    "levels": "unusual sequence of values",
    "pattern": "unusual combination of level and noise",
    "changes": "unusual rate of change",
    "persistence": "unusual for some time",
    "coupling": "disagrees with the other sensors",
    "context 3": "unusual step",
    "context 10": "unusual order of values",
    "context 40": "unusual longer sequence of values",
}
RHYTHM = "not usual at this hour"
HELD = ("a value never seen before", "stuck, saturated or in another unit")  # the other witnesses of evidence.h
PHRASES = (*WITNESSES, CONDITION, *(POPULATION[name] for name in NAMES), RHYTHM, *HELD)
_CONDITION, _POPULATIONS = len(WITNESSES), len(WITNESSES) + 1
_SUDDEN = 1 << lib.SW_NEW
_DISAGREES = _SUDDEN | 1 << lib.SW_MIDDLE | 1 << lib.SW_LONG
_FIRST = len(PHRASES) - 1 - len(HELD)  # from here on reasons come before all others
_RHYTHM = 1 << _FIRST
_LASTING = (1 << _POPULATIONS) - 1 - _SUDDEN | (1 << len(PHRASES)) - _RHYTHM
_COUPLING = 1 << _POPULATIONS + NAMES.index("coupling")


def reasons(
    voice: int, witness: int = 0, share: dict[str, float] | None = None, clear: bool = False, alone: bool = False
) -> int:
    """The set of reasons for which a reading has its part in a row's score.

    `witness` of its level, or what holds it in alarm; `share` what its populations had in its surprise, `clear`
    whether that surprise is worth a word beside a state, `alone` whether its machine has no other line: its own past
    then takes the others' place.
    """
    found = 0
    if voice in (Voice.CONDITION, Voice.EXPECTATION) and witness >= len(WITNESSES):
        found = 1 << _FIRST + 1 + witness - len(WITNESSES)
    elif voice == Voice.CONDITION:
        found = 1 << _CONDITION
    elif voice == Voice.EXPECTATION:
        found = 1 << witness
    elif voice == Voice.RHYTHM:
        found = _RHYTHM
    if voice == Voice.EVENT or clear:
        leading = sorted((share or {}).items(), key=lambda item: -item[1])[:NAMED]
        for number, (name, one) in enumerate(leading):
            if number == 0 or one >= LEADING:
                found |= 1 << _POPULATIONS + NAMES.index(name)
    if alone and found & _COUPLING:
        return found & ~_COUPLING | 1 << _CONDITION
    return found & ~_COUPLING if found & _DISAGREES else found


def lasting(found: Ints) -> Ints:
    """How lasting sets of reasons are: 0 an event, 1 something sudden, 2 a state."""
    return np.where(found & _LASTING, 2, np.where(found & _SUDDEN, 1, 0))


class Quoted(NamedTuple):
    """A reading of a sensor that a sentence is about. There is no expected band unless `low < high`."""

    value: float  # in the sensor's unit, as are the next two; NaN where there is none
    low: float
    high: float
    reasons: int
    lasted_ns: int  # how long the sensor has been so, 0 where it has only begun


def figures(value: float, low: float, high: float) -> tuple[str, str, str]:
    """A value and its band as text: as short as they can be, and as they are, outside or inside.

    >>> figures(3.2178, 3.98, 4.41)
    ('3.2', '4.0', '4.4')
    >>> figures(3.97, 3.98, 4.41)
    ('3.97', '3.98', '4.41')
    """
    numbers = value, low, high
    exact = (repr(value), repr(low), repr(high))
    largest = max(map(abs, numbers))
    if not (math.isfinite(largest) and math.isfinite(high - low)):
        return exact
    fixed = 1e-4 <= largest < 1e7
    fewest = math.ceil(math.log10(4.0 / (high - low) * (1.0 if fixed else largest)))
    for digits in range(max(fewest, 0 if fixed else 1), 17):
        there, least, most = (f"{one:z.{digits}{'f' if fixed else 'g'}}" for one in numbers)
        if (float(there) < float(least), float(there) > float(most)) == (value < low, value > high):
            return there, least, most
    return exact


def span(ns: float) -> str:
    """A length of time in the unit that fits; empty below a second.

    >>> span(720e9), span(5e8)
    ('12 min', '')
    """
    for unit, length in (("days", 86_400e9), ("h", 3_600e9), ("min", 60e9), ("s", 1e9)):
        if ns >= (1.0 if unit == "s" else 1.5 if unit == "min" else 2.0) * length:
            return f"{ns / length:.0f} {unit}"
    return ""


def why(sensor: str, quoted: Quoted, unit: str = "") -> str:
    """Why a sensor is blamed, in a sentence.

    >>> flow = Quoted(3.2, 4.0, 4.4, reasons(Voice.EXPECTATION, lib.SW_LONG), 720 * 10**9)
    >>> why("flow", flow, unit="l/min")
    'flow 3.2 l/min, below the expected 4.0 to 4.4; disagrees with the other sensors for 12 min'
    """
    value, low, high = quoted.value, quoted.low, quoted.high
    measure, band = f"{value:.6g}", ""
    if math.isnan(value):
        measure, unit = "without a new reading", ""
    if low < high:
        measure, least, most = figures(value, low, high)
        side = "above the " if value > high else "below the " if value < low else ""
        band = f", {side}expected {least} to {most}"
    said = f"{sensor} {measure}{' ' * bool(unit)}{unit}{band}"
    order = (*range(_FIRST, len(PHRASES)), *range(_FIRST))
    parts = [PHRASES[bit] for bit in order if quoted.reasons >> bit & 1]
    if quoted.reasons & _LASTING and (lasted := span(quoted.lasted_ns)):
        parts[0] += f" for {lasted}"
    return "; ".join((said, *parts))
