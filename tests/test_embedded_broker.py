"""The embedded broker at a port that is taken: it listens elsewhere, and every command finds it there."""

import gc
import json
import socket
import subprocess
import sys
import threading
from contextlib import closing

import pytest
from servers import until
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config.settings import Config
from pipeline.mqtt import Broker, Publisher, Receiver
from pipeline.mqtt import embedded as broker
from pipeline.mqtt.embedded import EmbeddedBroker
from pipeline.service.connections import USUAL_PORT, embedded_port


@pytest.fixture
def taken():
    """A port on which somebody else listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def test_where_its_port_is_taken_it_listens_at_another_and_says_so(taken, caplog):
    embedded = EmbeddedBroker(taken)
    port = embedded.start()
    embedded.stop()
    assert port != taken
    assert f"broker.port_taken port={taken} using={port}" in caplog.text


def test_where_another_is_quicker_it_takes_the_next_port(taken, monkeypatch):
    free = broker.free_port
    monkeypatch.setattr(broker, "free_port", lambda wish: wish or free(wish))  # it was free when we looked
    embedded = EmbeddedBroker(taken)
    port = embedded.start()
    embedded.stop()
    assert port not in {0, taken}


def test_its_end_leaves_no_task_behind_though_clients_have_not_hung_up(caplog):
    embedded = EmbeddedBroker(0)
    receiver = Receiver(Broker.of(f"mqtt://127.0.0.1:{embedded.start()}", protocol=4), [("#", 1)])
    receiver.start()
    until(lambda: receiver.connected, "connected")
    embedded.stop()
    gc.collect()
    receiver.stop()
    assert "broker" not in {thread.name for thread in threading.enumerate()}
    assert "Task was destroyed" not in caplog.text


def test_one_that_never_began_can_be_stopped():
    EmbeddedBroker(0).stop()


@pytest.mark.parametrize("command", ["run", "demo", "check"])
def test_where_it_is_not_installed_that_is_said_with_what_to_do(command, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "amqtt", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spikewatch.yaml").touch()  # without it `run` asks what to run with
    ended = CliRunner().invoke(app, [command])
    assert ended.exit_code == 2
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert "mqtt.url is not set" in ended.stderr
    assert "pip install '.[demo]'" in ended.stderr


def test_a_service_with_a_broker_of_its_own_never_loads_it():
    code = (
        "import sys; import pipeline.service.serving, pipeline.commissioning.demo; sys.exit('amqtt' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("command", ["simulate", "tap", "replay"])
def test_the_help_says_how_the_port_is_found(command):
    assert "broker.port" in CliRunner().invoke(app, [command, "--help"]).output


def test_without_a_service_the_usual_port_is_tried(tmp_path):
    assert embedded_port(Config(data=str(tmp_path))) == USUAL_PORT
    for text in ("nonsense", "", "0", "-1", "65536", "1" * 5000):
        (tmp_path / "broker.port").write_text(text)
        assert embedded_port(Config(data=str(tmp_path))) == USUAL_PORT


def test_simulate_replay_and_tap_find_it_in_the_data_folder_and_say_where(tmp_path):
    embedded = EmbeddedBroker(0)
    port = embedded.start()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "broker.port").write_text(f"{port}\n")
    config = tmp_path / "plant.yaml"
    config.write_text(f"data: {tmp_path / 'data'}\n")
    table = tmp_path / "mill.csv"
    table.write_text("time,load\n" + "".join(f"2026-01-01T00:00:0{second}Z,{second}\n" for second in range(5)))
    run, stop = CliRunner().invoke, threading.Event()

    def publish() -> None:
        with Publisher(Broker.of(f"mqtt://127.0.0.1:{port}", client_id="press", protocol=4)) as publisher:
            while not stop.wait(0.05):
                publisher.publish("plant/press-01", b'{"load": 1}')

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        heard = run(app, ["tap", "-c", str(config), "--count", "3", "--json", "--seconds", "30"])
        named = run(app, ["tap", "--url", f"mqtt://127.0.0.1:{port}", "--count", "3", "--seconds", "30"])
    finally:
        stop.set()
        thread.join()
    sent = run(app, ["simulate", "-c", str(config), "--for", "1s", "--machines", "1"])
    played = run(app, ["replay", str(table), "-c", str(config)])
    embedded.stop()
    assert heard.exit_code == 0, heard.output
    assert named.exit_code == 0, named.output
    assert f"mqtt://127.0.0.1:{port}" in heard.stderr
    assert json.loads(heard.stdout.splitlines()[0])["topic"] == "plant/press-01"
    assert sent.exit_code == 0, sent.output
    assert f"127.0.0.1:{port}" in sent.stderr
    assert played.exit_code == 0, played.output
    assert f"5 messages published to 127.0.0.1:{port}" in played.stderr
    for command in (["tap"], ["simulate", "--for", "1s"]):
        away = run(app, [*command, "-c", str(config)])
        assert away.exit_code == 1
        assert f"127.0.0.1:{port}" in away.stderr
        assert "does spikewatch run with this data folder?" in away.stderr
