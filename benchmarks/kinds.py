"""What a kind's prior is worth: synthetic machines of one model, each given what its twin learned in 14,000 rows.

    python benchmarks/kinds.py [--seeds 1-8]

Nothing breaks in a synthetic machine's first 2,000 rows, so every alarm there is false. Into copies of them a fault
is put at a given row; it is found where the copy alarms and the untouched machine does not. Both twins of a seed take
both parts. "of another model" is the harm: as many sensors and nothing else in common.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "quality"))
import ageing  # the board's files are not a package
import metrics

from pipeline.config.settings import MachineRule
from pipeline.network.prior import Prior, pooled
from pipeline.recordings.score import learned, score
from pipeline.recordings.tables import Table
from pipeline.records import Bools, Floats

ELDER_ROWS, YOUNG_ROWS, FINE_ROWS = 14_000, 4_000, 2_000
STARTS = (40, 70, 120, 200, 350, 550, 800, 1200)  # rows at which a fault is put in
FAULTS = {"spike": 3, "step": 150, "stuck": 150}  # rows it lasts
THRESHOLD = 0.99


def table(values: Floats) -> Table:
    """Rows of 10 s of a machine."""
    time_ns = np.arange(len(values), dtype=np.int64) * 10_000_000_000 + 1_577_836_800 * 10**9
    names = [f"s{number + 1:02d}" for number in range(values.shape[1])]
    return Table("machine", [""] * len(values), time_ns, names, values, [])


def alarms(values: Floats, known: Prior | None) -> tuple[Bools, int]:
    """Rows in alarm, and the first row with a score."""
    scores = score(table(values), known=known).score
    return scores >= THRESHOLD, int(np.argmax(scores > 0))


def broken(values: Floats, kind: str, start: int, sensor: int, sign: int) -> Floats:
    """A copy of the first rows with a fault; a sigma is ten steps of the converter."""
    moved = np.abs(np.diff(values[:, sensor]))
    sigma = 10 * moved[moved > 1e-6 * np.nanmax(moved)].min()
    copy = values[: start + 150].copy()
    end = start + FAULTS[kind]
    if kind == "stuck":
        copy[start:end, sensor] = copy[start - 1, sensor]
    else:
        copy[start:end, sensor] += sign * sigma * (10 if kind == "spike" else 5)
    return copy


def measured(name: str, seeds: list[int], prior_of: Callable[[int, int], Prior | None]) -> None:
    """Print the figures of all machines of the seeds, each with its prior."""
    episodes = rows = machines = 0
    later, found_later = [], []
    firsts = []
    found: dict[tuple[str, int], list[bool]] = {}
    for seed in seeds:
        for number in (1, 2):
            known = prior_of(seed, number)
            frame, truth = ageing.machine(seed, number)
            values = frame.to_numpy(float)
            untouched, first = alarms(values[:YOUNG_ROWS], known)
            young = np.arange(YOUNG_ROWS) < FINE_ROWS
            episodes += metrics.count_episodes(untouched, young)
            rows += int((untouched & young).sum())
            later.append(metrics.count_episodes(untouched, ageing.healthy(truth)[:YOUNG_ROWS]))
            for fault in truth["faults"]:
                end = fault["start"] + ageing.DUE.get(fault["kind"], ageing.LASTS[fault["kind"]]) + ageing.GRACE
                if fault["end"] < YOUNG_ROWS:
                    found_later.append(bool(untouched[fault["start"] : end].any()))
            firsts.append(first)
            machines += 1
            rng = np.random.default_rng([seed, number, 77])
            for start in STARTS:
                for kind, lasts in FAULTS.items():
                    sensor, sign = int(rng.integers(values.shape[1])), int(rng.choice([-1, 1]))
                    alarm, _ = alarms(broken(values, kind, start, sensor, sign), known)
                    span = slice(start, start + (lasts + ageing.GRACE if kind == "spike" else lasts))
                    found.setdefault((kind, start), []).append(bool((alarm[span] & ~untouched[span]).any()))
    print(
        f"{name}: first score in row {np.median(firsts):.0f}; a machine has {episodes / machines:.2f} false episodes "
        f"and {rows / machines:.1f} rows in alarm in its first {FINE_ROWS} rows, {np.mean(later):.2f} episodes in "
        f"the next {YOUNG_ROWS - FINE_ROWS}, where {sum(found_later)} of {len(found_later)} faults are found"
    )
    for kind in FAULTS:
        shares = "".join(f"{100 * np.mean(found[kind, start]):6.0f}" for start in STARTS)
        print(f"  {kind:6} found %, by row of its start {shares}", flush=True)


def main() -> None:
    """Print a block per prior."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=ageing.numbers, default=ageing.numbers("1-8"))
    seeds = parser.parse_args().seeds
    elders: dict[tuple[int, int], Prior] = {}

    def elder(seed: int, number: int) -> Prior:
        if (seed, number) not in elders:
            values = ageing.machine(seed, number)[0].to_numpy(float)
            known = learned(table(values[:ELDER_ROWS]), MachineRule())
            if known is None:
                raise SystemExit(f"model {seed}, machine {number}: has learned too little")
            elders[seed, number] = known
        return elders[seed, number]

    print("rows of a fault's start:           ", "".join(f"{start:6}" for start in STARTS))
    measured("no prior", seeds, lambda seed, number: None)
    measured("of its twin", seeds, lambda seed, number: elder(seed, 3 - number))
    measured("of two others", seeds, lambda seed, number: pooled([elder(seed, 3), elder(seed, 4)]))
    measured("of another model", seeds, lambda seed, number: elder(seed + len(ageing.SENSORS), 1))


if __name__ == "__main__":
    main()
