"""A history that is scored again: the bytes that `score` writes, whoever does the work and whatever interrupts it."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pages import ROOT
from servers import until
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.settings import Config
from pipeline.recordings.reading.choices import Choices
from pipeline.recordings.rescore import RECORD, FolderError, Job, Record, Task, scored_file

ROWS = 200
MANY = 150  # files: enough that a run is still going when some of them are done


def recording(machine: int) -> pd.DataFrame:
    """Of three sensors, the last one with a fault at the end."""
    values = np.random.default_rng(machine).normal(20.0, 1.0, (ROWS, 3)).round(3)
    values[-20:, 2] += 30.0
    times = pd.date_range("2026-01-01", periods=ROWS, freq="s", name="time")
    return pd.DataFrame(values, times, ["flow", "power", "temp"]).reset_index()


def history_in(folder: Path) -> Path:
    """CSV, Parquet and a file of two machines, at two depths."""
    (folder / "line-1").mkdir(parents=True)
    recording(1).to_csv(folder / "line-1" / "press-1.csv.gz", index=False)
    recording(2).to_parquet(folder / "line-1" / "press-2.parquet")
    recording(3).to_csv(folder / "pump.csv", index=False, sep=";")
    both = [recording(4).assign(machine="fan-1"), recording(5).assign(machine="fan-2")]
    pd.concat(both).to_csv(folder / "day.csv", index=False)
    return folder


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return history_in(tmp_path / "history")


def said(*words: str | Path, code: int = 0) -> str:
    """What a command of ours says, in this process."""
    ended = CliRunner().invoke(app, [*map(str, words)])
    assert ended.exit_code == code, ended.output
    return " ".join(ended.output.split())


def process_of(*words: str | Path) -> "subprocess.Popen[str]":
    """A command of ours with workers, as a group of processes of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def scores_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the record."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }


@pytest.mark.parametrize("on", ["joblib", "dask", "spark"])
def test_two_workers_write_every_file_with_the_bytes_that_score_writes(on: str, history: Path, tmp_path: Path):
    for name, to in (("line-1/press-1.csv.gz", "line-1"), ("line-1/press-2.parquet", "line-1"), ("pump.csv", "")):
        said("score", history / name, "--out", tmp_path / "scores" / to, "--explain")
    said("score", history / "day.csv", "--out", tmp_path / "scores" / "day", "--explain")
    expected = scores_in(tmp_path / "scores")
    assert len(expected) == 10
    process = process_of("rescore", history, "--out", tmp_path / "again", "--on", on, "--workers", "2", "--explain")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.startswith("4 files: 4 scored, 0 were scored before, 0 failed\n1,000 rows scored")
    assert scores_in(tmp_path / "again") == expected


def test_what_is_done_is_done_again_only_where_file_option_rule_or_scores_have_changed(history: Path, tmp_path: Path):
    to = tmp_path / "scores"

    def scored(*options: str | Path) -> str:
        text = said("rescore", history, "--out", to, "--workers", "1", *options)
        return text.split(" files: ")[1].split(" scored,")[0]

    assert scored() == "4"
    before = {name: (to / name).stat().st_mtime_ns for name in scores_in(to)}
    assert scored() == "0"
    assert {name: (to / name).stat().st_mtime_ns for name in scores_in(to)} == before
    recording(6).to_csv(history / "pump.csv", index=False)
    assert scored() == "1"
    (to / "day" / "fan-2.csv").unlink()
    assert scored() == "1"
    (to / "line-1" / "press-1.csv").write_text("time,score")
    assert scored() == "1"
    assert scored("--exclude", "power") == "4"
    rules = tmp_path / "plant.yaml"
    rules.write_text("machines:\n  - match: press-*\n    sensors: {temp: {ignore: true}}\n")
    assert scored("--exclude", "power", "--config", rules) == "4"
    assert scored("--exclude", "power", "--config", rules) == "0"


def test_a_file_that_cannot_be_scored_is_named_with_its_cause_and_the_others_go_on(history: Path, tmp_path: Path):
    (history / "line-1" / "broken.csv").write_text("hello\n")
    (history / "line-1" / "cut.parquet").write_bytes((history / "line-1" / "press-2.parquet").read_bytes()[:-9])
    (history / "words.csv").write_text("time,who\n2026-01-01,anna\n2026-01-02,bert\n")
    (history / "gone.csv").symlink_to("nowhere.csv")
    (history / "manual.pdf").touch()
    text = said("rescore", history, "--out", tmp_path / "scores", "--workers", "1", code=1)
    assert f"{history / 'line-1' / 'broken.csv'}: one column only" in text
    assert f"{history / 'line-1' / 'cut.parquet'}: " in text
    assert f"{history / 'words.csv'}: no numeric column but the time" in text
    assert f"{history / 'gone.csv'}: No such file or directory" in text
    assert "1 file is no recording by its name: manual.pdf" in text
    assert "8 files: 4 scored, 0 were scored before, 4 failed" in text
    assert len(scores_in(tmp_path / "scores")) == 5
    text = said("rescore", history, "--out", tmp_path / "scores", "--workers", "1", code=1)
    assert "8 files: 0 scored, 4 were scored before, 4 failed" in text


@pytest.mark.parametrize(
    ("on", "stop"),
    [
        ("joblib", signal.SIGINT),
        ("joblib", signal.SIGTERM),
        ("joblib", signal.SIGKILL),
        ("dask", signal.SIGINT),
        ("spark", signal.SIGINT),
    ],
)
def test_a_run_that_was_stopped_leaves_no_file_in_part_and_the_next_one_goes_on(
    on: str, stop: signal.Signals, tmp_path: Path
):
    history, to = tmp_path / "history", tmp_path / "scores"
    history.mkdir()
    recording(1).to_csv(history / "press-0.csv", index=False)
    for number in range(1, MANY):
        os.link(history / "press-0.csv", history / f"press-{number}.csv")
    process = process_of("rescore", history, "--out", to, "--on", on, "--workers", "2")
    until(lambda: (to / RECORD).exists() and (to / RECORD).read_bytes().count(b"\n") > 2, "some are done", 60)
    os.killpg(process.pid, stop)
    _, err = process.communicate(timeout=60)
    until(lambda: not group_lives(process.pid), "its workers are gone", 60)
    assert process.returncode == (-stop if stop == signal.SIGKILL else 130)
    if stop != signal.SIGKILL:
        assert err.endswith("stopped; the same command goes on from here\n")
        assert "Traceback" not in err
        assert not [name for name in scores_in(to) if not name.endswith(".csv")]
    part = {name: text for name, text in scores_in(to).items() if name.endswith(".csv") and name[0] != "."}
    assert 2 < len(part) < MANY
    process = process_of("rescore", history, "--out", to, "--workers", "2")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert " 0 were scored before" not in out
    whole = scores_in(to)
    assert len(whole) == MANY
    assert len({*whole.values(), *part.values()}) == 1


def group_lives(leader: int) -> bool:
    """Whether a process of the group is left."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_record_that_was_cut_off_costs_only_the_file_of_that_line(history: Path, tmp_path: Path):
    to = tmp_path / "scores"
    said("rescore", history, "--out", to, "--workers", "1")
    (to / RECORD).write_bytes((to / RECORD).read_bytes()[:-30])
    assert "1 scored, 3 were scored before" in said("rescore", history, "--out", to, "--workers", "1")
    assert "0 scored, 4 were scored before" in said("rescore", history, "--out", to, "--workers", "1")


def test_what_killed_workers_left_is_removed_and_nothing_else_is(tmp_path: Path):
    (tmp_path / "line-1").mkdir()
    left = tmp_path / "line-1" / f".press-1.csv.{32 * 'a'}.unfinished"
    kept = tmp_path / "line-1" / ".notes.unfinished"
    left.touch()
    kept.touch()
    Record(tmp_path).close()
    assert (left.exists(), kept.exists()) == (False, True)


def test_two_runs_cannot_have_one_folder_of_scores(tmp_path: Path):
    first = Record(tmp_path)
    with pytest.raises(FolderError, match="another rescore writes to"):
        Record(tmp_path)
    first.close()
    Record(tmp_path).close()


def test_the_folder_of_the_scores_may_be_below_the_recordings_but_not_hold_them(history: Path):
    said("rescore", history, "--out", history / "scores", "--workers", "1")
    assert "4 files: 0 scored, 4 were" in said("rescore", history, "--out", history / "scores", "--workers", "1")
    for to in (history, history.parent):
        assert "is the folder of the recordings or holds it" in said("rescore", history, "--out", to, code=2)
    assert "no such folder" in said("rescore", history / "nope", "--out", history / "scores", code=2)


def test_no_two_files_write_the_same_scores(history: Path, tmp_path: Path):
    (history / "day").mkdir()
    recording(7).to_csv(history / "day" / "fan-1.csv", index=False)
    text = said("rescore", history, "--out", tmp_path / "scores", "--workers", "1", code=1)
    assert "day.csv: the folder day, which the scores of its machines need, is that of other recordings" in text
    shutil.copy(history / "pump.csv", history / "pump.txt")
    text = said("rescore", history, "--out", tmp_path / "scores", code=2)
    assert "pump.csv and pump.txt would both be pump.csv; rename one of them" in text


@pytest.mark.parametrize(
    ("on", "package", "extra"),
    [("joblib", "joblib", "bulk"), ("dask", "distributed", "bulk"), ("spark", "pyspark", "spark")],
)
def test_without_its_extra_the_command_says_what_to_install(
    on: str, package: str, extra: str, history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, package, None)
    text = said("rescore", history, "--out", tmp_path / "scores", "--on", on, code=2)
    assert text.startswith(f"--on {on} needs {package}, which is not installed: pip install '.[{extra}]'")


def test_without_java_spark_is_refused_with_what_to_install(
    history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    text = said("rescore", history, "--out", tmp_path / "scores", "--on", "spark", code=2)
    assert text.startswith("--on spark needs Java 17, which is not found: ")


def test_an_option_of_another_back_end_is_refused(history: Path, tmp_path: Path):
    words = ("rescore", history, "--out", tmp_path / "scores")
    assert "--scheduler is for --on dask" in said(*words, "--scheduler", "tcp://127.0.0.1:1", code=2)
    assert "--master is for --on spark" in said(*words, "--on", "dask", "--master", "spark://x:1", code=2)


def test_a_worker_of_another_version_scores_nothing(history: Path, tmp_path: Path):
    job = Job(str(history), str(tmp_path / "scores"), Choices(), Config(), False, "0.0.1")
    done = scored_file(job, "settings", Task("pump.csv", False))
    assert done.error.startswith(f"{history / 'pump.csv'}: not scored: a worker has version ")
    assert not (tmp_path / "scores").exists()


def test_the_libraries_of_the_back_ends_are_loaded_only_by_the_one_that_is_used():
    ours = "pipeline.cli.rescore, pipeline.cluster.spread, pipeline.recordings.rescore"
    code = f"import sys, {ours}; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    loaded = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert not {"joblib", "dask", "distributed", "pyspark", "py4j", "pyarrow"} & set(loaded.stdout.split())
