"""Snapshots on disk: the state of all networks at one moment, so that a restart need not replay a life.

A snapshot is written beside, synchronised and renamed, so a file with the right name is whole. The newest
`GENERATIONS` are kept; one that cannot be read is set aside by name and the one before it is used.
"""

import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger("spikewatch.snapshots")

GENERATIONS = 3


class Snapshots:
    """The snapshots in one folder; each is named by the journal sequence it covers."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """`read_only` is for a look beside a running service: nothing is changed."""
        self._folder = folder
        self._read_only = read_only
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, sequence: int, arrays: dict[str, NDArray[Any]]) -> None:
        """Keep the state after the journal's batch `sequence`; older generations go."""
        path = self._path(sequence)
        beside = path.with_suffix(".tmp")
        with beside.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the rename itself
        finally:
            os.close(descriptor)
        for old in self._paths()[GENERATIONS:]:
            old.unlink()

    def sequences(self) -> list[int]:
        """What the snapshots on disk cover, newest first."""
        return [int(path.stem.split("-")[1]) for path in self._paths()]

    def read(self, sequence: int) -> dict[str, NDArray[Any]] | None:
        """The arrays of one snapshot; None, and the file set aside, where it cannot be read."""
        path = self._path(sequence)
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            self.set_aside(sequence, str(error))
            return None

    def set_aside(self, sequence: int, reason: str) -> None:
        """Rename a snapshot that is of no use, so that nobody reads it again and a person can look at it."""
        if self._read_only:
            return
        path = self._path(sequence)
        aside = path.with_suffix(".corrupt")
        log.error('snapshot.corrupt set_aside=%s reason="%s"', aside, reason)
        path.rename(aside)

    def _path(self, sequence: int) -> Path:
        return self._folder / f"networks-{sequence:012d}.npz"

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("networks-*.npz"), reverse=True)
