"""What the broker sends twice is scored once, whatever is cut, killed or forgotten; what is new is never dropped."""

import threading
from collections import deque

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from servers import Mosquitto, until

from pipeline.config.settings import Config, Mqtt, Source, Times
from pipeline.mqtt import Broker, Publisher, Receiver
from pipeline.mqtt.redelivery import PROOF, WINDOW, Redelivery
from pipeline.payloads import Cause, Decoder
from pipeline.records import Announcement, Message
from pipeline.service.connections import open_sink
from pipeline.service.service import Service


class ModelBroker:
    """A session of one subscriber: what is in flight comes again first, in order, with its id."""

    def __init__(self, counts: bool, honest: bool, window: int = 8):
        self.counts, self.honest, self.window = counts, honest, window
        self.waiting = deque()  # (payload)
        self.flight = []  # [mid, payload, sent]
        self.last = 0
        self.unsent = 0  # index into flight: sent on this connection up to here

    def publish(self, payload):
        self.waiting.append(payload)

    def connect(self):
        self.unsent = 0

    def restart(self):
        """With persistence: everything is as it was, but who knows what was sent."""
        if not self.honest:
            for entry in self.flight:
                entry[2] = False

    def _next_mid(self):
        if self.counts:
            self.last = self.last % 65_535 + 1
            return self.last
        used = {entry[0] for entry in self.flight}
        return next(mid for mid in range(1, 65_536) if mid not in used)

    def send(self, most):
        """Up to so many (mid, payload, dup)."""
        while self.waiting and len(self.flight) < self.window:
            self.flight.append([self._next_mid(), self.waiting.popleft(), False])
        out = []
        for entry in self.flight[self.unsent : self.unsent + most]:
            out.append((entry[0], entry[1], entry[2]))
            entry[2] = True
        self.unsent += len(out)
        return out

    def acked(self, count):
        """The broker got the first so many acknowledgements of this connection."""
        del self.flight[:count]
        self.unsent -= count


class ModelService:
    """Commits, then acknowledges; dies anywhere."""

    def __init__(self):
        self.scored, self.seen = [], []
        self.connection = 0
        self.start()

    def start(self):
        self.redelivery = Redelivery(self.seen)
        self.connection = 0
        self.queue = []

    def receive(self, sent):
        self.queue += [
            Message("plant/m/s", payload, 0, mid, 1, self.connection, 0, dup) for mid, payload, dup in sent
        ]

    def commit(self, most):
        batch = self.queue[:most]
        del self.queue[:most]
        new, seen = self.redelivery.sift(batch)
        self.scored += [message.payload for message in new]
        self.seen.append(seen)
        return batch


def live(broker, service, payloads, events):
    """Everything is published; then events happen; then all is drained without faults."""
    unacked = 0  # committed on this connection, acknowledgement not at the broker yet

    def connect():
        nonlocal unacked
        unacked = 0
        broker.connect()
        service.connection += 1

    connect()
    payloads = deque(payloads)
    for kind, number in [*events, *[("flow", 8)] * (len(payloads) + len(events) + 10)]:
        for _ in range(min(number, len(payloads))):
            broker.publish(payloads.popleft())
        if kind in {"receive", "flow"}:
            service.receive(broker.send(number))
        if kind in {"commit", "flow"}:
            before = service.connection
            unacked += sum(message.connection == before for message in service.commit(number))
        if kind in {"ack", "flow"}:
            arrived = min(number, unacked)
            broker.acked(arrived)
            unacked -= arrived
        if kind == "cut":
            connect()
        if kind == "kill":
            service.start()
            connect()
        if kind == "broker restart":
            broker.restart()
            connect()
    assert not payloads
    assert not broker.flight


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["receive", "receive", "commit", "commit", "ack", "cut", "kill", "broker restart"]),
        st.integers(1, 9),
    ),
    max_size=60,
)
PAYLOADS = st.lists(st.sampled_from([b"21.5", b"21.5", b"21.6"]), min_size=1, max_size=60)


@settings(max_examples=400, deadline=None)
@given(PAYLOADS, EVENTS)
@example([b"21.5"] * 20, [("receive", 8), ("commit", 8), ("ack", 3), ("kill", 1)])
@example([b"21.5"] * 20, [("receive", 8), ("commit", 4), ("cut", 1), ("receive", 3), ("cut", 1), ("commit", 9)])
def test_with_a_broker_that_counts_its_ids_every_message_is_scored_once_even_if_dup_lies(payloads, events):
    broker, service = ModelBroker(counts=True, honest=False), ModelService()
    first = [b"%d" % number for number in range(PROOF + 1)]  # enough to see that it counts
    live(broker, service, first, [])
    live(broker, service, payloads, events)
    assert service.scored == first + payloads


@settings(max_examples=400, deadline=None)
@given(PAYLOADS, EVENTS)
@example([b"21.5"] * 3, [("receive", 1), ("commit", 1), ("ack", 1), ("cut", 1)] * 3)
def test_with_a_broker_that_reuses_low_ids_every_message_is_scored_once_while_dup_is_true(payloads, events):
    broker, service = ModelBroker(counts=False, honest=True), ModelService()
    live(broker, service, payloads, events)
    assert service.scored == payloads


@settings(max_examples=300, deadline=None)
@given(PAYLOADS, EVENTS)
def test_with_a_broker_that_reuses_low_ids_and_whose_dup_lies_nothing_is_lost(payloads, events):
    broker, service = ModelBroker(counts=False, honest=False), ModelService()
    live(broker, service, payloads, events)
    ours = iter(service.scored)
    assert all(payload in ours for payload in payloads), "every payload, in order"


def message(mid, payload=b"21.5", connection=1, session=0, dup=False, qos=1):
    return Message("plant/m/s", payload, 0, mid, qos, connection, session, dup)


def counting(first, last, **how):
    return [message(mid, **how) for mid in range(first, last)]


def test_after_the_broker_has_forgotten_our_session_nothing_is_a_repetition():
    redelivery = Redelivery()
    redelivery.sift(counting(1, 50))
    again = counting(1, 50, connection=2, session=1, dup=True)
    assert redelivery.sift(again)[0] == again
    assert redelivery.redelivered == 0


def test_that_a_session_was_forgotten_is_still_known_after_a_restart():
    redelivery = Redelivery()
    seen = [redelivery.sift(batch)[1] for batch in (counting(1, 50), counting(1, 3, connection=2, session=1))]
    restarted = Redelivery(seen)
    new, _ = restarted.sift(counting(1, 6, dup=True))
    assert [one.mid for one in new] == [3, 4, 5]


def test_the_first_new_message_ends_it_until_the_next_connection():
    redelivery = Redelivery()
    redelivery.sift(counting(1, 50))
    mixed = [*counting(40, 45, connection=2), message(50, connection=2), message(46, connection=2)]
    new, _ = redelivery.sift(mixed)
    assert [one.mid for one in new] == [50, 46]
    assert redelivery.redelivered == 5


def test_a_gap_in_what_comes_again_does_not_end_it_and_a_step_back_does():
    redelivery = Redelivery()
    redelivery.sift(counting(1, 50))
    new, _ = redelivery.sift([message(mid, connection=2) for mid in (10, 12, 13, 11)])
    assert [one.mid for one in new] == [11]


def test_another_payload_or_topic_under_the_same_id_is_new():
    redelivery = Redelivery()
    redelivery.sift(counting(1, 50))
    other = message(49, connection=2)._replace(topic="plant/m/t")
    assert list(redelivery.sift([other])[0]) == [other]
    assert list(redelivery.sift([message(48, b"1", connection=3, dup=True)])[0]) != []


def test_messages_of_qos_0_pass_and_end_nothing():
    redelivery = Redelivery()
    redelivery.sift(counting(1, 50))
    one = message(0, qos=0, connection=2)
    new, _ = redelivery.sift([one, *counting(48, 50, connection=2), one, message(50, connection=2)])
    assert [each.mid for each in new] == [0, 0, 50]


@pytest.mark.parametrize("dropped", [0, 1, 1000, 30_000])
def test_ids_that_come_round_are_new_again_however_calm_the_sensor_and_whatever_the_broker_dropped(dropped):
    redelivery = Redelivery()
    redelivery.sift([message(n % 65_535 + 1) for n in range(70_000)])
    coming = [message(n % 65_535 + 1, connection=2) for n in range(70_000 + dropped, 70_010 + dropped)]
    assert redelivery.sift(coming)[0] == coming


def test_a_whole_window_in_flight_is_recognised_by_its_dup_flags():
    redelivery = Redelivery()
    redelivery.sift(counting(1, WINDOW + 1))
    assert redelivery.sift(counting(1, WINDOW + 1, connection=2, dup=True))[0] == []
    assert redelivery.redelivered == WINDOW


def test_one_batch_may_hold_several_connections_and_batch_borders_change_nothing():
    stream = [
        *counting(1, 30),
        *counting(25, 35, connection=2),
        *counting(33, 40, connection=3),
        *counting(1, 5, connection=4, session=1),
    ]
    whole = Redelivery()
    new, _ = whole.sift(stream)
    assert [one.mid for one in new] == [*range(1, 30), *range(30, 35), *range(35, 40), *range(1, 5)]
    for size in (1, 3, 7):
        parts = Redelivery()
        pieces = [parts.sift(stream[begin : begin + size])[0] for begin in range(0, len(stream), size)]
        assert [one for piece in pieces for one in piece] == new


class Deaf(Receiver):
    """Its acknowledgements never leave, as if the service were killed between commit and acknowledgement."""

    def ack(self, messages):
        pass


@pytest.mark.servers
@pytest.mark.parametrize("restart", [False, True])
def test_a_constant_sensor_without_time_that_was_committed_and_not_acknowledged_is_scored_once(tmp_path, restart):
    broker = Mosquitto(tmp_path / "mosquitto", persistence=True)
    broker.start()
    config = Config(
        data=str(tmp_path / "data"),
        mqtt=Mqtt(url=broker.url, sources=(Source(topic="plant/{machine}/{sensor}"),)),
    )

    def publish(count):
        with Publisher(Broker.of(broker.url, client_id="sensor", protocol=4)) as publisher:
            for _ in range(count):
                publisher.publish("plant/press/temperature", b"21.5")
            publisher.drain()

    def live(receiver_class, count, coming):
        """One life of the service, until it has taken so many messages; returns it."""
        service, stop = Service(config, open_sink(config, {})), threading.Event()
        receiver = receiver_class(Broker.of(broker.url), [("plant/#", 1)])

        def outside():
            try:
                until(lambda: receiver.connected, "connected")
                publish(coming)
                until(lambda: service.messages >= count, f"{count} messages")
            finally:
                stop.set()

        receiver.start()
        thread = threading.Thread(target=outside)
        thread.start()
        service.run(receiver, stop)
        thread.join()
        receiver.stop()
        return service

    assert live(Deaf, 50, 50).readings == 50
    if restart:
        broker.stop()
        broker.start()
    again = live(Receiver, 60, 10)
    assert (again.readings, again._redelivery.redelivered) == (10, 50)
    once_more = live(Receiver, 5, 5)
    assert (once_more.readings, once_more._redelivery.redelivered) == (5, 0)
    broker.stop()


@pytest.mark.servers
def test_a_retained_reading_comes_once_and_not_with_every_connection(mosquitto):
    with Publisher(Broker.of(mosquitto.url, client_id="sensor")) as publisher:
        publisher._client.publish("plant/press/temperature", b"21.5", qos=1, retain=True)
        publisher.publish("plant/press/speed", b"1")
        publisher.drain()
    lives = []
    for life in range(3):
        receiver = Receiver(Broker.of(mosquitto.url), [("plant/#", 1), ("acknowledged", 0)])
        receiver.start()
        until(lambda receiver=receiver: receiver.connected, "connected")
        with Publisher(Broker.of(mosquitto.url, client_id="sensor")) as publisher:
            publisher.publish("plant/press/speed", b"end of %d" % life)
            publisher.drain()
        received = []
        while not received or received[-1].payload != b"end of %d" % life:
            received += receiver.take(100, 1.0)
        receiver.ack(received)
        # Behind the acknowledgements on the same connection: the broker has dealt with them once this comes back.
        receiver.publish(Announcement("acknowledged", b"", False))
        until(lambda receiver=receiver: receiver.take(1, 1.0), "acknowledged")
        receiver.stop()
        lives.append([(message.payload, message.retained) for message in received])
    assert lives == [[(b"21.5", True), (b"end of 0", False)], [(b"end of 1", False)], [(b"end of 2", False)]]


@pytest.mark.servers
def test_of_what_is_published_to_be_retained_only_what_was_stored_when_we_subscribed_is_refused(mosquitto):
    source = Source("plant/{machine}/{sensor}")
    decoder = Decoder((source,), Times(), 1_000)
    accepting = Decoder((msgspec.structs.replace(source, retained="accept"),), Times(), 1_000)
    with Publisher(Broker.of(mosquitto.url, client_id="sensor")) as publisher:
        publisher._client.publish("plant/press/temperature", b"21.5", qos=1, retain=True)
        publisher.publish("plant/press/speed", b"1")
        publisher.drain()
        receiver = Receiver(Broker.of(mosquitto.url), [("plant/#", 1)])
        receiver.start()
        assert receiver.wait_subscribed(10.0)
        received = list(receiver.take(1, 10.0))
        publisher._client.publish("plant/press/temperature", b"22.5", qos=1, retain=True)
        publisher.publish("plant/press/speed", b"2")
        publisher.drain()
        while received[-1].payload != b"2":
            received += receiver.take(1, 10.0)
        receiver.stop()
    decoded = [decoder.decode(message) for message in received]
    assert [refusal.cause for one in decoded for refusal in one.refused] == [Cause.RETAINED]
    assert [reading.value for one in decoded for reading in one.readings] == [22.5, 2.0]
    assert [accepting.decode(message).readings[0].value for message in received] == [21.5, 22.5, 2.0]
