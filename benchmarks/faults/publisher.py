"""A publisher that numbers its messages and knows of each whether the broker has only taken it or saved it.

Mosquitto acknowledges a message (PUBACK) before it is in its file: what it acknowledged and had not saved dies with
it when it is killed. With `autosave_on_changes true` and `autosave_interval 1` it saves at the end of every turn of
its loop in which something has changed, and it reads one packet of a connection per turn. But a message that goes
straight to a connected subscriber is no change to it, only one that is queued, or acknowledged by the subscriber. A
subscription is one. So after the PUBACKs come the publisher subscribes to something, and when that is acknowledged
sends a PINGREQ: the answer comes from a later turn than the save. Messages acknowledged before are called sure here;
after every lost connection everything that is not sure is published again, in order.
"""

import socket
import threading
import time
from collections.abc import Iterator

CONNACK, PUBACK, SUBACK, PINGRESP = 0x20, 0x40, 0x90, 0xD0
WINDOW = 100  # messages sent that are not sure yet; so many, at most, are published again


class NumberedPublisher(threading.Thread):
    """Publishes messages at QoS 1, in order, over as many connections as it takes; counters are for any thread."""

    def __init__(self, port: int, messages: Iterator[tuple[str, bytes]], per_second: float) -> None:
        super().__init__(name="publisher", daemon=True)
        self._port = port
        self._source = messages
        self._per_second = per_second
        self._begin = 0.0
        self._ending = threading.Event()
        self._given_up = threading.Event()
        self.messages: list[tuple[str, bytes]] = []  # all there are, by number
        self.acknowledged = 0  # messages up to here have had their PUBACK at least once
        self.sure = 0  # messages up to here are in the broker's file
        self.sent = 0  # packets, repeated ones included
        self.connections = 0

    def finish(self, within_s: float = 120.0) -> None:
        """Begin no new message, and wait until all are sure."""
        self._ending.set()
        self.join(within_s)
        assert not self.is_alive(), f"{len(self.messages) - self.sure} messages are not in the broker's file"

    def end(self) -> None:
        """Give up, whatever is not sure."""
        self._given_up.set()
        self.join(10.0)

    def run(self) -> None:
        """Publish until everything is sure."""
        self._begin = time.monotonic()
        while not self._done():
            try:
                with socket.create_connection(("127.0.0.1", self._port), 5.0) as connection:
                    self._serve(connection)
            except OSError:
                time.sleep(0.05)

    def _serve(self, connection: socket.socket) -> None:
        """Publish over one connection, from the first message that is not sure; OSError when it is lost."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(packet(0x10, text("MQTT") + b"\x04\x02\x00\x00" + text("numbered")))
        if connection.recv(4, socket.MSG_WAITALL) != bytes((CONNACK, 2, 0, 0)):
            raise ConnectionError("not let in")
        self.connections += 1
        begin = position = acknowledged = self.sure
        barrier = 0  # messages that were acknowledged when the last subscription was sent; 0: none is under way
        connection.settimeout(0.005)
        received = b""
        while not self._done():
            target = min(self._allowed(), self.sure + WINDOW)
            if position < target:
                packets = [
                    packet(0x32, text(topic) + (number % 65_534 + 1).to_bytes(2, "big") + payload)
                    for number, (topic, payload) in enumerate(self.messages[position:target], position)
                ]
                connection.sendall(b"".join(packets))
                self.sent += len(packets)
                position = target
            if acknowledged > self.sure and not barrier:
                connection.sendall(packet(0x82, b"\xff\xff" + text("nothing") + b"\x00"))
                barrier = acknowledged
            try:
                more = connection.recv(65_536)
            except TimeoutError:
                continue
            if not more:
                raise ConnectionError("hung up")
            received += more
            while len(received) >= 2 and len(received) >= 2 + received[1]:
                kind, body = received[0], received[2 : 2 + received[1]]
                received = received[2 + received[1] :]
                if kind == PUBACK:
                    assert int.from_bytes(body[:2], "big") == acknowledged % 65_534 + 1, "acknowledged out of order"
                    acknowledged += 1
                    self.acknowledged = max(self.acknowledged, acknowledged)
                elif kind == SUBACK:
                    connection.sendall(packet(0xC0, b""))
                elif kind == PINGRESP:
                    self.sure, barrier = barrier, 0
            assert begin <= self.sure <= acknowledged <= position

    def _done(self) -> bool:
        return self._given_up.is_set() or (self._ending.is_set() and self.sure == len(self.messages))

    def _allowed(self) -> int:
        """How many messages may have been begun by now; makes them."""
        if not self._ending.is_set():
            due = int((time.monotonic() - self._begin) * self._per_second)
            due = min(due, self.sure + WINDOW)  # while the broker is away nobody's memory grows
            while len(self.messages) < due:
                self.messages.append(next(self._source))
        return len(self.messages)


def packet(kind: int, body: bytes) -> bytes:
    """A control packet; its length is seven bits a byte, the low ones first (MQTT 3.1.1, 2.2.3)."""
    length, left = bytearray(), len(body)
    while left > 127:
        length.append(left & 127 | 128)
        left >>= 7
    length.append(left)
    return bytes((kind,)) + length + body


def text(characters: str) -> bytes:
    """A string as MQTT has it."""
    encoded = characters.encode()
    return len(encoded).to_bytes(2, "big") + encoded
