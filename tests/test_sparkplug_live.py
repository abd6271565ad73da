"""A Sparkplug edge node of somebody else's making, over a real broker: births, data, deaths, and restarts of ours.

Every value that the edge node publishes is another: what is read can be told from everything else that was sent.
"""

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import Mosquitto, program, until
from test_service import Running

from pipeline.records import Machine, Readings
from pipeline.storage.journal import Journal

pytestmark = pytest.mark.servers

EDGE = Path(__file__).parent / "edge_node"
PRESS = Machine("press-1", (("group", "plant"), ("node", "edge")))
Row = tuple[str, int, float]  # sensor, time_ns, value


class Edge:
    """The edge node, as a process; `said` is every value that it published."""

    def __init__(self, port: int, temp: int, rpm: int, first: int) -> None:
        assert (EDGE / "node_modules").is_dir(), "sparkplug-client is not installed: run tests/install_servers.sh"
        command = [program("node"), "edge.js", *map(str, (port, temp, rpm, first))]
        self.process = subprocess.Popen(
            command, cwd=EDGE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.said: set[Row] = set()
        self.births = self.sent = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        until(lambda: self.births, "the edge node has told its births")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if "sensor" in told:
                self.said.add((told["sensor"], told["time"] * 1_000_000, float(told["value"])))
            self.births += "born" in told
            self.sent = told.get("sent", self.sent)

    def send(self, count: int) -> None:
        before = self.sent
        self._obey(f"data {count}")
        until(lambda: self.sent > before, "the edge node has sent its data")

    def leave(self) -> None:
        self._obey("leave")
        self.end(signal.SIGTERM)

    def _obey(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")

    def end(self, with_signal: int) -> None:
        if self.process.poll() is None:
            if with_signal == signal.SIGTERM:  # the last words first
                self.process.stdin.close()  # type: ignore[union-attr]
                self.process.wait(10)
            else:
                self.process.send_signal(with_signal)
                self.process.wait(10)
        self._reader.join(10)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that keeps messages of QoS 0 for who is away, or does not."""
    with Mosquitto(tmp_path / "mosquitto", f"queue_qos0_messages {str(request.param).lower()}") as server:
        yield server


@pytest.fixture
def edges(broker: Mosquitto) -> Iterator[Callable[[int, int, int], Edge]]:
    """Makes edge nodes that do not outlive the test: (alias of temp, alias of rpm, first value)."""
    made: list[Edge] = []

    def make(temp: int, rpm: int, first: int) -> Edge:
        made.append(Edge(broker.port, temp, rpm, first))
        return made[-1]

    yield make
    for edge in made:
        edge.end(signal.SIGKILL)


@pytest.fixture
def running(tmp_path: Path, broker: Mosquitto) -> Iterator[Running]:
    service = Running(
        tmp_path,
        mqtt={"url": broker.url, "sources": [{"topic": "spBv1.0/#", "payload": "sparkplug"}]},
        console={"enabled": False},
        snapshot_every="1h",  # the journal keeps every reading
    )
    begin(service)
    yield service
    if service.process is not None:
        service.stop(signal.SIGKILL)


def begin(service: Running) -> None:
    before = service.log.count("mqtt.connected") if (service.folder / "service.log").exists() else 0
    service.start()
    until(lambda: service.log.count("mqtt.connected") > before, "the service is connected", 90)


def read(service: Running) -> set[Row]:
    """Every reading that the service has committed, by its name."""
    journal = Journal(service.folder / "data" / "journal.sqlite", read_only=True)
    try:
        committed = list(journal.replay(0))
        machines, lines = journal.machines(), journal.lines()  # later, so that those of all these are among them
        found = set()
        for _, content in committed:
            assert isinstance(content, Readings)
            for slot, line, time_ns, value, _ in zip(*(column.tolist() for column in content), strict=True):
                assert machines[slot] == PRESS
                found.add((lines[line][1], time_ns, value))
        return found
    finally:
        journal.close()


def arrive(service: Running, expected: set[Row]) -> None:
    until(lambda: expected <= read(service), "everything that was published is read", 40)


@pytest.mark.parametrize("broker", [False, True], indirect=True, ids=["qos0-lost-while-away", "qos0-queued"])
@pytest.mark.parametrize("anew", [False, True], ids=["same-edge", "edge-born-anew-meanwhile"])
def test_births_data_deaths_and_restarts_of_ours_lose_no_reading_and_misname_none(
    broker: Mosquitto,
    running: Running,
    edges: Callable[[int, int, int], Edge],
    anew: bool,
    request: pytest.FixtureRequest,
) -> None:
    queued = "qos0-queued" in request.node.name
    said: set[Row] = set()
    due: set[Row] = set()  # of it, what must be read: sent while we were there, or the broker keeps it for us
    edge = edges(7, 8, 0)
    edge.send(20)
    arrive(running, edge.said)

    running.stop(signal.SIGKILL)
    due |= edge.said
    if anew:  # it dies, and is born with its aliases the other way round, and we are not there
        edge.end(signal.SIGKILL)
        said |= edge.said
        edge = edges(8, 7, 1_000)
    edge.send(5)
    if queued:
        due |= edge.said
    away = set(edge.said)
    begin(running)
    births = edge.births
    edge.send(20)
    arrive(running, due | (edge.said - away))
    asked = edge.births > births
    assert asked is not queued  # where nothing was missed, nobody needs to be asked

    running.stop(signal.SIGTERM)  # in order this time
    due |= edge.said - away
    begin(running)
    edge.send(20)
    arrive(running, due | (edge.said - away))
    due |= edge.said - away

    edge.end(signal.SIGKILL)  # without a word: the broker says it for the edge node
    state = state_topic(broker, "silent")
    assert state == "silent"
    said |= edge.said
    edge = edges(3, 4, 2_000)
    edge.send(20)
    arrive(running, due | edge.said)
    due |= edge.said
    edge.leave()
    assert state_topic(broker, "silent") == "silent"
    said |= edge.said
    assert due <= read(running) <= said


def state_topic(broker: Mosquitto, wanted: str) -> str:
    """The machine's state as it is said on MQTT, once it is the one that is wanted; else the newest."""
    newest = ""

    topic = "spikewatch/plant/edge/press-1/state"

    def asked() -> bool:
        nonlocal newest
        told = subprocess.run(
            ["mosquitto_sub", "-p", str(broker.port), "-t", topic, "-C", "1", "-W", "5"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        ).stdout
        newest = json.loads(told)["state"] if told else ""
        return newest == wanted

    until(asked, f"the machine is {wanted}")
    return newest
