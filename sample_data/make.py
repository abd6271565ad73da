"""How the recordings in this folder were made from their sources; see README.md beside this file.

    python make.py NAB_FOLDER UR3_FOLDER HYDRAULIC_FOLDER

Each folder is laid out as its source's (see README.md). Compression is deterministic: the same input gives the same
bytes.
"""

import gzip
import json
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
HYDRAULIC_START = pd.Timestamp("2015-01-01T00:00:00Z")  # made up: the source has no clock, only cycles of 60 s
HYDRAULIC_CYCLES = (560, 900)  # the cooler's condition is changed once in this stretch
CHANGE_CYCLES = 10  # a change of condition is labelled for so many cycles


def write(name: str, table: pd.DataFrame) -> None:
    """Write a gzip without a time stamp of its own."""
    text = table.to_csv(index=False).encode()
    (HERE / name).write_bytes(gzip.compress(text, 9, mtime=0))


def machine_temperature(folder: Path) -> list[dict[str, str]]:
    """The temperature of a large industrial machine, every five minutes, with its failures."""
    key = "realKnownCause/machine_temperature_system_failure.csv"
    path = folder / "data" / key
    table = pd.read_csv(path if path.exists() else path.with_name(path.name + ".gz"))
    write("machine-temperature.csv.gz", table.rename(columns={"timestamp": "time", "value": "temperature"}))
    windows = json.loads((folder / "labels" / "combined_windows.json").read_text())[key]
    return [{"start": a[:19] + "Z", "end": b[:19] + "Z", "what": "labelled failure"} for a, b in windows]


def robot(folder: Path) -> list[dict[str, str]]:
    """A session of a UR3 arm, once a second, with its protective stops and grip losses."""
    table = pd.read_csv(folder / "session1.csv.gz")
    labels = ("num", "cycle", "protective_stop", "grip_lost")
    write("ur3-robot.csv.gz", table.drop(columns=list(labels)).rename(columns={"timestamp": "time"}))
    truth = json.loads((folder / "truth.json").read_text())
    stamp = table["timestamp"]
    events = []
    for kind, what in (("protective_stop_events", "protective stop"), ("grip_lost_events", "grip lost")):
        for start, end in truth[kind]:
            events.append({"start": stamp[start], "end": stamp[min(end, len(stamp) - 1)], "what": what})
    return sorted(events, key=lambda event: event["start"])


def hydraulic(folder: Path) -> list[dict[str, str]]:
    """A stretch of the hydraulic rig, once a second, in which the cooler's condition changes."""
    first, last = HYDRAULIC_CYCLES
    table = pd.read_csv(folder / "stream_1hz.csv.gz")
    table = table[(table["cycle"] >= first) & (table["cycle"] < last)]
    seconds = pd.to_timedelta((table["cycle"] - first) * 60 + table["sec"], unit="s")
    table.insert(0, "time", (HYDRAULIC_START + seconds).dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    write("hydraulic-rig.csv.gz", table.drop(columns=["cycle", "sec"]))
    profile = pd.read_csv(folder / "profile.csv.gz")
    cooler = profile["cooler"].iloc[first:last].reset_index(drop=True)
    events = []
    for cycle in cooler.index[1:][cooler.diff().iloc[1:] != 0]:
        start = HYDRAULIC_START + pd.Timedelta(minutes=int(cycle))
        what = f"cooler set from {cooler[cycle - 1]} % to {cooler[cycle]} %"
        end = start + pd.Timedelta(minutes=CHANGE_CYCLES)
        events.append({"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{end:%Y-%m-%dT%H:%M:%SZ}", "what": what})
    return events


def main() -> None:
    """Make everything."""
    nab, ur3, rig = (Path(argument) for argument in sys.argv[1:4])
    labels = {
        "machine-temperature": machine_temperature(nab),
        "ur3-robot": robot(ur3),
        "hydraulic-rig": hydraulic(rig),
    }
    (HERE / "labels.json").write_text(json.dumps(labels, indent=1) + "\n")


if __name__ == "__main__":
    main()
