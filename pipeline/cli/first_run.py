"""`run` where there is no configuration yet: the page that makes one."""

import os
from pathlib import Path

from pipeline.cli.restarting import restartable
from pipeline.cli.terminal import USUAL_FILE, fail, host_zone


def set_up() -> None:
    """Serve the page until a configuration is saved, then start with it; or until stopped."""
    from pipeline.commissioning.setup import Wizard
    from pipeline.config.settings import Config
    from pipeline.console import serve_setup
    from pipeline.service.health import notifier

    tree = Config()
    with restartable() as (stop, restart):
        wizard = Wizard(Path(tree.data), os.environ, host_zone())
        try:
            served = serve_setup(tree, USUAL_FILE, os.environ, stop, notifier(os.environ), restart, wizard)
        except OSError as error:
            fail(f"{error.filename}: {error.strerror}", 1)
        finally:
            wizard.close()
        if not served:
            fail(f"there is no configuration (--config, or {USUAL_FILE}), and no port for the page that makes one", 1)
