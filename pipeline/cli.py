"""The command line. Every verb says what it does with an example.

Exit codes: 0 fine, 1 something was found or is missing, 2 wrong usage or configuration.

Nothing is computed here: arguments in, words out.
"""

import json
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table as Rich

from pipeline.config import Config, ConfigError
from pipeline.config_file import load

app = typer.Typer(
    name="spikewatch",
    help="Learns, per machine and on the spot, what is normal, and says when it is not.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, highlight=False)

ConfigPath = Annotated[
    Optional[Path],  # noqa: UP045  # typer reads this at run time
    typer.Option("--config", "-c", help="YAML file; without one everything has its default."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def main() -> None:
    """Entry point of the `spikewatch` command."""
    app()


def fail(message: str, code: int = 2) -> NoReturn:
    """End with a message on standard error."""
    err.print(message, markup=False, soft_wrap=True)
    raise typer.Exit(code)


def configured(path: Path | None) -> Config:
    """The configuration, or the end of the program with all that is wrong in it."""
    try:
        return load(path, os.environ)
    except ConfigError as error:
        fail(str(error))


def set_up_logs() -> None:
    """Events as lines of key=value on standard error."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    logging.getLogger("spikewatch").setLevel(logging.INFO)


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that the service ends in order."""
    stop = threading.Event()
    handlers = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def progress_bar(what: str, total: int) -> Iterator["Bar"]:
    """A bar with the time that remains, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        yield Bar(progress, progress.add_task(what, total=total))


class Bar:
    """One task of a progress display."""

    def __init__(self, progress: Progress, task: "object") -> None:
        self._progress = progress
        self._task = task

    def __call__(self, done: int) -> None:
        """So many units are done."""
        self._progress.update(self._task, completed=done)  # type: ignore[arg-type]


@app.command()
def run(config: ConfigPath = None) -> None:
    """Run the service until Ctrl-C or SIGTERM.

    Without a configuration an embedded broker listens on loopback, and scores go to the embedded store.

    Example: spikewatch run --config plant.yaml
    """
    tree = configured(config)
    set_up_logs()
    from pipeline.service import DataFolderBusy, serve

    try:
        with until_stopped() as stop:
            serve(tree, os.environ, stop)
    except DataFolderBusy as error:
        fail(str(error))


@app.command()
def check(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Validate a configuration. Connects to nothing.

    Example: spikewatch check --config plant.yaml
    """
    tree = configured(config)
    target = "embedded store" if tree.influxdb is None else tree.influxdb.url
    facts = {
        "broker": tree.mqtt.url or "embedded, on loopback",
        "topics": [source.topic for source in tree.mqtt.sources],
        "target": target,
        "data": tree.data,
    }
    if as_json:
        out.print_json(json.dumps(facts))
        return
    out.print(f"{config or 'defaults'}: fine", markup=False)
    for key, value in facts.items():
        out.print(f"  {key}: {value if isinstance(value, str) else ', '.join(value)}", markup=False)


@app.command()
def score(
    inputs: Annotated[list[Path], typer.Argument(help="CSV, CSV.gz or Parquet files; each is one machine.")],
    to: Annotated[Path, typer.Option("--out", help="Folder for the scores, one <input stem>.csv per input.")],
    time_column: Annotated[Optional[str], typer.Option("--time", help="Time column; else the usual names.")] = None,  # noqa: UP045
    exclude: Annotated[str, typer.Option(help="Columns that are no sensors, separated by commas.")] = "",
) -> None:
    """Score recorded files, strictly online: a row's score depends on rows up to it only.

    Each file is one machine with a fresh network; every numeric column but the time is a sensor. Writes
    time,score,severity,cause with one row per input row.

    Example: spikewatch score press-1.csv press-2.csv.gz --out scores --time ts --exclude label,phase
    """
    from pipeline.score import score as score_table
    from pipeline.scoring import Severity
    from pipeline.tables import TableError, read_table

    excluded = [name.strip() for name in exclude.split(",") if name.strip()]
    stems = [path.name.split(".")[0] for path in inputs]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        fail(f"--out: two inputs would write {', '.join(f'{stem}.csv' for stem in twice)}")
    to.mkdir(parents=True, exist_ok=True)
    import csv

    for number, path in enumerate(inputs, 1):
        try:
            table = read_table(path, time_column, excluded)
        except TableError as error:
            fail(str(error))
        if not table.sensors:
            fail(f"{path}: no numeric column but the time")
        with progress_bar(f"{number}/{len(inputs)} {path.name}", len(table.stamps)) as bar:
            scored = score_table(table, progress=bar)
        if scored.disordered:
            err.print(f"{path}: {scored.disordered} rows are not later than the row before; taken in file order")
        if table.skipped:
            err.print(f"{path}: not numeric, so no sensors: {', '.join(table.skipped)}", markup=False)
        stem = path.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".parquet")
        with (to / f"{stem}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("time", "score", "severity", "cause"))
            names = [Severity(level).name.lower() for level in scored.severity.tolist()]
            writer.writerows(
                (stamp, f"{value:.6f}", severity, cause)
                for stamp, value, severity, cause in zip(
                    table.stamps, scored.score.tolist(), names, scored.cause, strict=True
                )
            )


@app.command()
def replay(
    inputs: Annotated[list[Path], typer.Argument(help="CSV, CSV.gz or Parquet files; each is one machine.")],
    url: Annotated[str, typer.Option(help="Broker, mqtt://host:port.")] = "mqtt://127.0.0.1:1883",
    topic: Annotated[str, typer.Option(help="Topic; {machine} is the file's stem.")] = "plant/{machine}",
    speed: Annotated[float, typer.Option(help="Times real time; inf for as fast as possible.")] = math.inf,
    within: Annotated[float, typer.Option(help="Instead of --speed: seconds every file is played in.")] = 0.0,
    time_column: Annotated[Optional[str], typer.Option("--time", help="Time column; else the usual names.")] = None,  # noqa: UP045
    exclude: Annotated[str, typer.Option(help="Columns that are no sensors, separated by commas.")] = "",
) -> None:
    """Publish recorded files over MQTT as JSON, a message per row, with their recorded times.

    Example: spikewatch replay sample_data/machine-temperature.csv.gz --speed 3600
    """
    from pipeline.mqtt import Broker, Publisher, PublishError
    from pipeline.replay import interleave, paced, play
    from pipeline.tables import TableError, read_table

    excluded = [name.strip() for name in exclude.split(",") if name.strip()]
    try:
        tables = [read_table(path, time_column, excluded) for path in inputs]
        total = sum(len(table.stamps) for table in tables)
        with (
            until_stopped() as stop,
            Publisher(Broker.of(url, client_id=f"spikewatch-replay-{os.getpid()}", protocol=4)) as publisher,
            progress_bar("rows published", total) as bar,
        ):
            schedule = paced(tables, topic, within) if within > 0 else interleave(tables, topic, speed)
            sent = play(schedule, publisher.publish, stop=stop, progress=bar)
            publisher.drain()
    except (TableError, PublishError) as error:
        fail(str(error))
    err.print(f"{sent} messages published to {url}")


@app.command()
def machines(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List the machines known at the last commit. Reads the data folder only; the service may be running.

    Example: spikewatch machines --config plant.yaml
    """
    tree = configured(config)
    from pipeline.board import moment
    from pipeline.journal import Journal
    from pipeline.service import journal_path, restore
    from pipeline.snapshots import Snapshots

    if not journal_path(tree).exists():
        fail(f"{tree.data}: no journal here yet; has the service run with this data folder?", 1)
    journal = Journal(journal_path(tree), read_only=True)
    engine, _ = restore(tree, journal, Snapshots(Path(tree.data), read_only=True))
    journal.close()
    summaries = engine.summaries()
    if as_json:
        rows = [
            {
                **one._asdict(),
                "machine": one.machine.name,
                "tags": dict(one.machine.tags),
                "severity": one.severity.name,
            }
            for one in summaries
        ]
        out.print_json(json.dumps(rows))
        return
    table = Rich("machine", "state", "sensors", "readings", "newest", "score", "severity")
    for one in summaries:
        state = "ready" if one.learned >= 1.0 else f"learning {100 * one.learned:.0f} %"
        name = " ".join([one.machine.name, *(f"{key}={value}" for key, value in one.machine.tags)])
        newest = moment(one.time_ns) if one.time_ns else "-"
        table.add_row(
            name, state, str(one.sensors), f"{one.readings:,}", newest, f"{one.score:.4f}", one.severity.name.lower()
        )
    out.print(table)


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(help="How long the recordings are played.")] = 75.0,
    files: Annotated[Optional[list[Path]], typer.Argument(help="Recordings; default: sample_data.")] = None,  # noqa: UP045
) -> None:
    """Show the whole service on recorded machines: embedded broker, real MQTT, networks that learn, a live table.

    Example: spikewatch demo --seconds 60
    """
    from pipeline.demo import DemoError, play_demo

    try:
        with until_stopped() as stop:
            play_demo(out, files, seconds, stop)
    except DemoError as error:
        fail(str(error), 1)
