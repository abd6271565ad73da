"""How the recordings in this folder were made from what their authors publish; see README.md beside this file.

    python make.py --nab NAB --robot dataset_02052023.xlsx --rig HYDRAULIC

NAB is a checkout of the Numenta Anomaly Benchmark, HYDRAULIC the unpacked archive of UCI dataset 447. The robot's
workbook, UCI dataset 963, may also be saved as CSV; reading it as it is needs openpyxl. Compression carries no time
stamp: the same input gives the same bytes, as long as zlib stays the same.
"""

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.commissioning.faults import Fault, Kind
from pipeline.commissioning.plant import Plant, sensor_names

HERE = Path(__file__).parent

SERIES = "realKnownCause/machine_temperature_system_failure.csv"
# NAB labels four anomalies of this series and describes three; that these are the last three is our reading.
CAUSES = (
    "anomaly, cause not published",
    "planned shutdown",
    "hard to see, led to the failure",
    "catastrophic failure",
)

PAUSE = pd.Timedelta(hours=1)  # ends a session of the robot
ROBOT_NAMES = {
    "Num": "num",
    "Timestamp": "timestamp",
    "Temperature_T0": "Temperature_J0",  # the other joints' are called _J
    "Robot_ProtectiveStop": "protective_stop",
}
EVENTS = {"protective_stop": "protective stop", "grip_lost": "grip lost"}

RIG_SENSORS = ("TS1", "TS2", "TS3", "TS4", "VS1", "CE", "CP", "SE")  # those with one value a second
RIG_CYCLES = (560, 900)  # the cooler's condition is changed once in this stretch
RIG_START = pd.Timestamp("2015-01-01T00:00:00Z")  # made up: the source has no clock, only cycles of 60 s
RIG_LABEL = pd.Timedelta(minutes=10)  # from the change on

PRESS_SENSORS, PRESS_ROWS, PRESS_FAULT, PRESS_SEED = 5, 9_000, 7_800, 7  # a row a minute
PRESS_START = pd.Timestamp("2025-01-01T00:00:00Z")

Event = dict[str, str]


def iso(moment: pd.Timestamp) -> str:
    """To the second, in UTC."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def write(name: str, table: pd.DataFrame) -> None:
    """Write a gzip without a time stamp of its own."""
    (HERE / name).write_bytes(gzip.compress(table.to_csv(index=False).encode(), 9, mtime=0))


def machine_temperature(folder: Path) -> list[Event]:
    """The temperature of a large industrial machine, every five minutes, with its failures."""
    path = folder / "data" / SERIES
    table = pd.read_csv(path if path.exists() else path.with_name(path.name + ".gz"))
    write("machine-temperature.csv.gz", table.rename(columns={"timestamp": "time", "value": "temperature"}))
    windows = json.loads((folder / "labels" / "combined_windows.json").read_text())[SERIES]
    points = json.loads((folder / "labels" / "combined_labels.json").read_text())[SERIES]
    return [
        {"start": iso(pd.Timestamp(start)), "end": iso(pd.Timestamp(end)), "at": iso(pd.Timestamp(at)), "what": what}
        for (start, end), at, what in zip(windows, points, CAUSES, strict=True)
    ]


def robot(path: Path) -> list[Event]:
    """The first session of a UR3 arm, once a second, with its protective stops and lost grips."""
    table = pd.read_excel(path) if path.suffix == ".xlsx" else pd.read_csv(path)
    table = table.rename(columns=str.strip).rename(columns=ROBOT_NAMES)
    stamps = table["timestamp"].str.strip('"')
    pauses = np.flatnonzero(pd.to_datetime(stamps).diff() > PAUSE)
    table = table[: pauses[0]] if len(pauses) else table
    sensors = table.drop(columns=["num", "timestamp", "cycle", *EVENTS])
    sensors = sensors.map(lambda value: float(f"{value:.7g}"))  # what a float32 holds
    sensors.insert(0, "time", stamps)
    write("ur3-robot.csv.gz", sensors)
    events = []
    for column, what in EVENTS.items():
        on = table[column].isin([1, True, "True", "true"]).astype(int)
        edges = np.diff(on, prepend=0, append=0)
        for start, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            events.append({"start": stamps[start], "end": stamps[min(end, len(table) - 1)], "what": what})
    return sorted(events, key=lambda event: event["start"])


def hydraulic_rig(folder: Path) -> list[Event]:
    """A stretch of a hydraulic test rig, once a second, in which the cooler's condition changes."""
    first, end = RIG_CYCLES
    columns = {name: np.loadtxt(folder / f"{name}.txt", ndmin=2)[first:end].ravel() for name in RIG_SENSORS}
    table = pd.DataFrame(columns)
    table.insert(0, "time", [iso(RIG_START + pd.Timedelta(seconds=second)) for second in range(len(table))])
    write("hydraulic-rig.csv.gz", table)
    cooler = np.loadtxt(folder / "profile.txt", dtype=int, ndmin=2)[first:end, 0]
    events = []
    for cycle in np.flatnonzero(np.diff(cooler)) + 1:
        start = RIG_START + pd.Timedelta(minutes=int(cycle))
        what = f"cooler set from {cooler[cycle - 1]} % to {cooler[cycle]} %"
        events.append({"start": iso(start), "end": iso(start + RIG_LABEL), "what": what})
    return events


def simulated_press() -> list[Event]:
    """A press that exists in numbers only, and whose bearing breaks; of `spikewatch simulate`."""
    plant = Plant(1, PRESS_SENSORS, 60.0, PRESS_SEED, (Fault(Kind.BEARING, 0, PRESS_FAULT),))
    table = pd.DataFrame([plant.next()[0] for _ in range(PRESS_ROWS)], columns=sensor_names(PRESS_SENSORS)).round(2)
    stamps = [iso(PRESS_START + pd.Timedelta(minutes=minute)) for minute in range(PRESS_ROWS)]
    table.insert(0, "time", stamps)
    write("simulated-press.csv.gz", table)
    return [{"start": stamps[PRESS_FAULT], "end": stamps[-1], "what": "bearing breaks (simulated)"}]


def main() -> None:
    """Make everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nab", type=Path, required=True)
    parser.add_argument("--robot", type=Path, required=True)
    parser.add_argument("--rig", type=Path, required=True)
    options = parser.parse_args()
    labels = {
        "machine-temperature": machine_temperature(options.nab),
        "ur3-robot": robot(options.robot),
        "hydraulic-rig": hydraulic_rig(options.rig),
        "simulated-press": simulated_press(),
    }
    (HERE / "labels.json").write_text(json.dumps(labels, indent=1) + "\n")


if __name__ == "__main__":
    main()
