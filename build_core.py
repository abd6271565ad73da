"""Compile the network, which is C, into the extension that `pipeline.network.binding` uses: `python build_core.py`.

One source for every machine: no fast-math, no fused operations, so that all of them compute the same bits. `setup.py`
takes from here what `pip install .` compiles; paths are relative there, as a source distribution needs them.
`python build_core.py --missing` says which packages of Debian a compilation needs that this system does not have.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import cffi  # not there yet where only --missing is asked

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
            "counts",
            "activity",
            "evolving",
            "rank",
            "context",
            "persistence",
            "coupling",
            "condition",
            "resolution",
            "kind",
            "expectation",
            "modes",
            "evidence",
            "drift",
            "wear",
            "quality",
            "rhythm",
            "routine",
            "output",
            "params",
            "account",
            "rows",
            "scoring",
            "block",
            "prior",
            "network",
        )
    ),
)
MATHEMATICS = "pipeline/network/math.h"  # most of which is for C alone
DELAYS = """
typedef int8_t sw_delay;
typedef int16_t sw_time;
typedef uint16_t sw_late;
typedef uint32_t sw_sum;
#define SW_DELAY_BITS ...
#define SW_TIMES_A_UNIT ...
"""  # of delay.h, as it is where no other width is asked for
OPTIONS = ["-std=c99", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"]
WARNINGS = ["-Wall", "-Wextra"]


def declarations() -> str:
    """All types and functions of the headers, without what only a compiler understands."""
    text = "\n".join((ROOT / header).read_text() for header in HEADERS)
    common = (ROOT / MATHEMATICS).read_text().split("#ifdef SW_SINGLE")[0]
    mathematics = re.findall(r"^sw_real \w+\([^)]*\);", common, re.MULTILINE)
    numbers = "typedef double sw_real;\n" + DELAYS  # of real.h, without its other case
    return numbers + re.sub(r"^#.*$", "", text, flags=re.MULTILINE) + "\n".join(mathematics)


def files(ending: str) -> list[str]:
    """All files of C with this ending."""
    return [
        str(path)
        for folder in ("encoders", "pipeline/network")
        for path in sorted((ROOT / folder).glob(f"*{ending}"))
    ]


def sources() -> list[str]:
    """Every file that is compiled."""
    return files(".c")


def extension(options: list[str] | None = None, name: str = MODULE, declared: str | None = None) -> cffi.FFI:
    """What is to be compiled; further `options` for the compiler come last.

    Tests and benchmarks compile other networks of the same sources: `declared` stands for `declarations()`.
    """
    import cffi

    ffi = cffi.FFI()
    ffi.cdef(declared or declarations())
    ffi.set_source(
        name,
        "\n".join(f'#include "{header}"' for header in (MATHEMATICS, *HEADERS)),
        sources=sources(),
        depends=[*files(".h"), str(ROOT / "build_core.py")],
        include_dirs=[str(ROOT)],
        extra_compile_args=[*OPTIONS, *WARNINGS, *(options or [])],
        libraries=["m"],
        py_limited_api=True,
    )
    return ffi


def missing() -> list[str]:
    """The packages of Debian with what a compilation needs, as far as it is not here."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    packages = []
    if not shutil.which(compiler[0]):
        packages += ["gcc", "libc6-dev"]
    elif subprocess.run([*compiler, "-E", "-xc", "-"], input=b"#include <math.h>", capture_output=True).returncode:
        packages += ["libc6-dev"]  # which gcc only recommends
    if not any(Path(sysconfig.get_path(place), "Python.h").exists() for place in ("include", "platinclude")):
        packages += [f"python{sysconfig.get_python_version()}-dev"]
    return packages


def build(folder: Path, options: list[str] | None = None) -> Path:
    """Compile into a folder; returns the extension's path."""
    with tempfile.TemporaryDirectory() as place:
        made = Path(extension(options).compile(tmpdir=place))
        to = folder / made.name
        # Renamed into its place: a process that runs the old one would crash if that were written over.
        Path(shutil.copy(made, to.with_suffix(".new"))).replace(to)
        return to


def build_if_older() -> Path:
    """The extension in its place, compiled unless it is newer than everything that it is made of."""
    folder = ROOT / "pipeline" / "network"
    made = [path for path in folder.glob("_core.*") if path.suffix == ".so"]
    newest = max(Path(part).stat().st_mtime_ns for part in (*files(".[ch]"), __file__))
    if made and made[0].stat().st_mtime_ns > newest:
        return made[0]
    return build(folder)


if __name__ == "__main__":
    print(" ".join(missing()) if "--missing" in sys.argv else build(ROOT / "pipeline" / "network"))  # noqa: T201
