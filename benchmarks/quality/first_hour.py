"""How many new machines raise an alarm in their first hour, although nothing is wrong with them.

    python benchmarks/quality/first_hour.py [--machines 200] [--seed 0]

The machines are those of `spikewatch simulate --rate 1`: five sensors, a row a second, no fault. A minute or two.
"""

import argparse

from pipeline.commissioning.plant import Plant, machine_names, sensor_names
from pipeline.engine.engine import Engine
from pipeline.records import Machine, Reading

SENSORS, ROWS, SECOND, START = 5, 3600, 10**9, 1_700_000_000 * 10**9


def alarmed(machines: int, seed: int) -> int:
    """Machines with a row in alarm."""
    plant, engine = Plant(machines, SENSORS, 1.0, seed), Engine()
    named, sensors = [Machine(name) for name in machine_names(machines)], sensor_names(SENSORS)
    found: set[int] = set()
    for row in range(ROWS):
        readings = [
            [
                Reading(machine, sensor, START + row * SECOND, value)
                for sensor, value in zip(sensors, values, strict=True)
            ]
            for machine, values in zip(named, plant.next().tolist(), strict=True)
        ]
        scores = engine.step(engine.arrange(readings))
        found.update(scores.slot[scores.severity > 0].tolist())
    return len(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print(f"{alarmed(chosen.machines, chosen.seed)} of {chosen.machines} healthy machines alarm in their first hour")
