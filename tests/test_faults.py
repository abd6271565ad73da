"""The experiments of `benchmarks/faults` in short: each asserts the promises that its long run proves."""

import os
import subprocess
import sys
from pathlib import Path

import broker
import disk_full
import fuzz
import fuzz_files
import kills
import pytest
import soak
from victims import DURABLE

ROOT = Path(__file__).parents[1]


@pytest.mark.servers
def test_service_broker_and_database_killed_at_random_lose_nothing_and_change_no_bit(tmp_path: Path, capsys):
    broken = kills.run(tmp_path, tmp_path / "broker", kills=9, seed=1, machines=1, per_second=100.0)
    assert not broken, capsys.readouterr().out


@pytest.mark.servers
def test_what_the_numbered_publisher_takes_for_saved_survives_a_killed_broker(tmp_path: Path):
    loss = broker.kill_once(tmp_path, DURABLE, seconds=0.8, per_second=1000.0)
    assert loss.acknowledged > 100
    assert loss.lost_sure == 0


@pytest.mark.servers
def test_a_service_whose_connection_is_cut_again_and_again_scores_every_reading_once(tmp_path: Path):
    # Too short for memory to have settled; what the others ask holds at any length.
    assert soak.soak(tmp_path, readings=20_000, reconnects=4, seed=1, most_growth=1.0, rest_s=0.0) == []


def test_networks_that_are_saved_and_restored_after_every_row_are_those_that_never_were(tmp_path: Path):
    assert soak.cycle(tmp_path, cycles=40, seed=1, machines=3, most_growth=1.0) == []


def test_a_disk_that_is_really_full_ends_nothing_and_what_had_to_go_is_counted():
    command = [sys.executable, disk_full.__file__, "--megabytes", "12", "--batches", "40"]
    ran = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3_000:]


def test_mutants_of_valid_and_nasty_messages_give_readings_or_refusals(capsys):
    report = fuzz.fuzz(executions=24_000, seed=7)
    assert report.failure == ""
    assert len(report.causes) >= 18
    assert report.accepted + report.partly > 200


def test_no_file_of_cells_ends_in_anything_but_tables_that_hold_or_one_error():
    report = fuzz_files.fuzz(executions=600, seed=7)
    assert not report.failure
    assert report.executions == 600
    assert report.tables > 50
    assert sum(report.errors.values()) > 50
