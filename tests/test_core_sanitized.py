"""The core under sanitizers: golden lives and hostile readings, in memory exactly as large as it must be.

Longer: python tests/test_core_sanitized.py READINGS
"""

import math
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from inside import SINGLE
from scenarios import scenarios

import build_core
from pipeline.engine.commands import Command
from pipeline.network._core import ffi
from pipeline.network.binding import Core, in_c
from pipeline.network.block import Block
from pipeline.network.device_block import parameters_of_device
from pipeline.network.parameters import Params
from pipeline.records import Readings

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
SANITIZERS = ["-O1", "-g", "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"]
OTHER_WIDTHS = (1, 2, 4, 32)  # of delays, than the 8 bits of all other tests
OF_FLOATS = (1e15, 1.5e-45)  # the largest reading, and the smallest number above 0
SECOND = 1_000_000_000


def driver(folder, compiler="gcc", options=(*SANITIZERS, *WARNINGS)):
    """The program that lives what is in a file."""
    made = folder / f"driver-{zlib.crc32(repr((compiler, options)).encode()):08x}"
    here = Path(__file__).parent / "core_driver.c"
    order = [compiler, *build_core.OPTIONS, *options, f"-I{build_core.ROOT}"]
    subprocess.run([*order, str(here), *build_core.sources(), "-lm", "-o", str(made)], check=True)
    return made


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return driver(tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def program_in_floats(tmp_path_factory):
    """As a microcontroller computes."""
    return driver(tmp_path_factory.mktemp("core"), options=(*SANITIZERS, *WARNINGS, *SINGLE))


def written(path, params, lines, readings, floats=False):
    """A file for the program; or for the one that computes in floats."""
    columns = [column.astype(np.int64) for column in readings[:3]]
    parts = [np.array([len(lines), len(readings.line)], np.int64), np.array(lines, np.int64), *columns]
    numbers = in_c(params)
    head = parts[0].tobytes() + (parameters_of_device(numbers) if floats else bytes(ffi.buffer(numbers)))
    path.write_bytes(
        head
        + b"".join(part.tobytes() for part in parts[1:])
        + readings.value.astype(np.float32 if floats else np.float64).tobytes()
        + readings.ends.astype(np.bool_).tobytes()
    )


def hostile(seed, count, largest=1e100, smallest=5e-324):
    """Readings of every size and none, whose times stand still, leap and go back, of lines that come and go.

    `largest` that is taken for one, and the `smallest` number above 0.
    """
    rng = np.random.default_rng(seed)
    lines = rng.permutation([1, 2, 3, 5, 8, 16, 17, 33])
    slot = np.repeat(rng.integers(len(lines), size=count), rng.integers(1, 40, size=count))[:count]
    line = (rng.random(count) ** 2 * lines[slot]).astype(np.int64)
    step = np.choose(
        rng.integers(40, size=count).clip(0, 6), [0, 1, -SECOND, 2**40, -(2**44), 86_400 * SECOND, SECOND]
    )
    time_ns = np.cumsum(step) + 1_700_000_000 * SECOND
    far = rng.random(count) < 2e-5
    time_ns[far] = rng.choice([-(2**63), 2**63 - 1, 0], size=int(far.sum()))
    kind = rng.integers(8, size=(len(lines), 33))[slot, line]
    z = rng.normal(size=count)
    value = np.choose(
        kind,
        [
            *(z, np.full(count, 5.0), np.round(z), largest * np.clip(z, -1, 1)),
            *(z * smallest * 2e15, smallest * np.round(z), z, -z),
        ],
    )
    powers = math.ceil(math.log10(smallest)) + 3, math.floor(math.log10(largest))
    glitch = rng.random(count) < 0.001
    value[glitch] = (z * 10.0 ** rng.integers(*powers, size=count))[glitch]
    return lines.tolist(), Readings(slot, line, time_ns, value, rng.random(count) < 0.2)


def of_life(scenario):
    """All readings of a life, by the numbers of the core."""
    engine = scenario.engine()
    parts = [engine.arrange(step) for step in scenario.steps() if not isinstance(step, Command)]
    whole = Readings(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    own = [[line for _, line in engine.fleet.lines_of(slot)] for slot in range(len(engine.fleet.machines))]
    numbers = {line: number for lines in own for number, line in enumerate(lines)}
    line = np.array([numbers[line] for line in whole.line.tolist()], np.int64)
    return [len(lines) for lines in own], whole._replace(line=line)


def ending(params, lines, readings):
    """The check sums of the machines after a life in this process, as the program prints them."""
    core = Core(params, 10 * SECOND, 60 * SECOND, 3600 * SECOND)
    for count in lines:
        core.add(Block.fresh(core.params, count))
    core.step(*readings)
    for block in core.blocks:
        block.seal()
    return [f"{block.header['check']:08x}" for block in core.blocks]


@pytest.mark.parametrize("life", ["ageing-12-8", "missing", "wide", "never-moved", "irregular"])
def test_a_golden_life_does_nothing_undefined_and_ends_with_the_same_bytes(program, tmp_path, life):
    lives = {scenario.name: scenario for scenario in scenarios(build_core.ROOT / "sample_data")}
    lines, readings = of_life(lives[life])
    written(tmp_path / "life", Params(), lines, readings)
    ended = subprocess.run([program, tmp_path / "life", "plain"], check=True, capture_output=True, text=True)
    assert ended.stdout.split() == ending(Params(), lines, readings)


@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_readings_do_nothing_undefined(program, tmp_path, seed):
    lines, readings = hostile(seed, 60_000)
    written(tmp_path / "hostile", Params(), lines, readings)
    ended = subprocess.run([program, tmp_path / "hostile"], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("seed", [3, 4])
def test_hostile_readings_do_nothing_undefined_on_a_device(program_in_floats, tmp_path, seed):
    lines, readings = hostile(seed, 60_000, *OF_FLOATS)
    written(tmp_path / "hostile", Params(), lines, readings, floats=True)
    ended = subprocess.run([program_in_floats, tmp_path / "hostile"], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("bits", OTHER_WIDTHS)
def test_hostile_readings_do_nothing_undefined_to_delays_of_another_width(tmp_path, bits):
    lines, readings = hostile(bits, 20_000)
    program = driver(tmp_path, options=(*SANITIZERS, *WARNINGS, f"-DSW_DELAY_BITS={bits}"))
    written(tmp_path / "hostile", Params(), lines, readings)
    ended = subprocess.run([program, tmp_path / "hostile"], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def main(readings):
    """So many hostile readings, a million at a time, of doubles and of floats, and of delays of every width."""
    folder = build_core.ROOT / "build"
    folder.mkdir(exist_ok=True)
    every = {"doubles": (driver(folder), (), False)}
    every["floats"] = (driver(folder, options=(*SANITIZERS, *WARNINGS, *SINGLE)), OF_FLOATS, True)
    for bits in OTHER_WIDTHS:
        options = (*SANITIZERS, *WARNINGS, f"-DSW_DELAY_BITS={bits}")
        every[f"doubles, delays of {bits} bits"] = (driver(folder, options=options), (), False)
    for seed in range(max(readings // 1_000_000, 1)):
        for name, (program, range_of, floats) in every.items():
            lines, own = hostile(seed, min(readings, 1_000_000), *range_of)
            written(folder / "hostile", Params(), lines, own, floats)
            subprocess.run([program, folder / "hostile"], check=True, stdout=subprocess.DEVNULL)
            print(f"seed {seed}: {len(own.line)} hostile readings in {name}, nothing undefined", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
