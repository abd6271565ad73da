"""What the lines of one machine say together, once a row is complete: `judge`.

Score first, then learn, in every part. A frozen machine is judged as ever, and learns nothing. What has lasted longer
than anybody should be alarmed is accepted here, and what an operator calls normal is, too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel
from pipeline.network import (
    condition,
    coupling,
    drift,
    evidence,
    evolving,
    expectation,
    layers,
    modes,
    output,
    quality,
    rank,
    resolution,
    wear,
)


class Joined(NamedTuple):
    """The part of `layers.Lines` that `judge` reads and writes."""

    rank: rank.State
    coupling: coupling.State
    condition: condition.Lines
    expectation: expectation.Lines
    modes: modes.Lines
    evidence: evidence.Lines
    drift: drift.Lines
    wear: wear.Lines
    quality: quality.Lines
    resolution: resolution.Lines
    rarity: NDArray[np.floating]
    dendrite: NDArray[np.float64]
    frozen: NDArray[np.bool_]

    @classmethod
    def of(cls, lines: layers.Lines) -> Joined:
        """The same arrays, not copies."""
        return cls(
            lines.rank,
            lines.coupling,
            lines.condition,
            lines.expectation,
            lines.modes,
            lines.evidence,
            lines.drift,
            lines.wear,
            lines.quality,
            lines.resolution,
            lines.rarity,
            lines.dendrite,
            lines.frozen,
        )


class Verdict(NamedTuple):
    """What a network says about one row of one machine."""

    surprise: float
    event: float  # size of the output neuron's event, 0 for none
    strange: float  # how unlike its own past the machine as a whole is; 1 is a score of 0.99
    off: float  # how far its most suspicious line is from what the others expect; 1 is a score of 0.99
    state: float  # both together
    event_cause: int  # line with the most surprised dendrite
    state_cause: int  # line farthest from its expectation, or from its baseline, whichever says more
    accepted: bool  # patience has run out with this row, of a line or of the machine as a whole


class Account(NamedTuple):
    """What the network said about each reading of the rows that closed: one entry per reading, row after row."""

    line: NDArray[np.int64]
    value: NDArray[np.float64]  # in the sensor's unit, as are the next two
    expected: NDArray[np.float64]  # NaN while the line is learning
    usual: NDArray[np.float64]  # how far it is usually off, in the machine's present mode; NaN while it is learning
    level: NDArray[np.float64]
    witness: NDArray[np.int64]  # of the level, see `evidence.SAYS`
    sigmas: NDArray[np.float64]  # distance from the baseline of the machine's condition
    dendrite: NDArray[np.float64]
    rarity: NDArray[np.floating]  # (entries, populations that run)
    aged: NDArray[np.bool_]  # the line's ageing is due to be written ...
    ageing: NDArray[np.float64]  # ... and is in this row, a `wear.Measured`; (entries, wear.COLUMNS)
    quality: NDArray[np.int64]  # of the line, see `quality.Quality`
    masked: NDArray[np.bool_]  # the line's readings have no part in the score from the next row on
    changed: NDArray[np.bool_]  # a lasting change of the line was accepted, and it has not been quiet since
    lost_line: NDArray[np.int64]  # not of readings: lines that have become missing, one entry each ...
    lost_ns: NDArray[np.int64]  # ... and the time of the row since which they are


def account(lines: layers.Lines, entries: int) -> Account:
    """Room for so many readings."""

    def real() -> NDArray[np.float64]:
        return np.empty(entries)

    def whole() -> NDArray[np.int64]:
        return np.empty(entries, np.int64)

    return Account(
        line=whole(),
        value=real(),
        expected=real(),
        usual=real(),
        level=real(),
        witness=whole(),
        sigmas=real(),
        dendrite=real(),
        rarity=np.empty((entries, lines.rarity.shape[1]), lines.rarity.dtype),
        aged=np.empty(entries, np.bool_),
        ageing=np.empty((entries, wear.COLUMNS)),
        quality=whole(),
        masked=np.empty(entries, np.bool_),
        changed=np.empty(entries, np.bool_),
        lost_line=np.empty(entries + len(lines.frozen), np.int64),  # once each, and again after a reading
        lost_ns=np.empty(entries + len(lines.frozen), np.int64),
    )


class Scratch(NamedTuple):
    """Room for one row; nothing in it outlives the row."""

    condition: evolving.Scratch
    expectation: expectation.Scratch
    modes: modes.Scratch
    judged: NDArray[np.bool_]  # (lines,), with a reading that is believed


def scratch(lines: layers.Lines, width: int) -> Scratch:
    """Room for machines of at most `width` lines."""
    return Scratch(
        evolving.scratch(width, condition.NEURONS, lines.condition.delays.dtype.type),
        expectation.scratch(width),
        modes.scratch(width),
        np.empty(len(lines.frozen), np.bool_),
    )


@inlined
def expect(
    params: layers.Params,
    lines: Joined,
    machines: layers.Machines,
    slot: int,
    roster: NDArray[np.int64],
    size: int,
    frozen: bool,
    rows: int,
    elapsed: float,
    room: Scratch,
) -> tuple[float, int]:
    """Hold every line of a complete row against what the others expect; returns the highest level and its line."""
    known, found, judged = lines.expectation, lines.evidence, room.judged
    for first in range(0, size, expectation.COHORT):
        members = min(size - first, expectation.COHORT)
        expectation.predict(
            params.expectation,
            known,
            roster,
            slot,
            first,
            members,
            judged,
            frozen,
            found.shut,
            found.usual,
            params.evidence.settle,
            elapsed,
            room.expectation,
        )
        modes.locate(lines.modes, known, roster, slot, first, members, room.expectation.deviation)
    moded = size > 1 and rows >= params.modes.begin
    if moded:
        modes.choose(params.modes, lines.modes, machines.modes, roster, slot, size, frozen, room.modes)

    highest, cause = 0.0, roster[slot, 0]
    elsewhere, news = machines.drift.elsewhere[slot], 0
    for first in range(0, size, expectation.COHORT):
        members = min(size - first, expectation.COHORT)
        shut, suspects = 0, False
        for i in range(first, first + members):
            shut += found.shut[roster[slot, i]]
        for i in range(first, first + members):
            c = roster[slot, i]
            if not judged[c]:
                continue
            lines.resolution.off[c] = known.residual[c] * known.unit[c]
            shut -= found.shut[c]
            evidence.weigh(
                params.evidence,
                found,
                known,
                lines.modes,
                params.modes,
                lines.resolution,
                params.resolution,
                c,
                members * expectation.FEATURES,
                room.expectation.far[i],
                moded,
                shut < max(1, members // 2),
                frozen,
            )
            shut += found.shut[c]
            suspects |= not found.shut[c] and found.level[c] > params.evidence.open_at
        if shut > 0 and suspects:
            culprit = expectation.culprit(
                params.expectation,
                known,
                roster,
                slot,
                first,
                members,
                judged,
                found.shut,
                found.level,
                params.evidence.open_at,
                found.usual,
                room.expectation,
            )
            if culprit >= 0:
                evidence.blame(params.evidence, found, known, roster, slot, first, members, frozen, culprit)
        for i in range(first, first + members):
            c = roster[slot, i]
            if judged[c] and evidence.told(found, c) > highest:
                highest, cause = evidence.told(found, c), c
            counts = resolution.counts(params.resolution, lines.resolution, c)
            if judged[c] and not found.shut[c] and not frozen and not counts:
                news += drift.follow(
                    params.drift, lines.drift, known, roster, slot, first, members, i - first, elsewhere
                )
            if not frozen and not elsewhere and not counts and lines.drift.strays[c] == 0.0:
                wear.follow(params.drift, lines.wear, c, known.used[c, 0])
        expectation.learn(
            params.expectation,
            known,
            roster,
            slot,
            first,
            members,
            judged,
            frozen,
            found.shut,
            found.usual,
            found.size,
            room.expectation,
        )
        renewal = (rows + 1) % params.expectation.renew == 0
        for i in range(first, first + members):  # what a prior has given is used at once
            c = roster[slot, i]
            renewal |= known.given[c] > 0.0 and known.precision[c, 0, (i - first) * expectation.FEATURES] == 0.0
        if renewal and not frozen:
            expectation.renew(
                params.expectation,
                known,
                roster,
                slot,
                first,
                members,
                params.resolution,
                lines.resolution,
                room.expectation,
            )
    machines.drift.elsewhere[slot] = news > 0
    return highest, cause


@inlined
def tell(
    params: layers.Params,
    lines: Joined,
    roster: NDArray[np.int64],
    slot: int,
    size: int,
    ticked: NDArray[np.bool_],
    age: NDArray[np.float64],
    account: Account,
    entry: int,
) -> None:
    """Keep from `entry` on where each line with a reading was expected, before anything of the row is accepted.

    By what the others say; a lone line by its own past.
    """
    known, found = lines.expectation, lines.evidence
    for i in range(size):
        c = roster[slot, i]
        if not ticked[c]:
            continue
        account.line[entry] = c
        account.value[entry] = known.value[c]
        account.level[entry] = evidence.told(found, c)
        account.witness[entry] = found.witness[c]
        account.expected[entry] = account.usual[entry] = np.nan
        if age[c] > params.output.warm and not resolution.counts(params.resolution, lines.resolution, c):
            off = known.residual[c] if size > 1 else known.innovation[c]
            usual = found.usual[c] if size > 1 else found.usual_new[c]
            if known.own[c] <= params.evidence.warm:  # not known by mode yet
                usual = math.sqrt(found.size[c] if size > 1 else found.size_new[c])
            rounding = expectation.in_units(known, c, resolution.rounding(lines.resolution, c))
            usual = max(usual, math.sqrt(rounding))
            account.expected[entry] = known.offset[c] + known.unit[c] * (known.real[c, 0] - off)
            account.usual[entry] = known.unit[c] * usual
        entry += 1


@inlined
def age(
    params: layers.Params,
    lines: Joined,
    roster: NDArray[np.int64],
    slot: int,
    first: int,
    members: int,
    own: int,
    room: Scratch,
    out: NDArray[np.float64],
    entry: int,
) -> None:
    """Measure the ageing of a cohort's `own`-th line, or of all for -1, into rows of `out`; see `wear.measure`."""
    wear.measure(
        params.wear,
        params.drift,
        lines.wear,
        lines.drift,
        lines.expectation,
        roster,
        slot,
        first,
        members,
        own,
        room.expectation.matrix,
        room.expectation.inverse,
        room.expectation.trial,
        out,
        entry,
    )


@kernel
def ages(
    params: layers.Params,
    lines: Joined,
    usual_ns: NDArray[np.float64],
    roster: NDArray[np.int64],
    slot: int,
    size: int,
    room: Scratch,
    out: NDArray[np.float64],
) -> None:
    """Measure the ageing of all `size` lines of a machine into `out`, (size, wear.COLUMNS)."""
    for first in range(0, size, expectation.COHORT):
        members = min(size - first, expectation.COHORT)
        age(params, lines, roster, slot, first, members, -1, room, out, first)
    for i in range(size):
        out[i, wear.USUAL_NS] = usual_ns[roster[slot, i]]


@inlined
def accept_lines(
    params: layers.Params,
    lines: Joined,
    machines: layers.Machines,
    slot: int,
    roster: NDArray[np.int64],
    size: int,
    least: float,
) -> None:
    """How the lines with a level above `least` lie to each other is normal."""
    for i in range(size):
        c = roster[slot, i]
        if lines.evidence.shut[c] or lines.evidence.level[c] > least:
            evidence.accept(params.evidence, lines.evidence, lines.expectation, c)
        drift.restart(params.drift, lines.drift, c)
        wear.restart(params.drift, lines.wear, c)
    machines.evidence.joint[slot] = 0.0
    machines.evidence.given[slot] = 0.0


@inlined
def accept_line(
    params: layers.Params,
    lines: Joined,
    roster: NDArray[np.int64],
    slot: int,
    size: int,
    line: int,
) -> None:
    """What one line does now is normal; what its machine's lines are to each other is commissioned anew."""
    evidence.accept(params.evidence, lines.evidence, lines.expectation, line)
    condition.accept(lines.condition, line)
    for i in range(size):
        drift.restart(params.drift, lines.drift, roster[slot, i])
        wear.restart(params.drift, lines.wear, roster[slot, i])


@inlined
def accept(
    params: layers.Params,
    lines: Joined,
    machines: layers.Machines,
    slot: int,
    roster: NDArray[np.int64],
    size: int,
    least: float,
) -> None:
    """What the machine does now is normal: for its condition, and for every line with a level above `least`."""
    accept_lines(params, lines, machines, slot, roster, size, least)
    for i in range(size):
        condition.accept(lines.condition, roster[slot, i])
    condition.accept_machine(machines.condition, slot)
    machines.evidence.alarm[slot] = 0.0


@kernel
def confirm(
    params: layers.Params, lines: Joined, machines: layers.Machines, slot: int, roster: NDArray[np.int64], size: int
) -> None:
    """A person says that what the machine does now is normal: nothing is left to be confirmed or doubted."""
    for i in range(size):
        c = roster[slot, i]
        if lines.quality.masked[c] and lines.quality.verdict[c] != quality.MISSING:
            expectation.believe(lines.expectation, c)
            lines.evidence.shut[c] = True
            lines.condition.trace[c] = lines.expectation.value[c]
        quality.trust(lines.quality, c)
        lines.evidence.calm[c] = 0.0
    accept(params, lines, machines, slot, roster, size, params.evidence.open_at)
    machines.evidence.calm[slot] = 0.0


@inlined
def judge(
    params: layers.Params,
    lines: Joined,
    machines: layers.Machines,
    slot: int,
    roster: NDArray[np.int64],
    size: int,
    ticked: NDArray[np.bool_],
    age: NDArray[np.float64],
    oldest: float,
    rows: int,
    elapsed: float,
    usual_ns: float,
    room: Scratch,
    account: Account,
    entry: int,
) -> Verdict:
    """Join the lines of a machine after a row, and keep an account of them from `entry` on.

    `roster[slot, :size]` are its lines, `ticked[line]` says which had a reading, `room.judged[line]` which of these
    are believed, `age[line]` how many readings there were so far.
    `oldest`: readings of its oldest line. `rows`: closed before this one. `elapsed`: usual intervals, of `usual_ns`
    nanoseconds, since the machine's previous row.
    """
    frozen = lines.frozen[roster[slot, 0]]
    if size > 1:
        power = coupling.power(lines.coupling, roster, slot, size)
        for i in range(size):
            c = roster[slot, i]
            if room.judged[c]:
                off = coupling.step(params.coupling, lines.coupling, roster, slot, size, i, frozen, age[c], power)
                lines.rarity[c, layers.COUPLING] = rank.rarity(
                    params.rank, lines.rank, c, frozen, layers.COUPLING, off
                )
    strange = condition.step(
        params.condition,
        params.evolving,
        lines.condition,
        machines.condition,
        slot,
        roster,
        size,
        frozen,
        oldest,
        elapsed,
        room.condition,
    )
    highest, suspect = expect(params, lines, machines, slot, roster, size, frozen, rows, elapsed, room)
    tell(params, lines, roster, slot, size, ticked, age, account, entry)
    if size > 1 and oldest < machines.evidence.given[slot]:
        strange = 0.0  # its kind says what is normal, which its own short past cannot: the first new mode is no fault
    limit = params.drift.stay if machines.drift.drifting[slot] else 1.0
    machines.drift.drifting[slot] = False
    for i in range(size):
        machines.drift.drifting[slot] |= drift.moving(params.drift, lines.drift, roster[slot, i], limit)
    if machines.evidence.calm[slot] > 0.0:
        strange = evidence.short_of_alarm(strange)
    state, accepted = strange, False
    if size > 1:
        state = math.sqrt(strange * strange + highest * highest)
        if not frozen:
            accepted = watch(params, lines, machines, slot, roster, size, state, float(rows), usual_ns)

    gate = machines.condition.gate[slot]
    weight = 0.0
    populations = lines.rarity.shape[1]
    for k in range(populations):
        weight += params.weights[k] if k != layers.COUPLING or size > 1 else 0.0
    best, farthest = 0.0, 0.0
    event_cause = state_cause = roster[slot, 0]
    for i in range(size):
        c = roster[slot, i]
        lines.dendrite[c] = 0.0
        if not room.judged[c]:
            lines.rarity[c, :] = 0.0
            if ticked[c]:
                account.sigmas[entry] = account.dendrite[entry] = 0.0
                account.rarity[entry, :] = 0.0
                entry += 1
            continue
        if abs(lines.condition.sigmas[c]) > farthest:
            farthest, state_cause = abs(lines.condition.sigmas[c]), c
        condition.learn(params.condition, lines.condition, c, age[c], 0.0 if frozen else gate)
        if age[c] > params.output.warm:
            cubes = 0.0
            for k in range(populations):
                cubes += params.weights[k] * lines.rarity[c, k] ** 3
            lines.dendrite[c] = np.cbrt(cubes / weight) if weight > 0.0 else 0.0
            if lines.dendrite[c] > best:
                best, event_cause = lines.dendrite[c], c
        account.sigmas[entry] = lines.condition.sigmas[c]
        account.dendrite[entry] = lines.dendrite[c]
        for k in range(populations):
            account.rarity[entry, k] = lines.rarity[c, k]
        entry += 1
    if highest > strange:
        state_cause = suspect
    surprise = output.surprise(params.output, best, size, oldest, params.rank.innate)
    event = output.step(params.output, machines.output, slot, elapsed, oldest, surprise)
    return Verdict(surprise, event, strange, highest, state, event_cause, state_cause, accepted)


@inlined
def watch(
    params: layers.Params,
    lines: Joined,
    machines: layers.Machines,
    slot: int,
    roster: NDArray[np.int64],
    size: int,
    state: float,
    rows: float,
    usual_ns: float,
) -> bool:
    """Count how long each line, and the machine as a whole, has been in alarm; accept what has outlasted patience.

    What is accepted counts for no alarm until it has been quiet for a while. All else alarms as ever. Returns whether
    anything was accepted.
    """
    found, machine = lines.evidence, machines.evidence
    held, off, accepted = False, 0, False
    for i in range(size):
        c = roster[slot, i]
        held |= found.alarm[c] > 0.0
        off += found.level[c] > params.evidence.open_at
        found.alarm[c] = evidence.last(params.evidence, found.alarm[c], found.level[c], found.shut[c])
        if found.alarm[c] > evidence.patience(params.evidence, machine, slot, rows - found.alarm[c], usual_ns):
            accept_line(params, lines, roster, slot, size, c)
            found.calm[c] = params.evidence.calm
            accepted = True
        elif found.calm[c] > 0.0 and found.level[c] < 1.0:
            found.calm[c] -= 1.0
    several = off > max(2, size // 2)
    machine.joint[slot] = machine.joint[slot] + 1.0 if several else max(machine.joint[slot] - 1.0, 0.0)
    if machine.joint[slot] > params.evidence.regime:
        accept_lines(params, lines, machines, slot, roster, size, params.evidence.open_at)
    machine.alarm[slot] = 0.0 if held else evidence.last(params.evidence, machine.alarm[slot], state, False)
    if machine.alarm[slot] > evidence.patience(params.evidence, machine, slot, rows - machine.alarm[slot], usual_ns):
        accept(params, lines, machines, slot, roster, size, params.evidence.open_at)
        machine.calm[slot] = params.evidence.calm
        accepted = True
    elif machine.calm[slot] > 0.0 and state < 1.0:
        machine.calm[slot] -= 1.0
    return accepted
