"""The data folder: which snapshot counts where one cannot be read, and that it is for one account only."""

import os
import sqlite3
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from test_damage import started_and_stopped
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.settings import Config
from pipeline.console.door import make_token
from pipeline.payloads.decoded import Decoded
from pipeline.records import Announcement, Machine, Message, Reading, Readings
from pipeline.service.service import Service
from pipeline.sinks.embedded import Embedded
from pipeline.storage.data_folder import DataFolderBusy, claim
from pipeline.storage.journal import Journal
from pipeline.storage.snapshots import MAGIC, LaterVersionError, Snapshots

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
ALWAYS_EIO = "/proc/self/mem"  # a regular file whose first byte cannot be read


def rows(first: int, count: int) -> Readings:
    """Rows of one machine with one sensor, one a second."""
    number = np.arange(first, first + count)
    return Readings(
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        START + number * SECOND,
        np.sin(number),
        np.ones(count, bool),
    )


def service_in(folder: Path) -> Service:
    return Service(Config(data=str(folder)), Embedded(folder / "store.sqlite"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A service's folder with three snapshots, of 20, 40 and 60 rows, and the journal since the first."""
    service = service_in(tmp_path / "data")
    service.engine.fleet.number(Machine("press-1"), "t")
    stop = threading.Event()
    for number in range(3):
        batch = rows(20 * number, 20)
        service.engine.step(batch)
        assert service._commit(batch, [], stop)
        service._snapshot()
        service._snapshot_to_its_end()
    started_and_stopped(service)
    assert len(snapshots(tmp_path / "data")) == 3
    return tmp_path / "data"


def snapshots(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("networks-*.snapshot"), reverse=True)


def unreadable(path: Path) -> None:
    path.unlink()
    path.symlink_to(ALWAYS_EIO)


def a_folder(path: Path) -> None:
    path.unlink()
    (path / "in it").mkdir(parents=True)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


DAMAGE = [unreadable, a_folder, a_pipe, a_link_to_itself, torn]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("count", [1, 2])
def test_a_snapshot_that_cannot_be_read_for_any_reason_is_set_aside_and_the_one_before_it_gives_the_same(
    folder: Path, damage, count: int, caplog
):
    whole = service_in(folder)
    expected = whole.engine.fleet.snapshot()
    started_and_stopped(whole)
    gone = snapshots(folder)[:count]
    for path in gone:
        damage(path)
    service = service_in(folder)
    found = service.engine.fleet.snapshot()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    assert "journal.gap" not in caplog.text
    for path in gone:
        assert path.stem in caplog.text
        assert os.path.lexists(path.with_suffix(".corrupt"))
    started_and_stopped(service)  # which writes a snapshot, and lets the oldest go
    assert not service._snapshots.unreached


def test_where_the_journal_goes_back_to_its_beginning_no_snapshot_is_needed(tmp_path: Path):
    service = service_in(tmp_path)
    service.engine.fleet.number(Machine("press-1"), "t")
    batch = rows(0, 30)
    service.engine.step(batch)
    assert service._commit(batch, [], threading.Event())
    started_and_stopped(service)
    expected = service.engine.fleet.snapshot()
    unreadable(snapshots(tmp_path)[0])
    again = service_in(tmp_path)
    assert all(np.array_equal(again.engine.fleet.snapshot()[name], expected[name]) for name in expected)
    started_and_stopped(again)


def test_where_no_snapshot_can_be_reached_and_the_journal_is_younger_the_service_does_not_begin_anew(folder: Path):
    journal = Journal(folder / "journal.sqlite")
    journal.prune(2)
    journal.close()
    paths = snapshots(folder)
    for path in paths:
        unreadable(path)
    with pytest.raises(OSError, match="Input/output error"):
        service_in(folder)
    assert snapshots(folder) == paths


def test_folders_and_links_in_the_way_of_a_new_snapshot_are_moved_and_nothing_is_written_through_them(tmp_path: Path):
    keeps = Snapshots(tmp_path / "data")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    beside = tmp_path / "data" / "networks.tmp"
    for number, spoil in enumerate(
        [lambda: beside.symlink_to(victim), lambda: os.link(victim, beside), lambda: a_folder(beside)], 1
    ):
        beside.touch()
        if number < 3:
            beside.unlink()
        spoil()
        keeps.write(number, {"a": np.arange(number)})
        assert victim.read_text() == "mine"
        assert keeps.read(number)["a"].tolist() == list(range(number))
    assert [path.name for path in (tmp_path / "data").iterdir() if path.is_dir()] == [
        path.name for path in (tmp_path / "data").glob("networks.tmp.moved-*")
    ]


@pytest.mark.parametrize("which", [slice(0, 1), slice(1, 2), slice(0, 3)])
def test_a_snapshot_of_a_later_version_ends_the_start_with_2_and_both_versions_and_stays_as_it_is(
    folder: Path, tmp_path: Path, which: slice
):
    torn(snapshots(folder)[0])
    for path in snapshots(folder)[which]:
        path.write_bytes(b"spikewatch snapshot 12\n" + path.read_bytes()[len(MAGIC) :])
    before = {path: path.read_bytes() for path in folder.glob("networks-*")}
    config = tmp_path / "plant.yaml"
    config.write_text(f"data: {folder}\nmqtt: {{url: 'mqtt://127.0.0.1:1'}}\nconsole: {{enabled: false}}\n")
    done = CliRunner().invoke(app, ["run", "--config", str(config)])
    assert done.exit_code == 2
    assert "of version 12; this spikewatch reads versions up to 3" in done.output
    assert {path: path.read_bytes() for path in folder.glob("networks-*")} == before
    told = CliRunner().invoke(app, ["journal", "fsck", "--config", str(config)])
    assert "of version 12; this spikewatch reads versions up to 3" in told.output
    told = CliRunner().invoke(app, ["machines", "--config", str(config)])
    assert told.exit_code == 1
    assert "of version 12; this spikewatch reads versions up to 3" in told.output


def test_a_snapshot_of_later_arrays_is_refused_in_the_same_way(folder: Path, monkeypatch):
    monkeypatch.setattr("pipeline.engine.fleet.FORMAT", 1)
    monkeypatch.setattr("pipeline.engine.earlier.OLDEST", 1)
    with pytest.raises(LaterVersionError, match=r"networks-0+3\.snapshot: of format \d+; this spikewatch reads"):
        service_in(folder)
    assert len(snapshots(folder)) == 3


def test_a_flipped_bit_in_the_version_is_damage_and_not_a_later_version(folder: Path):
    newest = snapshots(folder)[0]
    newest.write_bytes(b"spikewatch snapshot 7\n" + newest.read_bytes()[len(MAGIC) :])
    service = service_in(folder)
    assert newest.with_suffix(".corrupt").exists()
    started_and_stopped(service)


@pytest.mark.parametrize("endings", [("", "-wal", "-shm"), ("", "-wal", "-shm", ".last")])
def test_a_journal_that_is_missing_beside_snapshots_is_said(folder: Path, caplog, endings):
    for ending in endings:
        (folder / f"journal.sqlite{ending}").unlink(missing_ok=True)
    service = service_in(folder)
    assert f"journal.missing file={folder / 'journal.sqlite'} snapshot=3" in caplog.text
    assert [machine.name for machine in service.engine.fleet.machines] == ["press-1"]
    started_and_stopped(service)
    caplog.clear()
    started_and_stopped(service_in(folder))
    assert "journal.missing" not in caplog.text


@pytest.mark.parametrize("umask", [0o022, 0o000, 0o077])
def test_the_data_folder_is_for_its_owner_only_whatever_the_umask(tmp_path: Path, umask: int, caplog):
    before = os.umask(umask)
    try:
        data = tmp_path / "a" / "data"
        service = Service(Config(data=str(data)), Embedded(data / "store.sqlite"))
        service._journal._reserve_bytes = 4_096
        service._journal.refill()
        make_token(data / "console.token")
        sink = service.delivery._sink
        service.engine.fleet.number(Machine("press-1"), "t")
        assert service._commit(rows(0, 5), [], threading.Event())
        service._snapshot()
        service._snapshot_to_its_end()
        sink.count("machine")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir()}
        started_and_stopped(service)
    finally:
        os.umask(before)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    journal = {f"journal.sqlite{ending}" for ending in ("", "-wal", ".last", ".reserve")}
    assert {"lock", *journal} < {*modes}
    assert {"store.sqlite", "store.sqlite-wal", "console.token", "networks-000000000001.snapshot"} < {*modes}
    assert {name for name, mode in modes.items() if mode != 0o600} == set()
    assert "data.open" not in caplog.text


def test_a_folder_and_a_token_that_others_can_read_are_warned_of_with_what_to_do(tmp_path: Path, caplog):
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    data.chmod(0o755)
    (data / "journal.sqlite.last").touch(0o644)
    claim(data).close()
    assert f"data.open folder={data} mode=755 files=journal.sqlite.last" in caplog.text
    assert f"chmod -R go= {data}" in caplog.text
    (data / "console.token").write_text("a-token-of-the-plant")
    (data / "console.token").chmod(0o640)
    assert make_token(data / "console.token") == "a-token-of-the-plant"
    assert "token.open" in caplog.text
    assert "mode=640" in caplog.text
    assert "a-token-of-the-plant" not in caplog.text
    caplog.clear()
    (data / "console.token").chmod(0o600)
    data.chmod(0o700)
    claim(data).close()
    make_token(data / "console.token")
    assert caplog.text == ""


def test_a_lock_that_others_could_read_is_closed_to_them_and_what_it_points_to_is_left_alone(tmp_path: Path):
    lock = tmp_path / "lock"
    lock.touch(0o644)
    with claim(tmp_path):
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        with pytest.raises(DataFolderBusy):
            claim(tmp_path)
    lock.unlink()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("lock", "journal.sqlite.last", "journal.sqlite.reserve"):
        (tmp_path / name).symlink_to(victim if name != "journal.sqlite.reserve" else tmp_path / "nowhere")
    with pytest.raises(OSError, match="lock"):
        claim(tmp_path)
    journal = Journal(tmp_path / "journal.sqlite", reserve_bytes=4_096)
    journal.commit(rows(0, 2), [(0, Machine("m"))], [(0, 0, "t")])
    journal.close()
    assert victim.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


class Nothing:
    """A source of no messages."""

    def take(self, max_messages: int, timeout_s: float) -> list[Message]:
        return []

    def ack(self, messages: Sequence[Message]) -> None:
        pass

    def publish(self, announcement: Announcement) -> None:
        pass

    def counters(self) -> dict[str, int]:
        return {}


def locked(service: Service) -> sqlite3.Connection:
    """Somebody who keeps the service from writing to its journal until the answer rolls back."""
    service._journal._database.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(service._journal.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_what_decoding_keeps_of_a_batch_that_could_not_be_committed_is_not_committed_at_the_end(tmp_path: Path):
    service, stop = service_in(tmp_path), threading.Event()
    service._kept = {"a": b"1"}
    assert service._commit(None, [], stop)
    other = locked(service)
    stop.set()
    service._kept = {"a": b"2"}
    assert not service._commit(None, [], stop)
    other.execute("ROLLBACK")
    other.close()
    assert service._commit(None, [], stop), "as at the end, for what was delivered"
    assert service._journal.kept() == {"a": b"1"}
    service._close()


def test_readings_that_were_held_and_could_not_be_committed_are_in_no_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pipeline.service.service.HEALTH_EVERY_S", 0.0)
    service, stop, others = service_in(tmp_path), threading.Event(), []
    reading = Reading(Machine("press-1"), "t", START, 1.0)
    assert service._take([("", b"", Decoded([reading], ()))], stop, b"", START)

    def overdue(now_ns: int) -> Decoded:
        """The last moment before the end, and nothing can be written."""
        others.append(locked(service))
        stop.set()
        return Decoded([reading._replace(time_ns=START + SECOND)], ())

    monkeypatch.setattr(service._decoder, "overdue", overdue)
    service.run(Nothing(), stop)
    for other in others:
        other.close()
    assert others
    assert snapshots(tmp_path) == []


def test_what_is_kept_for_a_destination_that_is_gone_is_forgotten_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    never = threading.Event()
    service = service_in(tmp_path)
    service._kept = {f"upstream:/press-{number:02}/": b"x" for number in range(50)}
    for count in (50, 0):
        assert service._commit(None, [], never)
        service._close()
        caplog.clear()
        service = service_in(tmp_path)
        said = [text.split(" reason=")[0] for text in caplog.messages if "kept." in text]
        assert said == [f"kept.forgotten count={count} first=upstream:/press-00/"][: bool(count)]
    service._close()
