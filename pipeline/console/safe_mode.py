"""Where there is no service yet: the configuration is wrong (safe mode) or not there, and only the page runs."""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.config.settings import Config, ConfigError
from pipeline.console.door import token_of, token_path
from pipeline.console.server import Server
from pipeline.console.setup import Changing, Wizard
from pipeline.files import make_folder

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
    _until_stopped(server, stop, notify)
    return True


def serve_setup(
    config: Config,
    config_path: Path,
    environ: Mapping[str, str],
    stop: threading.Event,
    notify: Callable[[str], None],
    restart: Callable[[], None],
    wizard: Wizard,
) -> bool:
    """Serve the page that makes a first configuration at `config_path`; otherwise as `serve_problems`.

    Where its port is taken, another one will do, which then is in the configuration.

    `config`: the defaults. The token is made in its data folder; raises OSError where it cannot be.
    """
    make_folder(Path(config.data))
    token, lies = token_of(config, environ)
    changing = Changing(restart, lies, wizard)
    server = Server(config.console, token, environ, config_path, changing=changing)
    if not server.start(any_port=True):
        return False
    wizard.port = None if server.port == config.console.port else server.port
    note = "there is no configuration: open this page to make one"
    log.warning('setup url=%s token_file="%s" note="%s"', server.url, lies, note)
    notify("READY=1\nSTATUS=waiting for a configuration")
    _until_stopped(server, stop, notify)
    return True


def _until_stopped(server: Server, stop: threading.Event, notify: Callable[[str], None]) -> None:
    """Tell systemd that we live, until `stop` is set."""
    try:
        while not stop.wait(TELL_S):
            notify("WATCHDOG=1")
    finally:
        server.stop()


def known_token(config: Config, environ: Mapping[str, str]) -> tuple[str, str]:
    """The token and where it lies; both empty where there is none yet, as what is wrong may be the data folder."""
    try:
        there = config.console.token is not None or token_path(config).is_file()
        return token_of(config, environ) if there else ("", "")
    except (ConfigError, OSError) as error:
        log.warning('safe_mode.no_token reason="%s" note="the configuration cannot be edited on the page"', error)
        return "", ""
