"""As a Sparkplug primary host we say on a real broker when data is received, and when it is not."""

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers import Mosquitto, until
from test_service import Running

from pipeline.config.file import load as load_config
from pipeline.config.settings import ConfigError
from pipeline.mqtt import Broker, Publisher, Receiver
from pipeline.mqtt.host_state import HostState, state_topic


class Listener:
    """Hears every state that is said of a host."""

    def __init__(self, broker: Mosquitto, host: str) -> None:
        self.receiver = Receiver(Broker.of(broker.url, client_id="edge"), [(state_topic(host), 1)])
        self.said: list[dict[str, Any]] = []
        self.receiver.start()

    def last(self) -> dict[str, Any]:
        messages = self.receiver.take(100, 0.1)
        self.receiver.ack(messages)
        self.said += [json.loads(message.payload) for message in messages]
        return self.said[-1] if self.said else {}

    def online(self) -> bool:
        return self.last().get("online") is True

    def offline(self) -> bool:
        return self.last().get("online") is False


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Listener]:
    made = Listener(mosquitto, "hall-3")
    yield made
    made.receiver.stop()


@pytest.fixture
def service(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Running]:
    made = Running(
        tmp_path,
        mqtt={
            "url": mosquitto.url,
            "sparkplug_host": "hall-3",
            "sources": [{"topic": "spBv1.0/#", "payload": "sparkplug"}],
        },
        console={"enabled": False},
    )
    yield made
    if made.process is not None:
        made.stop(signal.SIGKILL)


@pytest.mark.servers
def test_the_state_is_online_while_the_service_receives_and_offline_after_an_end_in_order_or_a_kill(
    service: Running, listener: Listener
):
    service.start()
    until(listener.online, "the host is online", 60)
    first = listener.last()
    service.stop()
    until(listener.offline, "it said goodbye")
    assert listener.last() == {"online": False, "timestamp": first["timestamp"]}
    service.start()
    until(listener.online, "it is back", 60)
    second = listener.last()
    assert second["timestamp"] > first["timestamp"], "a node may believe the newest only"
    service.stop(signal.SIGKILL)
    until(listener.offline, "the broker says it for us")
    assert listener.last() == {"online": False, "timestamp": second["timestamp"]}


@pytest.mark.servers
def test_what_somebody_else_says_of_us_is_put_right_at_once(
    service: Running, listener: Listener, mosquitto: Mosquitto
):
    service.start()
    until(listener.online, "the host is online", 60)
    before = len(listener.said)
    with Publisher(Broker.of(mosquitto.url, client_id="other", protocol=4)) as other:
        other.publish(state_topic("hall-3"), b'{"online": false, "timestamp": 1}')
        other.drain()
    until(lambda: listener.last() and len(listener.said) >= before + 2, "it was heard and answered")
    assert [one["online"] for one in listener.said[before:]] == [False, True]


@pytest.mark.parametrize("last", [bytes([0xE0, 2, 0x8E, 0]), bytes([0x90, 3, 0, 1, 0x55]), b""], ids=bytes.hex)
def test_whatever_the_last_packet_of_a_connection_is_another_one_is_made(
    last: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pipeline.mqtt.host_state.RETRY_S", 0.1)
    connections: list[bytes] = []

    def broker() -> None:
        while True:
            connection, _ = server.accept()
            with connection, suppress(ConnectionError):
                connections.append(connection.recv(1000))
                if not connections[-1]:
                    return
                connection.sendall(bytes([0x20, 3, 0, 0, 0]))  # you are let in
                connection.recv(1000)
                connection.sendall(last)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=broker)
        thread.start()
        host = HostState(lambda: Broker("127.0.0.1", server.getsockname()[1]), "hall-3", lambda: True)
        host.start()
        until(lambda: len(connections) > 2, "it connects again")
        host.stop()
        socket.create_connection(server.getsockname()).close()
        thread.join()


@pytest.mark.servers
def test_a_broker_that_does_not_let_us_in_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "nobody").touch()
    broker = Mosquitto(tmp_path, listener=f"allow_anonymous false\npassword_file {tmp_path / 'nobody'}")
    broker.start()
    host = HostState(lambda: Broker.of(broker.url, client_id="ours-host"), "hall-3", lambda: True)
    host.start()
    until(lambda: "mqtt.host_state_away" in caplog.text, "it is told")
    host.stop()
    broker.stop()
    assert 'topic=spBv1.0/STATE/hall-3 reason="refused by the broker: Not authorized"' in caplog.text


@pytest.mark.servers
def test_after_a_clock_was_set_back_a_birth_is_still_newer_than_the_one_before(
    mosquitto: Mosquitto, listener: Listener
):
    host = HostState(lambda: Broker.of(mosquitto.url, client_id="ours-host"), "hall-3", lambda: True)
    host._time_ms = 4_000_000_000_000  # of a connection before the clock was set back
    host.start()
    until(listener.online, "the host is online")
    host.stop()
    assert listener.last()["timestamp"] == 4_000_000_000_001


def load(tmp_path: Path, host: str, payload: str) -> str:
    """The problems of a configuration with this host, as a text."""
    path = tmp_path / "plant.yaml"
    topic = "spBv1.0/#" if payload == "sparkplug" else "plant/{machine}/{sensor}"
    path.write_text(
        yaml.safe_dump({"mqtt": {"sparkplug_host": host, "sources": [{"topic": topic, "payload": payload}]}})
    )
    with pytest.raises(ConfigError) as found:
        load_config(path, {})
    return str(found.value)


@pytest.mark.parametrize("host", ["", "a/b", "a#", "+"])
def test_a_host_that_is_no_level_of_a_topic_is_refused(tmp_path: Path, host: str):
    assert "mqtt.sparkplug_host: is one level of a topic" in load(tmp_path, host, "sparkplug")


def test_a_host_without_a_sparkplug_source_is_refused_for_nodes_would_wait_for_nobody(tmp_path: Path):
    assert "no source has payload sparkplug" in load(tmp_path, "hall-3", "number")
