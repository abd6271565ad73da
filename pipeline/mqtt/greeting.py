"""What a broker tells whoever comes in."""

import queue
import time
from typing import NamedTuple

from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pipeline.mqtt.broker import Broker
from pipeline.mqtt.client import reason_of

ANSWER_S, VERSION_S = 10.0, 2.0  # how long a greeting waits


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
    answers: queue.SimpleQueue[tuple[ReasonCode, Properties | None] | None] = queue.SimpleQueue()
    versions: queue.SimpleQueue[str] = queue.SimpleQueue()
    client = broker.client(clean=True, manual_ack=False)
    client.on_connect = lambda client, data, flags, reason, properties: answers.put((reason, properties))
    client.on_disconnect = lambda *_: answers.put(None)
    client.on_message = lambda client, data, message: versions.put(message.payload.decode("utf-8", "replace"))
    began = time.monotonic()
    try:
        broker.connect(client, clean=True)
    except (OSError, ValueError) as error:
        raise OSError(reason_of(error)) from None
    client.loop_start()
    try:
        answer = answers.get(timeout=ANSWER_S)
        took_s = time.monotonic() - began
        if answer is None:
            raise OSError("it hung up without an answer")
        reason, properties = answer
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
