"""What the network of each recorded machine does for a reading, beside a dense autoencoder.

`python benchmarks/energy.py` prints the table of docs/device.md, "Events and energy": all of `sample_data`, played to
the service's own engine from the first row to the last, and simulated machines of more sensors; some ten seconds.
Counts are exact, energies are estimates of `pipeline/engine/energies.py`.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from device import MACHINE, ROOT, SECOND, START, Table

from pipeline.engine.account import Account
from pipeline.engine.energies import CHIPS
from pipeline.engine.engine import Engine
from pipeline.records import Reading

BATCH = 500
WIDE = (64, 256)  # sensors
ROWS = 2000


def recorded(path: Path) -> Table:
    """The sensors of a recording."""
    table: Table = pd.read_csv(path).select_dtypes("number").to_numpy(float)
    return table


def simulated(sensors: int) -> Table:
    """A load that all sensors follow, each with noise of its own."""
    rng = np.random.default_rng(sensors)
    load = np.cumsum(rng.normal(size=ROWS))[:, None] * 0.1
    table: Table = 50.0 + load * rng.normal(size=sensors) + rng.normal(size=(ROWS, sensors))
    return table


def counted(table: Table) -> tuple[int, Account]:
    """Readings, and what the network has done for one of them."""
    engine = Engine()
    for begin in range(0, len(table), BATCH):
        rows = enumerate(table[begin : begin + BATCH].tolist(), begin)
        engine.step(
            engine.arrange(
                [
                    Reading(MACHINE, f"s{number}", START + at * SECOND, value)
                    for number, value in enumerate(row)
                    if np.isfinite(value)
                ]
                for at, row in rows
            )
        )
    engine.finish()
    account = engine.account(0)
    assert account is not None
    return int(np.isfinite(table).sum()), account


def main() -> None:
    recordings = [(path.name.split(".")[0], recorded(path)) for path in sorted(ROOT.glob("sample_data/*.csv.gz"))]
    energies = " | ".join(f"{chip.name}, nJ" for chip in CHIPS)
    print(
        f"| machine | sensors, readings | spikes | synaptic operations | multiply-adds | {energies} "
        f"| dense autoencoder, multiply-adds | {CHIPS[0].name}, nJ |"
    )
    print("|---" * (7 + len(CHIPS)) + "|")
    for name, table in [*recordings, *(("simulated", simulated(sensors)) for sensors in WIDE)]:
        readings, one = counted(table)
        own = " | ".join(f"{energy.nj:.2f}" for energy in one.energies)
        print(
            f"| {name.replace('-', ' ')} | {table.shape[1]}, {readings:,} | {one.spikes:.1f} | {one.synapses:,.0f} "
            f"| {one.products:,.0f} | {own} | {one.dense_products:,.0f} | {one.energies[0].dense_nj:.2f} |"
        )


if __name__ == "__main__":
    main()
