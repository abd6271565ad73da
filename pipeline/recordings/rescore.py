"""A folder of recordings scored again, file by file: what is to be done, doing it, and the record of what was done.

Each file is read, scored and written exactly as `spikewatch score FILE` does it. A file needs nothing of another one,
so any process of any computer that sees both folders may do it: `scored_file`, with what it takes and returns, can be
sent there.

1. A file of scores is there under its name as a whole or not at all.
2. The record says of each file from which bytes, with which settings and by which version its scores were made. What
   still holds is not made again; who stops a run, or loses it, does the same again.
3. A file that cannot be scored is an answer like any other, with its cause. The other files go on.
"""

import fcntl
import hashlib
import os
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from pipeline.config.calendars import calendars_of
from pipeline.config.extras import installed_version
from pipeline.config.prior_file import priors_of
from pipeline.config.settings import Config, match_rule
from pipeline.engine.scoring import Severity
from pipeline.files import open_private, open_regular
from pipeline.recordings.results import NO_SENSOR, disorder, read_machines, write_explanations, write_scores
from pipeline.recordings.score import score
from pipeline.recordings.tables import SUFFIXES, Choices, Table, TableError, stem
from pipeline.recordings.waveforms import SUFFIXES as OF_SAMPLES

RECORD = ".rescore.jsonl"  # in the folder of the scores; a line of JSON for each file
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{32}\.unfinished")
READ = (*SUFFIXES, *OF_SAMPLES)


class FolderError(Exception):
    """The folders cannot be used so; the text says what would be right."""


class Job(NamedTuple):
    """What holds for all files."""

    folder: str  # absolute, as is the next one
    to: str
    choices: Choices
    config: Config
    explain: bool
    version: str  # of the command; a worker of another one would score in its own way


class Task(NamedTuple):
    """A file to score."""

    name: str  # below the folder
    beside: bool  # other files have scores in the folder that it would need if it held several machines


class Done(msgspec.Struct, frozen=True):
    """What became of a file: a line of the record, or an error."""

    name: str
    made_of: str = ""  # what its scores were made of, see `fingerprint`
    outputs: dict[str, int] = {}  # name below the folder of the scores -> bytes
    read: list[str] = []  # how the file was understood
    rows: int = 0
    warning: int = 0
    critical: int = 0
    disorder: str = ""  # what is to be said about the order of its rows
    error: str = ""


def recordings_in(folder: Path, to: Path) -> tuple[list[Task], list[str]]:
    """The recordings below a folder, the largest first, and what else is there; raises FolderError.

    Names that begin with a dot do not count, nor does the folder of the scores. The largest first, so that no worker
    is left with a long one at the end.
    """
    if not folder.is_dir():
        raise FolderError(f"{folder}: no such folder")
    if folder.resolve().is_relative_to(to.resolve()):
        raise FolderError(f"--out: {to} is the folder of the recordings or holds it; give another one")
    sizes: dict[str, int] = {}
    others = []
    for where, folders, files in os.walk(folder, onerror=_refuse):
        here = Path(where)
        folders[:] = [name for name in folders if name[0] != "." and (here / name).resolve() != to.resolve()]
        for path in (here / name for name in files if name[0] != "."):
            name = str(path.relative_to(folder))
            if path.name.lower().removesuffix(".gz").endswith(READ):
                sizes[name] = path.stat().st_size if path.exists() else 0
            else:
                others.append(name)
    owners: dict[str, str] = {}
    for name in sorted(sizes):
        first = owners.setdefault(_output(name), name)
        if first != name:
            raise FolderError(f"{folder}: {first} and {name} would both be {_output(name)}.csv; rename one of them")
    holding = {str(parent) for name in sizes for parent in Path(name).parents}
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    return [Task(name, _output(name) in holding) for name in names], sorted(others)


def _refuse(error: OSError) -> None:
    raise FolderError(f"{error.filename}: {error.strerror}")


def _output(name: str) -> str:
    """Where the scores of a file are, below their folder, without `.csv`."""
    return str(Path(name).with_name(stem(Path(name))))


def fingerprint(job: Job) -> str:
    """Of all that scores depend on beside the file; raises OSError where a prior cannot be read."""
    config = job.config
    whole = hashlib.sha256(
        repr((job.version, job.choices, job.explain, config.machines, config.time_zone, config.holidays)).encode()
    )
    for prior in sorted({rule.prior for rule in config.machines if rule.prior is not None}):
        whole.update(hashlib.sha256(Path(prior).read_bytes()).digest())
    return whole.hexdigest()[:32]


def made_of(path: Path, settings: str) -> str:
    """The state of a file and the settings with which it is scored; raises OSError."""
    state = path.stat()
    return f"{state.st_size} {state.st_mtime_ns} {settings}"


def scored_file(job: Job, settings: str, task: Task) -> Done:
    """Score a file; what is wrong with it is in the answer."""
    path, own = Path(job.folder) / task.name, installed_version()
    if own != job.version:
        return Done(task.name, error=f"{path}: not scored: a worker has version {own}, the command {job.version}")
    try:
        before = made_of(path, settings)
        tables, read = read_machines(path, job.choices)
        if any(not table.sensors for table in tables):
            raise TableError(f"{path}: {NO_SENSOR}")
        return _written(job, task, before, tables, read)
    except TableError as error:
        return Done(task.name, error=str(error))
    except OSError as error:
        return Done(task.name, error=f"{error.filename or path}: {error.strerror or error}")
    except Exception as error:  # whatever is wrong with one file of thousands must not end the others
        return Done(task.name, error=f"{path}: {type(error).__name__}: {error}")


def _written(job: Job, task: Task, before: str, tables: Sequence[Table], read: list[str]) -> Done:
    """Score the machines of a file and write what they gave."""
    outputs = _outputs(task, [table.name for table in tables])
    if len(set(outputs)) < len(outputs):
        raise TableError(f"{task.name}: two of its machines have one name")
    rules = job.config.machines
    priors, calendars = priors_of(rules), calendars_of(job.config)
    sizes: dict[str, int] = {}
    rows = warning = critical = 0
    disordered = []
    for table, output in zip(tables, outputs, strict=True):
        name = table.name
        scored = score(
            table, rule=match_rule(rules, name), known=priors(name), explain=job.explain, calendar=calendars(name)
        )
        write = partial(write_scores, table=table, scored=scored)
        sizes[f"{output}.csv"] = _replaced(Path(job.to) / f"{output}.csv", write)
        if scored.explained is not None:
            write = partial(write_explanations, table=table, explained=scored.explained)
            sizes[f"{output}.explain.csv"] = _replaced(Path(job.to) / f"{output}.explain.csv", write)
        rows += len(table.stamps)
        warning += int((scored.severity == Severity.WARNING).sum())
        critical += int((scored.severity == Severity.CRITICAL).sum())
        disordered.append(disorder(task.name, scored))
    told = "; ".join(filter(None, disordered))
    return Done(task.name, before, sizes, read, rows, warning, critical, told)


def _outputs(task: Task, machines: Sequence[str]) -> list[str]:
    """Where the scores of a file's machines are: a file of several has a folder of its own for them."""
    own = _output(task.name)
    if list(machines) == [Path(own).name]:
        return [own]
    if task.beside:
        raise TableError(
            f"{task.name}: the folder {own}, which the scores of its machines need, is that of other recordings; "
            "rename the file or the folder"
        )
    return [f"{own}/{machine}" for machine in machines]


def _replaced(path: Path, write: Callable[[Path], None]) -> int:
    """Write a file that takes its name when it is whole; its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.unfinished")
    try:
        write(unfinished)
        size = unfinished.stat().st_size
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return size


class Record:
    """What is done, in a file beside the scores; only one run at a time can have it."""

    def __init__(self, to: Path) -> None:
        """Raises FolderError, or OSError."""
        self._to = to
        to.mkdir(parents=True, exist_ok=True)
        path = to / RECORD
        descriptor = open_private(path, os.O_RDWR | os.O_APPEND)
        self._file: BinaryIO = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise FolderError(f"--out: another rescore writes to {to}") from None
        self._done: dict[str, Done] = {}
        with open_regular(path) as file:
            whole = file.read()
        for line in whole.splitlines():
            try:
                done = msgspec.json.decode(line, type=Done)
            except msgspec.MsgspecError:
                continue  # cut off when a run was lost: that file is done again
            self._done[done.name] = done
        if whole and not whole.endswith(b"\n"):
            self._file.write(b"\n")
        self.tidy()

    def holds(self, job: Job, settings: str, task: Task) -> bool:
        """Whether the scores of a file are there, and were made of the file as it is, with these settings."""
        done = self._done.get(task.name)
        try:
            return (
                done is not None
                and done.made_of == made_of(Path(job.folder) / task.name, settings)
                and all((self._to / name).stat().st_size == size for name, size in done.outputs.items())
            )
        except OSError:
            return False

    def keep(self, done: Done) -> None:
        """A file is done; raises OSError."""
        self._file.write(msgspec.json.encode(done) + b"\n")

    def tidy(self) -> None:
        """Remove what workers that were killed have left unfinished."""
        for path in _files(self._to):
            if UNFINISHED.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Another run may have the folder."""
        self._file.close()


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        yield from (Path(where) / name for name in names)
