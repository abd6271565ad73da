"""A new start of the program that somebody asks for on the page."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from pipeline.service.stopping import until_stopped

START_AGAIN = 75  # the exit code: EX_TEMPFAIL of sysexits.h


@contextmanager
def restartable() -> Iterator[tuple[threading.Event, Callable[[], None]]]:
    """As `until_stopped`, and what asks for a new start, which follows the end of the block."""
    asked = threading.Event()
    with until_stopped() as stop:

        def restart() -> None:
            asked.set()
            stop.set()

        yield stop, restart
    if asked.is_set():
        start_again()


def start_again() -> None:
    """This program, with the same words, in place of this process.

    Below systemd the process ends and is started by it: systemd was told that we stop, and would end what follows.
    """
    logging.getLogger("spikewatch").info("restart")
    logging.shutdown()
    sys.stdout.flush()
    if "NOTIFY_SOCKET" in os.environ:
        raise typer.Exit(START_AGAIN)
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606  # our own command
