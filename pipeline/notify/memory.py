"""What was heard, decided and told, in an SQLite file of its own, `notify.sqlite`: it outlives a kill and an outage.

The thread that empties the outbox puts notices into the inbox; the notifier's takes them out, in the transaction in
which it writes down what it made of them. Numbers of those stay for a while: a notice that the outbox offers again
after a kill is known by its own. A damaged file is set aside by name, and a new one is begun.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pipeline.files import make_private
from pipeline.notify.news import Key, News
from pipeline.notify.policy import Message, Policy, Standing
from pipeline.storage.journal_file import checksum
from pipeline.storage.sqlite_files import Damaged, Database, aside, is_damage, move

log = logging.getLogger("spikewatch.notify")

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS kept (kind TEXT, channel TEXT, key TEXT, content TEXT, checksum INTEGER,"
    " PRIMARY KEY (kind, channel, key)) WITHOUT ROWID",
    # Of a notice that was taken, the content is empty.
    "CREATE TABLE IF NOT EXISTS inbox (number INTEGER, life TEXT, content TEXT, checksum INTEGER,"
    " PRIMARY KEY (number, life)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS inbox_full ON inbox (number) WHERE content <> ''",
)
VERSION = 1
KNOWN = 20_000  # notices that were taken, and are known when they come again
STANDING, MESSAGE, SERVICE = "standing", "message", "service"


class Notice(NamedTuple):
    """News with the number by which it is known, and the life of the service that gave it; numbers grow in each."""

    number: int
    life: str
    news: News


class Remembered(msgspec.Struct):
    """What a file holds beside its inbox."""

    standings: dict[str, dict[Key, Standing]] = {}  # by channel
    unsent: dict[str, list[Message]] = {}
    service: dict[str, News] = {}
    waiting: list[News] = []  # in the inbox


class Memory:
    """The file; for any thread, one at a time. Opened when it is used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def load(self) -> Remembered:
        """What is remembered; nothing, where the file is damaged.

        Raises sqlite3.Error or OSError where it cannot be used.
        """
        found = Remembered()
        try:
            found.waiting = [notice.news for notice in self.inbox(KNOWN)]
            for kind, channel, key, content in self._rows():
                if kind == STANDING:
                    known = found.standings.setdefault(channel, {})
                    known[msgspec.json.decode(key, type=Key)] = msgspec.json.decode(content, type=Standing)
                elif kind == MESSAGE:
                    found.unsent.setdefault(channel, []).append(msgspec.json.decode(content, type=Message))
                elif kind == SERVICE:
                    found.service[key] = msgspec.json.decode(content, type=News)
        except (sqlite3.DatabaseError, msgspec.MsgspecError) as error:
            if not self.set_aside(error):
                raise
            return Remembered()
        return found

    def set_aside(self, error: Exception) -> bool:
        """Begin a new file where an error says that this one is damaged; whether that was possible."""
        if isinstance(error, OSError) or (isinstance(error, sqlite3.Error) and not is_damage(error, self._path)):
            return False
        try:
            with self._lock:  # nobody else opens it meanwhile
                self._close()
                name = aside(self._path)
                move(self._path, name)
        except OSError:  # of the folder
            return False
        note = "what was about to be told is lost, and what is open may be told again"
        log.error('notify.corrupt set_aside=%s reason="%s" note="%s"', name, error, note)
        return True

    def _rows(self) -> list[tuple[str, ...]]:
        with self._lock:
            database = self._open()
            [(found,)] = database.execute("PRAGMA quick_check(1)")
            if found != "ok":
                raise Damaged(found)
            rows = database.execute("SELECT * FROM kept ORDER BY kind, channel, key").fetchall()
        for row in rows:
            if checksum(*row[:-1]) != row[-1]:
                raise Damaged(f"{row[0]} of {row[1]} fails its checksum")
        return [row[:-1] for row in rows]

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            make_private(self._path)
            database = sqlite3.connect(
                self._path, isolation_level=None, timeout=30.0, factory=Database, check_same_thread=False
            )
            try:
                [(version,)] = database.execute("PRAGMA user_version")
                if version > VERSION:
                    raise Damaged(f"of version {version}, which a later spikewatch wrote")
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = FULL")
                for statement in SCHEMA:
                    database.execute(statement)
                if version != VERSION:  # which needs room on the disk
                    database.execute(f"PRAGMA user_version = {VERSION}")
            except BaseException:
                database.close()
                raise
            self._database = database
        return self._database

    def put(self, notices: Iterable[Notice]) -> None:
        """Put notices into the inbox, all or none, but for those that are known. Raises sqlite3.Error."""
        with self._transaction() as database:
            for number, life, news in notices:
                row = (number, life, msgspec.json.encode(news).decode())
                database.execute("INSERT OR IGNORE INTO inbox VALUES (?, ?, ?, ?)", (*row, checksum(*row)))

    def inbox(self, most: int) -> list[Notice]:
        """The oldest notices that were not taken. Raises sqlite3.Error."""
        with self._lock:
            rows = (
                self._open()
                .execute("SELECT * FROM inbox WHERE content <> '' ORDER BY number LIMIT ?", (most,))
                .fetchall()
            )
        found = []
        for *row, crc in rows:
            if checksum(*row) != crc:
                raise Damaged(f"notice {row[0]} fails its checksum")
            found.append(Notice(row[0], row[1], msgspec.json.decode(row[2], type=News)))
        return found

    def save(self, policies: Sequence[Policy], service: Mapping[str, News], taken: Iterable[Notice] = ()) -> None:
        """Keep what has changed with `taken`, all of it or nothing. Raises sqlite3.Error."""
        with self._transaction() as database:
            for number, life, _ in taken:
                database.execute(
                    "UPDATE inbox SET content = '', checksum = 0 WHERE number = ? AND life = ?", (number, life)
                )
            database.execute(
                "DELETE FROM inbox WHERE content = '' AND number <= coalesce("
                "(SELECT number FROM inbox ORDER BY number DESC LIMIT 1 OFFSET ?), 0)",
                (KNOWN,),
            )
            for policy in policies:
                name = policy.rules.name
                for key in policy.changed:
                    standing = policy.standings.get(key)
                    self._put(database, STANDING, name, msgspec.json.encode(key).decode(), standing)
                database.execute("DELETE FROM kept WHERE kind = ? AND channel = ?", (MESSAGE, name))
                for number, message in enumerate(policy.unsent):
                    self._put(database, MESSAGE, name, f"{number:06}", message)
            for part, news in service.items():
                self._put(database, SERVICE, "", part, news)
        for policy in policies:
            policy.changed.clear()
            policy.kept = list(policy.unsent)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            database = self._open()
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    def _put(self, database: sqlite3.Connection, kind: str, channel: str, key: str, content: Any) -> None:
        if content is None:
            database.execute("DELETE FROM kept WHERE kind = ? AND channel = ? AND key = ?", (kind, channel, key))
            return
        row = (kind, channel, key, msgspec.json.encode(content).decode())
        database.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?)", (*row, checksum(*row)))

    def forget(self, channels: Iterable[str]) -> None:
        """Forget all of these channels, which are no longer configured."""
        with self._transaction() as database:
            for channel in channels:
                database.execute("DELETE FROM kept WHERE channel = ?", (channel,))

    def newest(self) -> int:
        """The highest number of a notice; 0 for none. Raises sqlite3.Error."""
        with self._lock:
            [(newest,)] = self._open().execute("SELECT coalesce(max(number), 0) FROM inbox")
        return int(newest)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
