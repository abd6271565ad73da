"""Publishing to a broker that may be away: what `publish` returns from, the broker has confirmed.

Unlike `Outgoing`, which sends beside receiving and keeps a bounded number of messages in memory, this waits: what it
was given is kept on disk by who calls it, and given again where PublishError was raised.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pipeline.mqtt.broker import Broker
from pipeline.mqtt.client import BulkClient, reason_of
from pipeline.mqtt.publisher import PublishError
from pipeline.mqtt.receiver import Status
from pipeline.records import Announcement

WINDOW = 100  # sent and not confirmed, at most
CONNECT_S = 10.0
PATIENCE_S = 30.0  # without a single confirmation
HEADER_BYTES = 32  # of a packet beside topic and payload, at most


class ConfirmedPublisher:
    """Publishes at QoS 1 and keeps its connection. For one thread; it connects when something is to be published."""

    def __init__(self, broker: Callable[[], Broker], status: Status | None = None) -> None:
        """`broker` is asked at every connection anew; ValueError says that it cannot be told now.

        `status` is published, retained, on every connection.
        """
        self._broker = broker
        self._status = status
        self._client: BulkClient | None = None
        self._changed = threading.Condition()  # guards what follows, which paho's thread writes
        self._up = False
        self._why = ""  # it is not
        self._confirmed: deque[tuple[int, str]] = deque()  # packet id, and why the broker refuses it
        self._told: dict[str, Any] = {}  # what the broker allows

    @property
    def connected(self) -> bool:
        """Whether the broker has let us in, and the connection has not ended."""
        return self._up

    def publish(self, announcements: Sequence[Announcement]) -> list[tuple[int, str]]:
        """Have them published, in order; returns which were refused for good, by position, and why.

        Where some were, others may not have arrived. Raises PublishError where none was, and some may not have
        arrived: they are to be given again, all of them, in order.
        """
        refused: list[tuple[int, str]] = []
        before = self._client if self._up else None
        try:
            self._publish(self._connected(), announcements, refused)
        except PublishError:
            self._hang_up()
            if refused:
                return refused
            if before is None:
                raise
            # Mosquitto 2.0.11 ends a connection after it has refused a message: this one may have been over before.
            return self.publish(announcements)
        return refused

    def _publish(self, client: Client, announcements: Sequence[Announcement], refused: list[tuple[int, str]]) -> None:
        window = min(WINDOW, self._told.get("ReceiveMaximum", WINDOW))
        most_bytes = self._told.get("MaximumPacketSize")
        retains = self._told.get("RetainAvailable", 1) == 1
        pending: dict[int, int] = {}  # position by packet id
        for position, (topic, payload, retain, _) in enumerate(announcements):
            try:
                size = len(topic.encode()) + len(payload) + HEADER_BYTES
                if most_bytes is not None and size > most_bytes:
                    raise ValueError(f"{size} bytes, and the broker takes packets of {most_bytes}")
                pending[client.publish(topic, payload, 1, retain and retains).mid] = position
            except ValueError as error:  # or a topic or payload that MQTT cannot carry
                refused.append((position, str(error)))
            self._await(pending, window - 1, refused)
        self._await(pending, 0, refused)

    def _await(self, pending: dict[int, int], most: int, refused: list[tuple[int, str]]) -> None:
        """Wait until at most so many are not confirmed."""
        with self._changed:
            while True:
                while self._confirmed:
                    mid, why = self._confirmed.popleft()
                    position = pending.pop(mid, None)
                    if position is not None and why:
                        refused.append((position, why))
                if len(pending) <= most:
                    return
                if not self._up:
                    raise PublishError(self._why)
                if not self._changed.wait_for(lambda: self._confirmed or not self._up, PATIENCE_S):
                    raise PublishError(f"the broker has confirmed nothing for {PATIENCE_S:.0f} s")

    def _connected(self) -> BulkClient:
        if self._client is not None and self._up:
            return self._client
        self._hang_up()
        try:
            broker = self._broker()
            client = broker.client(clean=True, manual_ack=False)
            client.max_inflight_messages_set(WINDOW)
            if self._status is not None:
                client.will_set(self._status.topic, self._status.offline, 1, True)
            client.on_connect = self._on_connect
            client.on_disconnect = self._on_disconnect
            client.on_publish = self._on_publish
            self._why = "no answer"
            broker.connect(client, clean=True)
        except (OSError, ValueError) as error:
            raise PublishError(reason_of(error)) from None
        self._client = client
        client.loop_start()
        deadline = time.monotonic() + CONNECT_S
        with self._changed:
            self._changed.wait_for(lambda: self._up or self._why != "no answer", deadline - time.monotonic())
            if not self._up:
                raise PublishError(f"the broker at {broker.host}:{broker.port}: {self._why}")
            if self._told.get("MaximumQoS", 2) == 0:
                raise PublishError(f"the broker at {broker.host}:{broker.port} takes no messages of QoS 1")
        return client

    def _on_connect(
        self, client: Client, data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        told = {} if properties is None else properties.json()  # type: ignore[no-untyped-call]
        with self._changed:
            if reason.is_failure:
                self._why = f"refused by the broker: {reason}"
            else:
                self._told, self._up = told, True
            self._changed.notify_all()
        if not reason.is_failure and self._status is not None:
            client.publish(self._status.topic, self._status.online, 1, told.get("RetainAvailable", 1) == 1)

    def _on_disconnect(
        self, client: Client, data: object, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            self._up = False
            if not self._why.startswith("refused"):
                self._why = f"the connection was lost: {reason}"
            self._changed.notify_all()

    def _on_publish(
        self, client: Client, data: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        with self._changed:
            self._confirmed.append((mid, f"refused by the broker: {reason}" if reason.is_failure else ""))
            self._changed.notify_all()

    def close(self) -> None:
        """Say that we leave, where a status is known, and disconnect."""
        if self._client is not None and self._up and self._status is not None:
            said = self._client.publish(self._status.topic, self._status.offline, 1, True)
            with suppress(RuntimeError, ValueError):  # the connection is gone: the broker says it for us
                said.wait_for_publish(1.0)
        self._hang_up()

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
            # paho closes its last sockets when it is deleted: at once, without a cycle from it to us and back.
            client.on_connect = client.on_disconnect = client.on_publish = None
        with self._changed:
            self._up = False
            self._confirmed.clear()
