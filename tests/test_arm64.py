"""The same bits on another processor: the core for ARM64, run by an emulator, ends every life with the same bytes."""

import subprocess

import pytest
from scenarios import scenarios
from test_core_sanitized import driver, ending, of_life, written

import build_core
from pipeline.network.parameters import Params, with_context

LIVES = {scenario.name: scenario for scenario in scenarios(build_core.ROOT / "sample_data")}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The driver of the core, for ARM64."""
    return driver(tmp_path_factory.mktemp("arm64"), "aarch64-linux-gnu-gcc", ["-static"])


@pytest.mark.servers
@pytest.mark.parametrize(
    ("life", "params"),
    [
        ("ageing-12-8", Params()),
        ("wide", Params()),
        ("never-moved", Params()),
        ("irregular", Params()),
        ("context", with_context(Params())),
    ],
)
def test_a_life_on_arm64_ends_with_the_same_bytes_as_here(program, tmp_path, life, params):
    lines, readings = of_life(LIVES[life])
    assert len(readings.line) > 4_000
    written(tmp_path / "life", params, lines, readings)
    there = subprocess.run(
        ["qemu-aarch64", program, tmp_path / "life", "plain"], check=True, capture_output=True, text=True
    )
    assert there.stdout.split() == ending(params, lines, readings)
