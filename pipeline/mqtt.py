"""The only file that speaks MQTT: receiving with acknowledgement after commit, and publishing recordings.

What the receiver promises: a QoS 1 message is acknowledged only by `ack`, in order of arrival, and only on the
connection it came on; everything else the broker sends again. The session outlives us (`clean_start` off, an expiry
of days), so nothing is lost while we are away. The unacknowledged window is the back-pressure.
"""

import logging
import os
import queue
import random
import select
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from pipeline.arrival import SECOND_NS, Arrivals
from pipeline.records import Message

log = logging.getLogger("spikewatch.mqtt")

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 30.0
TAKEN_OVER_RETRY_S = 60.0  # at most, while another client fights us for our name
SUSPICIOUS = 5  # connections in a row that ended within that time, without a reason, and could be had again at once
STEADY_S = 2.0  # a connection that lasted so long was one: the next is tried soon, and complaints begin anew
KEEPALIVE_S = 30
READ_BYTES = 65_536
PUBLISH, PUBACK, PINGREQ = 0x30, 0x40, 0xC0
ANSWER_S, VERSION_S = 10.0, 2.0  # how long a greeting waits
TAKEN_OVER = 0x8E  # reason of a DISCONNECT
LONGEST_BODY = 268_435_455  # of a packet, by the protocol
MESSAGE_BYTES = 1_048_576
QUEUE_BYTES = 64 * 1_048_576
HEAD_BYTES = 131_072  # beyond the payload's limit: a topic (65,535 at most) and as much again for properties
COST_BYTES = 300  # of a message in memory, beside its topic and payload; measured

Take = Callable[[str, bytes, int, int, bool, int], None]  # topic, payload, mid, qos, dup, bytes that were skipped


class PublishError(Exception):
    """The broker could not be reached, or went away before it had taken everything."""


class BulkClient(Client):
    """paho's client, with the two things that happen for every message done in bulk.

    paho asks the system for one byte, one byte and the rest of every packet, gives up the interpreter lock each time,
    and sends every acknowledgement by itself: nearly all of a busy receiver's time. Here whole PUBLISH packets are
    cut from a buffer, and every other packet goes to paho. Nothing else touches what paho does not call public.
    """

    def __init__(self, *arguments: Any, most_bytes: int = LONGEST_BODY, **options: Any) -> None:
        """A PUBLISH packet whose body is longer than `most_bytes` is not gathered: skipped as it streams."""
        super().__init__(*arguments, **options)
        self.held = b""  # received, not yet looked at from `at` on
        self.at = 0
        self.gathered = bytearray()  # more of a packet that begins in `held`
        self.wanted = 0  # bytes of that packet, or of the one being skipped, that are still on their way
        self.skipped: tuple[str, bytes, int, int, bool, int] | None = None  # the one being skipped, for `Take`
        self.most_bytes = most_bytes
        self.broken = ""  # why the connection could not be read

    @property
    def pending(self) -> bool:
        """Whether TLS has decrypted data that the socket does not show as readable any more."""
        sock = self.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def _sock_recv(self, bufsize: int) -> bytes:
        """What paho reads from: the buffer first."""
        if self.at >= len(self.held):
            return super()._sock_recv(bufsize)
        piece = self.held[self.at : self.at + bufsize]
        self.at += len(piece)
        return piece

    def read(self, take: Take) -> None:
        """Read what is there; `take` gets every PUBLISH packet that has ended."""
        try:
            more = super()._sock_recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            more = b""
            self.broken = reason_of(error)
        if not more:
            self.held, self.at = b"", 0
            self.loop_read()  # the connection is closed or broken: paho notices the same, and says so
            return
        if len(more) < self.wanted:
            self.wanted -= len(more)
            if self.skipped is None:
                self.gathered += more
            return
        if self.skipped is None:
            self.held = b"".join([self.held[self.at :], self.gathered, more])
            self.gathered.clear()
        else:
            take(*self.skipped)
            self.skipped = None
            self.held = more[self.wanted :]
        self.at = self.wanted = 0
        self._cut(take)

    def _cut(self, take: Take) -> None:
        """Cut the packets that are whole from what is held."""
        while self.at < len(self.held):
            if self._in_packet["command"] == 0 and self.held[self.at] & 0xF0 == PUBLISH:
                length, body = variable(self.held, self.at + 1)
                end = body + length
                if body and length > self.most_bytes:
                    if self._skip_publish(body, end, take):
                        continue
                    return
                if body and len(self.held) >= end:
                    self._cut_publish(body, end, take)
                    continue
                if body or len(self.held) < self.at + 5:
                    self.wanted = max(end - len(self.held), 0)  # the rest of it is still on its way
                    return
            # Any other packet, or a length that cannot be: paho knows what to do.
            if self.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or self.socket() is None:
                return

    def _skip_publish(self, body: int, end: int, take: Take) -> bool:
        """Keep topic and id of the packet at the head of the buffer; whether all of it was there."""
        held = self.held
        flags = held[self.at]
        qos = flags >> 1 & 3
        begin = body + 2 + (held[body] << 8 | held[body + 1]) if len(held) >= body + 2 else end
        mid_end = begin + (2 if qos else 0)
        if len(held) < mid_end:
            return False
        mid = held[begin] << 8 | held[begin + 1] if qos else 0
        topic = held[body + 2 : begin].decode("utf-8", "replace")
        self.skipped = (topic, b"", mid, qos, bool(flags & 8), end - mid_end)
        if len(held) < end:
            self.wanted = end - len(held)
            self.held, self.at = b"", 0
            return False
        self.at = end
        take(*self.skipped)
        self.skipped = None
        return True

    def _cut_publish(self, body: int, end: int, take: Take) -> None:
        """Take the PUBLISH packet at the head of the buffer (MQTT 5, section 3.3), whose body is `held[body:end]`."""
        held = self.held
        flags = held[self.at]
        qos = flags >> 1 & 3
        begin = body + 2 + (held[body] << 8 | held[body + 1])
        topic = held[body + 2 : begin]
        mid = 0
        if qos:
            mid = held[begin] << 8 | held[begin + 1]
            begin += 2
        if self.protocol == MQTTProtocolVersion.MQTTv5:
            properties, begin = variable(held, begin)
            begin += properties
        self.at = end
        take(topic.decode("utf-8", "replace"), held[begin:end], mid, qos, bool(flags & 8), 0)

    def ack_all(self, packets: bytes) -> None:
        """Send ready-made PUBACK packets, joined."""
        self._packet_queue(PUBACK, packets, 0, 1)

    def ping(self) -> None:
        """Say that we are there. paho's own pings end a connection whose answer waits behind what we do not read."""
        self._packet_queue(PINGREQ, bytes([PINGREQ, 0]), 0, 0)

    def hang_up(self) -> None:
        """End the connection without a word; the next read finds it ended."""
        sock = self.socket()
        if isinstance(sock, socket.socket):
            sock.shutdown(socket.SHUT_RDWR)


def variable(data: bytes, at: int) -> tuple[int, int]:
    """MQTT's variable byte integer, and where what follows it begins; (0, 0) if it is not whole."""
    value, shift = 0, 0
    for place in range(at, min(at + 4, len(data))):
        value |= (data[place] & 127) << shift
        if data[place] < 128:
            return value, place + 1
        shift += 7
    return 0, 0


class Broker(NamedTuple):
    """How to reach a broker, secrets resolved."""

    host: str
    port: int
    tls: bool = False
    ca: str | None = None  # PEM files
    cert: str | None = None
    key: str | None = None
    username: str | None = None
    password: str | None = None
    client_id: str = "spikewatch"
    session_expiry_s: int = 7 * 86400
    receive_maximum: int = 2000
    protocol: int = 5  # 4 is MQTT 3.1.1

    def __repr__(self) -> str:
        """Without the password."""
        return f"Broker({self.host}:{self.port})"

    @classmethod
    def of(cls, url: str, **others: Any) -> "Broker":
        """From `mqtt://host[:port]` or `mqtts://host[:port]`; raises ValueError for anything else."""
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError(f"{url}: not mqtt://host:port or mqtts://host:port")
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname, parts.port or (8883 if tls else 1883), tls, **others)

    def client(self, *, clean: bool, manual_ack: bool, most_bytes: int = LONGEST_BODY) -> BulkClient:
        """A client that is not connected yet; raises OSError where a certificate cannot be read."""
        five = self.protocol == 5
        client = BulkClient(
            CallbackAPIVersion.VERSION2,
            self.client_id,
            clean_session=None if five else clean,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            manual_ack=manual_ack,
            most_bytes=most_bytes,
        )
        if self.username is not None:
            client.username_pw_set(self.username, self.password)
        if self.tls:
            client.tls_set(self.ca, self.cert, self.key)
        return client

    def connect(self, client: Client, *, clean: bool) -> None:
        """Open the connection; raises OSError with the reason."""
        if self.protocol != 5:
            client.connect(self.host, self.port, KEEPALIVE_S)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if clean else self.session_expiry_s
        properties.ReceiveMaximum = self.receive_maximum
        client.connect(self.host, self.port, KEEPALIVE_S, clean_start=clean, properties=properties)


class Status(NamedTuple):
    """What a retained topic says of us; the broker says `offline` where we no longer can (last will)."""

    topic: str
    online: bytes
    offline: bytes


class Receiver:
    """Messages of some topics, in a thread of its own; `take` and `ack` are for one other thread.

    What was received and is not yet dealt with is bounded in messages and in bytes (beyond them: what one read
    brings). Full, messages of QoS 0 are dropped, counted; one of QoS 1 ends reading until half is free again, so that
    the network holds back the broker. A message larger than `message_bytes` comes without its payload.
    """

    def __init__(
        self,
        broker: Broker | Callable[[], Broker],
        topics: Sequence[tuple[str, int]],
        queue_messages: int = 20_000,
        queue_bytes: int = QUEUE_BYTES,
        message_bytes: int = MESSAGE_BYTES,
        status: Status | None = None,
        arrived_ns: int = 0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`topics`: filters with their QoS.

        `broker` may be a function: it is asked at every attempt, so that a password that was changed is used without
        a restart, and raises ValueError with the reason where it cannot say. Certificates are read at every attempt.
        `arrived_ns` is the newest time of arrival of an earlier life.
        """
        self._broker_now = broker if callable(broker) else lambda: broker
        self._broker: Broker | None = None  # the one of the newest attempt
        self._status = status
        self._arrivals = Arrivals(arrived_ns)
        self._clock_back = False
        self._jitter = jitter
        self._topics = list(topics)
        self._limit = queue_messages
        self._limit_bytes = queue_bytes
        self._most_bytes = message_bytes + HEAD_BYTES
        self._came_bytes = 0  # written by the receiving thread
        self._gone_bytes = 0  # written by the other: of messages that are dealt with
        self._out_bytes = 0  # of the batch that is being dealt with
        self._full = False  # nothing is read
        self._queue: deque[Message] = deque()
        self._arrived = threading.Event()
        self._acks: deque[tuple[int, bytes]] = deque()  # connection, joined PUBACK packets
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._stop = threading.Event()
        self._subscribed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._connection = 0
        self._session = 0  # how often the broker did not know us
        self._refusal = ""
        self._connected_at = 0.0  # by the monotonic clock; 0 while this attempt has not come about
        self._complaints: set[str] = set()  # since the last steady connection
        self._taken_over = False
        self._lost = 0  # connections, in a row, that ended soon and without a reason
        self._retry_s = FIRST_RETRY_S
        self.connected = False
        self.received = 0
        self.dropped = 0
        self.reconnects = 0
        self.stale_acks = 0
        self.sessions_lost = 0
        self.paused = 0

    def start(self) -> None:
        """Begin to connect, and go on trying."""
        self._thread.start()

    def wait_subscribed(self, timeout_s: float) -> bool:
        """Wait until the broker has answered to the first subscription; whether it has."""
        return self._subscribed.wait(timeout_s)

    def stop(self) -> None:
        """Disconnect; what was not acknowledged stays with the broker."""
        self._stop.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout=10.0)
        self._wake_in.close()
        self._wake_out.close()

    def take(self, max_messages: int, timeout_s: float) -> list[Message]:
        """Up to `max_messages` in order of arrival; waits at most `timeout_s` for the first.

        Those of the call before count as dealt with.
        """
        self._gone_bytes += self._out_bytes
        self._out_bytes = 0
        if self._full:
            self._wake()
        if not self._queue:
            self._arrived.clear()
            if not self._queue:  # nothing came between the look and the clearing
                self._arrived.wait(timeout_s)
        pop = self._queue.popleft
        messages = [pop() for _ in range(min(len(self._queue), max_messages))]
        self._out_bytes = sum([len(message.payload) + len(message.topic) for message in messages])
        self._out_bytes += COST_BYTES * len(messages)
        return messages

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages, in order of arrival, whose effects are on disk."""
        current = self._connection
        mids = [message.mid for message in messages if message.qos and message.connection == current]
        self.stale_acks += sum(1 for message in messages if message.qos) - len(mids)
        if mids:
            self._acks.append((current, b"".join([struct.pack("!BBH", PUBACK, 2, mid) for mid in mids])))
            self._wake()

    def counters(self) -> dict[str, int]:
        """What happened so far, by name."""
        return {
            "received": self.received,
            "dropped_qos0": self.dropped,
            "reconnects": self.reconnects,
            "stale_acks": self.stale_acks,
            "sessions_lost": self.sessions_lost,
            "queue": len(self._queue),
            "queue_bytes": self._came_bytes - self._gone_bytes,
            "paused": self.paused,
        }

    def _wake(self) -> None:
        try:
            self._wake_in.send(b"w")
        except (BlockingIOError, OSError):
            return  # the pipe is full of wake-ups already, or closed

    def _run(self) -> None:
        while not self._stop.is_set():
            lasted_s = self._serve()
            if lasted_s >= (TAKEN_OVER_RETRY_S if self._taken_over else STEADY_S):
                self._retry_s = FIRST_RETRY_S
                self._complaints.clear()
            # Many services that lost one broker must not come back at one moment.
            if self._stop.wait(self._retry_s * (0.5 + 0.5 * self._jitter())):
                return
            self._retry_s = min(2.0 * self._retry_s, TAKEN_OVER_RETRY_S if self._taken_over else LONGEST_RETRY_S)

    def _away(self, reason: str) -> None:
        """One warning per cause, not one per attempt."""
        if reason in self._complaints:
            return
        self._complaints.add(reason)
        where = "" if self._broker is None else f" host={self._broker.host} port={self._broker.port}"
        if self._taken_over and self._broker is not None:
            note = "does another client use this mqtt.client_id? give each its own"
            log.error(
                'mqtt.taken_over%s client_id=%s reason="%s" note="%s"', where, self._broker.client_id, reason, note
            )
        else:
            log.warning('mqtt.away%s reason="%s" note="trying again"', where, reason)

    def _serve(self) -> float:
        """One connection, from connect to its end; how many seconds it lasted, 0 if it never came about."""
        self._refusal = ""
        self._taken_over = False
        self._connected_at = 0.0
        try:
            self._broker = broker = self._broker_now()
            client = broker.client(clean=False, manual_ack=True, most_bytes=self._most_bytes)
            client.on_connect = self._on_connect
            client.on_disconnect = self._on_disconnect
            client.on_subscribe = self._on_subscribe
            if self._status is not None:
                client.will_set(self._status.topic, self._status.offline, 1, True)
            broker.connect(client, clean=False)
        except (OSError, ValueError) as error:
            self._lost = 0
            self._away(reason_of(error))
            return 0.0
        self._loop(client)
        self.connected = False
        lasted_s = time.monotonic() - self._connected_at if self._connected_at else 0.0
        self._lost = self._lost + 1 if 0.0 < lasted_s < TAKEN_OVER_RETRY_S and not self._refusal else 0
        if self._lost >= SUSPICIOUS:  # MQTT 3.1.1 and Mosquitto 2.0 say nothing to the one who is pushed out
            self._taken_over = True
            self._refusal = "lost at once, again and again"
        if not self._stop.is_set():
            self._away(self._refusal or client.broken or "connection lost")
        return lasted_s

    def _loop(self, client: BulkClient) -> None:
        heard = time.monotonic()
        ping_due = heard + KEEPALIVE_S / 2
        while client.socket() is not None:
            if self._stop.is_set():
                self._leave(client)
                return
            sock = client.socket()
            if sock is None:
                break
            writers = [sock] if client.want_write() else []
            self._full = self._full and not self._has_room()
            paused = self._full and self.connected  # the answer to CONNECT is not waited for behind a full queue
            readers = [self._wake_out] if paused else [self._wake_out, sock]
            wait_s = min(1.0, KEEPALIVE_S / 4)
            try:
                pending = client.pending and not paused
                readable, _, _ = select.select(readers, writers, [], 0.0 if pending else wait_s)
            except (OSError, ValueError):
                break
            if self._wake_out in readable:
                self._wake_out.recv(4096)
            if sock in readable or pending:
                self._arrivals.tick(time.time_ns(), time.monotonic_ns())
                client.read(self._take)
                self._arrived.set()
                self._watch_clock()
                heard = time.monotonic()
            while self._acks:
                connection, packets = self._acks.popleft()
                if connection == self._connection and self.connected:
                    client.ack_all(packets)
                else:
                    self.stale_acks += len(packets) // 4
            if client.want_write():
                client.loop_write()
            now = time.monotonic()
            if paused:
                heard = now
            if now >= ping_due and self.connected:
                client.ping()
                ping_due = now + KEEPALIVE_S / 2
            if now >= heard + 1.5 * KEEPALIVE_S:
                self._refusal = "no answer"
                client.hang_up()
                heard = now

    def _leave(self, client: BulkClient) -> None:
        """Say goodbye in order, so that the broker does not say it for us; within a second."""
        deadline = time.monotonic() + 1.0
        if self._status is not None and self.connected:
            said = client.publish(self._status.topic, self._status.offline, 1, True)
            while not said.is_published() and client.socket() is not None and time.monotonic() < deadline:
                self._wait(client)
                client.read(lambda *_: None)  # comes again: it is not acknowledged
                client.loop_write()
        client.disconnect()
        while client.want_write() and client.socket() is not None and time.monotonic() < deadline:
            self._wait(client)
            client.loop_write()

    def _wait(self, client: BulkClient) -> None:
        """A tenth of a second at most, for the socket."""
        sock = client.socket()
        if sock is not None and not client.pending:
            select.select([sock], [sock] if client.want_write() else [], [], 0.1)

    def _on_connect(
        self, client: Client, data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refusal = f"refused by the broker: {reason}"
            return
        if self._connection:
            self.reconnects += 1
            if not flags.session_present:
                self.sessions_lost += 1
                log.warning(
                    'mqtt.session_lost note="the broker has forgotten what it held for us; see its persistence"'
                )
        if not flags.session_present:
            self._session += 1
        self._connection += 1
        self._connected_at = time.monotonic()
        self.connected = True
        if self._status is not None:
            client.publish(self._status.topic, self._status.online, 1, True)
        log.info("mqtt.connected host=%s port=%d session_present=%s", client.host, client.port, flags.session_present)
        if client.protocol == MQTTProtocolVersion.MQTTv5:
            # What is retained is sent when we first subscribe and not again on every connection.
            options = [(topic, SubscribeOptions(qos=qos, retainHandling=1)) for topic, qos in self._topics]
            client.subscribe(options)
        else:
            client.subscribe(self._topics)

    def _on_subscribe(
        self, client: Client, data: object, mid: int, reasons: Sequence[ReasonCode], properties: Properties | None
    ) -> None:
        for (topic, _), reason in zip(self._topics, reasons, strict=False):
            if reason.is_failure:
                log.error('mqtt.topic_refused topic=%s reason="%s" note="nothing of it will come in"', topic, reason)
        self._subscribed.set()

    def _on_disconnect(
        self, client: Client, data: object, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self.connected = False
        if not self._refusal and flags.is_disconnect_packet_from_server:
            self._taken_over = reason.value == TAKEN_OVER
            self._refusal = f"closed by the broker: {reason}"

    def _watch_clock(self) -> None:
        """Say once that the clock was set back."""
        if not self._clock_back and self._arrivals.ahead_ns > SECOND_NS:
            self._clock_back = True
            note = "arrival times run on, a little slower, until it has caught up"
            log.warning('clock.back by=%.0fs note="%s"', self._arrivals.ahead_ns / SECOND_NS, note)
        elif self._clock_back and self._arrivals.ahead_ns < SECOND_NS // 10:
            self._clock_back = False
            log.info("clock.caught_up")

    def _has_room(self) -> bool:
        """Whether half of the queue is free."""
        held_bytes = self._came_bytes - self._gone_bytes
        return 2 * len(self._queue) <= self._limit and 2 * held_bytes <= self._limit_bytes

    def _take(self, topic: str, payload: bytes, mid: int, qos: int, dup: bool, skipped: int) -> None:
        self.received += 1
        cost = len(payload) + len(topic) + COST_BYTES
        if len(self._queue) >= self._limit or self._came_bytes + cost - self._gone_bytes > self._limit_bytes:
            if qos == 0:
                if self.dropped == 0:
                    log.warning("mqtt.dropped limit=%d policy=drop_newest_qos0", self._limit)
                self.dropped += 1
                return
            if not self._full:
                if self.paused == 0:
                    log.warning('mqtt.paused limit=%d limit_bytes=%d note="the broker waits, nothing is lost"',
                                self._limit, self._limit_bytes)  # fmt: skip
                self.paused += 1
                self._full = True
        self._came_bytes += cost
        now_ns = self._arrivals.stamp()
        self._queue.append(Message(topic, payload, now_ns, mid, qos, self._connection, self._session, dup, skipped))


class Publisher:
    """Publishes at QoS 1 with a bounded window; a context manager."""

    def __init__(self, broker: Broker, window: int = 500) -> None:
        self._broker = broker
        self._window = threading.Semaphore(window)
        self._size = window
        self._client = broker.client(clean=True, manual_ack=False)
        self._client.max_inflight_messages_set(window)
        self._client.on_publish = lambda *_: self._window.release()
        self._up = threading.Event()
        self._refusal = ""
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self._up.clear()

    def _on_connect(
        self, client: Client, data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refusal = str(reason)
        else:
            self._up.set()

    def __enter__(self) -> "Publisher":
        """Connect; raises PublishError with the reason."""
        where = f"{self._broker.host}:{self._broker.port}"
        try:
            self._broker.connect(self._client, clean=True)
        except OSError as error:
            raise PublishError(f"no broker at {where}: {reason_of(error)}") from None
        self._client.loop_start()
        if not self._up.wait(10.0):
            self._client.loop_stop()
            raise PublishError(f"the broker at {where} did not let us in: {self._refusal or 'no answer'}")
        return self

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand over one message; waits while the window is full. Raises PublishError if the broker went away."""
        if not self._window.acquire(timeout=30.0) or not self._up.is_set():
            raise PublishError("the broker went away while publishing")
        self._client.publish(topic, payload, qos=1)

    def drain(self, timeout_s: float = 60.0) -> None:
        """Wait until the broker has taken everything; raises PublishError if it does not."""
        deadline = time.monotonic() + timeout_s
        for taken in range(self._size):
            if not self._window.acquire(timeout=max(deadline - time.monotonic(), 0.01)):
                raise PublishError(f"the broker has not confirmed {self._size - taken} messages")
        for _ in range(self._size):
            self._window.release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


class Greeting(NamedTuple):
    """What a broker tells a client that comes in; None where it sets no bound, or speaks MQTT 3.1.1."""

    version: str  # as `$SYS` has it; empty where that is not told
    took_s: float
    receive_maximum: int | None
    session_expiry_s: int | None


def greet(broker: Broker) -> Greeting:
    """Come in as `broker.client_id` with a clean start, which ends an earlier session, listen, and leave.

    Raises OSError with the reason where it does not let us in.
    """
    answers: queue.SimpleQueue[tuple[ReasonCode, Properties | None]] = queue.SimpleQueue()
    versions: queue.SimpleQueue[str] = queue.SimpleQueue()
    client = broker.client(clean=True, manual_ack=False)
    client.on_connect = lambda client, data, flags, reason, properties: answers.put((reason, properties))
    client.on_message = lambda client, data, message: versions.put(message.payload.decode("utf-8", "replace"))
    began = time.monotonic()
    try:
        broker.connect(client, clean=True)
    except (OSError, ValueError) as error:
        raise OSError(reason_of(error)) from None
    client.loop_start()
    try:
        reason, properties = answers.get(timeout=ANSWER_S)
        took_s = time.monotonic() - began
        if reason.is_failure:
            raise OSError(f"refused by the broker: {reason}")
        client.subscribe("$SYS/broker/version")
        try:
            version = versions.get(timeout=VERSION_S)
        except queue.Empty:
            version = ""
    except queue.Empty:
        raise OSError("no answer") from None
    finally:
        client.disconnect()
        client.loop_stop()
    told = {} if properties is None else properties.json()  # type: ignore[no-untyped-call]
    return Greeting(version, took_s, told.get("ReceiveMaximum"), told.get("SessionExpiryInterval"))


def reason_of(error: BaseException) -> str:
    """A failed connection in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        return f"unknown host: {error.strerror}"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return os.strerror(error.errno).lower() if error.errno > 0 else error.strerror
    return str(error) or type(error).__name__
