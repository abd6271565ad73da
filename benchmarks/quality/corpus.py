"""The corpus as machines: one clean input file and one truth per unit.

``prepare(name, data, work)`` writes an input file per unit of the set ``name``
(a column ``time``, then nothing but sensors) and returns the units.  ``data``
is a folder laid out as README.md says; a hold-out is another.
Labels, counts of rows and scripted settings never reach an input file.  All row
numbers in a truth are 0-based rows of the prepared file, intervals half-open.

``before`` names a data folder with the earlier life of the same machine: sets
that cut one machine's life in two (gas_turbine, munich_bridge) play it first,
unscored.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import ageing
import nab_score
import numpy as np
import pandas as pd
import plant

EPOCH = pd.Timestamp("2020-01-01")


@dataclass(frozen=True)
class Unit:
    """One machine: its name, prepared input file, number of rows, and truth."""

    name: str
    path: Path
    rows: int
    truth: dict = field(repr=False)


Units = Iterator[tuple[str, pd.DataFrame, dict]]


def _clock(rows: int, period_s: float) -> pd.DatetimeIndex:
    """A made-up time axis at the true sampling period, for sources without one."""
    return EPOCH + pd.to_timedelta(np.arange(rows) * period_s, unit="s")


def _timed(time, sensors: pd.DataFrame) -> pd.DataFrame:
    frame = sensors.copy()
    frame.insert(0, "time", pd.DatetimeIndex(time).strftime("%Y-%m-%dT%H:%M:%S.%f"))
    return frame


def _missing(path: Path) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _truth(folder: Path) -> dict:
    return json.loads((folder / "truth.json").read_text())


def nab(folder: Path, before: Path | None) -> Units:
    for key, (stamps, windows) in nab_score.load_windows(folder).items():
        path = folder / "data" / key
        path = path if path.exists() else path.with_name(path.name + ".gz")
        category, file = key.split("/")
        truth = {"category": category, "windows": windows}
        yield f"{category}-{file.removesuffix('.csv')}", _timed(stamps, pd.read_csv(path)[["value"]]), truth


def skab(folder: Path, before: Path | None) -> Units:
    for path in sorted((folder / "data").glob("*/*.csv*")):
        table = pd.read_csv(path, sep=";")
        stamps = pd.to_datetime(table["datetime"])
        truth = {"seconds": (stamps - stamps[0]).dt.total_seconds().to_numpy()}
        for label in ("anomaly", "changepoint"):
            truth[label] = table[label].to_numpy() > 0.5 if label in table else None
        sensors = table.drop(columns=["datetime", "anomaly", "changepoint"], errors="ignore")
        name = path.name.split(".")[0]
        name = name if name == path.parent.name else f"{path.parent.name}-{name}"
        yield name, _timed(stamps, sensors), truth


def femto(folder: Path, before: Path | None) -> Units:
    for name, unit in _truth(folder)["units"].items():
        table = pd.read_csv(folder / "features" / f"{name}.csv.gz")
        truth = {part: unit[part] for part in ("healthy", "ageing", "degraded", "failure")}
        truth["clean"] = unit["healthy_clean"]
        yield name, _timed(_clock(len(table), 10), table.drop(columns=["i", "t_s"])), truth


def cmapss_fd001(folder: Path, before: Path | None) -> Units:
    runs = pd.read_csv(folder / "fd001_runs.csv.gz")
    for number, unit in _truth(folder)["units"].items():
        table = runs[runs["unit"] == int(number)].drop(columns=["unit", "cycle"])
        truth = {  # cycles count from 1
            part: [cycle - 1 for cycle in unit[part]] if unit[part] else None
            for part in ("healthy", "ageing", "degraded")
        }
        truth |= {"failure": unit["failure"] - 1, "clean": True}
        yield f"engine{int(number):03d}", _timed(_clock(len(table), 86_400), table), truth


def gas_turbine(folder: Path, before: Path | None) -> Units:
    """The turbine as it was, and a copy with known steps that shows who is awake."""

    def years(where: Path) -> dict[str, pd.DataFrame]:
        return {p.name[3:7]: pd.read_csv(p) for p in sorted(where.glob("gt_*.csv*"))}

    known = years(before / folder.name) if before else {}
    tables = known | years(folder)
    bounds, row = {}, 0
    for year, table in tables.items():
        if year not in known:
            bounds[year] = (row, row + len(table))
        row += len(table)
    if not bounds:
        return
    sensors = pd.concat(tables.values(), ignore_index=True)
    time = _clock(len(sensors), 3600)
    yield "turbine", _timed(time, sensors), {"years": bounds}

    stepped, steps = sensors.copy(), []
    first = min(start for start, _ in bounds.values()) + 1000
    for k, start in enumerate(range(first, len(sensors) - 48, 613)):
        sensor = sensors.columns[k % len(sensors.columns)]
        month = sensors[sensor].iloc[start - 720 : start]
        size = 6 * 1.4826 * (month - month.median()).abs().median()
        column = stepped.columns.get_loc(sensor)
        stepped.iloc[start : start + 48, column] += size * (-1) ** (k // len(sensors.columns))
        steps.append((start, start + 48))
    yield "turbine_with_steps", _timed(time, stepped), {"steps": steps}


def hydraulic(folder: Path, before: Path | None) -> Units:
    table = pd.read_csv(folder / "stream_1hz.csv.gz")
    profile = pd.read_csv(folder / "profile.csv.gz")
    truth, first = _truth(folder), int(table["cycle"].iloc[0])

    def row(cycle):
        return (cycle - first) * 60

    parts = profile[["cooler", "valve", "pump", "accumulator"]]
    changed = parts.ne(parts.shift()).iloc[1:]
    kinds = {first + int(i): [c for c in parts if line[c]] for i, line in changed.iterrows() if line.any()}
    truth = {
        "changes": [(row(c), kinds.get(c, [])) for c in truth["changepoints_cycle"]],
        "constant": [(row(b["start"]), row(b["end"])) for b in truth["constant_blocks"]],
    }
    yield "rig", _timed(_clock(len(table), 1), table.drop(columns=["cycle", "sec"])), truth


def ur3_cobotops(folder: Path, before: Path | None) -> Units:
    truth = _truth(folder)
    for path in sorted(folder.glob("session*.csv.gz")):
        table = pd.read_csv(path)
        stamps = pd.to_datetime(table["timestamp"]).dt.tz_localize(None)
        drop = ["num", "timestamp", "cycle", "protective_stop", "grip_lost"]
        yield (
            path.name.split(".")[0],
            _timed(stamps, table.drop(columns=drop)),
            {
                "warmup": truth["warmup_rows"],
                "stop": truth["protective_stop_events"],
                "grip": truth["grip_lost_events"],
            },
        )


def smap_msl(folder: Path, before: Path | None) -> Units:
    """Telemetry value only, train part first; rows before ``scored`` are for learning."""
    for channel in json.loads((folder / "labels.json").read_text())["channels"]:
        with np.load(folder / "channels" / f"{channel['channel']}.npz") as parts:
            value = np.concatenate([parts["train"], parts["test"]])
            start = len(parts["train"])
        truth = {
            "scored": start,
            "anomalies": [(start + a, start + b + 1) for a, b in channel["anomalies"]],
        }
        yield channel["channel"], _timed(_clock(len(value), 60), pd.DataFrame({"value": value})), truth


def munich_bridge(folder: Path, before: Path | None) -> Units:
    """The day of the settlement as one stream with gaps; another day, intact, alone."""
    parts = []
    for where in ([before / folder.name] if before else []) + [folder]:
        for segment in _truth(where)["segments"]:
            table = pd.read_csv(where / f"{segment['segment']}.csv.gz")
            stamps = pd.to_datetime(table.pop("time"))
            parts.append((stamps, table, segment | {"scored": where == folder}))
    parts.sort(key=lambda part: part[0].iloc[0])
    days: dict[str, list] = {}
    for part in parts:
        days.setdefault(part[2]["start"][:10], []).append(part)
    for day, members in days.items():
        segments, row = [], 0
        for _, table, segment in members:
            segments.append(
                {
                    "name": segment["segment"],
                    "start": row,
                    "end": row + len(table),
                    "anomalous": segment["anomalous"],
                    "scored": segment["scored"],
                }
            )
            row += len(table)
        if any(s["scored"] for s in segments):
            sensors = pd.concat([table for _, table, _ in members], ignore_index=True)
            time = pd.concat([stamps for stamps, _, _ in members], ignore_index=True)
            yield f"bridge_{day}", _timed(time, sensors), {"segments": segments}


MADE = {"ageing": ageing.machines, "plant": plant.machines}  # from seeds, without data
SETS = {
    f.__name__: f
    for f in (
        nab,
        skab,
        femto,
        cmapss_fd001,
        gas_turbine,
        hydraulic,
        ur3_cobotops,
        smap_msl,
        munich_bridge,
    )
} | dict.fromkeys(MADE)


def prepare(name: str, data: Path, work: Path, before: Path | None = None, seeds=range(1, 9)) -> list[Unit]:
    """Write the inputs of one set into ``work`` and return its units; FileNotFoundError if its data is missing."""
    if name not in MADE and not (data / name).is_dir():
        raise _missing(data / name)
    work.mkdir(parents=True, exist_ok=True)
    source = MADE[name](seeds) if name in MADE else SETS[name](data / name, before)
    units = []
    for unit, frame, truth in source:
        path = work / f"{unit}.csv"
        frame.to_csv(path, index=False)
        units.append(Unit(unit, path, len(frame), truth))
    if not units:
        raise _missing(data / name / "*")
    return units
