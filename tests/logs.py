"""Readings of a small plant, and the log that holds them: for the tests of buckets and of what runs them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from pipeline.cluster.messages import Packer
from pipeline.engine.commands import Command
from pipeline.records import Machine, Reading

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def plant(rng: np.random.Generator) -> list[list[Reading] | Command]:
    """Messages of some machines of several sites, a few with a fault; late, missing and new sensors among them."""
    machines = [Machine("press", (("site", f"{number}"),)) for number in range(int(rng.integers(2, 9)))]
    rows = int(rng.integers(50, 300))
    level = rng.normal(20.0, 5.0, (len(machines), 4))
    fault = rng.integers(rows, size=len(machines))
    messages: list[list[Reading] | Command] = []
    for row in range(rows):
        gathered: list[Reading] = []
        for number, machine in enumerate(machines):
            time_ns = START + (row - (5 if rng.random() < 0.02 else 0)) * SECOND
            said = [
                Reading(
                    machine, f"s{sensor}", time_ns, float(value + 6.0 * (fault[number] <= row < fault[number] + 40))
                )
                for sensor, value in enumerate(level[number] + rng.normal(0.0, 0.2, 4))
                if rng.random() > 0.03 and row >= 30 * (sensor == 3)
            ]
            if rng.random() < 0.5:
                gathered += said  # a message of several machines
            else:
                messages.append(said)
        messages.append(gathered)
    return [message for message in messages if message]


def of_machines(rows: int, machines: int = 1, at: int = 0) -> list[list[Reading]]:
    """Messages of a reading each; `at`: seconds at which they begin."""
    return [
        [Reading(Machine(f"m{number}"), "s", START + (at + row) * SECOND, float(row % 7))]
        for row in range(rows)
        for number in range(machines)
    ]


def logged(log: Sequence[Sequence[Reading]], buckets: int = 1, bucket: int = 0, sender: int = 1) -> list[bytes]:
    """The messages to one bucket, as they lie in the log, one for each."""
    packer, own = Packer(buckets, sender), []
    for message in log:
        packer.add(message)
        own += [payload for number, payload in packer.flush() if number == bucket]
    return own


def packed(
    log: Sequence[Sequence[Reading] | Command], buckets: int, rng: np.random.Generator, lives: int
) -> dict[int, list[bytes]]:
    """The messages to each bucket, of a sender that gathers for a while and is started anew some times."""
    delivered: dict[int, list[bytes]] = {number: [] for number in range(buckets)}
    ends = np.linspace(0, len(log), lives + 1).astype(int).tolist()
    for life, (begin, end) in enumerate(pairwise(ends)):
        packer = Packer(buckets, int(rng.integers(2**62)) + life)
        for message in log[begin:end]:
            given = []
            if isinstance(message, Command):
                given = packer.say(message)
            else:
                packer.add(message)
                if rng.random() < 0.2:
                    given = packer.flush()
            for number, payload in given:
                delivered[number].append(payload)
        for number, payload in packer.flush():
            delivered[number].append(payload)
    return delivered
