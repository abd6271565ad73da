"""Sparkplug's word that the primary host is there: edge nodes that wait for it keep their data while it is not.

A connection of its own, because a connection has one last will, and the receiver's is spent on our own status. What
it says holds for the receiver all the same: online only while the receiver is connected. After Sparkplug 3.0, section
5.9 (STATE messages): topic `spBv1.0/STATE/<host>`, retained, QoS 1, and birth and will of one connection carry the
same time.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pipeline.mqtt.broker import Broker
from pipeline.mqtt.client import reason_of

log = logging.getLogger("spikewatch.mqtt")

RETRY_S = 5.0
LOOK_S = 0.2  # between looks at the receiver
FAREWELL_S = 1.0


def state_topic(host: str) -> str:
    """Where the state of a host is said."""
    return f"spBv1.0/STATE/{host}"


class HostState:
    """Says the state of a primary host, in a thread of its own, until it is stopped."""

    def __init__(self, broker: Callable[[], Broker], host: str, ready: Callable[[], bool]) -> None:
        """`broker` is asked at every attempt and may raise ValueError; `ready`: whether data is received now."""
        self._broker = broker
        self._topic = state_topic(host)
        self._ready = ready
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="host-state", daemon=True)
        self._time_ms = 0
        self._said: bool | None = None  # on this connection
        self._complaints: set[str] = set()

    def start(self) -> None:
        """Begin to connect, and go on trying."""
        self._thread.start()

    def stop(self) -> None:
        """Say that the host is offline, and disconnect."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._serve()
            except (OSError, ValueError) as error:
                self._complain(reason_of(error))
            self._stop.wait(RETRY_S)

    def _complain(self, reason: str) -> None:
        """One warning per cause, not one per attempt."""
        if reason not in self._complaints:
            self._complaints.add(reason)
            log.warning('mqtt.host_state_away topic=%s reason="%s" note="trying again"', self._topic, reason)

    def _serve(self) -> None:
        """One connection, from connect to its end."""
        broker = self._broker()
        client = broker.client(clean=True, manual_ack=False)
        # Never back, whatever the clock does: who has heard of a later birth takes no earlier one.
        self._time_ms = max(time.time_ns() // 1_000_000, self._time_ms + 1)
        self._said = None
        client.will_set(self._topic, self._state(False), 1, True)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_subscribe = lambda *_: self._complaints.clear()
        client.on_message = self._heard
        broker.connect(client, clean=True)
        while client.loop(LOOK_S) == MQTTErrorCode.MQTT_ERR_SUCCESS and not self._stop.is_set():
            if client.is_connected() and self._ready() != self._said:
                self._say(client, self._ready())
        if client.is_connected():
            farewell = self._say(client, False)
            deadline = time.monotonic() + FAREWELL_S
            with suppress(RuntimeError):  # the connection is gone: the broker says it for us
                while not farewell.is_published() and time.monotonic() < deadline:
                    client.loop(LOOK_S)
            client.disconnect()
            client.loop(LOOK_S)

    def _on_connect(
        self, client: Client, data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._complain(f"refused by the broker: {reason}")
        else:
            client.subscribe(self._topic, 1)

    def _on_publish(
        self, client: Client, data: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._complain(f"refused by the broker: {reason}")

    def _say(self, client: Client, online: bool) -> MQTTMessageInfo:
        self._said = online
        return client.publish(self._topic, self._state(online), 1, True)

    def _heard(self, client: Client, data: object, message: MQTTMessage) -> None:
        """What is said of us: the will of a connection that we had before may come after we are back."""
        if self._said and message.payload != self._state(True):
            self._say(client, True)

    def _state(self, online: bool) -> bytes:
        return json.dumps({"online": online, "timestamp": self._time_ms}).encode()
