"""As a Sparkplug primary host we say on a real broker when data is received, and when it is not."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from servers import Mosquitto, until
from test_service import Running

from pipeline.config.file import load as load_config
from pipeline.config.settings import ConfigError
from pipeline.mqtt import Broker, Publisher, Receiver
from pipeline.mqtt.host_state import state_topic


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
