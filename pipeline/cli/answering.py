"""The verb for whoever answers a machine: it goes to the running service, through its HTTP API."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from getpass import getuser
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.terminal import AsJson, ConfigPath, app, configured, fail, out
from pipeline.commands import ARGUMENTS, VERBS, Command, CommandError, checked
from pipeline.config import Config, ConfigError, read_secret
from pipeline.records import Machine

WAIT_S = 10.0


def _token(tree: Config) -> str:
    """The token of the console, for writing."""
    if tree.console.token is not None:
        try:
            return read_secret(tree.console.token, os.environ)
        except ConfigError as error:
            fail(f"console.token: {error}")
    path = Path(tree.data) / "console.token"
    try:
        return path.read_text().strip()
    except OSError as error:
        fail(f"{path}: {error.strerror}; has the service run with this data folder, and may you read it?", 1)


def _asked(tree: Config, path: str, body: dict[str, str] | None = None) -> Any:
    """What the service answers; the end of the program where it does not."""
    base = f"http://{tree.console.host}:{tree.console.port}"
    request = urllib.request.Request(base + path)  # noqa: S310  # http, as written above
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
        request.add_header("authorization", f"Bearer {_token(tree)}")
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode("utf-8", "replace")
        try:
            reason = json.loads(text)["error"]
        except (ValueError, KeyError, TypeError):
            reason = text[:200]
        fail(f"{base}: {error.code}: {reason}", 1)
    except (urllib.error.URLError, OSError) as error:
        why = getattr(error, "reason", error)
        fail(f"no service at {base} ({why}); is it running, and are these its console.host and console.port?", 1)


@app.command(epilog="Commands: " + "; ".join(f"{verb}: {what}" for verb, what in VERBS.items()))
def tell(
    machine: Annotated[str, typer.Argument(help="Its name; site=north/press-1 where two have the same.")],
    command: Annotated[str, typer.Argument(help=f"One of {', '.join(VERBS)}.")],
    argument: Annotated[
        str, typer.Argument(help="; ".join(f"{verb}: {what}" for verb, what in ARGUMENTS.items()))
    ] = "",
    by: Annotated[str, typer.Option(help="Who says it; kept with the command. You, unless told.")] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Answer a machine of the running service: that is normal, repaired, somebody is at it.

    Goes through the console's HTTP API with the token in the data folder. Ends with 1 where it was not done.

    Example: spikewatch tell press-1 snooze 2h --config plant.yaml
    """
    tree = configured(config)
    *captures, name = machine.split("/") if "=" in machine else [machine]
    try:
        checked(Command(command, Machine(name), argument, by))
    except CommandError as error:
        fail(str(error))
    wanted = dict(capture.partition("=")[::2] for capture in captures)
    found = _asked(tree, f"/api/machines?limit=500&search={urllib.parse.quote(name, safe='')}")["machines"]
    fitting = [one for one in found if one["name"] == name and wanted.items() <= one["tags"].items()]
    if len(fitting) != 1:
        near = ", ".join("/".join([*(f"{k}={v}" for k, v in one["tags"].items()), one["name"]]) for one in found[:8])
        fail(f"{len(fitting)} machines are called {machine}" + (f"; there are {near}" if near else ""), 1)
    [one] = fitting
    body = {"verb": command, "argument": argument, "by": by or getuser(), "via": "cli"}
    answer = _asked(tree, f"/api/machines/{urllib.parse.quote(one['id'], safe=';=%')}/command", body)
    if as_json:
        out.print_json(json.dumps(answer))
        return
    out.print(f"{machine}: {' '.join(filter(None, [command, argument]))}: done", markup=False)
