"""What River's online anomaly detectors cost on the same rows: the bar for the engine's speed.

    python benchmarks/river_baselines.py

HalfSpaceTrees is River's detector for rows of many sensors; it expects values in [0, 1], so a MinMaxScaler goes
before it, as River's own documentation has it. GaussianScorer is the cheapest it offers, for one sensor each. Both
with their default settings, score first and then learn, one row at a time. Only the detector is timed: rows are
dictionaries beforehand.
"""

import time

import numpy as np
from numpy.typing import NDArray
from river import anomaly, compose, preprocessing

WARM_ROWS = 500  # HalfSpaceTrees answers 0 without looking during its first 250 rows, GaussianScorer during 100


def half_space_trees() -> compose.Pipeline:
    """River's HalfSpaceTrees with default settings, behind the scaler it needs."""
    return preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1)


def half_space_trees_seconds(rows: NDArray[np.float64]) -> float:
    """Seconds per row, after the first WARM_ROWS rows."""
    detector = half_space_trees()
    table = [{f"s{number}": value for number, value in enumerate(row)} for row in rows.tolist()]
    for row in table[:WARM_ROWS]:
        detector.score_one(row)
        detector.learn_one(row)
    begin = time.perf_counter()
    for row in table[WARM_ROWS:]:
        detector.score_one(row)
        detector.learn_one(row)
    return (time.perf_counter() - begin) / (len(table) - WARM_ROWS)


def gaussian_scorer_seconds(rows: NDArray[np.float64]) -> float:
    """Seconds per row, a detector for each of its sensors, after the first WARM_ROWS rows."""
    detectors = [anomaly.GaussianScorer() for _ in range(rows.shape[1])]
    table = rows.tolist()
    for row in table[:WARM_ROWS]:
        for detector, value in zip(detectors, row, strict=True):
            detector.score_one(None, value)
            detector.learn_one(None, value)
    begin = time.perf_counter()
    for row in table[WARM_ROWS:]:
        for detector, value in zip(detectors, row, strict=True):
            detector.score_one(None, value)
            detector.learn_one(None, value)
    return (time.perf_counter() - begin) / (len(table) - WARM_ROWS)


def seconds_per_reading(rows: NDArray[np.float64]) -> dict[str, float]:
    """Seconds per reading, by detector; `rows` has a column for each sensor and more than WARM_ROWS rows."""
    sensors = rows.shape[1]
    return {
        "HalfSpaceTrees": half_space_trees_seconds(rows) / sensors,
        "GaussianScorer": gaussian_scorer_seconds(rows) / sensors,
    }


def main() -> None:
    """Print what both cost on 2,000 rows of 8 sensors, after the warm-up."""
    rows = np.random.default_rng(1).normal(20.0, 1.0, (WARM_ROWS + 2000, 8))
    for _ in range(3):
        for name, seconds in seconds_per_reading(rows).items():
            print(f"{name:15} {1e6 * seconds:6.2f} us/reading {8e6 * seconds:7.1f} us/row of 8 sensors")


if __name__ == "__main__":
    main()
