"""What is said to a machine while the service runs: over MQTT and from other threads, kept whatever happens next."""

import json
import queue
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import SECOND, START, machine_with_modes
from servers import Mosquitto, until

from pipeline.config.settings import Config, Mqtt, Source
from pipeline.engine.commands import Command, CommandError
from pipeline.mqtt import Broker, Publisher, Receiver
from pipeline.mqtt.announcements import command_filters, topic_of
from pipeline.records import Announcement, Machine, Message, Point
from pipeline.service.service import Service, portions
from pipeline.service.service import Source as Source_
from pipeline.sinks.embedded import Embedded
from pipeline.topics import parse

PRESS = Machine("press 1/a", (("site", "north"),))
CORPUS = Path(__file__).parent / "corpus"


def serving(config: Config, source: Source_, stop: threading.Event) -> tuple[threading.Thread, Service]:
    """A service that was made and is run by a thread of its own."""
    made: queue.SimpleQueue[Service] = queue.SimpleQueue()

    def life() -> None:
        service = Service(config, Embedded(Path(config.data) / "store.sqlite"))
        made.put(service)
        service.run(source, stop)

    thread = threading.Thread(target=life)
    thread.start()
    return thread, made.get(timeout=30)


class Hearing:
    """A real broker's client that remembers the last of every topic."""

    def __init__(self, broker: Mosquitto, name: str = "hearing") -> None:
        self._receiver = Receiver(Broker.of(broker.url, client_id=name), [("spikewatch/#", 1)])
        self.heard: dict[str, list[bytes]] = {}

    def __enter__(self) -> "Hearing":
        self._receiver.start()
        assert self._receiver.wait_subscribed(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.stop()

    def has(self, topic: str) -> bool:
        messages = self._receiver.take(1000, 0.05)
        for message in messages:
            self.heard.setdefault(message.topic, []).append(message.payload)
        self._receiver.ack(messages)
        return topic in self.heard


class Live:
    """A service in a thread, at a real broker, that can be killed: what is not committed is gone."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.config = Config(
            data=str(folder / "data"),
            mqtt=Mqtt(url=broker.url, sources=(Source("plant/{site}/{machine}", payload="json", time="time"),)),
        )
        self.broker = broker
        self.start()

    def start(self) -> None:
        self.stop = threading.Event()
        topics = [("plant/+/+", 1), ("spikewatch/+/+/command", 1)]
        self.receiver = Receiver(Broker.of(self.broker.url, client_id="spikewatch"), topics)
        self.receiver.start()
        assert self.receiver.wait_subscribed(10)
        self.thread, self.service = serving(self.config, self.receiver, self.stop)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        self.receiver.stop()

    def end_without_snapshots(self) -> None:
        """As after a kill: the journal is all there is."""
        self.end()
        for path in Path(self.config.data).glob("networks-*"):
            path.unlink()


@pytest.fixture
def live(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Live]:
    running = Live(tmp_path, mosquitto)
    yield running
    running.end()


def send(broker: Mosquitto, *messages: tuple[str, bytes]) -> None:
    with Publisher(Broker.of(broker.url, client_id="plant", protocol=4)) as publisher:
        for topic, payload in messages:
            publisher.publish(topic, payload)
        publisher.drain()


def rows(begin: int, end: int) -> list[tuple[str, bytes]]:
    """Of a machine whose second sensor is off from row 300 on."""
    table = machine_with_modes(1200, 3, 3)
    table[300:, 1] += 30.0
    return [
        (
            "plant/north/press 1",
            json.dumps(
                {"time": (START + t * SECOND) / 1e9, "a": table[t, 0], "b": table[t, 1], "c": table[t, 2]}
            ).encode(),
        )
        for t in range(begin, end)
    ]


@pytest.mark.servers
def test_a_command_over_mqtt_is_answered_and_survives_a_kill_with_its_effect_and_its_audit(live, mosquitto):
    with Hearing(mosquitto) as ears:
        send(mosquitto, *rows(0, 500))
        until(lambda: live.service.readings == 1500, "all is scored")
        state = "spikewatch/north/press 1/state"

        until(lambda: ears.has(state) and json.loads(ears.heard[state][-1])["incident"], "the incident is told")
        assert json.loads(ears.heard[state][-1])["incident"]["sensors"]
        until(lambda: ears.has("spikewatch/north/press 1/incident"), "its opening is told")
        send(
            mosquitto,
            ("spikewatch/north/press 1/command", b'{"command": "ack", "by": "anna"}'),
            ("spikewatch/north/press 1/command", b"freeze"),
            ("spikewatch/north/press 1/command", b"nonsense"),
        )
        answers = "spikewatch/north/press 1/answer"
        until(lambda: ears.has(answers) and len(ears.heard[answers]) == 3, "all are answered")
        assert [json.loads(answer)["ok"] for answer in ears.heard[answers]] == [True, True, False]
        assert "no command 'nonsense'" in json.loads(ears.heard[answers][-1])["reason"]
    summary = live.service.ask(lambda engine: engine.summaries()[0])
    assert summary.frozen
    assert summary.incident.acknowledged
    before = live.service.ask(lambda engine: engine.fleet.snapshot())
    live.end_without_snapshots()
    store = Embedded(Path(live.config.data) / "store.sqlite")
    audited = [(point.fields["verb"], point.fields["by"], point.fields["via"]) for point in store.query("command")]
    assert audited == [("ack", "anna", "mqtt"), ("freeze", "", "mqtt")]
    store.close()
    live.start()
    after = live.service.ask(lambda engine: engine.fleet.snapshot())
    assert before.keys() == after.keys()
    assert [name for name in before if before[name].tobytes() != after[name].tobytes()] == []
    assert live.service.ask(lambda engine: engine.fleet.frozen(0))


@pytest.mark.servers
def test_what_is_retained_is_said_again_to_a_broker_that_has_forgotten_it(live, mosquitto):
    send(mosquitto, *rows(0, 50))
    until(lambda: live.service.readings == 150, "all is scored")
    mosquitto.kill()
    for path in mosquitto.folder.glob("*.db"):
        path.unlink()
    mosquitto.start()
    with Hearing(mosquitto, "another") as ears:
        until(lambda: ears.has("spikewatch/north/press 1/state"), "the state is told again")


@pytest.mark.servers
def test_another_thread_asks_and_tells_and_hears_why_not(live, mosquitto):
    send(mosquitto, *rows(0, 60))
    until(lambda: live.service.readings == 180, "all is scored")
    machine = Machine("press 1", (("site", "north"),))
    [audit] = live.service.tell(Command("freeze", machine, by="anna", via="http", time_ns=7))
    assert (audit.measurement, audit.fields["by"], audit.time_ns) == ("command", "anna", 7)
    with pytest.raises(CommandError, match="no open incident"):
        live.service.tell(Command("ack", machine))
    with pytest.raises(ZeroDivisionError):
        live.service.ask(lambda engine: 1 // 0)
    live.end()
    with pytest.raises(TimeoutError, match="has stopped"):
        live.service.ask(lambda engine: engine.summaries())


def test_a_message_that_is_alone_parts_the_batch_and_the_order_stays():
    messages = [Message(topic, b"x", 0) for topic in ("a", "b", "c/command", "d", "e/command", "f/command", "g")]
    parts = [[message.topic for message in part] for part in portions(messages, lambda t: t.endswith("/command"))]
    assert parts == [["a", "b"], ["c/command"], ["d"], ["e/command"], ["f/command"], ["g"]]


def test_names_become_topics_that_the_command_filters_hear():
    templates = [parse(topic) for topic in ("a/{machine}/{sensor}", "b/{site}/{machine}/{sensor}", "c/{machine}")]
    assert command_filters("edge", templates) == ["edge/+/command", "edge/+/+/command"]
    assert topic_of("edge", PRESS, "state") == "edge/north/press 1%2Fa/state"


def test_a_journal_of_version_1_is_read_and_takes_commands_from_then_on(tmp_path):
    shutil.copytree(CORPUS / "version-1", tmp_path / "data")

    class Nothing:
        def take(self, most: int, timeout_s: float) -> list[Message]:
            return []

        def ack(self, messages: object) -> None: ...

        def publish(self, announcement: Announcement) -> None: ...

        def counters(self) -> dict[str, int]:
            return {}

    for frozen in (True, False):
        stop = threading.Event()
        thread, service = serving(Config(data=str(tmp_path / "data")), Nothing(), stop)
        now = service.ask(lambda engine: engine.look())
        assert now["time_ns"].tolist() == [START + 399 * SECOND] * 2
        assert now["newest"].tolist() == pytest.approx([0.954, 0.833], abs=0.05)  # as that version said, nearly
        assert service.ask(lambda engine: engine.fleet.frozen(0)) is not frozen
        told: list[Point] = service.tell(Command("freeze" if frozen else "resume", Machine("press-1")))
        assert told[-1].measurement == "command"
        stop.set()
        thread.join(20)
    assert not list((tmp_path / "data").glob("*corrupt*"))
