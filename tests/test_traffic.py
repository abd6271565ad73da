"""Bytes in and out: counted once, by source, and told wherever the service tells of itself."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.commissioning.doctor import PLAIN_BYTES_A_POINT, Sent, Traffic, of_bytes, points_per_s
from pipeline.config.settings import Config, Mqtt, Source, Times
from pipeline.console.metrics import exposition
from pipeline.payloads import MAX_ROUTE_TOPIC, MAX_ROUTES, Cause, Decoder
from pipeline.payloads.decoded import refusal
from pipeline.records import Announcement, Message, Point
from pipeline.service.connections import open_sink
from pipeline.service.service import Service
from pipeline.service.traffic import Volume
from pipeline.storage.journal import Journal
from pipeline.storage.journal_file import pack_points

SOURCES = (Source(topic="plant/{machine}/{sensor}", payload="number"), Source(topic="line/{machine}", payload="json"))


class Plant:
    """A source of nothing, that remembers what is said."""

    def __init__(self) -> None:
        self.said: list[Announcement] = []

    def take(self, max_messages: int, timeout_s: float) -> list[Message]:
        return []

    def ack(self, messages: Sequence[Message]) -> None:
        pass

    def publish(self, announcement: Announcement) -> None:
        self.said.append(announcement)

    def counters(self) -> dict[str, int]:
        return {}


def source_of(topic: str) -> Source | None:
    return next((source for source in SOURCES if topic.startswith(source.topic[:5])), None)


@pytest.fixture
def service(tmp_path: Path):
    config = Config(data=str(tmp_path), mqtt=Mqtt(sources=SOURCES))
    made = Service(config, open_sink(config, {}))
    yield made
    made._journal.close()
    made._lock.close()


def test_messages_and_bytes_are_counted_for_the_source_whose_topic_matches_and_repeated_ones_once(service: Service):
    stop = threading.Event()
    second = 1_700_000_000_000_000_000
    first = Message("plant/m/täst", b"1.5", second, mid=7, qos=1, connection=1, session=1)
    service._process([first, Message("line/m", b'{"a": 1}', second), Message("elsewhere", b"x" * 50, second)], stop)
    service._process([first._replace(dup=True, connection=2)], stop)
    service._process([Message("plant/m/t", b"", second + 1, skipped=1_000)], stop)
    found = service.counters(Plant())
    assert found["source_messages_plant/{machine}/{sensor}"] == 2
    assert (
        found["source_bytes_plant/{machine}/{sensor}"] == len("plant/m/täst".encode()) + 3 + len("plant/m/t") + 1_000
    )
    assert found["source_messages_line/{machine}"] == 1
    assert found["source_bytes_line/{machine}"] == len("line/m") + len(b'{"a": 1}')
    assert found["bytes_in"] == sum(value for name, value in found.items() if name.startswith("source_bytes_"))
    assert service.messages == 5, "what is nobody's is a message all the same"


def test_the_ratio_is_bytes_in_over_those_of_points_and_announcements_out(service: Service):
    plant, stop = Plant(), threading.Event()
    service._publish = plant.publish
    second = 1_700_000_000_000_000_000
    assert "reduction" not in service.counters(plant), "of nothing there is no ratio"
    for number in range(50):
        message = Message("plant/m/t", b"%d" % (number % 3), second + number * 1_000_000_000, mid=number + 1, qos=1)
        service._process([message], stop)
    found = service.counters(plant)
    assert plant.said
    assert found["announcements"] == len(plant.said)
    said = sum(len(one.topic.encode()) + len(one.payload) for one in plant.said)
    assert found["announcements_bytes"] == said
    assert found["points_bytes"] > 0
    assert found["reduction"] == found["bytes_in"] / (found["points_bytes"] + said)


def test_bytes_of_points_are_those_before_compression_however_the_batch_is_divided(tmp_path: Path):
    points = [Point("machine", (("machine", "m" * 40),), {"score": number / 7}, number) for number in range(500)]
    sizes = []
    for outbox_bytes in (3_000, 1 << 30):
        journal = Journal(tmp_path / f"{outbox_bytes}.sqlite", outbox_bytes)
        journal.commit(None, points=points)
        sizes.append(journal.figures.accepted_bytes)
        journal.close()
    divided, whole = sizes
    assert whole == pack_points(points)[1]
    assert whole <= divided < 1.1 * whole, "each part has a head of its own"


def test_prometheus_gets_one_series_for_each_source_and_the_ratio_as_a_gauge(service: Service):
    second = 1_700_000_000_000_000_000
    service._process([Message(f"plant/m{number}/t", b"1", second) for number in range(300)], threading.Event())
    service._announced(Announcement("a", b"b", False))
    text = exposition(service.counters(Plant()), {}, {"broker": True}).decode()
    samples = [line for line in text.splitlines() if line.startswith("spikewatch_source_messages_total{")]
    assert samples == [
        'spikewatch_source_messages_total{source="plant/{machine}/{sensor}"} 300.0',
        'spikewatch_source_messages_total{source="line/{machine}"} 0.0',
    ]
    assert text.count("spikewatch_source_bytes_total{") == 2
    assert "# TYPE spikewatch_reduction gauge" in text
    assert "spikewatch_points_bytes_total" in text


@given(
    st.lists(
        st.tuples(st.sampled_from(["plant/a/b", "line/ü", "other", "plant/" + "x" * 600]), st.binary()), max_size=50
    )
)
def test_however_messages_are_divided_into_batches_the_counts_are_the_same(pairs: list[tuple[str, bytes]]):
    messages = [Message(topic, payload, number * 10**10) for number, (topic, payload) in enumerate(pairs)]
    decoder = Decoder(SOURCES, Times(), 1_000_000)
    decoded = [decoder.decode(message) for message in messages]
    together, apart = Volume(SOURCES, source_of), Volume(SOURCES, source_of)
    together.came(messages, decoded)
    for message, one in zip(messages, decoded, strict=True):
        apart.came([message], [one])
    assert together.figures(1) == apart.figures(1)
    assert together.troubles() == apart.troubles()
    assert together.bytes_in == sum(
        len(topic.encode()) + len(payload) for topic, payload in pairs if source_of(topic) is not None
    )


def test_a_plant_of_ever_new_topics_takes_no_more_memory_and_is_counted_all_the_same():
    volume = Volume(SOURCES, source_of)
    for number in range(2 * MAX_ROUTES + 5):
        volume.came([Message(f"plant/{number}/t", b"", 0)], [refusal(Cause.EMPTY)])
    volume.came([Message("plant/" + "x" * MAX_ROUTE_TOPIC, b"", 0)], [refusal(Cause.EMPTY)])
    assert len(volume._topics) <= MAX_ROUTES
    assert volume.figures(0)["source_messages_plant/{machine}/{sensor}"] == 2 * MAX_ROUTES + 6


def test_doctor_tells_what_each_source_sends_and_what_would_be_left_of_it():
    sources = {"plant/{machine}/{sensor}": Sent(900, 90_000, 900), "line/{machine}": Sent(100, 10_000, 9_100)}
    traffic = Traffic(10.0, 1_000, 10_000, {}, machines=5, sensors=40, sources=sources, behind={})
    first, second, ratio = of_bytes(Config(), None, traffic)
    assert first.found == "plant/{machine}/{sensor}: 9,000 bytes/s in 90.0 messages/s"
    assert second.found == "line/{machine}: 1,000 bytes/s in 10.0 messages/s"
    leaving = points_per_s(Config(), None, traffic) * PLAIN_BYTES_A_POINT
    assert ratio.found.startswith(f"10,000 bytes/s in, about {leaving:,.0f} bytes/s of points out")
    assert ratio.found.endswith(f"{10_000 / leaving:,.1f} to 1")
    assert not list(of_bytes(Config(), None, traffic._replace(messages=0)))
