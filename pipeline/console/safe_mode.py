"""Safe mode: the configuration is wrong, so nothing runs but the page that shows what is."""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.config.settings import Config, ConfigError, read_secret
from pipeline.console.door import make_token
from pipeline.console.server import Server
from pipeline.console.setup import Changing

log = logging.getLogger("spikewatch.console")

TELL_S = 1.0


def serve_problems(
    config: Config,
    config_path: Path,
    environ: Mapping[str, str],
    stop: threading.Event,
    notify: Callable[[str], None],
    restart: Callable[[], None] | None = None,
) -> bool:
    """Show what is wrong until `stop` is set; False at once where there is no page or its port is taken.

    `config`: what can be read of it. `notify` tells systemd, to which a service in safe mode is one that has started.
    `restart`: ends safe mode and starts anew. The file can be edited by whoever has the token, where there is one.
    """
    settings = config.console
    if not settings.enabled:
        return False
    token, lies = known_token(config, environ)
    server = Server(settings, token, environ, config_path, changing=Changing(restart if token else None, lies))
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


def known_token(config: Config, environ: Mapping[str, str]) -> tuple[str, str]:
    """The token and where it lies; both empty where there is none yet, as what is wrong may be the data folder."""
    made = Path(config.data) / "console.token"
    try:
        if config.console.token is not None:
            return read_secret(config.console.token, environ), "where console.token says"
        return (make_token(made), str(made)) if made.is_file() else ("", "")
    except (ConfigError, OSError) as error:
        log.warning('safe_mode.no_token reason="%s" note="the configuration cannot be edited on the page"', error)
        return "", ""
