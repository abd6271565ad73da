"""Health: whether the service gets anywhere, and who is told.

Liveness, the rule: the main thread comes round many times a second, also where nothing arrives. If it has not for
PATIENCE_S, messages come in and no score leaves, and nothing we can do from within mends that. Then the stacks of all
threads are logged, without what their variables hold, and the process ends with UNHEALTHY for its supervisor to start
it again. Nothing is lost by it: what was not scored was not acknowledged.

Two exceptions, both named by the main thread: the start, which reads bounded files and waits for nobody, and waiting
for the disk, which a restart would only prolong. A broker or database that is away is waited for by other threads.

systemd is told by its own protocol, a datagram to the socket it names (sd_notify(3)). Small figures about the process
come from here too.
"""

import ctypes
import logging
import os
import resource
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

log = logging.getLogger("spikewatch.health")

PATIENCE_S = 30.0
TICK_S = 1.0  # of the watchdog; systemd's WatchdogSec must be more than twice as long
WORTH_TELLING_S = 5.0  # of waiting for the disk
UNHEALTHY = 70  # the exit code: EX_SOFTWARE of sysexits.h
EXTENSION_S = 30

Notify = Callable[[str], None]


class Liveness:
    """What the main thread says of itself. It writes, the watchdog reads."""

    def __init__(self) -> None:
        self.rounds = 0
        self.waiting = "start"  # why standing still is right; empty where it is not
        self._seen = -1
        self._still_s = 0.0
        self._last_s: float | None = None

    def round(self) -> None:
        """The main thread has come round."""
        self.rounds += 1

    @contextmanager
    def waiting_for(self, what: str) -> Iterator[None]:
        """Standing still is right in here."""
        before, self.waiting = self.waiting, what
        try:
            yield
        finally:
            self.waiting = before
            self.round()

    def still_s(self, now_s: float) -> float:
        """For how long the main thread has not come round, as of the monotonic time `now_s`; to be asked every tick.

        A time between two questions counts as two ticks at most: where the whole process was stopped, or the machine
        asleep, nobody was stuck.
        """
        passed_s = 0.0 if self._last_s is None else min(now_s - self._last_s, 2.0 * TICK_S)
        self._last_s = now_s
        if self.rounds != self._seen:
            self._seen, self._still_s = self.rounds, 0.0
        else:
            self._still_s += passed_s
        return self._still_s


class Watchdog:
    """A thread that asks every second whether the main thread gets anywhere, and tells systemd."""

    def __init__(
        self,
        liveness: Liveness,
        notify: Notify,
        stopping: threading.Event,
        end: Callable[[int], object] = os._exit,  # the main thread is stuck: no exception would reach it
    ) -> None:
        self.status: Callable[[], str] = str  # what `systemctl status` shows; nothing by default
        self._liveness = liveness
        self._notify = notify
        self._stopping = stopping
        self._end = end
        self._over = False
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over = True
        self._thread.join()

    def _run(self) -> None:
        while not self._over:
            self.tick(time.monotonic())
            if self._stopping.wait(TICK_S):
                self._notify("STOPPING=1")
                return

    def tick(self, now_s: float) -> None:
        """Look once; `now_s` of the monotonic clock."""
        still_s = self._liveness.still_s(now_s)
        waiting = self._liveness.waiting
        if waiting == "start":
            self._notify(f"EXTEND_TIMEOUT_USEC={EXTENSION_S * 1_000_000}\nSTATUS=starting: {self.status()}")
            return
        if still_s >= PATIENCE_S and not waiting:
            log.critical(
                'unhealthy still_s=%.0f exit=%d note="the main thread is stuck; what was not scored was '
                'not acknowledged, and will be delivered again"',
                still_s,
                UNHEALTHY,
            )
            for line in stacks():
                log.critical("%s", line)
            logging.shutdown()
            self._end(UNHEALTHY)
            return
        held_up = f"waiting for the {waiting}; " if waiting and still_s >= WORTH_TELLING_S else ""
        self._notify(f"WATCHDOG=1\nSTATUS={held_up}{self.status()}")


def stacks() -> list[str]:
    """What each thread is doing, innermost call first: places in the code, and no values."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found = []
    for ident, frame in sys._current_frames().items():
        calls: list[str] = []
        at: FrameType | None = frame
        while at is not None and len(calls) < 30:
            calls.append(f"{Path(at.f_code.co_filename).name}:{at.f_lineno} {at.f_code.co_name}")
            at = at.f_back
        found.append(f'thread name={names.get(ident, ident)} at="{" < ".join(calls)}"')
    return found


def notifier(environ: Mapping[str, str]) -> Notify:
    """What tells systemd, where it started us and asked for it; elsewhere it does nothing.

    It never waits and never fails: whoever does not listen is not told.
    """
    path = environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return lambda text: None
    address = f"\0{path[1:]}" if path.startswith("@") else path
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    sender.setblocking(False)

    def notify(text: str) -> None:
        try:
            sender.sendto(text.encode(), address)
        except OSError as error:
            log.debug('notify.failed reason="%s"', error)

    return notify


def give_back() -> None:
    """Give memory back to the system that a burst of messages has left behind; glibc keeps it, others do not."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def figures(folder: Path) -> dict[str, float | int | str | bool]:
    """Memory and processor time of this process so far, and the room that is left on the disk of a folder."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    found: dict[str, float | int | str | bool] = {"cpu_s": used.ru_utime + used.ru_stime}
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        found["rss_bytes"] = pages * resource.getpagesize()
        found["disk_free_bytes"] = shutil.disk_usage(folder).free
    except OSError as error:
        log.debug('figures.failed reason="%s"', error)
    return found
