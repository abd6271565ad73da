"""What can grow is bounded: the journal between snapshots, dead letters, files that were set aside."""

import errno
import os
import threading
from pathlib import Path

from faults.mutations import Away, Given, rows

from pipeline.config.settings import Config, Limits
from pipeline.service import service as module
from pipeline.service.service import Service
from pipeline.storage.journal import DEAD_LETTERS, Dead, Journal
from pipeline.storage.snapshots import KEPT_ASIDE as SNAPSHOTS_ASIDE
from pipeline.storage.snapshots import Snapshots, write_arrays
from pipeline.storage.sqlite_files import KEPT_ASIDE

ROW_BYTES = 2 * 2 * 25  # a second of both machines in the journal


class InBatches(Given):
    """So many seconds, one batch each; notes how much the journal held at most."""

    def __init__(self, seconds: int, stop: threading.Event) -> None:
        super().__init__(rows(0, seconds), stop)
        self.service: Service | None = None
        self.most = 0

    def take(self, max_messages, timeout_s):
        if self.service is not None:
            self.most = max(self.most, self.service._journal.readings_bytes)
        return super().take(2, timeout_s)


def served(folder: Path, seconds: int, stop: threading.Event, journal_bytes: int) -> InBatches:
    service = Service(
        Config(data=str(folder), limits=Limits(journal_bytes=journal_bytes), snapshot_every="1d"), Away()
    )
    source = InBatches(seconds, stop)
    source.service = service
    service.run(source, stop)
    return source


def test_a_full_journal_makes_the_next_snapshot_come_early(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DISK_RETRY_S", 0.0)
    source = served(tmp_path, 400, threading.Event(), 20 * ROW_BYTES)
    assert Snapshots(tmp_path).sequences()[0] == 400
    assert 20 * ROW_BYTES < source.most < 400 * ROW_BYTES


class Patient(threading.Event):
    """Whoever waits for it gives the disk back, the third time."""

    def __init__(self, block: Path) -> None:
        super().__init__()
        self._block, self.waits = block, 0

    def wait(self, timeout=None):
        self.waits += 1
        if self.waits == 3:
            self._block.unlink()
        return super().wait(0.05)


def test_where_no_snapshot_can_be_written_nothing_more_is_taken_until_one_can(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "DISK_RETRY_S", 0.0)
    block = tmp_path / "block"
    block.touch()

    def written(*arguments):
        if block.exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        write_arrays(*arguments)

    monkeypatch.setattr("pipeline.storage.snapshots.write_arrays", written)
    stop = Patient(block)
    source = served(tmp_path, 400, stop, 20 * ROW_BYTES)
    assert "snapshot.failed" in caplog.text
    assert stop.waits >= 3
    assert source.most <= (module.MOST_JOURNALS * 20 + 2) * ROW_BYTES
    assert Snapshots(tmp_path).sequences()[0] == 400, "and then everything was taken"


def test_of_what_was_refused_the_newest_is_kept(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    for begin in range(0, DEAD_LETTERS + 500, 500):
        journal.commit(None, dead=[Dead("bad", str(number), b"x" * 9_000) for number in range(begin, begin + 500)])
    kept = journal.dead()
    assert [letter.what for letter in kept] == [str(number) for number in range(500, DEAD_LETTERS + 500)]
    assert max(len(letter.content) for letter in kept) == 4_096
    journal.close()


def test_a_plant_that_sends_nothing_leaves_no_trace_of_its_silence(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    for _ in range(50):
        journal.commit(None, dead=[Dead("bad", "m", b"")])
    [(rows_kept,)] = journal._database.execute("SELECT count(*) FROM commits")
    assert rows_kept == 1
    assert journal.last == 50
    journal.close()


def test_of_damaged_files_a_few_are_kept(tmp_path):
    path = tmp_path / "journal.sqlite"
    for number in range(KEPT_ASIDE + 2):
        path.write_bytes(b"no database %d" % number * 1_000)
        Journal(path).close()
    aside = [path.read_bytes() for path in tmp_path.glob("*.corrupt-?")]
    assert len(aside) == KEPT_ASIDE
    assert any(data.startswith(b"no database %d" % (KEPT_ASIDE + 1)) for data in aside)
    snapshots = Snapshots(tmp_path)
    for sequence in range(1, SNAPSHOTS_ASIDE + 3):
        (tmp_path / f"networks-{sequence:012d}.snapshot").write_bytes(b"")
        assert snapshots.read(sequence) is None
    assert len(list(tmp_path.glob("networks-*.corrupt"))) == SNAPSHOTS_ASIDE
