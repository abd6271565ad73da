"""Hearing a broker for a while, in a thread, and what is understood of it so far. What is kept has a bound."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.commissioning.proposing import Proposal, Proposed, in_words, propose
from pipeline.commissioning.tap import moment
from pipeline.config.settings import Config
from pipeline.mqtt import Broker
from pipeline.mqtt.listening import listen
from pipeline.payloads import Decoder
from pipeline.records import Message

MOST_MESSAGES, MOST_BYTES = 20_000, 32 << 20
SAMPLED = 1_000  # newest messages whose readings are shown
MACHINES_SHOWN, SENSORS_SHOWN, LEFT_OUT_SHOWN = 50, 64, 50
NAMES_SHOWN = 256  # of sensors
REST_S, REST = 2.0, 5  # between two proposals at least, also as a multiple of the time that one takes


class Listening:
    """One time of listening."""

    def __init__(self, broker: Broker, topic: str, seconds: float, zone: str | None) -> None:
        """`zone`: IANA name of this computer's time zone."""
        self._broker, self._topic, self._seconds, self._zone = broker, topic, seconds, zone
        self._stop = threading.Event()
        self._one_by_one = threading.Lock()
        self._messages: list[Message] = []
        self._bytes = 0
        self._error = ""
        self._full = False
        self._end_s = time.monotonic() + seconds
        self._proposed, self._of, self._not_before_s = Proposed((), {}), 0, 0.0
        self._thread = threading.Thread(target=self._run, name="setup-listening", daemon=True)
        self._thread.start()

    @property
    def proposals(self) -> Sequence[Proposal]:
        """The newest, as they were last shown."""
        return self._proposed.proposals

    def stop(self) -> None:
        """Hear no more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for message in listen(self._broker, [self._topic], self._seconds, self._stop):
                self._bytes += len(message.topic) + len(message.payload)
                self._messages.append(message)
                if len(self._messages) >= MOST_MESSAGES or self._bytes >= MOST_BYTES:
                    self._full = True
                    return
        except (OSError, ValueError) as error:
            self._error = str(error)

    def told(self) -> dict[str, Any]:
        """What was heard and understood so far."""
        with self._one_by_one:
            over = not self._thread.is_alive()  # asked first: what comes after it is seen the next time
            messages = self._messages[:]
            begun_s = time.monotonic()
            if len(messages) != self._of and (over or begun_s >= self._not_before_s):
                self._proposed, self._of = propose(messages, Config().mqtt.client_id, self._zone), len(messages)
                took_s = time.monotonic() - begun_s
                self._not_before_s = time.monotonic() + max(REST_S, REST * took_s)
            left_out = sorted(self._proposed.left_out.items())
            return {
                "listening": not over,
                "error": self._error,
                "full": self._full,
                "left_s": 0.0 if over else max(0.0, self._end_s - begun_s),
                "messages": len(messages),
                "sources": [_source(one) for one in self._proposed.proposals],
                "left_out": left_out[:LEFT_OUT_SHOWN],
                "left_out_more": max(0, len(left_out) - LEFT_OUT_SHOWN),
                **_sample(self._proposed.proposals, messages),
            }


def _source(one: Proposal) -> dict[str, Any]:
    return {
        "topic": one.source.topic,
        "payload": one.source.payload,
        "examples": one.examples,
        "notes": one.notes,
        "ignored": dict(one.reasons),
        "refused": in_words(one.ignored),
        "messages": one.messages,
        "machines": one.machines,
        "sensors": one.sensors,
    }


def _sample(proposals: Sequence[Proposal], messages: Sequence[Message]) -> dict[str, Any]:
    """The newest readings as the service would take them: of some machines, and the names of all sensors."""
    tree = Config()
    decoder = Decoder([one.source for one in proposals], tree.times, tree.limits.message_bytes)
    machines: dict[tuple[str, Mapping[str, str] | tuple[tuple[str, str], ...]], dict[str, Any]] = {}
    sensors: set[str] = set()
    for message in messages[-SAMPLED:] if proposals else ():
        for reading in decoder.decode(message).readings:
            if len(sensors) < NAMES_SHOWN:
                sensors.add(reading.sensor)
            known = machines.get((reading.machine.name, reading.machine.tags))
            if known is None:
                if len(machines) >= MACHINES_SHOWN:
                    continue
                known = machines[reading.machine.name, reading.machine.tags] = {"time": "", "values": {}}
            if reading.sensor in known["values"] or len(known["values"]) < SENSORS_SHOWN:
                known["values"][reading.sensor] = reading.value
                known["time"] = moment(reading.time_ns)
    shown = [{"name": name, "tags": dict(tags), **found} for (name, tags), found in machines.items()]
    return {"machines": sorted(shown, key=lambda one: str(one["name"])), "sensors": sorted(sensors)}
