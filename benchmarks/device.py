"""A machine on microcontrollers: does it score as on the gateway, what does it take, what is learning there worth?

`python benchmarks/device.py` needs gcc, gcc-arm-none-eabi and qemu-system-arm; about four minutes. Recorded machines
learn on the gateway first, and are exported; what follows is played to the gateway's network (doubles), to the
program on this computer, and to emulated Cortex-M3, M4F and M33. The last table is of a simulated machine that
drifts, as it ages, by more than it has ever shown, and then breaks: with learning on the device and without.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.device.export import export
from pipeline.engine.engine import Engine
from pipeline.records import Machine, Reading

ROOT = Path(__file__).parent.parent
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
MACHINE = Machine("machine")
READINGS = 50_000
LEARN = 1 / 3  # share of a recording that the gateway sees first
RECORDINGS = ("hydraulic-rig", "machine-temperature", "simulated-press")
CPUS = ("m3", "m4f", "m33")
ALARM = 0.99
Table = NDArray[np.float64]


class Run(NamedTuple):
    """What a device said of the rows that followed."""

    rows: int
    alarms: int
    other_side: int
    apart_ppm: int
    farthest_ppm: int
    check: int
    instructions_a_reading: int = 0
    instructions_longest_row: int = 0
    stack_bytes: int = 0


def learned(table: Table, frozen: bool = False) -> Engine:
    """The gateway after these rows, one a second."""
    engine = Engine()
    for begin in range(0, len(table), 500):
        rows = table[begin : begin + 500]
        engine.step(
            engine.arrange(
                [
                    Reading(MACHINE, f"s{i}", START + (begin + at) * SECOND, value)
                    for i, value in enumerate(row)
                    if np.isfinite(value)
                ]
                for at, row in enumerate(rows.tolist())
            )
        )
    if frozen:
        engine.freeze(0)
    return engine


def made(folder: Path, target: str, cpu: str = "m4f") -> str:
    """What a target of the program prints."""
    order = ["make", "-s", "-C", str(folder), target, f"CPU={cpu}"]
    found = subprocess.run(order, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if "rows" not in found.stdout and found.returncode:
        raise SystemExit(found.stdout)
    return found.stdout


def run(text: str) -> Run:
    """The figures of a run."""
    return Run(**{name: int(number) for name, number in re.findall(r"(\w+) (-?\d+)", text) if name in Run._fields})


def sizes(folder: Path, cpu: str) -> tuple[int, int]:
    """Bytes of flash without the golden vectors and the machine's image, and of static RAM."""
    names = ["golden_value", "golden_score", "machine_image", "machine_parameters"]
    listed = subprocess.run(
        ["arm-none-eabi-nm", "-S", str(folder / "build" / f"golden-{cpu}.elf")],
        check=True,
        capture_output=True,
        text=True,
    )
    data = sum(int(size, 16) for size, name in re.findall(r" ([0-9a-f]{8}) \w (\S+)", listed.stdout) if name in names)
    text, own, bss = map(int, made(folder, "size", cpu).splitlines()[-1].split()[:3])
    return text + own - data, own + bss


def recorded(name: str) -> Table:
    """The sensors of a recording, at most sixteen."""
    table = pd.read_csv(ROOT / "sample_data" / f"{name}.csv.gz").select_dtypes("number")
    return table.iloc[:, :16].to_numpy(np.float32).astype(float)


def compare(name: str, cpus: tuple[str, ...]) -> None:
    """A recording on the gateway and on devices."""
    table = recorded(name)
    begin = int(LEARN * len(table))
    follow = table[begin:][: -(-READINGS // table.shape[1])]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "program"
        exported = export(learned(table[:begin]), 0, folder, follow.astype(np.float32))
        here = run(made(folder, "check"))
        print(
            f"\n{name}: {table.shape[1]} sensors, {follow.size:,} readings, {here.alarms} rows in alarm; "
            f"{here.other_side} rows on the other side of {ALARM}, {here.farthest_ppm / 1e6:.4f} from it at most; "
            f"scores apart by {here.apart_ppm / 1e6:.4f} at most"
        )
        for cpu in cpus:
            there = run(made(folder, "qemu", cpu))
            flash, ram = sizes(folder, cpu)
            same = "the same bits as here" if there.check == here.check else "OTHER BITS THAN HERE"
            print(
                f"  {cpu:4} {same}; code {flash:,} B, learned {exported.block_bytes:,} B, RAM {ram:,} + stack "
                f"{there.stack_bytes:,} B, instructions a reading {there.instructions_a_reading:,}, "
                f"longest row {there.instructions_longest_row:,}"
            )


def ageing(rows: int = 24_000, seed: int = 3) -> tuple[Table, int, int]:
    """A machine whose load goes up and down; from a third on it drifts, at five sixths its second sensor breaks."""
    rng = np.random.default_rng(seed)
    load = np.cumsum(rng.normal(size=rows)) * 0.05
    load -= np.linspace(0, load[-1], rows)
    table = 50 + load[:, None] * np.array([1.0, 0.6, -0.8]) + rng.normal(size=(rows, 3)) * 0.5
    drifts, breaks = rows // 3, rows * 5 // 6
    table[drifts:] += np.linspace(0, 1, rows - drifts)[:, None] * np.array([0.0, 5.0, 3.0])
    table[breaks:, 1] += 4.0
    return table.astype(np.float32).astype(float), drifts, breaks


def learning(out: Path | None) -> None:
    """What learning on the device is worth."""
    table, drifts, breaks = ageing()
    print("\nageing on the device, then a fault (rows in alarm of those before the fault, and of those in it):")
    said = {}
    for frozen in (False, True):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "program"
            export(learned(table[:drifts], frozen), 0, folder)
            made(folder, "host")
            lines = [
                f"{START // SECOND + drifts + at}," + ",".join(map(repr, row))
                for at, row in enumerate(table[drifts:].tolist())
            ]
            scored = subprocess.run(
                [folder / "build" / "host"], input="\n".join(lines) + "\n", check=True, capture_output=True, text=True
            )
        score = np.array([float(line.split(",")[1]) for line in scored.stdout.splitlines()[1:]])
        before, within = score[: breaks - drifts], score[breaks - drifts :]
        name = "frozen" if frozen else "learning"
        said[name] = score
        first = int(np.argmax(within >= ALARM)) if (within >= ALARM).any() else -1
        print(
            f"  {name:8} {(before >= ALARM).sum():5} of {len(before)}, {(within >= ALARM).sum():5} of {len(within)};"
            f" first alarm of the fault after {first} rows"
        )
    if out is not None:
        draw(out, table, drifts, breaks, said)


def draw(out: Path, table: Table, drifts: int, breaks: int, said: dict[str, Table]) -> None:
    """The picture of `docs/device.md`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True)
    axes[0].plot(table, linewidth=0.5)
    axes[0].set_ylabel("readings")
    for axis, (name, score) in zip(axes[1:], said.items(), strict=True):
        at = np.arange(drifts, drifts + len(score))
        axis.plot(at, score, linewidth=0.6, color="0.4")
        alarms = score >= ALARM
        axis.plot(at[alarms], score[alarms], ".", markersize=2, color="tab:red")
        axis.set_ylabel(f"score, {name}")
        axis.set_ylim(0, 1.02)
    for axis in axes:
        axis.axvline(drifts, color="0.7", linestyle="--", linewidth=0.8)
        axis.axvline(breaks, color="tab:red", linestyle="--", linewidth=0.8)
    axes[-1].set_xlabel("row; dashed: exported to the device, and the fault")
    figure.savefig(out, dpi=100)


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpus", default=",".join(CPUS), help="of m3, m4f and m33")
    parser.add_argument("--picture", type=Path, help="write the picture of docs/device.md")
    given = parser.parse_args()
    for name in RECORDINGS:
        compare(name, tuple(given.cpus.split(",")))
    learning(given.picture)


if __name__ == "__main__":
    sys.exit(main())
