"""Writes the exact versions and hashes of what is installed: `make lock`, after a change of pyproject.toml.

For every Python and platform that pyproject.toml allows. constraints.txt is what a gateway needs, and what it is
built with; beside it, and each without the others, recorded files, notifications, blocks of samples, NIR, Spark,
and history in bulk. The trial broker, the pages of docs/, the tests, the benchmarks, the tools of a release: of
these each file holds what the ones before it do not have. Versions that are in the files already are kept;
`--upgrade` takes the newest.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTRAS = ("files", "notify", "waveform", "nir", "demo", "docs", "spark", "bulk", "dev", "bench", "release")
ALONE = {"files", "notify", "waveform", "nir", "spark", "bulk"}  # need nothing but constraints.txt beside them
LAYERS = {"constraints.txt": None, **{f"constraints-{extra}.txt": extra for extra in EXTRAS}}
HEADER = "# Made by `make lock` from pyproject.toml: {what}. For pip install --require-hashes -r.\n"


def pins(text: str) -> list[str]:
    """The entries of a file of requirements, each a version, its platforms and its hashes."""
    return re.findall(r"^\S.*==.*?(?: \\\n.*?)+$", text, re.MULTILINE)


def versions(entries: list[str]) -> str:
    """The same without hashes, as constraints."""
    return "\n".join(entry.partition(" \\\n")[0] for entry in entries) + "\n"


def lock(upgrade: bool) -> None:
    """Write all files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    build = "\n".join(project["build-system"]["requires"])
    lowest = project["project"]["requires-python"].removeprefix(">=")
    files = {ROOT / name: extra for name, extra in LAYERS.items()}
    kept = [entry for path in files if path.exists() and not upgrade for entry in pins(path.read_text())]
    before: list[str] = []
    gateway: list[str] = []
    for path, extra in files.items():
        known = ROOT / "build" / "kept.txt"
        known.parent.mkdir(exist_ok=True)
        known.write_text(versions(list(dict.fromkeys(kept + before))))
        command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "-", "--universal"]
        command += ["--python-version", lowest]
        command += ["--generate-hashes", "--no-header", "--no-annotate", "--quiet", "--constraint", str(known)]
        command += ["--extra", extra] if extra else []
        made = subprocess.run(command, cwd=ROOT, input=build, stdout=subprocess.PIPE, text=True, check=True).stdout
        new = [entry for entry in pins(made) if entry not in (gateway if extra in ALONE else before)]
        what = f"the extra '{extra}', beside constraints.txt" if extra else "the service and what builds it"
        path.write_text(HEADER.format(what=what) + "\n".join(new) + "\n")
        before += new
        gateway = gateway or new
        known.unlink()


if __name__ == "__main__":
    lock("--upgrade" in sys.argv[1:])
