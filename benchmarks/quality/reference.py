#!/usr/bin/env python3
"""Simple detectors with the contract of ``spikewatch score``: the bar to beat.

Usage
-----
    reference.py score INPUT... --out DIR --method ewma [--time time] [--exclude a,b]

Methods: ``ewma`` (z-score against an exponentially weighted mean and deviation,
per sensor), ``gauss`` (the same over a sliding window), ``t2`` (Mahalanobis
distance with a running covariance), ``halfspace`` (streaming half-space trees);
``ewma_frozen`` and ``t2_frozen`` stop learning after 400 rows.

Every score is 1 - p of a deviation z under Student's t with 4 degrees of freedom
and unit variance, a tail heavy enough that large deviations stay distinguishable;
the largest of k sensors counts as (1 - p)^k.  So 0.99 is 3.3 deviations for one
sensor and about 5.7 for eight.  No alarm in the first 50 rows.  A row's score
uses earlier rows only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

SILENT, FREEZE = 50, 400
TIMES = ("time", "timestamp", "datetime", "date", "ts")


def unlikely(z) -> np.ndarray:
    """P(|T| < z) for Student's t with 4 degrees of freedom scaled to unit variance."""
    t = np.sqrt(2.0) * np.asarray(z, float)
    root = np.sqrt(4 + t * t)
    miss = 4 / (root * (root + t))  # 1 - t/root without cancellation
    return 1 - miss * miss * (3 - miss) / 2


def _worst(z: pd.DataFrame):
    """Score and sensor of the largest deviation per row; missing readings are silent."""
    size = np.nan_to_num(np.minimum(z.abs().to_numpy(float), 1e6))
    sensors = np.maximum((~z.isna()).to_numpy().sum(axis=1), 1)
    return unlikely(size.max(axis=1)) ** sensors, size.argmax(axis=1)


def _deviation(x: pd.DataFrame, mean: pd.DataFrame, std: pd.DataFrame) -> pd.DataFrame:
    floor = 1e-6 * mean.abs() + 1e-12  # a sensor that never moved
    return (x - mean.shift().ffill()) / np.maximum(std.shift().ffill(), floor.shift().ffill())


def ewma(x: pd.DataFrame, frozen=False, alpha=0.01):
    if frozen:
        past = x.iloc[:FREEZE].expanding()
        mean, std = (s.reindex(x.index).ffill() for s in (past.mean(), past.std()))
    else:
        past = x.ewm(alpha=alpha, ignore_na=True)
        mean, std = past.mean(), past.std()
    return _worst(_deviation(x, mean, std))


def gauss(x: pd.DataFrame, window=2000):
    past = x.rolling(window, min_periods=2)
    return _worst(_deviation(x, past.mean(), past.std()))


def t2(x: pd.DataFrame, frozen=False, alpha=0.002, block=10):
    """The model of a block of rows is made from the blocks before it."""
    rows, k = x.shape
    value = x.to_numpy(float)
    mean, seen = np.zeros(k), np.zeros(k)
    scatter = np.zeros((k, k))
    z, cause = np.zeros(rows), np.zeros(rows, int)
    for start in range(0, rows, block):
        part = value[start : start + block]
        centred = np.where(np.isnan(part), 0.0, part - mean)
        if start >= max(SILENT, 5 * k):
            spread = np.maximum(np.diag(scatter), (1e-6 * np.abs(mean) + 1e-12) ** 2)
            unit = centred / np.sqrt(spread)
            correlation = scatter / np.sqrt(np.outer(spread, spread))
            model = np.linalg.inv(0.99 * correlation + 0.01 * np.eye(k))
            distance = np.minimum(np.einsum("ij,jk,ik->i", unit, model, unit), 1e12)
            # Wilson and Hilferty (1931): chi-squared to normal
            z[start : start + block] = (np.cbrt(distance / k) - 1 + 2 / (9 * k)) / np.sqrt(2 / (9 * k))
            cause[start : start + block] = np.abs(unit).argmax(axis=1)
        if frozen and start >= FREEZE:
            continue
        for row, present in zip(part, ~np.isnan(part), strict=True):
            seen += present
            rate = np.where(present, np.maximum(alpha, 1 / np.maximum(seen, 1)), 0.0)
            if frozen:
                rate = np.where(present, 1 / np.maximum(seen, 1), 0.0)
            off = np.where(present, row - mean, 0.0)
            mean = mean + rate * off
            both = np.sqrt(np.outer(rate, rate))
            scatter = (1 - both) * (scatter + both * np.outer(off, off))
    return unlikely(np.maximum(z, 0.0)), cause


def halfspace(x: pd.DataFrame, trees=25, depth=8, window=250, seed=1):
    """Tan, Ting and Liu (IJCAI 2011); ranges come from the first window."""
    rng = np.random.default_rng(seed)
    rows, k = x.shape
    value = x.ffill().fillna(0.0).to_numpy(float)
    low, high = value[:window].min(axis=0), value[:window].max(axis=0)
    width = np.where(high > low, high - low, np.abs(high) + 1.0)
    nodes = 2 ** (depth + 1) - 1
    feature = rng.integers(k, size=(trees, nodes))
    cut = np.empty((trees, nodes))
    for tree in range(trees):
        centre = rng.uniform(0, 1, k)
        reach = 2 * np.maximum(centre, 1 - centre)
        box = [(low + (centre - reach) * width, low + (centre + reach) * width)]
        for node in range(nodes):
            a, b = box[node]
            f = feature[tree, node]
            cut[tree, node] = (a[f] + b[f]) / 2
            left, right = b.copy(), a.copy()
            left[f] = right[f] = cut[tree, node]
            box += [(a, left), (right, b)]
    mass = np.zeros((trees, nodes))
    rarity = np.zeros(rows)
    every = np.arange(trees)[:, None]
    for start in range(0, rows, window):
        part = value[start : start + window]
        node = np.zeros((trees, len(part)), int)
        fresh, total, open_ = np.zeros_like(mass), np.zeros(len(part)), np.ones_like(node, bool)
        np.add.at(fresh, (every, node), 1)
        for level in range(1, depth + 1):
            side = part[np.arange(len(part))[None, :], feature[every, node]] > cut[every, node]
            node = 2 * node + 1 + side
            np.add.at(fresh, (every, node), 1)
            here = mass[every, node]
            stop = open_ & ((here < 0.1 * window) | (level == depth))
            total += np.where(stop, here * 2.0**level, 0.0).sum(axis=0)
            open_ &= ~stop
        rarity[start : start + window] = -np.log1p(total)
        mass = fresh
    scored = pd.Series(rarity).where(np.arange(rows) >= window)
    past = scored.rolling(8 * window, min_periods=SILENT)
    z = (scored - past.mean().shift()) / np.maximum(past.std().shift(), 1e-3)
    return unlikely(np.maximum(np.nan_to_num(z), 0.0)), np.zeros(rows, int)


METHODS = {
    "ewma": ewma,
    "ewma_frozen": lambda x: ewma(x, frozen=True),
    "gauss": gauss,
    "t2": t2,
    "t2_frozen": lambda x: t2(x, frozen=True),
    "halfspace": halfspace,
}


def score_file(path: Path, out: Path, method: str, time: str | None, exclude: set[str]) -> None:
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    time = time or next((c for c in table if c.lower() in TIMES), None)
    if time not in table:
        raise SystemExit(f"{path}: no time column {time or '(name it with --time)'}")
    sensors = table.drop(columns=[time, *exclude], errors="ignore").select_dtypes("number")
    score, cause = METHODS[method](sensors.astype(float))
    score[:SILENT] = 0.0
    level = np.searchsorted([0.99, 0.999], score, side="right")
    pd.DataFrame(
        {
            "time": table[time],
            "score": score,
            "severity": np.array(["normal", "warning", "critical"])[level],
            "cause": sensors.columns.to_numpy()[cause],
        }
    ).to_csv(out / f"{path.name.split('.')[0]}.csv", index=False)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("verb", choices=["score"])
    p.add_argument("inputs", nargs="+", type=Path)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--method", choices=METHODS, default="ewma")
    p.add_argument("--time")
    p.add_argument("--exclude", default="")
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for path in a.inputs:
        score_file(path, a.out, a.method, a.time, set(filter(None, a.exclude.split(","))))


if __name__ == "__main__":
    main()
