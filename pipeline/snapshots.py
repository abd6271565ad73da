"""Snapshots on disk: the state of all networks at one moment, so that a restart need not replay a life.

A snapshot is written beside, synchronised and renamed, so a file with the right name is whole. The newest
`GENERATIONS` are kept; one that cannot be read is set aside by name and the one before it is used.

The file, version 3: the line `spikewatch snapshot 3`, the length of a JSON header as 8 bytes, the header (journal
sequence; name, type and shape of every array), the arrays' bytes one after the other, and the BLAKE2b digest of all
that. Version 2 was numpy's .npz. What the arrays mean is versioned by `pipeline.fleet`.
"""

import errno
import hashlib
import logging
import math
import os
import struct
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

log = logging.getLogger("spikewatch.snapshots")

GENERATIONS = 3
KEPT_ASIDE = 3
MAGIC = b"spikewatch snapshot 3\n"
DIGEST_BYTES = 32
Arrays = dict[str, NDArray[Any]]


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """What follows in a snapshot."""

    sequence: int
    arrays: list[tuple[str, str, tuple[int, ...]]]  # name, numpy's type string, shape


class UnreadableError(Exception):
    """A file is not the snapshot that was written."""


class Hashing:
    """Writes to a file and digests what it writes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self._file = file

    def write(self, data: bytes | memoryview) -> None:
        """Append."""
        self.digest.update(data)
        self._file.write(data)


def write_arrays(file: IO[bytes], sequence: int, arrays: Arrays) -> None:
    """Write a snapshot of the newest version."""
    header = Header(sequence, [(name, array.dtype.str, array.shape) for name, array in arrays.items()])
    encoded = msgspec.json.encode(header)
    out = Hashing(file)
    out.write(MAGIC + struct.pack("<Q", len(encoded)) + encoded)
    for array in arrays.values():
        out.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    file.write(out.digest.digest())


def read_arrays(path: Path, sequence: int) -> Arrays:
    """Read a snapshot of any version; raises UnreadableError, or OSError where the file cannot be reached."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return read_version_2(path)
        if os.fstat(file.fileno()).st_size < len(MAGIC) + 8 + DIGEST_BYTES:
            raise UnreadableError("it is too short")
        file.seek(0)
        data = file.read()
    body, digest = memoryview(data)[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() != digest:
        raise UnreadableError("it fails its checksum")
    begin = len(MAGIC) + 8
    (length,) = struct.unpack("<Q", body[begin - 8 : begin])
    header = msgspec.json.decode(body[begin : begin + length], type=Header)
    if header.sequence != sequence:
        raise UnreadableError(f"it is the snapshot of {header.sequence}")
    begin += length
    arrays = {}
    for name, kind, shape in header.arrays:
        count = math.prod(shape)
        arrays[name] = np.frombuffer(body, kind, count, begin).reshape(shape)
        begin += arrays[name].nbytes
    return arrays


def read_version_2(path: Path) -> Arrays:
    """Numpy's .npz; each member has a checksum, what stands around them has none."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except OSError:
        raise
    except Exception as error:  # a damaged zip file or header makes any exception there is
        raise UnreadableError(str(error) or type(error).__name__) from None


class Snapshots:
    """The snapshots in one folder; each is named by the journal sequence it covers."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """`read_only` is for a look beside a running service: nothing is changed."""
        self._folder = folder
        self._read_only = read_only
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, sequence: int, arrays: Arrays) -> None:
        """Keep the state after the journal's batch `sequence` in the place of the oldest generation.

        A generation that goes leaves its blocks to the one that comes, so that a full disk has room for it. Where
        that does not suffice, one more goes, as long as another is left. Raises OSError.
        """
        kept = self._paths()
        if len(kept) >= GENERATIONS:
            self._recycle(kept.pop())
        try:
            self._write(sequence, arrays)
        except OSError as error:
            if error.errno != errno.ENOSPC or len(kept) < 2:
                raise
            log.warning("snapshot.full removed=%s policy=drop_oldest_generation", kept[-1])
            self._recycle(kept.pop())
            self._write(sequence, arrays)
        for old in self._paths()[GENERATIONS:]:
            old.unlink()

    @property
    def _beside(self) -> Path:
        """Where a snapshot is written. After a failure it stays, and holds its blocks for the next one."""
        return self._folder / "networks.tmp"

    def _recycle(self, path: Path) -> None:
        if not self._beside.exists() or path.stat().st_size > self._beside.stat().st_size:
            path.replace(self._beside)
        else:
            path.unlink()

    def _write(self, sequence: int, arrays: Arrays) -> None:
        with os.fdopen(os.open(self._beside, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            write_arrays(file, sequence, arrays)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self._beside.rename(self._folder / f"networks-{sequence:012d}.snapshot")
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # the rename itself
        finally:
            os.close(descriptor)

    def sequences(self) -> list[int]:
        """What the snapshots on disk cover, newest first."""
        return [sequence_of(path) for path in self._paths()]

    def size(self, sequence: int) -> int:
        """Bytes of one snapshot."""
        return self._path(sequence).stat().st_size

    def read(self, sequence: int) -> Arrays | None:
        """The arrays of one snapshot; None, and the file set aside, where it is not what was written.

        Raises OSError where the file cannot be reached: that says nothing of what is in it.
        """
        try:
            return read_arrays(self._path(sequence), sequence)
        except UnreadableError as error:
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
        for old in sorted(self._folder.glob("networks-*.corrupt"), reverse=True)[KEPT_ASIDE:]:
            old.unlink()

    def _path(self, sequence: int) -> Path:
        return next(path for path in self._paths() if sequence_of(path) == sequence)

    def _paths(self) -> list[Path]:
        """All generations, newest first."""
        named = [path for path in self._folder.glob("networks-*") if path.suffix in {".snapshot", ".npz"}]
        return sorted((path for path in named if path.stem.removeprefix("networks-").isdecimal()), reverse=True)


def sequence_of(path: Path) -> int:
    """The journal sequence that a snapshot's name says."""
    return int(path.stem.removeprefix("networks-"))
