"""Publishing at QoS 1, as fast as the broker confirms: recordings, and what `doctor` tries."""

import threading
import time
from types import TracebackType

from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pipeline.mqtt.broker import Broker
from pipeline.mqtt.client import reason_of


class PublishError(Exception):
    """The broker could not be reached, or went away before it had taken everything."""


class Publisher:
    """Publishes at QoS 1 with a bounded window; a context manager."""

    def __init__(self, broker: Broker, window: int = 500) -> None:
        """Raises PublishError where a certificate cannot be used."""
        self._broker = broker
        self._window = threading.Semaphore(window)
        self._size = window
        try:
            self._client = broker.client(clean=True, manual_ack=False)
        except OSError as error:
            raise PublishError(f"mqtt.tls: {error}") from None
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
            raise PublishError(f"the broker at {where} refused the connection: {self._refusal or 'no answer'}")
        return self

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand over one message; waits while the window is full. Raises PublishError if the broker went away."""
        taken = self._window.acquire(timeout=30.0)
        if not taken or not self._up.is_set():
            if taken:  # what was not handed over is not waited for
                self._window.release()
            raise PublishError("the connection to the broker was lost while publishing")
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
        # paho closes its last sockets when it is deleted: at once, without a cycle from it to us and back.
        self._client.on_connect = self._client.on_disconnect = self._client.on_publish = None
