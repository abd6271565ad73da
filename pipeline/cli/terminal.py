"""What the verbs share: the program they are verbs of, options, progress, and how they end."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, Optional

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.status import Status

    from pipeline.config.settings import Config
    from pipeline.engine.engine import Engine
    from pipeline.mqtt import Broker

app = typer.Typer(
    name="spikewatch",
    help="Learns on site what is normal for each machine, and raises alarms when it is not.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Screen:
    """A console of rich, which is loaded when something is first said: `--help` and the service need none."""

    def __init__(self, stderr: bool) -> None:
        self._stderr = stderr

    @cached_property
    def console(self) -> "Console":
        """The console itself."""
        from rich.console import Console

        width = None if self._stderr or sys.stdout.isatty() else 120
        return Console(stderr=self._stderr, highlight=False, width=width)

    def print(self, what: object, *, markup: bool | None = None, soft_wrap: bool | None = None) -> None:
        """As rich's."""
        self.console.print(what, markup=markup, soft_wrap=soft_wrap)

    def print_json(self, text: str) -> None:
        """As rich's."""
        self.console.print_json(text)

    def status(self, text: str) -> "Status":
        """As rich's."""
        return self.console.status(text)


out = Screen(stderr=False)
err = Screen(stderr=True)

USUAL_FILE = Path("spikewatch.yaml")  # in the working directory; what the setup page writes
ConfigPath = Annotated[
    Optional[Path],  # noqa: UP045  # typer reads this at run time
    typer.Option(
        "--config",
        "-c",
        help="YAML file; default: spikewatch.yaml in the working directory, else the default of every setting.",
    ),
]
RulesPath = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--config", "-c", help="YAML file whose rules for machines apply."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from pipeline.config.extras import installed_version

        out.print(f"spikewatch {installed_version()}", markup=False)
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Learns, per machine and on the spot, what is normal, and says when it is not."""


def fail(message: str, code: int = 2) -> NoReturn:
    """End with a message on standard error."""
    err.print(message, markup=False, soft_wrap=True)
    raise typer.Exit(code)


def needed(what: str, extra: str, *packages: str) -> None:
    """The end of the program where a package of an extra is missing that `what` needs."""
    import importlib.util

    from pipeline.config.extras import install

    for package in packages:
        if importlib.util.find_spec(package) is None:
            fail(f"{what} needs {package}, which is not installed: {install(extra)}")


def needed_java(what: str) -> None:
    """The end of the program where there is no Java for Spark."""
    from pipeline.cluster.spark import has_java

    if not has_java():
        fail(f"{what} needs Java 17, which is not found: apt install openjdk-17-jre-headless, or set JAVA_HOME")


def listed(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def usual(path: Path | None) -> Path | None:
    """The file that was named, else the usual one; None where that is not there."""
    return path or (USUAL_FILE if USUAL_FILE.exists() else None)


def host_zone() -> str | None:
    """The IANA name of this computer's time zone; None where nothing says it."""
    return (
        os.environ.get("TZ", "").lstrip(":") or os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2] or None
    )


def configured(path: Path | None) -> "Config":
    """The configuration, or the end of the program with all that is wrong in it."""
    from pipeline.config.file import load
    from pipeline.config.settings import ConfigError

    try:
        return load(usual(path), os.environ)
    except ConfigError as error:
        fail(str(error))


def broker_for(url: str | None, tree: "Config", client_id: str) -> "Broker":
    """The broker to publish to: that of --url, else the configuration's; the end of the program where it is none."""
    from pipeline.config.settings import ConfigError
    from pipeline.mqtt import Broker
    from pipeline.service.connections import broker_of, embedded_port

    try:
        if url is None:
            return broker_of(tree, os.environ, client_id, embedded_port(tree))
        return Broker.of(url, client_id=client_id, protocol=4)
    except ConfigError as error:
        fail(str(error))
    except ValueError as error:
        fail(f"--url: {error}")


def set_up_logs() -> None:
    """Events as lines of key=value on standard error."""
    import logging

    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    logging.getLogger("spikewatch").setLevel(logging.INFO)


@contextmanager
def progress_bar(what: str, total: int | None) -> Iterator["Bar"]:
    """A bar with the time that remains, on standard error; `total` is None where there is no end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err.console, transient=True) as progress:
        yield Bar(progress, progress.add_task(what, total=total))


class Bar:
    """One task of a progress display."""

    def __init__(self, progress: "Progress", task: "TaskID") -> None:
        self._progress = progress
        self._task = task

    def __call__(self, done: int) -> None:
        """So many units are done."""
        self._progress.update(self._task, completed=done)


def as_committed(tree: "Config") -> "Engine":
    """The service's networks at its last commit. Reads the data folder only; the service may be running."""
    import sqlite3

    from pipeline.storage.data_folder import journal_path, restore
    from pipeline.storage.journal import Journal, JournalError
    from pipeline.storage.snapshots import LaterVersionError, Snapshots

    if not os.path.exists(journal_path(tree)):  # False also where we may not look
        fail(f"{tree.data}: no journal here yet; has the service run with this data folder?", 1)
    try:
        journal = Journal(journal_path(tree), read_only=True)
        engine, _ = restore(tree, journal, Snapshots(Path(tree.data), read_only=True))
        journal.close()
    except (JournalError, LaterVersionError) as error:
        fail(str(error), 1)
    except (sqlite3.Error, OSError) as error:
        fail(f"{tree.data}: {error}", 1)
    return engine
