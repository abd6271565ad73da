"""Verbs for whoever looks after an installation: what is in the data folder, and is all of it whole."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Optional

import typer

from pipeline.cli.terminal import AsJson, ConfigPath, app, configured, err, fail, out

journal = typer.Typer(
    help="Inspect the journal: what was accepted, what waits for delivery, what was refused.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(journal, name="journal")


@app.command()
def doctor(
    config: ConfigPath = None,
    listen: Annotated[float, typer.Option(min=1.0, help="Seconds to measure the traffic.")] = 10.0,
    survive: Annotated[str, typer.Option(help="Outage of each part that must lose nothing.")] = "12h",
    probe: Annotated[
        int,
        typer.Option(min=0, help="Test messages sent for the broker to queue, to count how many it keeps; 0: none."),
    ] = 2_000,
    as_json: AsJson = False,
) -> None:
    """Find out how long broker, database and service may each be down before anything is lost, and what to change.

    Measured: the traffic, how many messages the broker queues for a disconnected session (test messages are
    sent on <client_id>/doctor), the disk, whether the database accepts a point (one is written to measurement
    service), and whether the second broker accepts a message (one is sent on <prefix>/doctor). The service may be
    running. Exit code 1 if something should be changed.

    Example: spikewatch doctor --config plant.yaml --survive 12h
    """
    import sqlite3

    from rich.markup import escape

    from pipeline.commissioning.doctor import examine
    from pipeline.config.settings import ConfigError, duration_ns
    from pipeline.service.connections import broker_of, open_sink, upstream_of

    tree = configured(config)
    try:
        survive_s = duration_ns(survive) / 1e9
    except ValueError as error:
        fail(f"--survive: {error}")
    if tree.mqtt.url is None:
        fail("mqtt.url is not set: the embedded broker is only for trying out, so there is nothing to examine", 1)
    try:
        broker, found = broker_of(tree, os.environ, tree.mqtt.client_id), []
        second = None if tree.upstream is None else upstream_of(tree.upstream, tree.mqtt.client_id, os.environ)
        with err.status("broker") as status:
            steps = examine(
                *(tree, broker, lambda: open_sink(tree, os.environ), listen, probe, survive_s, status.update),
                upstream=second,
            )
            for finding in steps:
                found.append(finding)
                if not as_json:
                    mark = "[red]change[/]" if finding.fix else "[green]ok[/]    "
                    out.print(f"{mark} {finding.subject}: {escape(finding.found)}", soft_wrap=True)
                    if finding.fix:
                        out.print(f"       -> {finding.fix}", markup=False, soft_wrap=True)
    except (sqlite3.Error, ConfigError) as error:
        fail(str(error), 1)
    if as_json:
        out.print_json(json.dumps([finding._asdict() for finding in found]))
    if any(finding.fix for finding in found):
        raise typer.Exit(1)


class What(StrEnum):
    """What can be exported."""

    OUTBOX = "outbox"
    DEAD = "dead"
    READINGS = "readings"


def folder_of(config: Path | None) -> Path:
    """The data folder, which must have a journal."""
    folder = Path(configured(config).data)
    if not os.path.exists(folder / "journal.sqlite"):
        fail(f"{folder}: no journal here yet; has the service run with this data folder?", 1)
    return folder


@contextmanager
def opened(to: Path | None) -> Iterator[IO[str]]:
    """The file to write to, or standard output."""
    if to is None:
        yield sys.stdout
        return
    try:
        with to.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
    except OSError as error:
        fail(f"--out: {to}: {error.strerror}")


@journal.command()
def fsck(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Verify every checksum of journal and snapshots, and that no batch is missing. Changes nothing.

    Exit code 1 if something is wrong. The service repairs what it can at its next start: it sets damaged files aside
    by name and keeps their intact part.

    Example: spikewatch journal fsck --config plant.yaml
    """
    from pipeline.storage.inspection import findings

    folder = folder_of(config)
    with err.status("reading") as status:

        def progress(rows: int) -> None:
            if rows % 10_000 == 0:
                status.update(f"reading: {rows:,} rows")

        found = list(findings(folder, progress))
    if as_json:
        out.print_json(json.dumps({"data": str(folder), "findings": found}))
    else:
        for text in found:
            out.print(text, markup=False, soft_wrap=True)
        verdict = f"{len(found)} findings" if found else "no damage found"
        out.print(f"{folder}: {verdict}", markup=False, soft_wrap=True)
    if found:
        raise typer.Exit(1)


@journal.command()
def stats(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show what the data folder holds: what waits for delivery, what a restart would replay, what was refused.

    Example: spikewatch journal stats --config plant.yaml
    """
    import sqlite3

    from rich.filesize import decimal

    from pipeline.commissioning.board import moment
    from pipeline.storage.inspection import stats as measure

    tree = configured(config)
    folder = folder_of(config)
    try:
        figures = measure(folder, shutil.disk_usage(folder).free)
    except sqlite3.Error as error:
        fail(f"{folder / 'journal.sqlite'}: {error}; spikewatch journal fsck says more", 1)
    if as_json:
        out.print_json(json.dumps(figures._asdict()))
        return

    def when(time_ns: int) -> str:
        return moment(time_ns) if time_ns else "-"

    share = 100.0 * figures.outbox_bytes / tree.limits.outbox_bytes
    lines = [
        f"machines {figures.machines:,}, sensors {figures.sensors:,}",
        f"newest message {when(figures.newest_arrival_ns)}",
        f"outbox: {figures.outbox_points:,} points in {decimal(figures.outbox_bytes)} ({share:.1f} % of"
        f" limits.outbox_bytes), oldest {when(figures.outbox_oldest_ns)}",
        *(
            f"outbox {name}: {waiting.points:,} points in {decimal(waiting.bytes)}, oldest {when(waiting.oldest_ns)}"
            for name, waiting in figures.other_outboxes.items()
            if waiting.points
        ),
        f"a restart replays {figures.batches_to_replay:,} batches, {decimal(figures.bytes_to_replay)}",
        *(f"snapshot of batch {sequence}: {decimal(size)}" for sequence, size in figures.snapshots.items()),
        *(f"dead letters: {count:,} x {reason}" for reason, count in figures.dead_letters.items()),
        f"disk: {decimal(sum(figures.files.values()))} used by Spikewatch, {decimal(figures.disk_free)} free",
    ]
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


@journal.command()
def export(
    what: Annotated[What, typer.Argument(help="What to write.")],
    config: ConfigPath = None,
    to: Annotated[Optional[Path], typer.Option("--out", help="File; default: standard output.")] = None,  # noqa: UP045
) -> None:
    """Export what the journal holds, as text that other tools read. Changes nothing.

    outbox: points that wait for delivery, as line protocol. dead: what was permanently refused, as JSON lines with
    the reason. readings: what was accepted since the oldest snapshot, as CSV.

    Example: spikewatch journal export outbox --config plant.yaml --out points.txt && influx write -f points.txt
    """
    import sqlite3

    from pipeline.sinks.lines import lines
    from pipeline.storage import inspection
    from pipeline.storage.journal import Journal
    from pipeline.storage.journal_file import connect

    folder = folder_of(config)
    database = connect(folder / "journal.sqlite", read_only=True)
    rows = 0
    try:
        with opened(to) as file:
            if what is What.OUTBOX:
                for batch in inspection.outbox(database):
                    file.write(lines(batch.points) + "\n")
                    rows += len(batch.points)
            elif what is What.DEAD:
                for letter in Journal(folder / "journal.sqlite", read_only=True).dead():
                    content = letter.content.decode("utf-8", "backslashreplace")
                    file.write(json.dumps({"reason": letter.reason, "what": letter.what, "content": content}) + "\n")
                    rows += 1
            else:
                import csv

                writer = csv.writer(file)
                writer.writerow(["machine", "tags", "sensor", "time_ns", "value"])
                for machine, sensor, time_ns, value in inspection.readings(database):
                    tags = " ".join(f"{key}={text}" for key, text in machine.tags)
                    writer.writerow([machine.name, tags, sensor, time_ns, repr(value)])
                    rows += 1
    except sqlite3.Error as error:
        fail(f"{folder / 'journal.sqlite'}: {error}; spikewatch journal fsck says more", 1)
    finally:
        database.close()
    if to is not None:
        err.print(f"{to}: {rows:,} {what}", markup=False, soft_wrap=True)
