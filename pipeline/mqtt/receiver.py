"""Receiving: bounded, acknowledged after commit, and back again whatever becomes of the connection."""

import logging
import random
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from pipeline.mqtt.arrival import SECOND_NS, Arrivals
from pipeline.mqtt.broker import KEEPALIVE_S, Broker
from pipeline.mqtt.client import PUBACK, BulkClient, reason_of
from pipeline.mqtt.outgoing import Outgoing
from pipeline.records import Announcement, Message

log = logging.getLogger("spikewatch.mqtt")

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 30.0
TAKEN_OVER_RETRY_S = 60.0  # at most, while another client fights us for our name
SUSPICIOUS = 5  # connections in a row that ended within that time, without a reason, and could be had again at once
STEADY_S = 2.0  # a connection that lasted so long was one: the next is tried soon, and complaints begin anew
TAKEN_OVER = 0x8E  # reason of a DISCONNECT
MESSAGE_BYTES = 1_048_576
QUEUE_BYTES = 64 * 1_048_576
HEAD_BYTES = 131_072  # beyond the payload's limit: a topic (65,535 at most) and as much again for properties
COST_BYTES = 300  # of a message in memory, beside its topic and payload; measured


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
        self._outgoing = Outgoing()
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
        self.since_ns = time.time_ns()  # Unix time since when it is connected, or is not
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

    def publish(self, announcement: Announcement) -> None:
        """Publish, now or on the next connection; what is retained is said again on every one."""
        self._outgoing.put(announcement)
        self._wake()

    def counters(self) -> dict[str, int]:
        """What happened so far, by name."""
        return {
            "announcements_dropped": self._outgoing.dropped,
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
            note = "another client seems to use this mqtt.client_id; give each its own"
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
            client.on_publish = lambda client, data, mid, *_: self._outgoing.confirmed(mid)
            if self._status is not None:
                client.will_set(self._status.topic, self._status.offline, 1, True)
            broker.connect(client, clean=False)
        except (OSError, ValueError) as error:
            self._lost = 0
            self._away(reason_of(error))
            return 0.0
        self._loop(client)
        self._set_connected(False)
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
            if self.connected:
                self._outgoing.send(client)
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

    def _set_connected(self, connected: bool) -> None:
        if connected != self.connected:
            self.since_ns = time.time_ns()
        self.connected = connected

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
                    'mqtt.session_lost note="the broker has lost our session and its messages; check its persistence"'
                )
        if not flags.session_present:
            self._session += 1
        self._connection += 1
        self._connected_at = time.monotonic()
        self._set_connected(True)
        if self._status is not None:
            client.publish(self._status.topic, self._status.online, 1, True)
        self._outgoing.connected()
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
                log.error('mqtt.topic_refused topic=%s reason="%s" note="it will not be received"', topic, reason)
        self._subscribed.set()

    def _on_disconnect(
        self, client: Client, data: object, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._set_connected(False)
        if not self._refusal and flags.is_disconnect_packet_from_server:
            self._taken_over = reason.value == TAKEN_OVER
            self._refusal = f"closed by the broker: {reason}"

    def _watch_clock(self) -> None:
        """Say once that the clock was set back."""
        if not self._clock_back and self._arrivals.ahead_ns > SECOND_NS:
            self._clock_back = True
            note = "arrival times go on, a little slower, until the clock has caught up"
            log.warning('clock.back by=%.0fs note="%s"', self._arrivals.ahead_ns / SECOND_NS, note)
        elif self._clock_back and self._arrivals.ahead_ns < SECOND_NS // 10:
            self._clock_back = False
            log.info("clock.caught_up")

    def _has_room(self) -> bool:
        """Whether half of the queue is free."""
        held_bytes = self._came_bytes - self._gone_bytes
        return 2 * len(self._queue) <= self._limit and 2 * held_bytes <= self._limit_bytes

    def _take(self, topic: str, payload: bytes, mid: int, qos: int, dup: bool, skipped: int, retained: bool) -> None:
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
        connection, session = self._connection, self._session
        self._queue.append(Message(topic, payload, now_ns, mid, qos, connection, session, dup, skipped, retained))
