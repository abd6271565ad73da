"""Files that are not what was written: the service starts, and says what is gone; nothing is silently wrong."""

import hashlib
import shutil
import sqlite3
import struct
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from faults.mutations import experiment

from pipeline.config.settings import Config
from pipeline.records import Machine, Point, Readings
from pipeline.service.service import Service
from pipeline.sinks.delivery import RETRY_S, Delivery
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.errors import Unreachable
from pipeline.storage.journal import Dead, Journal, JournalError
from pipeline.storage.outbox import Outbox
from pipeline.storage.snapshots import Snapshots
from pipeline.storage.sqlite_files import remove

CORPUS = Path(__file__).parent / "corpus"
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


class Away:
    """A database that is not there."""

    def write(self, points):
        raise Unreachable("away")

    def close(self):
        pass


def started_and_stopped(service: Service) -> None:
    stop = threading.Event()
    stop.set()
    service.run(Nothing(), stop)


class Nothing:
    """A source that never has a message."""

    def take(self, most, timeout_s):
        return []

    def ack(self, messages):
        pass

    def publish(self, announcement):
        pass

    def counters(self):
        return {}


def point(number):
    return Point("machine", (("machine", "m"),), {"score": number / 1000.0}, START + number * SECOND)


def readings(number):
    return Readings(
        np.zeros(4, np.int64),
        np.arange(4),
        np.full(4, START + number * SECOND),
        np.linspace(0.0, number, 4),
        np.arange(4) == 3,
    )


def filled(folder: Path, batches: int = 60) -> Journal:
    """A journal with everything in it, and its log taken in."""
    journal = Journal(folder / "journal.sqlite")
    journal.commit(None, [(0, Machine("m", (("site", "north"),)))], [(line, 0, f"s{line}") for line in range(4)])
    for number in range(1, batches + 1):
        journal.commit(readings(number), points=[point(number)], seen=struct.pack("<HI", number, number))
    journal.commit(None, dead=[Dead("bad", "machine", b"{}")])
    return journal


def outbox_of(path: Path) -> list[Point]:
    outbox = Outbox(path)
    try:
        return [point for _, batch in outbox.peek(0, 10**9) for point in batch]
    finally:
        outbox.close()


def test_version_0_of_journal_and_snapshot_can_still_be_read(tmp_path):
    shutil.copytree(CORPUS / "version-0", tmp_path / "data")
    service = Service(Config(data=str(tmp_path / "data")), Away())
    started_and_stopped(service)
    fleet = service.engine.fleet
    assert [machine.name for machine in fleet.machines] == ["press-1", "press-2"]
    assert fleet.lines == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    assert not list((tmp_path / "data").glob("*corrupt*"))
    journal = Journal(tmp_path / "data" / "journal.sqlite")
    assert journal.figures.waiting == 121
    assert len(outbox_of(journal.path)) == 121
    assert [(number, len(rows.line)) for number, rows in journal.replay(0)] == [(n, 200) for n in range(4, 9)]
    [(reason, what, _)] = journal.dead()
    assert (reason, what) == ("of the wrong type", "machine")
    journal.close()
    # 400 rows of each machine, of which the snapshot holds 350 and the journal the rest.
    assert service.engine.look()["time_ns"].tolist() == [START + 399 * SECOND] * 2


def test_a_snapshot_of_version_2_has_the_bytes_that_were_written(tmp_path):
    shutil.copy(CORPUS / "version-0" / "networks-000000000007.npz", tmp_path)
    arrays = Snapshots(tmp_path).read(7)
    assert arrays is not None
    digest = hashlib.blake2b(b"".join(name.encode() + arrays[name].tobytes() for name in sorted(arrays)))
    assert len(arrays) == 145
    assert digest.hexdigest()[:32] == "4536d141b1b265f51d01023eb4277fb6"


def test_a_file_of_a_newer_version_is_left_alone_and_named(tmp_path):
    filled(tmp_path).close()
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(JournalError, match=r"journal.sqlite: has version 99"):
        Journal(tmp_path / "journal.sqlite")
    assert not list(tmp_path.glob("*corrupt*"))


def test_what_is_whole_of_a_damaged_journal_moves_to_a_new_one_and_the_rest_is_named(tmp_path, caplog):
    filled(tmp_path).close()
    path = tmp_path / "journal.sqlite"
    data = bytearray(path.read_bytes())
    at = data.index(readings(30).value.tobytes())
    data[at] ^= 1
    path.write_bytes(data)
    journal = Journal(path)
    assert [number for number, _ in journal.replay(0)] == [*range(1, 30), *range(31, 61)]
    assert outbox_of(path) == [point(number) for number in range(1, 61)]
    assert journal.last == 61
    assert 'lost="readings 30"' in caplog.text
    assert "journal.gap after=29 before=31" in caplog.text
    assert (tmp_path / "journal.sqlite.corrupt-1").read_bytes() == data
    journal.close()


def test_damage_that_shows_while_the_service_runs_is_mended_while_it_runs(tmp_path):
    journal = filled(tmp_path)
    path = tmp_path / "journal.sqlite"
    outbox = Outbox(path)
    assert len(outbox.peek(0, 10)) == 10
    journal.salvage("as a reader found")
    journal.commit(readings(61), points=[point(61)])
    assert [p for _, batch in outbox.peek(0, 100) for p in batch] == [point(number) for number in range(1, 62)]
    assert journal.last == 62
    assert journal.figures.waiting == 61
    outbox.close()
    journal.close()


@pytest.mark.parametrize("moment", ["while gathering", "before the swap", "in the swap"])
def test_a_salvage_that_was_interrupted_anywhere_is_finished_at_the_next_start(tmp_path, moment):
    filled(tmp_path).close()
    path = tmp_path / "journal.sqlite"
    whole = path.read_bytes()
    if moment == "while gathering":
        path.with_name("journal.sqlite.new").write_bytes(whole[:5_000])
    else:
        path.with_name("journal.sqlite.ready").write_bytes(whole)
        path.write_bytes(b"damaged" * 1_000)
        path.with_name("journal.sqlite-wal").write_bytes(b"of the damaged one")
    if moment == "in the swap":
        path.unlink()
    journal = Journal(path)
    assert len(list(journal.replay(0))) == 60
    assert journal.machines() == {0: Machine("m", (("site", "north"),))}
    journal.close()
    assert not list(tmp_path.glob("*.ready"))


def test_delivery_waits_while_a_damaged_journal_is_exchanged(tmp_path):
    journal = filled(tmp_path)
    delivery = Delivery(journal.path, Away(), lambda *_: None, jitter=lambda: 1.0)
    assert delivery.step() == 0.5
    elsewhere = tmp_path / "elsewhere"
    journal.path.rename(elsewhere)
    assert delivery.step() == RETRY_S
    assert delivery.damaged is None
    elsewhere.rename(journal.path)
    assert delivery.step() == 1.0
    delivery.close()
    journal.close()


@pytest.mark.parametrize("damage", ["a row", "a page"])
def test_what_is_whole_of_a_damaged_file_of_version_0_is_kept_too(tmp_path, caplog, damage):
    path = tmp_path / "journal.sqlite"
    shutil.copy(CORPUS / "version-0" / "journal.sqlite", path)
    database = sqlite3.connect(path)
    if damage == "a row":
        database.execute("UPDATE readings SET columns = substr(columns, 1, 100) WHERE sequence = 5")
        database.commit()
    [(page,)] = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'outbox'")
    database.close()
    if damage == "a page":
        data = bytearray(path.read_bytes())
        data[(page - 1) * 4096 : page * 4096] = bytes(4096)
        path.write_bytes(data)
    journal = Journal(path)
    assert [machine.name for machine in journal.machines().values()] == ["press-1", "press-2"]
    found = [number for number, _ in journal.replay(3)]
    assert found == ([4, 6, 7, 8] if damage == "a row" else [4, 5, 6, 7, 8])
    assert journal.figures.waiting == (121 if damage == "a row" else 0)
    assert "journal.corrupt" in caplog.text
    assert (tmp_path / "journal.sqlite.corrupt-1").exists()
    journal.close()


def test_a_file_that_says_it_is_of_version_0_and_is_not_loses_nothing(tmp_path):
    filled(tmp_path).close()
    database = sqlite3.connect(tmp_path / "journal.sqlite")
    database.execute("PRAGMA user_version = 0")
    database.close()
    journal = Journal(tmp_path / "journal.sqlite")
    assert len(list(journal.replay(0))) == 60
    assert outbox_of(journal.path) == [point(number) for number in range(1, 61)]
    journal.close()


def test_without_the_names_of_machines_the_service_starts_and_gives_nobody_s_readings_to_another(tmp_path, caplog):
    journal = filled(tmp_path)
    journal._database.execute("DELETE FROM machines")
    journal.close()
    service = Service(Config(data=str(tmp_path)), Away())
    assert [machine.name for machine in service.engine.fleet.machines] == ["lost 0"]
    assert len(service.engine.fleet.lines) == 4
    started_and_stopped(service)


def test_what_only_a_lost_snapshot_knew_is_said(tmp_path, caplog):
    service = Service(Config(data=str(tmp_path)), Away())
    for sequence in (5, 9):
        service._snapshots.write(sequence, service.engine.fleet.snapshot())
    started_and_stopped(service)
    (tmp_path / "networks-000000000009.snapshot").write_bytes(b"")
    service = Service(Config(data=str(tmp_path)), Away())
    assert "journal.gap after=5 upto=9" in caplog.text
    assert service._journal.commit(readings(1)) > 9
    started_and_stopped(service)


def test_a_journal_cut_short_says_how_many_batches_are_gone(tmp_path, caplog):
    journal = filled(tmp_path)
    wal = tmp_path / "journal.sqlite-wal"
    shutil.copy(tmp_path / "journal.sqlite", tmp_path / "copy.sqlite")
    shutil.copy(wal, tmp_path / "copy.sqlite-wal")
    shutil.copy(tmp_path / "journal.sqlite.last", tmp_path / "copy.sqlite.last")
    journal.close()
    cut = tmp_path / "copy.sqlite-wal"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    again = Journal(tmp_path / "copy.sqlite")
    found = len(list(again.replay(0)))
    assert 0 < found < 60
    assert f"journal.lost commits={61 - found} last=61" in caplog.text
    assert again.commit(readings(61)) == 62, "no number is given out twice"
    again.close()


def flipped(raw: bytes, every: int):
    """The first page of a database, which says what its tables are, with one bit flipped at a time."""
    for number in [number for number in range(100, 4096) if raw[number]][::every]:
        yield raw[:number] + bytes([raw[number] ^ 0x80]) + raw[number + 1 :]


def test_whatever_byte_of_the_store_s_tables_is_damaged_it_takes_points_again(tmp_path):
    path = tmp_path / "store.sqlite"
    first = Embedded(path)
    first.write([point(1)])
    first.close()
    for content in flipped(path.read_bytes(), 1):
        remove(path)
        path.write_bytes(content)
        store = Embedded(path)
        with suppress(Unreachable):  # set aside, and offered again
            store.write([point(2)])
        store.write([point(2)])
        assert point(2) in store.query("machine")
        store.close()


def test_whatever_byte_of_the_journal_s_tables_is_damaged_it_takes_readings_again(tmp_path):
    path = tmp_path / "journal.sqlite"
    first = Journal(path)
    first.commit(None, points=[point(1)])
    first.close()
    for content in flipped(path.read_bytes(), 37):
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        path.write_bytes(content)
        with suppress(sqlite3.Error):  # the delivery says so, and the service mends it
            Outbox(path).peek(0, 10)
        journal = Journal(path)
        journal.commit(None, points=[point(2)])
        journal.close()


def test_after_any_damage_the_service_starts_and_is_never_silently_wrong():
    outcomes, broken = experiment(60, seed=5)
    assert broken == []
    assert outcomes.total() == 60
