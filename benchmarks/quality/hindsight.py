"""How much there is to find on the synthetic machines: a linear detector that knows everything afterwards.

    python benchmarks/quality/hindsight.py [--seeds 1-8] [--false 2.0]

Every sensor is fitted by least squares to values and seven traces of all others, and to a slow curve of age, over all
healthy rows at once, later ones too. For every kind of fault a window that suits it runs over the residuals, and each
machine's own threshold is set, on the labels, so that just so many false episodes are left. No online detector may do
any of this: what this one misses is hidden in what the other sensors cannot say.
"""

from __future__ import annotations

import argparse

import ageing
import numpy as np
from metrics import count_episodes, per

TRACES = (2, 5, 10, 20, 40, 80, 160)  # rows
WINDOWS = {  # of residuals or of their squares, rows; without those that any detector finds
    "spike": ("mean", 3),
    "step": ("mean", 60),
    "held": ("mean", 150),
    "drift": ("mean", 400),
    "burst": ("square", 40),
    "decoupled": ("square", 100),
}


def residuals(table, fine) -> np.ndarray:
    """Of every sensor, in deviations over the ``fine`` rows."""
    values = table.interpolate(limit_direction="both").to_numpy()
    traces = np.concatenate([ageing._lag(values[:, [c]], np.array(TRACES)) for c in range(values.shape[1])], axis=1)
    age = np.linspace(0.0, 1.0, len(values))[:, None] ** np.arange(4)
    found = np.empty_like(values)
    for c in range(values.shape[1]):
        others = np.arange(values.shape[1]) != c
        told = np.c_[values[:, others], traces[:, np.repeat(others, len(TRACES))], age]
        weights = np.linalg.lstsq(told[fine], values[fine, c], rcond=None)[0]
        found[:, c] = values[:, c] - told @ weights
        found[:, c] /= np.std(found[fine, c])
    return found


def evidence(residual: np.ndarray, kind: str, fine) -> np.ndarray:
    """The largest sensor's window, in its deviations over the ``fine`` rows."""
    how, width = WINDOWS[kind]
    sums = np.cumsum(np.r_[np.zeros((1, residual.shape[1])), residual if how == "mean" else residual**2], axis=0)
    window = np.zeros_like(residual)
    window[width - 1 :] = (sums[width:] - sums[:-width]) / width
    window = np.abs(window) if how == "mean" else window
    return ((window - np.median(window[fine], axis=0)) / np.std(window[fine], axis=0)).max(axis=1)


def threshold(found: np.ndarray, fine, false: float) -> float:
    """The least at which at most ``false`` episodes per 10,000 rows are left."""
    low, high = 0.0, float(found[fine].max())
    for _ in range(40):
        middle = (low + high) / 2
        if per(count_episodes(found > middle, fine), fine.sum(), 1e4) > false:
            low = middle
        else:
            high = middle
    return high


def main() -> None:
    """Print what is found, by kind and by number of sensors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=ageing.numbers, default=ageing.numbers("1-8"))
    parser.add_argument("--false", type=float, default=2.0, help="episodes per 10,000 healthy rows")
    options = parser.parse_args()
    hits: dict[str, dict[str, list[bool]]] = {}
    for _, table, truth in ageing.machines(options.seeds):
        fine = ageing.healthy(truth)
        residual = residuals(table.drop(columns="time"), fine)
        for kind in WINDOWS:
            found = evidence(residual, kind, fine)
            alarm = found > threshold(found, fine, options.false)
            for fault in truth["faults"]:
                if fault["kind"] == kind:
                    due = ageing.DUE.get(kind, ageing.LASTS[kind]) + ageing.GRACE
                    hit = bool(alarm[fault["start"] : fault["start"] + due].any())
                    for row in ("all", f"{truth['sensors']} sensors"):
                        hits.setdefault(row, {}).setdefault(kind, []).append(hit)
    print("found %" + "".join(f"{kind:>11}" for kind in WINDOWS))
    for row in ["all", *sorted(hits.keys() - {"all"}, key=lambda name: int(name.split()[0]))]:
        shares = (100 * np.mean(hits[row][kind]) if kind in hits[row] else np.nan for kind in WINDOWS)
        print(f"{row:10}" + "".join(f"{share:8.0f}   " for share in shares))


if __name__ == "__main__":
    main()
