#!/usr/bin/env python3
"""Few-shot fault classes: after five named examples of each of four kinds, do later incidents carry the right class?

    python benchmarks/quality/classes.py [--seeds 1-16] [--lives 301-308] [--shots 5] [--json FILE]

Two questions, on machines with at least two sensors:

- **kind**: the machines of `ageing.py` as they are, 16 lives of every model in `--seeds`, which share what was named
  (`kind:`). A life has three spikes and one fault of every other kind.
- **own**: one machine per number in `--lives`, built like those, with 14 faults of every kind in one long life, and
  nobody to share with.

An incident is of the kind of the fault that it overlaps most (up to 20 rows after it); with none it is false. The
first five incidents of each chosen kind are named when they close, whatever they look like; what is counted are all
others of these kinds, against that memory. Then five examples of a fifth kind are named, and the same incidents are
asked again: nothing may be forgotten. The choice of kinds was made before anything was measured (HEADLINE, then
FIFTH); beside it stand all 70 choices of four. What is unknown counts as not right. Step and held differ in length
only, and both are shifts, as drift becomes one: choices with two of these are the hard ones.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections import Counter
from pathlib import Path

import ageing
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from pipeline.config.settings import MachineRule
from pipeline.engine.engine import Engine
from pipeline.engine.recognition import WHOLE, YOUNG, Memory
from pipeline.recordings.score import batches, room_for
from pipeline.recordings.tables import Table

HEADLINE, FIFTH = ("stuck", "dropout", "burst", "drift"), "step"
KINDS = tuple(ageing.LASTS)
NUMBERS = 16  # lives of a model
EACH = 14  # faults of a kind in a long life
GAPS = (600, 1400)  # healthy rows before each of them
SENSORS = (2, 3, 4, 6, 8, 12, 16, 5)  # of a long life, by number
ROWS = 20  # in a batch: less than an incident needs to close, so that at most one does
INTERVAL_NS, START_NS = 10 * 10**9, 1_577_836_800 * 10**9


def long_life(number: int):
    """(readings, faults) of a machine built like those of `ageing.py`, with many more faults and no repair."""
    rng = np.random.default_rng([number, 5])
    sensors, modes = SENSORS[number % len(SENSORS)], ageing.MODES[number % len(ageing.MODES)]
    faults, row = [], ageing.WARMUP
    for kind in rng.permuted(np.repeat(KINDS, EACH)).tolist():
        start = row + int(rng.integers(*GAPS))
        row = start + ageing.LASTS[kind]
        faults.append({"kind": kind, "start": start, "end": row, "sensor": int(rng.integers(sensors))})
    length = row + ageing.SETTLE

    def signed(low, high):
        return rng.uniform(low, high, sensors) * rng.choice([-1, 1], sensors)

    def long(part):
        parts = [part() for _ in range(-(-length // ageing.ROWS))]
        return np.concatenate(parts)[:length]

    swing, coupling = signed(8, 25), signed(1.5, 4)
    constants = np.exp(rng.uniform(0, np.log(120), sensors))
    age = float(np.exp(rng.uniform(np.log(0.2), 0))) * (np.arange(length) / length)[:, None]
    shared = np.repeat(long(lambda: ageing._fluctuation(rng))[:, None], sensors, axis=1)
    noise = rng.standard_t(6, (length, sensors)) / np.sqrt(1.5) * (1 + rng.uniform(0, 1, sensors) * age)
    other = long(lambda: ageing._fluctuation(rng))
    for fault in faults:
        rows = slice(fault["start"], fault["end"])
        if fault["kind"] == "decoupled":
            shared[rows, fault["sensor"]] = other[rows]
        if fault["kind"] == "burst":
            noise[rows, fault["sensor"]] *= 5
    load = ageing._lag(long(lambda: ageing._load(rng, modes)), constants)
    value = (1 + rng.uniform(-0.1, 0.1, sensors) * age) * (load * swing + shared * coupling)
    value += rng.uniform(-8, 8, sensors) * age + noise
    for fault in faults:
        rows, column, sign = slice(fault["start"], fault["end"]), fault["sensor"], rng.choice([-1, 1])
        size = {"spike": 10.0, "step": 5.0, "held": 6.0}.get(fault["kind"], 0.0)
        value[rows, column] += sign * size
        if fault["kind"] == "drift":
            value[rows, column] += sign * 10 * 8 / ageing.ROWS * np.arange(fault["end"] - fault["start"])
        elif fault["kind"] == "stuck":
            value[rows, column] = value[fault["start"] - 1, column]
    raw = np.round(value + rng.uniform(60, 200, sensors), 1) * 10.0 ** rng.uniform(-3, 3, sensors)
    for fault in faults:
        if fault["kind"] == "dropout":
            raw[fault["start"] : fault["end"], fault["sensor"]] = 0.0
    return raw, faults


def kind_of(begin: int, end: int, faults) -> str:
    """Kind of the fault that rows ``begin`` to ``end`` overlap most; empty if none."""
    overlaps = [(min(end, f["end"] + ageing.GRACE) - max(begin, f["start"]) + 1, f["kind"]) for f in faults]
    most, kind = max(overlaps)
    return kind if most > 0 else ""


def incidents(values, faults):
    """(kind, signatures) of every incident of one life, in order."""
    time_ns = START_NS + np.arange(len(values), dtype=np.int64) * INTERVAL_NS
    table = Table("m", [""] * len(values), time_ns, [f"s{c}" for c in range(values.shape[1])], values, [])
    rule = MachineRule()
    engine = Engine(limits=room_for(table), rule=lambda name: rule)
    found = []
    for readings in batches(engine, table, ROWS):
        for news in engine.step(readings).news:
            if news.phase == "close":
                begin, end = (
                    (t - START_NS) // INTERVAL_NS for t in (news.incident.started_ns, news.incident.newest_ns)
                )
                stages = engine.fleet.state.recognition_machines.closed[0].copy()
                found.append((kind_of(begin, end, faults), stages))
    return found


class Named:
    """A memory that people have filled with the first incidents of some kinds."""

    def __init__(self) -> None:
        self.memory = Memory()

    def name(self, group, kinds, shots: int) -> bool:
        """Name the first incidents of each kind; False if there are not enough and some to ask about."""
        for kind in kinds:
            own = [number for number, (one, _) in enumerate(group) if one == kind]
            if len(own) <= shots:
                return False
            for number in own[:shots]:
                self.memory.store(0, number, kind, group[number][1])
        return True

    def ask(self, group, kinds, stage: int):
        """(number, kind, class, confidence) of every incident of these kinds, or of none, that was not named."""
        named = set(self.memory.number.tolist())
        asked = [(n, kind, one) for n, (kind, one) in enumerate(group) if n not in named and kind in (*kinds, "")]
        return [(n, kind, *self.memory.recognise([0], one[stage], stage)) for n, kind, one in asked]


def measure(groups, kinds, fifth, shots, stage=WHOLE):
    """Counts of (kind, class) before and after the fifth kind, pairs of confidence and right, and what was lost.

    Last, in how many groups there were enough incidents of each kind.
    """
    before, after, sure = Counter(), Counter(), []
    lost = gained = used = 0
    for group in groups:
        named = Named()
        if not named.name(group, kinds, shots):
            continue
        used += 1
        first = named.ask(group, kinds, stage)
        before.update((kind, found) for _, kind, found, _ in first)
        sure += [(confidence, kind == found) for _, kind, found, confidence in first if kind and found]
        kept = named.memory.signature.copy()
        if fifth and named.name(group, [fifth], shots):
            if not np.array_equal(named.memory.signature[: len(kept)], kept):
                raise SystemExit("a fifth class changed an example")
            second = {n: found for n, _, found, _ in named.ask(group, kinds, stage)}
            for n, kind, found, _ in first:
                after[kind, second[n]] += 1
                lost += kind != "" and found == kind != second[n]
                gained += kind != "" and second[n] == kind != found
    return before, after, sure, lost, gained, used


def shares(counts):
    """Right, wrong and unknown among the incidents of a fault, and the named among the false; per cent."""
    real = {pair: n for pair, n in counts.items() if pair[0]}
    total, false = sum(real.values()), sum(n for (kind, _), n in counts.items() if not kind)
    right = sum(n for (kind, found), n in real.items() if kind == found)
    unknown = sum(n for (_, found), n in real.items() if not found)
    named = sum(n for (kind, found), n in counts.items() if not kind and found)
    if not total:
        return {"incidents": 0}
    return {
        "incidents": total,
        "right %": round(100 * right / total, 1),
        "wrong %": round(100 * (total - right - unknown) / total, 1),
        "unknown %": round(100 * unknown / total, 1),
        "false": false,
        "false named %": round(100 * named / max(false, 1), 1),
    }


def report(title: str, groups, shots: int) -> dict:
    """Print the figures of some machines or models, and return them."""
    before, after, sure, lost, gained, used = measure(groups, HEADLINE, FIFTH, shots)
    print(f"\n## {title}: {used} of {len(groups)} with enough incidents, {sum(map(len, groups))} incidents")
    result = {
        "four": shares(before),
        f"the same after {FIFTH}": shares(after),
        "lost": lost,
        "gained": gained,
        "used": used,
    }
    print(f"  {', '.join(HEADLINE)}: {result['four']}")
    print(
        f"  the same after {FIFTH} is known, too: {shares(after)}; right before and not now {lost}, now only {gained}"
    )
    for kind in (*HEADLINE, ""):
        row = {found or "unknown": n for (one, found), n in sorted(before.items()) if one == kind}
        print(f"    {kind or '(false)':<10}{row}")
    for low, high in ((0.0, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 1.0)):
        right = [ok for confidence, ok in sure if low <= confidence < high]
        if right:
            print(
                f"    confidence {low:.2f} to {high:.2f}: {len(right)} incidents, {100 * np.mean(right):.0f} % right"
            )
    for stage, rows in enumerate(YOUNG):
        early = shares(measure(groups, HEADLINE, None, shots, stage)[0])
        result[f"open, {rows} rows"] = early
        print(f"  while open, after {rows} rows in alarm: {early}")
    five = shares(measure(groups, (*HEADLINE, FIFTH), None, shots)[0])
    every = shares(measure(groups, KINDS, None, shots)[0])
    choices = {c: shares(measure(groups, c, None, shots)[0]) for c in itertools.combinations(KINDS, 4)}
    order = sorted((c for c in choices if choices[c]["incidents"]), key=lambda c: choices[c]["right %"])
    rights = [choices[c]["right %"] for c in order]
    print(f"  all five: {five}\n  all eight: {every}")
    if rights:
        print(f"  all {len(order)} choices of four, right %: mean {np.mean(rights):.1f}")
        print(f"    quarters {np.quantile(rights, [0.25, 0.5, 0.75]).round(1).tolist()}")
        print(f"    lowest {rights[0]} ({', '.join(order[0])}), highest {rights[-1]} ({', '.join(order[-1])})")
    return result | {"five": five, "eight": every, "choices": {", ".join(c): choices[c] for c in order}}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seeds", type=ageing.numbers, default=ageing.numbers("1-16"))
    p.add_argument("--lives", type=ageing.numbers, default=ageing.numbers("301-308"))
    p.add_argument("--shots", type=int, default=5)
    p.add_argument("--json", type=Path)
    a = p.parse_args()
    figures = {}
    models = [seed for seed in a.seeds if ageing.SENSORS[(seed - 1) % len(ageing.SENSORS)] > 1]
    groups = []
    for seed in models:
        groups.append([])
        for number in range(1, NUMBERS + 1):
            table, truth = ageing.machine(seed, number)
            groups[-1] += incidents(table.to_numpy(), truth["faults"])
    if groups:
        figures["kind"] = report("kind: models", groups, a.shots)
    groups = [incidents(*long_life(number)) for number in a.lives]
    if groups:
        figures["own"] = report("own: machines", groups, a.shots)
    if a.json:
        a.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
