"""The journal's file: its tables, how a row is written and checked, and how rows come out of old and damaged files.

Every row has a checksum over all that it says. Readers of all earlier versions stay.
"""

import os
import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.files import make_private, open_private
from pipeline.records import Point, Readings
from pipeline.storage.sqlite_files import Database, beside, remove

VERSION = 5  # of the file, in SQLite's user_version; readers of all earlier ones stay
DATABASE_OUTBOX = "outbox"  # the first there was, for the database
# Outboxes that a journal has. A new one needs a name here and a line in NEW_IN.
OUTBOXES = (DATABASE_OUTBOX, "upstream", "notices")
# Where room is needed, batches of a low rank go first; `arrived_ns` is of the newest message before the commit.
RANKED_OUTBOX = (
    "id INTEGER PRIMARY KEY, rank INTEGER NOT NULL, arrived_ns INTEGER NOT NULL, count INTEGER NOT NULL,"
    " points BLOB NOT NULL, checksum INTEGER NOT NULL"
)
TABLES = {
    "machines": "slot INTEGER PRIMARY KEY, name TEXT NOT NULL, tags TEXT NOT NULL, checksum INTEGER NOT NULL",
    "lines": "line INTEGER PRIMARY KEY, slot INTEGER NOT NULL, sensor TEXT NOT NULL, checksum INTEGER NOT NULL",
    "readings": "sequence INTEGER PRIMARY KEY, previous INTEGER NOT NULL, columns BLOB NOT NULL,"
    " checksum INTEGER NOT NULL",
    "commands": "sequence INTEGER PRIMARY KEY, previous INTEGER NOT NULL, content TEXT NOT NULL,"
    " checksum INTEGER NOT NULL",
    "commits": "sequence INTEGER PRIMARY KEY, seen BLOB NOT NULL, arrived_ns INTEGER NOT NULL,"
    " checksum INTEGER NOT NULL",
    "kept": "id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, content BLOB NOT NULL, checksum INTEGER NOT NULL",
    "outbox": "id INTEGER PRIMARY KEY, count INTEGER NOT NULL, points BLOB NOT NULL, checksum INTEGER NOT NULL",
    **dict.fromkeys(OUTBOXES[1:], RANKED_OUTBOX),
    "dead": "id INTEGER PRIMARY KEY, reason TEXT NOT NULL, what TEXT NOT NULL, content BLOB NOT NULL,"
    " checksum INTEGER NOT NULL",
}
SCHEMA = {name: f"CREATE TABLE {name} ({columns})" for name, columns in TABLES.items()}
SCHEMA |= {f"{name}_rank": f"CREATE INDEX {name}_rank ON {name} (rank)" for name in OUTBOXES[1:]}
NEW_IN = {  # what came with a version
    2: ("commands",),
    3: ("kept",),
    4: ("upstream", "upstream_rank"),
    5: ("notices", "notices_rank"),
}
# Readings and commands, which a restart replays, name the one before them: (sequence, previous, bytes).
CHAIN = (
    "SELECT sequence, previous, length(columns) AS size FROM readings"
    " UNION ALL SELECT sequence, previous, length(content) FROM commands"
)
COLUMNS = ("<i4", "<i4", "<i8", "<f8", "?")  # slot, line, time_ns, value, ends

Row = tuple[int | str | bytes, ...]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Point]).decode


def schema_of(version: int) -> dict[str, str]:
    """The tables of an earlier version, from 1 on."""
    later = [name for number, names in NEW_IN.items() if number > version for name in names]
    return {name: statement for name, statement in SCHEMA.items() if name not in later}


def checksum(*row: int | str | bytes) -> int:
    """CRC-32 over a row, with its numbers."""
    crc = 0
    for value in row:
        part = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        crc = zlib.crc32(part, zlib.crc32(struct.pack("<q", len(part)), crc))
    return crc


def insert(database: sqlite3.Connection, table: str, row: Row) -> None:
    """Add a row with its checksum."""
    database.execute(f"INSERT INTO {table} VALUES ({'?, ' * len(row)}?)", (*row, checksum(*row)))


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a journal's file, whatever is in it; one that is made is for our account only, and so is its log."""
    if not read_only:
        make_private(path)
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        isolation_level=None,  # transactions are begun and ended here, in sight
        timeout=30.0,
        factory=Database,
    )
    # A damaged file may hold bytes that are no text; the checksum finds that out, an exception on the way would not.
    database.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    return database


def pack(readings: Readings) -> bytes:
    """The columns of readings one after the other; see COLUMNS."""
    return b"".join(column.astype(kind).tobytes() for column, kind in zip(readings, COLUMNS, strict=True))


def unpack(blob: bytes) -> Readings:
    """What `pack` was given."""
    count = len(blob) // sum(np.dtype(kind).itemsize for kind in COLUMNS)
    columns: list[NDArray[Any]] = []
    begin = 0
    for kind, wide in zip(COLUMNS, (np.int64, np.int64, np.int64, np.float64, np.bool_), strict=True):
        columns.append(np.frombuffer(blob, kind, count, begin).astype(wide))
        begin += count * np.dtype(kind).itemsize
    return Readings(*columns)


def pack_points(points: Sequence[Point]) -> tuple[bytes, int]:
    """A batch of the outbox, and how many bytes it was before it was compressed."""
    content = _encode(points)
    return zlib.compress(content, 1), len(content)


def unpack_points(blob: bytes) -> list[Point]:
    """What `pack_points` was given."""
    return _decode(zlib.decompress(blob))


def create(path: Path) -> sqlite3.Connection:
    """Begin an empty file in the place of what may be there."""
    remove(path)
    database = connect(path)
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA.values():
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")
    return database


def whole_rows(database: sqlite3.Connection, table: str, lost: list[str]) -> Iterator[Row]:
    """Rows of a damaged file that fit their checksums: from the front up to where it breaks, then from the back."""
    key, last = TABLES[table].split()[0], -(2**63)
    for order, bound in (("ASC", ">="), ("DESC", ">")):
        try:
            for row in database.execute(
                f"SELECT * FROM {table} WHERE {key} {bound} ? ORDER BY {key} {order}", (last,)
            ):
                if checksum(*row[:-1]) == row[-1]:
                    yield row
                else:
                    lost.append(f"{table} {row[0]}")
                last = max(last, row[0]) if order == "ASC" else last
            return
        except sqlite3.Error as error:
            lost.append(f"{table} after {last}: {error}" if order == "ASC" else f"{table} not to its end: {error}")


def _readings_of_version_0(sequence: int, blob: bytes) -> Row:
    count, begin = int(np.frombuffer(blob, "<i8", 1)[0]), 8
    columns: list[NDArray[Any]] = []
    for kind in ("<i8", "<i8", "<i8", "<f8", "?"):
        columns.append(np.frombuffer(blob, kind, count, begin))
        begin += count * np.dtype(kind).itemsize
    return (sequence, sequence - 1, pack(Readings(*columns)))


def _dead_of_version_0(number: int, reason: str, blob: bytes) -> Row:
    point = msgspec.msgpack.decode(blob, type=Point)
    return (number, reason, point.measurement, msgspec.json.encode(point))


def _outbox_of_version_0(number: int, count: int, blob: bytes) -> Row:
    return (number, len(_decode(blob)), zlib.compress(blob, 1))


# Of each table of version 0, which had no checksums and wider columns: what to ask for, and a row as it is now.
VERSION_0: dict[str, tuple[str, Callable[..., Row]]] = {
    "machines": ("SELECT slot, name, tags FROM machines", lambda *row: row),
    "lines": ("SELECT line, slot, sensor FROM lines", lambda *row: row),
    "readings": ("SELECT sequence, columns FROM readings", _readings_of_version_0),
    "outbox": ("SELECT id, count, points FROM outbox", _outbox_of_version_0),
    "dead": ("SELECT id, reason, point FROM dead", _dead_of_version_0),
}


def _rows_of_version_0(database: sqlite3.Connection, lost: list[str]) -> Iterator[tuple[str, Row]]:
    """What can be read of a file of version 0, as rows of this version."""
    for table, (query, converted) in VERSION_0.items():
        try:
            for row in database.execute(query):
                try:
                    yield table, converted(*row)
                except (ValueError, IndexError, TypeError, msgspec.MsgspecError) as error:
                    lost.append(f"{table} {row[0]}: {error}")
        except sqlite3.Error as error:
            lost.append(f"{table}: {error}")


def witness(path: Path) -> int:
    """Number of the newest commit as it is kept beside the journal; 0 where it is not known."""
    try:
        number, crc = struct.unpack("<8sI", beside(path, ".last").read_bytes())
    except (OSError, struct.error):
        return 0
    return int.from_bytes(number, "little") if crc == zlib.crc32(number) else 0


def bear_witness(path: Path, sequence: int) -> None:
    """Keep the number of the newest commit beside the journal as well.

    Not synchronised: it must never be ahead of what is committed, and may be behind.
    """
    number = struct.pack("<q", sequence)
    with suppress(OSError):  # a full disk: the next commit tries again
        descriptor = open_private(beside(path, ".last"), os.O_WRONLY)
        try:
            os.pwrite(descriptor, number + struct.pack("<I", zlib.crc32(number)), 0)
        finally:
            os.close(descriptor)


def gather(damaged: Path, new: Path) -> str:
    """Make a new file of every row of a damaged one that is whole; returns what came of it."""
    database, lost = create(new), list[str]()
    kept = dict.fromkeys(TABLES, 0)
    source = connect(damaged, read_only=True)
    database.execute("BEGIN")
    for table, columns in TABLES.items():
        marks = ", ".join("?" * (columns.count(",") + 1))
        for row in whole_rows(source, table, lost):
            database.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
            kept[table] += 1
    database.execute("COMMIT")
    database.close()  # takes its log in
    source.close()
    return f'kept="{" ".join(f"{name}={count}" for name, count in kept.items())}" lost="{"; ".join(lost[:20])}"'


def upgrade(old: sqlite3.Connection, new: Path) -> list[str]:
    """Make a new file of one of version 0; returns what could not be read."""
    database, lost = create(new), list[str]()
    database.execute("BEGIN")
    for table, row in _rows_of_version_0(old, lost):
        insert(database, table, row)
    database.execute("COMMIT")
    database.close()
    return lost
