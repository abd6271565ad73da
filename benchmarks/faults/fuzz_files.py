"""Recorded files that nobody would write: whatever the bytes, tables that hold, or one error that says what is wrong.

    python benchmarks/faults/fuzz_files.py --executions 2000000

Mutants of the golden files (`tests/files`), read under the options of the file they come from. Promised: nothing but
`TableError` (and what reading and decoding bytes raise, which `read_tables` tells in its words), in time that grows
with the size of the file and no faster, in memory that is given back; and of every table that sensors have names of
their own, every reading is finite and of every row at least the arrays agree.
"""

import gc
import io
import json
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from workers import judge, reports_of

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from pipeline.cli.files import choices_of  # noqa: E402
from pipeline.recordings.reading.choices import Choices, TableError  # noqa: E402
from pipeline.recordings.tables import Table, tables_of  # noqa: E402

PARENT_BYTES = 2_000  # of a golden file to begin with: its first lines
MOST_BYTES = 4_000  # of a mutant that has children
MOST_PARENTS = 2_000
MOST_SIGNS = 100_000  # ways in which files were read, or errors
FRUITFUL = 0.7  # of the mutants are of files that could be read
SECONDS_AT_LEAST, SECONDS_PER_BYTE = 0.25, 5e-4  # a column of a few bytes costs a millisecond or two
GROWTH_BYTES = 48 << 20  # of the process, from half-time to the end
TOKENS = [
    *(bytes((character,)) for character in b",;\t|.:-+/ \"'#\n\r\x00\x7f\x80\xff_eE0123456789TZ%$"),
    b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xc3\xa9", b"\xa0", b"\xe2\x80\xaf", b"sep=;\n",
    b"NaN", b"nan", b"null", b"None", b"n/a", b"?", b"-", b"inf", b"-Infinity", b"1e400", b"-1e-400", b"9" * 30,
    b"0" * 40, b"1,5", b"1.234,5", b"1,234.5", b"1 234", b"12'000", b"5.1 bar", b"true", b"ON", b"#N/A",
    b"2025-03-01T00:00:00Z", b"2025-02-30", b"29.02.2024", b"13/13/2024", b"01/02/03", b"24:00:00", b"12:00 PM",
    b"1717000000", b"1717000000000", b"45000.5", b"-1", b"0001-01-01", b"9999-12-31T23:59:59.999999999Z", b"+14:00",
    b"31 Dec 1969", b"time", b"Date", b"Time", b"machine", b"sensor", b"value", b"#datatype", b"#group", b"#default",
    b"_time", b"_field", b"_value", b"[", b"]", b"{", b"}", b'{"time":1,"a":2}', b'""', b'"a,b"', b'"',
]  # fmt: skip


class Slowest(NamedTuple):
    """The file that took longest."""

    seconds: float = 0.0
    size: int = 0
    head: str = ""


class Report(NamedTuple):
    """What some executions came to."""

    executions: int
    seconds: float
    tables: int
    readings: int
    errors: dict[str, int]  # by their first words
    parents: int
    slowest: Slowest
    rss_early: int  # bytes at half-time
    rss_late: int
    failure: str = ""


class Parent(NamedTuple):
    """A file to be changed, and how it is to be read."""

    content: bytes
    choices: Choices
    label: str | None = None


def read(file: Parent) -> list[Table]:
    """The tables of a file."""
    return tables_of(lambda: io.BytesIO(file.content), "m", file.choices, file.label)


def choices(options: dict[str, Any]) -> Choices:
    """The options of a golden file, as the command line takes them."""
    said = {"time": None, "exclude": "", "decimal": None, **dict.fromkeys(Choices._fields[2:-1])}
    said |= {"strict": False} | options
    return choices_of(time_column=said.pop("time"), **said)


def corpus() -> list[Parent]:
    """The golden files, cut to their first lines, each with its options."""
    found = []
    for folder in sorted((ROOT / "tests" / "files").iterdir()):
        (path,) = folder.glob("input.*")
        said = folder / "options.json"
        options = json.loads(said.read_text()) if said.exists() else {}
        label = options.pop("label", None)
        found.append(Parent(path.read_bytes()[:PARENT_BYTES], choices(options), label))
    return found


def verify(tables: list[Table]) -> None:
    """What holds for the tables of every file; AssertionError says what does not."""
    assert tables, "neither a table nor an error"
    for table in tables:
        rows, sensors = len(table.stamps), len(table.sensors)
        assert table.values.shape == (rows, sensors), f"values {table.values.shape} of {rows} rows, {sensors} sensors"
        assert table.time_ns.shape == (rows,), f"times {table.time_ns.shape}"
        assert table.time_ns.dtype == np.int64, f"times {table.time_ns.dtype}"
        assert not np.isinf(table.values).any(), "an infinite reading"
        assert len(set(table.sensors)) == sensors, f"sensors {table.sensors!r}"
        assert all(table.sensors), f"sensors {table.sensors!r}"
        assert table.understood, "nothing is said of how it was read"
        assert table.understood.isprintable(), f"understood {table.understood!r}"
        assert table.labelled is None or table.labelled.shape == (rows,), "labels of other rows"


def mutant(rng: random.Random, parent: bytes, other: bytes) -> bytes:
    """A parent with one to four changes to bytes, cells or lines."""
    data = parent
    for _ in range(1 + int(rng.random() * rng.random() * 4)):
        size, dice = len(data), rng.random()
        at = int(rng.random() * (size + 1))
        to = min(size, at + 1 + int(rng.random() * 12))
        if dice < 0.45:
            data = data[:at] + rng.choice(TOKENS) + data[at if dice < 0.25 else to :]
        elif dice < 0.55:
            data = data[:at] + data[to:]
        elif dice < 0.65 and at < size:
            data = data[:at] + bytes((data[at] ^ 1 << int(rng.random() * 8),)) + data[at + 1 :]
        elif dice < 0.85:
            lines = data.split(b"\n")
            one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
            if dice < 0.72:
                lines[one], lines[two] = lines[two], lines[one]
            elif dice < 0.80:
                lines.insert(one, lines[two])
            else:
                del lines[one]
            data = b"\n".join(lines)
        elif dice < 0.93:
            data = data[:at] + other[int(rng.random() * (len(other) + 1)) :]
        elif dice < 0.97:
            data = data[:at]
        else:
            data = data[:at] + data[at:to] * int(2 ** (9 * rng.random())) + data[to:]
    return data


def keep(rng: random.Random, pool: list[Parent], child: Parent) -> None:
    """Add a parent; in a full pool it takes the place of another."""
    if len(pool) < MOST_PARENTS:
        pool.append(child)
    else:
        pool[rng.randrange(len(pool))] = child


def fuzz(executions: int, seed: int) -> Report:
    """Read so many files; ends early where something does not hold, and says with what."""
    rng = random.Random(seed)
    parents = corpus()
    fruitful: list[Parent] = []  # those of the parents that are read
    seen: set[tuple[object, ...]] = set()
    errors: Counter[str] = Counter()
    done = count = readings = rss_early = 0
    slowest = Slowest()
    process = psutil.Process()
    for parent in parents:  # imports, and what is made once
        with suppress(TableError, UnicodeDecodeError, OSError, EOFError):
            read(parent)
    begin = time.perf_counter()

    def report(failure: str = "") -> Report:
        gc.collect()
        rss = process.memory_info().rss
        told = dict(errors.most_common(40))
        return Report(
            done, time.perf_counter() - begin, count, readings, told, len(parents), slowest, rss_early, rss, failure
        )

    while done < executions:
        parent = rng.choice(fruitful if fruitful and rng.random() < FRUITFUL else parents)
        content = mutant(rng, parent.content, rng.choice(parents).content)
        start = time.thread_time()
        sign: tuple[object, ...]
        try:
            tables = read(parent._replace(content=content))
            verify(tables)
            count += len(tables)
            found = sum(int((~np.isnan(table.values)).sum()) for table in tables)
            readings += found
            # Another way of reading it, as told, is worth keeping.
            sign = (len(tables), min(found, 4), *(part[:12] for part in tables[0].understood.split("; ")[:8]))
        except TableError as error:
            text = str(error)
            if not text.isprintable() or not text:
                return report(f"error {text!r}; seed {seed} {parent.choices} content {content!r}")
            words = " ".join(text.split()[:3])
            errors[words if len(errors) < 1_000 else "others"] += 1
            sign = (words.translate(str.maketrans("", "", "0123456789")),)
        except (UnicodeDecodeError, OSError, EOFError) as error:
            errors[type(error).__name__] += 1
            sign = (type(error).__name__,)
        except BaseException as error:
            return report(f"{type(error).__name__}: {error}; seed {seed} {parent.choices} content {content!r}")
        took = time.thread_time() - start
        if took > slowest.seconds:
            slowest = Slowest(took, len(content), repr(content[:80]))
        if sign not in seen and len(content) <= MOST_BYTES and len(seen) < MOST_SIGNS:
            seen.add(sign)
            child = parent._replace(content=content)
            keep(rng, parents, child)
            if len(sign) > 1:
                keep(rng, fruitful, child)
        done += 1
        if rss_early == 0 and done >= executions // 2:
            gc.collect()
            rss_early = process.memory_info().rss
    return report()


def main() -> None:
    """Fuzz on all cores."""
    reports = reports_of(fuzz, Report, __doc__, 100_000)
    problems = [report.failure for report in reports if report.failure]
    tables, readings = sum(report.tables for report in reports), sum(report.readings for report in reports)
    errors: Counter[str] = Counter()
    for report in reports:
        errors.update(report.errors)
    print(f"  tables {tables:,} with {readings:,} readings; errors {sum(errors.values()):,}")
    print(
        "errors by their first words: " + ", ".join(f"{words} {times:,}" for words, times in errors.most_common(20))
    )
    for report in reports:
        slowest, growth = report.slowest, report.rss_late - report.rss_early
        if slowest.seconds > SECONDS_AT_LEAST + SECONDS_PER_BYTE * slowest.size:
            problems.append(f"too slow: {slowest}")
        if report.rss_early and growth > GROWTH_BYTES:
            problems.append(f"grown by {growth:,} bytes")
        print(
            f"slowest {1e3 * slowest.seconds:.1f} ms, {slowest.size:,} bytes, {slowest.head}; resident"
            f" {report.rss_early / 1e6:.1f} MB at half-time, {report.rss_late / 1e6:.1f} MB at the end;"
            f" {report.parents:,} parents"
        )
    judge(problems)


if __name__ == "__main__":
    main()
