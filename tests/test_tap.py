"""`spikewatch tap`: what becomes of live messages, in words and as JSON."""

import json
import threading
from pathlib import Path

import pytest
import yaml
from servers import Mosquitto
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commissioning.tap import in_words, tell
from pipeline.config.settings import Config, Source
from pipeline.mqtt import Broker, Publisher
from pipeline.payloads import Cause, Decoder
from pipeline.payloads.why import WHY
from pipeline.records import Message

NOW = 1_700_000_000_000_000_000
SOURCES = (
    Source(topic="plant/{site}/{machine}/{sensor}"),
    Source(topic="line/{machine}/telemetry", payload="json", time="ts", time_missing="arrival"),
)


def words(topic: str, payload: bytes) -> list[str]:
    config = Config()
    decoder = Decoder(SOURCES, config.times, 10_000)
    message = Message(topic, payload, NOW)
    return in_words(tell(message, decoder.decode(message), "spikewatch"))


def test_every_cause_has_words():
    assert set(WHY) == set(Cause)


def test_a_message_is_told_with_its_machine_its_captures_and_its_sensors():
    assert words("plant/north/press-1/temp", b"21.5") == [
        "plant/north/press-1/temp -> machine=press-1 site=north: temp=21.5"
    ]
    assert words("line/mill/telemetry", b'{"ts": 1700000000, "load": 3, "state": "run", "bed": {"x": 1.5}}') == [
        "line/mill/telemetry -> machine=mill: load=3, bed.x=1.5",
        "line/mill/telemetry -> ignored, text (state): text, not a number; number_text or states can read some",
    ]


def test_what_is_ignored_says_why():
    assert words("cellar/temp", b"1") == [
        "cellar/temp -> ignored, unknown_topic: no source of the configuration matches the topic"
    ]
    assert words("plant/a/b/c", b"on")[0].startswith("plant/a/b/c -> ignored, not_number")
    assert words("spikewatch/press-1/state", b"{}") == [
        "spikewatch/press-1/state -> ignored, ours: published by the service itself"
    ]


def test_nothing_that_a_publisher_sends_reaches_the_terminal_as_it_is():
    assert all(line.isprintable() for line in words("plant/a/\x1b[31m/c", b"1") + words("a\nb", b"\x1b"))


@pytest.mark.servers
def test_it_shows_live_messages_of_a_real_broker(mosquitto: Mosquitto, tmp_path: Path):
    path = tmp_path / "plant.yaml"
    path.write_text(
        yaml.safe_dump({"mqtt": {"url": mosquitto.url, "sources": [{"topic": "plant/{machine}/{sensor}"}]}})
    )
    stop = threading.Event()

    def publish() -> None:
        with Publisher(Broker.of(mosquitto.url, client_id="plant", protocol=4)) as publisher:
            while not stop.wait(0.02):
                publisher.publish("plant/press-1/temp", b"21.5")
                publisher.publish("cellar/light", b"on")

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        done = CliRunner().invoke(app, ["tap", "--config", str(path), "--count", "4", "--json"])
    finally:
        stop.set()
        thread.join()
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == 4
    press = next(one for one in told if one["topic"] == "plant/press-1/temp")
    assert press["ignored"] == []
    assert press["readings"][0] | {"time": ""} == {
        "machine": "press-1", "tags": {}, "sensor": "temp", "value": 21.5, "time": ""
    }  # fmt: skip
    light = next(one for one in told if one["topic"] == "cellar/light")
    assert [one["cause"] for one in light["ignored"]] == ["unknown_topic"]


@pytest.mark.servers
def test_silence_and_an_absent_broker_end_with_1(mosquitto: Mosquitto, tmp_path: Path):
    path = tmp_path / "plant.yaml"
    path.write_text(yaml.safe_dump({"mqtt": {"url": mosquitto.url}}))
    done = CliRunner().invoke(app, ["tap", "--config", str(path), "--topic", "nowhere", "--seconds", "0.5"])
    assert done.exit_code == 1
    assert "no message on nowhere" in done.output
    path.write_text(yaml.safe_dump({"mqtt": {"url": "mqtt://127.0.0.1:9"}}))
    done = CliRunner().invoke(app, ["tap", "--config", str(path)])
    assert done.exit_code == 1
    assert "connection refused" in done.output


def test_what_a_message_without_readings_has_said_is_told():
    source = Source("spBv1.0/#", payload="sparkplug")
    decoder = Decoder((source,), Config().times, 10_000)

    def lines(kind, payload):
        message = Message(f"spBv1.0/plant/{kind}/edge", payload, NOW)
        return in_words(tell(message, decoder.decode(message), "spikewatch"))

    assert lines("NDATA", b"\x18\x05") == [
        "spBv1.0/plant/NDATA/edge -> ignored, noted (waits for the birth that says what it is): "
        "understood, and nothing to score"
    ]
    assert "(silent from now on: edge)" in lines("NDEATH", b"")[0]
