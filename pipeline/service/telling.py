"""Notifications of a running service: the outbox they come through, their thread, and the test of the channels."""

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.config.settings import Config
from pipeline.mqtt import Receiver
from pipeline.notify.notifier import Notifier
from pipeline.notify.picture import Pictures
from pipeline.notify.setup import plan, send_tests, style_of
from pipeline.records import Point
from pipeline.service.connections import open_history, tag_keys
from pipeline.service.destinations import Destination, IncidentOf
from pipeline.service.service import Service
from pipeline.service.troubles import troubles
from pipeline.storage.data_folder import journal_path, notify_path
from pipeline.storage.outbox import Bound, Outbox, Ranked

OUTBOX = "notices"
OUTBOX_BYTES = 64 << 20  # of notices that the notifier's own file has no room for: some 300,000
STOP_S = 5.0


class Telling:
    """All of it; made before the service, started after it."""

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        """Raises ConfigError where a channel cannot be used."""
        self._config, self._environ = config, environ
        channels, style = plan(config, environ)
        self.notifier = Notifier(notify_path(config), channels, style)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.notifier.run, args=(self._stop,), name="notify", daemon=True)

    @property
    def destinations(self) -> dict[str, Destination]:
        """What the service is to be made with."""

        def choose(points: Sequence[Point], incident: IncidentOf) -> list[Ranked]:
            found = self.notifier.choose(points)
            return [(0, found)] if found else []

        return {OUTBOX: Destination(self.notifier, Bound(OUTBOX_BYTES), choose)}

    def start(self, service: Service, receiver: Receiver) -> None:
        """Begin to tell, before the service commits anything. Raises sqlite3.Error where that is not possible."""
        pending: list[Point] = []
        with suppress(sqlite3.DatabaseError):  # the service mends it
            outbox = Outbox(journal_path(self._config), OUTBOX)
            pending = [point for _, batch in outbox.peek(0, 2**62) for point in batch]
            outbox.close()
        self.notifier.open(pending)
        self.notifier.troubles = lambda: troubles(service, receiver, Path(self._config.data))
        history = open_history(self._config, self._environ, lambda: tag_keys(service.engine))
        self.notifier.picture = Pictures(history, ZoneInfo(self._config.time_zone)).of
        service.further_figures = self.notifier.figures
        self._thread.start()

    def stop(self) -> None:
        """Tell what is ready, and no more. What waits is kept."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)


def channel_tests(config: Config, environ: Mapping[str, str]) -> Callable[[str], Mapping[str, str]] | None:
    """What sends a test message to a channel, or to all; None where there is no channel."""
    if not config.notify:
        return None

    def send(name: str) -> Mapping[str, str]:
        chosen = [channel for channel in config.notify if name in ("", channel.name)]
        if not chosen:
            raise KeyError(name)
        return send_tests(chosen, style_of(config), environ)

    return send
