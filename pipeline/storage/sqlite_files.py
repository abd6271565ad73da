"""What SQLite's errors say of a file, and how a file that is of no use goes out of the way."""

import os
import sqlite3
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

KEPT_ASIDE = 3  # damaged files of one name

# Primary result codes that say something of the disk, the rights or another program, and not of the file.
ELSEWHERE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}


class Damaged(sqlite3.DatabaseError):
    """What a file says is not what was written."""


def decoded(call: Callable[P, T]) -> Callable[P, T]:
    """The same call, but Damaged where SQLite's message quotes bytes of the file that are no text.

    Python raises UnicodeDecodeError there, in place of the error.
    """

    @wraps(call)
    def told(*args: P.args, **named: P.kwargs) -> T:
        try:
            return call(*args, **named)
        except UnicodeDecodeError:
            raise Damaged("the names or statements in it are no longer text") from None

    return told


class Cursor(sqlite3.Cursor):
    """A cursor for a file that may hold anything."""

    execute = decoded(sqlite3.Cursor.execute)
    executemany = decoded(sqlite3.Cursor.executemany)
    executescript = decoded(sqlite3.Cursor.executescript)
    fetchone = decoded(sqlite3.Cursor.fetchone)
    fetchmany = decoded(sqlite3.Cursor.fetchmany)
    fetchall = decoded(sqlite3.Cursor.fetchall)

    @decoded
    def __next__(self) -> Any:
        return super().__next__()


class Database(sqlite3.Connection):
    """A connection to a file that may hold anything."""

    def cursor(self, factory: Any = Cursor) -> Any:
        """A cursor of this connection."""
        return super().cursor(factory)

    def execute(self, *args: Any) -> Cursor:
        """As in sqlite3, whose own does not ask for our cursor."""
        return self.cursor().execute(*args)  # type: ignore[no-any-return]

    def executemany(self, *args: Any) -> Cursor:
        """As `execute`."""
        return self.cursor().executemany(*args)  # type: ignore[no-any-return]

    def executescript(self, *args: Any) -> Cursor:
        """As `execute`."""
        return self.cursor().executescript(*args)  # type: ignore[no-any-return]


def is_damage(error: sqlite3.Error, path: Path) -> bool:
    """Whether an error says that the file itself is wrong."""
    if isinstance(error, Damaged):
        return True
    if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
        return False
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code == sqlite3.SQLITE_IOERR_SHORT_READ:
        return True
    if code & 0xFF == sqlite3.SQLITE_READONLY:  # a file we may write to, whose header says that nobody may
        return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    return code & 0xFF not in ELSEWHERE


def is_full(error: sqlite3.Error, path: Path) -> bool:
    """Whether the disk is full; SQLite says "I/O error" where it could not synchronise or map for lack of room."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    disk = os.statvfs(path.parent)
    return code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and disk.f_bavail * disk.f_frsize < 1 << 20)


def beside(path: Path, ending: str) -> Path:
    """The file of the same name with an ending."""
    return path.with_name(path.name + ending)


def remove(path: Path) -> None:
    """Remove a database with its write-ahead log."""
    for ending in ("-wal", "-shm", ""):
        beside(path, ending).unlink(missing_ok=True)


def move(path: Path, to: Path) -> None:
    """Rename a database with its write-ahead log, which goes first: without its database it is never taken in."""
    remove(to)
    for ending in ("-wal", "-shm", ""):
        if beside(path, ending).exists():
            beside(path, ending).rename(beside(to, ending))


def aside(path: Path) -> Path:
    """A name for a damaged file; where all are taken, the one whose file is oldest."""
    names = [beside(path, f".corrupt-{number}") for number in range(1, KEPT_ASIDE + 1)]
    free = [name for name in names if not name.exists()]
    return free[0] if free else min(names, key=os.path.getmtime)
