"""Any bytes under any topic, for every payload format: readings or named refusals, never an exception.

    python benchmarks/faults/fuzz.py --executions 10000000 [--seed 1]

A mutation fuzzer of our own: valid and nasty messages (the golden ones of the tests among them) are cut, spliced,
repeated and sown with tokens that parsers trip over; a mutant that is refused or accepted in a way nobody has seen
yet becomes a parent. Every mutant is decoded under ten topics at random, so in the end by every format and in every
way to set it; Sparkplug's births and deaths among them, so that its messages mean what those before have said.

Asserted of every message: no exception; readings or refusals; every value finite and within MAX_MAGNITUDE; every
time within the window of believable ones; names that are names; readings of one machine and time adjacent. Asserted
of the run: time in proportion to a message's size, also of a megabyte built to be slow; memory of a message in
proportion to its size; the process hardly larger at the end than at half-time; and every cause of refusal has been
met, so that the fuzzer is known to get about.
"""

import gzip
import math
import random
import re
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil
from workers import judge, reports_of

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from pipeline.config.settings import Bearing, Source, Times, Waveform, duration_ns, unix_ns  # noqa: E402
from pipeline.payloads import PAYLOADS, Cause, Decoder  # noqa: E402
from pipeline.payloads.decoded import Decoded, is_name  # noqa: E402
from pipeline.records import MAX_MAGNITUDE, Message  # noqa: E402

NOW_NS = 1_717_000_000_000_000_000  # 2024-05-29T16:26:40Z
TIMES = Times()
WINDOW = (unix_ns(TIMES.oldest), NOW_NS + duration_ns(TIMES.future))
MESSAGE_BYTES = 65_536  # of the mutants; the megabytes have a decoder of their own
LARGE_BYTES = 1_048_576
MOST_PARENTS = 4_000
MOST_BYTES = 300  # of a parent; small ones make for many executions, and bugs hide in small ones too

# Every format as it is set by default, and in every way that changes which code reads the payload.
SOURCES = [
    *(Source(f"{name}/{{machine}}/{{sensor}}", payload=name) for name in PAYLOADS),  # type: ignore[arg-type]
    *(Source(f"{name}-by-topic/{{machine}}/+", payload=name) for name in PAYLOADS),  # type: ignore[arg-type]
    *(Source(f"{name}-by-itself/+/+", payload=name) for name in PAYLOADS),  # type: ignore[arg-type]
    Source("timed/{machine}/{sensor}", payload="json", time="ts"),
    Source("arrival/{machine}/+", payload="json", time="ts", time_missing="arrival"),
    Source("deep/{site}/{machine}", payload="json", time="a.ts", samples="a.values", time_unit="auto"),
    Source("named/{site}/+", payload="json", machine="machine", samples="values", time="ts", time_unit="ms"),
    Source("many/+/{sensor}", payload="json", time="ts", time_unit="iso"),
    Source("nano/{machine}/+", payload="json", time="ts", time_unit="ns"),
    Source("packed/{site}/+", payload="cbor", machine="machine", samples="values", time="ts"),
    Source("small/{machine}/+", payload="msgpack", time="ts", time_missing="arrival"),
    Source("tagged/+/+", payload="influx", machine="machine", tags=("axis",), measurement=False, time_unit="ms"),
    Source("rows/+/+", payload="csv", columns=("ts", "machine", "value", ""), time="ts", machine="machine"),
    Source("german/{machine}/{sensor}", payload="csv", separator=";", decimal=",", time="ts"),
    Source("wrapped/{machine}/{sensor}", payload="json", compression="gzip"),
    Source("perhaps/{machine}/+", payload="influx", compression="auto"),
    Source("spBv1.0/#", payload="sparkplug"),
]

# Shaft and bearing turn fast enough for blocks of a hundred samples.
_SHAFT = {"rate": 1000.0, "unit": "g", "velocity": (50.0, 500.0), "bands": ((10.0, 100.0), (200.0, 201.0))}
_BEARING = {"bearing": Bearing(9, 7.94, 39.04), "envelope": (100.0, 500.0)}
_WAVEFORMS = {
    "raw/{machine}/{sensor}": {"speed": 3600.0, **_SHAFT, **_BEARING},
    "floats/{machine}/+": {"rate": 1000.0, "type": "float64", "order": "big", "channels": ("x", "y"), "scale": 1e90},
    "fast/{machine}/{sensor}": {"rate": 1000.0, "speed": 60_000.0},
    "array/{machine}/{sensor}": {"encoding": "array", "speed_path": "values", **_SHAFT, **_BEARING},
    "moments/{machine}/+": {"encoding": "array", "rate_path": "a", "bands": ((1.0, 2.0),), "channels": ("x", "y")},
    "base64/{machine}/+": {"encoding": "base64", "rate": 1000.0, "type": "float32"},
}
SOURCES += [
    Source(topic, payload="waveform", samples="v" if "moments" in topic else None, waveform=Waveform(**settings))  # type: ignore[arg-type]
    for topic, settings in _WAVEFORMS.items()
]
SOURCES += [  # what only the mapping language says
    Source(
        "said/{machine}/+", payload="json", sensor="machine", value="value", quality="a", good=(1, "x"), time="ts"
    ),
    Source("told/{machine}/+", payload="json", sensor="machine", value="value"),
    Source("words/{machine}/{sensor}", payload="json", states={"temp*": ("false", "x")}, number_text=True),
    Source("sifted/{machine}/+", payload="json", ignore=("a", "x*"), missing=(1.0, 4.0), valid={"*": (-10.0, 1e6)}),
    Source("clock/{machine}/+", payload="json", time="ts", time_format="%Y-%m-%d", time_zone="Europe/Berlin"),
    Source("rest/{machine}/{sensor+}", payload="json", row=("time", "value"), time="time"),
    Source("keys/+/+", payload="json", samples="{machine}.{sensor}", header="first_row"),
]
TOPICS = [source.topic.split("/")[0] + "/press-1/temp" for source in SOURCES if source.payload != "sparkplug"] + [
    f"spBv1.0/plant/{kind}/edge{'/press-1' if kind[0] == 'D' else ''}"
    for kind in ("NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH", "NCMD")
]
TOPICS_OF_ONE = 10  # mutant
NUMBERS = {topic: number for number, topic in enumerate(TOPICS)}
SEED_BYTES = 4_096  # of a golden payload to begin with
OUT_OF_REACH = {Cause.BIRTHS_FULL}  # in messages as small as the mutants; the large ones come to it

VALID = [
    b"21.5",
    b"-1e-3",
    b'{"ts":1716999990,"temp":21.5,"flow":{"in":1,"out":2.5e0}}',
    b'[{"ts":1716999990,"temp":21.5},{"ts":1716999991,"temp":21.6}]',
    b'{"a":{"ts":"2024-05-29T16:26:40Z","values":[{"temp":1,"b":2},{"temp":3}]}}',
    b'{"machine":"press-2","ts":1716999990000,"values":{"temp":1.5,"x":{"y":{"z":3}}}}',
    b'{"press-1":{"ts":"2024-05-29T16:26:40+02:00","value":1},"press-2":[{"value":2}]}',
    b'{"ts":1716999990123456789,"value":-0.0}',
    b'{"ts":1.717e9,"value":1.5,"text":"x","flag":true,"nothing":null,"list":[1,2]}',
    b"\x00\x01\x80\xff" * 40,
    b"\x7f\xc0\x00\x00\x00\x00\x00\x00" * 4 + b"\x3f\xf0\x00\x00\x00\x00\x00\x01" * 140,
    b"[" + b"1,-2,3," * 32 + b"4]",
    b'{"values":3600,"x":[' + b"1,2.5,-1," * 30 + b"0]}",
    b'{"a":500,"v":[' + b"[1,2],[3,-1]," * 40 + b"[0,0]]}",
    b'{"a":1,"v":[' + b"[1,2],[3,-1]," * 40 + b"[0,0]]}",
    b'{"x":"' + b"AAAAAAAAgD8AAABA" * 24 + b'"}',
]
TOKENS = [
    *(bytes((character,)) for character in b'{}[]":,.-+eE0123456789 \t\n\r\\/#\x00\x7f\x80\xff_xNI'),
    b"null", b"true", b"false", b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf", b"1e400", b"-1e400", b"1e-400",
    b"1e308", b"1e100", b"1.0000000000000002e100", b"-1e101", b"9" * 25, b"9" * 400, b"0" * 50, b"1_0", b"0x1f",
    b"\xef\xbb\xbf", b'"\\ud800"', b'"\\u0000"', b'"\\udc00\\ud800"', b"\xed\xa0\x80", b"\xf0\x9f\x92\xa9",
    b"\xc0\x80",
    b"\xe2\x80\xae", b"\xc2\x85", b'"ts":', b'"a":', b'"a.ts":', b'"value":', b'"values":', b'"machine":', b'"":',
    b'"ts":1716999990,', b'"ts":253402300800', b'"ts":-1', b'"ts":1e300', b'"ts":NaN', b'"ts":"9999-12-31T23:59:59Z"',
    b'"0001-01-01T00:00:00+14:00"', b'"2024-02-30"', b'"2024-05-29T16:26:40,5Z"', b'"machine":"a/b"', b'"machine":12',
    b'{"a":', b"[[", b"]]", b"}}", b'{"a":1,"a":2}', b'" :', b'":"', b'"x":"', b"\\u003a", b'"' + b"n" * 130 + b'":1',
]  # fmt: skip

VALUE = re.compile(rb'"[^"]*"|-?[0-9][0-9.eE+-]*|true|false|null')  # a key or a value, as far as one can see
VALUES = [
    *(token for token in TOKENS if token[-1:] not in b",:" and (token[:1] in b'"-0123456789nfN' or token == b"true")),
    b"1", b"2.5", b"-3e2", b"0", b"-0.0", b"1716999990", b"1716999991", b"1716999990000", b'"press-1"', b'"press-2"',
    b'"a"', b'"b"', b'"ts"', b'"value"', b'"values"', b'"machine"', b'"x.y"', b"{}", b"[]", b'{"a":1}', b'[{"b":2}]',
    b'{"ts":1716999980,"c":3}', b'{"value":4}', b'{"x":{"y":5},"ts":1716999970}',
    b'[{"ts":1716999960,"d":6},{"d":7}]',
    b'"t":8,"u"', b'1,"w":9', b'"2024-05-29T16:26:39.5Z"', b'"\xc3\xa9"', b'"\\n"', b'"a/b"', b'"#"', b'" "',
]  # fmt: skip


class Slowest(NamedTuple):
    """The message that took longest, measured again to be sure."""

    seconds: float = 0.0
    size: int = 0
    topic: str = ""
    head: str = ""


class Report(NamedTuple):
    """What some executions came to."""

    executions: int
    seconds: float
    accepted: int  # messages with readings and without refusals
    partly: int  # with both
    refused: int  # with refusals only
    readings: int
    causes: dict[str, int]
    parents: int
    slowest: Slowest
    rss_early: int  # bytes at half-time: what the decoder may remember, it then does
    rss_late: int  # at the end
    failure: str = ""


def corpus() -> list[bytes]:
    """Where mutants begin: the golden payloads, and ours."""
    golden = [path.read_bytes() for path in sorted((ROOT / "tests" / "payloads").glob("*/payload.*"))]
    golden = [payload for payload in golden if len(payload) <= SEED_BYTES]
    return VALID + golden + [b'{"ts":1716999990,"v":%s}' % token for token in TOKENS]


def verify(decoded: Decoded) -> None:
    """What holds for every message; AssertionError says what does not."""
    readings, refused, events = decoded
    assert readings or refused or events, "neither readings, refusals nor events"
    last, seen = None, set()
    for machine, sensor, time_ns, value in readings:
        assert type(value) is float, f"value {value!r}"
        assert -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE, f"value {value!r}"  # neither does NaN
        assert type(time_ns) is int, f"time {time_ns!r}"
        assert WINDOW[0] <= time_ns <= WINDOW[1], f"time {time_ns!r}"
        assert is_name(machine.name), f"machine {machine!r}"
        assert is_name(sensor), f"sensor {sensor!r}"
        if (row := (machine, time_ns)) != last:
            assert row not in seen, f"readings of {row} lie apart"
            seen.add(row)
            last = row
    for cause, detail in refused[:200]:
        assert type(cause) is Cause, f"cause {cause!r}"
        assert detail.isprintable(), f"detail {detail!r}"
        assert len(detail) <= 1_000, f"detail of {len(detail)} characters"


def mutant(rng: random.Random, parents: list[bytes], fruitful: list[bytes]) -> bytes:
    """A parent with one to four changes, most of which leave JSON what it is."""
    chosen = fruitful if fruitful and rng.random() < 0.7 else parents
    data = chosen[int(rng.random() * len(chosen))]
    for _ in range(1 + int(rng.random() * rng.random() * 4)):
        size = len(data)
        dice = rng.random()
        at = int(rng.random() * (size + 1))
        to = min(size, at + 1 + int(rng.random() * 12))
        if dice < 0.66:
            whole = VALUE.search(data, int(rng.random() * rng.random() * size))
            if whole is None and at < size:  # a format that is no text
                data = data[:at] + bytes((int(rng.random() * 256),)) + data[at + 1 :]
            elif whole is not None:
                data = data[: whole.start()] + VALUES[int(rng.random() * len(VALUES))] + data[whole.end() :]
        elif dice < 0.74:
            data = data[:at] + TOKENS[int(rng.random() * len(TOKENS))] + data[at if dice < 0.70 else to :]
        elif dice < 0.79:
            data = data[:at] + data[to:]
        elif dice < 0.84 and at < size:
            data = data[:at] + bytes((data[at] ^ 1 << int(rng.random() * 8),)) + data[at + 1 :]
        elif dice < 0.90:
            other = parents[int(rng.random() * len(parents))]
            data = data[:at] + other[int(rng.random() * (len(other) + 1)) :]
        elif dice < 0.94:
            data = data[:at]
        elif dice < 0.998:
            data = data[:at] + data[at:to] * 2 + data[to:]
        else:  # deep nests and long digits; now and then larger than a message may be
            data = data[:at] + data[at:to] * int(2 ** (16 * rng.random())) + data[to:]
    return data[: MESSAGE_BYTES + 1_000]


def keep(rng: random.Random, pool: list[bytes], payload: bytes) -> None:
    """Add a parent; in a full pool it takes the place of another."""
    if len(pool) < MOST_PARENTS:
        pool.append(payload)
    else:
        pool[int(rng.random() * len(pool))] = payload


def topic_of(rng: random.Random, topic: str) -> str:
    """A topic with something in it that names do not have, or of a source nobody knows, or simply a new one."""
    what = ("press-%d", "a\nb%d", "", "+%d", "x" * 200, "press %d\x00", "presse-é%d", "%d/more")
    level = what[int(rng.random() * len(what))]
    level = level % int(rng.random() * 1e6) if "%d" in level else level
    first, _, rest = topic.partition("/")
    return f"{first}/{level}/{rest.split('/')[-1]}" if rng.random() < 0.8 else f"{level}/{rest}"


def timed(decode: Callable[[Message], Decoded], message: Message) -> float:
    """Processor seconds that a message takes: the best of three, since others are at work beside us."""
    best = math.inf
    for _ in range(3):
        begin = time.thread_time()
        decode(message)
        best = min(best, time.thread_time() - begin)
    return best


def fuzz(executions: int, seed: int) -> Report:
    """Decode so many messages; ends early where something does not hold, and says with what."""
    rng = random.Random(seed)
    decoder = Decoder(SOURCES, TIMES, MESSAGE_BYTES)
    decode, clock = decoder.decode, time.perf_counter_ns
    parents = corpus()
    fruitful: list[bytes] = []  # those of the parents that gave readings and nothing else
    seen: set[tuple[object, ...]] = set()
    causes: Counter[Cause] = Counter()
    done = accepted = partly = refused_only = readings_count = 0
    slowest, rss_early = Slowest(), 0
    process = psutil.Process()
    begin = time.perf_counter()

    def report(failure: str = "") -> Report:
        return Report(
            done, time.perf_counter() - begin, accepted, partly, refused_only, readings_count,
            {cause.value: count for cause, count in causes.most_common()}, len(parents), slowest, rss_early,
            process.memory_info().rss, failure,
        )  # fmt: skip

    while done < executions:
        payload = mutant(rng, parents, fruitful)
        topics = rng.sample(TOPICS, TOPICS_OF_ONE)
        strange = rng.random() >= 0.98
        for known in topics:
            number, topic = NUMBERS[known], topic_of(rng, known) if strange else known
            message = Message(topic, payload, NOW_NS, retained=strange and rng.random() < 0.2)
            start = clock()
            try:
                decoded = decode(message)
            except BaseException as error:
                return report(f"{type(error).__name__}: {error}; seed {seed} topic {topic!r} payload {payload!r}")
            took = (clock() - start) / 1e9
            if took > slowest.seconds and (again := timed(decode, message)) > slowest.seconds:
                slowest = Slowest(again, len(payload), topic, repr(payload[:60]))
            try:
                verify(decoded)
            except AssertionError as error:
                return report(f"{error}; seed {seed} topic {topic!r} payload {payload!r}")
            readings, refused, _ = decoded
            if readings:
                readings_count += len(readings)
                if refused:
                    partly += 1
                else:
                    accepted += 1
            else:
                refused_only += 1
            kinds: tuple[object, ...] = ()
            if refused:
                if len(refused) == 1:
                    kinds = (refused[0][0],)
                    causes[refused[0][0]] += 1
                else:
                    causes.update(told := [cause for cause, _ in refused])
                    kinds = tuple(sorted(set(told)))
            sign = (number, kinds, min(len(readings), 4), len(payload).bit_length())
            if sign not in seen:
                seen.add(sign)
                if len(payload) <= MOST_BYTES:
                    keep(rng, parents, payload)
                    if readings and not refused:
                        keep(rng, fruitful, payload)
        done += len(topics)
        if rss_early == 0 and done >= executions // 2:
            rss_early = process.memory_info().rss
    return report()


def large_messages() -> dict[str, bytes]:
    """About a megabyte each, built to cost time or memory."""

    def filled(unit: bytes, head: bytes = b"", tail: bytes = b"") -> bytes:
        return head + unit * ((LARGE_BYTES - len(head) - len(tail)) // len(unit)) + tail

    keys = b",".join(b'"%d":1' % number for number in range(90_000))
    machines = b",".join(b'"m%d":{"a":1}' % number for number in range(50_000))
    rows = b",".join(b'{"ts":%d,"a":1}' % (1_716_999_990 - number % 500) for number in range(40_000))
    return {
        "open arrays": filled(b"["),
        "open objects": filled(b'{"a":'),
        "closed arrays": filled(b"[", b"", b"") [: LARGE_BYTES // 2] + filled(b"]")[: LARGE_BYTES // 2],
        "digits": filled(b"9"),
        "digits after a point": filled(b"9", b"0."),
        "digits in an object": filled(b"9", b'{"a":', b"}"),
        "an exponent of digits": filled(b"9", b'{"a":1e', b"}"),
        "bare values in an array": filled(b"1,", b"[", b"1]"),
        "bad values": filled(b"NaN,", b"[", b"1]"),
        "one key again and again": filled(b'"a":1,', b"{", b'"a":1}'),
        "one key, spaced": filled(b'"a" :1,', b"{", b'"a" :1}'),
        "keys": b"{" + keys + b"}",
        "keys within a long key": b'{"' + b"x" * 60_000 + b'":{' + keys + b"}}",
        "machines": b"{" + machines + b"}",
        "times that come again": b"[" + rows + b"]",
        "a long text": filled(b"x", b'{"a":"', b'"}'),
        "escapes": filled(b"\\u00e9", b'{"', b'":1}'),
        "backslashes": filled(b"\\\\", b'{"a":"', b'"}'),
        "white space": filled(b" ", b"1", b""),
        "colons in texts": filled(b'":",', b'{"a":[', b'1]}'),
        "no UTF-8": filled(b"\xff"),
        "zeros": filled(b"\x00"),
        "lines": filled(b"k v=1\n"),
        "fields of a line": filled(b"a=1,", b"k ", b"a=1"),
        "tags of a line": filled(b",a=b", b"k", b" v=1"),
        "escapes in a line": filled(b"\\,", b"k", b" v=1"),
        "quotes in lines": filled(b'k v="\n'),
        "a text in a line": filled(b'\\"', b'k v="', b'"'),
        "rows": filled(b"1,2\n", b"a,b\n"),
        "cells": filled(b"1,", b"", b"1"),
        "columns": b",".join(b"%d" % number for number in range(130_000)) + b"\n",
        "records": filled(b'{"n":"a","v":1},', b"[", b'{"n":"a","v":1}]'),
        "records of CBOR": filled(b"\xa2\x00\x61a\x02\x01", b"\x9f", b"\xff"),
        "arrays of CBOR": filled(b"\x81"),
        "open maps of CBOR": filled(b"\xbf"),
        "keys of CBOR": filled(b"\x01\x02", b"\xbf", b"\xff"),
        "numbers of CBOR": filled(b"\x01", b"\x9f", b"\xff"),
        "bytes of CBOR": filled(b"\x00", b"\xa1\x61a\x5a\x00\x0f\xff\x00"),
        "arrays of MessagePack": filled(b"\xdd\x00\x0f\xff\xf0"),
        "numbers of MessagePack": filled(b"\x01", b"\xdd" + (LARGE_BYTES - 5).to_bytes(4)),
        "empty metrics": filled(b"\x12\x00"),
        "metrics": filled(b"\x12\x07\x10\x01\x65\x00\x00\x80\x3f"),
        "metrics of a birth": b"".join(b"\x12\x06\x0a\x04%04x" % number for number in range(65_536)),
        "deep metrics": filled(b"\x12\xff\xff\x3f"),
        "a bomb": gzip.compress(b"[" + b"1," * 50_000_000),
    }  # fmt: skip


class Cost(NamedTuple):
    """The most that a large message costs."""

    name: str
    size: int
    seconds: float
    peak: int  # bytes allocated at once while it is decoded


def costs() -> list[Cost]:
    """Of every large message, under the topic where it takes longest; AssertionError where it breaks a rule."""
    decoder = Decoder(SOURCES, TIMES, LARGE_BYTES)
    found = []
    for name, payload in large_messages().items():
        assert len(payload) <= LARGE_BYTES, name
        took = {}
        for topic in TOPICS:
            begin = time.thread_time()
            decoded = decoder.decode(Message(topic, payload, NOW_NS))
            took[topic] = time.thread_time() - begin
            verify(decoded)
        worst = Message(max(took, key=took.__getitem__), payload, NOW_NS)
        seconds = timed(decoder.decode, worst)
        tracemalloc.start()
        decoder.decode(worst)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        found.append(Cost(name, len(payload), seconds, peak))
    return found


# Judgement, several times what was measured: what a byte of a message may cost, and what any message may.
SECONDS_PER_BYTE, SECONDS_AT_LEAST = 3e-6, 0.02
PEAK_PER_BYTE = 300
GROWTH_BYTES = 8 << 20  # of the process, from half-time to the end


def main() -> None:
    """Fuzz on all cores, then weigh the large messages."""
    reports = reports_of(fuzz, Report, __doc__, 1_000_000)
    problems = [report.failure for report in reports if report.failure]
    executions = sum(report.executions for report in reports)
    for name in ("accepted", "partly", "refused"):
        count = sum(getattr(report, name) for report in reports)
        print(f"  messages {name:9} {count:12,} ({count / executions:.1%})")
    print(f"  readings           {sum(report.readings for report in reports):12,}")
    causes: Counter[str] = Counter()
    for report in reports:
        causes.update(report.causes)
    print("refusals by cause: " + ", ".join(f"{cause} {count:,}" for cause, count in causes.most_common()))
    if unmet := [cause.value for cause in Cause if not causes[cause.value] and cause not in OUT_OF_REACH]:
        problems.append(f"causes never met: {', '.join(unmet)}")
    for report in reports:
        slowest = report.slowest
        if slowest.seconds > SECONDS_AT_LEAST + SECONDS_PER_BYTE * slowest.size:
            problems.append(f"too slow: {slowest}")
        growth = report.rss_late - report.rss_early
        if growth > GROWTH_BYTES:
            problems.append(f"grown by {growth:,} bytes")
        print(
            f"slowest {1e3 * slowest.seconds:.2f} ms, {slowest.size:,} bytes, {slowest.topic} {slowest.head};"
            f" resident {report.rss_early / 1e6:.1f} MB at half-time, {report.rss_late / 1e6:.1f} MB at the end;"
            f" {report.parents:,} parents"
        )
    print("large messages, worst of all sources      bytes        ms   us/kB    peak MB")
    for cost in costs():
        print(
            f"  {cost.name:32} {cost.size:12,} {1e3 * cost.seconds:9.1f} {1e9 * cost.seconds / cost.size:7.1f}"
            f" {cost.peak / 1e6:10.1f}"
        )
        if cost.seconds > SECONDS_AT_LEAST + SECONDS_PER_BYTE * cost.size:
            problems.append(f"too slow: {cost}")
        if cost.peak > PEAK_PER_BYTE * cost.size:
            problems.append(f"too much memory: {cost}")
    judge(problems)


if __name__ == "__main__":
    main()
