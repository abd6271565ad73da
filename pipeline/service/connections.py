"""From the configuration to what the service talks to: the broker, the database, and what others hear of us."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from pipeline.config.extras import installed_version
from pipeline.config.settings import Config, ConfigError, Upstream, duration_ns, read_secret
from pipeline.engine.engine import Engine
from pipeline.files import read_bounded
from pipeline.mqtt import Broker, Status
from pipeline.sinks import Sink
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.embedded_history import EmbeddedHistory
from pipeline.sinks.history import History
from pipeline.sinks.influxdb import InfluxV1, InfluxV2
from pipeline.sinks.influxdb_history import InfluxHistory, authorization
from pipeline.storage.data_folder import broker_port_path, store_path

USUAL_PORT = 1883  # of MQTT without TLS
MOST_PORT_BYTES = 100  # of the file that says another


def status_topic(config: Config) -> str:
    """Where the broker says whether we are there."""
    return f"{config.mqtt.client_id}/status"


def open_sink(config: Config, environ: Mapping[str, str]) -> Sink:
    """The sink the configuration names: InfluxDB, or the embedded store."""
    influx = config.influxdb
    if influx is None:
        return Embedded(store_path(config), duration_ns(config.store.keep), config.store.max_points)
    if influx.bucket is not None:
        token = "" if influx.token is None else read_secret(influx.token, environ)
        return InfluxV2(influx.url, influx.bucket, influx.org, token)
    password = None if influx.password is None else read_secret(influx.password, environ)
    return InfluxV1(influx.url, influx.database or "", influx.username, password)


def tag_keys(engine: Engine) -> set[str]:
    """The tags that machines have."""
    return {key for tags in engine.fleet.tags for key, _ in tags}


def open_history(config: Config, environ: Mapping[str, str], keys: Callable[[], Iterable[str]]) -> History:
    """What answers about the past: the database that the configuration names. `keys`: tags that machines have."""
    influx = config.influxdb
    if influx is None:
        return EmbeddedHistory(store_path(config))
    token = None if influx.token is None else read_secret(influx.token, environ)
    password = None if influx.password is None else read_secret(influx.password, environ)
    allowed = authorization(token, influx.username, password)
    return InfluxHistory(influx.url, influx.bucket or influx.database or "", allowed, keys)


def broker_of(config: Config, environ: Mapping[str, str], client_id: str, embedded_port: int = 0) -> Broker:
    """How to reach the configured broker; without one, the embedded broker at this port."""
    mqtt = config.mqtt
    password = None if mqtt.password is None else read_secret(mqtt.password, environ)
    url = mqtt.url or f"mqtt://127.0.0.1:{embedded_port}"
    return Broker.of(
        url,
        client_id=client_id,
        username=mqtt.username,
        password=password,
        ca=mqtt.tls.ca,
        cert=mqtt.tls.cert,
        key=mqtt.tls.key,
        session_expiry_s=duration_ns(mqtt.session_expiry) // 1_000_000_000,
        receive_maximum=mqtt.receive_maximum,
        protocol=5 if mqtt.url else 4,
    )


def upstream_of(upstream: Upstream, own_id: str, environ: Mapping[str, str]) -> Broker:
    """How to reach the second broker; `own_id` is `mqtt.client_id`."""
    password = None if upstream.password is None else read_secret(upstream.password, environ)
    return Broker.of(
        upstream.url,
        client_id=upstream.client_id or f"{own_id}-upstream",
        username=upstream.username,
        password=password,
        ca=upstream.tls.ca,
        cert=upstream.tls.cert,
        key=upstream.tls.key,
    )


def embedded_port(config: Config) -> int:
    """Where the embedded broker listens: as the service with this data folder wrote down, else the usual port.

    What a killed service wrote down is believed too: there may be somebody else's broker at the usual port.
    """
    try:
        port = int(read_bounded(broker_port_path(config), MOST_PORT_BYTES))
    except (OSError, ValueError):
        return USUAL_PORT
    return port if 1 <= port <= 65_535 else USUAL_PORT


def broker_now(config: Config, environ: Mapping[str, str], embedded_port: int = 0) -> Callable[[], Broker]:
    """How to reach the broker, for every attempt anew: its secret is read again, for it may have been changed."""

    def read() -> Broker:
        try:
            return broker_of(config, environ, config.mqtt.client_id, embedded_port)
        except ConfigError as error:  # being changed just now
            raise ValueError(str(error)) from None

    return read


def status_of(config: Config, since: datetime, prefix: str = "") -> Status:
    """What a broker tells others of us, retained; `since` is when this life began.

    `prefix` is what topics begin with on the second broker.
    """
    topic = f"{prefix}/status" if prefix else status_topic(config)
    online = {"state": "online", "version": installed_version(), "since": since.isoformat(timespec="seconds")}
    return Status(topic, msgspec.json.encode(online), msgspec.json.encode({"state": "offline"}))
