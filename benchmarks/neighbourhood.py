"""How much of a figure is luck: the quality board over networks whose constants are all shaken.

    python benchmarks/neighbourhood.py --data DIR [--draws 8] [--shake 0.2] [--sets nab,skab,ageing] [--of bits=4]
                                       [--json FILE]

Every constant of the network is multiplied by exp(u), u uniform in [-shake, shake], all at once, another draw each
time. A choice that only holds at one point of that neighbourhood has been tuned to the files and would not hold on
others. Prints the figures as they are, then the mean and the standard deviation over the draws.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "quality")]

import scorers  # noqa: E402
import variants  # noqa: E402
from ablations import SETS, chosen  # noqa: E402
from corpus import Unit, prepare  # noqa: E402

if "--of" in sys.argv:  # before the network is imported
    variants.use(sys.argv[sys.argv.index("--of") + 1])

from pipeline.network.parameters import Params  # noqa: E402
from pipeline.recordings.score import score  # noqa: E402
from pipeline.recordings.tables import read_table  # noqa: E402

THRESHOLD = 0.99


def shaken(value: Any, rng: np.random.Generator, shake: float) -> Any:
    """`value` with every number in it multiplied.

    0, 1 and infinity are no quantities but say off, on and never; a growth, just over 1, is shaken in what it adds.
    """
    if isinstance(value, tuple):
        parts = [shaken(part, rng, shake) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if not isinstance(value, float) or value in (0.0, 1.0) or not np.isfinite(value):
        return value
    factor = float(np.exp(rng.uniform(-shake, shake)))
    return 1.0 + (value - 1.0) * factor if 1.0 < value < 1.25 else value * factor


def measured(units: dict[str, list[Unit]], params: Params) -> dict[str, float]:
    """The figures of a network with these constants."""
    report: dict[str, Any] = {}
    for name, members in units.items():
        scored = []
        for unit in members:
            found = score(read_table(unit.path, "time"), params=params)
            scored.append(scorers.Scored(unit, found.score, np.array(found.cause)))
        tables = getattr(scorers, name)(scored, THRESHOLD)
        report[name] = {"tables": {title: dict(lines) for title, lines in tables.items()}}
    return {name: float("nan") if value is None else float(value) for name, value in chosen(report).items()}


def main() -> None:
    """Print a line per draw as it is measured, then what they have in common."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the board's data sets")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--shake", type=float, default=0.2)
    parser.add_argument("--sets", default=SETS)
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=range(1, 9), help="machines of the sets ageing and plant"
    )
    parser.add_argument("--of", default="", help="another network: bits=4,neurons=32, as of variants.py")
    parser.add_argument("--json", type=Path, help="the figures of every draw")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        units = {
            name: list(prepare(name, options.data, Path(folder) / name, None, list(options.seeds)))
            for name in options.sets.split(",")
        }
        lines = {"as it is": measured(units, Params())}
        print(" " * 12 + "".join(f"{name:>12}" for name in lines["as it is"]))
        show("as it is", lines["as it is"])
        for draw in range(options.draws):
            name = f"draw {draw + 1}"
            lines[name] = measured(units, shaken(Params(), rng, options.shake))
            show(name, lines[name])
    table = np.array([list(figures.values()) for name, figures in lines.items() if name != "as it is"])
    show("mean", dict(zip(lines["as it is"], table.mean(0), strict=True)))
    show("deviation", dict(zip(lines["as it is"], table.std(0), strict=True)))
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1) + "\n")


def show(name: str, figures: dict[str, float]) -> None:
    """One line of the table."""
    print(f"{name:12}" + "".join(f"{value:12.3f}" for value in figures.values()), flush=True)


if __name__ == "__main__":
    main()
