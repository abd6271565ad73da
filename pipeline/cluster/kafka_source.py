"""Kafka as a source of Spark's Structured Streaming, in Python: where Spark's own connector is not at hand.

The driver only asks for offsets; each partition's range is read on the executors. A message's key is the number of
its bucket as text. One whose key is none goes to bucket 0, where a message to another bucket is refused and counted.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.streaming.datasource import ReadLimit, ReadMaxRows, SupportsTriggerAvailableNow

if TYPE_CHECKING:
    from confluent_kafka import Consumer

SCHEMA = "bucket int, partition int, offset long, payload binary"
TIMEOUT_S = 30.0  # of a broker's answer; then Spark tries the task again
TOGETHER = 500  # messages asked for at once


class KafkaError(Exception):
    """The log cannot be read as it should; the message says why."""


class Kafka(DataSource):
    """Options: `servers` (host:port, ...), `topic`, and `most`, messages of a batch."""

    @classmethod
    def name(cls) -> str:
        """How Spark calls it."""
        return "spikewatch-kafka"

    def schema(self) -> str:
        """Of a message."""
        return SCHEMA

    def streamReader(self, schema: Any) -> "KafkaReader":  # noqa: N802  Spark's name
        """What reads the topic."""
        return KafkaReader(self.options["servers"], self.options["topic"], int(self.options["most"]))


class Range(InputPartition):
    """Messages of one partition of the topic."""

    def __init__(self, partition: int, begin: int, end: int) -> None:
        self.partition, self.begin, self.end = partition, begin, end


class KafkaReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Reads a topic that is not compacted; an offset is a dictionary of partitions, each to its next message."""

    def __init__(self, servers: str, topic: str, most: int) -> None:
        self._servers, self._topic, self._most = servers, topic, most
        self._until: dict[str, int] | None = None  # where a run that only takes what is there now ends

    def initialOffset(self) -> dict[str, int]:  # noqa: N802
        """The oldest messages that there are."""
        return {partition: low for partition, (low, _) in self._bounds().items()}

    def getDefaultReadLimit(self) -> ReadLimit:  # noqa: N802
        """So many messages a batch, at most."""
        return ReadMaxRows(self._most)

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        """Read no further than what is there now."""
        self._until = {partition: high for partition, (_, high) in self._bounds().items()}

    def latestOffset(self, start: dict[str, int], limit: ReadLimit) -> dict[str, int]:  # noqa: N802
        """Where the next batch ends; raises KafkaError where messages are gone that nobody has read."""
        bounds = self._bounds()
        for partition, (low, _) in bounds.items():
            if low > start.get(partition, low):
                raise KafkaError(
                    f"{self._topic}: messages {start[partition]} to {low - 1} of partition {partition} are deleted "
                    "and were not read; keep the log for longer than the application may stand still (retention.ms)"
                )
        begin = {partition: start.get(partition, low) for partition, (low, _) in bounds.items()}
        end = self._until or {partition: high for partition, (_, high) in bounds.items()}
        waiting = {partition: max(end.get(partition, at) - at, 0) for partition, at in begin.items()}
        whole = sum(waiting.values())
        most = limit.max_rows if isinstance(limit, ReadMaxRows) else whole
        if whole > most:  # of each its share, and at least one, so that none waits for ever
            waiting = {one: min(max(count * most // whole, 1), count) for one, count in waiting.items()}
        return {partition: at + waiting[partition] for partition, at in begin.items()}

    def partitions(self, start: dict[str, int], end: dict[str, int]) -> Sequence[Range]:
        """What is to be read, a range for each partition that has news."""
        return [Range(int(one), start.get(one, 0), until) for one, until in end.items() if until > start.get(one, 0)]

    def read(  # type: ignore[override]  # Spark gives back what `partitions` made
        self, partition: Range
    ) -> Iterator[tuple[int, int, int, bytes]]:
        """Messages of a range, in order; raises KafkaError where one does not come."""
        from confluent_kafka import KafkaException, TopicPartition

        consumer, at = self._consumer(), partition.begin
        try:
            consumer.assign([TopicPartition(self._topic, partition.partition, at)])
            while at < partition.end:
                messages = consumer.consume(min(TOGETHER, partition.end - at), timeout=TIMEOUT_S)
                if not messages:
                    raise KafkaError(
                        f"{self._topic}: no message {at} of partition {partition.partition} in {TIMEOUT_S} s"
                    )
                for message in messages:
                    if message.error() is not None:
                        raise KafkaError(f"{self._topic}: {message.error()}")
                    offset = int(message.offset() or 0)
                    if offset < partition.end:
                        yield bucket_named(message.key()), partition.partition, offset, message.value() or b""
                    at = offset + 1
        except KafkaException as error:
            raise KafkaError(f"{self._topic}: {error.args[0].str()}") from None
        finally:
            consumer.close()

    def commit(self, end: dict[str, int]) -> None:
        """Nothing: Spark keeps the offsets with the state."""

    def _consumer(self) -> "Consumer":
        from confluent_kafka import Consumer

        return Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": "spikewatch",  # the library wants one; offsets are never committed to it
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "isolation.level": "read_uncommitted",
            }
        )

    def _bounds(self) -> dict[str, tuple[int, int]]:
        """The oldest message and the one after the newest, of each partition."""
        from confluent_kafka import KafkaException, TopicPartition

        consumer = self._consumer()
        try:
            topic = consumer.list_topics(self._topic, timeout=TIMEOUT_S).topics[self._topic]
            if topic.error is not None:
                raise KafkaError(f"{self._servers}: topic {self._topic}: {topic.error}")
            return {
                str(one): consumer.get_watermark_offsets(TopicPartition(self._topic, one), timeout=TIMEOUT_S)
                for one in sorted(topic.partitions)
            }
        except KafkaException as error:
            raise KafkaError(f"{self._servers}: {error.args[0].str()}") from None
        finally:
            consumer.close()


def bucket_named(key: bytes | str | None) -> int:
    """The bucket that a message's key names; 0 where it names none."""
    text = key.decode("ascii", "replace") if isinstance(key, bytes) else key or ""
    return int(text) if text.isdecimal() and len(text) < 10 else 0
