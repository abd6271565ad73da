"""paho's client, with what happens for every message done in bulk."""

import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

READ_BYTES = 65_536
PUBLISH, PUBACK, PINGREQ = 0x30, 0x40, 0xC0
LONGEST_BODY = 268_435_455  # of a packet, by the protocol

# topic, payload, mid, qos, dup, bytes that were skipped, retained
Take = Callable[[str, bytes, int, int, bool, int, bool], None]


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
        self.skipped: tuple[str, bytes, int, int, bool, int, bool] | None = None  # the one being skipped, for `Take`
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
            if not self._hand_over() or self.socket() is None:
                return

    def _hand_over(self) -> bool:
        """Let paho take one packet; whether all is well.

        Its `loop_read` takes as many as there are messages on their way out, and with them what is for us.
        """
        code = self._packet_read()
        if code > 0:
            self._loop_rc_handle(code)
        return code in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN)

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
        self.skipped = (topic, b"", mid, qos, bool(flags & 8), end - mid_end, bool(flags & 1))
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
        take(topic.decode("utf-8", "replace"), held[begin:end], mid, qos, bool(flags & 8), 0, bool(flags & 1))

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
