"""`spikewatch init`: from what is heard to a configuration that understands it."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from servers import Mosquitto
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commissioning.proposing import as_yaml, propose
from pipeline.config.file import load, parsed
from pipeline.config.settings import Config, Mqtt, Secret
from pipeline.mqtt import Broker, Publisher
from pipeline.mqtt.announcements import Announcer
from pipeline.mqtt.upstream import Selection, announcement_of
from pipeline.payloads import Decoder
from pipeline.records import Machine, Message, Point
from pipeline.service.connections import status_of

NOW = 1_700_000_000_000_000_000
NUMBERS = [
    (f"plant/{site}/{machine}/{sensor}", b"21.5")
    for site, machine in (("north", "press-1"), ("north", "press-2"), ("south", "mill-1"))
    for sensor in ("temp", "vibration")
]
TELEMETRY = [
    (f"line/{machine}/telemetry", b'{"ts": 1700000000.25, "load": 3, "pump": {"flow": 1.5}}')
    for machine in ("filler", "capper")
]
ZIGBEE = [
    (
        f"zigbee2mqtt/{device}",
        b'{"battery": 97, "temperature": 21.3, "state": "ON", "occupied": false, "update": {"version": 12}}',
    )
    for device in ("motor room", "compressor")
] + [("zigbee2mqtt/bridge/info", b'{"version": "1", "config": {"port": 1}}'), ("zigbee2mqtt/x/set", b'{"state": 1}')]


def proposed(*said: tuple[str, bytes]):
    return propose([Message(topic, payload, NOW) for topic, payload in said])


def sources(*said: tuple[str, bytes]) -> list[dict[str, object]]:
    keys = ("topic", "payload", "machine", "samples", "time")
    found = [{key: getattr(one.source, key) for key in keys} for one in proposed(*said).proposals]
    return [{key: value for key, value in one.items() if value is not None} for one in found]


def test_three_styles_at_once_are_told_apart_and_understood():
    assert sources(*NUMBERS, *TELEMETRY, *ZIGBEE) == [
        {"topic": "line/{machine}/telemetry", "payload": "json", "time": "ts"},
        {"topic": "zigbee2mqtt/{machine}", "payload": "json"},
        {"topic": "plant/{site}/{machine}/{sensor}", "payload": "number"},
    ]
    found = proposed(*NUMBERS, *TELEMETRY, *ZIGBEE)
    assert [(one.machines, one.sensors) for one in found.proposals] == [(2, 4), (2, 6), (3, 6)]
    assert set(found.left_out) == {"zigbee2mqtt/bridge/info", "zigbee2mqtt/x/set"}


def both(template: str, payload: bytes, *names: str) -> list[tuple[str, bytes]]:
    return [(template.format(name), payload) for name in names or ("a1", "b2")]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ([("plant/press/temp", b"1")], {"topic": "plant/{machine}/{sensor}", "payload": "number"}),
        (both("{}/temp", b"1"), {"topic": "{machine}/{sensor}", "payload": "number"}),
        (both("hall/{}/data/temp", b"1"), {"topic": "hall/{machine}/data/{sensor}", "payload": "number"}),
        (both("factory/{}", b'{"t": 1}'), {"topic": "factory/{machine}", "payload": "json"}),
        ([("factory/press/data", b'{"x": 1}')], {"topic": "factory/{machine}/data", "payload": "json"}),
        ([("factory/press", b'{"x": 1}')], {"topic": "factory/{machine}", "payload": "json"}),
        (
            [("gateway", b'{"device": "a", "x": 1}'), ("gateway", b'{"device": "b", "x": 1}')],
            {"topic": "gateway", "payload": "json", "machine": "device"},
        ),
        (
            both("site/{}", b'{"data": [{"timestamp": "2023-11-14T22:13:20Z", "x": 1}]}'),
            {"topic": "site/{machine}", "payload": "json", "samples": "data", "time": "timestamp"},
        ),
        (
            both("site/{}", b'{"header": {"stamp": 1700000000000}, "x": 1}'),
            {"topic": "site/{machine}", "payload": "json", "time": "header.stamp"},
        ),
        (
            [(f"s/{m}/{s}", b'{"value": 1.5, "time": 1700000000}') for m in "ab" for s in "xy"],
            {"topic": "s/{machine}/{sensor}", "payload": "json", "time": "time"},
        ),
        (
            [(f"s/{site}/{m}", b'{"x": 1}') for site in ("n", "s") for m in ("m1", "m2")],
            {"topic": "s/{site}/{machine}", "payload": "json"},
        ),
    ],
)  # fmt: skip
def test_what_topics_look_like_decides_what_is_proposed(said, wanted):
    assert sources(*said) == [wanted]


def test_kinds_of_message_below_a_machine_are_sources_of_their_own():
    tasmota = [
        said
        for device in ("plug-1", "plug-2")
        for said in (
            (f"tele/{device}/SENSOR", b'{"Time": "2023-11-14T22:13:20", "ENERGY": {"Power": 3}}'),
            (f"tele/{device}/STATE", b'{"Time": "2023-11-14T22:13:20", "Uptime": 3, "POWER": "ON"}'),
            (f"tele/{device}/LWT", b"Online"),
        )
    ]
    assert sources(*tasmota) == [
        {"topic": "tele/{machine}/SENSOR", "payload": "json", "time": "Time"},
        {"topic": "tele/{machine}/STATE", "payload": "json", "time": "Time"},
    ]


def test_what_cannot_be_used_is_left_out_and_says_why():
    found = proposed(
        ("a/b/c", b"on"), ("lonely", b"1"), ("x/y", b'{"text": "only"}'), ("homeassistant/s/config", b"1")
    )
    assert found.proposals == ()
    assert found.left_out["a/b/c"] == "neither a number nor JSON"
    assert found.left_out["x/y"] == "no reading in it: 1 x text"


KEPWARE = b"""{"timestamp": 1700000000000, "values": [
    {"id": "A.Temp", "v": 1.5, "q": true}, {"id": "A.Flow", "v": 2, "q": true}]}"""
METRICS = b'{"metrics": [{"name": "temp", "value": 1.5}, {"name": "flow", "value": 2.5}]}'
GATEWAY = b'{"Device A": [{"ts": 1700000000000, "values": {"temp": 1}}], "Device B": [{"values": {"temp": 2}}]}'
SHAPES = [
    ("kepware/press-1", KEPWARE, {"samples": "values", "sensor": "id", "value": "v", "quality": "q"}, 2),
    ("spb/plant1/press-1", METRICS, {"samples": "metrics", "sensor": "name", "value": "value"}, 2),
    ("v1/gateway/telemetry", GATEWAY, {"samples": "{machine}.values", "time": "ts"}, 2),
    ("shop/press-7/series", b"[[1700000000000, 41.2], [1700000001000, 41.4]]", {"row": ("time", "value")}, 1),
    ("meter/main/json", b'{"value": "317.3988", "rate": "0.00033"}', {"number_text": True}, 2),
    ("hall/press-1/temp", b"23,5", {"payload": "number", "number_text": True}, 1),
    ("/factory/press-1/temp", b"23.5", {"topic": "/factory/{machine}/{sensor}", "number_text": False}, 1),
]


@pytest.mark.parametrize(("topic", "payload", "said", "sensors"), SHAPES, ids=[topic for topic, *_ in SHAPES])
def test_samples_that_name_themselves_text_and_arrays_are_noticed_and_what_is_written_loads(
    topic, payload, said, sensors, tmp_path
):
    found = proposed((topic, payload))
    (one,) = found.proposals
    assert {key: getattr(one.source, key) for key in said} == said
    assert one.sensors == sensors
    (tmp_path / "plant.yaml").write_text(as_yaml(found, "mqtt://127.0.0.1:1883"))
    assert load(tmp_path / "plant.yaml", {}).mqtt.sources == (one.source,)


def test_a_source_that_reads_everything_is_left_as_it_is():
    (one,) = proposed(("line/filler/telemetry", b'{"id": "7", "value": 3, "v": 1.5}')).proposals
    assert (one.source.sensor, one.source.value, one.source.number_text) == (None, None, False)


def test_what_any_spikewatch_says_itself_is_never_proposed():
    """Its own, that of another one whose status was heard, and what one that is away has left with the broker."""
    since = datetime(2026, 1, 1, tzinfo=UTC)
    said: list[tuple[str, bytes]] = []
    for client_id in ("spikewatch", "hall/watch", "gone"):
        machine = (("machine", "press-1"), ("site", "north"))
        ageing = {"shift": 0.5, "moved": 1.0, "per_day": 0.1}
        points = [
            Point("machine", machine, {"state": "ready", "score": 0.5, "severity": 0}, NOW),
            Point("incident", (("id", "7"), *machine), {"phase": "open", "severity": 1, "peak": 0.999}, NOW),
            Point("ageing", (*machine, ("sensor", "temp")), ageing, NOW),
        ]
        announcer = Announcer(client_id)
        announced = announcer.of(points, lambda machine: None, NOW)
        announced.append(announcer.answer(Machine("press-1", (("site", "north"),)), "repaired", ""))
        assert len(announced) == 4
        said += [(one.topic, one.payload) for one in announced]
        selection = Selection(client_id, ["scores"], 0)
        scores = [
            announcement_of(point) for _, one in selection.choose(points, lambda machine: None) for point in one
        ]
        assert [one.topic for one in scores] == [f"{client_id}/north/press-1/score"]
        said += [(one.topic, one.payload) for one in scores]
        status = status_of(Config(mqtt=Mqtt(client_id=client_id)), since)
        if client_id == "gone":
            said.append((status.topic, status.offline))
        else:
            said += [(status.topic, status.online), (f"{client_id}/doctor", b"12")]
    found = proposed(*said, *TELEMETRY)
    assert [one.source.topic for one in found.proposals] == ["line/{machine}/telemetry"]
    assert set(found.left_out) == {topic for topic, _ in said}


def test_readings_beside_a_device_that_says_offline_are_proposed():
    offline = ("line/status", b'{"state": "offline"}')
    assert [one["topic"] for one in sources(offline, *TELEMETRY)] == ["line/{machine}/telemetry"]


def test_a_device_that_says_status_or_state_in_other_words_is_proposed():
    states = [(f"tele/{name}/state", b'{"state": "ON", "power": 3}') for name in ("a", "b")]
    status = [(f"pumps/{name}/status", b'{"state": "online", "pressure": 3}') for name in ("a", "b")]
    assert [one["topic"] for one in sources(*states, *status)] == ["pumps/{machine}/status", "tele/{machine}/state"]


def test_a_guess_from_one_machine_asks_to_be_checked():
    text = as_yaml(proposed(("plant/press/temp", b"1")), "mqtt://127.0.0.1")
    assert "please check: messages of only one machine were received" in text


def test_the_file_is_a_configuration_whatever_names_are_in_it():
    found = proposed(*both('hall "7": - \'/{}/ü/temp', b"1"), *both("true/{}", b'{"time: x": 1}'))
    assert len(found.proposals) == 2
    tree = parsed(as_yaml(found, "mqtt://127.0.0.1", "true", Secret(env="PW")), "plant.yaml", {"PW": "secret"})
    assert tree.mqtt.username == "true"
    assert [source.topic for source in tree.mqtt.sources] == [one.source.topic for one in found.proposals]


@pytest.fixture
def traffic(mosquitto: Mosquitto):
    """Somebody publishes all three styles, again and again."""
    stop = threading.Event()

    def publish() -> None:
        with Publisher(Broker.of(mosquitto.url, client_id="plant", protocol=4)) as publisher:
            while not stop.wait(0.05):
                for topic, payload in NUMBERS + TELEMETRY + ZIGBEE:
                    publisher.publish(topic, payload)

    thread = threading.Thread(target=publish)
    thread.start()
    yield mosquitto
    stop.set()
    thread.join()


@pytest.mark.servers
def test_live_traffic_becomes_a_file_that_check_accepts_and_tap_understands(traffic: Mosquitto, tmp_path: Path):
    path = tmp_path / "plant.yaml"
    run = CliRunner()
    done = run.invoke(app, ["init", "--url", traffic.url, "--seconds", "1", "--out", str(path)])
    assert done.exit_code == 0, done.output
    assert f"spikewatch run --config {path}" in done.stdout
    assert run.invoke(app, ["check", "--config", str(path)]).exit_code == 0
    tapped = run.invoke(app, ["tap", "--config", str(path), "--seconds", "1", "--json"])
    assert tapped.exit_code == 0, tapped.output
    told = {one["topic"]: one for one in map(json.loads, tapped.stdout.splitlines())}
    understood = {topic: {r["machine"] for r in one["readings"]} for topic, one in told.items() if one["readings"]}
    assert understood == {
        **{topic: {topic.split("/")[2]} for topic, _ in NUMBERS},
        **{topic: {topic.split("/")[1]} for topic, _ in TELEMETRY},
        "zigbee2mqtt/motor room": {"motor room"},
        "zigbee2mqtt/compressor": {"compressor"},
    }
    config = load(path, {})
    decoder = Decoder(config.mqtt.sources, config.times, 10_000)
    [reading] = decoder.decode(Message(*NUMBERS[0], NOW)).readings
    assert reading.machine.tags == (("site", "north"),)

    before = path.read_bytes()
    again = run.invoke(app, ["init", "--url", traffic.url, "--seconds", "1", "--out", str(path)])
    assert again.exit_code == 2
    assert "--force overwrites it" in again.output
    assert path.read_bytes() == before


@pytest.mark.servers
def test_it_asks_for_the_broker_where_none_is_given(traffic: Mosquitto, tmp_path: Path):
    path = tmp_path / "plant.yaml"
    done = CliRunner().invoke(app, ["init", "--seconds", "1", "--out", str(path)], input=f"{traffic.url}\n\n")
    assert done.exit_code == 0, done.output
    assert load(path, {}).mqtt.url == traffic.url


@pytest.mark.servers
def test_silence_writes_nothing(mosquitto: Mosquitto, tmp_path: Path):
    path = tmp_path / "plant.yaml"
    done = CliRunner().invoke(app, ["init", "--url", mosquitto.url, "--seconds", "0.5", "--out", str(path)])
    assert done.exit_code == 1
    assert "no message" in done.output
    assert not path.exists()
    done = CliRunner().invoke(app, ["init", "--url", "http://nowhere", "--out", str(path)])
    assert done.exit_code == 2
    assert "--url: is not a URL of the kind" in done.output
