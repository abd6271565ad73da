"""What it costs that the sensors of a machine send separately, each with a time of its own.

    python benchmarks/quality/separately.py [--seeds 2,3,4,6,7,8]

The synthetic machines that age and break, sent three ways: all sensors in one message with one time; one after the
other within 3 % of the interval, as by a gateway; and each by a clock of its own, at any moment of the interval and
up to 2 % of it late. A row of the recording is in alarm if anything that was scored within its interval is.
"""

import argparse
from types import SimpleNamespace

import ageing
import numpy as np
from bands import recording

from pipeline.engine.engine import Engine
from pipeline.recordings.score import batches
from pipeline.recordings.tables import Table
from pipeline.records import Readings

WAYS = ("together", "in turn", "by themselves")
BATCH = 4096  # messages


def sent(together: Readings, way: str, interval_ns: int, rng: np.random.Generator) -> Readings:
    """Readings of rows as the sensors send them; but `together`, each in a message of its own."""
    if way == "together":
        return together
    count, line = together.line.max() + 1, together.line
    share = 0.03 * line / count
    if way == "by themselves":
        share = rng.uniform(0, 1, count)[line] + rng.uniform(0.0, 0.02, len(line))
    time_ns = together.time_ns + (share * interval_ns).astype(np.int64)
    order = np.argsort(time_ns, kind="stable")
    return Readings(together.slot, line[order], time_ns[order], together.value[order], np.ones(len(line), bool))


def scored(table: Table, way: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Highest score within the interval of each row, and how many rows the network made of it."""
    engine = Engine()
    [together] = batches(engine, table, len(table.time_ns))
    given = sent(together, way, int(np.median(np.diff(table.time_ns))), rng)
    highest, rows, begin = np.zeros(len(table.time_ns)), 0, 0
    for border in [*np.flatnonzero(given.ends)[BATCH - 1 :: BATCH].tolist(), len(given.line) - 1]:
        scores = engine.step(Readings(*(column[begin : border + 1] for column in given)))
        begin = border + 1
        at = np.searchsorted(table.time_ns, scores.time_ns, side="right") - 1
        np.maximum.at(highest, at, scores.score)
        rows += len(at)
    return highest, rows


def main() -> None:
    """Print a table per way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=ageing.numbers, default=ageing.numbers("2-4,6-8"))
    seeds = parser.parse_args().seeds
    kinds = list(ageing.LASTS)
    print(f"{'sent':15} {'rows':>7}  {'false/10k':>9}  found %:  " + "  ".join(f"{kind:>9}" for kind in kinds))
    for way in WAYS:
        units, rows, rng = [], 0, np.random.default_rng(0)
        for name, frame, truth in ageing.machines(seeds):
            table = recording(name, frame)
            highest, made = scored(table, way, rng)
            rows += made
            units.append((SimpleNamespace(name=name, truth=truth, rows=len(frame)), highest))
        told = ageing.score(units, 0.99)
        [false] = [of for name, of in told["ageing: false alarms and persistence"] if "median" in name]
        [found] = [of for name, of in told["ageing: faults"] if "found" in name]
        shares = "  ".join(f"{found[kind]:9.1f}" for kind in kinds)
        print(f"{way:15} {rows:7}  {false['false/10k']:9.2f}           {shares}", flush=True)


if __name__ == "__main__":
    main()
