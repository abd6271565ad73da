#!/usr/bin/env python3
"""Score detectors on the Numenta Anomaly Benchmark (NAB v1.1 rules), fast.

Usage
-----
    nab_score.py SCORES_DIR --data NAB_DIR [--folders a,b,...] [--threshold T]

NAB_DIR holds ``data/<folder>/<file>.csv`` (or ``.csv.gz``) and
``labels/combined_windows.json``.  SCORES_DIR holds, for each data file,
``<folder>/<file>.csv`` with a column ``anomaly_score`` or ``score`` in [0, 1],
one row per input row, in order.  Without ``--threshold`` the single best threshold over
all the files is used, as NAB's own leaderboard does.

As a library: ``score(files, profile)``, where ``files`` is a list of
``(anomaly_scores, windows)``; windows are inclusive index pairs.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd

PROFILES = {  # (fp weight, fn weight); the weight of a true positive is 1
    "standard": (0.11, 1.0),
    "reward_low_FP_rate": (0.22, 1.0),
    "reward_low_FN_rate": (0.11, 2.0),
}


def _sigmoid(x):
    return 2.0 / (1.0 + np.exp(5.0 * np.asarray(x, float))) - 1.0


def _weights(n: int, windows: list[tuple[int, int]]):
    """Per row: NAB weight before profile weights, and the window's number or -1."""
    weight = np.full(n, -1.0)
    owner = np.full(n, -1)
    top = _sigmoid(-1.0)
    previous = None
    k = 0
    for i in range(n):
        if k < len(windows) and windows[k][0] <= i <= windows[k][1]:
            start, end = windows[k]
            width = end - start + 1
            weight[i] = _sigmoid(-(end - i + 1) / width) / top
            owner[i] = k
            if i == end:
                previous = (end, width)
                k += 1
        elif previous is not None:
            end, width = previous
            position = (i - end) / (width - 1)
            weight[i] = -1.0 if position > 3.0 else _sigmoid(position)
    return weight, owner


def probation(n: int) -> int:
    """Rows at the start of a file that count for nothing."""
    return math.floor(min(0.15 * n, 750))


def prepare(files):
    """Concatenate the files' rows outside probation, best scores first."""
    scores, weights, owners, offset, n_windows = [], [], [], 0, 0
    for anomaly, windows in files:
        anomaly = np.asarray(anomaly, float)
        weight, owner = _weights(len(anomaly), windows)
        keep = np.arange(len(anomaly)) >= probation(len(anomaly))
        owner = np.where(owner >= 0, owner + offset, -1)
        scores.append(anomaly[keep])
        weights.append(weight[keep])
        owners.append(owner[keep])
        offset += len(windows)
        n_windows += len(windows)
    s, w, o = map(np.concatenate, (scores, weights, owners))
    order = np.argsort(-s, kind="stable")
    return s[order], w[order], o[order], n_windows


def sweep(files, profile="standard", prepared=None):
    """Thresholds, best first, and the normalised NAB score at each."""
    fp_weight, fn_weight = PROFILES[profile]
    s, w, o, n_windows = prepared or prepare(files)
    gain = np.zeros(len(s))
    outside = o < 0
    gain[outside] = w[outside] * fp_weight
    best = np.full(max(n_windows, 1), -fn_weight)
    for j in np.flatnonzero(~outside):
        if w[j] > best[o[j]]:
            gain[j] = w[j] - best[o[j]]
            best[o[j]] = w[j]
    visible = np.unique(o[~outside]).size
    total = -fn_weight * visible + np.cumsum(gain)
    last = np.append(s[1:] != s[:-1], True)  # a threshold takes all of its ties
    null = -fn_weight * visible
    normal = 100.0 * (total - null) / (n_windows - null)
    thresholds = np.append(1.1, s[last])
    return thresholds, np.append(0.0, normal[last])


def score(files, profile="standard", threshold=None, prepared=None):
    """(normalised score, threshold); the best threshold unless one is given."""
    thresholds, normal = sweep(files, profile, prepared)
    i = int(np.argmax(normal) if threshold is None else np.flatnonzero(thresholds >= threshold)[-1])
    return float(normal[i]), float(thresholds[i])


def load_windows(nab_dir: Path, folders=None):
    """{relative path: (timestamps, index windows)} for the corpus in nab_dir."""
    labels = json.loads((nab_dir / "labels" / "combined_windows.json").read_text())
    out = {}
    for path in sorted((nab_dir / "data").glob("*/*.csv*")):
        name = f"{path.parent.name}/{path.name.removesuffix('.gz')}"
        if (folders and path.parent.name not in folders) or name not in labels:
            continue
        stamps = pd.to_datetime(pd.read_csv(path)["timestamp"])
        first = {}
        for i, t in enumerate(stamps):
            first.setdefault(t, i)
        windows = [(first[pd.Timestamp(a)], first[pd.Timestamp(b)]) for a, b in labels[name]]
        out[name] = (stamps, windows)
    return out


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("scores", type=Path)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--folders", default="")
    p.add_argument("--prefix", default="", help="prefix of the score files' names")
    p.add_argument("--threshold", type=float)
    a = p.parse_args()
    corpus = load_windows(a.data, set(filter(None, a.folders.split(","))))
    if not corpus:
        raise SystemExit(f"no NAB data in {a.data}")
    files = []
    for name, (stamps, windows) in corpus.items():
        folder, file = name.split("/")
        path = a.scores / folder / (a.prefix + file)
        table = pd.read_csv(path)
        anomaly = table["anomaly_score" if "anomaly_score" in table else "score"].to_numpy()
        if len(anomaly) != len(stamps):
            raise SystemExit(f"{path}: {len(anomaly)} scores for {len(stamps)} rows")
        files.append((anomaly, windows))
    prepared = prepare(files)
    print(f"{len(files)} files, {prepared[3]} windows")
    for profile in PROFILES:
        value, threshold = score(files, profile, a.threshold, prepared)
        print(f"{profile:20s} {value:7.2f}  at threshold {threshold:.6g}")


if __name__ == "__main__":
    main()
