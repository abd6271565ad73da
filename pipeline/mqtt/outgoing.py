"""What is to be published: kept until the broker has confirmed it; retained topics are said on every connection.

Put by one thread, sent by another. Of a retained topic only the newest payload counts, so those are bounded by the
number of machines; of the others the oldest go when there are too many, counted.
"""

import logging
from collections import deque

from paho.mqtt.client import Client

from pipeline.records import Announcement

log = logging.getLogger("spikewatch.mqtt")

WAITING = 10_000  # announcements that are not retained
WINDOW = 15  # sent and not confirmed; paho itself sends no more than 20


class Outgoing:
    """Announcements on their way to the broker, at QoS 1 unless they say otherwise."""

    def __init__(self) -> None:
        self.dropped = 0
        self._retained: dict[str, bytes] = {}
        self._due: dict[str, None] = {}  # retained topics to be sent, in order
        self._events: deque[Announcement] = deque()
        self._sent: dict[int, Announcement] = {}  # by packet id, in order

    def put(self, announcement: Announcement) -> None:
        """Have it published once there is a connection."""
        if announcement.retain:
            self._retained[announcement.topic] = announcement.payload
            self._due[announcement.topic] = None
            return
        self._events.append(announcement)
        if len(self._events) > WAITING:
            self._events.popleft()
            if self.dropped == 0:
                log.warning("mqtt.announcements_dropped limit=%d policy=drop_oldest", WAITING)
            self.dropped += 1

    def connected(self) -> None:
        """A new connection: what was not confirmed comes again, and all that is retained."""
        for announcement in reversed(self._sent.values()):
            if not announcement.retain:
                self._events.appendleft(announcement)
        self._sent.clear()
        self._due.update(dict.fromkeys(list(self._retained)))

    def confirmed(self, mid: int) -> None:
        """The broker has it."""
        self._sent.pop(mid, None)

    def send(self, client: Client) -> None:
        """Publish what may be published now."""
        while len(self._sent) < WINDOW:
            if self._events:
                announcement = self._events.popleft()
            elif self._due:
                topic = next(iter(self._due))
                del self._due[topic]  # before its payload is read: a newer one makes it due again
                announcement = Announcement(topic, self._retained[topic], True)
            else:
                return
            said = client.publish(announcement.topic, announcement.payload, announcement.qos, announcement.retain)
            if announcement.qos:  # nothing confirms the others
                self._sent[said.mid] = announcement
