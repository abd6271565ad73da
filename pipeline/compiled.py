"""Where compiled kernels are kept between starts: in a folder named after the sources they were made of.

The compiler notices when a kernel's own file changes, and not when one does that the kernel has taken in. After an
update it would run old code without a word. So any change where kernels are means another folder, and the older ones
go.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import MutableMapping
from pathlib import Path

PREFIX = "kernels-"
VARIABLE = "NUMBA_CACHE_DIR"
# All that is compiled or taken in is in here.
KERNELS = ("encoders", "pipeline/network", "pipeline/engine/scoring.py", "pipeline/engine/recognition.py")
WITHOUT = {"binding.py", "block.py", "mirror.py"}  # but for the network in C, which has no kernels


def digest(sources: Path) -> str:
    """Of the names and contents of the files that hold kernels, in a folder of both packages."""
    whole = hashlib.blake2b(digest_size=8)
    for name in KERNELS:
        place = sources / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if path.name in WITHOUT:
                continue
            whole.update(f"{path.relative_to(sources).as_posix()}\0{path.stat().st_size}\0".encode())
            whole.update(path.read_bytes())
    return whole.hexdigest()


def home(sources: Path, environ: MutableMapping[str, str]) -> Path:
    """The folder of all versions: what the environment names, else beside the sources, else the user's cache."""
    named = environ.get(VARIABLE)
    if named:
        folder = Path(named)
        return folder.parent if folder.name.startswith(PREFIX) else folder  # a child process inherits ours
    beside = sources / "pipeline" / "__pycache__"
    if os.access(beside if beside.exists() else beside.parent, os.W_OK):
        return beside
    return Path(environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "spikewatch"


def keep(sources: Path, environ: MutableMapping[str, str]) -> None:
    """Have the compiler use this version's folder, and remove those of others; before any kernel is imported."""
    folder = home(sources, environ) / f"{PREFIX}{digest(sources)}"
    if not folder.exists():
        for old in folder.parent.glob(f"{PREFIX}*"):
            shutil.rmtree(old, ignore_errors=True)
    environ[VARIABLE] = str(folder)
    numba = sys.modules.get("numba")
    if numba is not None:  # has read the environment already
        numba.config.CACHE_DIR = str(folder)
