"""How a broker is reached, and what a failure to reach it is called."""

from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pipeline.config.addresses import MQTT, address
from pipeline.files import open_regular
from pipeline.mqtt.client import LONGEST_BODY, BulkClient

KEEPALIVE_S = 30


class Broker(NamedTuple):
    """How to reach a broker, secrets resolved."""

    host: str
    port: int
    tls: bool = False
    ca: str | None = None  # PEM files
    cert: str | None = None
    key: str | None = None
    username: str | None = None
    password: str | None = None
    client_id: str = "spikewatch"
    session_expiry_s: int = 7 * 86400
    receive_maximum: int = 2000
    protocol: int = 5  # 4 is MQTT 3.1.1

    def __repr__(self) -> str:
        """Without the password."""
        return f"Broker({self.host}:{self.port})"

    @classmethod
    def of(cls, url: str, **others: Any) -> "Broker":
        """From `mqtt://host[:port]` or `mqtts://host[:port]`; ValueError, without the URL, for anything else."""
        parts = address(url, MQTT, "mqtt.username and mqtt.password of a configuration (--config)")
        tls = parts.scheme == "mqtts"
        return cls(parts.hostname or "", parts.port or (8883 if tls else 1883), tls, **others)

    def client(self, *, clean: bool, manual_ack: bool, most_bytes: int = LONGEST_BODY) -> BulkClient:
        """A client that is not connected yet; raises OSError where a certificate cannot be read."""
        five = self.protocol == 5
        client = BulkClient(
            CallbackAPIVersion.VERSION2,
            self.client_id,
            clean_session=None if five else clean,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            manual_ack=manual_ack,
            most_bytes=most_bytes,
        )
        if self.username is not None:
            client.username_pw_set(self.username, self.password)
        if self.tls:
            for name in filter(None, (self.ca, self.cert, self.key)):
                open_regular(Path(name)).close()  # OpenSSL would wait for whoever writes to a pipe
            # Without a password it would ask for that of an encrypted key, on the terminal.
            client.tls_set(self.ca, self.cert, self.key, keyfile_password="")
        return client

    def connect(self, client: Client, *, clean: bool) -> None:
        """Open the connection; raises OSError with the reason."""
        if self.protocol != 5:
            client.connect(self.host, self.port, KEEPALIVE_S)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0 if clean else self.session_expiry_s
        properties.ReceiveMaximum = self.receive_maximum
        client.connect(self.host, self.port, KEEPALIVE_S, clean_start=clean, properties=properties)
