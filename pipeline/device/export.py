"""A live machine as a program for a microcontroller: the network's sources, what it has learned, and golden vectors.

The block is the machine's own, in the layout of a device (`layout.py`); the device goes on from there. The golden
vectors are rows that the machine might see next, and the score that this gateway's network gives each of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.engine.engine import Engine
from pipeline.network._core import lib
from pipeline.network.binding import Core
from pipeline.network.block import Block
from pipeline.network.calendar import Calendar
from pipeline.network.device_block import device, of_device, parameters_of_device, to_device

CORE = ("encoders", "pipeline.network")  # packages whose C the device compiles
ROWS = 300  # of the golden vectors, unless told otherwise
FAULT_AT = 0.8  # share of them after which the first sensor is off ...
FAULT = 8.0  # ... by so many of its own deviations
APART = 0.05  # how far a score on the device may be from the gateway's ...
TOLERANCE = 0.02  # ... and from the warning threshold, where it is on the other side
USUAL_NS = 1_000_000_000  # between two rows of a machine that has not shown its own pace
MOST_VALUE = 1e15  # of a reading on the device: SW_MOST_VALUE in real.h
WORDS = 6  # of an image, in a line
_FLOAT_MOST = float(np.finfo(np.float32).max)
Values = NDArray[np.float32]


class ExportError(Exception):
    """The machine cannot be exported; the message says why."""


class Exported(NamedTuple):
    """What was written."""

    sensors: list[str]
    block_bytes: int
    files: int


class Golden(NamedTuple):
    """Rows that follow, `step_ns` apart from `begin_ns` on, and their scores."""

    begin_ns: int
    step_ns: int
    value: Values  # (rows, sensors)
    score: NDArray[np.float64]


class _Machine(NamedTuple):
    name: str
    sensors: list[str]
    block: Block
    stored: bytes  # the block as the device has it
    signature: int
    step_ns: int
    warning: float
    calendar: Calendar | None


def export(engine: Engine, slot: int, folder: Path, table: Values | None = None) -> Exported:
    """Write a machine's program into a folder that is empty or does not exist.

    `table`: rows to make the golden vectors of, (rows, sensors); by default such as the machine has seen, with a
    fault at the end. Raises ExportError, and OSError.
    """
    machine = _machine(engine, slot)
    if folder.exists() and any(folder.iterdir()):
        raise ExportError(f"{folder}: is not empty")
    golden = _golden(engine.fleet.core, machine, likely(machine.block) if table is None else table)
    texts = {**dict(_templates()), **dict(_sources()), **dict(_written(engine.fleet.core.params, machine, golden))}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:  # so that the folder has all of it or nothing
        for name, text in texts.items():
            path = Path(place) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for path in Path(place).iterdir():
            path.rename(folder / path.name)
    return Exported(machine.sensors, len(machine.stored), len(texts))


def _machine(engine: Engine, slot: int) -> _Machine:
    fleet = engine.fleet
    name, sensors = fleet.machines[slot].name, [sensor for sensor, _ in fleet.lines_of(slot)]
    if not sensors:
        raise ExportError(f"{name}: has had no reading yet")
    if len(sensors) > lib.SW_COHORT:
        raise ExportError(f"{name}: has {len(sensors)} sensors, and a device takes at most {lib.SW_COHORT}")
    block = fleet.block(slot)
    for sensor, most in zip(sensors, np.abs(likely(block)).max(axis=0).tolist(), strict=True):
        if not most <= MOST_VALUE:
            raise ExportError(f"{name}: sensor {sensor} has values of {most:.0e}, and a device takes at most 1e+15")
    usual_ns = round(float(block.machine["rows"]["usual_ns"]))
    return _Machine(
        name,
        sensors,
        block,
        to_device(fleet.core.params, block, fleet.signature(slot)),
        fleet.signature(slot),
        usual_ns or USUAL_NS,
        float(block.machine["scoring"]["warning"]),
        fleet.calendar(slot),
    )


def likely(block: Block, rows: int = ROWS) -> Values:
    """Rows such as the machine has seen: about each sensor's mean, as wide as its residuals usually are."""
    lines = block.line["expectation"]
    unit = np.where(lines["unit"] > 0, lines["unit"], 1.0)
    middle = lines["offset"] + lines["mean"][:, 0] * unit
    width = np.sqrt(np.maximum(lines["variance"], 0.0)) * unit
    rng = np.random.default_rng(1)
    table = middle + 0.3 * width * rng.normal(size=(rows, len(lines)))
    table[int(FAULT_AT * rows) :, 0] += FAULT * width[0]
    return np.asarray(np.clip(table, -_FLOAT_MOST, _FLOAT_MOST), np.float32)


def _golden(core: Core, machine: _Machine, table: Values) -> Golden:
    """Scores of rows that follow, by this gateway's network, which begins where the device does."""
    alone = core.alike()
    slot = alone.add(of_device(core.params, machine.stored, machine.signature))
    alone.keep_time(slot, machine.calendar)
    rows, sensors = table.shape
    begin_ns = int(machine.block.machine["rows"]["time_ns"]) + machine.step_ns
    times = np.repeat(begin_ns + np.arange(rows) * machine.step_ns, sensors)
    known = np.isfinite(table).ravel()
    ends = np.zeros((rows, sensors), np.bool_)
    last = sensors - 1 - np.argmax(np.isfinite(table)[:, ::-1], axis=1)
    ends[np.arange(rows), last] = True
    line = np.tile(np.arange(sensors), rows)[known]
    said = alone.step(
        np.zeros(len(line), np.int64),
        line,
        times[known],
        table.ravel()[known].astype(np.float64),
        ends.ravel()[known],
        np.array([slot]),
    )
    return Golden(begin_ns, machine.step_ns, table, said.row["score"].copy())


def _templates() -> Iterator[tuple[str, str]]:
    """What is the same for every machine."""
    yield from _below(files("pipeline.device") / "files", "")


def _below(folder: Any, before: str) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.iterdir(), key=lambda one: one.name):
        if path.is_dir():
            yield from _below(path, f"{before}{path.name}/")
        else:
            yield f"{before}{path.name}", path.read_text()


def _sources() -> Iterator[tuple[str, str]]:
    """The network's C."""
    for package in CORE:
        folder = f"core/{package.replace('.', '/')}"
        for path in sorted(files(package).iterdir(), key=lambda one: one.name):
            if path.name.endswith((".c", ".h")) and not path.name.startswith("_"):
                yield f"{folder}/{path.name}", path.read_text()


def _written(params: Any, machine: _Machine, golden: Golden) -> Iterator[tuple[str, str]]:
    """What is this machine's own."""
    yield "machine.h", _header(params, machine, golden)
    yield "machine.c", _image(params, machine)
    yield "golden_vectors.c", _vectors(golden)


def quoted(text: str) -> str:
    """A text as a constant of C: what is not plain is written as bytes."""
    parts = [chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode()]
    return f'"{"".join(parts)}"'


def commented(text: str) -> str:
    """A text that does not end a comment."""
    return quoted(text).replace("*/", "*\\057").replace("/*", "/\\052")


def _header(params: Any, machine: _Machine, golden: Golden) -> str:
    numbers = {
        "LINES": len(machine.sensors),
        "BLOCK_BYTES": len(machine.stored),
        "LINE_BYTES": device("line").itemsize,
        "PARAMETER_BYTES": len(parameters_of_device(params)),
    }
    return "\n".join(
        (
            f"/* {commented(machine.name)}: sizes and names. Written by `spikewatch export c`. */",
            "#ifndef SPIKEWATCH_MACHINE_H",
            "#define SPIKEWATCH_MACHINE_H",
            "",
            "#include <stdint.h>",
            "",
            '#include "pipeline/network/rhythm.h"',
            "",
            f"#define MACHINE_NAME {quoted(machine.name)}",
            *(f"#define MACHINE_{name} {number}" for name, number in numbers.items()),
            f"#define MACHINE_STEP_NS INT64_C({machine.step_ns}) /* usual time between two rows */",
            f"#define MACHINE_WARNING {machine.warning!r} /* score from which severity is a warning */",
            f"#define GOLDEN_STEP_NS INT64_C({golden.step_ns})",
            f"#define GOLDEN_APART {APART} /* largest distance of a score from the gateway's ... */",
            f"#define GOLDEN_TOLERANCE {TOLERANCE} /* ... and from MACHINE_WARNING of one on the other side of it */",
            "",
            "extern const char *const machine_sensor[MACHINE_LINES]; /* in the order of a row's values */",
            "extern const uint64_t machine_image[MACHINE_BLOCK_BYTES / 8];",
            "extern const uint64_t machine_parameters[(MACHINE_PARAMETER_BYTES + 7) / 8];",
            "extern const struct sw_calendar machine_calendar;",
            "",
            "#endif",
            "",
        )
    )


def _image(params: Any, machine: _Machine) -> str:
    names = ",\n    ".join(quoted(sensor) for sensor in machine.sensors)
    return "\n".join(
        (
            "/* What the machine had learned when it was exported, and the numbers of its network. */",
            '#include "machine.h"',
            "",
            f"const char *const machine_sensor[MACHINE_LINES] = {{\n    {names},\n}};",
            "",
            *_words("machine_image", "MACHINE_BLOCK_BYTES / 8", machine.stored),
            *_words("machine_parameters", "(MACHINE_PARAMETER_BYTES + 7) / 8", parameters_of_device(params)),
            *_calendar(machine.calendar),
        )
    )


def _words(name: str, length: str, content: bytes) -> Iterator[str]:
    words = np.frombuffer(content + bytes(-len(content) % 8), "<u8")
    yield f"const uint64_t {name}[{length}] = {{"
    for begin in range(0, len(words), WORDS):
        yield "    " + " ".join(f"0x{word:016x}," for word in words[begin : begin + WORDS].tolist())
    yield "};\n"


def _calendar(calendar: Calendar | None) -> Iterator[str]:
    """Local time and days of rest; none, and UTC, where the machine has no time zone."""
    if calendar is None:
        yield "const struct sw_calendar machine_calendar = {0};\n"
        return
    columns = {"begin_ns": calendar.begin_ns, "offset_ns": calendar.offset_ns, "rest": calendar.rest}
    given = []
    for name, column in columns.items():
        numbers = [int(one) for one in column]
        if numbers:
            text = ", ".join(f"INT64_C({one})" for one in numbers)
            yield f"static const int64_t {name}[] = {{{text}}};"
            given.append(f".{name} = {name}")
    counts = f".spans = {len(calendar.begin_ns)}, .rests = {len(calendar.rest)}"
    yield f"\nconst struct sw_calendar machine_calendar = {{{', '.join([counts, *given])}}};\n"


def _vectors(golden: Golden) -> str:
    rows = (", ".join("NAN" if np.isnan(one) else f"{float(one)!r}f" for one in row) for row in golden.value)
    scores = [f"{float(np.float32(one))!r}f" for one in golden.score]
    lines = (", ".join(scores[begin : begin + WORDS]) for begin in range(0, len(scores), WORDS))
    return "\n".join(
        (
            '#include "golden.h"',
            "",
            "#include <math.h>",
            "",
            f"const int32_t golden_rows = {len(golden.value)};",
            f"const int64_t golden_begin_ns = INT64_C({golden.begin_ns});",
            "const float golden_value[][MACHINE_LINES] = {",
            *(f"    {{{row}}}," for row in rows),
            "};",
            "const float golden_score[] = {",
            *(f"    {line}," for line in lines),
            "};",
            "",
        )
    )
