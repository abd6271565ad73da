"""What SQLite's errors say of a file, and how a file that is of no use goes out of the way."""

import os
import sqlite3
from pathlib import Path

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
