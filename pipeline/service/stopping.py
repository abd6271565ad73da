"""Ctrl-C and SIGTERM: an event for what looks at it now and then, an exception for what does not.

The first signal ends the program in order; the second at once, without a snapshot, which loses nothing that was
acknowledged. Signals reach the main thread only, so both are for it.

What an exception of a signal interrupts may fail in a way of its own: a lock that was about to be taken is let go of
all the same, say, and that is another error. Or it goes nowhere: Python only reports what is raised while an object
is finalized. The end is then still that of the signal.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A signal came where nothing looks at the event. No Exception: no part may take it for a failure of its own."""


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """An event that the first signal sets; the second raises SystemExit with 128 + its number, as shells count."""
    stop, second = threading.Event(), 0

    def asked(number: int, frame: FrameType | None) -> None:
        nonlocal second
        if stop.is_set():
            second = second or number
            raise SystemExit(128 + number)
        stop.set()

    with _handled(dict.fromkeys(SIGNALS, asked)):
        try:
            yield stop
        except Exception:
            if second:
                raise SystemExit(128 + second) from None
            raise
        if second:
            raise SystemExit(128 + second)


@contextmanager
def at_once(stop: threading.Event) -> Iterator[None]:
    """In here a signal sets `stop` as elsewhere and then raises Stopped; so does entering once it is set."""

    raised: BaseException | None = None

    def raising(before: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], None]:
        def asked(number: int, frame: FrameType | None) -> None:
            nonlocal raised
            try:
                before(number, frame)
                raise Stopped
            except BaseException as error:
                raised = error
                raise

        return asked

    found = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            before = signal.getsignal(number)
            if callable(before):
                found[number] = raising(before)
    with _handled(found):
        if stop.is_set():
            raise Stopped
        try:
            yield
        except Exception:
            if raised is not None:
                raise raised from None
            raise


@contextmanager
def _handled(handlers: dict[signal.Signals, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    """These signals are handled so, until the end of the block."""
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
