"""What each set asks of a detector.

Every scorer takes the scored units of its set and one threshold fixed in advance
and returns tables: {title: [(row name, {column: value}), ...]}.  Rows named "this"
belong to the detector under test; peers are added by the board.  Columns that say
"best" chose their threshold in hindsight, on the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import ageing as ageing_set
import nab_score
import numpy as np
from corpus import Unit
from metrics import (
    average_precision,
    best_f1,
    chance,
    count_episodes,
    episodes,
    per,
    precision_recall_f1,
    roc_auc,
    rows_of,
    share,
    vus_pr,
)

Tables = dict[str, list[tuple[str, dict]]]


@dataclass(frozen=True)
class Scored:
    """A unit with the detector's score and cause per row."""

    unit: Unit
    score: np.ndarray
    cause: np.ndarray


def _mean(values) -> float:
    values = [v for v in values if np.isfinite(v)]
    return float(np.mean(values)) if values else float("nan")


def _threshold_free(pairs) -> dict:
    """Mean over files of the areas; ``pairs`` are (row labels, scores)."""
    pairs = [(label, score) for label, score in pairs if 0 < np.count_nonzero(label) < len(label)]
    return {
        "AP": _mean(average_precision(*p) for p in pairs),
        "constant AP": _mean(np.mean(label) for label, _ in pairs),
        "ROC AUC": _mean(roc_auc(*p) for p in pairs),
        "VUS-PR": _mean(vus_pr(*p) for p in pairs),
    }


# ------------------------------------------------------------------ NAB

# Folders of the 35 files that were the whole set here before the other 23 came.
EARLIER = ("artificialNoAnomaly", "artificialWithAnomaly", "realAWSCloudwatch", "realKnownCause")


def _window_rows(s: Scored):
    return rows_of([(a, b + 1) for a, b in s.unit.truth["windows"]], s.unit.rows)


def _nab_scores(items: list[Scored], threshold: float) -> list[tuple[str, dict]]:
    files = [(s.score, s.unit.truth["windows"]) for s in items]
    prepared = nab_score.prepare(files)
    best, fixed = {}, {}
    for profile, column in (
        ("standard", "standard"),
        ("reward_low_FP_rate", "low FP"),
        ("reward_low_FN_rate", "low FN"),
    ):
        best[column], at = nab_score.score(files, profile, None, prepared)
        fixed[column], _ = nab_score.score(files, profile, threshold, prepared)
        if profile == "standard":
            best["threshold"], fixed["threshold"] = at, threshold
    return [("this, best threshold", best), ("this, fixed threshold", fixed)]


def _nab_areas(items: list[Scored]) -> list[tuple[str, dict]]:
    return [("this", _threshold_free((_window_rows(s), s.score) for s in items))]


def nab(items: list[Scored], threshold: float) -> Tables:
    labels = [_window_rows(s) for s in items]
    by_category: dict[str, list] = {}
    for s, label in zip(items, labels, strict=True):
        by_category.setdefault(s.unit.truth["category"], []).append((label, s.score))
    oracle, one, always = {}, {}, {}
    for category, pairs in by_category.items():
        if not any(label.any() for label, _ in pairs):
            continue  # in the others a file without windows counts as 0, as for the peers
        oracle[category] = _mean(best_f1(label, score)[0] for label, score in pairs)
        one[category] = _mean(precision_recall_f1(label, score >= threshold)[2] for label, score in pairs)
        always[category] = _mean(precision_recall_f1(label, np.ones(len(label)))[2] for label, _ in pairs)
    tables = {
        "nab": _nab_scores(items, threshold),
        "nab: point-wise F1 by category": [
            ("this, best per file", oracle),
            ("this, fixed threshold", one),
            ("every row alarms", always),
        ],
        "nab: threshold-free, mean of files": _nab_areas(items),
    }
    earlier = [s for s in items if s.unit.truth["category"] in EARLIER]
    if earlier:
        tables["nab, 35 files"] = _nab_scores(earlier, threshold)
        tables["nab, 35 files: threshold-free, mean of files"] = _nab_areas(earlier)
    return tables


# ----------------------------------------------------------------- SKAB

LEARN = 400  # rows of a file before its scored part


def _changepoint_score(changes, alarms, seconds):
    """Sum of a file under SKAB's changepoint rules, per profile; missed; false positives.

    A window of 60 s follows each true change; the first predicted change in it earns a
    tanh-shaped reward from 1 down to the price of a false positive.  Predicted changes
    are both edges of the alarm, as in the leaderboard's notebooks.
    """
    predicted = seconds[np.diff(alarms.astype(int), prepend=0) != 0]
    used = np.zeros(len(predicted), bool)
    delays, free = [], -np.inf
    for change in seconds[changes]:
        start = max(change, free)
        free = change + 60.0
        inside = (predicted >= start) & (predicted <= free)
        used |= inside
        delays.append((predicted[inside][0] - start) / (free - start) if inside.any() else None)
    missed, false = delays.count(None), int(np.count_nonzero(~used))
    sums = []
    for fp, fn in ((0.11, 1.0), (0.22, 1.0), (0.11, 2.0)):
        reward = sum(
            (1 - fp) / 2 - (1 + fp) / 2 * np.tanh((d - 0.5) * np.pi) / np.tanh(np.pi / 2)
            for d in delays
            if d is not None
        )
        sums.append(reward - fp * false - fn * missed)
    return sums, len(delays), missed, false


def skab(items: list[Scored], threshold: float) -> Tables:
    labelled = [s for s in items if s.unit.truth["anomaly"] is not None]
    label = np.concatenate([s.unit.truth["anomaly"][LEARN:] for s in labelled])
    score = np.concatenate([s.score[LEARN:] for s in labelled])

    def outliers(alarm) -> dict:
        return {
            "F1": precision_recall_f1(label, alarm)[2],
            "FAR %": share(alarm, ~label),
            "MAR %": 100 - share(alarm, label),
        }

    best = best_f1(label, score)[1]
    free = _threshold_free([(s.unit.truth["anomaly"][LEARN:], s.score[LEARN:]) for s in labelled])
    totals, count, missed, false = np.zeros(3), 0, 0, 0
    for s in labelled:
        truth = s.unit.truth
        sums, n, m, f = _changepoint_score(
            truth["changepoint"][LEARN:], s.score[LEARN:] >= threshold, truth["seconds"][LEARN:]
        )
        totals += sums
        count, missed, false = count + n, missed + m, false + f
    null = -count * np.array([1.0, 1.0, 2.0])
    changes = dict(zip(("standard", "low FP", "low FN"), 100 * (totals - null) / (count - null), strict=True))
    quiet = [
        (
            s.unit.name,
            {
                "episodes/1000": per(
                    count_episodes(s.score >= threshold, np.arange(s.unit.rows) >= LEARN), s.unit.rows - LEARN
                ),
                "in alarm %": share(s.score >= threshold, np.arange(s.unit.rows) >= LEARN),
            },
        )
        for s in items
        if s.unit.truth["anomaly"] is None
    ]
    tables = {
        "skab: rows in anomaly": [
            ("this, fixed threshold", outliers(score >= threshold) | free),
            ("this, best threshold", outliers(score >= best)),
            ("every row alarms", outliers(np.ones(len(label), bool))),
        ],
        "skab: changepoints": [("this, fixed threshold", changes | {"missed": missed, "FPs": false, "of": count})],
    }
    return tables | ({"skab: nothing happens": quiet} if quiet else {})


# -------------------------------------------------------- run to failure


def _run_to_failure(name: str, items: list[Scored], threshold: float, gap: int) -> Tables:
    def measure(units: list[Scored]) -> dict:
        false = old = luck = found = 0.0
        healthy_rows = ageing_rows = healthy_on = ageing_on = 0.0
        leads, lead_shares = [], []
        for s in units:
            truth, alarm = s.unit.truth, s.score >= threshold
            healthy, older = (rows_of([truth[p]] if truth[p] else [], s.unit.rows) for p in ("healthy", "ageing"))
            start, end = truth["degraded"]
            if truth["clean"]:
                false += count_episodes(alarm, healthy, gap)
                healthy_rows, healthy_on = healthy_rows + healthy.sum(), healthy_on + (alarm & healthy).sum()
            old += count_episodes(alarm, older, gap)
            ageing_rows, ageing_on = ageing_rows + older.sum(), ageing_on + (alarm & older).sum()
            luck += np.nan_to_num(chance(alarm, healthy | older, end - start))
            hits = np.flatnonzero(alarm[start:end])
            if len(hits):
                found += 1
                leads.append(truth["failure"] - start - hits[0])
                lead_shares.append(100 * (1 - hits[0] / (end - start)))
        return {
            "units": len(units),
            "false/1000": per(false, healthy_rows),
            "false rows %": per(healthy_on, healthy_rows, 100),
            "ageing/1000": per(old, ageing_rows),
            "ageing rows %": per(ageing_on, ageing_rows, 100),
            "found": int(found),
            "by luck": luck,
            "lead median": float(np.median(leads)) if leads else float("nan"),
            "lead q10": float(np.quantile(leads, 0.1)) if leads else float("nan"),
            "lead share %": float(np.median(lead_shares)) if leads else float("nan"),
        }

    rows = [("this, fixed threshold", measure(items))]
    rough = [s for s in items if not s.unit.truth["clean"]]
    return {name: rows + ([("of these, rough from the start", measure(rough))] if rough else [])}


def femto(items: list[Scored], threshold: float) -> Tables:
    return _run_to_failure("femto", items, threshold, gap=30)


def cmapss_fd001(items: list[Scored], threshold: float) -> Tables:
    return _run_to_failure("cmapss_fd001", items, threshold, gap=10)


# ------------------------------------------------- one machine, its years


def gas_turbine(items: list[Scored], threshold: float) -> Tables:
    plain = next(s for s in items if "years" in s.unit.truth)
    stepped = next(s for s in items if "steps" in s.unit.truth)
    alarm = plain.score >= threshold
    row = {}
    for year, (start, end) in plain.unit.truth["years"].items():
        region = rows_of([(start + (500 if start == 0 else 0), end)], len(alarm))
        row[f"{year} /1000 h"] = per(count_episodes(alarm, region), region.sum())
        row[f"{year} rows %"] = share(alarm, region)
    woken = (stepped.score >= threshold) & ~alarm
    steps = stepped.unit.truth["steps"]
    before = [(a - 48, a) for a, _ in steps]  # rows the step cannot have touched
    return {
        "gas_turbine: every alarm is false": [("this, fixed threshold", row)],
        "gas_turbine: added steps of 48 h": [
            (
                "this, fixed threshold",
                {
                    "steps": len(steps),
                    "found %": 100 * _mean(float(woken[a:b].any()) for a, b in steps),
                    "48 h before %": 100 * _mean(float(woken[a:b].any()) for a, b in before),
                },
            )
        ],
    }


def hydraulic(items: list[Scored], threshold: float) -> Tables:
    (s,) = items
    n, cycle = s.unit.rows, 60
    alarm = s.score >= threshold
    spells = episodes(alarm)
    starts = np.array([a for a, _ in spells], int)
    changes = s.unit.truth["changes"]
    at = [row for row, _ in changes] + [n]
    windows = [(a, min(a + 10 * cycle, b)) for a, b in pairwise(at)]
    found = [bool(np.any((starts >= a) & (starts < b))) for a, b in windows]
    calm = rows_of(s.unit.truth["constant"], n)
    for a, _ in s.unit.truth["constant"]:
        calm[a : a + 30 * cycle] = False
    outside = ~rows_of(windows, n)
    outside[: 30 * cycle] = False
    rate = len(starts) / n
    row = {
        "changes": len(changes),
        "found %": 100 * _mean(map(float, found)),
        "by luck %": 100 * _mean(1 - np.exp(-rate * (b - a)) for a, b in windows),
        "episodes/1000 cycles": per(len(starts), n / cycle),
        "calm episodes/1000": per(count_episodes(alarm, calm), calm.sum() / cycle),
        "calm rows %": share(alarm, calm),
    }
    for part in ("cooler", "valve", "pump", "accumulator"):
        hits = [float(f) for f, (_, parts) in zip(found, changes, strict=True) if part in parts]
        row[f"{part} %"] = 100 * _mean(hits)
    return {"hydraulic": [("this, fixed threshold", row)]}


def ur3_cobotops(items: list[Scored], threshold: float) -> Tables:
    tables = []
    for s in items:
        truth, n, alarm = s.unit.truth, s.unit.rows, s.score >= threshold
        scored = np.arange(n) >= truth["warmup"]
        events = {kind: [(a, b) for a, b in truth[kind] if a >= truth["warmup"]] for kind in ("stop", "grip")}
        every = events["stop"] + events["grip"]
        quiet = scored & ~rows_of(truth["stop"] + truth["grip"], n, before=5, after=5)
        row = {"file": s.unit.name}
        for kind, name in (("stop", "stops"), ("grip", "grip losses")):
            row[f"{name} %"] = 100 * _mean(float(alarm[max(0, a - 5) : b + 3].any()) for a, b in events[kind])
        row["by luck %"] = 100 * _mean(chance(alarm, quiet, b - a + 8) for a, b in every)
        false = episodes(alarm & quiet)
        warm = [any(str(c).startswith("Temperature") for c in s.cause[a:b][alarm[a:b]]) for a, b in false]
        label = rows_of(every, n)
        row |= {
            "false/1000": per(len(false), quiet.sum()),
            "false rows %": share(alarm, quiet),
            "of these temperature %": 100 * _mean(map(float, warm)),
        } | _threshold_free([(label[scored], s.score[scored])])
        tables.append(("this, fixed threshold", row))
    return {"ur3_cobotops": tables}


def smap_msl(items: list[Scored], threshold: float) -> Tables:
    found, luck, false, quiet_rows, quiet_on, pairs, f1 = [], [], 0, 0, 0, [], []
    for s in items:
        truth, n, alarm = s.unit.truth, s.unit.rows, s.score >= threshold
        scored = np.arange(n) >= truth["scored"]
        label = rows_of(truth["anomalies"], n)
        quiet = scored & ~label
        for a, b in truth["anomalies"]:
            found.append(float(alarm[a:b].any()))
            luck.append(chance(alarm, quiet, b - a))
        false += count_episodes(alarm, quiet)
        quiet_rows, quiet_on = quiet_rows + quiet.sum(), quiet_on + (alarm & quiet).sum()
        pairs.append((label[scored], s.score[scored]))
        f1.append(precision_recall_f1(label[scored], alarm[scored])[2])
    return {
        "smap_msl": [
            (
                "this, fixed threshold",
                {
                    "anomalies": len(found),
                    "found %": 100 * _mean(found),
                    "by luck %": 100 * _mean(luck),
                    "false/1000": per(false, quiet_rows),
                    "false rows %": per(quiet_on, quiet_rows, 100),
                    "F1 rows": _mean(f1),
                }
                | _threshold_free(pairs),
            )
        ]
    }


BRIDGE_WARMUP = 3000  # 5 min at 10 Hz


def munich_bridge(items: list[Scored], threshold: float) -> Tables:
    rows = []
    for s in items:
        alarm, n = s.score >= threshold, s.unit.rows
        covered = rows_of(episodes(alarm), n)
        for segment in s.unit.truth["segments"]:
            if not segment["scored"]:
                continue
            start, end = segment["start"], segment["end"]
            region = rows_of([(max(start, BRIDGE_WARMUP), end)], n)
            spells = [a for a, _ in episodes(alarm & region)]
            lowering = segment["name"].startswith("lowering")
            rows.append(
                (
                    f"this, {segment['name']}",
                    {
                        "intact": "no" if segment["anomalous"] else "yes",
                        "episodes": len(spells),
                        "rows in episodes %": share(covered, region),
                        "first alarm s": (spells[0] - start) / 10 if lowering and spells else float("nan"),
                    },
                )
            )
    return {"munich_bridge": rows}


def ageing(items: list[Scored], threshold: float) -> Tables:
    return ageing_set.score([(s.unit, s.score) for s in items], threshold)


# ----------------------------------------------------- what plants have

YOUNG = 2000  # rows
EXCUSED = 50  # rows after something odd in which alarms are nobody's mistake
SETTLE = 200  # rows after a fault in which alarms are nobody's mistake
GRACE = 20  # rows after a fault in which it still counts as found
DUE = 400  # rows within which a fault must be noticed, but a drift
STILL = 200  # rows of one and the same score in which nothing alarms, or nothing ends


def _plant_odd(truth: dict, n: int) -> np.ndarray:
    """Rows of a machine in which something is new yet healthy: to alarm is no mistake."""
    return rows_of([(o["start"], o["end"]) for o in truth["odd"]], n, after=EXCUSED)


def plant_healthy(truth: dict, n: int) -> np.ndarray:
    """Rows of a machine in which every alarm is false."""
    return ~_plant_odd(truth, n) & ~rows_of([(f["start"], f["end"]) for f in truth["faults"]], n, after=SETTLE)


def _plant_life(s: Scored, alarm: np.ndarray) -> dict:
    truth, n = s.unit.truth, s.unit.rows
    odd, healthy = _plant_odd(truth, n), plant_healthy(truth, n)
    false = [end - start for start, end in episodes(alarm & healthy)]
    same = np.append(False, (np.abs(np.diff(s.score)) < 1e-6) & (s.score[1:] > 0))
    still = rows_of([(start - 1, end) for start, end in episodes(same) if end - start + 1 >= STILL], n)
    return {
        "family": truth["family"],
        "rows %": share(alarm, healthy),
        "false/10k": per(len(false), healthy.sum(), 1e4),
        "longest": max(false, default=0),
        "longest h": max(false, default=0) * truth["step_s"] / 3600,
        "young rows": int((alarm & healthy)[:YOUNG].sum()),
        "odd rows %": share(alarm, odd),
        "blind %": share(still, healthy),
    }


def _plant_faults(s: Scored, alarm: np.ndarray) -> Iterator[dict]:
    truth, n = s.unit.truth, s.unit.rows
    healthy, covered = plant_healthy(truth, n), rows_of(episodes(alarm), n)
    moved = any(o["kind"] == "first move" for o in truth["odd"])
    for f in truth["faults"]:
        start, end = f["start"], f["end"]
        due = (end - start if f["kind"] == "drift" else min(end - start, DUE)) + GRACE
        hits = np.flatnonzero(alarm[start : start + due])
        named = np.isin(s.cause[start:end][alarm[start:end]], f["causes"])
        yield {
            "family": truth["family"],
            "kind": f["kind"],
            "moved": moved,
            "found": float(len(hits) > 0),
            "luck": chance(alarm, healthy, due),
            "delay": hits[0] if len(hits) else np.nan,
            "held": share(covered, rows_of([(start, end)], n)) if len(hits) else 0.0,
            "cause": float(named.mean() > 0.5) if f["causes"] and len(named) and len(hits) else np.nan,
        }


def _plant_lives(lines: list[dict]) -> dict:
    columns = {key: np.array([line[key] for line in lines], float) for key in lines[0] if key != "family"}
    return {
        "machines": len(lines),
        "rows % median": float(np.median(columns["rows %"])),
        "mean": float(columns["rows %"].mean()),
        "worst": float(columns["rows %"].max()),
        "false/10k": float(columns["false/10k"].mean()),
        "longest rows": int(columns["longest"].max()),
        "longest h": float(columns["longest h"].max()),
        "young rows mean": float(columns["young rows"].mean()),
        "worst young": int(columns["young rows"].max()),
        "odd rows %": _mean(columns["odd rows %"]),
        "blind %": float(columns["blind %"].mean()),
        "blind machines": int((columns["blind %"] > 10).sum()),
    }


def _plant_found(lines: list[dict]) -> dict:
    keys = ("found", "luck", "delay", "held", "cause")
    columns = {key: np.array([line[key] for line in lines], float) for key in keys}
    delays = columns["delay"][np.isfinite(columns["delay"])]
    return {
        "faults": len(lines),
        "found %": 100 * float(columns["found"].mean()),
        "by luck %": 100 * _mean(columns["luck"]),
        "held %": float(columns["held"].mean()),
        "right cause %": 100 * _mean(columns["cause"]),
        "of": int(np.isfinite(columns["cause"]).sum()),
        "median delay": float(np.median(delays)) if len(delays) else np.nan,
    }


def _grouped(measure: Callable[[list[dict]], dict], lines: list[dict], key: str) -> list[tuple[str, dict]]:
    """``measure`` of the lines with each value of ``key``, and of all."""
    groups = {name: [line for line in lines if line[key] == name] for name in sorted({line[key] for line in lines})}
    return [(f"this, {name}", measure(part)) for name, part in groups.items()] + [("this, all", measure(lines))]


def plant(items: list[Scored], threshold: float) -> Tables:
    lives, faults, every = [], [], []
    for s in items:
        alarm, truth = s.score >= threshold, s.unit.truth
        life, own = _plant_life(s, alarm), list(_plant_faults(s, alarm))
        lives.append(life)
        faults += own
        told = [f"{f['kind']} " + (f"held {f['held']:.0f}" if f["found"] else "MISSED") for f in own]
        machine = {"sensors": truth["sensors"], "rows": s.unit.rows, "step s": truth["step_s"]}
        machine |= {key: value for key, value in life.items() if key != "family"}
        every.append((f"{s.unit.name} {truth['kind']}", machine | {"faults": ", ".join(told)}))
    moved = [f for f in faults if f["moved"]]
    blind_test = [("this, once a constant has moved", _plant_found(moved))] if moved else []
    return {
        "plant: healthy life": _grouped(_plant_lives, lives, "family"),
        "plant: faults by family": _grouped(_plant_found, faults, "family") + blind_test,
        "plant: faults by kind": _grouped(_plant_found, faults, "kind"),
        "plant: every machine": every,
    }
