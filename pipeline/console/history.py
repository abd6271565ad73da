"""What was before: the newest rows of a machine, from the embedded store, where that is the database."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from pipeline.console.recent import READINGS, ROWS, Table
from pipeline.engine.scoring import Severity
from pipeline.sinks.embedded import Embedded, Tags

ROWS_BACK = 400  # of a machine
SENSORS_BACK = 32  # of which readings are looked for


def stored(path: Path, tags: Tags, lines: Sequence[tuple[str, int]]) -> Table | None:
    """The newest rows of a machine in the store; None where there are none. Which populations fired is not kept."""
    numbers = dict(lines)
    with closing(Embedded(path)) as store:
        machine = [point for point in store.newest("machine", tags, ROWS_BACK) if "score" in point.fields]
        if not machine:
            return None
        since_ns = machine[0].time_ns
        sensors = [
            (line, point)
            for sensor, line in lines[:SENSORS_BACK]
            for point in store.newest("sensor", tuple(sorted((*tags, ("sensor", sensor)))), ROWS_BACK)
            if point.time_ns >= since_ns
        ]
    at = {point.time_ns: row for row, point in enumerate(machine)}
    found = [(at[point.time_ns], line, point.fields) for line, point in sensors if point.time_ns in at]
    found.sort(key=lambda one: one[0])
    rows = {
        "time_ns": [point.time_ns for point in machine],
        "score": [point.fields["score"] for point in machine],
        "severity": [point.fields.get("severity", Severity.NORMAL) for point in machine],
        "cause": [numbers.get(str(point.fields.get("cause", "")), -1) for point in machine],
        "spikes": [point.fields.get("spikes", 0) for point in machine],
    }
    readings = {
        name: [fields.get(name, np.nan) for _, _, fields in found]
        for name in READINGS
        if name not in ("line", "fires")
    }
    readings["line"] = [line for _, line, _ in found]
    readings["fires"] = [0 for _ in found]
    return Table(
        {name: np.array(rows[name], kind) for name, kind in ROWS.items()},
        np.array([row for row, _, _ in found], np.int64),
        {name: np.array(readings[name], kind) for name, kind in READINGS.items()},
        0,
    )
