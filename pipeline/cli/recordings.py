"""Verbs for recorded files: score them, compare them with labels, play them, learn a kind's prior from them."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pipeline.cli.files import SAID, different, read_file, read_files, reads_files
from pipeline.cli.terminal import (
    AsJson,
    ConfigPath,
    RulesPath,
    app,
    as_committed,
    broker_for,
    configured,
    err,
    fail,
    listed,
    out,
    progress_bar,
)
from pipeline.service.stopping import until_stopped

if TYPE_CHECKING:
    from pipeline.config.settings import Config, MachineRule
    from pipeline.network.calendar import Calendar
    from pipeline.network.parameters import Params
    from pipeline.network.prior import Prior
    from pipeline.recordings.reading.choices import Choices
    from pipeline.recordings.score import Scored
    from pipeline.recordings.tables import Table
    from pipeline.recordings.tuning import Tuned
    from pipeline.records import Floats, Ints


def named(inputs: list[Path]) -> list[str]:
    """The files' names without suffix, which must differ."""
    from pipeline.recordings.tables import stem

    stems = [stem(path) for path in inputs]
    different(stems)
    return stems


def folder_for(to: Path, stems: Sequence[str], read: Sequence[Path]) -> None:
    """Make the folder for a CSV per stem, which must not take the place of a file that is read, or of another."""
    kept = {path.resolve() for path in read}
    for number, stem in enumerate(stems):
        if (to / f"{stem}.csv").resolve() in kept:
            fail(f"--out: {to / stem}.csv is an input and would be overwritten; give another folder")
        if stem in stems[:number]:
            fail(f"--out: {to / stem}.csv would be written twice; rename an input")
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"--out: {to}: {error.strerror}")


def scored_with_words(
    path: Path,
    table: "Table",
    what: str,
    rule: "MachineRule",
    known: "Prior | None",
    params: "Params | None" = None,
    freeze_at: int | None = None,
    explain: bool = False,
    calendar: "Calendar | None" = None,
) -> "Scored":
    """Scores of a table with a bar of progress, and what is odd about the file on standard error."""
    from pipeline.recordings.results import disorder
    from pipeline.recordings.score import score as score_table

    with progress_bar(f"{what} {path.name}", len(table.stamps)) as bar:
        scored = score_table(
            table,
            progress=bar,
            rule=rule,
            known=known,
            params=params,
            freeze_at=freeze_at,
            explain=explain,
            calendar=calendar,
        )
    if told := disorder(str(path), scored):
        err.print(told, markup=False, soft_wrap=True)
    return scored


@app.command()
@reads_files
def score(
    inputs: Annotated[
        list[Path], typer.Argument(help="CSV, Parquet or JSON files, gzip or not, WAV or NPY; each is one machine.")
    ],
    to: Annotated[Path, typer.Option("--out", help="Folder for the scores, one <input stem>.csv per input.")],
    reading: "Choices" = SAID,
    config: RulesPath = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also write <input stem>.explain.csv, see above.")
    ] = False,
    without: Annotated[
        str, typer.Option(help="For experiments: populations to leave out, separated by commas.")
    ] = "",
    with_context: Annotated[
        bool,
        typer.Option("--with-context", help="For experiments: with the context population, which is off by default."),
    ] = False,
    freeze_at: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=0, help="For experiments: first row, counted from 0, that is not learned from."),
    ] = None,
) -> None:
    """Score recorded files, strictly online: a row's score depends only on the rows up to it.

    Each file is one machine with a fresh network; every numeric column but the time is a sensor. Writes
    time,score,severity,cause with one row per input row. With --config, the rules for machines apply: a file's stem
    is its machine's name.

    Example: spikewatch score press-1.csv press-2.csv.gz --out scores --time ts --exclude label,phase

    Example: spikewatch score press-1.csv --out scores --config plant.yaml

    Example: spikewatch score pump.wav --out scores --waveform '{unit: g, scale: 50, speed: 1480}'

    With --explain, <stem>.explain.csv has the reasons: time,why and four columns per sensor, such as flow.share
    (of the sensor in the row's score; the shares of a row add up to 1) and flow.expected, flow.low, flow.high (the
    expected value and band, in the sensor's unit). Cells are empty while a sensor is learning; why
    is empty in normal rows.

    \b
    Example: spikewatch score press-1.csv --out scores --explain
      frame = pandas.read_csv("scores/press-1.explain.csv", index_col="time", parse_dates=True)
      frame.loc[frame["why"].notna()].filter(like=".share").mean()
    """
    from pipeline.config.calendars import calendars_of
    from pipeline.config.prior_file import priors_of
    from pipeline.config.settings import match_rule
    from pipeline.network import parameters
    from pipeline.recordings.results import NO_SENSOR, in_short, write_explanations, write_scores

    try:
        params = parameters.without(
            parameters.with_context(parameters.Params()) if with_context else parameters.Params(), listed(without)
        )
    except ValueError as error:
        fail(f"--without: {error}")
    stems = named(inputs)
    tree = configured(config)
    rules = tree.machines
    priors, calendars = priors_of(rules), calendars_of(tree)
    folder_for(to, [*stems, *(f"{stem}.explain" for stem in stems if explain)], inputs)
    names: list[str] = []
    for number, path in enumerate(inputs, 1):
        tables = read_file(path, reading)
        names += [table.name for table in tables]
        different(names)
        if len(tables) > 1:
            own = [table.name for table in tables]
            folder_for(to, [*own, *(f"{name}.explain" for name in own if explain)], inputs)
        for table in tables:
            if not table.sensors:
                fail(f"{path}: {NO_SENSOR}")
            what, rule, name = f"{number}/{len(inputs)}", match_rule(rules, table.name), table.name
            scored = scored_with_words(
                path, table, what, rule, priors(name), params, freeze_at, explain, calendars(name)
            )
            written = [to / f"{name}.csv"]
            write_scores(written[0], table, scored)
            if scored.explained is not None:
                written.append(to / f"{name}.explain.csv")
                write_explanations(written[1], table, scored.explained)
            out.print(f"{' and '.join(map(str, written))}: {in_short(scored)}", markup=False, soft_wrap=True)


@app.command()
@reads_files
def evaluate(
    inputs: Annotated[
        list[Path], typer.Argument(help="CSV, Parquet or JSON files, gzip or not, WAV or NPY; each is one machine.")
    ],
    labels: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--labels", help="CSV of failures: start,end and optionally file (an input's stem) and what."),
    ] = None,
    label_column: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--label-column", help="Instead: a column of the files, 0/1 or true/false, which is then not a sensor."
        ),
    ] = None,
    reading: "Choices" = SAID,
    config: RulesPath = None,
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="Score from which a row is in alarm.")] = 0.99,
    to: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--out", help="Folder for <stem>.csv (the scores) and <stem>.png (a chart) of each input."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare scores with your own labels: what is found, how soon, and how many alarms are false.

    Files are scored as by `score`, strictly online: no label and no later row has any influence. Rows of the warm-up
    are excluded. False alarms closer than 10 rows count as one; a day is a day of healthy rows. The best F1 in
    hindsight uses the labels to choose its threshold, so it cannot be had in operation.

    Example: spikewatch evaluate press-1.csv press-2.csv --labels failures.csv --out evaluated

    \b
    failures.csv:
      start,end,file,what
      2024-05-31 12:00,2024-05-31 14:30,press-1,bearing
    """
    from pipeline.config.calendars import calendars_of
    from pipeline.config.prior_file import priors_of
    from pipeline.config.settings import match_rule
    from pipeline.recordings import evaluation
    from pipeline.recordings.labels import LabelsError, read_labels
    from pipeline.recordings.report import facts, remarks, tabulate
    from pipeline.recordings.results import NO_SENSOR, write_scores
    from pipeline.recordings.tables import TableError, need

    if (labels is None) == (label_column is None):
        fail("labels are missing: give either --labels FILE or --label-column NAME")
    named(inputs)
    tree = configured(config)
    rules = tree.machines
    priors, calendars = priors_of(rules), calendars_of(tree)
    try:
        if to is not None:
            need("matplotlib")
        read = read_files(inputs, reading, label_column, quiet=as_json)
        tables = [table for _, table in read]
        given = [] if labels is None else read_labels(labels, tables, reading)
    except (TableError, LabelsError) as error:
        fail(str(error))
    stems = [table.name for table in tables]
    for path, table in read:
        if not table.sensors:
            fail(f"{path}: {NO_SENSOR}" + (f" and {label_column}" if label_column else ""))
    events = [evaluation.events_within(table.time_ns, known) for table, known in zip(tables, given, strict=False)]
    if label_column is not None:
        events = [
            evaluation.events_of_rows(table.time_ns, table.labelled) for table in tables if table.labelled is not None
        ]
        if not any(events):
            fail(f"{', '.join(map(str, inputs))}: {label_column}: no label in it, every row says 0 or false")
    if to is not None:
        folder_for(to, stems, inputs if labels is None else [*inputs, labels])
    judged = []
    for number, (path, table) in enumerate(read):
        what, rule = f"{number + 1}/{len(read)}", match_rule(rules, table.name)
        scored = scored_with_words(
            path, table, what, rule, priors(table.name), explain=to is not None, calendar=calendars(table.name)
        )
        judged.append(evaluation.Judged(table.time_ns, scored.score, scored.ready, events[number]))
        if to is not None:
            from pipeline.recordings.picture import Band, Scene, draw

            known = scored.explained
            band = None if known is None else Band(known.low, known.expected, known.high)
            labelled = evaluation.labelled_rows(len(table.stamps), events[number])
            write_scores(to / f"{table.name}.csv", table, scored, labelled)
            scene = Scene(table, scored.score, scored.cause, scored.ready, events[number], threshold, band)
            draw(to / f"{table.name}.png", scene)
    measured = {stem: evaluation.measure([one], threshold) for stem, one in zip(stems, judged, strict=True)}
    together = evaluation.measure(judged, threshold)
    if as_json:
        figures = {
            table.name: facts(one) | {"read": table.understood}
            for table, one in zip(tables, measured.values(), strict=True)
        }
        out.print_json(json.dumps({"threshold": threshold, "files": figures, "all": facts(together)}))
        return
    out.print(f"in alarm: rows with a score of at least {threshold:g}")
    out.print(tabulate(measured, together))
    for remark in remarks(measured, together):
        out.print(remark, markup=False, soft_wrap=True)
    if to is not None:
        out.print(f"scores and charts: {to}", markup=False, soft_wrap=True)


@app.command()
@reads_files
def tune(
    inputs: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(help="Recordings, each of one machine; default: the scores in the embedded store."),
    ] = None,
    budget: Annotated[str, typer.Option(help="Incidents per machine that you accept.")] = "2 per week",
    config: ConfigPath = None,
    reading: "Choices" = SAID,
    as_json: AsJson = False,
) -> None:
    """Find the alert.warning that would have given at most so many incidents per machine, as YAML to paste.

    Alarms closer than 10 minutes (in the time of the data) are one incident. Every incident counts against the
    budget, also that of a real fault: leave such times out of the recordings. The embedded store has every score from
    the present threshold on, and below it only one per emit.every; recordings are scored again, so all scores count.

    Exit code 1 if a history is too short for the budget, or no threshold keeps it.

    Example: spikewatch tune press-1.csv press-2.csv --budget "2 per week"

    Example: spikewatch tune --config plant.yaml --budget "1 per month"
    """
    from pipeline.config.settings import match_rule
    from pipeline.recordings.tuning import Tuned, budget_of
    from pipeline.recordings.tuning import tune as tuned_for

    try:
        per_ns = budget_of(budget)
    except ValueError as error:
        fail(f"--budget: {error}")
    tree = configured(config)
    found: dict[str, Tuned] = {}
    understood: dict[str, str] = {}
    if inputs:
        from pipeline.config.calendars import calendars_of
        from pipeline.config.prior_file import priors_of

        named(inputs)
        priors, calendars = priors_of(tree.machines), calendars_of(tree)
        read = read_files(inputs, reading, quiet=as_json)
        for number, (path, table) in enumerate(read, 1):
            rule = match_rule(tree.machines, table.name)
            scored = scored_with_words(
                path, table, f"{number}/{len(read)}", rule, priors(table.name), calendar=calendars(table.name)
            )
            understood[table.name] = table.understood
            times = table.time_ns[scored.ready]
            order = times.argsort(kind="stable")
            score_ = scored.score[scored.ready][order]
            found[table.name] = tuned_for(times[order], score_, per_ns, rule.alert.warning)
    else:
        for name, (times, score_) in stored_scores(tree).items():
            found[name] = tuned_for(times, score_, per_ns, match_rule(tree.machines, name).alert.warning)
    if not found:
        fail("no machine has scores after its warm-up", 1)
    if as_json:
        out.print_json(
            json.dumps({name: one._asdict() | reading_of(understood, name) for name, one in found.items()})
        )
    else:
        for line in proposed_alerts(found, tree.machines):
            out.print(line, markup=False, soft_wrap=True)
    if any(one.allowed < 1.0 or one.threshold > 1.0 for one in found.values()):
        raise typer.Exit(1)


def reading_of(understood: "dict[str, str]", name: str) -> "dict[str, str]":
    """How a machine's file was read, for programs; nothing where the scores come from no file."""
    return {"read": understood[name]} if name in understood else {}


def stored_scores(tree: "Config") -> "dict[str, tuple[Ints, Floats]]":
    """Times and scores of every machine in the embedded store, once it had learned."""
    import sqlite3

    import numpy as np

    from pipeline.service.connections import open_sink
    from pipeline.sinks.embedded import Embedded
    from pipeline.storage.data_folder import store_path

    if tree.influxdb is not None:
        fail("the scores are in InfluxDB, which this command does not read: give recordings instead")
    if not os.path.exists(store_path(tree)):
        fail(f"{tree.data}: no embedded store here yet; has the service run with this data folder?", 1)
    store = open_sink(tree, os.environ)
    assert isinstance(store, Embedded)  # noqa: S101  # for the type checker: there is no influxdb
    kept: dict[str, list[tuple[int, float]]] = {}
    try:
        for point in store.query("machine"):
            if point.fields.get("learned") == 1.0:
                tags = dict(point.tags)
                name = tags.pop("machine")
                kept.setdefault(name, []).append((point.time_ns, float(point.fields["score"])))
    except (sqlite3.Error, OSError) as error:
        fail(f"{tree.data}: {error}", 1)
    finally:
        store.close()
    return {
        name: (np.array([time for time, _ in rows], np.int64), np.array([score_ for _, score_ in rows]))
        for name, rows in kept.items()
    }


def proposed_alerts(found: "dict[str, Tuned]", rules: "Sequence[MachineRule]") -> list[str]:
    """Thresholds as YAML to paste, each with what it was made from."""
    from pipeline.config.settings import match_rule
    from pipeline.recordings.tuning import critical_of

    lines = []
    short = [name for name, one in found.items() if one.allowed < 1.0]
    if short:
        lines.append(
            "# the history is too short for this budget, which allows less than one incident in it: only a hint for "
            f"{', '.join(map(json.dumps, short))}"
        )
    lines.append("machines:")
    for name, one in found.items():
        today = match_rule(rules, name).alert.warning
        about = (
            f"incidents in {one.history_s / 86_400:.1f} days: {one.now} at {today:g}, {one.incidents} at this value"
        )
        lines.append(f"  # {about}; the budget allows {one.allowed:.1f}")
        if one.threshold > 1.0:
            lines.append(f"  # {name}: no threshold keeps the budget; spikewatch evaluate shows the alarms")
            continue
        warning = rounded_up(one.threshold)
        lines.append(f"  - match: {json.dumps(name)}")
        lines.append(f"    alert: {{warning: {warning:.10g}, critical: {critical_of(warning):.10g}}}")
    return lines


def rounded_up(threshold: float) -> float:
    """To three figures of what is missing to 1, never below the threshold."""
    missing = 1.0 - threshold
    if missing <= 0.0:
        return 1.0
    step = 10.0 ** (math.floor(math.log10(missing)) - 2)
    return max(threshold, 1.0 - math.floor(missing / step) * step)


@app.command()
@reads_files
def replay(
    inputs: Annotated[
        list[Path], typer.Argument(help="CSV, Parquet or JSON files, gzip or not, WAV or NPY; each is one machine.")
    ],
    url: Annotated[str | None, typer.Option(help="Broker, mqtt://host:port; default: the configuration's.")] = None,
    config: ConfigPath = None,
    topic: Annotated[str, typer.Option(help="Topic; {machine} is the file's stem.")] = "plant/{machine}",
    speed: Annotated[float, typer.Option(help="Multiple of real time; inf: as fast as possible.")] = math.inf,
    within: Annotated[float, typer.Option(help="Instead of --speed: seconds in which each file is played.")] = 0.0,
    after: Annotated[
        int, typer.Option(help="Shift the times by so many lengths of the file: the same again as newer data.", min=0)
    ] = 0,
    reading: "Choices" = SAID,
) -> None:
    """Publish recorded files over MQTT as JSON, a message per row, with their recorded times.

    The broker is that of --url, else the configuration's mqtt.url, else the embedded broker of the service that runs
    with the same data folder: it writes its port there, in broker.port. Ends with 1 where it cannot be reached.

    Example: spikewatch replay sample_data/machine-temperature.csv.gz --speed 3600
    """
    from pipeline.config.settings import unix_ns
    from pipeline.mqtt import Publisher, PublishError
    from pipeline.recordings.replay import following, interleave, paced, play, publishable
    from pipeline.recordings.tables import TableError

    if not speed > 0.0:
        fail(f"--speed: {speed:g} is not above 0")
    own = f"spikewatch-replay-{os.getpid()}"
    tree = configured(config)
    broker = broker_for(url, tree, own)
    try:
        tables = [following(table, after) for _, table in read_files(inputs, reading)]
        publishable(tables, unix_ns(tree.times.oldest))
        total = sum(len(table.stamps) for table in tables)
        with (
            until_stopped() as stop,
            Publisher(broker) as publisher,
            progress_bar("rows published", total) as bar,
        ):
            schedule = paced(tables, topic, within) if within > 0 else interleave(tables, topic, speed)
            sent = play(schedule, publisher.publish, stop=stop, progress=bar)
            publisher.drain()
    except TableError as error:
        fail(str(error))
    except PublishError as error:
        fail(str(error), 1)
    err.print(f"{sent} messages published to {broker.host}:{broker.port}", markup=False)


@app.command()
@reads_files
def prior(
    to: Annotated[Path, typer.Option("--out", help="File for the prior, JSON.")],
    inputs: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(help="Recordings, each of one machine; default: the service's machines."),
    ] = None,
    config: ConfigPath = None,
    match: Annotated[str, typer.Option(help="Only machines whose name matches this shell pattern.")] = "*",
    reading: "Choices" = SAID,
) -> None:
    """Save what machines of one kind have in common, so that a new one of this kind is ready sooner.

    Combines how their sensors move together and how accurately they predict each other, as of the service's last
    commit (it may be running), or of the end of recordings. A rule under machines: names the file with prior: FILE.
    It applies to machines, and sensors, that appear for the first time from then on.

    Example: spikewatch prior --config plant.yaml --match 'press-*' --out press.prior.json

    Example: spikewatch prior press-1.csv press-2.csv --out press.prior.json
    """
    from fnmatch import fnmatchcase

    from pipeline.config.prior_file import write_prior
    from pipeline.config.settings import match_rule
    from pipeline.network.prior import ROWS, pooled
    from pipeline.recordings.score import learned

    known: list[tuple[str, Prior | None]] = []
    if inputs:
        rules = configured(config).machines
        named(inputs)
        for _, table in read_files(inputs, reading):
            if fnmatchcase(table.name, match):
                known.append((table.name, learned(table, match_rule(rules, table.name))))
    else:
        fleet = as_committed(configured(config)).fleet
        for slot, machine in enumerate(fleet.machines):
            if fnmatchcase(machine.name, match):
                known.append((machine.name, fleet.learned(slot)))
    young = [name for name, one in known if one is None]
    if young:
        err.print(
            f"left out, as some of their sensors have learned from fewer than {ROWS:,.0f} rows: {', '.join(young)}",
            markup=False,
        )
    usable = [one for _, one in known if one is not None]
    if not usable:
        fail(f"no machine that matches {match} has learned enough" if known else f"no machine matches {match}", 1)
    common = pooled(usable)
    others = sorted({sensor for one in usable for sensor in one.sensors} - set(common.sensors))
    if others:
        err.print(f"sensors left out, as not every machine has them: {', '.join(others)}", markup=False)
    if not common.sensors:
        fail("the machines have no sensor in common", 1)
    try:
        write_prior(to, common)
    except OSError as error:
        fail(f"--out: {to}: {error.strerror}")
    out.print(f"{to}: {len(common.sensors)} sensors of {', '.join(common.machines)}", markup=False, soft_wrap=True)
