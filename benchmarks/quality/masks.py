"""Which sensors are masked, and were they bad? On the synthetic machines that age and break, of several sensors.

    python benchmarks/quality/masks.py [--seeds 401-412]

A mask is put to what the machine's truth says of that sensor when the mask begins, or said at most 60 rows before; a
loss is readings that went missing, which is no fault. Below, of how many such faults the sensor was masked.
"""

import argparse
from collections import defaultdict

import ageing
import numpy as np
from bands import recording

from pipeline.engine.engine import Engine
from pipeline.recordings.score import batches
from pipeline.recordings.tables import Table

LATE = 60  # rows after a fault in which a mask still is its
MASKABLE = ("stuck", "dropout", "loss")


def masked(table: Table) -> np.ndarray:
    """(rows, sensors), whether a sensor has no part in the score after this row."""
    engine = Engine()
    found = np.zeros(table.values.shape, bool)
    for row, given in enumerate(batches(engine, table, 1)):
        engine.step(given)
        for sensor in engine.quality(0):
            found[row, table.sensors.index(sensor.sensor)] = sensor.masked
    return found


def main() -> None:
    """Print what was masked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=ageing.numbers, default=ageing.numbers("401-412"))
    masks, rows, faults, hit = defaultdict(int), defaultdict(int), defaultdict(int), defaultdict(int)
    machines = 0
    for name, frame, truth in ageing.machines(parser.parse_args().seeds):
        if truth["sensors"] == 1:
            continue
        machines += 1
        spells = [*truth["faults"], *({**loss, "kind": "loss"} for loss in truth["losses"])]
        found = masked(recording(name, frame))
        begins = found & ~np.vstack((np.zeros(truth["sensors"], bool), found[:-1]))
        for row, sensor in np.argwhere(begins):
            length = int(np.argmin(np.append(found[row:, sensor], False)))
            why = next(
                (
                    spell["kind"]
                    for spell in spells
                    if spell["sensor"] == sensor and spell["start"] <= row < spell["end"] + LATE
                ),
                "nothing",
            )
            masks[why] += 1
            rows[why] += length
        for spell in spells:
            faults[spell["kind"]] += 1
            hit[spell["kind"]] += found[spell["start"] : spell["end"] + LATE, spell["sensor"]].any()
    print(f"{machines} machines")
    print("the sensor was      masks   mean rows   of all such")
    for why in sorted(faults.keys() | masks.keys(), key=lambda why: (why not in MASKABLE, why)):
        share = f"{hit[why]:6} of {faults[why]}" if why in faults else ""
        print(f"{why:16} {masks[why]:8} {rows[why] / max(masks[why], 1):11.0f}   {share}")


if __name__ == "__main__":
    main()
