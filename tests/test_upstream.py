"""A second broker is told of machines: thinned, in order, over weeks without a connection, and over kills."""

import json
import random
import signal
import socket
import sqlite3
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import Mosquitto, free_port, passwords, until
from test_service import Running, expected_points, publish, recording, run  # noqa: F401
from test_storage import SECOND, START, readings

from pipeline.config.settings import Config
from pipeline.config.settings import Upstream as UpstreamSettings
from pipeline.engine.incidents import Incident, Severity
from pipeline.mqtt import Broker, ConfirmedPublisher, PublishError, Receiver, Status
from pipeline.mqtt.announcements import Announcer
from pipeline.mqtt.upstream import Selection, Thinning, announcement_of
from pipeline.records import Announcement, Machine, Point
from pipeline.service.destinations import Deliveries
from pipeline.service.upstream import UpstreamSink, destinations_of
from pipeline.sinks import Unreachable
from pipeline.sinks.delivery import Delivery
from pipeline.sinks.embedded import Embedded
from pipeline.storage.journal import Journal
from pipeline.storage.outbox import Bound, Outbox, Posting
from pipeline.storage.progress import Progress

MINUTE = 60 * SECOND
EVERYTHING = ("states", "incidents", "ageing", "scores")
NAMES = ("press-1", "press-2")


def of_machine(name: str, time_ns: int, score: float, state: str = "ready", severity: int = 0) -> Point:
    fields = {"score": score, "severity": severity, "state": state}
    return Point("machine", (("machine", name), ("site", "north")), fields, time_ns)


def silent(name: str, time_ns: int) -> Point:
    return Point("machine", (("machine", name), ("site", "north")), {"state": "silent"}, time_ns)


def incident(name: str, number: int, phase: str, time_ns: int) -> Point:
    tags = (("id", str(number)), ("machine", name), ("site", "north"))
    return Point("incident", tags, {"phase": phase, "peak": 0.999}, time_ns)


def ageing(name: str, sensor: str, time_ns: int) -> Point:
    return Point("ageing", (("machine", name), ("sensor", sensor), ("site", "north")), {"shift": 0.5}, time_ns)


def nothing_open(machine: Machine) -> Incident | None:
    return None


def told(selection: Selection, batches: list[list[Point]]) -> list[Point]:
    return [
        message
        for points in batches
        for _, messages in selection.choose(points, nothing_open)
        for message in messages
    ]


def payload(message: Point) -> dict:
    return json.loads(message.fields["payload"])


@st.composite
def lives(draw):
    """Points of machines in order of time, where they are cut into batches, and after which batches we are killed."""
    points = []
    for name in NAMES:
        time_ns = START
        for step, score in draw(st.lists(st.tuples(st.integers(1, 90), st.sampled_from([None, 0.1, 0.5, 0.9])))):
            time_ns += step * SECOND
            points.append(silent(name, time_ns) if score is None else of_machine(name, time_ns, score))
    points.sort(key=lambda point: point.time_ns)
    cuts = sorted(draw(st.sets(st.integers(0, len(points)))) | {0, len(points)})
    return [(points[begin:end], draw(st.booleans())) for begin, end in pairwise(cuts)]


@given(lives())
def test_the_highest_score_of_an_interval_is_told_once_whatever_the_batches_and_restarts(batches):
    points = [point for some, _ in batches for point in some]
    thinning, kept, found = Thinning(MINUTE), {}, defaultdict(list)
    for some, killed in batches:
        for point in some:
            machine = Machine(dict(point.tags)["machine"])
            highest = thinning.take(machine, point)
            if highest is not None:
                found[machine.name].append((highest.score, highest.time_ns))
        kept |= thinning.changed()
        if killed:
            thinning = Thinning(MINUTE)
            for content in filter(None, kept.values()):
                thinning.restore(content)
    for name in NAMES:
        own = [point for point in points if ("machine", name) in point.tags]
        intervals = defaultdict(list)
        for point in own:
            if "score" in point.fields and point.time_ns // MINUTE < own[-1].time_ns // MINUTE:
                intervals[point.time_ns // MINUTE].append((point.fields["score"], -point.time_ns))
        expected = [(score, -time) for score, time in map(max, intervals.values())]
        assert found[name] == expected


def test_without_an_interval_every_score_is_told():
    points = [of_machine("press-1", START + n, 0.1 * n) for n in range(5)]
    messages = told(Selection("hall", ["scores"], 0), [points])
    assert [(payload(one)["score"], one.time_ns) for one in messages] == [(0.1 * n, START + n) for n in range(5)]


def test_messages_have_the_shape_of_those_on_the_first_broker():
    opened = Incident(3, START, START, Severity.WARNING, 0.99, START, (), "why", False, 0, "", 0.0, False)
    points = [
        of_machine("press/1", START, 0.99, "fault", 1),
        incident("press/1", 3, "open", START),
        ageing("press/1", "a", START),
        ageing("press/1", "b", START),
    ]
    selection = Selection("hall", ["states", "incidents", "ageing"], MINUTE)
    messages = [one for _, ranked in selection.choose(points, lambda machine: opened) for one in ranked]
    first = Announcer("hall").of(points, lambda machine: opened, 0)
    assert sorted(map(announcement_of, messages)) == sorted(first)
    assert {one.tags[0][1] for one in messages} == {
        f"hall/north/press%2F1/{what}" for what in ("state", "incident", "ageing")
    }


def test_a_state_is_told_on_change_and_only_what_is_wanted_is_told():
    states = ["learning", "learning", "ready", "ready", "fault", "ready"]
    batches = [[of_machine("press-1", START + n * SECOND, 0.5, state)] for n, state in enumerate(states)]
    messages = told(Selection("hall", ["states"], MINUTE), [*batches, [incident("press-1", 1, "open", START)]])
    assert [payload(one)["state"] for one in messages] == ["learning", "ready", "fault", "ready"]


def test_a_state_that_follows_a_silence_is_newer_than_it_also_where_its_rows_go_on_from_before():
    selection = Selection("hall", ["states"], MINUTE)
    said = told(selection, [[silent("press-1", START + 5 * MINUTE)], [of_machine("press-1", START + SECOND, 0.5)]])
    assert [(payload(one)["state"], payload(one)["time_ns"]) for one in said] == [
        ("silent", START + 5 * MINUTE),
        ("ready", START + SECOND),
    ]
    assert said[0].time_ns <= said[1].time_ns, "the newest of a retained topic stays"


@pytest.mark.servers
def test_states_that_were_dropped_while_the_broker_was_away_are_told_once_it_is_back(tmp_path):
    broker = Mosquitto(tmp_path)
    upstream = UpstreamSettings(broker.url, prefix="hall", outbox_bytes=1_000)
    destinations = destinations_of(Config(upstream=upstream), {})
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, others={name: one.bound for name, one in destinations.items()})
    store = Embedded(tmp_path / "store.sqlite")
    deliveries = Deliveries(path, store, destinations, lambda reason, point: None, 1_000.0)
    delivery = deliveries.others["upstream"]

    def commit(name: str, state: str, number: int) -> None:
        point = of_machine(name, START + number * SECOND, 0.5, state)
        chosen = deliveries.choose([point], nothing_open, journal.outboxes)
        with deliveries.settling(chosen) as (progress, others):
            journal.commit(None, progress=progress, others=others, arrived_ns=START + number * SECOND)

    for number in range(20):  # of the oldest, nothing is left
        commit(f"press-{number}", "fault", number)
        if number == 10:
            assert delivery.step() > 0.0, "the broker is away"
    assert journal.outboxes["upstream"].figures.dropped > 0
    broker.start()
    company = Company(broker)
    for number in (30, 31, 32):
        while delivery.step() == 0.0:
            pass
        commit("press-0", "fault", number)
    while delivery.step() == 0.0:
        pass
    until(lambda: company.take() >= 0 and "hall/north/press-0/state" in dict(company.received), "it is told")
    assert [topic for topic, _ in company.received].count("hall/north/press-0/state") == 1
    company.leave()
    delivery.close()
    journal.close()
    broker.stop()


class Company:
    """Somebody who listens to everything on the second broker."""

    def __init__(self, broker: Mosquitto, client_id: str = "company") -> None:
        self.received: list[tuple[str, dict]] = []
        self.retained: dict[str, dict] = {}
        self._receiver = Receiver(Broker.of(broker.url, client_id=client_id), [("hall/#", 1)])
        self._receiver.start()
        self._receiver.wait_subscribed(10.0)

    def take(self) -> int:
        """Take what has arrived; returns how many messages that are."""
        batch = self._receiver.take(10_000, 0.2)
        self._receiver.ack(batch)
        for message in batch:
            content = json.loads(message.payload)
            if message.retained:
                self.retained[message.topic] = content
            self.received.append((message.topic, content))
        return len(batch)

    def of(self, what: str) -> list[dict]:
        return [content for topic, content in self.received if topic.endswith(f"/{what}")]

    def leave(self) -> None:
        self._receiver.stop()


@pytest.fixture
def company_broker(tmp_path):
    folder = tmp_path / "company"
    folder.mkdir()
    server = Mosquitto(folder)
    server.start()
    yield server
    server.stop()


def message(what: str, number: int, *, retain: bool = False, size: int = 0) -> Point:
    text = json.dumps({"number": number, "time_ns": START + number, "filler": "x" * size})
    return Point(what, (("topic", f"hall/press-1/{what}"),), {"payload": text, "retain": retain}, START + number)


@pytest.mark.servers
def test_what_is_written_arrives_in_order_and_of_a_retained_topic_the_newest_stays(company_broker):
    company = Company(company_broker)
    status = Status("hall/status", b'{"state":"online"}', b'{"state":"offline"}')
    sink = UpstreamSink(lambda: Broker.of(company_broker.url, client_id="gateway"), status)
    sink.write([message("incident", number) for number in range(1_000)])
    sink.write([message("state", 7, retain=True), message("state", 9, retain=True)])
    sink.write([message("state", 8, retain=True), message("state", 5, retain=True)])  # refused before, accepted now
    until(lambda: company.take() >= 0 and len(company.received) >= 1_005, "everything has arrived")
    assert [content["number"] for content in company.of("incident")] == list(range(1_000))
    assert [content["number"] for content in company.of("state")] == [7, 9, 8, 5]
    sent = [(topic, content) for topic, content in company.received if topic != "hall/status"]
    assert sink.sent_bytes == sum(len(topic) + len(json.dumps(content)) for topic, content in sent)
    company.leave()
    sink.close()
    later = Company(company_broker, "later")
    until(lambda: later.take() >= 0 and len(later.retained) == 2, "what is retained has arrived")
    assert later.retained["hall/press-1/state"]["number"] == 9
    assert later.retained["hall/status"] == {"state": "offline"}
    later.leave()


@pytest.mark.servers
def test_a_broker_that_goes_and_comes_back_gets_what_it_has_not_confirmed(company_broker):
    sink = UpstreamSink(lambda: Broker.of(company_broker.url, client_id="gateway"))
    sink.write([message("incident", 0)])
    company_broker.stop()
    with pytest.raises(Unreachable):
        sink.write([message("incident", 1)])
    with pytest.raises(Unreachable, match="refused"):
        sink.write([message("incident", 1)])
    company_broker.start()
    company = Company(company_broker)
    sink.write([message("incident", 1), message("incident", 2)])
    until(lambda: company.take() >= 0 and len(company.received) == 2, "both have arrived")
    assert [content["number"] for content in company.of("incident")] == [1, 2]
    company.leave()
    sink.close()


@pytest.mark.servers
def test_what_the_broker_does_not_take_is_set_aside_and_stops_nobody_else(tmp_path):
    (tmp_path / "access").write_text("user gateway\ntopic write hall/press-1/incident\n")
    access = f"{passwords(tmp_path, {'gateway': 'secret'})}\nacl_file {tmp_path / 'access'}"
    server = Mosquitto(tmp_path, "max_packet_size 2000", access)
    server.start()
    try:
        broker = Broker.of(server.url, client_id="gateway", username="gateway", password="secret")  # noqa: S106
        publisher = ConfirmedPublisher(lambda: broker)
        announcements = [
            announcement_of(message("incident", number, size=size)) for number, size in ((0, 0), (1, 3_000))
        ]
        [(position, why)] = publisher.publish(announcements)
        assert (position, why.split(", ")[1]) == (1, "and the broker takes packets of 2000")
        [(position, why)] = publisher.publish([announcements[0], Announcement("hall/press-1/score", b"{}", False)])
        assert (position, why) == (1, "refused by the broker: Not authorized")
        publisher.close()
        with pytest.raises(PublishError, match="refused by the broker: Not authorized"):
            ConfirmedPublisher(lambda: broker._replace(password=None)).publish(announcements)
        journal = Journal(tmp_path / "journal.sqlite", others={"upstream": Bound(1 << 20)})
        points = [
            message("incident", 0),
            message("incident", 1, size=3_000),
            message("incident", 2),
            message("score", 3),
        ]
        journal.commit(None, others={"upstream": Posting([(2, points)])})
        buried: list[Point] = []
        sink = UpstreamSink(lambda: broker)
        delivery = Delivery(
            journal.path, sink, lambda reason, point: buried.append(point), name="upstream", in_order=True
        )
        delivery.step()
        assert (delivery.delivered, buried) == (2, [points[1]])
        assert "Not authorized" in str(delivery.trouble), "scores wait until this client may write them"
        delivery.close()
        journal.close()
    finally:
        server.stop()


def weeks(selection: Selection, days: int, journal: Journal, delivery: Delivery) -> list[Point]:
    """Days of three machines, a score a minute, by the time of the data; returns everything that was chosen."""
    chosen = []
    for hour in range(24 * days):
        points = []
        for number in range(3):
            name, begin = f"press-{number}", START + hour * 60 * MINUTE
            points += [of_machine(name, begin + n * MINUTE, (hour * 7 + n) % 97 / 100) for n in range(60)]
            points.append(ageing(name, "a", begin))
            if hour % 6 == number:
                points.append(incident(name, hour, "open", begin))
                points.append(incident(name, hour, "close", begin + 30 * MINUTE))
                points.append(of_machine(name, begin + 59 * MINUTE + SECOND, 0.5, "fault" if hour % 12 else "ready"))
        ranked = selection.choose(points, nothing_open)
        chosen += [point for _, some in ranked for point in some]
        arrived_ns = START + hour * 60 * MINUTE
        journal.commit(
            None, arrived_ns=arrived_ns, others={"upstream": Posting(ranked, delivery.progress)}, seen=b"123456"
        )
        if hour % 168 == 24:
            delivery.step()
    return chosen


@pytest.mark.servers
def test_after_weeks_without_a_connection_all_but_the_oldest_scores_arrives_in_order(company_broker, tmp_path):
    journal = Journal(tmp_path / "journal.sqlite", others={"upstream": Bound(300_000)})
    company_broker.stop()
    sink = UpstreamSink(lambda: Broker.of(company_broker.url, client_id="gateway"))
    buried: list[Point] = []
    delivery = Delivery(
        journal.path,
        sink,
        lambda reason, point: buried.append(point),
        jitter=lambda: 0.0,
        name="upstream",
        in_order=True,
    )
    chosen = weeks(Selection("hall", EVERYTHING, 2 * MINUTE), 21, journal, delivery)
    figures = journal.outboxes["upstream"].figures
    assert figures.waiting_bytes <= 300_000
    assert figures.dropped > 0
    assert figures.accepted == figures.waiting + figures.dropped == len(chosen)
    assert delivery.away
    company_broker.start()
    company = Company(company_broker)
    while journal.outboxes["upstream"].figures.waiting:
        delivery.step()
        journal.commit(None, others={"upstream": Posting(progress=delivery.progress)})
        company.take()
    until(lambda: company.take() == 0 and len(company.received) == figures.waiting, "everything has arrived")
    for what in ("incident", "state", "ageing"):
        expected = [payload(point) for point in chosen if point.measurement == what]
        assert company.of(what) == expected
    scores, all_scores = company.of("score"), [payload(point) for point in chosen if point.measurement == "score"]
    # What was offered before may have arrived, so it stays; of the others the oldest have gone.
    offered = next(
        number for number, (one, other) in enumerate(zip(scores, all_scores, strict=False)) if one != other
    )
    assert scores == all_scores[:offered] + all_scores[offered - len(scores) :]
    assert figures.dropped == len(all_scores) - len(scores)
    assert buried == []
    company.leave()
    delivery.close()
    journal.close()


def test_a_disk_that_is_full_takes_a_batch_whole_or_not_at_all_and_loses_nothing_uncounted(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite", others={"upstream": Bound(1 << 30)}, reserve_bytes=1 << 16)
    [(pages,)] = journal._database.execute("PRAGMA page_count")
    journal._database.execute(f"PRAGMA max_page_count = {pages + 150}")
    committed, refused = 0, 0
    for number in range(600):
        noise = random.Random(number).randbytes(2_000).hex()  # of which little can be compressed away
        ranked = [(0, [message("score", number)]), (2, [message("incident", number)])]
        points = [Point("machine", (("machine", noise),), {"score": 0.5}, START + number)]
        while True:
            try:
                journal.commit(readings(3), points=points, seen=b"123456", others={"upstream": Posting(ranked)})
                break
            except sqlite3.OperationalError:
                refused += 1
                assert journal.make_room(journal.last, Progress(), [], {"upstream": Posting()})
        committed += 1
    assert refused > 0
    own, upstream = journal.outboxes["outbox"].figures, journal.outboxes["upstream"].figures
    assert (own.accepted, upstream.accepted) == (committed, 2 * committed)
    for figures in (own, upstream):
        assert figures.accepted == figures.waiting + figures.dropped
    assert own.dropped > 0
    outbox = Outbox(journal.path, "upstream")
    assert sum(len(batch) for _, batch in outbox.peek(0, 10**9)) == upstream.waiting
    outbox.close()
    journal.close()


def test_a_full_disk_takes_scores_before_what_happened_and_counts_them(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite", others={"upstream": Bound(1 << 30)})
    for number in range(200):
        ranked = [(0, [message("score", number)]), (2, [message("incident", number)])]
        journal.commit(
            None, points=[of_machine("press-1", START + number, 0.5)], others={"upstream": Posting(ranked)}
        )
    before = journal.outboxes["upstream"].figures
    assert journal.make_room(0, Delivery(journal.path, None, print).progress, [], {"upstream": Posting()})
    after = journal.outboxes["upstream"].figures
    assert after.accepted == after.waiting + after.dropped
    assert 0 < after.dropped < 100 < after.waiting
    assert after.waiting_bytes <= before.waiting_bytes * 0.9
    [(incidents,)] = journal._database.execute("SELECT count(*) FROM upstream WHERE rank = 2")
    assert incidents == 200
    journal.close()


PLANT = [{"topic": "plant/{machine}", "payload": "json", "time": "time"}]


def incidents_of(points: list[Point]) -> set[tuple[str, int, int, str]]:
    """What a receiver knows a phase of an incident by."""
    return {
        (dict(point.tags)["machine"], int(dict(point.tags)["id"]), point.time_ns, point.fields["phase"])
        for point in points
        if point.measurement == "incident"
    }


@pytest.mark.servers
def test_killed_in_the_middle_every_phase_of_every_incident_and_the_highest_of_the_scores_arrive(
    run,  # noqa: F811
    mosquitto: Mosquitto,
    company_broker: Mosquitto,
    tmp_path: Path,
):
    table = recording(2_500)
    points = expected_points(table, 0)
    expected = incidents_of(points)
    scores = [payload(one) for one in told(Selection("hall", ["scores"], 7 * SECOND), [points])]
    assert len(expected) >= 4
    assert len(scores) >= 20
    company = Company(company_broker)
    service = run(
        mqtt={"url": mosquitto.url, "sources": PLANT},
        upstream={"url": company_broker.url, "prefix": "hall", "every": "7s"},
        emit={"every": "0s", "sensors": "0s"},
        snapshot_every="1s",
    )
    until(lambda: "mqtt.connected" in service.log, "the service is subscribed", 90)
    for begin, end in ((0, 900), (900, 1_800), (1_800, 2_500)):
        part = table._replace(time_ns=table.time_ns[begin:end], values=table.values[begin:end])
        publish(mosquitto, part)
        newest = int(table.time_ns[begin + 50])
        until(
            lambda newest=newest: company.take() >= 0 and any(one["time_ns"] > newest for one in company.of("score")),
            "some are through",
            60,
        )
        if end < 2_500:
            service.stop(signal.SIGKILL)
            service.start()

    def found() -> set[tuple[str, int, int, str]]:
        company.take()
        return {("ur3-robot", one["id"], one["time_ns"], one["phase"]) for one in company.of("incident")}

    def highest() -> list[dict]:
        return sorted({one["time_ns"]: one for one in company.of("score")}.values(), key=lambda one: one["time_ns"])

    until(lambda: found() >= expected and len(highest()) >= len(scores), "everything has arrived", 60)
    assert found() == expected
    assert highest() == scores
    assert service.stop() == 0
    company.leave()


@pytest.mark.servers
def test_a_second_broker_that_never_answers_slows_nobody(run, mosquitto: Mosquitto, tmp_path: Path):  # noqa: F811
    port = free_port()
    mute = socket.create_server(("127.0.0.1", 0))  # takes connections, and says nothing
    service = run(
        mqtt={"url": mosquitto.url, "sources": PLANT},
        upstream={"url": f"mqtt://127.0.0.1:{mute.getsockname()[1]}", "prefix": "hall"},
        emit={"every": "0s", "sensors": "0s"},
        console={"port": port},
    )
    until(lambda: "mqtt.connected" in service.log, "the service is subscribed", 90)
    states: list[str] = []
    first = Receiver(Broker.of(mosquitto.url, client_id="first"), [("spikewatch/+/state", 1)])
    first.start()
    first.wait_subscribed(10.0)
    publish(mosquitto, recording(300))

    def everything_else() -> bool:
        states.extend(message.topic for message in first.take(100, 0.1))
        return stored(service) >= 290 and bool(states)

    until(everything_else, "database and first broker have everything", 60)
    until(lambda: "upstream.away" in service.log, "it is named", 30)
    assert service.log.count("upstream.away") == 1

    def asked(path: str) -> str:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.read().decode()

    health = json.loads(asked("/api/health"))
    assert health["upstream_away"].endswith("no answer")
    assert health["figures"]["upstream_connected"] == 0
    assert health["figures"]["upstream_outbox"] == health["figures"]["upstream_points"] > 0
    metrics = asked("/metrics")
    assert 'spikewatch_reached{what="upstream"} 0.0' in metrics
    assert "# TYPE spikewatch_upstream_outbox gauge" in metrics
    assert json.loads(asked("/readyz"))["ready"], "who starts us again does not help the second broker"
    assert service.stop() == 0
    first.stop()
    mute.close()


def stored(service: Running) -> int:
    path = service.folder / "data" / "store.sqlite"
    if not path.exists():
        return 0
    store = Embedded(path)
    try:
        return store.count("machine")
    finally:
        store.close()
