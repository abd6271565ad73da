"""The verb for whoever answers a machine: it goes to the running service, through its HTTP API."""

import json
import os
import urllib.parse
from getpass import getuser
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.terminal import AsJson, ConfigPath, app, configured, fail, out
from pipeline.commands import ARGUMENTS, VERBS, Command, CommandError, checked
from pipeline.config import Config, ConfigError, read_secret
from pipeline.records import Machine
from pipeline.sinks.http import Http

WAIT_S = 10.0
MOST_BYTES = 1 << 21  # of an answer: 500 machines, of which one takes some hundred bytes


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
    headers, content = {}, None
    if body is not None:
        content = json.dumps(body).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {_token(tree)}"}
    http = Http(WAIT_S, WAIT_S, MOST_BYTES)
    try:
        answer = http.request("GET" if content is None else "POST", base + path, content, headers)
    except OSError as error:
        fail(
            f"no service at {base} ({error}); is it running, and are these its console.host and console.port?",
            1,
        )
    finally:
        http.clear()
    try:
        said = json.loads(answer.data)
        if answer.status == 200:
            return said
        reason = said["error"]
    except (ValueError, KeyError, TypeError):
        reason = answer.data[:200].decode("utf-8", "replace") or answer.reason
    fail(f"{base}: {answer.status}: {reason}", 1)


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
