"""The verb that scores a history of many files again, on all cores or on several computers."""

import os
from collections import Counter
from collections.abc import Generator
from contextlib import closing
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.files import SAID, reads_files
from pipeline.cli.terminal import RulesPath, app, configured, err, fail, needed, needed_java, out, progress_bar
from pipeline.service.stopping import Stopped, at_once, until_stopped

if TYPE_CHECKING:
    from pipeline.recordings.reading.choices import Choices
    from pipeline.recordings.rescore import Done, Job, Record, Task

SHOWN = 3  # files of other kinds that are named


class On(Enum):
    """What runs the work."""

    JOBLIB = "joblib"
    DASK = "dask"
    SPARK = "spark"


NEEDS = {On.JOBLIB: ("bulk", "joblib"), On.DASK: ("bulk", "distributed"), On.SPARK: ("spark", "pyspark")}
STOPPED = "stopped"


@app.command()
@reads_files
def rescore(
    folder: Annotated[Path, typer.Argument(help="Folder of recordings, with all below it: what `score` reads.")],
    to: Annotated[
        Path,
        typer.Option("--out", help="Folder for the scores: DIR/line-1/press.parquet becomes OUT/line-1/press.csv."),
    ],
    on: Annotated[
        On, typer.Option(help="joblib: the cores of this computer; dask and spark: also several computers.")
    ] = On.JOBLIB,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this computer; default: one per core.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="With dask: that of a cluster, such as tcp://10.0.0.1:8786.")
    ] = None,
    master: Annotated[
        str | None, typer.Option(help="With spark: that of a cluster, such as spark://10.0.0.1:7077.")
    ] = None,
    reading: "Choices" = SAID,
    config: RulesPath = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also write <stem>.explain.csv, as `score` does.")
    ] = False,
) -> None:
    """Score a folder of recordings again, many files at once, each as `score` does.

    A file's scores are what `spikewatch score FILE` writes, byte for byte. Those of a file with several machines are
    in a folder of its name: DIR/day.parquet becomes OUT/day/press-1.csv, OUT/day/press-2.csv.

    Stop it with Ctrl-C and start it again with the same command: what is done is not done again, unless the
    recording, an option, a rule or the version has changed. No file of scores is ever there in part.

    A file that cannot be scored is named with the cause and the others go on; the exit code is then 1.

    joblib and dask need the extra bulk, spark the extra spark and Java 17. On several computers, both folders
    must have the same path everywhere, and Spikewatch the same version.

    Example: spikewatch rescore history --out scores --on joblib --workers 8

    Example: spikewatch rescore /plant/history --out /plant/scores --on dask --scheduler tcp://10.0.0.1:8786
    """
    from pipeline.config.extras import installed_version
    from pipeline.config.prior_file import PriorError
    from pipeline.recordings.reading.choices import counted
    from pipeline.recordings.rescore import FolderError, Job, Record, fingerprint, recordings_in

    if scheduler is not None and on is not On.DASK:
        fail(f"--scheduler is for --on dask, not {on.value}")
    if master is not None and on is not On.SPARK:
        fail(f"--master is for --on spark, not {on.value}")
    needed(f"--on {on.value}", *NEEDS[on])
    if on is On.SPARK:
        needed_java("--on spark")
    job = Job(str(folder.absolute()), str(to.absolute()), reading, configured(config), explain, installed_version())
    try:
        tasks, others = recordings_in(folder, to)
        settings = fingerprint(job)
        record = Record(to)
    except (FolderError, PriorError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or to}: {error.strerror}")
    if others:
        names = ", ".join([*others[:SHOWN], *(["..."] if len(others) > SHOWN else [])])
        what = counted(len(others), "file is no recording by its name", "files are no recordings by their names")
        err.print(f"{folder}: {what}: {names}", markup=False, soft_wrap=True)
    with closing(record):
        left = [task for task in tasks if not record.holds(job, settings, task)]
        answers = spread(on, job, settings, left, workers or len(os.sched_getaffinity(0)), scheduler or master)
        counts = Counter(before=len(tasks) - len(left))
        try:
            ended = score_all(answers, len(left), record, counts)
        finally:
            record.tidy()
    done = f"{counts['scored']:,} scored, {counts['before']:,} were scored before, {counts['failed']:,} failed"
    alarms = f"{counts['rows']:,} rows scored; {counts['warning']:,} warning, {counts['critical']:,} critical"
    out.print(f"{len(tasks):,} files: {done}\n{alarms}", markup=False, soft_wrap=True)
    if ended:
        fail(f"{ended}; the same command goes on from here", 130 if ended == STOPPED else 1)
    if counts["failed"]:
        raise typer.Exit(1)


def spread(
    on: On, job: "Job", settings: str, tasks: "list[Task]", workers: int, cluster: str | None
) -> "Generator[Done, None, None]":
    """What becomes of each file, as soon as it is known; raises LostError."""
    from pipeline.cluster.spread import with_dask, with_joblib, with_spark
    from pipeline.recordings.rescore import scored_file

    if not tasks:
        return
    work = partial(scored_file, job, settings)
    if on is On.JOBLIB:
        yield from with_joblib(work, tasks, workers)
    elif on is On.DASK:
        yield from with_dask(work, tasks, workers, cluster)
    else:
        yield from with_spark(work, tasks, workers, cluster)


def score_all(answers: "Generator[Done, None, None]", total: int, record: "Record", counts: "Counter[str]") -> str:
    """Keep and count every answer; what ended it before the last one."""
    from pipeline.cluster.spread import LostError

    with until_stopped() as stop, progress_bar("files scored", total) as bar, closing(answers):
        try:
            with at_once(stop):
                for number, done in enumerate(answers, 1):
                    if done.error:
                        counts["failed"] += 1
                    else:
                        record.keep(done)
                        counts.update(scored=1, rows=done.rows, warning=done.warning, critical=done.critical)
                    for note in (done.error, done.disorder):
                        if note:
                            err.print(note, markup=False, soft_wrap=True)
                    bar(number)
        except Stopped:
            return STOPPED
        except LostError as error:
            return str(error)
    return ""
