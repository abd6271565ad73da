"""Why a row has its score: each sensor's share in it, where each was expected, and the reasons in words.

A row's score is the largest of three voices, and its cause is the sensor for which that voice is loudest. So the
shares follow that voice alone: a sum over all three could name another sensor than the cause. Pure; works on what
the network kept of each reading, for the rows that somebody wants explained and no others.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from pipeline import scoring
from pipeline.network import NAMES, POPULATIONS, condition, evidence
from pipeline.network.judgement import Account
from pipeline.records import Floats, Ints

BAND = 3.0  # usual distances on either side of what was expected: about 99 % of healthy readings, measured
CLEAR = 1.0  # surprise of a dendrite that is worth a word beside a state; from judgement
LEADING = 0.25  # share in the surprise from which a population is named; from judgement
NAMED = 2  # populations at most
SIGMAS = condition.Params().clip  # that a line counts for at most in a condition


class Voice(IntEnum):
    """What a row has its score from."""

    EVENT = 0  # something just happened: the dendrites
    CONDITION = 1  # the machine as a whole is unlike its past
    EXPECTATION = 2  # a sensor is not where the others expect it


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


def sensors(account: Account, until: Ints, rows: Ints, score: Floats, voice: Ints, lines: Ints) -> Sensors:
    """Explain `rows`; the last three hold an entry per row asked for, `until` one per row of the account."""
    entry, row = entries(until, rows)
    dendrite, level, sigmas = account.dendrite[entry], account.level[entry], account.sigmas[entry]
    # As loud as each is where the voices are joined: cubes in a dendrite, the level's mean of fourth powers, and the
    # root of squares that joins condition and expectation.
    loud = np.choose(voice[row], (dendrite**3, np.minimum(np.abs(sigmas), SIGMAS) ** 4, level**2))
    total = np.bincount(row, loud, len(rows))[row]
    share = np.where(total > 0.0, loud / np.where(total > 0.0, total, 1.0), 1.0 / np.bincount(row)[row])
    off = np.where(lines[row] > 1, scoring.state_score(level, lines[row]), 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        expected, reach = account.expected[entry], BAND * account.usual[entry]
        low, high = expected - reach, expected + reach
    # After readings of 1e100 the usual distance may be none: such a band says nothing, and there is none.
    expected = np.where(np.isfinite(low) & np.isfinite(high), expected, np.nan)
    return Sensors(
        row,
        account.line[entry],
        account.value[entry],
        expected,
        np.where(np.isnan(expected), np.nan, low),
        np.where(np.isnan(expected), np.nan, high),
        np.maximum(scoring.event_score(dendrite, lines[row]), off),
        np.where(score[row] > 0.0, share, np.nan),
    )


def populations(weights: Sequence[float], rarity: Sequence[float]) -> dict[str, float]:
    """Share of each population in a line's surprise, by name; empty for a line without any."""
    rarest, heaviest = max((0.0, *rarity)) or 1.0, max((0.0, *weights)) or 1.0  # a cube may be beyond every number
    pairs = zip(weights, rarity, strict=False)
    cubes = [(weight / heaviest) * (max(one, 0.0) / rarest) ** 3 for weight, one in pairs]
    total = sum(cubes)
    return {name: cube / total for name, cube in zip(NAMES, cubes, strict=False)} if total > 0.0 else {}


def why(sensor: str, voice: int, witness: int = 0, share: dict[str, float] | None = None, clear: bool = False) -> str:
    """The reasons for a row's score in a few words.

    `sensor` is the cause, `witness` that of its level, `share` what its populations had in its surprise, `clear`
    whether that surprise is worth a word beside a state.

    >>> why("flow", Voice.EXPECTATION, evidence.LONG, {"silence": 0.9, "value": 0.1}, clear=True)
    'flow: offset for long; still for too long'
    """
    reasons = []
    if voice == Voice.CONDITION:
        reasons.append(condition.SAYS)
    elif voice == Voice.EXPECTATION:
        reasons.append(evidence.SAYS[witness])
    if voice == Voice.EVENT or clear:
        leading = sorted((share or {}).items(), key=lambda item: -item[1])[:NAMED]
        reasons += [SAYS[name] for number, (name, one) in enumerate(leading) if number == 0 or one >= LEADING]
    return f"{sensor}: {'; '.join(reasons)}"


SAYS = {population.name: population.says for population in POPULATIONS}
