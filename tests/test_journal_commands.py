"""`spikewatch journal`: what waits, what was refused, and whether all of it is whole."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from faults.mutations import prepare
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.records import Point
from pipeline.storage.inspection import outbox
from pipeline.storage.journal import Journal
from pipeline.storage.journal_file import connect


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`pristine-0`, as a kill leaves it, and `pristine-1`, with SQLite's log taken in."""
    folder = tmp_path_factory.mktemp("folders")
    prepare(folder)
    for name in ("pristine-0", "pristine-1"):
        (folder / f"{name}.yaml").write_text(f"data: {folder / name}")
    return folder


def called(folders: Path, *words: str, name: str = "pristine-0"):
    return CliRunner().invoke(app, ["journal", *words, "--config", str(folders / f"{name}.yaml")])


def test_an_undamaged_folder_is_said_to_be_and_a_damaged_one_is_named_down_to_the_row(folders):
    clean = called(folders, "fsck")
    assert (clean.exit_code, "no damage found" in clean.stdout) == (0, True)
    path = folders / "pristine-1" / "journal.sqlite"
    whole = path.read_bytes()
    assert called(folders, "fsck", name="pristine-1").exit_code == 0
    try:
        damaged = bytearray(whole)
        damaged[whole.index(b"of the wrong type")] ^= 1
        path.write_bytes(damaged)
        found = called(folders, "fsck", name="pristine-1")
        assert found.exit_code == 1
        assert f"{path}: dead 1: fails its checksum" in found.stdout
        assert path.read_bytes() == damaged, "it only looks"
        path.write_bytes(whole[: len(whole) // 2])
        told = called(folders, "fsck", "--json", name="pristine-1")
        assert told.exit_code == 1
        assert all(str(path) in finding for finding in json.loads(told.stdout)["findings"])
    finally:
        path.write_bytes(whole)


def test_a_damaged_snapshot_and_files_set_aside_are_findings(folders):
    snapshot = folders / "pristine-1" / "networks-000000000009.snapshot"
    whole = snapshot.read_bytes()
    aside = folders / "pristine-1" / "journal.sqlite.corrupt-1"
    try:
        snapshot.write_bytes(whole[:-1])
        aside.write_bytes(b"")
        found = called(folders, "fsck", name="pristine-1")
        assert f"{snapshot}: it fails its checksum" in found.stdout
        assert f"{aside}: was set aside" in found.stdout
    finally:
        snapshot.write_bytes(whole)
        aside.unlink()


def test_stats_say_what_waits_what_is_replayed_and_what_was_refused(folders):
    figures = json.loads(called(folders, "stats", "--json").stdout)
    assert (figures["machines"], figures["sensors"], figures["batches_to_replay"]) == (2, 4, 3)
    assert figures["dead_letters"] == {"of the wrong type": 1}
    assert set(figures["snapshots"]) == {"3", "6", "9"}
    words = called(folders, "stats").stdout
    assert f"outbox: {figures['outbox_points']:,} points" in words
    assert "a restart replays 3 batches" in words


def test_the_outbox_can_be_taken_out_as_line_protocol_and_readings_as_csv(folders, tmp_path):
    waiting = json.loads(called(folders, "stats", "--json").stdout)["outbox_points"]
    points = called(folders, "export", "outbox").stdout.splitlines()
    assert len(points) == waiting
    assert points[0].startswith("machine,machine=press-1 score=")
    [dead] = called(folders, "export", "dead").stdout.splitlines()
    assert json.loads(dead) == {"reason": "of the wrong type", "what": "machine", "content": "{}"}
    assert called(folders, "export", "readings", "--out", str(tmp_path / "readings.csv")).exit_code == 0
    rows = list(csv.DictReader((tmp_path / "readings.csv").read_text().splitlines()))
    assert len(rows) == 600 * 2 * 2
    assert {row["machine"] for row in rows} == {"press-1", "press-2"}
    assert float(rows[0]["value"])


def test_a_journal_of_an_earlier_version_is_named_to_who_only_looks(tmp_path):
    shutil.copytree(Path(__file__).parent / "corpus" / "version-0", tmp_path / "data")
    (tmp_path / "plant.yaml").write_text(f"data: {tmp_path / 'data'}")
    told = CliRunner().invoke(app, ["machines", "--config", str(tmp_path / "plant.yaml")])
    assert told.exit_code == 1
    assert "of version 0, not 5: start the service, it upgrades" in told.stderr


def test_whoever_reads_for_long_keeps_nothing_from_being_taken_in(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    for number in range(500):
        journal.commit(None, points=[Point("machine", (("machine", "m"),), {"score": 0.5}, number)])
    reader = connect(journal.path, read_only=True)
    batches = outbox(reader)
    assert [next(batches).number for _ in range(250)] == list(range(1, 251))
    [(busy, _, _)] = journal._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not busy
    assert [batch.number for batch in batches] == list(range(251, 501))
    reader.close()
    journal.close()


def test_a_folder_without_a_journal_is_named(tmp_path):
    (tmp_path / "plant.yaml").write_text(f"data: {tmp_path / 'nothing'}")
    told = CliRunner().invoke(app, ["journal", "stats", "--config", str(tmp_path / "plant.yaml")])
    assert told.exit_code == 1
    assert str(tmp_path / "nothing") in told.stderr
