"""How a machine is made ready for `make run` and `make test`, and what a gateway installs."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app

ROOT = Path(__file__).parent.parent
APT = ROOT / "tests" / "apt.sh"
HOLD = "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.lockf(file, fcntl.LOCK_EX); print('held', flush=True)"


@pytest.fixture
def apt(tmp_path: Path) -> dict[str, str]:
    """The environment of an apt with lists of its own: no packages, no network, nothing of this system."""
    for folder in ("lists/partial", "archives/partial"):
        (tmp_path / folder).mkdir(parents=True)
    for empty in ("status", "sources.list"):
        (tmp_path / empty).touch()
    places = {"State": "", "State::status": "/status", "Cache": "", "Etc::sourcelist": "/sources.list"}
    lines = [f'Dir::{name} "{tmp_path}{place}";' for name, place in places.items()]
    (tmp_path / "conf").write_text("\n".join([*lines, 'Dir::Etc::sourceparts "-";']))
    return {**os.environ, "APT_CONFIG": str(tmp_path / "conf")}


@contextmanager
def another_apt(lists: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of these lists until it is told to end."""
    command = [sys.executable, "-c", f"{HOLD}; sys.stdin.read()", str(lists / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.communicate("")


def test_a_busy_apt_is_waited_for_and_that_is_said(apt: dict[str, str], tmp_path: Path):
    with another_apt(tmp_path / "lists") as other:
        waiting = subprocess.Popen([APT, "update", "-qq"], env=apt, stdout=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        assert "waiting" in waiting.stdout.readline()
        assert waiting.poll() is None
        other.communicate("")
        waiting.communicate(timeout=60)
        assert waiting.returncode == 0


def test_an_apt_that_stays_busy_is_given_up_and_who_holds_it_is_named(apt: dict[str, str], tmp_path: Path):
    with another_apt(tmp_path / "lists") as other:
        ended = subprocess.run([APT, "update", "-qq"], env={**apt, "APT_WAIT_S": "0"}, capture_output=True, text=True)
    assert ended.returncode == 1
    assert f"process {other.pid}" in ended.stderr
    assert "still busy" in ended.stderr


def test_what_apt_refuses_is_shown_at_once(apt: dict[str, str]):
    command = [APT, "install", "-y", "-qq", "no-such-package"]
    ended = subprocess.run(command, env=apt, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "no-such-package" in ended.stderr
    assert "waiting" not in ended.stdout


def pinned(name: str) -> dict[str, str]:
    """What a file fixes: each package, and the text of its entry."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([\w.-]+)==((?:.*\\\n)*.*)$", text, re.MULTILINE))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=]", each)[0].lower() for each in requirements}


def test_every_package_is_fixed_by_hashes_and_comes_from_wherever_pip_is_told():
    for path in ROOT.glob("constraints*.txt"):
        assert "://" not in path.read_text()
        assert all("--hash=sha256:" in entry for entry in pinned(path.name).values()), path.name


def test_each_file_fixes_what_its_extra_needs_beside_the_gateways_and_that_has_no_trial_broker():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = build["project"]
    gateway = set(pinned("constraints.txt"))
    assert names(project["dependencies"]) | names(build["build-system"]["requires"]) <= gateway
    own = names(project["optional-dependencies"]["files"]) | names(project["optional-dependencies"]["demo"])
    assert not own & gateway
    made = gateway
    for extra, needs in project["optional-dependencies"].items():
        made |= set(pinned(f"constraints-{extra}.txt"))
        assert names(needs) - {"spikewatch[files]"} <= made, extra
        if extra in ("files", "notify", "waveform", "nir", "spark", "bulk"):
            assert names(needs) <= gateway | set(pinned(f"constraints-{extra}.txt")), "each without the others"


@pytest.mark.parametrize(
    ("lacks", "arguments", "extra"),
    [
        ("amqtt", ["demo"], "demo"),
        ("scipy", ["score", "press.npy", "--out", "scores"], "waveform"),
        ("nir", ["export", "nir", "--machine", "press", "--out", "press.nir"], "nir"),
        ("pyspark", ["cluster", "submit", "--kafka", "k:1", "--checkpoint", "state"], "spark"),
        ("pyarrow", ["score", "press.parquet", "--out", "scores"], "files"),
        ("matplotlib", ["evaluate", "press.csv", "--label-column", "fault", "--out", "charts"], "files"),
    ],
)
def test_a_command_whose_extra_is_not_installed_names_it(
    lacks: str, arguments: list[str], extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "press.csv").write_text("time,heat,fault\n1,2,0\n")
    monkeypatch.setitem(sys.modules, lacks, None)
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 2
    assert len(ended.stderr.splitlines()) == 1
    assert f"pip install '.[{extra}]'" in ended.stderr


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """What the container's build stage copies, as a folder of its own."""
    folder = tmp_path / "src"
    for line in re.findall(r"^COPY (?!--)(.*)$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE):
        *parts, to = line.split()
        for part in parts:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, folder / to, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
            else:
                folder.mkdir(exist_ok=True)
                shutil.copy(ROOT / part, folder / to)
    return folder


def packed(folder: Path, what: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Make a `wheel` or an `sdist` of a folder's project, into its `dist`."""
    code = f"from setuptools import build_meta; build_meta.build_{what}('dist')"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)


def test_the_source_distribution_makes_one_wheel_for_every_python_with_the_network_and_what_a_device_compiles(
    sources: Path, tmp_path: Path
):
    made = packed(sources, "sdist")
    assert made.returncode == 0, made.stderr
    subprocess.run(["tar", "xf", *(sources / "dist").iterdir(), "-C", tmp_path], check=True)
    (unpacked,) = tmp_path.glob("spikewatch-*")
    made = packed(unpacked, "wheel")
    assert made.returncode == 0, made.stderr
    (wheel,) = (unpacked / "dist").glob("*.whl")
    assert "-cp311-abi3-linux_" in wheel.name
    held = zipfile.ZipFile(wheel).namelist()
    assert [name for name in held if name.endswith(".so")] == ["pipeline/network/_core.abi3.so"]
    assert "pipeline/console/assets/console.js" in held
    for name in ("encoders/delta.c", "pipeline/network/network.c", "pipeline/device/files/qemu/startup.c"):
        assert name in held


def test_without_a_compiler_what_to_install_is_said(sources: Path):
    made = packed(sources, "wheel", CC="no-such-compiler")
    assert made.returncode != 0
    assert "apt install gcc libc6-dev" in made.stderr.splitlines()[-1]
