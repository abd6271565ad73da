"""A command loads what it needs and nothing else, so that it is there at once and a gateway's memory is its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from servers import free_port

from pipeline.service import health

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
# Runs the command as it is installed, and says what it has loaded and how many threads it has.
PROGRAM = """
import atexit, json, os, sys
from pipeline.__main__ import main
said = sys.argv.pop(1)
def say():
    with open(said, "w") as file:
        json.dump({"modules": list(sys.modules), "threads": len(os.listdir("/proc/self/task"))}, file)
atexit.register(say)
main()
"""


def started(folder: Path, *words: str) -> tuple[set[str], int]:
    """The libraries that a command has loaded when it ends, and its threads."""
    said = folder / "said.json"
    command = [sys.executable, "-c", PROGRAM, str(said), *words]
    subprocess.run(command, cwd=folder, env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    found = json.loads(said.read_text())
    return {name.partition(".")[0] for name in found["modules"]}, found["threads"]


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Of a service that cannot begin, as its data folder is below a file."""
    (tmp_path / "file").touch()
    path = tmp_path / "plant.yaml"
    path.write_text(f"data: {tmp_path}/file/data\nmqtt: {{url: 'mqtt://127.0.0.1:{free_port()}'}}\n")
    return str(path)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["tell", "--help"], ["simulate", "--help"]])
def test_help_waits_for_no_numbers_no_settings_and_no_colours(words: list[str], tmp_path: Path):
    loaded, _ = started(tmp_path, *words)
    assert not {"numpy", "msgspec", "yaml", "rich", "pandas"} & loaded


@pytest.mark.parametrize("words", [["run"], ["machines"], ["check"], ["tell", "press-1", "ack"]])
def test_what_a_gateway_runs_loads_no_recordings_and_no_other_way_to_check_types(
    words: list[str], tmp_path: Path, config: str
):
    loaded, _ = started(tmp_path, *words, "--config", config)
    assert "msgspec" in loaded
    assert not {"pandas", "pyarrow", "matplotlib", "amqtt", "pydantic", "prometheus_client"} & loaded


def test_a_command_has_no_threads_for_linear_algebra(tmp_path: Path, config: str):
    loaded, threads = started(tmp_path, "machines", "--config", config)
    assert "numpy" in loaded
    assert threads == 1


def test_whoever_wants_threads_for_linear_algebra_has_them(tmp_path: Path, config: str, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, "OPENBLAS_NUM_THREADS", "2")
    assert started(tmp_path, "machines", "--config", config)[1] == min(2, len(os.sched_getaffinity(0)))


def test_memory_is_given_back_where_the_c_library_can(monkeypatch: pytest.MonkeyPatch):
    health.give_back()
    monkeypatch.setattr(health.ctypes, "CDLL", lambda name: object())
    health.give_back()
