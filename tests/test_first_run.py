"""The steps of a first configuration: what they try, what they keep, and the text that they make."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from servers import InfluxDB, Mosquitto, free_port, program, until

from pipeline.commissioning.proposing import propose
from pipeline.commissioning.setup import Wizard
from pipeline.commissioning.setup.draft import BrokerDraft, DatabaseDraft, Draft, SensorDraft, SourceDraft, text_of
from pipeline.commissioning.setup.listening import Listening
from pipeline.config.file import parsed
from pipeline.config.settings import ConfigError, Secret, Sensor
from pipeline.mqtt import Broker, Publisher
from pipeline.records import Message

PASSWORD = "hunter2-and-more"  # noqa: S105


def said(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def heard_sources():
    """Sources that were proposed from some traffic, and all of them chosen as they are."""
    heard = [Message(f"hall/press-{at % 2}/temp", b"41.5", at * 1_000_000_000) for at in range(20)]
    proposals = propose(heard).proposals
    return proposals, tuple(SourceDraft(one.source.topic, one.source.topic) for one in proposals)


@pytest.fixture
def wizard(tmp_path):
    made = Wizard(tmp_path / "data", {}, "UTC")
    yield made
    made.close()


@pytest.fixture
def closed_broker(tmp_path):
    """A broker that lets in anna with her password, and nobody else."""
    passwords = tmp_path / "passwords"
    subprocess.run([program("mosquitto_passwd"), "-b", "-c", str(passwords), "anna", PASSWORD], check=True)
    passwords.chmod(0o644)
    broker = Mosquitto(tmp_path / "closed", listener=f"allow_anonymous false\npassword_file {passwords}")
    broker.start()
    yield broker
    broker.stop()


@pytest.mark.servers
def test_a_broker_that_is_not_there_is_a_plain_error(wizard):
    url = f"mqtt://127.0.0.1:{free_port()}"
    with pytest.raises(OSError, match="refused"):
        wizard.broker(said(url=url))
    for wrong in ("http://127.0.0.1", "mqtt://anna:secret@host", "", None):
        with pytest.raises(ConfigError, match=r"mqtt.url: ") as error:
            wizard.broker(said(url=wrong))
        assert "secret@" not in str(error.value)


def test_a_password_is_not_sent_unencrypted_to_another_host_unless_that_is_allowed(wizard):
    with pytest.raises(ConfigError, match="insecure_password"):
        wizard.broker(said(url="mqtt://broker.example", username="anna", typed=PASSWORD))


@pytest.mark.servers
def test_a_typed_password_that_works_is_kept_in_a_file_of_ours_and_never_in_the_configuration(
    wizard, closed_broker, tmp_path
):
    file = tmp_path / "data" / "mqtt-password"
    with pytest.raises(OSError, match="refused by the broker: Not authorized"):
        wizard.broker(said(url=closed_broker.url, username="anna", typed="wrong"))
    assert not file.exists()
    found = wizard.broker(said(url=closed_broker.url, username="anna", typed=PASSWORD))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"{PASSWORD}\n"
    assert found["password"] == Secret(file=str(file))
    broker = {"url": closed_broker.url, "username": "anna", "password": {"file": str(file)}}
    assert wizard.broker(said(**broker))["password"] == Secret(file=str(file))
    proposals, sources = heard_sources()
    draft = Draft(BrokerDraft(closed_broker.url, "anna", Secret(file=str(file)), PASSWORD), sources)
    text = text_of(draft, proposals)
    assert PASSWORD not in text
    assert parsed(text, "plant.yaml", {}).mqtt.password == Secret(file=str(file))


@pytest.mark.servers
def test_a_mere_test_overwrites_no_password_that_a_configuration_may_name(wizard, closed_broker, tmp_path):
    before = tmp_path / "data" / "mqtt-password"
    before.parent.mkdir()
    before.write_text("of another plant\n")
    before.chmod(0o600)
    (tmp_path / "data" / "mqtt-password-2").symlink_to(tmp_path / "elsewhere")
    asked = said(url=closed_broker.url, username="anna", typed=PASSWORD)
    kept = Secret(file=str(tmp_path / "data" / "mqtt-password-3"))
    assert [wizard.broker(asked)["password"] for _ in range(2)] == [kept, kept]
    assert before.read_text() == "of another plant\n"
    assert not (tmp_path / "elsewhere").exists()
    for number in range(4, 21):
        (tmp_path / "data" / f"mqtt-password-{number}").touch()
    (tmp_path / "data" / "mqtt-password-3").write_text("changed by hand\n")
    with pytest.raises(OSError, match="20 files mqtt-password"):
        wizard.broker(asked)


@pytest.mark.servers
def test_what_is_heard_is_shown_as_sources_and_as_readings_of_machines(wizard, mosquitto):
    with pytest.raises(ConfigError, match="nothing is listened to"):
        wizard.heard()
    wizard.listen(said(broker={"url": mosquitto.url}, seconds=20))
    with Publisher(Broker.of(mosquitto.url, client_id="sender")) as publisher:

        def heard():
            for machine in ("press-1", "press-2"):
                publisher.publish(f"hall/{machine}", b'{"vibration": 2.5, "temperature": 41}')
            publisher.publish("hall/lamp/text", b"hello there")
            publisher.drain()
            return len(wizard.heard()["machines"]) == 2

        until(heard, "both machines are understood", 15)
    found = wizard.heard()
    assert [one["topic"] for one in found["sources"]] == ["hall/{machine}"]
    assert [one["name"] for one in found["machines"]] == ["press-1", "press-2"]
    assert found["machines"][0]["values"] == {"vibration": 2.5, "temperature": 41.0}
    assert found["sensors"] == ["temperature", "vibration"]
    assert [topic for topic, _ in found["left_out"]] == ["hall/lamp/text"]
    sources = [{"proposed": "hall/{machine}", "topic": "{site}/{machine}"}]
    text = wizard.draft(said(broker={"url": mosquitto.url}, sources=sources))["text"]
    assert [one.topic for one in parsed(text, "plant.yaml", {}).mqtt.sources] == ["{site}/{machine}"]


@pytest.mark.servers
def test_listening_ends_with_the_reason_where_the_broker_goes_away_or_was_never_there():
    listening = Listening(Broker.of(f"mqtt://127.0.0.1:{free_port()}"), "#", 5.0, "UTC")
    until(lambda: not listening.told()["listening"], "it is over")
    assert "refused" in listening.told()["error"]


@pytest.mark.servers
def test_a_database_is_tried_with_a_point(wizard, influxdb: InfluxDB):
    found = wizard.database(said(url=influxdb.url, database="machines"))
    assert found["found"].startswith("accepts a point")
    assert influxdb.query("SELECT doctor FROM service", "machines")
    with pytest.raises(ConfigError, match="refused"):
        wizard.database(said(url=f"http://127.0.0.1:{free_port()}", database="machines"))
    with pytest.raises(ConfigError, match=r"influxdb.url"):
        wizard.database(said(url="mqtt://127.0.0.1", database="machines"))


def test_the_text_of_everything_that_was_said_is_a_configuration_without_mistakes(tmp_path):
    secret = tmp_path / "token"
    secret.write_text("a token")
    proposals, sources = heard_sources()
    draft = Draft(
        BrokerDraft("mqtt://127.0.0.1", 'an"na: #', Secret(env="PW"), PASSWORD),
        sources,
        {"temp": SensorDraft("°C", 90.0), "odd: #": SensorDraft(ignore=True), "plain": SensorDraft()},
        DatabaseDraft("http://127.0.0.1:8086", "machines", "plant", secret=Secret(file=str(secret)), typed=PASSWORD),
    )
    text = text_of(draft, proposals, 8381)
    tree = parsed(text, "plant.yaml", {"PW": PASSWORD})
    assert PASSWORD not in text
    assert (tree.mqtt.username, tree.mqtt.password) == ('an"na: #', Secret(env="PW"))
    assert tree.machines[0].sensors == {"temp": Sensor(unit="°C", limit=90.0), "odd: #": Sensor(ignore=True)}
    assert (tree.influxdb.bucket, tree.influxdb.org, tree.influxdb.token) == (
        *("machines", "plant", Secret(file=str(secret))),
    )
    assert tree.console.port == 8381


def test_a_source_that_is_not_proposed_any_more_is_an_error_and_not_left_out():
    proposals, sources = heard_sources()
    broker = BrokerDraft("mqtt://127.0.0.1")
    with pytest.raises(ConfigError, match=r"yard/\{machine\}: not among the sources heard last"):
        text_of(Draft(broker, (*sources, SourceDraft("yard/{machine}", "yard/{machine}"))), proposals)
    with pytest.raises(ConfigError, match="no source is chosen"):
        text_of(Draft(broker), proposals)


def test_without_a_broker_the_embedded_one_is_configured():
    tree = parsed(text_of(Draft(), ()), "plant.yaml", {})
    assert (tree.mqtt.url, tree.influxdb, len(tree.mqtt.sources)) == (None, None, 2)


def test_a_file_in_the_working_directory_is_the_configuration_of_every_command(tmp_path):
    (tmp_path / "spikewatch.yaml").write_text("limits: {machins: 3}\n")
    for words in (["check"], ["machines"]):
        command = [sys.executable, "-m", "pipeline", *words]
        environment = {"PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "spikewatch.yaml:1: limits.machins: unknown key" in done.stderr
