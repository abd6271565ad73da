"""The only folder that speaks MQTT: receiving with acknowledgement after commit, publishing, looking around.

What the receiver promises: a QoS 1 message is acknowledged only by `ack`, in order of arrival, and only on the
connection it came on; everything else the broker sends again. The session outlives us (`clean_start` off, an expiry
of days), so nothing is lost while we are away. The unacknowledged window is the back-pressure.
"""

from pipeline.mqtt.broker import Broker
from pipeline.mqtt.client import BulkClient, reason_of
from pipeline.mqtt.confirmed import ConfirmedPublisher
from pipeline.mqtt.greeting import Greeting, greet
from pipeline.mqtt.publisher import Publisher, PublishError
from pipeline.mqtt.receiver import Receiver, Status

__all__ = [
    "Broker",
    "BulkClient",
    "ConfirmedPublisher",
    "Greeting",
    "PublishError",
    "Publisher",
    "Receiver",
    "Status",
    "greet",
    "reason_of",
]
