"""From a configuration to a running service: broker, console and watchdog around it, from start to stop.

Beside `pipeline.service.service` the only place where parts meet.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.config.settings import Config
from pipeline.console import Changing, Server, Status, token_of
from pipeline.engine.engine import Engine
from pipeline.mqtt import Broker, Receiver
from pipeline.mqtt.announcements import command_filters
from pipeline.mqtt.embedded import EmbeddedBroker
from pipeline.mqtt.host_state import HostState
from pipeline.payloads import tag_counts
from pipeline.service.clocks import Behind
from pipeline.service.connections import USUAL_PORT, broker_now, open_history, open_sink, status_of, tag_keys
from pipeline.service.health import Liveness, Watchdog, notifier
from pipeline.service.service import Service
from pipeline.service.stopping import Stopped, at_once
from pipeline.service.telling import Telling, channel_tests
from pipeline.service.unread import Trouble
from pipeline.service.upstream import UPSTREAM, destinations_of
from pipeline.storage.data_folder import broker_port_path, store_path
from pipeline.topics import parse

log = logging.getLogger("spikewatch")

MOST_CLOCKS = 20  # of those that are behind, told on the page


def open_console(
    config: Config,
    environ: Mapping[str, str],
    config_path: Path | None,
    service: Service,
    receiver: Receiver,
    embedded_port: int,
    any_port: bool,
    channels: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
    restart: Callable[[], None] | None = None,
) -> Server | None:
    """Serve the page and the API, where the configuration does not say otherwise and the port can be had.

    `any_port`: another one will do. `channels`: how those of notifications do. `restart`: as of `serve`.
    """
    settings = config.console
    if not settings.enabled:
        return None
    token, lies = token_of(config, environ)

    def look(engine: Engine) -> tuple[dict[str, float | int | str | bool], list[Trouble], list[Behind]]:
        behind = service.clocks.behind(engine.fleet.machines, MOST_CLOCKS)
        return service.counters(receiver), service.volume.troubles(), behind

    upstream = service.deliveries.others.get(UPSTREAM)

    def status() -> Status:
        figures, unreadable, behind = service.ask(look, timeout_s=2.0)
        return Status(
            figures,
            config.mqtt.url or f"mqtt://127.0.0.1:{embedded_port} (embedded, for trying out)",
            receiver.connected,
            receiver.since_ns / 1e9,
            config.influxdb.url if config.influxdb else "embedded store",
            service.delivery.trouble,
            service.delivery.away_since_ns / 1e9 if service.delivery.away else None,
            lies,
            [one._asdict() for one in unreadable],
            [one._asdict() for one in behind],
            config.upstream.url if config.upstream else None,
            upstream.trouble if upstream else None,
            upstream.away_since_ns / 1e9 if upstream and upstream.away else None,
            channels(),
        )

    store = store_path(config) if config.influxdb is None else None
    tests = channel_tests(config, environ)
    history = open_history(config, environ, lambda: tag_keys(service.engine))
    changing = Changing(restart, lies)
    server = Server(settings, token, environ, config_path, service, status, store, tests, history, changing)
    if not server.start(any_port):
        return None
    log.info('console.ready url=%s token_file="%s"', server.url, lies)
    return server


def host_state(config: Config, environ: Mapping[str, str], port: int, receiver: Receiver) -> HostState | None:
    """Begin to say that the Sparkplug primary host is there, where the configuration says that we are one."""
    if config.mqtt.sparkplug_host is None:
        return None
    broker = broker_now(config, environ, port)

    def beside() -> Broker:
        return broker()._replace(client_id=f"{config.mqtt.client_id}-host")

    host = HostState(beside, config.mqtt.sparkplug_host, lambda: receiver.connected and receiver.wait_subscribed(0.0))
    host.start()
    return host


def serve(
    config: Config,
    environ: Mapping[str, str],
    stop: threading.Event,
    on_start: Callable[[Service, int], None] | None = None,
    config_path: Path | None = None,
    on_open: Callable[[str, str | None], None] | None = None,
    any_console_port: bool = False,
    restart: Callable[[], None] | None = None,
) -> None:
    """Run the whole service until `stop` is set. `on_start` gets it and the embedded broker's port (0 if none).

    `on_open` gets the addresses of the broker and of the console (None if none) before readings are waited for.
    `config_path`: the file that `config` was read from, for the console to show. `any_console_port`: where the
    console's port is taken, another one will do. `restart` sets `stop` and has the program started anew thereafter.
    """
    failures: list[threading.ExceptHookArgs] = []

    def fail(failure: threading.ExceptHookArgs) -> None:
        failures.append(failure)
        stop.set()

    threading.excepthook = fail  # a service that only looks alive is worse than one that ends: its outbox is intact
    embedded = EmbeddedBroker(USUAL_PORT) if config.mqtt.url is None else None
    told: Path | None = None  # where the port is written down
    console: Server | None = None
    telling: Telling | None = None
    notify, liveness = notifier(environ), Liveness()
    watchdog = Watchdog(liveness, notify, stop)
    watchdog.status = lambda: "restoring what was learned"
    try:
        watchdog.start()
        with at_once(stop):
            port = 0
            if embedded is not None:
                port = embedded.start()
                log.warning(
                    'broker.embedded url=mqtt://127.0.0.1:%d note="for trying out: not built for load or crashes; '
                    'set mqtt.url to use a real broker"',
                    port,
                )
            telling = Telling(config, environ) if config.notify else None
            destinations = destinations_of(config, environ) | ({} if telling is None else telling.destinations)
            service = Service(config, open_sink(config, environ), liveness, destinations)
            if embedded is not None:
                told = broker_port_path(config)
                told.write_text(f"{port}\n", encoding="ascii")
            templates = [parse(source.topic) for source in config.mqtt.sources]
            topics = [
                (template.filter, source.qos) for template, source in zip(templates, config.mqtt.sources, strict=True)
            ]
            tags = tag_counts(config.mqtt.sources)
            topics += [(filter_, 1) for filter_ in command_filters(config.mqtt.client_id, templates, tags)]
            limits = config.limits
            receiver = Receiver(
                broker_now(config, environ, port),
                topics,
                limits.queue_messages,
                limits.queue_bytes,
                limits.message_bytes,
                status_of(config, datetime.now(UTC)),
                service.arrived_ns,
            )
            if telling is not None:
                telling.start(service, receiver)
            channels = tuple if telling is None else telling.notifier.health
            console = open_console(
                config, environ, config_path, service, receiver, port, any_console_port, channels, restart
            )
            if on_open is not None:
                broker = config.mqtt.url or f"mqtt://127.0.0.1:{port}"
                on_open(broker, None if console is None else console.url)
        if on_start is not None:
            on_start(service, port)
        receiver.start()
        host = host_state(config, environ, port, receiver)
        watchdog.status = lambda: (
            f"broker {'connected' if receiver.connected else 'away'}, "
            f"database {'reached' if service.delivery.away is None else 'away'}, "
            f"{len(service.engine.fleet.machines)} machines, {service.readings} readings"
        )
        notify("READY=1")
        try:
            service.run(receiver, stop)
        finally:
            if host is not None:
                host.stop()
            if telling is not None:
                telling.stop()  # before the broker seems to be away
            receiver.stop()
    except Stopped:  # before it began
        log.info("stopped")
    finally:
        if told is not None:
            told.unlink(missing_ok=True)
        if console is not None:
            console.stop()
        if telling is not None:
            telling.stop()
        watchdog.stop()
        threading.excepthook = threading.__excepthook__
        if embedded is not None:
            embedded.stop()
    if failures:
        raise RuntimeError(f"the {failures[0].thread.name if failures[0].thread else ''} thread failed") from (
            failures[0].exc_value
        )
