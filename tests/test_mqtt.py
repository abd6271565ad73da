"""The MQTT edge against real brokers: acknowledged after commit, everything else comes again."""

import os
import signal
import socket
import subprocess
import time

import psutil
import pytest
from servers import Mosquitto, until

from pipeline.mqtt import Broker, BulkClient, Publisher, PublishError, Receiver, Status
from pipeline.mqtt.embedded import EmbeddedBroker
from pipeline.records import Announcement

pytestmark = pytest.mark.servers


def collect(receiver, count, seconds=20.0):
    """So many messages, in order; takes no longer than so many seconds."""
    messages = []
    deadline = time.monotonic() + seconds
    while len(messages) < count:
        assert time.monotonic() < deadline, f"{len(messages)} of {count} messages"
        messages += receiver.take(1000, 0.1)
    return messages


@pytest.fixture
def receive():
    """Makes receivers that stop with the test."""
    made = []

    def make(broker, topics=(("plant/#", 1),), **options):
        made.append(Receiver(broker, topics, **options))
        made[-1].start()
        return made[-1]

    yield make
    for receiver in made:
        receiver.stop()


def publish(url, payloads, protocol=4, topic="plant/m/s"):
    with Publisher(Broker.of(url, client_id="tester", protocol=protocol)) as publisher:
        for payload in payloads:
            publisher.publish(topic, payload)
        publisher.drain()


def numbers(first, last):
    return [b"%d" % number for number in range(first, last)]


def test_what_is_not_acknowledged_comes_again_and_what_is_does_not(mosquitto, receive):
    broker = Broker.of(mosquitto.url)
    first = Receiver(broker, [("plant/#", 1)])
    first.start()
    until(lambda: first.connected, "connected")
    publish(mosquitto.url, numbers(0, 300))
    messages = collect(first, 300)
    assert [message.payload for message in messages] == numbers(0, 300)
    first.ack(messages[:120])
    until(lambda: not first._acks, "acknowledgements on their way")
    first.stop()
    again = collect(receive(broker), 180)
    assert [message.payload for message in again] == numbers(120, 300)


def test_messages_published_while_we_are_away_wait_for_us(mosquitto, receive):
    broker = Broker.of(mosquitto.url)
    first = Receiver(broker, [("plant/#", 1)])
    first.start()
    until(lambda: first.connected, "connected")
    first.stop()
    publish(mosquitto.url, numbers(0, 500))
    assert [message.payload for message in collect(receive(broker), 500)] == numbers(0, 500)


def test_while_much_is_published_nothing_that_comes_in_is_lost(mosquitto, receive):
    receiver = receive(Broker.of(mosquitto.url))
    ears = receive(Broker.of(mosquitto.url, client_id="ears"), (("spikewatch/#", 1),))
    until(lambda: receiver.connected and ears.connected, "connected")
    for number in range(2_000):
        receiver.publish(Announcement("spikewatch/m/incident", b"%d" % number, False))
    publish(mosquitto.url, numbers(0, 2_000))
    assert [message.payload for message in collect(receiver, 2_000)] == numbers(0, 2_000)
    assert [message.payload for message in collect(ears, 2_000)] == numbers(0, 2_000)


def test_a_broker_that_appears_later_is_found_with_one_warning(tmp_path, receive, caplog):
    late = Mosquitto(tmp_path)
    receiver = receive(Broker.of(late.url))
    until(lambda: "mqtt.away" in caplog.text, "a warning")
    late.start()
    until(lambda: receiver.connected, "connected")
    assert caplog.text.count("mqtt.away") == 1
    late.stop()


def test_after_a_restart_of_the_broker_messages_flow_on_and_old_acknowledgements_are_not_sent(mosquitto, receive):
    receiver = receive(Broker.of(mosquitto.url))
    until(lambda: receiver.connected, "connected")
    publish(mosquitto.url, numbers(0, 10))
    old = collect(receiver, 10)
    mosquitto.stop()
    until(lambda: not receiver.connected, "connection lost")
    mosquitto.start()
    until(lambda: receiver.connected, "connected again")
    receiver.ack(old)
    publish(mosquitto.url, numbers(10, 20))
    assert [message.payload for message in collect(receiver, 10)] == numbers(10, 20)
    assert (receiver.stale_acks, receiver.reconnects) == (10, 1)


def test_messages_of_qos_0_beyond_the_bound_are_dropped_and_counted(mosquitto, receive):
    receiver = receive(Broker.of(mosquitto.url), (("plant/#", 0),), queue_messages=50)
    until(lambda: receiver.connected, "connected")
    publish(mosquitto.url, numbers(0, 200))
    until(lambda: receiver.received == 200, "all arrived")
    assert len(collect(receiver, 50)) == 50
    assert receiver.dropped == 150


def test_publishing_without_a_broker_is_one_clear_error():
    with (
        pytest.raises(PublishError, match=r"no broker at 127\.0\.0\.1:1: connection refused"),
        Publisher(Broker.of("mqtt://127.0.0.1:1")),
    ):
        pass


# paho drops the socket of a failed handshake without closing it.
@pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_mutual_tls_lets_us_in_and_a_wrong_authority_is_a_clear_warning(tmp_path, receive, caplog):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("broker", "us"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                "-out", f"{name}.csr")  # fmt: skip
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "1", "-extfile", "names", "-out", f"{name}.pem")  # fmt: skip
    files = "\n".join(
        f"{key} {tmp_path / name}"
        for key, name in (("cafile", "ca.pem"), ("certfile", "broker.pem"), ("keyfile", "broker.key"))
    )
    broker = Mosquitto(tmp_path / "tls", listener=f"{files}\nrequire_certificate true\nallow_anonymous true")
    broker.start()
    url = f"mqtts://127.0.0.1:{broker.port}"
    own = {"cert": str(tmp_path / "us.pem"), "key": str(tmp_path / "us.key")}
    receiver = receive(Broker.of(url, ca=str(tmp_path / "ca.pem"), **own))
    until(lambda: receiver.connected, "connected")
    stranger = receive(Broker.of(url, ca=str(tmp_path / "other.pem"), client_id="stranger", **own))
    until(lambda: "TLS" in caplog.text, "a warning")
    assert not stranger.connected
    broker.stop()


def test_the_embedded_broker_carries_messages_both_ways(receive):
    embedded = EmbeddedBroker(port=0)
    port = embedded.start()
    url = f"mqtt://127.0.0.1:{port}"
    receiver = receive(Broker.of(url, protocol=4))
    until(lambda: receiver.connected, "connected")
    publish(url, numbers(0, 100))
    messages = collect(receiver, 100)
    receiver.ack(messages)
    assert [message.payload for message in messages] == numbers(0, 100)
    receiver.stop()
    embedded.stop()


def test_the_embedded_broker_keeps_our_status_too(receive):
    embedded = EmbeddedBroker(port=0)
    url = f"mqtt://127.0.0.1:{embedded.start()}"
    status = Status("spikewatch/status", b"online", b"offline")
    first = receive(Broker.of(url, protocol=4), status=status)
    until(lambda: first.connected, "connected")
    witness = receive(Broker.of(url, protocol=4, client_id="witness"), (("spikewatch/status", 1),))
    assert [message.payload for message in collect(witness, 1)] == [b"online"]
    first.stop()
    assert [message.payload for message in collect(witness, 1)] == [b"offline"]
    witness.stop()
    embedded.stop()


def test_messages_that_arrive_after_the_clock_was_set_back_are_later_than_those_before(mosquitto, receive, caplog):
    future = time.time_ns() + 86_400_000_000_000
    receiver = receive(Broker.of(mosquitto.url), arrived_ns=future)
    until(lambda: receiver.connected, "connected")
    publish(mosquitto.url, numbers(0, 100))
    arrived = [message.received_ns for message in collect(receiver, 100)]
    assert arrived == sorted(set(arrived))
    assert future < arrived[0] < future + 60_000_000_000
    until(lambda: "clock.back by=86" in caplog.text, "a warning")
    assert caplog.text.count("clock.back") == 1


@pytest.mark.parametrize(
    "url", ["http://broker", "broker:1883", "mqtt://", "mqtt://broker:0", "mqtt://broker:hunter2"]
)
def test_a_url_that_is_no_broker_is_refused(url):
    with pytest.raises(ValueError, match=r"is not a URL of the kind that is needed \(mqtt://host or mqtts") as caught:
        Broker.of(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["mqtt://me:hunter2@broker", "mqtts://broker?p=hunter2", "mqtt://me:hun/hunter2@broker"]
)
def test_a_url_that_may_hold_a_password_is_refused_without_being_shown(url):
    with pytest.raises(ValueError, match=r"mqtt.username and mqtt.password of a configuration") as caught:
        Broker.of(url)
    assert "hunter2" not in str(caught.value)


def test_a_certificate_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "ca.pem")
    with pytest.raises(PublishError, match=r"mqtt\.tls: .*not a regular file"):
        Publisher(Broker.of("mqtts://broker", ca=str(tmp_path / "ca.pem")))


def packet(topic, payload, mid, qos, retained=False):
    head = len(topic).to_bytes(2, "big") + topic.encode() + (mid.to_bytes(2, "big") if qos else b"") + b"\x00"
    left, length = len(head + payload), b""
    while left > 127:
        length, left = length + bytes([left & 127 | 128]), left >> 7
    return bytes([0x30 | qos << 1 | retained]) + length + bytes([left]) + head + payload


def cut(stream, piece, **options):
    """What a client takes from a stream that arrives in pieces."""
    client = Broker("127.0.0.1", 1).client(clean=True, manual_ack=True, **options)
    ours, theirs = socket.socketpair()
    taken = []
    with ours, theirs:
        ours.setblocking(False)
        client._sock = ours
        for begin in range(0, len(stream), piece):
            theirs.sendall(stream[begin : begin + piece])
            client.read(lambda *message: taken.append(message))
        client._sock = None
    assert not client.gathered
    assert client.at == len(client.held)
    return taken


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 60_000])
def test_packets_are_cut_from_the_stream_wherever_it_is_split(piece):
    sent = [("a/b", b"x" * size, 1 + n, n % 2, n > 3) for n, size in enumerate((0, 1, 100, 128, 20_000, 3))]
    stream = b"".join(packet(*message) for message in sent)
    taken = cut(stream, piece)
    assert taken == [
        (topic, payload, mid if qos else 0, qos, False, 0, retained) for topic, payload, mid, qos, retained in sent
    ]


@pytest.mark.parametrize("piece", [1, 3, 1000, 60_000])
@pytest.mark.parametrize("qos", [0, 1])
def test_a_packet_that_is_too_long_is_told_without_its_payload_wherever_the_stream_is_split(piece, qos):
    sizes = (5, 2_001, 0, 50_000, 2_000, 120_000, 120_000, 7)
    sent = [("a/b", b"x" * size, 1 + n, qos) for n, size in enumerate(sizes)]
    taken = cut(b"".join(packet(*message) for message in sent), piece, most_bytes=2_006 + 2 * qos)
    assert taken == [
        (topic, payload if len(payload) <= 2_000 else b"", mid if qos else 0, qos, False,
         0 if len(payload) <= 2_000 else len(payload) + 1, False)
        for topic, payload, mid, qos in sent
    ]  # fmt: skip


def resident():
    """Bytes of memory that this process has in use."""
    return psutil.Process().memory_info().rss


def test_a_message_of_200_megabytes_costs_next_to_no_memory_and_the_next_is_received(mosquitto, receive):
    receiver = receive(Broker.of(mosquitto.url), message_bytes=1_048_576)
    until(lambda: receiver.connected, "connected")
    (mosquitto.folder / "huge").write_bytes(b"1" * 200_000_000)
    before = resident()
    command = ["mosquitto_pub", "-p", str(mosquitto.port), "-q", "1", "-t", "plant/m/s"]
    huge = subprocess.Popen([*command, "-f", str(mosquitto.folder / "huge")])
    highest = before
    while receiver.received < 1:
        highest = max(highest, resident())
    assert huge.wait(30) == 0
    subprocess.run([*command, "-m", "21.5"], check=True)
    messages = collect(receiver, 2)
    assert [(message.payload, message.skipped) for message in messages] == [(b"", 200_000_001), (b"21.5", 0)]
    receiver.ack(messages)
    assert highest - before < 5_000_000


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_flood_that_nobody_takes_stays_within_the_bound_and_loses_nothing_of_qos_1(mosquitto, receive, protocol):
    limit = 2_000_000
    broker = Broker.of(mosquitto.url, protocol=protocol, receive_maximum=65_535)
    receiver = receive(broker, queue_bytes=limit, queue_messages=100_000)
    until(lambda: receiver.connected, "connected")
    payloads = [b"%d " % number + b"x" * 2_000 for number in range(10_000)]
    publish(mosquitto.url, payloads)
    until(lambda: receiver.paused == 1, "the receiver pauses")
    messages = []
    while len(messages) < len(payloads):
        assert receiver.counters()["queue_bytes"] <= limit + 65_536 * 1.2
        messages += (part := collect(receiver, 1))
        receiver.ack(part)
    assert [message.payload for message in messages] == payloads
    assert receiver.reconnects == 0
    assert receiver.dropped == 0


def test_too_many_messages_of_qos_1_pause_reading_too_and_those_of_qos_0_do_not(mosquitto, receive):
    broker = Broker.of(mosquitto.url, protocol=4)
    receiver = receive(broker, queue_messages=100)
    until(lambda: receiver.connected, "connected")
    publish(mosquitto.url, numbers(0, 50_000))
    until(lambda: receiver.paused, "the receiver pauses")
    assert receiver.counters()["queue"] < 20_000
    messages = []
    while len(messages) < 50_000:
        messages += (part := collect(receiver, 1))
        receiver.ack(part)
    assert [message.payload for message in messages] == numbers(0, 50_000)


def test_a_receiver_that_pauses_for_longer_than_the_keepalive_stays_connected(mosquitto, receive, monkeypatch):
    monkeypatch.setattr("pipeline.mqtt.receiver.KEEPALIVE_S", 1)
    receiver = receive(Broker.of(mosquitto.url, protocol=4), queue_messages=10)
    pings = []
    monkeypatch.setattr("pipeline.mqtt.BulkClient.ping", lambda self, ping=BulkClient.ping: pings.append(ping(self)))
    until(lambda: receiver.connected, "connected")
    publish(mosquitto.url, numbers(0, 20_000))
    until(lambda: receiver.paused, "the receiver pauses")
    pings.clear()
    until(lambda: len(pings) == 8, "four times the keepalive has passed")
    assert [message.payload for message in collect(receiver, 20_000)] == numbers(0, 20_000)
    assert receiver.reconnects == 0


def test_a_receiver_that_pauses_comes_back_to_a_broker_that_was_restarted(tmp_path, receive, monkeypatch):
    monkeypatch.setattr("pipeline.mqtt.receiver.KEEPALIVE_S", 1)
    monkeypatch.setattr("pipeline.mqtt.receiver.FIRST_RETRY_S", 0.05)
    mosquitto = Mosquitto(tmp_path, persistence=True)
    mosquitto.start()
    receiver = receive(Broker.of(mosquitto.url, protocol=4), queue_messages=10)
    until(lambda: receiver.connected, "connected")
    publish(mosquitto.url, numbers(0, 20_000))
    until(lambda: receiver.paused, "the receiver pauses")
    mosquitto.stop()
    mosquitto.start()
    until(lambda: receiver.reconnects, "connected again, with a full queue")
    payloads = []
    while not payloads or payloads[-1] != b"19999":
        part = collect(receiver, 1)
        receiver.ack(part)
        payloads += [message.payload for message in part]
    assert set(payloads) == set(numbers(0, 20_000))
    mosquitto.stop()


def test_a_broker_that_falls_silent_is_left(mosquitto, receive, monkeypatch, caplog):
    monkeypatch.setattr("pipeline.mqtt.receiver.KEEPALIVE_S", 1)
    receiver = receive(Broker.of(mosquitto.url))
    until(lambda: receiver.connected, "connected")
    mosquitto.process.send_signal(signal.SIGSTOP)
    until(lambda: not receiver.connected, "the connection is given up")
    mosquitto.process.send_signal(signal.SIGCONT)
    until(lambda: receiver.connected, "connected again")
    assert 'reason="no answer"' in caplog.text


def test_what_could_not_be_handed_over_while_the_broker_was_away_is_not_waited_for(mosquitto):
    with Publisher(Broker.of(mosquitto.url, client_id="tester", protocol=4), window=3) as publisher:
        mosquitto.stop()
        until(lambda: not publisher._up.is_set(), "the broker's going is noticed")
        for _ in range(5):
            with pytest.raises(PublishError, match="was lost while publishing"):
                publisher.publish("plant/m/s", b"1")
        mosquitto.start()
        until(publisher._up.is_set, "connected again")
        publisher.publish("plant/m/s", b"2")
        publisher.drain(timeout_s=10.0)


def test_what_is_published_at_qos_0_takes_no_place_of_what_waits_for_a_word(mosquitto, receive):
    heard = receive(Broker.of(mosquitto.url, client_id="hears"), [("asked/#", 1)])
    receiver = receive(Broker.of(mosquitto.url, client_id="asks"))
    assert heard.wait_subscribed(10)
    assert receiver.wait_subscribed(10)
    for number in range(100):
        receiver.publish(Announcement("asked/node", b"%d" % number, retain=False, qos=0))
    receiver.publish(Announcement("asked/node", b"100", retain=False))
    messages = collect(heard, 101)
    assert [int(message.payload) for message in messages] == list(range(101))
    assert [message.qos for message in messages] == [0] * 100 + [1]
