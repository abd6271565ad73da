"""Golden vectors: what the network says of the lives in `scenarios.py`, row by row, as files to compare another with.

    python tests/golden/vectors.py make      writes tests/golden/NAME.npz
    python tests/golden/vectors.py check     compares with them; ends with 1 where one bit differs

A file has the scores of the rows to look at, and a digest of each batch: of its readings, of all that is said of its
rows and sensors, and of the numbers of its points. So the first batch that differs is known, and the files are small.
One NaN is as another, and 0 as -0; all else is compared by its bits, which are the same on every machine.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenarios import Scenario, scenarios

from pipeline.engine.commands import Command
from pipeline.engine.engine import Engine
from pipeline.engine.scores import Scores
from pipeline.network.parameters import CONTEXT
from pipeline.records import Point, Readings
from pipeline.sinks.lines import line

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "sample_data"
ROWS = ("slot", "score", "severity", "state", "cause", "gate", "spikes", "masked", "changed")
LEVELS = ("level", "peak_level")  # follow from scores, by a logarithm that need not be the same on every machine
COUNTED = "account"  # of operations: `test_account.py` counts them by hand
DIGEST_BYTES = 8
Vector = dict[str, NDArray[np.generic]]


def canonical(column: NDArray[np.generic]) -> bytes:
    """The bytes of numbers, the same for equal ones."""
    if np.issubdtype(column.dtype, np.floating):
        column = np.where(np.isnan(column), np.nan, column.astype(np.float64) + 0.0)
    else:
        column = column.astype(np.int64)
    return np.ascontiguousarray(column).tobytes()


def digest(parts: list[bytes]) -> NDArray[np.uint8]:
    """Of parts, one after the other."""
    whole = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        whole.update(len(part).to_bytes(8, "little") + part)
    return np.frombuffer(whole.digest(), np.uint8)


def of_points(points: list[Point]) -> bytes:
    """Points as they are sent, but for words: how something is said may change."""

    def kept(point: Point) -> dict[str, Any]:
        return {name: told for name, told in point.fields.items() if not isinstance(told, str) and name not in LEVELS}

    told = [one._replace(fields=kept(one)) for one in points if one.measurement != COUNTED]
    return "\n".join(str(line(point)) for point in told).encode()


ENTRY = (
    *("line", "value", "expected", "usual", "level", "witness", "sigmas", "dendrite", "rarity", "aged", "ageing"),
    *("quality", "masked", "changed"),
)


def of_scores(scores: Scores, populations: int) -> list[bytes]:
    """Everything that is said of rows and of their sensors; so many populations run."""
    said = scores._asdict()
    account, lost = said.pop("account"), said.pop("lost")
    del said["news"]  # is in the points
    del said["counted"]  # is no detection, see `COUNTED`
    columns = {name: account[name] for name in ENTRY}
    columns["rarity"] = account["rarity"][:, :populations]
    aged = np.ascontiguousarray(account["ageing"][account["aged"]])  # of the others it says nothing
    columns["ageing"] = aged.view(np.float64).reshape(-1, len(aged.dtype.fields or ()))
    return [canonical(column) for column in (*said.values(), *columns.values(), lost["line"], lost["time_ns"])]


def at_the_end(engine: Engine) -> bytes:
    """What is known of each machine when its life is over."""
    slots = range(len(engine.fleet.machines))
    return repr([(engine.summary(slot)._replace(incident=None), engine.ageing(slot)) for slot in slots]).encode()


def vector(scenario: Scenario) -> Vector:
    """Live a scenario, and keep what the network says."""
    engine = scenario.engine()
    populations = CONTEXT if engine.params.weights[-1] == 0.0 else len(engine.params.weights)
    kept: list[Scores] = []
    readings, rows, points = [], [], []
    for step in scenario.steps():
        if isinstance(step, Command):
            readings.append(digest([repr(step).encode()]))
            rows.append(digest([]))
            points.append(digest([of_points(engine.apply(step))]))
            continue
        arranged = engine.arrange(step)
        scores = engine.step(arranged)
        kept.append(scores)
        readings.append(digest([canonical(column) for column in arranged]))
        rows.append(digest(of_scores(scores, populations)))
        points.append(digest([of_points(engine.points(scores))]))
    scores = engine.finish()
    kept.append(scores)
    readings.append(digest([canonical(column) for column in Readings.none()]))
    rows.append(digest(of_scores(scores, populations)))
    points.append(digest([of_points(engine.points(scores)), at_the_end(engine)]))
    columns = {name: np.concatenate([np.asarray(getattr(one, name)) for one in kept]) for name in ROWS}
    return {**columns, "readings": np.array(readings), "rows": np.array(rows), "points": np.array(points)}


def differences(have: Vector, want: Vector) -> list[str]:
    """Where two vectors differ, in words; nothing where they are the same."""
    found = []
    for name in want:
        if have[name].shape != want[name].shape:
            found.append(f"{name}: {len(have[name])} instead of {len(want[name])}")
            continue
        differs = have[name] != want[name]
        if want[name].dtype.kind == "f":
            differs &= ~(np.isnan(have[name]) & np.isnan(want[name]))
        if differs.any():
            first = int(np.flatnonzero(differs.reshape(len(differs), -1).any(axis=1))[0])
            where = "batch" if name in ("readings", "rows", "points") else "row"
            found.append(f"{name}: {int(differs.sum())} differ, first in {where} {first}")
    return found


def main(task: str) -> int:
    """Make or check all vectors; returns how many differ."""
    wrong = 0
    for scenario in scenarios(SAMPLES):
        path = HERE / f"{scenario.name}.npz"
        have = vector(scenario)
        alarms = int((have["severity"] > 0).sum())
        print(f"{scenario.name:20} rows {len(have['score']):6} in alarm {alarms:5}", end=" ", flush=True)  # noqa: T201
        if task == "make":
            np.savez_compressed(path, **have)
            print(f"{path.stat().st_size:8} bytes")  # noqa: T201
            continue
        with np.load(path) as file:
            found = differences(have, dict(file))
        wrong += bool(found)
        print("; ".join(found) or "==")  # noqa: T201
    return wrong


if __name__ == "__main__":
    if sys.argv[1:] not in (["make"], ["check"]):
        sys.exit(__doc__)
    sys.exit(min(main(sys.argv[1]), 1))
