"""The demonstration: the real service on recorded machines, played faster than life over real MQTT.

Only the pace is made up, and that the recordings begin anew when they have ended, with times that go on: as long as
somebody watches, until Ctrl-C. Where nobody can (no terminal, or its input has ended) they are played once. They are
published by a process of their own to the embedded broker, and come back through the same receiver, engine, journal
and store as in a plant.
"""

import fcntl
import json
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live

from pipeline.commissioning.board import Board
from pipeline.config.settings import CONSOLE_TOKEN, Config, unix_ns
from pipeline.engine.scores import Scores
from pipeline.files import open_regular
from pipeline.mqtt import embedded
from pipeline.recordings.evaluation import Label
from pipeline.records import Point
from pipeline.service.service import Service
from pipeline.service.serving import serve

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
SHOWN = ("hydraulic-rig", "machine-temperature", "simulated-press")
MOST_PASSES = 50  # then the times of a recording would come near the present
PREFIX, LOCK = "spikewatch-demo-", "demo.lock"
BEGINNING_S = 60.0  # within which a folder gets its lock
PLAIN_FIRST_S, PLAIN_EVERY_S = 1.5, 10.0  # until the first table, and between tables, without a terminal to redraw


class DemoError(Exception):
    """The demonstration cannot go on; the text says why."""


def read_labels(path: Path) -> dict[str, list[Label]]:
    """Recorded failures by machine; none where there is no file."""
    if not path.exists():
        return {}
    table = json.loads(path.read_text())
    return {
        machine: [Label(unix_ns(one["start"]), unix_ns(one["end"]), one["what"]) for one in events]
        for machine, events in table.items()
    }


class Demo:
    """One run of the demonstration."""

    def __init__(
        self,
        console: Console,
        files: Sequence[Path],
        seconds: float,
        stop: threading.Event,
        watched: Callable[[], bool],
    ) -> None:
        """`watched`: whether somebody may still want to see the recordings again."""
        self._watched = watched
        self._console = console
        self._files = files
        self._seconds = seconds
        self._stop = stop
        self._due = 0.0  # when the next plain table is
        self._labels = read_labels(files[0].parent / "labels.json")
        self._player: subprocess.Popen[str] | None = None
        self._passes = 0
        self.board: Board | None = None
        self.service: Service | None = None
        self.failure = ""

    def opened(self, broker: str, page: str | None) -> None:
        """The broker listens, and the page answers."""
        self._console.print(
            f"The broker: {broker} (embedded, for trying out)\n"
            f"The console: {page or 'not available: another program has taken its port'}",
            markup=False,
        )

    def begin(self, service: Service, port: int) -> None:
        """The service is up: let the recordings play."""
        self.service = service
        self.board = Board(service.engine, self._labels)
        service.listeners.append(self.take)
        threading.Thread(target=self._play, args=(port,), daemon=True).start()

    def _play(self, port: int) -> None:
        """Play the recordings, again and again where somebody watches; then stop."""
        while not self._stop.is_set() and self._passes < MOST_PASSES:
            self._pass(port)
            self._passes += 1
            if self.failure or not self._watched():
                self._stop.set()
        while not self._stop.wait(1.0):  # the page is still there to be looked at
            if not self._watched():
                self._stop.set()

    def _pass(self, port: int) -> None:
        """Play the recordings once, and wait until the service has caught up."""
        arguments = ["replay", *map(str, self._files), "--url", f"mqtt://127.0.0.1:{port}"]
        arguments += ["--within", str(self._seconds), "--after", str(self._passes)]
        self._player = player = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", "pipeline", *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        said: str | None = None
        while said is None:
            try:
                _, said = player.communicate(timeout=0.2)
            except subprocess.TimeoutExpired:
                if self._stop.is_set():
                    player.kill()  # before the broker goes, which would wait for it; it has nothing to lose
        if player.returncode and not self._stop.is_set():
            self.failure = said.strip()
        assert self.service is not None  # noqa: S101  # for the type checker: begin() set it
        before = -1
        while not self._stop.is_set() and before != self.service.messages:
            before = self.service.messages
            self._stop.wait(1.5)

    def take(self, scores: Scores, points: list[Point]) -> None:
        """Scores of a batch, on the service's main thread."""
        if self.board is None:
            return
        self.board.update(scores)
        if not self._console.is_terminal:
            self._due = self._due or time.monotonic() + PLAIN_FIRST_S
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + PLAIN_EVERY_S
                self._console.print(self.board)

    def end(self) -> None:
        """End the player, if it is still at it."""
        if self._player is not None:
            self._player.kill()
            self._player.wait()

    def __rich__(self) -> object:
        return self.board or "starting"


@contextmanager
def own_folder() -> Iterator[str]:
    """A folder for one demonstration, removed at its end; what killed ones have left behind is removed first.

    Each holds a lock for as long as it lives, which the system lets go of however it ends.
    """
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if left_behind(path):
            shutil.rmtree(path, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, (Path(folder) / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def left_behind(path: Path) -> bool:
    """Whether this is the folder of a demonstration of ours that lives no more."""
    try:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
        with open_regular(path / LOCK) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:  # of an earlier version, or killed, or just being made
        return time.time() - found.st_mtime > BEGINNING_S
    except OSError:
        return False
    return True


def watching(console: Console) -> Callable[[], bool]:
    """Tells whether somebody may be watching: both ends are a terminal, and its input has not ended (Ctrl-D)."""
    ended = threading.Event()
    if not (console.is_terminal and sys.stdin is not None and sys.stdin.isatty()):
        return lambda: False

    def wait() -> None:
        with suppress(OSError, ValueError):
            while sys.stdin.readline():
                continue
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    return lambda: not ended.is_set()


def play_demo(console: Console, files: Sequence[Path] | None, seconds: float, stop: threading.Event) -> None:
    """Run the service on recordings until they end and nobody watches, or `stop` is set.

    Raises DemoError, NotInstalled, TableError.
    """
    embedded.need()
    chosen = list(files or [SAMPLES / f"{name}.csv.gz" for name in SHOWN])
    if not files and not all(path.exists() for path in chosen):
        raise DemoError(f"no recordings in {SAMPLES}; name some: spikewatch demo press-1.csv")
    with own_folder() as folder:
        config = msgspec.structs.replace(
            Config(),
            data=folder,
            store=msgspec.structs.replace(Config().store, keep="5000w"),
        )
        logging.getLogger("spikewatch").setLevel(logging.ERROR)  # no lines between those of the table
        watched = watching(console)
        how_often = "again and again until Ctrl-C" if watched() else "once, as there is no terminal"
        console.print(
            f"Playing recordings of {len(chosen)} machine{'s' * (len(chosen) > 1)} over MQTT in {seconds:g} s,"
            f" {how_often}.\n"
            f"Console token (for sending commands): {folder}/{CONSOLE_TOKEN}",
            markup=False,
            soft_wrap=True,
        )
        demo = Demo(console, chosen, seconds, stop, watched)
        live = Live(demo, console=console, refresh_per_second=4) if console.is_terminal else nullcontext()  # type: ignore[arg-type]
        try:
            with live:
                serve(config, {}, stop, demo.begin, on_open=demo.opened, any_console_port=True)
        finally:
            demo.end()
    if demo.failure:
        raise DemoError(f"the replay ended early: {demo.failure}")
    if demo.board is None or demo.service is None:
        return
    if not console.is_terminal:
        console.print(demo.board)
    for line in demo.board.found():
        console.print(line, markup=False, soft_wrap=True)
    console.print(
        f"\n{demo.service.readings:,} readings scored, {demo.service.delivery.delivered:,} points stored; the demo's "
        "data is removed.\nYour own plant: `spikewatch init` listens to your broker and writes plant.yaml;\n"
        "then: spikewatch check -c plant.yaml && spikewatch run -c plant.yaml",
        markup=False,
        soft_wrap=True,
    )
