"""Kafka's protocol without Kafka, which no package index has: librdkafka's mock cluster, with messages in memory.

`python tests/mock_kafka.py` prints its address, and lives until it is killed.
"""

import subprocess
import sys
from collections.abc import Iterable
from typing import IO, Self

from confluent_kafka import Producer
from servers import program


class MockKafka:
    """A broker in a process of its own; usable as `with MockKafka() as kafka:`. Topics make themselves."""

    def __init__(self) -> None:
        leash = [program("setpriv"), "--pdeathsig", "KILL"]
        self._process = subprocess.Popen([*leash, sys.executable, __file__], stdout=subprocess.PIPE, text=True)
        said: IO[str] = self._process.stdout  # type: ignore[assignment]
        with said:
            self.address = said.readline().strip()

    def send(self, topic: str, messages: Iterable[tuple[int, bytes]]) -> None:
        """Append messages of buckets; returns when the broker has them all."""
        producer = Producer({"bootstrap.servers": self.address, "acks": "all", "enable.idempotence": True})
        for bucket, payload in messages:
            producer.produce(topic, payload, str(bucket))
        assert producer.flush(30) == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)


def serve() -> None:
    """Be the broker."""
    holder = Producer({"bootstrap.servers": "ignored", "test.mock.num.brokers": 1})
    [broker] = holder.list_topics(timeout=10).brokers.values()
    print(f"{broker.host}:{broker.port}", flush=True)  # noqa: T201
    while True:
        holder.poll(60)


if __name__ == "__main__":
    serve()
