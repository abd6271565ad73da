"""The bytes of a file, unpacked, as often as somebody wants to read them from the beginning.

What a file is, is said by its first bytes and not by its name. What is packed may hold at most `MOST_BYTES`.
"""

import gzip
import io
import zlib
from collections.abc import Callable
from typing import BinaryIO

from pipeline.recordings.reading.choices import TableError

MOST_BYTES = 8 << 30  # of what is packed, unpacked: what a workstation can hold; from judgement
HEAD_BYTES = 1 << 18  # what is looked at before anything is decided

Opener = Callable[[], BinaryIO]  # a new stream from the first byte on

# First bytes of files that people take for tables, and what to do with them.
OTHERS = (
    (b"PK\x03\x04", "a spreadsheet or zip archive: save the sheet as CSV, or unpack it"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of old Excel: save the sheet as CSV"),
    (b"TDSm", "a TDMS file of LabVIEW: export it as CSV"),
    (b"MDF     ", "an MDF file: export it as CSV, for example with asammdf"),
    (b"UnFinMF ", "an MDF file that was not closed: repair and export it as CSV, for example with asammdf"),
    (b"SQLite format 3\x00", "a database of SQLite: export a table as CSV"),
    (b"\x89HDF", "an HDF5 file: export it as CSV or Parquet"),
    (b"%PDF", "a PDF, which holds no table of cells"),
    (b"BZh", "packed with bzip2: unpack it first"),
    (b"\xfd7zXZ", "packed with xz: unpack it first"),
    (b"(\xb5/\xfd", "packed with zstd: unpack it first"),
)


class _Bounded(io.RawIOBase):
    """A stream that ends with a TableError where it would be longer than MOST_BYTES."""

    def __init__(self, packed: BinaryIO, most: int) -> None:
        self.packed = packed
        self.inner = gzip.GzipFile(fileobj=packed, mode="rb")
        self.left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        try:
            data = self.inner.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TableError(f"damaged or cut off: {error}") from None
        self.left -= len(data)
        if self.left < 0:
            raise TableError(f"unpacked, it is larger than {MOST_BYTES:,} bytes: cut it into parts")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.inner.close()
        self.packed.close()  # which gzip leaves open
        super().close()


def unpacked(opener: Opener) -> Opener:
    """The same stream without gzip around it; raises TableError for what is known not to be a table."""
    with opener() as file:
        first = file.read(16)
    if first.startswith(b"\x1f\x8b"):

        def inner() -> BinaryIO:
            return io.BufferedReader(_Bounded(opener(), MOST_BYTES), 1 << 20)

        return inner
    for mark, what in OTHERS:
        if first.startswith(mark):
            raise TableError(f"this is {what}")
    return opener


def head(opener: Opener) -> tuple[bytes, bool]:
    """The first bytes, and whether they are all there are."""
    with opener() as file:
        data = file.read(HEAD_BYTES + 1)
    return data[:HEAD_BYTES], len(data) <= HEAD_BYTES
