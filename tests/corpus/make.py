"""A snapshot of today's format for the corpus, to be made before the next one: `python tests/corpus/make.py`.

Writes `format-N.npz`: the arrays of the snapshot; as `layout` where each field of its blocks is, so that a test can
read them without the reader under test; and, as those of other formats have them, the readings that come next, with
what this version says of them. An old version is used by `PYTHONPATH`, built.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "golden"))
from scenarios import SECOND, Message, Table, life, say, told  # noqa: E402

from pipeline.config.settings import Alert, MachineRule, Sensor  # noqa: E402
from pipeline.engine.engine import Engine  # noqa: E402
from pipeline.engine.fleet import FORMAT  # noqa: E402
from pipeline.network.block import record  # noqa: E402
from pipeline.records import Readings  # noqa: E402

PAST, NEXT = 1_600, 300  # rows
ROWS = PAST + NEXT
SAID = ("slot", "time_ns", "score", "severity", "state", "cause", "gate", "spikes", "masked", "changed", "voice")
COMMANDS = {
    900: [say("repaired", "b")],
    1_090: [say("label", "b", "bearing"), say("normal", "b")],
    1_500: [say("freeze", "frozen")],
}


def machines() -> dict[str, Table]:
    """Alone, few and many; masked, with sensors of other kinds, repaired, and frozen."""
    at = np.arange(ROWS)
    masked, kinds, wide, repaired = life(82, ROWS, 3), life(83, ROWS, 8), life(84, ROWS, 20), life(85, ROWS, 2)
    masked[PAST - 80 : PAST + 60, 2] = -50.0
    kinds[:, 5] = at * 3.0
    kinds[:, 6] = at // 65 % 2
    kinds[:, 7] = np.round(kinds[:, 0] / 5) * 5
    repaired[1_050:1_100, 0] += 60
    wide[PAST + 150 : PAST + 250, 3] += 30
    return {
        "lone": life(81, ROWS, 1),
        "masked": masked,
        "kinds": kinds,
        "wide": wide,
        "b": repaired,
        "frozen": life(88, ROWS, 2),
    }


def messages() -> Iterator[tuple[int, Message]]:
    """Row and message; a machine sends a row in two, so that one is open where the snapshot is taken."""
    lives = [told(name, table) for name, table in machines().items()]
    for row, own in enumerate(zip(*lives, strict=True)):
        for message in own:
            if message[0].machine.name == "kinds":
                yield row, message[:3]
                yield row + 1, message[3:]
            else:
                yield row, message


def places(kind: np.dtype[Any], path: str = "", begin: int = 0) -> Iterator[tuple[str, str, list[int], int]]:
    """Path, type, shape and first byte of each field of a record."""
    if kind.names is None:
        shape: list[int] = []
        while kind.subdtype is not None:
            kind, own = kind.subdtype
            shape += own
        yield path, kind.str, shape, begin
        return
    for name in kind.names:
        field, offset = kind.fields[name][:2]  # type: ignore[index]
        yield from places(field, f"{path}.{name}".removeprefix("."), begin + offset)


def main() -> None:
    """Live, take the snapshot, go on, and write all of it."""
    sensors = {"s1": Sensor(range=(60.0, 160.0))}
    rules = {"b": MachineRule(sensors=sensors, alert=Alert(warning=0.98))}
    engine = Engine(10 * SECOND, 60 * SECOND, rule=lambda machine: rules.get(machine, MachineRule()))
    past: dict[int, list[Message]] = {}
    for row, message in messages():
        past.setdefault(row, []).append(message)
    for row in range(PAST):
        for command in COMMANDS.get(row, []):
            engine.apply(command)
        engine.step(engine.arrange(past[row]))
    arrays = engine.fleet.snapshot()
    came = engine.arrange(message for row in range(PAST, ROWS) for message in past[row])
    scores = engine.step(came)
    names = ("header", "machine", "line")
    layout = {name: [record(name).itemsize, list(places(record(name)))] for name in names}
    np.savez_compressed(
        HERE / f"format-{FORMAT}.npz",
        **arrays,
        layout=np.frombuffer(json.dumps(layout).encode(), np.uint8),
        **{f"readings.{name}": column for name, column in zip(Readings._fields, came, strict=True)},
        **{f"scores.{name}": getattr(scores, name) for name in SAID},
    )


if __name__ == "__main__":
    main()
