"""A service one can forget: who is told that it lives, and what ends it when it does not."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from servers import Mosquitto, until

from pipeline.config.settings import Config
from pipeline.console.connection import CONNECTIONS
from pipeline.mqtt import Broker, Publisher
from pipeline.records import Announcement, Message
from pipeline.service.connections import open_sink
from pipeline.service.health import EXTENSION_S, PATIENCE_S, TICK_S, UNHEALTHY, Liveness, Watchdog, figures, stacks
from pipeline.service.service import Service


def looks(liveness: Liveness, seconds: int, first: float = 1000.0) -> tuple[list[str], list[int]]:
    """What systemd is told, and exit codes, over so many seconds."""
    told: list[str] = []
    ended: list[int] = []
    watchdog = Watchdog(liveness, told.append, threading.Event(), ended.append)
    for second in range(seconds):
        watchdog.tick(first + second)
    return told, ended


def serving() -> Liveness:
    liveness = Liveness()
    liveness.waiting = ""
    liveness.round()
    return liveness


def test_a_main_thread_that_does_not_come_round_for_its_patience_ends_the_process_and_not_sooner():
    told, ended = looks(serving(), int(PATIENCE_S))
    assert ended == []
    assert len(told) == PATIENCE_S
    assert all(text.startswith("WATCHDOG=1\n") for text in told)
    told, ended = looks(serving(), int(PATIENCE_S) + 1)
    assert ended == [UNHEALTHY]
    assert len(told) == PATIENCE_S, "from then on systemd is not told that all is well"


def test_a_main_thread_that_comes_round_now_and_then_is_well_for_ever():
    liveness = serving()
    for second in range(0, 5000, int(PATIENCE_S)):
        assert looks(liveness, int(PATIENCE_S), 1000.0 + second)[1] == []
        liveness.round()


def test_waiting_for_the_disk_and_a_long_start_are_no_illness_and_are_told():
    liveness = Liveness()
    told, ended = looks(liveness, 5000)
    assert ended == []
    assert set(told) == {f"EXTEND_TIMEOUT_USEC={EXTENSION_S * 1_000_000}\nSTATUS=starting: "}
    liveness.waiting = ""
    with liveness.waiting_for("disk"):
        told, ended = looks(liveness, 5000)
    assert ended == []
    assert set(told[:5]) == {"WATCHDOG=1\nSTATUS="}, "every commit waits for a moment"
    assert set(told[5:]) == {"WATCHDOG=1\nSTATUS=waiting for the disk; "}
    assert looks(liveness, 5000)[1][:1] == [UNHEALTHY], "and afterwards the patience begins anew"


def test_where_the_whole_process_was_stopped_for_an_hour_nobody_was_stuck():
    liveness = serving()
    for now_s in (0.0, 1.0, 3601.0, 3602.0):
        assert liveness.still_s(now_s) < 5.0


def test_stacks_name_every_thread_and_its_calls_and_no_values():
    begun, stop = threading.Event(), threading.Event()

    def waits_with(secret: str) -> None:
        begun.set()
        stop.wait()
        assert secret

    thread = threading.Thread(target=waits_with, args=("hunter2",), name="sleeper")
    thread.start()
    begun.wait()
    lines = stacks()
    stop.set()
    thread.join()
    (line,) = [line for line in lines if "name=sleeper " in line]
    assert "waits_with" in line
    assert any("name=MainThread " in line and "test_stacks_name" in line for line in lines)
    assert "hunter2" not in "".join(lines)


def test_a_full_disk_is_named_while_the_service_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = Config(data=str(tmp_path))
    service = Service(config, open_sink(config, {}))
    service.liveness.waiting = ""
    stop, tried = threading.Event(), threading.Event()

    def full(*_: object, **__: object) -> int:
        tried.set()
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(service._journal, "commit", full)
        patch.setattr("pipeline.service.service.is_damage", lambda *_: False)
        patch.setattr("pipeline.service.service.is_full", lambda *_: False)
        thread = threading.Thread(target=service._commit, args=(None, [], stop))
        thread.start()
        tried.wait()
        told, ended = looks(service.liveness, 100)
        stop.set()
        thread.join()
    assert ended == []
    assert set(told[5:]) == {"WATCHDOG=1\nSTATUS=waiting for the disk; "}
    assert service.liveness.waiting == ""
    service._journal.close()
    service._lock.close()


def test_the_figures_of_the_process_are_there_and_make_sense(tmp_path: Path):
    found = figures(tmp_path)
    assert set(found) == {"cpu_s", "rss_bytes", "disk_free_bytes"}
    assert 10_000_000 < float(found["rss_bytes"]) < 10_000_000_000
    assert float(found["cpu_s"]) > 0
    assert set(figures(tmp_path / "absent")) >= {"cpu_s", "rss_bytes"}


def test_systemd_s_patience_is_longer_than_ours_so_that_the_stacks_are_logged_first():
    unit = (Path(__file__).parent.parent / "deploy" / "systemd" / "spikewatch.service").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in unit if "=" in line and not line.startswith("#"))
    assert settings["Type"] == "notify"
    assert float(settings["WatchdogSec"]) > PATIENCE_S + 2 * TICK_S
    assert settings["Restart"] == "always"


def test_systemd_lets_the_service_open_more_files_than_the_console_takes_and_none_that_select_cannot_wait_for():
    unit = (Path(__file__).parent.parent / "deploy" / "systemd" / "spikewatch.service").read_text().splitlines()
    [limit] = [int(line.partition("=")[2]) for line in unit if line.startswith("LimitNOFILE=")]
    assert 4 * CONNECTIONS <= limit <= 1024


class Nothing:
    """A source of nothing."""

    def take(self, max_messages: int, timeout_s: float) -> list[Message]:
        return []

    def ack(self, messages: Sequence[Message]) -> None:
        pass

    def publish(self, announcement: Announcement) -> None:
        pass

    def counters(self) -> dict[str, int]:
        return {}


def test_the_service_s_own_point_says_how_long_the_slowest_message_waited_since_the_last_one(tmp_path: Path):
    config = Config(data=str(tmp_path))
    service = Service(config, open_sink(config, {}))
    ago_ns = time.time_ns() - 5_000_000_000
    messages = [Message("plant/m/temp", b"1", ago_ns), Message("plant/m/temp", b"2", ago_ns + 3_000_000_000)]
    service._process(messages, threading.Event())
    fields = service._health(Nothing()).fields
    assert float(fields["lag_s"]) >= 5.0
    assert fields.keys() >= {"rss_bytes", "cpu_s", "disk_free_bytes", "messages", "refused"}
    assert service._health(Nothing()).fields["lag_s"] == 0.0
    service._journal.close()
    service._lock.close()


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0", 1))
        self.socket.setblocking(False)
        self.told: list[str] = []

    def hears(self, text: str) -> bool:
        while True:
            try:
                self.told.append(self.socket.recv(65_536).decode())
            except BlockingIOError:
                return any(text in told for told in self.told)


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_systemd_hears_when_the_service_starts_is_ready_lives_and_stops(kind: str, tmp_path: Path):
    systemd = Systemd(str(tmp_path / "notify") if kind == "path" else f"@spikewatch-test-{os.getpid()}")
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"data": str(tmp_path / "data"), "mqtt": {"url": "mqtt://127.0.0.1:1"}}))
    command = [sys.executable, "-m", "pipeline", "run", "--config", str(config)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, env={**os.environ, "NOTIFY_SOCKET": systemd.name})
    try:
        until(lambda: systemd.hears("READY=1"), "ready, also where the broker is away", 120)
        until(lambda: systemd.hears("WATCHDOG=1\nSTATUS=broker away, database reached, 0 machines"), "alive")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert systemd.hears("STOPPING=1")
    kinds = [text.split("=")[0] for text in systemd.told]
    assert kinds[0] == "EXTEND_TIMEOUT_USEC"
    assert kinds.count("READY") == 1
    assert kinds[-1] == "STOPPING"
    assert set(kinds[kinds.index("READY") + 1 : -1]) <= {"WATCHDOG", "EXTEND_TIMEOUT_USEC"}
    systemd.socket.close()


STUCK = """
import sys, threading
from pipeline.service import health
from pipeline.storage import data_folder
from pipeline.engine import engine
from pipeline.cli import main

class Stuck(engine.Engine):
    def step(self, readings):
        threading.Event().wait()

health.PATIENCE_S = 2.0
data_folder.Engine = Stuck
main()
"""


@pytest.mark.servers
def test_a_service_that_takes_readings_and_scores_none_ends_with_70_and_loses_none(
    tmp_path: Path, mosquitto: Mosquitto
):
    config = tmp_path / "config.yaml"
    config.write_text(
        yaml.safe_dump({"data": str(tmp_path / "data"), "mqtt": {"url": mosquitto.url}, "emit": {"every": "0s"}})
    )
    command = [sys.executable, "-c", STUCK, "run", "--config", str(config)]
    log = tmp_path / "log"

    def start(command: list[str]) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            process = subprocess.Popen(command, stderr=output)
        until(lambda: "mqtt.connected" in log.read_text(), "the service is subscribed", 120)
        return process

    stuck = start(command)
    with Publisher(Broker.of(mosquitto.url, client_id="tester", protocol=4)) as publisher:
        for number in range(20):
            publisher.publish("plant/press-1/temp", b"%d" % number)
        publisher.drain()
    assert stuck.wait(30) == UNHEALTHY
    said = log.read_text()
    assert "unhealthy still_s=2 exit=70" in said
    (line,) = [line for line in said.splitlines() if "thread name=MainThread" in line]
    assert "step < " in line
    assert "_process < " in line
    well = start([sys.executable, "-m", "pipeline", "run", "--config", str(config)])
    try:
        seen = [sys.executable, "-m", "pipeline", "machines", "--config", str(config), "--json"]
        until(lambda: b'"readings": 20' in subprocess.run(seen, capture_output=True).stdout, "all are scored", 60)
    finally:
        well.send_signal(signal.SIGTERM)
        assert well.wait(30) == 0
