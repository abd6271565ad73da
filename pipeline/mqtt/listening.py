"""Listening to live traffic beside the service: as a client of its own, whose session ends with it."""

import os
import threading
import time
from collections.abc import Iterator, Sequence

from pipeline.mqtt import Broker, Receiver, greet
from pipeline.records import Message

LOOPBACK = ("127.0.0.1", "localhost", "::1")  # where an embedded broker may be, which speaks MQTT 3.1.1 only
PIECE_S = 0.1  # so that stopping is quick


def listen(broker: Broker, filters: Sequence[str], seconds: float, stop: threading.Event) -> Iterator[Message]:
    """Messages of these topics as they come, until the time is over or `stop`.

    Raises OSError with the reason where the broker does not let us in. What comes faster than it is taken is dropped.
    """
    own = broker._replace(client_id=f"{broker.client_id}-listens-{os.getpid()}", session_expiry_s=0)
    try:
        greet(own)
    except OSError as error:
        if broker.protocol == 4 or broker.host not in LOOPBACK:
            raise
        own = own._replace(protocol=4)
        try:
            greet(own)
        except OSError:
            raise error from None
    receiver = Receiver(own, [(filter_, 0) for filter_ in filters])
    receiver.start()
    try:
        if not receiver.wait_subscribed(10.0):
            raise OSError("no answer to the subscription")
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0 and not stop.is_set():
            yield from receiver.take(1_000, min(left_s, PIECE_S))
    finally:
        receiver.stop()
