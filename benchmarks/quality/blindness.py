"""Does anything that happened before silence a machine, and is a sensor expected where it has never been?

    python benchmarks/quality/blindness.py [--seeds 1-8]

First machines of six ordinary sensors and one that never moved: it moves for a row, for three, for a day, for good by
little or by much, with noise from the start, with moves while the machine is still learning. From row 7,500 to 7,800
one of the six is off by five of its noise deviations, and must be found and held whatever the constant one did. Then
air handlers whose signals are exact copies of one switch. Last the machines of the set `plant`: how far outside of
what it had shown so far a sensor was ever expected, in shares of the range it had shown.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import pandas as pd
import plant
from ageing import numbers
from bands import recording
from metrics import episodes

from pipeline.recordings.score import score

ROWS, MOVE, DAY = 9_000, 4_000, 288
FAULT = slice(7_500, 7_800)
THRESHOLD = 0.99


def ordinary() -> dict[str, np.ndarray]:
    """Six sensors that follow one load, of which one breaks."""
    rng = np.random.default_rng(0)
    load = np.sin(2 * np.pi * np.arange(ROWS) / DAY) + 0.1 * np.cumsum(rng.normal(size=ROWS)) / 30
    sensors = {f"s{k}": (1 + k) * load + 0.2 * rng.normal(size=ROWS) + 10 for k in range(6)}
    sensors["s3"][FAULT] += 1.0
    return sensors


def constants() -> Iterator[tuple[str, np.ndarray]]:
    """What the seventh sensor does."""

    def moved(rows: int, usual: float = 0.5, to: float = 1.0) -> np.ndarray:
        values = np.full(ROWS, usual)
        values[MOVE : MOVE + rows] = to
        return values

    yield "never moves", moved(0)
    yield "moves for one row", moved(1)
    yield "moves for three rows", moved(3)
    yield "moves for a day", moved(300, 55.0, 65.0)
    yield "moves for good, by 0.5 of 55", moved(ROWS, 55.0, 55.5)
    yield "moves for good, by 10 of 55", moved(ROWS, 55.0, 65.0)
    rng = np.random.default_rng(1)
    yield "one row, noise of 0.001", moved(1) + 0.001 * rng.normal(size=ROWS)
    young = moved(1)
    young[[30, 60, 90]] = 1.0
    yield "one row, and three while young", young
    often = moved(1)
    often[200:MOVE:200] = 1.0
    yield "one row of every 200", often


def air_handlers() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Day and night, a damper by the weather of the day, and copies of the switches; nothing is wrong."""
    rng = np.random.default_rng(1)
    day, cold = 1440, np.array([0, 0, 0, 1, 0, 1, 1, 0])
    rows = day * len(cold)
    minute = np.arange(rows) % day
    on = ((minute >= 360) & (minute < 1080)).astype(float)
    cold = np.repeat(cold, day)
    outdoor = 70 - 15 * cold + 8 * np.sin(2 * np.pi * (minute - 540) / day) + np.cumsum(rng.normal(0, 0.03, rows))
    wide = np.where(cold == 1, np.round(np.clip(1 - (60 - outdoor) / 20, 0.4, 1), 2), 0.4)
    damper = on * wide
    supply = pd.Series(np.where(on == 1, 55.0, 75.0)).ewm(alpha=0.05).mean().to_numpy() + rng.normal(0, 0.3, rows)
    mixed = np.where(on == 1, damper * outdoor + (1 - damper) * 74, 74) + rng.normal(0, 0.2, rows)
    usual = {"outdoor": outdoor.round(2), "supply": supply.round(2), "mixed": mixed.round(2), "damper": damper}
    yield "one damper", usual
    yield "and switches", {**usual, "occupied": on, "fan": on}
    copies = {"exhaust": damper, "recirculated": 1 - damper, "setpoint": np.full(rows, 55.0)}
    yield "and copies", {**usual, "occupied": on, "fan": on, **copies}


def frame(sensors: dict[str, np.ndarray], every: str) -> pd.DataFrame:
    """A recording of so many sensors."""
    first = next(iter(sensors.values()))
    return pd.DataFrame({"time": pd.date_range("2026-01-01", periods=len(first), freq=every), **sensors})


def line(name: str, alarm: np.ndarray, fault: slice | None) -> None:
    """Print what a machine did: its alarms outside of the fault, and the fault."""
    false = alarm.copy()
    if fault is not None:
        false[fault.start : fault.stop + 200] = False
    longest = max((end - begin for begin, end in episodes(false)), default=0)
    held = "" if fault is None else f"{100 * alarm[fault].mean():14.0f}"
    print(f"{name:34}{int(false.sum()):14}{longest:10}{held}", flush=True)


def outside(values: np.ndarray, expected: np.ndarray) -> float:
    """Farthest that any sensor was expected outside of what it had shown up to that row, in shares of that range."""
    low, high = np.fmin.accumulate(values), np.fmax.accumulate(values)
    width = np.where(high > low, high - low, np.nan)
    with np.errstate(invalid="ignore"):
        far = np.fmax(low - expected, expected - high) / width
    return float(np.nanmax(far, initial=0.0))


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=numbers, default=numbers("1-8"), help="machines of the set plant")
    seeds = parser.parse_args().seeds
    print(f"{'a sensor that never moved':34}{'rows in alarm':>14}{'longest':>10}{'fault held %':>14}")
    sensors = ordinary()
    for name, seventh in constants():
        found = score(recording(name, frame({**sensors, "valve": seventh}, "5min")))
        line(name, found.score >= THRESHOLD, FAULT)
    print(f"\n{'air handlers':34}{'rows in alarm':>14}{'longest':>10}")
    for name, signals in air_handlers():
        line(name, score(recording(name, frame(signals, "1min"))).score >= THRESHOLD, None)
    print(f"\n{'farthest expected outside of what was shown, shares of that range':68}", flush=True)
    worst = [(outside(t.values, score(t, explain=True).explained.expected), name) for name, t in recordings(seeds)]
    for far, name in sorted(worst, reverse=True)[:5]:
        print(f"{name:34}{far:14.2f}")
    print(f"{len(worst)} machines, beyond a half: {sum(far > 0.5 for far, _ in worst)}")


def recordings(seeds: list[int]) -> Iterator[tuple[str, object]]:
    """The machines of the set plant."""
    for name, table, _ in plant.machines(seeds):
        yield name, recording(name, table)


if __name__ == "__main__":
    main()
