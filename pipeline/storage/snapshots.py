"""Snapshots on disk: the state of all networks at one moment, so that a restart need not replay a life.

A snapshot is written beside, synchronised and renamed, so a file with the right name is whole. The newest
`GENERATIONS` are kept; one that cannot be read is set aside by name and the one before it is used. One of a later
version is neither used nor touched.

The file, version 3: the line `spikewatch snapshot 3`, the length of a JSON header as 8 bytes, the header (journal
sequence; name, type and shape of every array), the arrays' bytes one after the other, and the BLAKE2b digest of all
that. Version 2 was numpy's .npz. What the arrays mean is versioned by `pipeline.engine.fleet`.
"""

import errno
import hashlib
import io
import logging
import math
import os
import re
import stat
import struct
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.files import NotRegularError, make_folder, open_private, open_regular

log = logging.getLogger("spikewatch.snapshots")

GENERATIONS = 3
KEPT_ASIDE = 3
VERSION = 3
MAGIC = b"spikewatch snapshot %d\n" % VERSION
_ANY_VERSION = re.compile(rb"spikewatch snapshot ([1-9][0-9]{0,5})\n")
DIGEST_BYTES = 32
Arrays = dict[str, NDArray[Any]]


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """What follows in a snapshot."""

    sequence: int
    arrays: list[tuple[str, str, tuple[int, ...]]]  # name, numpy's type string, shape


class UnreadableError(Exception):
    """A file is not the snapshot that was written."""


class LaterVersionError(Exception):
    """A later version of the program wrote a snapshot: it must not be set aside, nor gone without."""


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


def later_version(data: bytes) -> int | None:
    """The version of a snapshot that a later program wrote; None for any other."""
    found = _ANY_VERSION.match(data)
    if found is None or int(found[1]) <= VERSION:
        return None
    flipped = [byte ^ ours for byte, ours in zip(data, MAGIC, strict=False) if byte != ours]
    if len(flipped) == 1 and flipped[0].bit_count() == 1 and fits(MAGIC + data[len(MAGIC) :]):
        return None  # one of ours, damaged just there
    return int(found[1])


def fits(data: bytes) -> bool:
    """Whether the digest at the end is that of all before it."""
    body, digest = memoryview(data)[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest() == digest


def read_arrays(path: Path, sequence: int) -> Arrays:
    """Read a snapshot of any version up to this one.

    Raises UnreadableError, LaterVersionError, or OSError where the file cannot be reached.
    """
    try:
        with open_regular(path) as file:
            data = file.read()
    except NotRegularError as error:
        raise UnreadableError(f"it is {error.strerror}") from None
    return arrays_of(data, sequence, path)


def arrays_of(data: bytes, sequence: int, path: Path | None = None) -> Arrays:
    """The arrays of a snapshot of any version up to this one; `path` is where it was.

    Raises UnreadableError or LaterVersionError.
    """
    version = later_version(data)
    if version is not None:
        raise LaterVersionError(later(path, f"version {version}", f"versions up to {VERSION}"))
    if not data.startswith(MAGIC):
        return read_version_2(data)
    if len(data) < len(MAGIC) + 8 + DIGEST_BYTES:
        raise UnreadableError("it is too short")
    if not fits(data):
        raise UnreadableError("it fails its checksum")
    body = memoryview(data)[:-DIGEST_BYTES]
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


def read_version_2(data: bytes) -> Arrays:
    """Numpy's .npz; each member has a checksum, what stands around them has none."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # a damaged zip file or header makes any exception there is
        raise UnreadableError(str(error) or type(error).__name__) from None


class Snapshots:
    """The snapshots in one folder; each is named by the journal sequence it covers."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """`read_only` is for a look beside a running service: nothing is changed."""
        self._folder = folder
        self._read_only = read_only
        self.unreached: dict[int, OSError] = {}  # snapshots that could not be read, and why
        if not read_only:
            make_folder(folder)

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
            remove(old)

    @property
    def _beside(self) -> Path:
        """Where a snapshot is written. After a failure it stays, and holds its blocks for the next one."""
        return self._folder / "networks.tmp"

    def _recycle(self, path: Path) -> None:
        size = reusable(self._beside)
        if size is None or path.stat().st_size > size:
            path.replace(self._beside)
        else:
            path.unlink()

    def _write(self, sequence: int, arrays: Arrays) -> None:
        if reusable(self._beside) is None:
            remove(self._beside)
        with os.fdopen(open_private(self._beside, os.O_RDWR), "r+b") as file:
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

    def file(self, sequence: int) -> Path:
        """Where one snapshot is."""
        return self._path(sequence)

    def size(self, sequence: int) -> int:
        """Bytes of one snapshot."""
        return self._path(sequence).stat().st_size

    def refuse_later(self) -> None:
        """Raise LaterVersionError where a later version wrote one of them: with the others it would be lost."""
        for path in self._paths():
            try:
                with open_regular(path) as file:
                    if _ANY_VERSION.match(file.read(len(MAGIC) + 5)) is None:
                        continue
                    file.seek(0)
                    version = later_version(file.read())
            except OSError:
                continue  # `read` says so
            if version is not None:
                raise LaterVersionError(later(path, f"version {version}", f"versions up to {VERSION}"))

    def read(self, sequence: int) -> Arrays | None:
        """The arrays of one snapshot; None, and the file set aside, where it is not what was written.

        None as well where the file cannot be reached, which says nothing of what is in it: it stays, and is among
        `unreached`. Raises LaterVersionError.
        """
        path = self._path(sequence)
        try:
            return read_arrays(path, sequence)
        except UnreadableError as error:
            self.set_aside(sequence, str(error))
        except OSError as error:
            log.error('snapshot.unreached file=%s reason="%s" note="trying the one before"', path, error.strerror)
            self.unreached[sequence] = error
        return None

    def set_aside(self, sequence: int, reason: str) -> None:
        """Rename a snapshot that is of no use, so that nobody reads it again and a person can look at it."""
        if self._read_only:
            return
        path = self._path(sequence)
        aside = path.with_suffix(".corrupt")
        log.error('snapshot.corrupt set_aside=%s reason="%s"', aside, reason)
        remove(aside)
        path.rename(aside)
        for old in sorted(self._folder.glob("networks-*.corrupt"), reverse=True)[KEPT_ASIDE:]:
            remove(old)

    def set_aside_unreached(self) -> None:
        """Set aside what could not be read, now that another has what it held."""
        for sequence, error in self.unreached.items():
            self.set_aside(sequence, str(error.strerror))
        self.unreached.clear()

    def _path(self, sequence: int) -> Path:
        named = self._folder / f"networks-{sequence:012d}.snapshot"
        return next((path for path in self._paths() if sequence_of(path) == sequence), named)

    def _paths(self) -> list[Path]:
        """All generations, newest first."""
        named = [path for path in self._folder.glob("networks-*") if path.suffix in {".snapshot", ".npz"}]
        return sorted((path for path in named if path.stem.removeprefix("networks-").isdecimal()), reverse=True)


def later(path: Path | None, found: str, reads: str) -> str:
    """What is said of a snapshot that a later program wrote."""
    if path is None:
        return f"of {found}; this spikewatch reads {reads}. Run the later one again"
    return (
        f"{path}: of {found}; this spikewatch reads {reads}. Run the later one again, or go on without what"
        f" only it has learned: move that file away"
    )


def reusable(path: Path) -> int | None:
    """Bytes of a file whose blocks may be written over; None for a link, a folder, or what has another name too."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 else None


def remove(path: Path) -> None:
    """Remove what has that name; a folder, which is none of ours, gets another."""
    try:
        path.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):
        if not path.is_dir():
            raise
        to = path.with_name(f"{path.name}.moved-{path.stat().st_ino}")
        log.warning("snapshot.folder moved=%s to=%s", path, to)
        path.rename(to)


def sequence_of(path: Path) -> int:
    """The journal sequence that a snapshot's name says."""
    return int(path.stem.removeprefix("networks-"))
