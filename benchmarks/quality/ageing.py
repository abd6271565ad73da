#!/usr/bin/env python3
"""Synthetic machines that age and break, and what a detector should make of them.

Usage
-----
    ageing.py OUT_DIR [--seeds 1-8]

writes ``<machine>.csv`` and ``<machine>.json`` (its truth) for two machines per
seed.  Both are of the same model (sensors, modes, correlations) but age at their
own pace.  Everything is measured in a sensor's noise at commissioning, "sigma".

A life has 16,000 rows of 10 s.  Nothing breaks in the first 2,000 rows.  By
model, a machine only runs, or moves between idle, run and a repeating recipe;
sensors follow its load with their own lag and share one slow process
fluctuation.  Ageing moves
offsets (up to 8 sigma in a life), gains (up to 10%) and noise (up to double).
Readings get lost now and then, which is no fault.  Faults hit one sensor each;
a maintenance reset near the end takes all ageing back, unannounced.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from metrics import chance, count_episodes, episodes, per, rows_of, share

ROWS, WARMUP, RESET = 16_000, 2_000, 14_000
SETTLE = 200  # rows after a fault in which alarms are nobody's mistake
GRACE = 20  # rows after a fault in which it still counts as found
MACHINES_PER_SEED = 2
SENSORS = (1, 4, 8, 2, 16, 3, 12, 6)  # by seed
IDLE, RUN, RECIPE = range(3)
MODES = ((IDLE, RUN, RECIPE), (RUN,), (IDLE, RUN), (RUN, RECIPE), (IDLE, RUN, RECIPE))  # by seed
LASTS = {  # rows
    "spike": 3,
    "step": 150,
    "drift": 1200,
    "stuck": 150,
    "dropout": 40,
    "burst": 150,
    "decoupled": 300,
    "held": 1500,
}
DUE = {"held": 300}  # rows within which a long fault must be noticed; else its own length


def _lag(signal, constants):
    """First-order lag of one signal, one column per time constant (rows)."""
    out = np.empty((len(signal), len(constants)))
    state = np.full(len(constants), signal[0])
    for i, value in enumerate(signal):
        state = state + (value - state) / constants
        out[i] = state
    return out


def _load(rng, modes) -> np.ndarray:
    """Machine load over a life: idle 0, run 1, recipe a repeated shape."""
    period = int(rng.integers(40, 120))
    phase = np.arange(period) / period
    recipe = np.where(phase < 0.6, 0.5 + 0.4 * np.sin(2 * np.pi * phase), 1.2)
    load = np.empty(0)
    while len(load) < ROWS:
        for mode in rng.permutation(modes):
            rows = int(rng.integers(100, 400))
            load = np.append(load, (np.zeros(rows), np.ones(rows), np.resize(recipe, rows))[mode])
    return load[:ROWS]


def _fluctuation(rng, memory=50.0) -> np.ndarray:
    """Slow zero-mean process fluctuation with unit variance."""
    keep = np.exp(-1 / memory)
    steps = rng.normal(0, np.sqrt(1 - keep**2), ROWS)
    out = np.empty(ROWS)
    state = rng.normal()
    for i, step in enumerate(steps):
        state = keep * state + step
        out[i] = state
    return out


def _schedule(rng, sensors: int):
    """Faults and lost readings in order of time, with healthy rows between."""
    kinds = ["spike"] * 3 + [k for k in LASTS if k != "spike" and (sensors > 1 or k != "decoupled")]
    rng.shuffle(kinds)
    room = RESET - SETTLE - WARMUP - SETTLE - sum(LASTS[k] for k in kinds)
    gaps = 400 + rng.dirichlet(np.full(len(kinds), 2.0)) * (room - 400 * len(kinds))
    faults, losses, row = [], [], WARMUP
    for kind, gap in zip(kinds, gaps, strict=True):
        start = row + int(gap)
        if gap > 700 and len(losses) < 4:
            lost = int(rng.integers(20, 150))
            at = int(rng.integers(row + SETTLE + 50, start - lost))
            losses.append({"start": at, "end": at + lost, "sensor": int(rng.integers(sensors))})
        faults.append(
            {"kind": kind, "start": start, "end": start + LASTS[kind], "sensor": int(rng.integers(sensors))}
        )
        row = start + LASTS[kind]
    return faults, losses


def machine(seed: int, number: int):
    """(sensor table, truth) of one machine of the model ``seed``."""
    model = np.random.default_rng([seed, 0])
    sensors, modes = SENSORS[(seed - 1) % len(SENSORS)], MODES[(seed - 1) % len(MODES)]

    def signed(low, high):
        return model.uniform(low, high, sensors) * model.choice([-1, 1], sensors)

    swing, coupling = signed(8, 25), signed(1.5, 4)
    constants = np.exp(model.uniform(0, np.log(120), sensors))
    unit, base = 10.0 ** model.uniform(-3, 3, sensors), model.uniform(60, 200, sensors)

    rng = np.random.default_rng([seed, number])
    pace = float(np.exp(rng.uniform(np.log(0.2), np.log(1.0))))
    bend = float(rng.uniform(0.8, 1.6))
    age = (np.arange(ROWS) / ROWS) ** bend
    age[RESET:] = age[: ROWS - RESET]
    age = pace * age[:, None]
    offset, gain = rng.uniform(-8, 8, sensors), rng.uniform(-0.1, 0.1, sensors)
    rougher = rng.uniform(0, 1, sensors)

    faults, losses = _schedule(rng, sensors)
    shared = np.repeat(_fluctuation(rng)[:, None], sensors, axis=1)
    noise = rng.standard_t(6, (ROWS, sensors)) / np.sqrt(1.5) * (1 + rougher * age)
    for f in faults:
        rows = slice(f["start"], f["end"])
        if f["kind"] == "decoupled":
            shared[rows, f["sensor"]] = _fluctuation(rng)[rows]
        if f["kind"] == "burst":
            noise[rows, f["sensor"]] *= 5
    value = (1 + gain * age) * (_lag(_load(rng, modes), constants) * swing + shared * coupling)
    value += offset * age + noise
    for f in faults:
        rows, column, sign = slice(f["start"], f["end"]), f["sensor"], rng.choice([-1, 1])
        size = {"spike": 10.0, "step": 5.0, "held": 6.0}.get(f["kind"])
        if size:
            value[rows, column] += sign * size
        elif f["kind"] == "drift":  # ten times the fastest mean ageing of an offset
            value[rows, column] += sign * 10 * 8 / ROWS * np.arange(LASTS["drift"])
        elif f["kind"] == "stuck":
            value[rows, column] = value[f["start"] - 1, column]
    raw = np.round(value + base, 1) * unit  # a converter's steps: a tenth of the noise
    for f in faults:
        if f["kind"] == "dropout":
            raw[f["start"] : f["end"], f["sensor"]] = 0.0
    for loss in losses:
        raw[loss["start"] : loss["end"], loss["sensor"]] = np.nan
    truth = {
        "model": seed,
        "sensors": sensors,
        "modes": len(modes),
        "pace": round(pace, 3),
        "faults": faults,
        "losses": losses,
        "bend": bend,  # an age is pace * (row / ROWS) ** bend; what follows is per sensor, offset and gain at age 1
        "offset": offset.tolist(),
        "gain": gain.tolist(),
        "base": base.tolist(),  # sigmas
        "unit": unit.tolist(),  # of one sigma
    }
    return pd.DataFrame(raw, columns=[f"s{i + 1:02d}" for i in range(sensors)]), truth


def machines(seeds):
    """(name, table with a ``time`` column, truth) of every machine of the given seeds."""
    time = pd.date_range("2020-01-01", periods=ROWS, freq="10s").strftime("%Y-%m-%dT%H:%M:%S")
    for seed in seeds:
        for number in range(1, MACHINES_PER_SEED + 1):
            table, truth = machine(seed, number)
            table.insert(0, "time", time)
            yield f"model{seed:03d}-{number}", table, truth


def healthy(truth: dict) -> np.ndarray:
    """Rows of a machine in which every alarm is false."""
    spans = [(f["start"], f["end"]) for f in truth["faults"]]
    return rows_of([(WARMUP, RESET)], ROWS) & ~rows_of(spans, ROWS, after=SETTLE)


def score(units, threshold: float) -> dict:
    """Tables for ``units``: pairs of a unit (with ``name`` and ``truth``) and its score."""
    kinds = {kind: {"found": [], "luck": [], "delay": [], "held": []} for kind in LASTS}
    per_machine = []
    for unit, scored in units:
        alarm, truth = scored >= threshold, unit.truth
        covered = rows_of(episodes(alarm), ROWS)
        fine = healthy(truth)
        held = float("nan")
        for f in truth["faults"]:
            kind, start = kinds[f["kind"]], f["start"]
            end = start + DUE.get(f["kind"], LASTS[f["kind"]]) + GRACE
            hits = np.flatnonzero(alarm[start:end])
            kind["found"].append(len(hits) > 0)
            kind["luck"].append(chance(alarm, fine, end - start))
            kind["delay"].append(hits[0] if len(hits) else np.nan)
            kind["held"].append(share(covered, rows_of([(start, f["end"])], ROWS)))
            held = kind["held"][-1] if f["kind"] == "held" else held
        half = np.arange(ROWS) < (WARMUP + RESET) // 2
        lost = rows_of([(x["start"], x["end"]) for x in truth["losses"]], ROWS) & fine
        per_machine.append(
            (
                unit.name,
                {
                    "sensors": truth["sensors"],
                    "modes": truth["modes"],
                    "pace": truth["pace"],
                    "false/10k": per(count_episodes(alarm, fine), fine.sum(), 1e4),
                    "young": per(count_episodes(alarm, fine & half), (fine & half).sum(), 1e4),
                    "old": per(count_episodes(alarm, fine & ~half), (fine & ~half).sum(), 1e4),
                    "false rows %": share(alarm, fine),
                    "lost sensor %": share(alarm, lost),
                    "held in alarm %": held,
                    "after reset %": share(covered, rows_of([(RESET + 500, RESET + 1500)], ROWS)),
                },
            )
        )

    columns = list(per_machine[0][1])[3:]
    values = {c: np.array([row[c] for _, row in per_machine]) for c in columns}
    spread = [
        (f"this, {name}", {c: float(f(values[c])) for c in columns})
        for name, f in (("median machine", np.nanmedian), ("best machine", np.nanmin), ("worst machine", np.nanmax))
    ]
    faults = [
        (f"this, {name}", {kind: float(f(v[key])) for kind, v in kinds.items() if v["found"]})
        for name, key, f in (
            ("found %", "found", lambda x: 100 * np.mean(x)),
            ("by luck %", "luck", lambda x: 100 * np.nanmean(x)),
            ("median delay, rows", "delay", lambda x: np.nanmedian(x) if np.isfinite(x).any() else np.nan),
            ("share in alarm %", "held", np.nanmean),
        )
    ]
    return {
        "ageing: false alarms and persistence": spread,
        "ageing: faults": faults,
        "ageing: every machine": per_machine,
    }


def numbers(text: str) -> list[int]:
    """``1-8`` or ``1,2,5`` as a list."""
    out: list[int] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        out += range(int(low), int(high or low) + 1)
    return out


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("out", type=Path)
    p.add_argument("--seeds", type=numbers, default=numbers("1-8"))
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for name, table, truth in machines(a.seeds):
        table.to_csv(a.out / f"{name}.csv", index=False)
        (a.out / f"{name}.json").write_text(json.dumps(truth, indent=1) + "\n")
        print(f"{name}: {truth['sensors']} sensors, pace {truth['pace']}, {len(truth['faults'])} faults")


if __name__ == "__main__":
    main()
