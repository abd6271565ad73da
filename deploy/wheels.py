"""Wheels for x86-64 and ARM64 in `dist/`, which install without a compiler, each tried: `make wheels`, on Debian.

Both are made from one source distribution, so that nothing else of this folder is in them. Each is then installed
where nothing is but what `constraints.txt` names, and has to score the machines of `sample_data`; that for the other
processor with Debian's Python for it, under qemu. Both must give the same scores, to the bit.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
BUILD, DIST = ROOT / "build" / "wheels", ROOT / "dist"
PIP = ["-m", "pip", "-qq", "--disable-pip-version-check"]
# From the oldest C library on whose wheels are taken to the newest: what PyPI has for Python 3.11 to 3.13.
TAGS = ("manylinux2014", "manylinux_2_17", "manylinux_2_26", "manylinux_2_27", "manylinux_2_28")
SCORES = """\
import csv, gzip, hashlib, sys
from pathlib import Path
from pipeline.engine.engine import Engine
from pipeline.records import Machine, Reading

engine, digest, count = Engine(), hashlib.sha256(), 0
for path in sorted(Path(sys.argv[1]).glob("*.csv.gz")):
    machine = Machine(path.name)
    with gzip.open(path, "rt") as file:
        (_, *sensors), *rows = csv.reader(file)
    for first in range(0, len(rows), 1000):
        batch = []
        for number, (_, *cells) in enumerate(rows[first : first + 1000], first):
            time_ns = (1_700_000_000 + number) * 1_000_000_000
            given = [(sensor, float(cell)) for sensor, cell in zip(sensors, cells) if cell]
            batch.append([Reading(machine, sensor, time_ns, value) for sensor, value in given])
        scores = engine.step(engine.arrange([each for each in batch if each]))
        digest.update(scores.score.tobytes())
        count += len(scores.score)
print(f"{count:,} rows scored, SHA-256 of the scores {digest.hexdigest()}")
"""


class Processor(NamedTuple):
    """A processor by the names it has."""

    machine: str  # of the kernel and of wheels
    debian: str


PROCESSORS = (Processor("x86_64", "amd64"), Processor("aarch64", "arm64"))


def run(*command: str | Path, **environment: str) -> str:
    """What a command prints; the end of this program where it fails."""
    ended = subprocess.run(
        [*map(str, command)], cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    if ended.returncode:
        sys.exit(f"{ended.stdout}{' '.join(map(str, command[:6]))} ... ended with {ended.returncode}")
    return ended.stdout


def install(*packages: str) -> None:
    """Packages of Debian that are not there."""
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Status}\n", *packages], capture_output=True, text=True
    )
    missing = [package for package in packages if f"{package} install ok installed" not in shown.stdout]
    if missing:
        print("installing", *missing)
        run("tests/apt.sh", "update", "-qq")
        run("tests/apt.sh", "install", "-y", "-qq", "--no-install-recommends", *missing)


def python_of(processor: Processor) -> Path:
    """A folder with Debian's Python for another processor, its headers included, unpacked and not installed."""
    folder, kept = BUILD / processor.debian, BUILD / f"{processor.debian}.apt"
    for part in ("lists/partial", "archives/partial"):
        (kept / part).mkdir(parents=True, exist_ok=True)
    (kept / "status").touch()
    options = {"APT::Architecture": processor.debian, "APT::Architectures": processor.debian, "Dir::State": kept}
    options |= {"Dir::State::status": kept / "status", "Dir::Cache": kept, "Debug::NoLocking": "1"}
    apt = ["apt-get", "-qq", "--no-install-recommends", *(f"-o{name}={value}" for name, value in options.items())]
    run(*apt, "update")
    run(*apt, "install", "-y", "--download-only", "python3", "libpython3-dev", "libstdc++6")  # which numpy needs
    for archive in sorted((kept / "archives").glob("*.deb")):
        run("dpkg-deb", "-x", archive, folder)
    return folder


def made(source: Path, processor: Processor) -> Path:
    """The wheel of a source distribution for a processor."""
    environment = {}
    if processor.machine != platform.machine():
        compiler = f"{processor.machine}-linux-gnu-gcc"
        include = python_of(processor) / "usr" / "include"
        headers = f"-I{next(include.glob('python3.*'))} -I{include}"
        environment = {"CC": compiler, "LDSHARED": f"{compiler} -shared", "CFLAGS": headers}
        environment["_PYTHON_HOST_PLATFORM"] = f"linux-{processor.machine}"
    alone = ["--no-deps", "--no-index", "--no-build-isolation"]
    run(sys.executable, *PIP, "wheel", *alone, "-w", DIST, source, **environment)
    return next(DIST.glob(f"*_{processor.machine}.whl"))


def scores(wheel: Path, processor: Processor) -> str:
    """What a wheel says of the recorded machines, installed where nothing else is but what it needs."""
    place = BUILD / f"try-{processor.debian}"
    locks = ["--no-compile", "--require-hashes", "-r", "constraints.txt"]
    alone = ["--no-compile", "--no-deps", "--no-index", str(wheel)]
    recordings, program = ROOT / "sample_data", BUILD / "scores.py"
    program.write_text(SCORES)
    if processor.machine == platform.machine():
        run(sys.executable, "-m", "venv", place)
        python = place / "bin" / "python"
        run(python, *PIP, "install", *locks)
        run(python, *PIP, "install", *alone)
        return run(python, program, recordings)
    root = BUILD / processor.debian
    python = next((root / "usr" / "bin").glob("python3.*[0-9]"))
    tags = [f"{tag}_{processor.machine}" for tag in (*TAGS, "linux")]
    version = python.name.removeprefix("python")
    only = [f"--platform={tag}" for tag in tags] + ["--only-binary=:all:", "--python-version", version]
    run(sys.executable, *PIP, "install", "--target", place, *only, *locks)
    run(sys.executable, *PIP, "install", "--target", place, *only, *alone)
    emulated = [f"qemu-{processor.machine}", "-L", str(root), str(python)]
    return run(*emulated, program, recordings, PYTHONPATH=str(place))


def main() -> None:
    """Make them, and try them."""
    for folder in (BUILD, DIST):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for other in PROCESSORS:
        if other.machine != platform.machine():
            name = other.machine.replace("_", "-")
            install(f"gcc-{name}-linux-gnu", f"libc6-dev-{other.debian}-cross", "qemu-user")
    pack = "from setuptools import build_meta; print(build_meta.build_sdist('dist'))"
    source = DIST / run(sys.executable, "-c", pack).splitlines()[-1]
    said = {}
    for processor in PROCESSORS:
        wheel = made(source, processor)
        said[processor] = scores(wheel, processor)
        print(f"{wheel.relative_to(ROOT)}: {said[processor]}", end="")
    if len(set(said.values())) > 1:
        sys.exit("the scores differ from processor to processor")


if __name__ == "__main__":
    main()
