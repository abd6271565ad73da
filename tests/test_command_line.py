"""The command line as a newcomer meets it: what every verb has, what it says, and how it ends."""

import fcntl
import json
import os
import tempfile
import threading
from pathlib import Path

import click
import numpy as np
import pytest
import typer
from machines import plant
from servers import Mosquitto, free_port
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cli.answering import _token
from pipeline.cli.recordings import proposed_alerts
from pipeline.commissioning import demo
from pipeline.config.file import load
from pipeline.mqtt import Broker, Publisher
from pipeline.recordings.tuning import Tuned
from pipeline.service.connections import USUAL_PORT, embedded_port

ROOT = typer.main.get_command(app)


def verbs(command: click.Command, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every verb, and every group of verbs."""
    below = getattr(command, "commands", {})
    return [words, *(found for name, part in below.items() for found in verbs(part, (*words, name)))]


def said(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, [*words])
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("words", verbs(ROOT))
def test_every_verb_explains_itself_with_h_and_with_help(words: tuple[str, ...]):
    assert said(*words, "-h") == said(*words, "--help")
    assert "Usage: " in said(*words, "-h")


def test_the_version_is_one_line():
    assert said("--version").startswith("spikewatch ")


def test_a_file_that_is_not_there_ends_run_at_once_with_2_and_serves_no_page(tmp_path: Path):
    path = tmp_path / "nope.yaml"
    assert (
        said("run", "--config", str(path), code=2)
        == f"{path}: cannot be read: No such file or directory (--config)\n"
    )
    assert (
        said("run", "--config", str(tmp_path), code=2)
        == f"{tmp_path}: cannot be read: not a regular file (--config)\n"
    )


def test_check_says_its_mistakes_as_json_too_and_shows_no_password(tmp_path: Path):
    path = tmp_path / "a:7: b.yaml"
    path.write_text("data: x\nmqtt:\n  url: mqtt://me:hunter2@broker\nlimits: {machins: 3}\n")
    told = json.loads(said("check", "--config", str(path), "--json", code=2))["problems"]
    assert [(one["file"], one["line"], one["key"]) for one in told] == [
        (str(path), 3, "mqtt.url"),
        (str(path), 4, "limits.machins"),
    ]
    assert "username" in told[0]["message"]
    assert "hunter2" not in json.dumps(told)
    path.write_text("data: x\n")
    assert json.loads(said("check", "--config", str(path), "--json"))["problems"] == []
    told = json.loads(said("check", "--config", str(tmp_path / "nope"), "--json", code=2))["problems"]
    assert (told[0]["line"], told[0]["message"]) == (None, "cannot be read: No such file or directory")


RECORDING = ["time,flow", *(f"2026-01-01T00:00:{second:02d},{second % 7}" for second in range(60))]


@pytest.mark.parametrize("verb", ["simulate", "replay", "tap", "init"])
def test_whoever_needs_a_broker_ends_with_1_where_it_is_away_and_with_2_where_the_url_is_wrong(
    verb: str, tmp_path: Path
):
    (tmp_path / "press-1.csv").write_text("\n".join(RECORDING))
    words = [verb, *([str(tmp_path / "press-1.csv")] if verb == "replay" else [])]
    words += ["--out", str(tmp_path / "new.yaml")] if verb == "init" else []
    text = said(*words, "--url", f"mqtt://127.0.0.1:{free_port()}", code=1)
    assert "connection refused" in text
    for url in (
        "mqtt://me:hunter2@broker",
        "mqtt://me:hunter2/x@broker",
        "mqtts://broker?p=hunter2",
        "http://h:hunter2",
    ):
        text = said(*words, "--url", url, code=2)
        assert text.startswith("--url: ")
        assert "hunter2" not in text


@pytest.mark.servers
def test_tap_listens_to_the_broker_of_its_url(mosquitto: Mosquitto):
    stop = threading.Event()

    def publish() -> None:
        with Publisher(Broker.of(mosquitto.url, client_id="plant", protocol=4)) as publisher:
            while not stop.wait(0.02):
                publisher.publish("plant/press-1/temp", b"21.5")

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        assert "machine=press-1: temp=21.5" in said("tap", "--url", mosquitto.url, "--count", "1")
    finally:
        stop.set()
        thread.join()


def test_score_says_what_it_wrote(tmp_path: Path):
    values = plant(300, 3, 1)
    times = np.datetime64("2026-01-01T00:00:00", "s") + np.arange(len(values))
    rows = [",".join([str(time), *map(str, row)]) for time, row in zip(times, values.tolist(), strict=True)]
    (tmp_path / "press-1.csv").write_text("\n".join(["time,a,b,c", *rows]))
    text = said("score", str(tmp_path / "press-1.csv"), "--out", str(tmp_path / "scores"), "--explain")
    written = " and ".join(f"{tmp_path}/scores/press-1{kind}.csv" for kind in ("", ".explain"))
    assert f"{written}: 300 rows, 1" in text
    scored = (tmp_path / "scores" / "press-1.csv").read_text()
    assert f"{scored.count(',warning,')} warning, {scored.count(',critical,')} critical" in text


def test_tune_says_once_which_histories_are_too_short():
    short, long = Tuned(0.99, 0, 3, 0.2, 3600.0), Tuned(0.99, 1, 3, 4.0, 1e6)
    lines = proposed_alerts({"press-1": short, "press-2": short, "mill": long}, ())
    [line] = [line for line in lines if "too short" in line]
    assert line.startswith("# ")
    assert line.endswith('"press-1", "press-2"')


def test_what_a_killed_demonstration_left_behind_goes_and_one_that_lives_stays(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed, alive, beginning, old, foreign = (tmp_path / f"{demo.PREFIX}{name}" for name in "abcde")
    for folder in (killed, alive, beginning, old):
        (folder / "data").mkdir(parents=True)
    (killed / demo.LOCK).touch()
    foreign.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / demo.LOCK).touch()
    os.utime(old, (0, 0))
    with (alive / demo.LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with demo.own_folder() as own:
            assert not killed.exists()
            assert not old.exists()
            for folder in (alive, beginning, foreign, foreign / demo.LOCK, Path(own)):
                assert folder.exists()
            with demo.own_folder():
                assert Path(own).exists()
        assert not Path(own).exists()


def test_a_data_folder_that_is_a_file_or_below_one_is_one_line_and_nothing_is_made_of_it(tmp_path: Path):
    (tmp_path / "file").touch()
    path = tmp_path / "plant.yaml"
    for data in ("file", "file/below", "nowhere"):
        path.write_text(f"data: {tmp_path / data}\n")
        for words in (["tune"], ["machines"], ["ageing"], ["journal", "stats"], ["journal", "fsck"]):
            text = said(*words, "--config", str(path), code=1)
            assert text.startswith(f"{tmp_path / data}: no ")
            assert len(text.splitlines()) == 1
    assert not (tmp_path / "nowhere").exists()


def test_labels_a_token_and_a_configuration_that_are_pipes_are_not_waited_for(tmp_path: Path):
    (tmp_path / "press-1.csv").write_text("\n".join(RECORDING))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "console.token")
    os.mkfifo(tmp_path / "data" / "broker.port")
    pipe, path = str(tmp_path / "pipe"), tmp_path / "plant.yaml"
    path.write_text(f"data: {tmp_path / 'data'}\n")
    assert "not a regular file" in said("evaluate", str(tmp_path / "press-1.csv"), "--labels", pipe, code=2)
    assert "not a regular file" in said("check", "--config", pipe, code=2)
    with pytest.raises(typer.Exit):
        _token(load(path, {}))
    assert embedded_port(load(path, {})) == USUAL_PORT
