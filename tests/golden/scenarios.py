"""Lives of machines that between them use every part of the network; the same readings wherever they are made.

Each scenario is an engine and what happens to it: batches of messages, and what people say in between.
"""

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.config.settings import Alert, Limits, MachineRule, Sensor
from pipeline.engine.commands import Command
from pipeline.engine.engine import Engine
from pipeline.network.parameters import Params, with_context
from pipeline.network.prior import Prior
from pipeline.records import Machine, Reading

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
BATCH_ROWS = 200
SAMPLE_ROWS = 4_000  # of each recorded machine
Message = list[Reading]
Step = list[Message] | Command
Table = NDArray[np.float64]


class Scenario(NamedTuple):
    """`engine` is new at every call, and so is what `steps` yields."""

    name: str
    engine: Callable[[], Engine]
    steps: Callable[[], Iterator[Step]]


def uniform(seed: int, *shape: int) -> Table:
    """Numbers in [0, 1) by the generator whose stream NumPy promises to keep."""
    return np.random.RandomState(seed).random_sample(shape)


def noise(seed: int, *shape: int) -> Table:
    """Bell-shaped, variance 1: the sum of twelve uniform numbers, so that it needs no function of a C library."""
    return uniform(seed, *shape, 12).sum(axis=-1) - 6.0


def life(seed: int, rows: int, sensors: int, kind: int | None = None) -> Table:
    """A machine that idles, runs and follows a saw-tooth, and ages; each sensor lags behind its load by its own time.

    `kind`: seed of what machines of a kind have in common.
    """
    dice = uniform(seed, 400)
    load: list[float] = []
    for number in range(200):
        lasts, mode = 60 + int(200 * dice[number]), int(3 * dice[200 + number])
        load += [(0.0, 1.0, 0.3 + 0.9 * (t % 50) / 50)[mode] for t in range(lasts)]
        if len(load) >= rows:
            break
    own = uniform(seed + 1 if kind is None else kind, 4, sensors)
    swing, lag, follows, wear = 5 + 20 * own[0], 1 + 40 * own[1] ** 2, 3 * own[2], (own[3] - 0.5) * 6
    shared, state, walk = noise(seed + 2, rows), np.zeros(sensors), 0.0
    table = np.empty((rows, sensors))
    for t in range(rows):
        state += (load[t] - state) / lag
        walk = 0.97 * walk + 0.2 * shared[t]
        table[t] = swing * state + follows * walk + wear * t / rows
    return np.round(100 + table + noise(seed + 3, rows, sensors), 2)


def broken(table: Table, seed: int) -> Table:
    """The same life with a fault of each kind, after its first 1,200 rows."""
    rows, sensors = table.shape
    table, dice = table.copy(), uniform(seed + 4, 8)
    gap = (rows - 1_200) // 7
    for kind in range(6):
        at, sensor = 1_200 + kind * gap + int(40 * dice[kind]), int(sensors * dice[kind])
        own = table[:, sensor]
        if kind == 0:
            own[at] += 25
        elif kind == 1:
            own[at : at + 150] += 8
        elif kind == 2:
            own[at : at + 120] = own[at]
        elif kind == 3:
            own[at : at + 40] = 0
        elif kind == 4:
            own[at : at + 200] += np.linspace(0, 9, 200)
        else:
            own[at : at + 100] = own[at : at + 100] * 1.8 + 32
    return table


def told(
    name: str, table: Table, time_ns: NDArray[np.int64] | None = None, there: NDArray[np.bool_] | None = None
) -> Iterator[Message]:
    """The messages of a machine, one a row; `there`: which of its readings are sent."""
    machine = Machine(name)
    sensors = [f"s{number}" for number in range(table.shape[1])]
    for t, row in enumerate(table.tolist()):
        at = START + t * SECOND if time_ns is None else int(time_ns[t])
        sent = range(len(row)) if there is None else np.flatnonzero(there[t]).tolist()
        if sent:
            yield [Reading(machine, sensors[number], at, row[number]) for number in sent]


def batches(messages: Iterator[Message], commands: dict[int, list[Command]] | None = None) -> Iterator[Step]:
    """Messages in batches, and commands before the message of their number."""
    batch: list[Message] = []
    for number, message in enumerate(messages):
        for command in (commands or {}).get(number, []):
            yield batch
            yield command
            batch = []
        batch.append(message)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    yield batch


def engine(rule: MachineRule | None = None, params: Params | None = None, prior: Prior | None = None) -> Engine:
    """An engine that writes a score every 10 s and its sensors every minute."""
    return Engine(
        10 * SECOND,
        60 * SECOND,
        Limits(),
        (lambda name: rule) if rule else None,
        params,
        priors=(lambda name: prior) if prior else None,
    )


def ageing(seed: int, sensors: int) -> Scenario:
    """A machine that ages and has faults; a step of one sensor stays for good."""

    def steps() -> Iterator[Step]:
        table = broken(life(seed, 5_000, sensors), seed)
        table[4_200:, -1] += 12
        return batches(told("m", table))

    return Scenario(f"ageing-{seed}-{sensors}", engine, steps)


def recorded(path: Path) -> Scenario:
    """The first rows of a recorded machine."""

    def steps() -> Iterator[Step]:
        with gzip.open(path) as file:
            frame = pd.read_csv(io.BytesIO(file.read()), nrows=SAMPLE_ROWS)
        times = pd.to_datetime(frame.pop(frame.columns[0])).to_numpy("datetime64[ns]").astype(np.int64)
        table = frame.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        return batches(told("m", table, times, np.isfinite(table)))

    return Scenario(path.name.split(".")[0], engine, steps)


def say(verb: str, name: str = "m", argument: str = "") -> Command:
    """Something that somebody says."""
    return Command(verb, Machine(name), argument, "anna", "cli", START)


def commanded() -> Scenario:
    """Everything people may say, in the middle of faults, with a row open."""
    commands = {
        1_000: [say("freeze")],
        1_250: [say("resume")],
        2_060: [say("ack")],
        2_100: [say("normal")],
        2_700: [say("repaired")],
        3_400: [say("rollback")],
        3_600: [say("rollback"), say("normal")],
        4_320: [say("snooze", argument="1h"), say("label", argument="bearing")],
    }

    def steps() -> Iterator[Step]:
        table = life(31, 6_000, 4)
        table[2_040:2_400, 1] += 60
        table[4_300:4_400, 2] -= 60
        table[5_000:5_080, 2] -= 60
        return batches(told("m", table), commands)

    return Scenario("commands", engine, steps)


def changed() -> Scenario:
    """A sensor stays elsewhere until that is accepted; another fails meanwhile; then somebody confirms."""

    def steps() -> Iterator[Step]:
        table = life(37, 7_500, 3)
        table[2_500:, 0] += 14
        table[5_600:5_900, 2] += 14
        return batches(told("m", table), {6_500: [say("normal")]})

    return Scenario("changed", engine, steps)


def declared() -> Scenario:
    """Declared ranges, thresholds and limits of a kind."""
    sensors = {
        "s0": Sensor(range=(60.0, 160.0)),
        "s1": Sensor(range=(90.0, 120.0), limit=140.0),
        "s3": Sensor(ignore=True),
    }
    table = broken(life(41, 4_000, 4), 41)
    rule = MachineRule("*", "pump", None, sensors, Alert(0.95, 0.999))
    return Scenario("ranges", lambda: engine(rule), lambda: batches(told("m", table)))


def with_prior() -> Scenario:
    """A young machine that is given what an older one of its kind knows."""

    def young() -> Engine:
        elder = engine()
        for step in batches(told("elder", life(43, 4_000, 4, kind=42))):
            assert not isinstance(step, Command)
            elder.step(elder.arrange(step))
        return engine(prior=elder.fleet.learned(0))

    return Scenario("prior", young, lambda: batches(told("m", broken(life(44, 3_000, 4, kind=42) + 7.0, 44))))


def missing() -> Scenario:
    """Readings get lost, a sensor is gone for long, one is stuck, one comes rarely, one appears late."""

    def steps() -> Iterator[Step]:
        table = life(47, 5_000, 6)
        there = uniform(48, *table.shape) > 0.01
        there[2_000:2_900, 1] = False
        there[:, 4] &= np.arange(5_000) % 7 == 0
        there[:1_500, 5] = False
        table[3_200:3_700, 2] = table[3_200, 2]
        table[4_200:4_230, 3] = -9_999.0
        return batches(told("m", table, there=there))

    return Scenario("missing", engine, steps)


def irregular() -> Scenario:
    """Times that jitter, stand still, go back, leap, and two machines that take turns."""

    def steps() -> Iterator[Step]:
        found = []
        for number, name in enumerate("ab"):
            time_ns = START + np.arange(4_000) * SECOND + (uniform(53 + number, 4_000) * 4e8).astype(np.int64)
            time_ns[1_700:1_720] = time_ns[1_700]
            time_ns[2_300:2_340] -= 90 * SECOND
            time_ns[3_000:] += 3_600 * SECOND
            found.append(told(name, broken(life(55 + number, 4_000, 3 + number), 55 + number), time_ns))
        return batches(message for pair in zip(*found, strict=True) for message in pair)

    return Scenario("irregular", engine, steps)


def each_alone() -> Scenario:
    """A message per reading, in changing order: rows stay open over the borders of batches."""

    def steps() -> Iterator[Step]:
        table, order = life(59, 2_500, 3), np.argsort(uniform(60, 2_500, 3), axis=1).tolist()
        rows = ((message, order[t]) for t, message in enumerate(told("m", table)))
        return batches([message[number]] for message, turn in rows for number in turn)

    return Scenario("each-alone", engine, steps)


def never_moved() -> Scenario:
    """Constants that move, switches, copies, a counter, a coarse sensor."""

    def steps() -> Iterator[Step]:
        table = np.hstack([life(61, 5_000, 2), np.zeros((5_000, 6))])
        at = np.arange(5_000)
        table[:, 2] = 0.5
        table[2_500, 2] = 1.0
        table[:, 3] = np.where(at < 3_000, 55.0, 65.0)
        table[:, 4] = at // 130 % 2
        table[:, 5] = 1 - table[:, 4]
        table[:, 6] = at * 3 % 10_000
        table[:, 7] = np.round(table[:, 0] / 5) * 5
        table[4_200:4_400, 1] += 15
        return batches(told("m", table))

    return Scenario("never-moved", engine, steps)


def wide() -> Scenario:
    """A machine that outgrows a cohort of sixteen sensors in the middle of its life."""

    def steps() -> Iterator[Step]:
        table = broken(life(67, 3_000, 20), 67)
        there = np.ones(table.shape, np.bool_)
        there[:900, 13:] = False
        return batches(told("m", table, there=there))

    return Scenario("wide", engine, steps)


def remembering() -> Scenario:
    """The population that is off by default."""
    params = with_context(Params())
    return Scenario(
        "context", lambda: engine(params=params), lambda: batches(told("m", broken(life(71, 2_500, 2), 71)))
    )


def impatient() -> Scenario:
    """Other numbers of some parts, so that none is fixed by chance."""
    params = Params()
    params = params._replace(evidence=params.evidence._replace(patience=900))
    return Scenario(
        "parameters", lambda: engine(params=params), lambda: batches(told("m", broken(life(73, 3_500, 3), 73)))
    )


def hasty(by_time: bool) -> Params:
    """Numbers with which a machine soon does what takes others weeks."""
    usual = Params()
    return usual._replace(
        clock=usual.clock._replace(by_time=by_time),
        evidence=usual.evidence._replace(regime=8.0, patience=200.0, patience_first=80.0, patience_least=40.0),
        drift=usual.drift._replace(begin=200.0, known=400.0, lost=40.0),
        quality=usual.quality._replace(
            run=20.0, runs=1.0, moves=300.0, trust=300.0, missed=10, intervals=10.0, pauses=1.5
        ),
    )


def restless(seed: int, sensors: int, by_time: bool = True) -> Scenario:
    """A machine that becomes another one several times, with two sensors that fail, and an answer to some of it.

    It is accepted as a whole, has a new regime, is commissioned anew, and is confirmed while a sensor is masked.
    """

    def steps() -> Iterator[Step]:
        table = life(seed, 3_600, sensors)
        other = 400.0 * np.array([1.0, -1.0] * sensors)[:sensors]
        table[900:960] += np.linspace(0, 1, 60)[:, None] * other
        table[960:] += other
        table[1_600:] = table[1_600:, ::-1]
        table[2_300:2_500, 0] = table[2_300, 0]
        table[2_800:3_000, -1] = -50.0
        table[3_200:] *= 3.0
        return batches(told("m", table), {2_480: [say("normal")], 2_960: [say("normal")]})

    name = f"restless-{seed}-{sensors}" + ("" if by_time else "-by-count")
    return Scenario(name, lambda: engine(params=hasty(by_time)), steps)


def scenarios(samples: Path) -> list[Scenario]:
    """All of them; `samples`: the folder of recorded machines."""
    return [
        *(recorded(path) for path in sorted(samples.glob("*.csv.gz"))),
        *(ageing(seed, sensors) for seed in (11, 12, 13) for sensors in (1, 3, 8, 20)),
        commanded(),
        changed(),
        declared(),
        with_prior(),
        missing(),
        irregular(),
        each_alone(),
        never_moved(),
        wide(),
        remembering(),
        impatient(),
        restless(3, 5),
        restless(3, 18),
        restless(3, 1),
        restless(4, 4, by_time=False),
    ]
