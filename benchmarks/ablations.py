"""What each population is worth: the quality board once per variant of the network, the figures side by side.

    python benchmarks/ablations.py --data DIR [--board benchmarks/quality/board.py] [--json FILE]

A variant leaves one population out of the dendrite, or stops all learning at a row. The learning of the others is not
touched, so a difference is what the population says, not what it teaches. Figures below a point on NAB are noise.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.network import NAMES
from pipeline.network.parameters import Params

HERE = Path(__file__).parent
FREEZE_AT = 750
SETS = "nab,smap_msl,skab,femto,cmapss_fd001,gas_turbine,ageing,plant"
# Column, and where the board's JSON has it: set, table, line, figure.
FIGURES = (
    ("NAB best", "nab", "nab", "this, best threshold", "standard"),
    ("NAB fixed", "nab", "nab", "this, fixed threshold", "standard"),
    ("SMAP found", "smap_msl", "smap_msl", "this, fixed threshold", "found %"),
    ("SMAP false", "smap_msl", "smap_msl", "this, fixed threshold", "false/1000"),
    ("SKAB F1", "skab", "skab: rows in anomaly", "this, fixed threshold", "F1"),
    ("SKAB FAR", "skab", "skab: rows in anomaly", "this, fixed threshold", "FAR %"),
    ("FEMTO %", "femto", "femto", "this, fixed threshold", "false rows %"),
    ("engines", "cmapss_fd001", "cmapss_fd001", "this, fixed threshold", "found"),
    ("turbine %", "gas_turbine", "gas_turbine: every alarm is false", "this, fixed threshold", "2013 rows %"),
    ("its steps", "gas_turbine", "gas_turbine: added steps of 48 h", "this, fixed threshold", "found %"),
    ("false/10k", "ageing", "ageing: false alarms and persistence", "this, median machine", "false/10k"),
    ("worst", "ageing", "ageing: false alarms and persistence", "this, worst machine", "false/10k"),
    ("in alarm", "ageing", "ageing: false alarms and persistence", "this, median machine", "held in alarm %"),
    ("a blind", "plant", "plant: healthy life", "this, a constants", "blind %"),
    ("a rows %", "plant", "plant: healthy life", "this, a constants", "rows % median"),
    ("a longest", "plant", "plant: healthy life", "this, a constants", "longest rows"),
    ("b blind", "plant", "plant: healthy life", "this, b discrete", "blind %"),
    ("b rows %", "plant", "plant: healthy life", "this, b discrete", "rows % median"),
    ("b longest", "plant", "plant: healthy life", "this, b discrete", "longest rows"),
    ("moved found", "plant", "plant: faults by family", "this, once a constant has moved", "found %"),
    ("moved held", "plant", "plant: faults by family", "this, once a constant has moved", "held %"),
    ("plant found", "plant", "plant: faults by family", "this, all", "found %"),
    ("plant held", "plant", "plant: faults by family", "this, all", "held %"),
)
FAULTS = ("ageing", "ageing: faults", "this, found %")  # a figure per kind of fault


def variants() -> Iterator[tuple[str, list[str]]]:
    """Name and options of `spikewatch score` of each."""
    yield "everything", []
    for name, weight in zip(NAMES, Params().weights, strict=True):
        if weight > 0.0:
            yield f"without {name}", ["--without", f"'{name}'"]
    yield "with context", ["--with-context"]
    yield f"frozen at row {FREEZE_AT}", ["--freeze-at", str(FREEZE_AT)]


def measured(board: Path, data: Path, sets: str, options: list[str]) -> dict[str, Any]:
    """What the board says of one variant; the board's own words show where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = " ".join([sys.executable, "-m", "pipeline", "score", *options])
        call = [sys.executable, board, "--data", data, "--command", command, "--sets", sets, "--json", found]
        done = subprocess.run([*map(str, call)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(done.stdout)
        return json.loads(found.read_text())["sets"]


def chosen(report: dict[str, Any]) -> dict[str, float | None]:
    """The figures of the table; those of sets that were not run are left out, those of no machine are None."""
    figures = {}
    for name, part, table, line, key in FIGURES:
        if part in report:
            lines = report[part]["tables"][table]
            figures[name] = lines[line][key] if line in lines else None
    part, table, line = FAULTS
    if part in report:
        figures |= report[part]["tables"][table][line]
    return figures


def main() -> None:
    """Print a line per variant as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the board's data sets")
    parser.add_argument("--board", type=Path, default=HERE / "quality" / "board.py")
    parser.add_argument("--sets", default=SETS)
    parser.add_argument("--json", type=Path, help="all chosen figures")
    options = parser.parse_args()
    if not options.board.exists():
        parser.error(f"no board at {options.board}; name one with --board")
    table = {}
    for name, extra in variants():
        figures = chosen(measured(options.board, options.data, options.sets, extra))
        if not table:
            print(" " * 22 + "".join(f"{column:>12}" for column in figures))
        table[name] = figures
        cells = (
            "-" if value is None else f"{value:.3f}" if value < 1 else f"{value:.1f}" for value in figures.values()
        )
        print(f"{name:22}" + "".join(f"{cell:>12}" for cell in cells), flush=True)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
