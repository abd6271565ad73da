"""Safe mode: the configuration is wrong, so nothing runs but the page that shows what is."""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.config.settings import Console
from pipeline.console.server import Server

log = logging.getLogger("spikewatch.console")

TELL_S = 1.0


def serve_problems(
    settings: Console,
    config_path: Path,
    environ: Mapping[str, str],
    stop: threading.Event,
    notify: Callable[[str], None],
) -> bool:
    """Show what is wrong until `stop` is set; False at once where there is no page or its port is taken.

    `notify` tells systemd, to which a service in safe mode is one that has started.
    """
    if not settings.enabled:
        return False
    server = Server(settings, "", environ, config_path)
    if not server.start():
        return False
    log.warning(
        'safe_mode url=%s note="the configuration has mistakes; only the console runs, and shows them"', server.url
    )
    notify("READY=1\nSTATUS=safe mode: the configuration has mistakes")
    try:
        while not stop.wait(TELL_S):
            notify("WATCHDOG=1")
    finally:
        server.stop()
    return True
