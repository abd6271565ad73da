"""What one publisher that runs wild can do to the others: nothing, within memory that is bounded."""

import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from machines import SECOND, START

from pipeline.config.settings import Config, Limits, Mqtt, Source, Times
from pipeline.engine.engine import Engine
from pipeline.payloads import Decoder
from pipeline.records import Machine, Message, Point, Reading
from pipeline.service.connections import open_sink
from pipeline.service.service import Service, portions

LIMITS = Limits(machines=100, sensors=2_000, sensors_per_machine=64, machines_per_group=40, sensors_per_group=1_000)
SOURCES = (
    Source("plant/{site}/{machine}/{sensor}"),
    Source("plant/{site}/{machine}", payload="json", time="time", time_missing="arrival"),
    Source("many/{site}", payload="json", time="time", time_missing="arrival"),
)
MIB = 1 << 20


class Gateway:
    """What the service does with messages, without what it keeps of them."""

    def __init__(self) -> None:
        self.decoder = Decoder(SOURCES, Times(), LIMITS.message_bytes)
        self.engine = Engine(limits=LIMITS)
        self.refused: Counter[str] = Counter()

    def feed(self, messages: list[Message]) -> list[Point]:
        points = []
        for batch in portions(messages):
            decoded = [self.decoder.decode(message) for message in batch]
            self.refused.update(refusal.cause for one in decoded for refusal in one.refused)
            readings = self.engine.arrange([one.readings for one in decoded], self.refused)
            points += self.engine.points(self.engine.step(readings))
        return points


def honest(machine: str, first: int, rows: int) -> list[Message]:
    """A machine of the site `north`, one message a second."""
    rng = np.random.default_rng([first, *machine.encode()])
    values = 20 + np.sin((first + np.arange(rows))[:, None] / (5 + np.arange(3))) + 0.2 * rng.normal(size=(rows, 3))
    return [
        message(f"plant/north/{machine}", b'{"time":%d,"a":%.3f,"b":%.3f,"c":%.3f}' % (stamp, *row), stamp)
        for stamp, row in zip(range(START // SECOND + first, START // SECOND + first + rows), values, strict=True)
    ]


def message(topic: str, payload: bytes, stamp: int = START // SECOND + 500) -> Message:
    return Message(topic, payload, stamp * SECOND)


def json_of(unit: Callable[[int], bytes], ends: bytes = b"{}", most: int = MIB) -> bytes:
    """As many different units as a message of that size takes."""
    parts, size, number = [], 2, 0
    while size + len(part := unit(number)) + 1 <= most:
        parts.append(part)
        size += len(part) + 1
        number += 1
    return ends[:1] + b",".join(parts) + ends[1:]


def stamped(n: int) -> bytes:
    return b'{"time":%d.%03d,"a":1}' % (START // SECOND + n // 1000, n % 1000)


# What a message can be made of, over and over.
UNITS: dict[str, tuple[Callable[[int], bytes], bytes]] = {
    "sensors": (lambda n: b'"s%d":1' % n, b"{}"),
    "machines": (lambda n: b'"m%d":{"a":1}' % n, b"{}"),
    "samples": (lambda n: b'{"a":%d}' % (n % 10), b"[]"),
    "stamped": (stamped, b"[]"),
    "backwards": (lambda n: stamped(10**6 - n), b"[]"),
    "long keys": (lambda n: b'"%s%d":1' % (b"k" * 120, n), b"{}"),
    "longer keys": (lambda n: b'"%s%d":{"a":{"b":1}}' % (b"k" * 1000, n), b"{}"),
    "one key": (lambda n: b'"a":1', b"{}"),
    "no numbers": (lambda n: b'{"a":NaN}', b"[]"),
    "bare": (lambda n: b"1", b"[]"),
    "nothing": (lambda n: b"{}", b"[]"),
    "nested": (lambda n: b'{"a":' * 60 + b"1" + b"}" * 60, b"[]"),
    "brackets": (lambda n: b"[" * 4000, b"[]"),
    "digits": (lambda n: b"9" * 4000, b"[]"),
    "colons": (lambda n: b'"%d":": ::"' % n, b"{}"),
}
MADE = {name: json_of(*unit) for name, unit in UNITS.items()}
# Number of messages, and message number so-and-so; all from the site `wild`.
ATTACKS: dict[str, tuple[int, Callable[[int], tuple[str, bytes]]]] = {
    "hundreds of thousands of machine names": (250_000, lambda n: (f"plant/wild/m{n}/a", b"1")),
    "machine names in one message": (
        10,
        lambda n: ("many/wild", json_of(lambda k: b'"m%d-%d":{"a":1}' % (n, k))),
    ),
    "sensor names over and over": (100_000, lambda n: (f"plant/wild/m{n % 7}/s{n}", b"1")),
    "sensors in one object": (10, lambda n: (f"plant/wild/m{n}", MADE["sensors"])),
    "arrays of samples without a time": (10, lambda n: ("plant/wild/m", MADE["samples"])),
    "arrays of samples": (10, lambda n: ("plant/wild/m", MADE["stamped"])),
    "brackets in brackets": (100, lambda n: ("plant/wild/m", b"[" * MIB)),
    "objects in objects": (100, lambda n: ("plant/wild/m", (b'{"a":' * MIB)[:MIB])),
    "nests that end": (10, lambda n: ("plant/wild/m", MADE["nested"])),
    "names as long as they may be": (10, lambda n: (f"plant/wild/m{n}", MADE["long keys"])),
    "names that are too long": (10, lambda n: (f"plant/wild/m{n}", MADE["longer keys"])),
    "one key again and again": (10, lambda n: ("plant/wild/m", MADE["one key"])),
    "numbers without end": (10, lambda n: ("plant/wild/m", b'{"a":' + b"9" * (MIB - 6) + b"}")),
    "topics without end": (1_000, lambda n: (f"plant/wild/{n}{'x' * 60_000}/a", b"1")),
    "the year 9999": (10_000, lambda n: ("plant/wild/m", b'{"time":"9999-12-31T23:59:59Z","a":1}')),
    "the year 1970": (10_000, lambda n: ("plant/wild/m", b'{"time":%d,"a":1}' % (n % 1000))),
}


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def most_resident() -> int:
    """Since `forget_most`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def forget_most() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def in_batches(count: int, make: Callable[[int], tuple[str, bytes]]) -> Iterator[list[Message]]:
    size = 2_000 if count > 1_000 else 10
    for begin in range(0, count, size):
        yield [message(*make(number)) for number in range(begin, min(begin + size, count))]


def lives(attack: Iterator[list[Message]]) -> tuple[list[Point], Gateway]:
    """Points of an honest machine that is known before the attack, and of one that comes after it."""
    gateway = Gateway()
    points = gateway.feed(honest("press-1", 0, 150))
    for messages in attack:
        points += gateway.feed(messages)
    for first in range(150, 300, 50):
        points += gateway.feed(honest("press-1", first, 50) + honest("press-2", first, 50))
    return [point for point in points if ("site", "north") in point.tags], gateway


@pytest.fixture(scope="module")
def undisturbed() -> list[Point]:
    return lives(iter(()))[0]


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_takes_bounded_memory_and_changes_no_score_of_honest_machines(name: str, undisturbed: list[Point]):
    count, make = ATTACKS[name]
    sizes = []

    def attack() -> Iterator[list[Message]]:
        forget_most()
        before = resident()
        for number, messages in enumerate(in_batches(count, make)):
            yield messages
            if number == 0:
                sizes.append(resident())
        sizes.append(resident())
        sizes.append(most_resident() - before)

    found, gateway = lives(attack())
    assert found == undisturbed
    assert len([point for point in found if ("machine", "press-2") in point.tags]) >= 140
    first, last, most = sizes
    assert last - first < 48 * MIB, "what it remembers"
    assert most < 400 * MIB, "what it takes at a time"
    assert len(gateway.engine.fleet.machines) <= 42


@pytest.mark.parametrize("name", UNITS)
def test_a_message_is_decoded_in_steps_in_proportion_to_its_size(name: str):
    """Steps are calls; how long a megabyte takes by the clock is measured by benchmarks/faults/fuzz.py."""

    def calls(size: int) -> int:
        payload = json_of(*UNITS[name], size)
        decoder = Decoder(SOURCES, Times(), LIMITS.message_bytes)
        topic = "many/x" if name == "machines" else "plant/x/m"
        counted = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal counted
            counted += event.endswith("call")

        sys.setprofile(count)
        try:
            decoder.decode(message(topic, payload))
        finally:
            sys.setprofile(None)
        return counted

    small, large = calls(MIB // 32), calls(MIB // 4)
    assert large < 12 * small + 1_000, "8 would be in proportion, 64 quadratic"


def test_a_group_that_is_full_keeps_its_machines_and_is_named_once_and_others_have_their_room():
    engine = Engine(limits=Limits(machines=3, machines_per_group=2, sensors=5, sensors_per_group=4))
    refused: Counter[str] = Counter()

    def numbers(site: str, machine: str, *sensors: str) -> list[int]:
        reading = [Reading(Machine(machine, (("site", site),)), sensor, START, 1.0) for sensor in sensors]
        return engine.arrange([reading], refused).line.tolist()

    assert numbers("wild", "a", "x", "y", "z") == [0, 1, 2]
    assert numbers("wild", "b", "x", "y", "z") == [3]
    assert refused == {"no_room_group": 2}
    assert numbers("north", "a", "x", "y") == [4]
    assert refused == {"no_room_group": 2, "no_room": 1}
    assert numbers("wild", "a", "x", "y", "z") == [0, 1, 2]
    assert numbers("wild", "c", "x") == []
    assert engine.fleet.full_groups == [(("site", "wild"),)]
    assert [machine.name for machine in engine.fleet.machines] == ["a", "b", "a"]


def test_limits_lowered_in_the_configuration_take_nothing_from_machines_that_are_known():
    engine = Engine()
    machines = [Machine(name, (("site", "north"),)) for name in "abc"]
    readings = [Reading(machine, "x", START, 1.0) for machine in machines]
    engine.step(engine.arrange([readings]))
    less = Engine(limits=Limits(machines=2, machines_per_group=1, sensors=1, sensors_per_group=1))
    less.fleet.restore(engine.fleet.snapshot())
    assert less.arrange([readings]).line.tolist() == [0, 1, 2]
    assert less.fleet.full_groups == []


def test_of_refused_messages_a_few_of_each_cause_are_kept_for_a_person_and_all_are_counted(tmp_path: Path):
    config = Config(data=str(tmp_path), mqtt=Mqtt(sources=SOURCES))
    service = Service(config, open_sink(config, {}))
    stop = threading.Event()
    for number in range(50):
        poison = [message("plant/north/m/a", b"x%d-%d" % (number, each)) for each in range(20)]
        service._process([*poison, message("plant/north/m/a", b"1", START // SECOND + number)], stop)
    service._process([message("plant/north/m", b"{" + b" " * 5_000), message("z" * 500, b"1")], stop)
    dead = service._journal.dead()
    assert service.refused == {"not_number": 1_000, "not_json": 1, "unknown_topic": 1}
    assert service.readings == 50
    kept = [letter.content for letter in dead if letter.reason == "not_number"]
    assert kept == [b"x%d-%d" % (number, each) for number in range(5) for each in range(20)]
    assert [(letter.reason, len(letter.what), len(letter.content)) for letter in dead[-2:]] == [
        ("not_json", 13, 1024),
        ("unknown_topic", 200, 1),
    ]
    service._journal.close()
    service._lock.close()


def test_messages_are_scored_in_portions_that_fit_the_memory():
    sizes = [0, MIB, 10, MIB - 5, 5, 1, 3 * MIB]
    messages = [message("t", b"x" * size) for size in sizes]
    parts = [[len(each.payload) for each in part] for part in portions(messages)]
    assert parts == [[0, MIB], [10], [MIB - 5, 5], [1], [3 * MIB]]
    assert list(portions([])) == []
