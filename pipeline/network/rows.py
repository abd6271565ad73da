"""Rows: readings of one machine that belong together are judged together, however they were sent.

A machine's readings come in one message or in one message per sensor, and batches cut the stream anywhere. A row
collects them, and closes when

1. a message arrives with a second reading of one of its lines, or with one that is newer than the row by `APART` of
   the machine's usual interval, or
2. a message has no more readings for this machine and time, and every line that still reports has its reading.

All are properties of the data, so batch borders change nothing, and eight messages of one instant give the same
scores as one message with eight values. Sensors that send for themselves, each with a time of its own, are seen
together all the same; a row has the time of its first reading. Where rows come at the usual interval, a reading of
the next one is never taken for this one's. A line that was missing in `WAIT` rows running is no longer waited for.
In a machine's first `GROWING` readings rule 2 does not apply, because its sensors are still being discovered.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.spikes import inlined, kernel
from pipeline.network import (
    clock,
    condition,
    coupling,
    evidence,
    expectation,
    judgement,
    layers,
    quality,
    resolution,
    wear,
)

WAIT = 16
GROWING = 20.0
APART = 0.9  # so that sensors with clocks of their own settle in rows, as long as there is a pause of a tenth in them


class Lines(NamedTuple):
    """One entry per line."""

    ticked: NDArray[np.bool_]  # has a reading in the open row
    missed: NDArray[np.int64]  # rows running without one
    age: NDArray[np.float64]  # readings so far; a batch's later readings, already felt, are not counted yet
    usual_ns: NDArray[np.float64]  # sampling interval at the newest of these


class Machines(NamedTuple):
    """One entry (or row) per machine."""

    roster: NDArray[np.int64]  # (slots, width), the machine's lines in order of their first readings
    size: NDArray[np.int64]  # how many
    oldest: NDArray[np.float64]  # readings of the line with the most: the machine's age
    usual_ns: NDArray[np.float64]  # that line's usual sampling interval: the machine's pace
    open: NDArray[np.bool_]
    time_ns: NDArray[np.int64]  # of the open row, else of the newest
    closed_ns: NDArray[np.int64]  # of the newest closed row
    rows: NDArray[np.int64]  # closed so far
    spikes: NDArray[np.int64]  # in the open or newest row


class Closed(NamedTuple):
    """What the network said about each row that closed: one entry per row, as many as `step` returns."""

    slot: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    surprise: NDArray[np.float64]
    event: NDArray[np.float64]
    strange: NDArray[np.float64]
    off: NDArray[np.float64]
    state: NDArray[np.float64]
    changed: NDArray[np.bool_]
    drifting: NDArray[np.bool_]
    gate: NDArray[np.float64]
    age: NDArray[np.float64]  # readings of the machine's oldest line, and what a prior counts as
    lines: NDArray[np.int64]  # number of the machine's lines
    event_cause: NDArray[np.int64]  # line
    state_cause: NDArray[np.int64]  # line
    spikes: NDArray[np.int64]
    until: NDArray[np.int64]  # entry of the account after the row's last one
    lost: NDArray[np.int64]  # entry of the account's lost lines after the row's last one
    doubted: NDArray[np.bool_]  # the quality of a line has changed, or whether it is masked
    masked: NDArray[np.int64]  # lines whose readings have no part in the score from the next row on
    accepted: NDArray[np.bool_]  # patience has run out with this row: what alarmed is now a change to be confirmed


def fresh_lines(lines: int) -> Lines:
    """State of `lines` lines that have seen nothing."""
    return Lines(np.zeros(lines, np.bool_), np.zeros(lines, np.int64), np.zeros(lines), np.zeros(lines))


def fresh_machines(slots: int, width: int) -> Machines:
    """State of `slots` machines of at most `width` lines that have seen nothing."""
    return Machines(
        roster=np.zeros((slots, width), np.int64),
        size=np.zeros(slots, np.int64),
        oldest=np.zeros(slots),
        usual_ns=np.zeros(slots),
        open=np.zeros(slots, np.bool_),
        time_ns=np.zeros(slots, np.int64),
        closed_ns=np.zeros(slots, np.int64),
        rows=np.zeros(slots, np.int64),
        spikes=np.zeros(slots, np.int64),
    )


def closed(rows: int) -> Closed:
    """Room for `rows` closed rows."""

    def real() -> NDArray[np.float64]:
        return np.empty(rows)

    def whole() -> NDArray[np.int64]:
        return np.empty(rows, np.int64)

    return Closed(
        slot=whole(),
        time_ns=whole(),
        surprise=real(),
        event=real(),
        strange=real(),
        off=real(),
        state=real(),
        changed=np.empty(rows, np.bool_),
        drifting=np.empty(rows, np.bool_),
        gate=real(),
        age=real(),
        lines=whole(),
        event_cause=whole(),
        state_cause=whole(),
        spikes=whole(),
        until=whole(),
        lost=whole(),
        doubted=np.empty(rows, np.bool_),
        masked=whole(),
        accepted=np.empty(rows, np.bool_),
    )


@inlined
def complete(lines: Lines, machines: Machines, slot: int) -> bool:
    """Whether every line of the machine that is waited for has its reading."""
    if machines.oldest[slot] <= GROWING:
        return False
    for i in range(machines.size[slot]):
        c = machines.roster[slot, i]
        if not lines.ticked[c] and lines.missed[c] < WAIT:
            return False
    return True


@inlined
def joins(
    lines: Lines,
    machines: Machines,
    slot: int,
    begin: int,
    line: NDArray[np.int64],
    time_ns: NDArray[np.int64],
    ends: NDArray[np.bool_],
) -> bool:
    """Whether what a message has for a machine and a time, from `begin` on, belongs to the open row, as a whole."""
    if float(time_ns[begin] - machines.time_ns[slot]) > APART * machines.usual_ns[slot]:
        return False
    for i in range(begin, line.size):
        if lines.ticked[line[i]]:
            return False
        if ends[i]:
            break
    return True


@inlined
def experience(network_machines: layers.Machines, machines: Machines, slot: int) -> float:
    """Readings that a machine knows about: of its oldest line, and of its kind where it has sensors to compare."""
    given = network_machines.evidence.given[slot] if machines.size[slot] > 1 else 0.0
    return float(machines.oldest[slot] + given)


@inlined
def mask(
    params: layers.Params,
    network_lines: judgement.Joined,
    lines: Lines,
    machines: Machines,
    slot: int,
    account: judgement.Account,
    entry: int,
) -> tuple[int, bool]:
    """Decide after a row which lines of a machine are masked in the next, and keep that from `entry` on.

    Returns how many are, and whether they are others than before.
    """
    known, alarmed = network_lines.quality, network_lines.evidence.shut
    few = quality.doubt(params.quality, known, machines.roster, slot, machines.size[slot], lines.missed, alarmed)
    masked, changed = 0, False
    for i in range(machines.size[slot]):
        c = machines.roster[slot, i]
        now = few and known.doubt[c] > 0.0
        changed |= now != known.masked[c]
        if now and not known.masked[c]:
            if network_lines.evidence.shut[c] and not network_lines.frozen[c]:
                # What nonsense raised is no alarm that returns, which would have to be larger to count.
                network_lines.evidence.alarms[c] = max(network_lines.evidence.alarms[c] - 1.0, 0.0)
            evidence.rest(network_lines.evidence, c)
            network_lines.condition.trace[c] = expectation.heard(network_lines.expectation, c)
        known.masked[c] = now
        masked += now
        if lines.missed[c] == 0:
            account.masked[entry] = now
            account.changed[entry] = network_lines.evidence.calm[c] > 0.0
            entry += 1
    return masked, changed


@inlined
def close(
    params: layers.Params,
    network_lines: judgement.Joined,
    network_machines: layers.Machines,
    lines: Lines,
    machines: Machines,
    slot: int,
    scratch: judgement.Scratch,
    out: Closed,
    account: judgement.Account,
    ageing_ns: int,
    row: int,
) -> None:
    """Judge the open row of a machine into entry `row` of `out`, its readings into the next entries of `account`."""
    entry = out.until[row - 1] if row > 0 else 0
    step_ns = float(machines.time_ns[slot] - machines.closed_ns[slot])
    elapsed = clock.intervals(params.clock, step_ns, machines.usual_ns[slot]) if machines.rows[slot] > 0 else 1.0
    for i in range(machines.size[slot]):
        c = machines.roster[slot, i]
        scratch.judged[c] = lines.ticked[c] and not network_lines.quality.masked[c]
    verdict = judgement.judge(
        params,
        network_lines,
        network_machines,
        slot,
        machines.roster,
        machines.size[slot],
        lines.ticked,
        lines.age,
        machines.oldest[slot],
        machines.rows[slot],
        elapsed,
        machines.usual_ns[slot],
        scratch,
        account,
        entry,
    )
    out.slot[row] = slot
    out.time_ns[row] = machines.time_ns[slot]
    out.surprise[row] = verdict.surprise
    out.event[row] = verdict.event
    out.strange[row] = verdict.strange
    out.off[row] = verdict.off
    out.state[row] = verdict.state
    out.changed[row] = network_machines.evidence.calm[slot] > 0.0
    for i in range(machines.size[slot]):
        out.changed[row] |= network_lines.evidence.calm[machines.roster[slot, i]] > 0.0
    out.drifting[row] = network_machines.drift.drifting[slot]
    out.gate[row] = network_machines.condition.gate[slot]
    out.age[row] = experience(network_machines, machines, slot)
    out.lines[row] = machines.size[slot]
    out.event_cause[row] = verdict.event_cause
    out.state_cause[row] = verdict.state_cause
    out.accepted[row] = verdict.accepted
    out.spikes[row] = machines.spikes[slot]
    lost = out.lost[row - 1] if row > 0 else 0
    doubted = False
    for i in range(machines.size[slot]):
        c = machines.roster[slot, i]
        before = network_lines.quality.verdict[c]
        if network_lines.quality.masked[c]:  # the machine as a whole is where the others say that the line is
            value = expectation.heard(network_lines.expectation, c)
            unsure = resolution.unsure(params.resolution, network_lines.resolution, c)
            condition.follow(params.condition, network_lines.condition, c, lines.age[c], elapsed, value, unsure)
        if lines.ticked[c]:
            account.quality[entry] = quality.hear(
                params.quality,
                network_lines.quality,
                c,
                machines.time_ns[slot],
                account.value[entry],
                account.expected[entry],
                account.usual[entry],
            )
            doubted |= account.quality[entry] != before
            account.aged[entry] = wear.due(params.drift, network_lines.wear, c, machines.time_ns[slot], ageing_ns)
            if account.aged[entry]:
                first = i // expectation.COHORT * expectation.COHORT
                members = min(machines.size[slot] - first, expectation.COHORT)
                judgement.age(
                    params,
                    network_lines,
                    machines.roster,
                    slot,
                    first,
                    members,
                    i - first,
                    scratch,
                    account.ageing,
                    entry,
                )
                account.ageing[entry, wear.USUAL_NS] = lines.usual_ns[c]
            entry += 1
        elif quality.miss(
            params.quality,
            network_lines.quality,
            c,
            machines.time_ns[slot],
            lines.usual_ns[c],
            lines.missed[c] + 1,
        ):
            account.lost_line[lost], account.lost_ns[lost] = c, machines.time_ns[slot]
            lost += 1
            doubted = True
        lines.missed[c] = 0 if lines.ticked[c] else lines.missed[c] + 1
        lines.ticked[c] = False
    out.masked[row], changed = mask(
        params, network_lines, lines, machines, slot, account, out.until[row - 1] if row > 0 else 0
    )
    out.until[row] = entry
    out.lost[row] = lost
    out.doubted[row] = doubted or changed
    machines.closed_ns[slot] = machines.time_ns[slot]
    machines.rows[slot] += 1
    machines.open[slot] = False
    machines.spikes[slot] = 0


@kernel
def step(
    params: layers.Params,
    network_lines: judgement.Joined,
    network_machines: layers.Machines,
    lines: Lines,
    machines: Machines,
    slot: NDArray[np.int64],
    line: NDArray[np.int64],
    time_ns: NDArray[np.int64],
    x: NDArray[np.float64],
    ends: NDArray[np.bool_],
    seen: NDArray[np.float64],
    elapsed: NDArray[np.float64],
    usual_ns: NDArray[np.float64],
    rarity: NDArray[np.float64],
    sigmas: NDArray[np.float64],
    spikes: NDArray[np.int64],
    closing: NDArray[np.int64],
    scratch: judgement.Scratch,
    out: Closed,
    account: judgement.Account,
    ageing_ns: int,
) -> int:
    """Put n readings into rows and judge those that close; returns how many, at most n and one per machine.

    `closing`: machines whose row, if one is still open after that, is judged as it is, in this order.
    `ageing_ns`: time of the data between two tellings of a line's ageing.
    """
    rows = 0
    readings = line.size
    for turn in range(2 * readings + closing.size):
        # One place closes rows, so that the network is compiled once: before a reading, after it, and at the end.
        i = turn // 2
        if turn >= 2 * readings:
            s = closing[turn - 2 * readings]
            due = machines.open[s]
        elif turn % 2 == 0:
            s = slot[i]
            begins = i == 0 or ends[i - 1]
            due = begins and machines.open[s] and not joins(lines, machines, s, i, line, time_ns, ends)
        else:
            s, c = slot[i], line[i]
            if not machines.open[s]:
                machines.open[s] = True
                machines.time_ns[s] = max(time_ns[i], machines.closed_ns[s])
            if seen[i] == 0.0:  # a sensor joins its machine with its first reading, wherever the batch began
                machines.roster[s, machines.size[s]] = c
                machines.size[s] += 1
            lines.ticked[c] = True
            lines.age[c] = seen[i] + 1.0
            lines.usual_ns[c] = usual_ns[i]
            for k in range(rarity.shape[1]):
                network_lines.rarity[c, k] = rarity[i, k]
            if not network_lines.quality.masked[c]:
                coupling.follow(params.coupling, network_lines.coupling, c, seen[i], elapsed[i], sigmas[i])
                known = network_lines.expectation
                if seen[i] > 0.0:
                    resolution.follow(
                        params.resolution,
                        network_lines.resolution,
                        c,
                        network_lines.frozen[c],
                        known.value[c],
                        x[i],
                        network_lines.evidence.shut[c],
                    )
                unsure = resolution.unsure(params.resolution, network_lines.resolution, c)
                condition.follow(params.condition, network_lines.condition, c, seen[i], elapsed[i], x[i], unsure)
            expectation.follow(network_lines.expectation, c, seen[i], elapsed[i], x[i])
            machines.spikes[s] += spikes[i]
            if seen[i] + 1.0 > machines.oldest[s]:
                machines.oldest[s] = seen[i] + 1.0
                machines.usual_ns[s] = usual_ns[i]
            due = ends[i] and complete(lines, machines, s)
        if due:
            close(params, network_lines, network_machines, lines, machines, s, scratch, out, account, ageing_ns, rows)
            rows += 1
    return rows
