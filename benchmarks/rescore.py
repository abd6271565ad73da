"""How long `spikewatch rescore` takes for a history of many machines, by what runs it; ratios to one core.

    python benchmarks/rescore.py [--machines 1000] [--rows 2000] [--workers 2] [--on joblib dask spark]

A Parquet file of 8 sensors for each machine is made. One core is `spikewatch score` of all files in one process.
Each `rescore` is a process of its own as well, from nothing to its end: the start of the workers counts. Every file
of scores must have the same bytes as those of one core. Beside each stands the load of the computer in the minute
before it: above what the run before it took, 1 for one core and then one per worker, somebody else was running too.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

SENSORS = 8
ROOT = Path(__file__).parent.parent


def write_history(folder: Path, machines: int, rows: int) -> None:
    """Machines with a common drift of their sensors, and noise of each."""
    folder.mkdir()
    times = pd.date_range("2026-01-01", periods=rows, freq="s", name="time")
    for machine in range(machines):
        random = np.random.default_rng(machine)
        common = np.sin(np.arange(rows) / 50.0 + machine)[:, None]
        values = 20.0 + common + random.normal(0.0, 0.3, (rows, SENSORS))
        frame = pd.DataFrame(values.round(3), times, [f"s{sensor}" for sensor in range(SENSORS)])
        frame.reset_index().to_parquet(folder / f"press-{machine:04}.parquet", index=False)


def seconds(*words: str | Path) -> float:
    """How long a command of ours takes, which must end well."""
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - begin


def scores_in(folder: Path) -> dict[str, bytes]:
    """Every file of scores."""
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--on", nargs="+", default=["joblib", "dask", "spark"])
    options = parser.parse_args()
    readings = options.machines * options.rows * SENSORS
    print(f"{options.machines:,} files, {readings:,} readings, {os.cpu_count()} cores, {options.workers} workers")
    with tempfile.TemporaryDirectory(prefix="spikewatch-rescore-") as name:
        history, to = Path(name) / "history", Path(name) / "scores"
        write_history(history, options.machines, options.rows)
        load = os.getloadavg()[0]
        one = seconds("score", *sorted(history.glob("*.parquet")), "--out", to)
        print(
            f"{'one core':10} {one:7.1f} s  {readings / one:11,.0f} readings/s   ratio 1.00   load {load:.2f}",
            flush=True,
        )
        expected = scores_in(to)
        assert len(expected) == options.machines
        for on in options.on:
            shutil.rmtree(to)
            load = os.getloadavg()[0]
            taken = seconds("rescore", history, "--out", to, "--on", on, "--workers", str(options.workers))
            assert scores_in(to) == expected, f"{on}: other scores"
            rate = f"{readings / taken:11,.0f} readings/s"
            print(f"{on:10} {taken:7.1f} s  {rate}   ratio {one / taken:.2f}   load {load:.2f}", flush=True)


if __name__ == "__main__":
    main()
