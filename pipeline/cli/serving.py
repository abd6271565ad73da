"""Verbs of the service: run it, try it, check its configuration, see its machines."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pipeline.cli.first_run import set_up
from pipeline.cli.restarting import restartable
from pipeline.cli.terminal import (
    AsJson,
    ConfigPath,
    app,
    as_committed,
    configured,
    err,
    fail,
    out,
    set_up_logs,
    usual,
)
from pipeline.service.stopping import until_stopped

if TYPE_CHECKING:
    from pipeline.config.settings import Config
    from pipeline.engine.ageing import Ageing, Forecast


@app.command()
def run(config: ConfigPath = None) -> None:
    """Run the service until Ctrl-C or SIGTERM.

    Without --config and without a spikewatch.yaml in the working directory, the page at http://127.0.0.1:8380 makes
    one: it tries the broker, shows what is understood of the traffic, and starts the service when it is saved. With
    an empty file an embedded broker listens on loopback, and scores go to the embedded store. The console is at the
    same address; with mistakes in the configuration it shows them, and nothing else runs. With
    `upstream` in the configuration a second broker is sent states, incidents, ageing and the highest score of each
    interval. Ends with 2 where there is no such file.

    Example: spikewatch run --config plant.yaml
    """
    from pipeline.config.file import load
    from pipeline.config.settings import ConfigError, NoConfigError

    set_up_logs()
    config = usual(config)
    if config is None:
        set_up()
        return
    try:
        tree = load(config, os.environ)
    except NoConfigError as error:
        fail(f"{error} (--config)")  # with no file there is nothing for the page to show
    except ConfigError as error:
        err.print(str(error), markup=False, soft_wrap=True)
        show_problems(config)
        raise typer.Exit(2) from None
    with restartable() as (stop, restart):
        served(tree, config, stop, restart)


def served(tree: "Config", config: Path | None, stop: threading.Event, restart: Callable[[], None]) -> None:
    """Run the service; the end of the program with the reason where it cannot be."""
    import sqlite3

    from pipeline.config.settings import ConfigError
    from pipeline.mqtt.embedded import NotInstalled
    from pipeline.service.serving import serve
    from pipeline.storage.data_folder import DataFolderBusy
    from pipeline.storage.journal import JournalError
    from pipeline.storage.snapshots import LaterVersionError

    try:
        serve(tree, os.environ, stop, config_path=config, restart=restart)
    except (ConfigError, DataFolderBusy, JournalError, LaterVersionError, NotInstalled) as error:
        fail(str(error))
    except sqlite3.OperationalError as error:
        fail(f"{tree.data}: {error} (key: data)", 1)  # not 2: when the disk has room again, another start may do
    except OSError as error:
        ours = str(error.filename or "").startswith(tree.data)
        fail(f"{error.filename}: {error.strerror} (key: data)" if ours else str(error), 1)


def show_problems(config: Path) -> None:
    """Safe mode: serve the page that shows what is wrong with a configuration, until stopped."""
    from pipeline.config.file import readable
    from pipeline.console import serve_problems
    from pipeline.service.health import notifier

    with restartable() as (stop, restart):
        serve_problems(readable(config, os.environ), config, os.environ, stop, notifier(os.environ), restart)


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(help="Seconds in which the recordings are played.")] = 75.0,
    files: Annotated[Optional[list[Path]], typer.Argument(help="Recordings; default: sample_data.")] = None,  # noqa: UP045
) -> None:
    """Show the whole service on recorded machines: embedded broker, MQTT, networks that learn, a live table.

    In a terminal the recordings are played again and again until Ctrl-C, elsewhere once. A recording of your own is a
    file with a row per time and a column per sensor, as for `score`; each file is one machine.

    Example: spikewatch demo --seconds 60

    Example: spikewatch demo press-1.csv press-2.csv
    """
    with until_stopped() as stop:
        from pipeline.commissioning.demo import DemoError, play_demo
        from pipeline.mqtt.embedded import NotInstalled
        from pipeline.recordings.tables import TableError

        try:
            play_demo(out.console, files, seconds, stop)
        except (NotInstalled, TableError) as error:
            fail(str(error))
        except (DemoError, OSError) as error:
            fail(str(error), 1)


@app.command()
def check(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Validate a configuration. Connects to nothing. Ends with 2 where something is wrong.

    With --json, `problems` has the file, line, key and message of each mistake.

    Example: spikewatch check --config plant.yaml
    """
    from pipeline.config.file import load
    from pipeline.config.settings import ConfigError
    from pipeline.mqtt.embedded import NotInstalled, need

    config = usual(config)
    try:
        tree = load(config, os.environ)
    except ConfigError as error:
        if not as_json:
            fail(str(error))
        out.print_json(json.dumps({"problems": [one._asdict() for one in error.problems]}))
        raise typer.Exit(2) from None
    if tree.mqtt.url is None:
        try:
            need()
        except NotInstalled as error:
            fail(str(error))
    if tree.notify:
        from pipeline.notify.setup import plan

        try:
            plan(tree, os.environ)
        except ConfigError as error:
            fail(str(error))
    target = "embedded store" if tree.influxdb is None else tree.influxdb.url
    facts = {
        "broker": tree.mqtt.url or "embedded, on loopback",
        "topics": [source.topic for source in tree.mqtt.sources],
        "target": target,
        "data": tree.data,
        "notify": [channel.name for channel in tree.notify],
    }
    if as_json:
        out.print_json(json.dumps({**facts, "problems": []}))
        return
    out.print(f"{config or 'defaults'}: valid", markup=False)
    for key, value in facts.items():
        out.print(f"  {key}: {value if isinstance(value, str) else ', '.join(value) or 'none'}", markup=False)


@app.command()
def machines(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """List the machines known at the last commit. Reads the data folder only; the service may be running.

    Example: spikewatch machines --config plant.yaml
    """
    from pipeline.commissioning.board import moment
    from pipeline.engine.level import level_of
    from pipeline.engine.scoring import MachineState

    engine = as_committed(configured(config))
    summaries = engine.summaries()
    trust = [engine.quality(slot) for slot in range(len(summaries))]
    changes = [engine.changes(slot) for slot in range(len(summaries))]
    if as_json:
        accounts = [engine.account(slot) for slot in range(len(summaries))]
        rows = [
            {
                **one._asdict(),
                "level": level_of(one.score),
                "machine": one.machine.name,
                "tags": dict(one.machine.tags),
                "state": one.state.word,
                "severity": one.severity.name,
                "shifts": [shift._asdict() for shift in one.shifts],
                "quality": [each.told() for each in sensors],
                **changed.told(),
                "account": None if account is None else account.told(),
            }
            for one, sensors, changed, account in zip(summaries, trust, changes, accounts, strict=True)
        ]
        out.print_json(json.dumps(rows))
        return
    from rich.table import Table as Rich

    table = Rich("machine", "state", "sensors", "readings", "newest", "level", "severity", "bad sensors", "changed")
    for one, sensors, changed in zip(summaries, trust, changes, strict=True):
        state = one.state.word
        if one.state is MachineState.LEARNING:
            state += f" {100 * one.learned:.0f} %"
        elif one.frozen and one.state is not MachineState.FROZEN:
            state += " (frozen)"
        name = " ".join([one.machine.name, *(f"{key}={value}" for key, value in one.machine.tags)])
        newest = moment(one.time_ns) if one.time_ns else "-"
        table.add_row(
            name,
            state,
            str(one.sensors),
            f"{one.readings:,}",
            newest,
            f"{level_of(one.score):.1f}",
            one.severity.name.lower(),
            ", ".join(f"{each.sensor} ({each.says})" for each in sensors if not each.fine),
            changed.says,
        )
    out.print(table)


@app.command()
def ageing(
    machine: Annotated[Optional[str], typer.Argument(help="Its name; default: all machines.")] = None,  # noqa: UP045
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """How far each sensor has moved since commissioning or the last repair, how fast, and when it reaches its limit.

    As of the last commit; reads the data folder only, the service may be running. A limit is configured
    (machines: [{match: press-*, kind: press, sensors: {vibration: {limit: 7.1}}}]); so is a kind, the
    machines with which each is compared (its rank, and the median of their sigmas). Exit code 1 if a limit is
    reached.

    Example: spikewatch ageing press-03 --config plant.yaml
    """
    engine = as_committed(configured(config))
    known = engine.fleet.machines
    chosen = [
        (known[slot], sensors)
        for slot, sensors in enumerate(engine.ageings())
        if machine is None or known[slot].name == machine
    ]
    if machine is not None and not chosen:
        fail(f"{machine}: no such machine; spikewatch machines lists them", 1)
    if as_json:
        rows = [
            {
                "machine": one.name,
                "tags": dict(one.tags),
                "sensors": [
                    {
                        **sensor._asdict(),
                        "forecast": sensor.forecast and sensor.forecast._asdict(),
                        "peers": sensor.peers and sensor.peers._asdict(),
                    }
                    for sensor in sensors
                ],
            }
            for one, sensors in chosen
        ]
        out.print_json(json.dumps(rows))
    else:
        from rich.table import Table as Rich

        columns = (
            "machine",
            "sensor",
            "sigmas",
            "per day",
            "moved",
            "per day",
            "gain",
            "limit",
            "reached",
            "of its kind",
        )
        table = Rich(*columns)
        for one, sensors in chosen:
            name = " ".join([one.name, *(f"{key}={value}" for key, value in one.tags)])
            for sensor in sensors:
                table.add_row(name, *aged(sensor))
        out.print(table)
    if any(
        sensor.forecast is not None and sensor.forecast.days == 0.0 for _, sensors in chosen for sensor in sensors
    ):
        raise typer.Exit(1)


def aged(one: "Ageing") -> tuple[str, ...]:
    """A sensor's ageing in words, column by column."""
    if one.shift is None or one.moved is None or one.error is None:
        return (one.sensor, f"commissioning {100 * one.known:.0f} %", *7 * ("",))
    limit, peers = one.forecast, one.peers
    return (
        one.sensor,
        f"{one.shift:+.2f}",
        f"{one.per_day:+.3f}",
        f"{one.moved:+.3g} ±{one.error:.2g}",
        f"{one.per_day_unit:+.2g}",
        "" if one.gain is None else f"{one.gain:.3f}",
        "" if limit is None else f"{limit.limit:g}",
        "" if limit is None else when(limit),
        "" if peers is None else f"{peers.rank} of {peers.machines} ({peers.shift:+.2f})",
    )


def when(limit: "Forecast") -> str:
    """When a limit is reached, in words."""
    if limit.days == 0.0:
        return "now"
    if limit.days is None or limit.latest is None:
        return "not at this trend" if limit.earliest is None else f"not before {limit.earliest:.0f} d"
    return f"in {limit.days:.0f} d ({limit.earliest or 0.0:.0f} to {limit.latest:.0f})"
