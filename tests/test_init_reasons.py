"""`spikewatch init` and `tap`: why a message gave nothing is always said, with how often."""

import json
import threading
from pathlib import Path

import pytest
from heard import of_all, only, propose, said
from servers import Mosquitto
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commissioning.tap import Unsifted, in_words, tell
from pipeline.config.settings import Config, Source
from pipeline.mqtt import Broker, Publisher
from pipeline.payloads import Decoder
from pipeline.records import Message


def test_each_topic_without_a_reading_has_its_causes_and_counts():
    heard = of_all(
        said("plant/m1/temp", "21.5"),
        said("plant/m1/flow", "???"),
        said("plant/m1/level", ""),
        said("plant/m1/load", "nan"),
        said("other/m1", '{"note": "none", "error": null}'),
        said("zigbee2mqtt/bridge/info", "{}", count=2),
        said("zigbee2mqtt/lamp/set", '{"brightness": 20}', count=1),
        said("x/y/z", "words of a sort", count=3),
    )
    found = propose(heard)
    assert only(found).ignored == {"empty": 4, "nan": 4, "not_number": 4}
    assert found.left_out == {
        "other/m1": "no reading in it: 4 x null, 4 x text",
        "plant/m1/flow": "no reading in it: 4 x not_number",
        "plant/m1/level": "no reading in it: 4 x empty",
        "plant/m1/load": "no reading in it: 4 x nan",
        "x/y/z": "neither a number nor JSON",
        "zigbee2mqtt/bridge/info": "of a bridge, not of a machine",
        "zigbee2mqtt/lamp/set": "a command to a device, as its topic ends in /set; if these are readings, write a"
        " source for it",
    }
    assert found.causes == {
        "other/m1": {"null": 4, "text": 4},
        "plant/m1/flow": {"not_number": 4},
        "plant/m1/level": {"empty": 4},
        "plant/m1/load": {"nan": 4},
        "x/y/z": {"unreadable": 3},
        "zigbee2mqtt/bridge/info": {"not_of_a_machine": 2},
        "zigbee2mqtt/lamp/set": {"not_of_a_machine": 1},
    }


def published(mosquitto: Mosquitto, *messages: tuple[str, str]):
    stop = threading.Event()

    def publish() -> None:
        with Publisher(Broker.of(mosquitto.url, client_id="plant", protocol=4)) as publisher:
            while not stop.wait(0.05):
                for topic, payload in messages:
                    publisher.publish(topic, payload.encode())

    thread = threading.Thread(target=publish)
    thread.start()
    return stop, thread


@pytest.mark.servers
def test_where_nothing_can_be_proposed_it_still_says_why(mosquitto: Mosquitto, tmp_path: Path):
    stop, thread = published(mosquitto, ("hall/a/b", "words"), ("hall/c", '{"text": "only"}'))
    arguments = ["init", "--url", mosquitto.url, "--seconds", "1", "--out", str(tmp_path / "plant.yaml")]
    try:
        plain, as_json = CliRunner().invoke(app, arguments), CliRunner().invoke(app, [*arguments, "--json"])
    finally:
        stop.set()
        thread.join()
    assert plain.exit_code == as_json.exit_code == 1
    assert "left out: hall/a/b (neither a number nor JSON)" in plain.stdout
    assert "left out: hall/c (no reading in it: " in plain.stdout
    told = json.loads(as_json.stdout)
    assert (told["file"], told["sources"]) == (None, [])
    assert told["causes"]["hall/c"].keys() == {"text"}
    assert not (tmp_path / "plant.yaml").exists()


@pytest.mark.servers
def test_what_is_ignored_is_told_by_init_and_tap(mosquitto: Mosquitto, tmp_path: Path):
    stop, thread = published(mosquitto, ("shed/a1", '{"load": 212.5, "rssi": -61, "relay": "ON"}'))
    path = str(tmp_path / "plant.yaml")
    try:
        made = CliRunner().invoke(app, ["init", "--url", mosquitto.url, "--seconds", "1", "--out", path])
        tapped = CliRunner().invoke(app, ["tap", "--config", path, "--count", "1"])
        as_json = CliRunner().invoke(app, ["tap", "--config", path, "--count", "1", "--json"])
    finally:
        stop.set()
        thread.join()
    assert made.exit_code == 0, made.output
    assert "ignored: rssi (radio signal strength)" in made.stdout
    assert tapped.stdout.splitlines() == [
        "shed/a1 -> machine=a1: load=212.5, relay=1",
        "shed/a1 -> ignored (rssi): no measurement, as ignore of its source says",
    ]
    assert [one["where"] for one in json.loads(as_json.stdout)["ignored"]] == ["rssi"]


def test_tap_tells_texts_and_whole_messages_that_are_ignored_too():
    config = Config()
    sources = (Source("shed/{machine}", payload="json", ignore=("ip", "net.*")),)
    decoder = Decoder(sources, config.times, 10_000)
    unsifted = Unsifted(sources, config.times, 10_000)
    for payload, wanted in (
        (b'{"ip": "10.0.0.7", "net": {"up": 3}, "load": 1.5}', ["shed/a -> machine=a: load=1.5", "(ip, net.up)"]),
        (b'{"ip": "10.0.0.7"}', ["(ip)"]),
        (b'{"load": 1.5}', ["shed/a -> machine=a: load=1.5"]),
    ):
        message = Message("shed/a", payload, 1)
        lines = in_words(tell(message, decoder.decode(message), "spikewatch", unsifted.ignored(message)))
        assert len(lines) == len(wanted)
        assert all(part in line for part, line in zip(wanted, lines, strict=True))
