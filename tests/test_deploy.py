"""What is in `deploy` for those who put the service to work, as far as it can be tried here."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from servers import Mosquitto, passwords, program, until

from pipeline.config.file import load
from pipeline.mqtt import Broker, Publisher, PublishError, Receiver

DEPLOY = Path(__file__).parent.parent / "deploy"
USERS = ("spikewatch", "board", "hall-1", "hall-2")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker with the access list of `deploy` and a password for everybody."""
    listener = passwords(tmp_path, {user: f"{user}'s" for user in USERS})
    acl = tmp_path / "acl"
    acl.write_text((DEPLOY / "mosquitto" / "mosquitto.acl").read_text())
    with Mosquitto(tmp_path / "mosquitto", listener=f"{listener}\nacl_file {acl}") as broker:
        yield broker


def as_user(user: str, broker: Mosquitto, what: str) -> Broker:
    return Broker.of(broker.url, client_id=f"{user}-{what}", username=user, password=f"{user}'s", protocol=4)


def publish(user: str, broker: Mosquitto, *topics: str) -> None:
    with Publisher(as_user(user, broker, "publisher")) as publisher:
        for topic in topics:
            # Mosquitto hangs up on who publishes what is forbidden; the publisher comes back by itself.
            until(lambda topic=topic: handed_over(publisher, topic, user.encode()), f"{topic} is handed over")
        publisher.drain()


def handed_over(publisher: Publisher, topic: str, payload: bytes) -> bool:
    try:
        publisher.publish(topic, payload)
    except PublishError:
        return False
    return True


@pytest.mark.servers
def test_with_the_access_list_each_publishes_below_its_own_name_and_reads_nothing(guarded: Mosquitto):
    everything = [(filter_, 1) for filter_ in ("#", "plant/#", "spikewatch/#")]
    readers = {user: Receiver(as_user(user, guarded, "reader"), everything) for user in USERS}
    heard: dict[str, set[tuple[str, str]]] = {user: set() for user in USERS}

    def hears(user: str, topic: str, publisher: str) -> bool:
        heard[user] |= {(each.topic, each.payload.decode()) for each in readers[user].take(100, 0.05)}
        return (topic, publisher) in heard[user]

    for reader in readers.values():
        reader.start()
    try:
        until(lambda: all(reader.connected for reader in readers.values()), "all are connected")
        for user in ("hall-1", "hall-2"):
            others = [f"plant/{each}/press/temp" for each in ("hall-1", "hall-2", "board")]
            publish(user, guarded, *others, "plant/temp", "spikewatch/status", "elsewhere", f"plant/{user}/last")
        publish("board", guarded, "spikewatch/status", "plant/hall-1/press/temp")
        publish("spikewatch", guarded, "plant/hall-1/press/temp", "spikewatch/press/state", "spikewatch/status")
        until(
            lambda: hears("spikewatch", "plant/hall-2/last", "hall-2"), "the service hears the last of the readings"
        )
        until(lambda: hears("board", "spikewatch/status", "spikewatch"), "the board hears the service")
        for user in ("hall-1", "hall-2"):
            assert readers[user].take(100, 0.2) == []
    finally:
        for reader in readers.values():
            reader.stop()
    halls = ("hall-1", "hall-2")
    assert heard["spikewatch"] == {
        (f"plant/{hall}/{rest}", hall) for hall in halls for rest in ("press/temp", "last")
    }
    assert heard["board"] == {(f"spikewatch/{rest}", "spikewatch") for rest in ("press/state", "status")}


@pytest.mark.servers
def test_without_a_password_nobody_comes_in(guarded: Mosquitto):
    receiver = Receiver(Broker.of(guarded.url, client_id="nobody", protocol=4), [("#", 1)])
    receiver.start()
    until(lambda: any("Not authorized" in complaint for complaint in receiver._complaints), "refused")
    assert not receiver.connected
    receiver.stop()


def test_the_container_runs_as_nobody_special_and_can_write_only_where_it_must():
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["spikewatch"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    written = [entry.split(":")[1] for entry in service["volumes"] if not entry.endswith(":ro")]
    assert written == ["/var/lib/spikewatch"]
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108
    assert "privileged" not in service
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert lines.index("USER spikewatch") > lines.index("ENV PATH=/opt/spikewatch/bin:$PATH \\")
    assert not [line for line in lines[lines.index("USER spikewatch") + 1 :] if line.startswith(("USER", "RUN"))]


def test_the_image_has_no_compiler():
    build, image = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")[1:]
    assert " gcc " in build
    assert "apt-get" not in image
    assert "pip" not in image


ONE_SCORE = """
import ctypes

ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE, which a kernel before Linux 6.3 does not know

import pipeline.service.serving
from pipeline.engine.engine import Engine
from pipeline.records import Machine, Reading

engine = Engine()
engine.step(engine.arrange([[Reading(Machine("press"), "heat", 1_700_000_000_000_000_000, 1.0)]]))
assert len(engine.finish()) == 1
"""


def test_no_memory_is_both_written_and_run_since_the_unit_forbids_it():
    assert "MemoryDenyWriteExecute=yes" in (DEPLOY / "systemd" / "spikewatch.service").read_text()
    ended = subprocess.run([sys.executable, "-c", ONE_SCORE], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def composed() -> dict:
    """The compose file as docker-compose, which needs no engine for that, understands it."""
    names = ("INFLUX_TOKEN", "GRAFANA_PASSWORD", "CONSOLE_TOKEN")
    done = subprocess.run(
        [program("docker-compose"), "-f", str(DEPLOY / "compose.yaml"), "config"],
        env={**os.environ, **dict.fromkeys(names, "secret")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


def test_docker_compose_accepts_the_compose_file_and_every_file_it_mounts_is_there():
    services = composed()["services"]
    assert set(services) == {"mosquitto", "influxdb", "grafana", "spikewatch"}
    mounted = [entry.split(":")[0] for one in services.values() for entry in one["volumes"] if entry.startswith("/")]
    assert len(mounted) == 5
    assert all(Path(path).exists() for path in mounted), mounted
    for name, one in services.items():
        assert one["ports"], name
        assert all(str(port).startswith("127.0.0.1:") for port in one["ports"]), name


def test_docker_compose_asks_for_every_secret():
    done = subprocess.run(
        [program("docker-compose"), "-f", str(DEPLOY / "compose.yaml"), "config"],
        env={"PATH": os.environ["PATH"]},
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "set " in done.stderr


def test_the_configuration_of_the_containers_is_one():
    config = load(DEPLOY / "spikewatch.compose.yaml", dict.fromkeys(("INFLUX_TOKEN", "CONSOLE_TOKEN"), "secret" * 4))
    services = composed()["services"]
    assert config.influxdb is not None
    assert config.mqtt.url == "mqtt://mosquitto:1883"
    assert config.influxdb.bucket == services["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert config.influxdb.org == services["influxdb"]["environment"]["DOCKER_INFLUXDB_INIT_ORG"]
    assert config.console.port == 8380


@pytest.mark.servers
@pytest.mark.parametrize("name", ["mosquitto.conf", "compose.conf"])
def test_mosquitto_starts_with_our_settings(tmp_path: Path, name: str):
    folder = tmp_path / "mosquitto"
    with Mosquitto(folder) as broker:
        text = (DEPLOY / "mosquitto" / name).read_text()
        text = re.sub(r"listener 1883.*", f"listener {broker.port} 127.0.0.1", text)
        text = re.sub(r"persistence_location .*", f"persistence_location {folder}/", text)
        (folder / "mosquitto.conf").write_text(text + "user root\n")
        broker.stop()
        broker.start()
        publish("hall-1", broker, "plant/press/temp")
