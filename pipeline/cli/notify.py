"""The verb for notifications: does a message arrive?"""

import json
import os
from typing import Annotated

import typer

from pipeline.cli.terminal import AsJson, ConfigPath, app, configured, err, fail, out


@app.command()
def notify(
    test: Annotated[
        bool, typer.Option("--test", help="Send a test message; required, so that none is sent by mistake.")
    ] = False,
    channel: Annotated[str, typer.Option(help="Name of the only channel to send to; default: all.")] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Send a test message to every channel of notifications. The service need not run.

    Exit code 1 if one did not arrive, with the reason.

    Example: spikewatch notify --test --channel fitters --config plant.yaml
    """
    from pipeline.config.settings import ConfigError
    from pipeline.notify.setup import send_tests, style_of

    if not test:
        fail("nothing sent: add --test to send a test message; `run` sends the others, see docs/notifications.md")
    tree = configured(config)
    chosen = [one for one in tree.notify if channel in ("", one.name)]
    if not chosen:
        known = ", ".join(one.name for one in tree.notify)
        fail(f"--channel: there are {known}" if known else "no channel is configured (key: notify)")
    with err.status("sending"):
        try:
            found = send_tests(chosen, style_of(tree), os.environ)
        except ConfigError as error:
            fail(str(error))
    if as_json:
        out.print_json(json.dumps({"channels": {name: why or None for name, why in found.items()}}))
    else:
        for name, why in found.items():
            out.print(f"{name}: {f'not sent: {why}' if why else 'sent'}", markup=False, soft_wrap=True)
    if any(found.values()):
        raise typer.Exit(1)
