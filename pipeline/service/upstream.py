"""The second broker: another destination of points beside the database, with an outbox of its own."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from pipeline.config.settings import Config, ConfigError, duration_ns
from pipeline.mqtt import Broker, ConfirmedPublisher, PublishError, Status
from pipeline.mqtt.upstream import Selection, announcement_of
from pipeline.records import Point
from pipeline.service.connections import status_of, upstream_of
from pipeline.service.destinations import Destination
from pipeline.sinks import Refused, Unreachable
from pipeline.storage.outbox import Bound

UPSTREAM = "upstream"  # the name of its outbox


class UpstreamSink:
    """Publishes messages that were put into the outbox, at least once: a receiver knows them by topic and time.

    Of a retained topic the newest message stays, also where older ones are published after it.
    """

    def __init__(self, broker: Callable[[], Broker], status: Status | None = None) -> None:
        """See ConfirmedPublisher."""
        self._publisher = ConfirmedPublisher(broker, status)
        self._newest: dict[str, int] = {}  # time of the newest message of a retained topic
        self.sent_bytes = 0  # topics and payloads that were confirmed

    @property
    def counters(self) -> dict[str, int]:
        """Figures of the service."""
        return {"bytes": self.sent_bytes, "connected": int(self._publisher.connected)}

    def write(self, points: Sequence[Point]) -> None:
        """Publish messages; returns when the broker has them. Raises Unreachable or Refused."""
        announcements = []
        newest = dict[str, int]()
        for point in points:
            announcement = announcement_of(point)
            topic = announcement.topic
            if announcement.retain:
                newest[topic] = max(newest.get(topic, self._newest.get(topic, 0)), point.time_ns)
                announcement = announcement._replace(retain=point.time_ns == newest[topic])
            announcements.append(announcement)
        try:
            refused = self._publisher.publish(announcements)
        except PublishError as error:
            raise Unreachable(str(error)) from None
        if refused:
            raise Refused(refused[0][1])
        self._newest |= newest
        self.sent_bytes += sum(len(one.topic.encode()) + len(one.payload) for one in announcements)

    def close(self) -> None:
        """Take leave of the broker."""
        self._publisher.close()


def destinations_of(config: Config, environ: Mapping[str, str]) -> dict[str, Destination]:
    """Those that are configured beside the database, by the name of their outbox."""
    upstream, own_id = config.upstream, config.mqtt.client_id
    if upstream is None:
        return {}

    def broker() -> Broker:
        try:
            return upstream_of(upstream, own_id, environ)
        except ConfigError as error:  # being changed just now
            raise ValueError(str(error)) from None

    prefix = upstream.prefix or own_id
    sink = UpstreamSink(broker, status_of(config, datetime.now(UTC), prefix))
    selection = Selection(prefix, upstream.what, duration_ns(upstream.every))
    return {
        UPSTREAM: Destination(
            sink,
            Bound(upstream.outbox_bytes, duration_ns(upstream.outbox_age)),
            selection.choose,
            in_order=True,
            changed=selection.thinning.changed,
            restore=selection.thinning.restore,
            repeat=selection.repeat,
            counters=lambda: sink.counters,
        )
    }
