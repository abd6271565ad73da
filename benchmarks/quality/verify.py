#!/usr/bin/env python3
"""Is a data folder the one the figures were made from?  ``verify.py DATA`` says so set by set.

``MANIFEST.sha256`` holds one line per file the board reads: SHA-256 of the content
and the file's name.  The content of a ``.gz`` is what is compressed in it, that of an
``.npz`` its arrays ``train`` and ``test`` as float32, so whoever compresses the
same data in another way gets the same sums.  A set that is missing altogether is no
error; a set that is there must be complete and equal, with no further recordings
where the board takes all it finds.  ``--write`` prints the lines for
a folder instead.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
from pathlib import Path

import numpy as np

MANIFEST = Path(__file__).with_name("MANIFEST.sha256")
TAKES_ALL = ("skab/data/*/*.csv*", "gas_turbine/gt_*.csv*", "ur3_cobotops/session*.csv.gz")


def content(path: Path) -> bytes:
    """What ``path`` says, whatever way it was compressed."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return b"".join(arrays[part].astype(np.float32).tobytes() for part in ("train", "test"))
    return path.read_bytes()


def check(data: Path, manifest: str) -> dict[str, list[str]]:
    """Per set that is there, what is wrong with it: empty if nothing."""
    wrong: dict[str, list[str]] = {}
    for line in manifest.splitlines():
        expected, name = line.split("  ", 1)
        set_name = name.split("/")[0]
        path = data / name
        if not (data / set_name).is_dir():
            continue
        problems = wrong.setdefault(set_name, [])
        if not path.exists():
            problems.append(f"{name} is missing")
        elif hashlib.sha256(content(path)).hexdigest() != expected:
            problems.append(f"{name} is different")
    listed = {line.split("  ", 1)[1] for line in manifest.splitlines()}
    for path in (path for pattern in TAKES_ALL for path in sorted(data.glob(pattern))):
        name = path.relative_to(data).as_posix()
        if name not in listed:
            wrong.setdefault(name.split("/")[0], []).append(f"{name} does not belong to it")
    return wrong


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("data", type=Path)
    p.add_argument("--write", action="store_true", help="print the manifest's lines for the files it names")
    a = p.parse_args()
    manifest = MANIFEST.read_text()
    if a.write:
        for name in (line.split("  ", 1)[1] for line in manifest.splitlines()):
            print(f"{hashlib.sha256(content(a.data / name)).hexdigest()}  {name}")
        return
    wrong = check(a.data, manifest)
    for set_name in dict.fromkeys(line.split("  ", 1)[1].split("/")[0] for line in manifest.splitlines()):
        problems = wrong.get(set_name)
        if problems is None:
            print(f"{set_name}: not there")
        elif problems:
            print(f"{set_name}: {problems[0]}" + (f", and {len(problems) - 1} more" if problems[1:] else ""))
        else:
            print(f"{set_name}: as it should be")
    raise SystemExit(any(wrong.values()))


if __name__ == "__main__":
    main()
