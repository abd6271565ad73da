"""Compile the network, which is C, into the extension that `pipeline.network.binding` uses: `python build_core.py`.

One source for every machine: no fast-math, no fused operations, so that all of them compute the same bits.
"""

import re
import shutil
import tempfile
from pathlib import Path

import cffi

ROOT = Path(__file__).parent
MODULE = "pipeline.network._core"
# In an order in which every type is known before it is used.
HEADERS = (
    "encoders/delta.h",
    "encoders/rate.h",
    *(
        f"pipeline/network/{part}.h"
        for part in (
            "traces",
            "clock",
            "value",
            "activity",
            "evolving",
            "rank",
            "context",
            "persistence",
            "coupling",
            "condition",
            "resolution",
            "expectation",
            "modes",
            "evidence",
            "drift",
            "wear",
            "quality",
            "output",
            "params",
            "rows",
            "scoring",
            "block",
            "prior",
            "network",
        )
    ),
)
OPTIONS = ["-std=c99", "-O3", "-ffp-contract=off", "-fno-math-errno"]
WARNINGS = ["-Wall", "-Wextra"]


def declarations() -> str:
    """All types and functions of the headers, without what only a preprocessor understands."""
    text = "\n".join((ROOT / header).read_text() for header in HEADERS)
    return re.sub(r"^#.*$", "", text, flags=re.MULTILINE)


def sources() -> list[str]:
    """Every file that is compiled."""
    return [str(path) for folder in ("encoders", "pipeline/network") for path in sorted((ROOT / folder).glob("*.c"))]


def extension(options: list[str] | None = None) -> cffi.FFI:
    """What is to be compiled; further `options` for the compiler come last."""
    ffi = cffi.FFI()
    ffi.cdef(declarations())
    ffi.set_source(
        MODULE,
        "\n".join(f'#include "{header}"' for header in HEADERS),
        sources=sources(),
        include_dirs=[str(ROOT)],
        extra_compile_args=[*OPTIONS, *WARNINGS, *(options or [])],
        libraries=["m"],
        py_limited_api=True,
    )
    return ffi


def build(folder: Path, options: list[str] | None = None) -> Path:
    """Compile into a folder; returns the extension's path."""
    with tempfile.TemporaryDirectory() as place:
        made = Path(extension(options).compile(tmpdir=place))
        return Path(shutil.copy(made, folder / made.name))


def build_if_older() -> Path:
    """The extension in its place, compiled unless it is newer than everything that it is made of."""
    folder = ROOT / "pipeline" / "network"
    made = [path for path in folder.glob("_core.*") if path.suffix == ".so"]
    parts = [path for part in ("encoders", "pipeline/network") for path in (ROOT / part).glob("*.[ch]")]
    newest = max(path.stat().st_mtime_ns for path in (*parts, Path(__file__)))
    if made and made[0].stat().st_mtime_ns > newest:
        return made[0]
    return build(folder)


if __name__ == "__main__":
    print(build(ROOT / "pipeline" / "network"))  # noqa: T201
