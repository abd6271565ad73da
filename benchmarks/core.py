"""Time of `Engine.step` against that of the network alone: microseconds of processor time a reading, in one run.

    python benchmarks/core.py [MACHINES ...]

Both take the same readings of machines of eight sensors, in turns, a batch each. What the engine needs beyond the
network is names, incidents and the way from one to the other.
"""

import sys
import time

import numpy as np
from throughput import fleet_of

from pipeline.network.binding import Core
from pipeline.network.block import Block
from pipeline.network.parameters import Params
from pipeline.records import Readings

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
SENSORS = 8
BATCH = 4_000  # readings
READINGS = 400_000  # in all, but for the first that warm up


def batch(number: int, machines: int, rows: int) -> Readings:
    """Rows of all machines, which take turns."""
    rng = np.random.default_rng(number)
    shape = (rows, machines, SENSORS)
    at = np.arange(number * rows, (number + 1) * rows)
    load = np.sin(at / 37)[:, None, None] + (at // 300 % 3)[:, None, None]
    values = 20 + load * np.arange(1, SENSORS + 1) + rng.normal(size=shape) * 0.3
    slot = np.broadcast_to(np.arange(machines)[:, None], shape)
    line = slot * SENSORS + np.arange(SENSORS)
    times = np.broadcast_to((START + at * SECOND)[:, None, None], shape)
    ends = np.broadcast_to(np.arange(SENSORS) == SENSORS - 1, shape)
    return Readings(*(np.ascontiguousarray(column).ravel() for column in (slot, line, times, values, ends)))


def compare(machines: int) -> None:
    """Print both figures of so many machines."""
    engine, core = fleet_of(machines), Core(Params(), 10 * SECOND, 60 * SECOND, 3600 * SECOND)
    for _ in range(machines):
        core.add(Block.fresh(core.params, SENSORS))
    rows = max(BATCH // (machines * SENSORS), 1)
    count = rows * machines * SENSORS
    batches = max(READINGS // count, 4)
    warm = max(2, min(600 // rows, batches))
    spent = {"Engine.step": 0.0, "the network": 0.0}
    for number in range(warm + batches):
        readings = batch(number, machines, rows)
        own = readings._replace(line=readings.line % SENSORS)
        began = time.thread_time()
        engine.step(readings)
        stepped = time.thread_time()
        core.step(*own)
        done = time.thread_time()
        if number >= warm:
            spent["Engine.step"] += stepped - began
            spent["the network"] += done - stepped
    told = "  ".join(f"{name} {1e6 * seconds / (batches * count):.3f}" for name, seconds in spent.items())
    size = engine.fleet.block(0).memory.nbytes
    print(
        f"{machines:6} machines, us a reading: {told}  ratio {spent['Engine.step'] / spent['the network']:.2f}"
        f"  block {size} bytes, {size // SENSORS} a line",
        flush=True,
    )


if __name__ == "__main__":
    for machines in map(int, sys.argv[1:] or ("1", "100")):
        compare(machines)
