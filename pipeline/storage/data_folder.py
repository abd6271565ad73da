"""The data folder: whose it is, what is in it, and how the state at the last commit comes out of it.

Newest good snapshot + journal since then = the state at the last commit, bit by bit.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.config.calendars import calendars_of
from pipeline.config.prior_file import priors_of
from pipeline.config.settings import Config, duration_ns, match_rule
from pipeline.engine.commands import Command, CommandError
from pipeline.engine.earlier import SnapshotError
from pipeline.engine.engine import Engine
from pipeline.engine.fleet import Fleet, LaterFormatError
from pipeline.files import PRIVATE_FILE, make_folder, open_private, open_to_others
from pipeline.records import Ints, Machine, Readings
from pipeline.storage.journal import Journal
from pipeline.storage.snapshots import LaterVersionError, Snapshots, later
from pipeline.storage.sqlite_files import beside

log = logging.getLogger("spikewatch")


class DataFolderBusy(Exception):
    """Another service uses the same data folder: both would learn half of everything."""


def claim(folder: Path) -> IO[str]:
    """Hold the data folder while the file that is returned is open; raises DataFolderBusy, or OSError.

    The lock is for the owner's account only: any account that may read it could hold it as well.
    """
    make_folder(folder)
    warn_of_others(folder)
    lock = os.fdopen(open_private(folder / "lock", os.O_RDWR), "w")
    os.fchmod(lock.fileno(), PRIVATE_FILE)  # an earlier version left it to the umask
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise DataFolderBusy(f"{folder}: another spikewatch already uses this data folder (key: data)") from None
    return lock


def warn_of_others(folder: Path) -> None:
    """Say what other accounts can read of a data folder that was there before, or was made by an earlier version."""
    if not open_to_others(folder):
        return
    loose = sorted(path.name for path in folder.iterdir() if path.is_file() and open_to_others(path))
    files = f" files={','.join(loose[:8])}" if loose else ""
    log.warning(
        'data.open folder=%s mode=%o%s note="other accounts can read it; chmod -R go= %s closes it"',
        *(folder, folder.stat().st_mode & 0o777, files, folder),
    )


def say_if_missing(config: Config, snapshots: Snapshots) -> None:
    """Say so where there are snapshots and no journal: somebody has removed it, or restored half a copy."""
    path, covered = journal_path(config), snapshots.sequences()
    if covered and not path.exists() and not beside(path, ".ready").exists():
        log.error(
            'journal.missing file=%s snapshot=%d note="what was accepted after that snapshot, and what waited for'
            ' delivery, is lost; a new journal is started"',
            *(path, covered[0]),
        )


def journal_path(config: Config) -> Path:
    """Where the journal is."""
    return Path(config.data) / "journal.sqlite"


def store_path(config: Config) -> Path:
    """Where the embedded store is."""
    return Path(config.data) / "store.sqlite"


def notify_path(config: Config) -> Path:
    """Where is kept what was told, and what is to be."""
    return Path(config.data) / "notify.sqlite"


def broker_port_path(config: Config) -> Path:
    """Where a running service says at which port its embedded broker listens."""
    return Path(config.data) / "broker.port"


def beginning(config: Config) -> Callable[[], Engine]:
    """Makes engines that have learned nothing yet, as the configuration says; reads its files once.

    Raises PriorError for a file of what is known of a kind.
    """
    priors, calendars = priors_of(config.machines), calendars_of(config)

    def unlearned() -> Engine:
        return Engine(
            duration_ns(config.emit.every),
            duration_ns(config.emit.sensors),
            config.limits,
            lambda machine: match_rule(config.machines, machine),
            priors=priors,
            ageing_every_ns=duration_ns(config.emit.ageing),
            threads=config.threads or max((os.cpu_count() or 1) - 1, 1),
            calendars=calendars,
        )

    return unlearned


def restore(config: Config, journal: Journal, snapshots: Snapshots) -> tuple[Engine, int]:
    """The engine at the journal's last commit, and that commit's sequence number.

    Raises LaterVersionError where a later version has written a snapshot; OSError where no snapshot can be reached
    and the journal does not go back to its beginning, so that going on would be to go on without what was learned.
    """
    snapshots.refuse_later()
    unlearned = beginning(config)
    engine, sequence, unreadable = unlearned(), 0, 0
    for covered in snapshots.sequences():
        arrays = snapshots.read(covered)
        if arrays is None:
            unreadable = max(unreadable, covered)
            continue
        try:
            engine.fleet.restore(arrays)
            sequence = covered
            break
        except LaterFormatError as error:
            raise LaterVersionError(later(snapshots.file(covered), *error.args)) from None
        except SnapshotError as error:
            snapshots.set_aside(covered, str(error))
            unreadable = max(unreadable, covered)
            engine = unlearned()
    if not sequence and snapshots.unreached and not journal.goes_back_to(0):
        raise next(iter(snapshots.unreached.values()))
    snapshots.set_aside_unreached()
    name_the_rest(engine.fleet, journal)
    slots = np.array([slot for slot, _ in engine.fleet.lines], np.int64)
    replayed = 0
    for committed, content in journal.replay(sequence):
        sequence = committed
        if isinstance(content, Command):
            say_again(engine, content)
        else:
            engine.step(known(slots, content))
            replayed += len(content.line)
    if unreadable > sequence:
        log.error(
            'journal.gap after=%d upto=%d note="what only the lost snapshot held is lost"', sequence, unreadable
        )
        sequence = unreadable
    if engine.fleet.machines:
        log.info("restored machines=%d readings_replayed=%d", len(engine.fleet.machines), replayed)
    return engine, sequence


def say_again(engine: Engine, command: Command) -> None:
    """Apply a command that was applied before; only where readings before it are gone can it fail."""
    try:
        engine.apply(command)
    except CommandError as error:
        log.error('journal.command verb=%s machine=%s reason="%s"', command.verb, command.machine.name, error)


def name_the_rest(fleet: Fleet, journal: Journal) -> None:
    """Add machines and sensors that the journal knows and the snapshot did not.

    One whose name was in a damaged part of the journal gets a name that nobody has: the others keep their numbers.
    """
    machines, lines = journal.machines(), journal.lines()
    slots = {slot for slot, _ in lines.values()} | set(machines)
    for slot in range(len(fleet.machines), max(slots, default=-1) + 1):
        fleet.add_machine(machines.get(slot, Machine(f"lost {slot}")))
    for line in range(len(fleet.lines), max(lines, default=-1) + 1):
        slot, sensor = lines.get(line, (0, f"lost {line}"))
        fleet.add_line(slot, sensor)


def known(slots: Ints, readings: Readings) -> Readings:
    """Readings of sensors that have a name, `slots` by line; only a damaged journal has others."""
    line = readings.line
    sound = (line >= 0) & (line < len(slots))
    sound[sound] = slots[line[sound]] == readings.slot[sound]
    if sound.all():
        return readings
    return Readings(
        readings.slot[sound], line[sound], readings.time_ns[sound], readings.value[sound], readings.ends[sound]
    )


class Writing(threading.Thread):
    """A snapshot on its way to the disk, which may take longer than a batch may wait."""

    def __init__(self, snapshots: Snapshots, sequence: int, arrays: dict[str, NDArray[Any]]) -> None:
        super().__init__(name="snapshot")
        self._snapshots, self._sequence, self._arrays = snapshots, sequence, arrays
        self.failure: OSError | None = None

    def run(self) -> None:
        """Write it."""
        try:
            self._snapshots.write(self._sequence, self._arrays)
        except OSError as error:
            self.failure = error
