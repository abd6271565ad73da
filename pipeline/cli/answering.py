"""The verb for operator commands: they go to the running service, through its HTTP API."""

import json
import os
import re
import shlex
from collections.abc import Collection
from contextlib import suppress
from difflib import get_close_matches
from getpass import getuser
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from pipeline.cli.terminal import AsJson, ConfigPath, app, configured, fail, out
from pipeline.engine.verbs import ARGUMENTS, VERBS

if TYPE_CHECKING:
    from pipeline.config.settings import Config

WAIT_S = 10.0
AT_ONCE = 500  # machines in an answer
NEAR = 3  # names that are proposed for one that does not exist
MOST_BYTES = 1 << 21  # of an answer: 500 machines, of which one takes some hundred bytes


def _token(tree: "Config") -> str:
    """The token of the console, for writing."""
    from pipeline.config.settings import CONSOLE_TOKEN, MOST_SECRET_BYTES, ConfigError, read_secret
    from pipeline.files import read_bounded

    if tree.console.token is not None:
        try:
            return read_secret(tree.console.token, os.environ)
        except ConfigError as error:
            fail(f"console.token: {error}")
    path = Path(tree.data) / CONSOLE_TOKEN
    try:
        return read_bounded(path, MOST_SECRET_BYTES).decode().strip()
    except UnicodeDecodeError:
        fail(f"{path}: is not text", 1)
    except OSError as error:
        fail(f"{path}: {error.strerror}; has the service run with this data folder, and may you read it?", 1)


def _asked(tree: "Config", path: str, body: dict[str, str] | None = None) -> Any:
    """What the service answers; the end of the program where it does not."""
    from pipeline.sinks.http import Http

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


def _machines(tree: "Config", search: str) -> dict[str, str]:
    """Names of the machines whose name holds `search`, by id."""
    found: dict[str, str] = {}
    for offset in count(0, AT_ONCE):
        query = f"limit={AT_ONCE}&offset={offset}&search={quote(search, safe='')}"
        answer = _asked(tree, f"/api/machines?{query}")
        found |= {one["id"]: one["name"] for one in answer["machines"]}
        if offset + AT_ONCE >= answer["found"]:
            break
    return found


def near_to(called: str, known: Collection[str]) -> list[str]:
    """Those of `known` that somebody may have meant.

    >>> near_to("Press-3", ["press-03", "press-13", "robot"])
    ['press-03']
    """

    def plain(text: str) -> str:
        return re.sub(r"0+(?=\d)", "", text).casefold()

    same = sorted(one for one in known if plain(one) == plain(called))
    return same or get_close_matches(called, known, NEAR)


def _machine(tree: "Config", called: str) -> str:
    """The id of the machine of this name, or of this id; the end of the program where it is not exactly one.

    A name may look like the id of another machine, so what has no captures is taken for a name if there is one.
    """
    from pipeline.identity import machine_of

    names = {called}
    with suppress(ValueError):
        names.add(machine_of(called).name)
    found: dict[str, str] = {}
    for name in names:
        found |= _machines(tree, name)
    fitting = {one for one, name in found.items() if name == called}
    if ";" in called or not fitting:
        fitting |= found.keys() & {called}
    if len(fitting) > 1:
        fail(
            f"{len(fitting)} machines are called {called}; say which: {', '.join(map(shlex.quote, sorted(fitting)))}",
            1,
        )
    if not fitting:
        known = _machines(tree, "")
        near = near_to(called, set(known.values())) or near_to(called, known)
        meant = f"; did you mean {' or '.join(near)}?" if near else "" if known else "; there is none yet"
        fail(f"no machine {called}{meant}", 1)
    return fitting.pop()


@app.command(epilog="Commands: " + "; ".join(f"{verb}: {what}" for verb, what in VERBS.items()))
def tell(
    machine: Annotated[str, typer.Argument(help="Its name; where two have the same, its id: 'press-1;site=north'.")],
    command: Annotated[str, typer.Argument(help=f"One of {', '.join(VERBS)}.")],
    argument: Annotated[
        str, typer.Argument(help="; ".join(f"{verb}: {what}" for verb, what in ARGUMENTS.items()))
    ] = "",
    by: Annotated[str, typer.Option(help="Operator, kept with the command; default: your user name.")] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Send an operator command (normal, repaired, ack, snooze, ...) to a machine of the running service.

    Goes through the console's HTTP API with the token in the data folder. Exit code 1 if it was not done.

    Example: spikewatch tell press-1 snooze 2h --config plant.yaml
    """
    send(configured(config), machine, command, argument, by, as_json, argument)


def send(tree: "Config", machine: str, command: str, argument: str, by: str, as_json: bool, told: str) -> None:
    """Have the service do a command; `told`: what to call its argument."""
    from pipeline.engine.commands import Command, CommandError, checked
    from pipeline.records import Machine

    try:
        checked(Command(command, Machine(machine), argument, by))
    except CommandError as error:
        fail(str(error))
    found = _machine(tree, machine)
    body = {"verb": command, "argument": argument, "by": by or getuser(), "via": "cli"}
    answer = _asked(tree, f"/api/machines/{found}/command", body)
    if as_json:
        out.print_json(json.dumps(answer))
        return
    out.print(f"{machine}: {' '.join(filter(None, [command, told]))}: done", markup=False)
