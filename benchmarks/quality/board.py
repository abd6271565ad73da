#!/usr/bin/env python3
"""The scoreboard: run any detector over the corpus and score what it wrote.

Usage
-----
    board.py --command 'spikewatch score' [--data DIR] [--sets nab,skab,...]
             [--threshold 0.99] [--declared] [--before DIR] [--seeds 1-8] [--json FILE]
             [--work DIR [--rescore]]

The command is called as ``COMMAND INPUT... --out DIR --time time``, one process
per set; with ``--declared`` as ``... --config FILE`` too, which states every sensor's
range.  A set whose data is missing is named and left out.  Published figures of
others come from ``peers.json`` in the data folder if there is one, else from the
file beside this program.
"""

from __future__ import annotations

import argparse
import glob
import json
import math
import shlex
import subprocess
import tempfile
import time
from pathlib import Path

import calibration
import numpy as np
import pandas as pd
import scorers
from ageing import numbers
from corpus import SETS, Unit, prepare

HERE = Path(__file__).parent
README = "benchmarks/quality/README.md"
COLUMNS = ["time", "score", "severity", "cause"]


def run(command: str, inputs: list[Path], out: Path) -> float:
    """Seconds the command took to score ``inputs`` into ``out``."""
    call = [*shlex.split(command), *map(str, inputs), "--out", str(out), "--time", "time"]
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    done = subprocess.run(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{command!r} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return time.perf_counter() - began


def read(unit: Unit, out: Path) -> scorers.Scored:
    """The detector's answer for one unit; anything short of a full answer is an error."""
    path = out / f"{unit.path.stem}.csv"
    if not path.exists():
        raise SystemExit(f"{path}: not written")
    table = pd.read_csv(path, dtype={"cause": str})
    missing = [c for c in COLUMNS if c not in table]
    if missing:
        raise SystemExit(f"{path}: no column {', '.join(missing)}")
    if len(table) != unit.rows:
        raise SystemExit(f"{path}: {len(table)} rows for {unit.rows} input rows")
    score = pd.to_numeric(table["score"], errors="coerce").to_numpy(float)
    bad = np.flatnonzero(~((score >= 0) & (score <= 1)))
    if len(bad):
        value = table["score"].iloc[bad[0]]
        raise SystemExit(f"{path}: {len(bad)} scores are not in [0, 1], first in row {bad[0]}: {value}")
    return scorers.Scored(unit, score, table["cause"].fillna("").to_numpy(str))


def looks_ahead(command: str, scored: list[scorers.Scored], work: Path) -> float:
    """Largest change of a score when the rest of the file is cut off: 0 if online."""
    whole = sorted(scored, key=lambda s: s.unit.rows)[len(scored) // 2]
    rows = int(whole.unit.rows * 0.6)
    path = work / "cut" / whole.unit.path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.read_csv(whole.unit.path, nrows=rows, dtype=str).to_csv(path, index=False)
    run(command, [path], work / "cut_scores")
    part = read(Unit(whole.unit.name, path, rows, {}), work / "cut_scores")
    return float(np.max(np.abs(part.score - whole.score[:rows])))


def declare(units: list[Unit], path: Path) -> None:
    """Write down the least and the largest value of every sensor of every unit, as a data sheet would state them.

    NAB tells each detector these two of each file.  The form is that of a Spikewatch configuration.
    """
    rules = []
    for unit in units:
        sensors = pd.read_csv(unit.path).drop(columns="time").agg(["min", "max"]).T
        known = {name: {"range": [low, high]} for name, low, high in sensors.itertuples() if low < high}
        rules.append({"match": glob.escape(unit.path.stem), "sensors": known})
    path.write_text(json.dumps({"machines": rules}))


def start_up(command: str, work: Path) -> float:
    """Seconds for 20 rows, after one call that may compile or fill caches."""
    path = work / "start" / "twenty.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    stamps = pd.date_range("2020-01-01", periods=20, freq="s").astype(str)
    pd.DataFrame({"time": stamps, "a": np.sin(np.arange(20.0))}).to_csv(path, index=False)
    return [run(command, [path], work / "start" / "out") for _ in range(2)][1]


def text(value) -> str:
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, (int, np.integer)):
        return str(value)
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def show(title: str, rows) -> None:
    columns = list(dict.fromkeys(c for _, values in rows for c in values))
    cells = [["", *columns]] + [[name, *(text(values.get(c, "")) for c in columns)] for name, values in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns) + 1)]
    print(f"\n## {title}")
    for line in cells:
        padded = zip(line, widths, strict=True)
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(padded)))


def plain(value):
    """``value`` for JSON: NaN becomes null, numpy becomes Python."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", type=Path, default=HERE / "data", help="default: data beside this program")
    p.add_argument("--command", required=True)
    p.add_argument("--sets", default=",".join(SETS), help="default: all there are")
    p.add_argument("--threshold", type=float, default=0.99)
    p.add_argument("--declared", action="store_true", help="tell the command every sensor's range, as NAB does")
    p.add_argument("--before", type=Path, help="data folder with the machines' earlier life")
    p.add_argument("--seeds", type=numbers, default=numbers("1-8"), help="machines of the sets ageing and plant")
    p.add_argument("--json", type=Path)
    p.add_argument("--work", type=Path, help="keep inputs and scores here")
    p.add_argument("--rescore", action="store_true", help="do not run, score what an earlier run left in --work")
    p.add_argument("--verbose", action="store_true", help="print every machine of the sets ageing and plant too")
    a = p.parse_args()
    if a.rescore and not a.work:
        p.error("--rescore needs --work")
    names = a.sets.split(",")
    unknown = [n for n in names if n not in SETS]
    if unknown:
        p.error(f"no set {', '.join(unknown)}; there are {', '.join(SETS)}")
    peers_file = next(f for f in (a.data / "peers.json", HERE / "peers.json") if f.exists())
    peers = json.loads(peers_file.read_text())

    healthy: list[calibration.Stream] = []
    report = {"command": a.command, "threshold": a.threshold, "declared": a.declared, "sets": {}}
    with tempfile.TemporaryDirectory() as temporary:
        work = a.work or Path(temporary)
        start = 0.0 if a.rescore else start_up(a.command, work)
        print(
            f"# {a.command}   fixed threshold {a.threshold:g}   "
            + ("declared ranges   " if a.declared else "")
            + ("scores of an earlier run" if a.rescore else f"start-up {start:.2f} s")
        )
        for name in names:
            try:
                units = prepare(name, a.data, work / name / "in", a.before, a.seeds)
            except FileNotFoundError as missing:
                print(f"{name}: left out, no {missing.filename}; see {README}")
                continue
            out = work / name / "out"
            command = a.command
            if a.declared:
                declare(units, work / name / "declared.yaml")
                command += f" --config {shlex.quote(str(work / name / 'declared.yaml'))}"
            seconds = 0.0 if a.rescore else run(command, [u.path for u in units], out)
            scored = [read(u, out) for u in units]
            rows = sum(u.rows for u in units)
            tables = getattr(scorers, name)(scored, a.threshold)
            for title, lines in tables.items():
                if not title.endswith(": every machine") or a.verbose:
                    show(title, lines + list(peers.get(title, {}).items()))
            entry = {"machines": len(units), "rows": rows, "tables": {t: dict(lines) for t, lines in tables.items()}}
            note = f"{name}: {len(units)} machines, {rows} rows"
            if not a.rescore:
                ahead = looks_ahead(command, scored, work / name)
                entry |= {
                    "seconds": seconds,
                    "us_per_row": 1e6 * max(seconds - start, 0.0) / rows,
                    "look_ahead": ahead,
                }
                note += f", {seconds:.1f} s, {entry['us_per_row']:.1f} us/row after start-up, " + (
                    "online"
                    if ahead < 1e-9
                    else f"NOT ONLINE: scores change by {ahead:.3g} when later rows are cut off"
                )
            print(note, flush=True)
            report["sets"][name] = entry
            healthy += calibration.streams(name, scored, a.threshold)
        if len(report["sets"]) > 1:
            lines = calibration.table(healthy)
            show(calibration.TITLE, lines)
            report["calibration"] = {"tables": {calibration.TITLE: dict(lines)}}
    if a.json:
        a.json.write_text(json.dumps(plain(report), indent=1) + "\n")


if __name__ == "__main__":
    main()
