"""Questions about many machines, asked of the main thread a few machines at a time, so that it is not held up."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from pipeline.engine.engine import Engine

SHARE_S = 0.01  # of the main thread at a time
T = TypeVar("T")


class Ask(Protocol):
    """Has a question answered by the main thread."""

    def __call__(self, question: Callable[[Engine], T], /) -> T:
        """What it finds."""


def of_each(ask: Ask, slots: Sequence[int], tell: Callable[[Engine, int], T]) -> list[T]:
    """What `tell` says of the machines in these slots, in this order."""

    def share(engine: Engine, begin: int) -> list[T]:
        """As many machines as there is time for, and one at least."""
        until, told = time.perf_counter() + SHARE_S, [tell(engine, slots[begin])]
        while begin + len(told) < len(slots) and time.perf_counter() < until:
            told.append(tell(engine, slots[begin + len(told)]))
        return told

    found: list[T] = []
    while len(found) < len(slots):
        begin = len(found)
        found += ask(lambda engine, begin=begin: share(engine, begin))  # type: ignore[misc]
    return found
