"""Is what the ageing report says true? The synthetic machines know how they have aged.

    python benchmarks/quality/ageing_report.py [--seeds 1-12] [--rows 8000,11000,14000]

Each machine lives to a row and is asked; "moved" is compared with how far the sensor had moved when it was where the
late mean lies, under the load of commissioning. The limit of the forecast is where the sensor truly is 3,000 rows
later, asked of those that move by half a sigma at least until then. All in sigmas, the noise of a sensor when new;
"zero" is the mean error of a report that says nothing moves.
"""

import argparse
from typing import NamedTuple

import ageing
import numpy as np

from pipeline.config.settings import MachineRule, Sensor
from pipeline.engine.engine import Engine
from pipeline.records import Machine, Readings

START, STEP = 1_600_000_000 * 10**9, 10 * 10**9  # of the rows, nanoseconds
COMMISSIONING = slice(1500, 3000)
AHEAD = 3000


class Told(NamedTuple):
    """What is said of a sensor at a row of its life, and what is true; movements in sigmas, paces per 1000 rows."""

    sensors: int
    row: int
    moved: float
    moved_true: float
    error: float
    pace: float
    pace_true: float
    gain: float
    gain_true: float
    days: float  # rows to the limit, and the ends of the interval; infinite where it is not reached
    earliest: float
    latest: float


def examine(seed: int, number: int, rows: tuple[int, ...]) -> list[Told]:
    """What is told of a machine when it has lived so many rows, each row a life of its own up to there."""
    table, truth = ageing.machine(seed, number)
    values, sensors = table.to_numpy(), truth["sensors"]
    unit = np.array(truth["unit"])
    age = truth["pace"] * (np.arange(ageing.ROWS) / ageing.ROWS) ** truth["bend"]
    new = age[COMMISSIONING].mean()
    loaded = np.nanmedian(values[COMMISSIONING], axis=0) / unit - truth["base"]  # what a gain acts on
    moves = np.array(truth["offset"]) + np.array(truth["gain"]) * loaded  # at age 1
    told = []
    for row in rows:
        goal = np.nanmean(values[COMMISSIONING], axis=0) + unit * moves * (age[row - 1 + AHEAD] - new)
        rule = MachineRule(sensors={f"s{c}": Sensor(limit=float(goal[c])) for c in range(sensors)})
        engine = Engine(rule=lambda name, rule=rule: rule)
        for c in range(sensors):
            engine.fleet.number(Machine("m"), f"s{c}")
        engine.step(readings(values[:row]))
        for one in engine.ageing(0):
            if one.moved is None:
                continue
            c = int(one.sensor[1:])
            days = [np.inf if day is None else day * 8640 for day in one.forecast[1:]]
            pace_true = 1000 * moves[c] * (age[row] - age[row - 1])
            told.append(
                Told(
                    sensors,
                    row,
                    one.moved / unit[c],
                    moves[c] * (age[row - 2000] - new),
                    one.error / unit[c],
                    one.per_day_unit / unit[c] / 8.64,
                    pace_true,
                    np.nan if one.gain is None else one.gain,
                    (1 + truth["gain"][c] * age[row - 2000]) / (1 + truth["gain"][c] * new),
                    *days,
                )
            )
    return told


def readings(table: np.ndarray) -> Readings:
    """Rows of a table; missing readings are NaN."""
    row, column = np.nonzero(np.isfinite(table))
    ends = np.append(row[1:] != row[:-1], True)
    return Readings(np.zeros_like(row), column.astype(np.int64), START + row * STEP, table[row, column], ends)


def share(which: np.ndarray) -> float:
    """Per cent."""
    return 100 * float(np.mean(which)) if len(which) else np.nan


def describe(name: str, told: list[Told]) -> None:
    """Print a line."""
    columns = [np.array(column, float) for column in zip(*told, strict=True)]
    _, _, moved, moved_true, error, pace, pace_true, gain, gain_true, days, earliest, latest = columns
    spoken = np.isfinite(gain)
    gains = np.corrcoef(gain[spoken], gain_true[spoken])[0, 1] if spoken.sum() > 2 else np.nan
    moving = np.abs(pace_true) * AHEAD / 1000 > 0.5
    days, earliest, latest = days[moving], earliest[moving], latest[moving]
    dated = np.isfinite(days)
    print(
        f"{name:>12} {len(told):5}"
        f" {np.corrcoef(moved, moved_true)[0, 1]:7.2f} {np.mean(np.abs(moved - moved_true)):6.2f}"
        f" {np.mean(np.abs(moved_true)):6.2f} {share(np.abs(moved - moved_true) < 1.645 * error):6.0f}"
        f" {np.corrcoef(pace, pace_true)[0, 1]:7.2f} {np.mean(np.abs(pace - pace_true)):6.3f}"
        f" {np.mean(np.abs(pace_true)):6.3f}"
        f" {gains:7.2f} {np.nanmean(np.abs(gain - gain_true)):6.3f} {np.mean(np.abs(gain_true[spoken] - 1)):6.3f}"
        f" {len(dated):7} {share(dated):4.0f} {share((earliest <= AHEAD) & (latest >= AHEAD)):6.0f}"
        f" {share((earliest <= AHEAD)[dated] & (latest >= AHEAD)[dated]):6.0f}"
        f" {np.median(np.abs(days[dated] / AHEAD - 1)) if dated.any() else np.nan:6.2f}",
        flush=True,
    )


def main() -> None:
    """Print a line per row asked at and number of sensors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=ageing.numbers, default=list(range(1, 13)))
    parser.add_argument("--rows", type=ageing.numbers, default=[8000, 11_000])
    asked = parser.parse_args()
    found = [
        one
        for seed in asked.seeds
        for number in range(1, ageing.MACHINES_PER_SEED + 1)
        for one in examine(seed, number, tuple(asked.rows))
    ]
    print("                     moved: correlation, error, zero, inside 90 %   pace: the same       gain: the same")
    print("    limit 3,000 rows ahead: asked, with a date %, inside the interval %, of the dated, median error of it")
    for row in asked.rows:
        at = [one for one in found if one.row == row]
        for sensors in sorted({one.sensors for one in at}):
            describe(f"{row}, {sensors}", [one for one in at if one.sensors == sensors])
        describe(f"{row}, all", at)


if __name__ == "__main__":
    main()
