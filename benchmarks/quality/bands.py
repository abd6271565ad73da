"""How many healthy readings lie inside the expected band, by number of sensors of the synthetic ageing machines.

    python benchmarks/quality/bands.py [--seeds 1-5,9]

Healthy are the rows of `ageing.healthy`; young ones are rows 100 to 2,000, in which nothing breaks. The width is that
of the band, in standard deviations of the sensor's healthy values: 6 would be three of them on either side, for ever.
"""

import argparse

import ageing
import numpy as np

from pipeline.recordings.score import score
from pipeline.recordings.tables import Table


def recording(name: str, frame) -> Table:
    """A machine's table as the reader of files makes it."""
    values = frame.drop(columns="time").to_numpy(float)
    times = frame["time"].to_numpy("datetime64[ns]").astype(np.int64)
    return Table(name, frame["time"].tolist(), times, list(frame.columns[1:]), values, [])


def main() -> None:
    """Print a line per machine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=ageing.numbers, default=[1, 9, 4, 2, 3, 5])
    print("machine     sensors   inside, healthy (worst sensor)   inside, young   width")
    for name, frame, truth in ageing.machines(parser.parse_args().seeds):
        table = recording(name, frame)
        told = score(table, explain=True).explained
        inside = np.where(np.isnan(told.low), np.nan, (table.values >= told.low) & (table.values <= told.high))
        fine, young = ageing.healthy(truth), slice(100, ageing.WARMUP)
        of_each = 100 * np.nanmean(inside[fine], axis=0)
        width = np.nanmedian((told.high - told.low)[fine], axis=0) / np.nanstd(table.values[fine], axis=0)
        print(
            f"{name} {truth['sensors']:8} {100 * np.nanmean(inside[fine]):15.2f} % ({of_each.min():.2f} %)"
            f" {100 * np.nanmean(inside[young]):18.2f} % {np.median(width):9.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
