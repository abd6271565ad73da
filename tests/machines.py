"""Machines that exist in tests only."""

import ageing
import numpy as np
from inside import part

from pipeline.engine.engine import Engine
from pipeline.network._core import ffi, lib
from pipeline.records import Machine, Reading, Readings

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def machine_with_modes(rows, lines, seed):
    """Sensors that follow one load through two modes, each with its own lag and noise."""
    rng = np.random.default_rng(seed)
    load = np.repeat(rng.permuted(np.arange(rows // 100 + 1) % 2), 100)[:rows].astype(float)
    table = np.empty((rows, lines))
    for c in range(lines):
        lagged = 0.0
        for t in range(rows):
            lagged += (load[t] - lagged) / (1 + 4 * c)
            table[t, c] = 50 + 10 * (c + 1) * lagged
    return table + rng.normal(size=(rows, lines)).round(3)


def present(table):
    """Row and column of each reading of a table, shape (readings,), in order."""
    return np.nonzero(np.isfinite(table))


def plant(rows, lines=4, seed=0, aged=0.0, faulty=()):
    """A machine of the ageing benchmark: modes, lags, a shared fluctuation; `aged`: sigmas its first line moves."""
    rng = np.random.default_rng(seed)
    swing, coupling = rng.uniform(8, 25, lines), rng.uniform(1.5, 4, lines)
    load = np.resize(ageing._load(rng, (ageing.IDLE, ageing.RUN)), rows)
    shared = np.resize(ageing._fluctuation(rng), rows)[:, None]
    table = ageing._lag(load, np.exp(rng.uniform(0, np.log(60), lines))) * swing + shared * coupling
    table += rng.normal(size=table.shape)
    table[:, 0] += aged * np.arange(rows) / rows
    for begin, end, line, size in faulty:
        table[begin:end, line] += size
    return 100 + table.round(1)


def readings(table, first=0, slot=0, lines=None):
    """Rows of a table as the engine takes them, one a second; the first is number `first`."""
    count = table.shape[1]
    own = np.arange(count) if lines is None else np.asarray(lines)
    row = np.repeat(np.arange(len(table)), count)
    return Readings(
        np.full(row.size, slot),
        np.tile(own, len(table)),
        START + (first + row) * SECOND,
        table.ravel().astype(float),
        np.tile(np.arange(count) == count - 1, len(table)),
    )


def engine_of(lines, name="m", **options):
    engine = Engine(**options)
    for line in range(lines):
        engine.fleet.number(Machine(name), f"s{line}")
    return engine


def live(table, **options):
    """An engine after a machine's life, and the scores."""
    engine = engine_of(table.shape[1], **options)
    return engine, engine.step(readings(table))


def same(first, second):
    """Whether two engines hold the same bits."""
    a, b = first.fleet.snapshot(), second.fleet.snapshot()
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def told(scores):
    """What is said of each row, by name, whatever the batch it came in."""
    beyond = ("until", "account", "lost", "news")
    return {name: column for name, column in scores._asdict().items() if name not in beyond}


def equal(first, second):
    """Whether two scores say the same of every row."""
    a, b = told(first), told(second)
    return all(np.array_equal(a[name], b[name]) for name in a)


def restored(engine):
    other = Engine()
    other.fleet.restore(engine.fleet.snapshot())
    return other


def messages(rows, seed):
    """Two machines, a message per sensor or per row; one sensor comes late, so that rows are open at many borders."""
    rng = np.random.default_rng(seed)
    found = []
    for t in range(rows):
        for name, lines in (("a", 3), ("b", 2)):
            row = [
                Reading(Machine(name), f"s{c}", START + t * SECOND, float(5 * c + np.sin(t / 9) + rng.normal()))
                for c in range(lines)
                if c < 2 or t > 50
            ]
            found += [row] if rng.random() < 0.5 else [[reading] for reading in row]
    return found


def counters(engine):
    """Of each line of the only machine, whether it is known as a counter."""
    params = ffi.addressof(engine.fleet.core.params, "resolution")
    block = engine.fleet.block(0)
    own = [part(block, number, "resolution") for number in range(len(engine.fleet.lines))]
    return [bool(lib.sw_resolution_counts(params, one)) for one in own]


def accept(engine, number):
    """Let a line of the only machine be as it is now, as when patience runs out."""
    params = ffi.addressof(engine.fleet.core.params, "evidence")
    line = engine.fleet.block(0).line
    address = line.ctypes.data + number * line.itemsize
    lib.sw_evidence_accept(params, ffi.cast("struct sw_line *", address))
