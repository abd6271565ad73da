"""`spikewatch doctor`: what it measures of real brokers and databases, and what it tells to change."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from servers import InfluxDB, Mosquitto, until
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commissioning.doctor import Traffic, of_channels, points_per_s, span
from pipeline.config.settings import Channel, Config, Emit, Secret
from pipeline.mqtt import Broker, Publisher, Receiver


def examined(folder: Path, *words: str, **settings: object) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """The exit code, and the findings by subject."""
    path = folder / "plant.yaml"
    path.write_text(yaml.safe_dump({"data": str(folder / "data"), **settings}))
    done = CliRunner().invoke(app, ["doctor", "--config", str(path), "--listen", "1", "--json", *words])
    found: dict[str, list[dict[str, str]]] = {}
    for finding in json.loads(done.stdout):
        found.setdefault(finding["subject"], []).append(finding)
    return done.exit_code, found


@pytest.fixture
def plant(mosquitto: Mosquitto):
    """Somebody publishes a reading every 10 ms."""
    stop = threading.Event()

    def publish() -> None:
        with Publisher(Broker.of(mosquitto.url, client_id="plant", protocol=4)) as publisher:
            number = 0
            while not stop.wait(0.01):
                publisher.publish(f"plant/press-{number % 3}/temperature", b"%d" % number)
                number += 1

    thread = threading.Thread(target=publish)
    thread.start()
    yield mosquitto
    stop.set()
    thread.join()


@pytest.mark.servers
def test_it_measures_the_traffic_and_tries_broker_disk_and_database(plant: Mosquitto, influxdb: InfluxDB, tmp_path):
    code, found = examined(
        tmp_path,
        "--survive", "1m", "--probe", "1500",
        mqtt={"url": plant.url}, influxdb={"url": influxdb.url, "database": "machines"},
    )  # fmt: skip
    assert code == 0, found
    assert "mosquitto version" in found["broker"][0]["found"]
    assert "3 machines, 3 sensors" in found["traffic"][0]["found"]
    assert found["source"][0]["found"].startswith("plant/{machine}/{sensor}: "), found["source"]
    assert " to 1" in found["bytes"][0]["found"]
    assert "kept all 1500 test messages" in found["service down"][0]["found"]
    assert "accepts a point" in found["database"][0]["found"]
    assert "points/s" in found["database down"][0]["found"]
    assert influxdb.query("SELECT doctor FROM service", "machines")


@pytest.mark.servers
def test_a_source_that_does_not_fit_what_is_sent_and_a_clock_that_is_behind_are_findings(
    mosquitto: Mosquitto, tmp_path
):
    broker, stop = Broker.of(mosquitto.url, client_id="plant", protocol=4), threading.Event()

    def publish() -> None:
        with Publisher(broker) as publisher:
            while not stop.wait(0.05):
                publisher.publish("line/press-7", b'{"tag": "oil", "reading": 41.5}')
                late = datetime.now(UTC) - timedelta(hours=2)
                publisher.publish("hall/mill-2", json.dumps({"oil": 40.5, "time": late.isoformat()}).encode())

    thread = threading.Thread(target=publish)
    thread.start()
    sources = [
        {"topic": "line/{machine}", "payload": "json", "sensor": "name", "value": "value"},
        {"topic": "hall/{machine}", "payload": "json", "time": "time"},
    ]
    try:
        code, found = examined(tmp_path, "--probe", "0", mqtt={"url": mosquitto.url, "sources": sources})
    finally:
        stop.set()
        thread.join()
    assert code == 1
    unread = next(one for one in found["source"] if one["fix"])
    assert unread["found"].startswith("line/{machine}: no reading in ")
    assert "no_sensor; line/press-7 neither topic nor payload names the sensor" in unread["found"]
    assert "spikewatch tap" in unread["fix"]
    [clock] = found["clock"]
    assert clock["found"].startswith("mill-2: its readings arrive 2.0 h and more after")
    assert "time_zone" in clock["fix"]


@pytest.mark.servers
def test_a_broker_that_drops_all_but_a_thousand_messages_is_told_apart_by_trying(tmp_path):
    # As Debian's Mosquitto comes: 20 messages in flight, 1000 kept.
    broker = Mosquitto(tmp_path / "broker")
    (tmp_path / "broker" / "mosquitto.conf").write_text(
        f"listener {broker.port} 127.0.0.1\nallow_anonymous true\nuser root\n"
    )
    with broker:
        code, found = examined(tmp_path, "--probe", "1500", mqtt={"url": broker.url})
        assert code == 1
        assert "max_inflight_messages 2000" in found["window"][0]["fix"]
        assert "kept 1000 of 1500 messages" in found["service down"][0]["found"]
        assert "max_queued_messages" in found["service down"][0]["fix"]
        assert "no message within 1 s" in found["traffic"][0]["found"]


@pytest.mark.servers
def test_no_session_of_the_examination_stays_with_the_broker(mosquitto, tmp_path):
    examined(tmp_path, "--probe", "100", mqtt={"url": mosquitto.url})
    watcher = Receiver(Broker.of(mosquitto.url, client_id="watcher"), [("$SYS/broker/clients/total", 0)])
    watcher.start()
    totals: list[bytes] = []
    until(lambda: totals.extend(message.payload for message in watcher.take(10, 0.1)) or b"1" in totals, "only it")
    watcher.stop()


def test_what_is_away_is_named_with_what_to_change_and_the_rest_is_examined_all_the_same(tmp_path):
    code, found = examined(
        tmp_path, mqtt={"url": "mqtt://127.0.0.1:1"}, influxdb={"url": "http://127.0.0.1:1", "database": "machines"}
    )
    assert code == 1
    assert "connection refused" in found["broker"][0]["found"]
    assert found["broker"][0]["fix"]
    assert found["database"][0]["fix"]
    assert "to synchronise" in found["disk"][0]["found"]


@pytest.mark.servers
def test_the_second_broker_is_tried_with_a_message(mosquitto: Mosquitto, tmp_path):
    upstream = {"url": mosquitto.url, "prefix": "hall"}
    listener = Receiver(Broker.of(mosquitto.url, client_id="listener"), [("hall/doctor", 1)])
    listener.start()
    listener.wait_subscribed(10.0)
    _, found = examined(tmp_path, "--probe", "0", mqtt={"url": mosquitto.url}, upstream=upstream)
    assert "accepts a message within" in found["upstream"][0]["found"]
    assert not found["upstream"][0]["fix"]
    until(lambda: [message.topic for message in listener.take(10, 0.1)] == ["hall/doctor"], "it has come")
    listener.stop()
    upstream["url"] = "mqtt://127.0.0.1:1"
    code, found = examined(tmp_path, "--probe", "0", mqtt={"url": mosquitto.url}, upstream=upstream)
    assert code == 1
    assert "127.0.0.1:1: connection refused" in found["upstream"][0]["found"]


def test_points_a_second_follow_what_is_emitted():
    traffic = Traffic(10.0, 1_000, 10_000, {}, machines=125, sensors=1_000, sources={}, behind={})
    assert points_per_s(Config(), None, traffic) == pytest.approx(125 / 10 + 1_000 / 60)
    everything = Config(emit=Emit(every="0s", sensors="0s"))
    assert points_per_s(everything, None, traffic) == pytest.approx(125 + 1_000)
    assert points_per_s(Config(), None, None) == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(42.4, "42 s"), (600, "10.0 min"), (5_400, "1.5 h"), (259_200, "3.0 d")]
)
def test_lengths_of_time_are_told_in_the_unit_that_fits(seconds, text):
    assert span(seconds) == text


def test_channels_of_notifications_are_examined_and_nothing_is_sent():
    channels = (
        Channel("hook", webhook="http://127.0.0.1:1/"),
        Channel("mail", url=Secret(env="MAIL")),
        Channel("odd", url=Secret(env="ODD")),
    )
    environ = {"MAIL": "mailto://127.0.0.1:1?to=b@plant.example&from=a@plant.example", "ODD": "nosuch://canary"}
    hook, mail, odd = of_channels(Config(notify=channels), environ)
    assert (hook.found, hook.fix) == ("hook: webhook; spikewatch notify --test sends a test message", "")
    assert mail.found.startswith("mail: E-Mail;")
    assert odd.found == "notify odd: url is of no service that Apprise knows, or not complete"
    assert odd.fix
