"""What the console asks of the service, and what the service says of itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from pipeline.engine.commands import Command
from pipeline.engine.engine import Engine
from pipeline.engine.scores import Scores
from pipeline.records import Point

T = TypeVar("T")


class Status(NamedTuple):
    """How the service does."""

    figures: dict[str, float | int | str | bool]  # its counters
    broker: str  # where it is
    broker_reached: bool
    broker_since_s: float  # Unix time since when it is reached, or is not
    database: str
    database_away: str | None  # why it cannot be reached
    database_since_s: float | None  # Unix time since when it cannot
    token_file: str  # where the token for writing lies
    unreadable: list[dict[str, Any]]  # sources of which nothing can be read, and why
    clocks: list[dict[str, Any]]  # machines whose readings arrive later than their times by a steady difference
    upstream: str | None = None  # where the second broker is, if there is one
    upstream_away: str | None = None  # why it takes nothing
    upstream_since_s: float | None = None  # Unix time since when it cannot be reached
    notify: Sequence[Mapping[str, Any]] = ()  # how the channels of notifications do


# Sends a test message to a channel, or to all for ""; why it did not arrive, by channel. KeyError for another name.
NotifyTest = Callable[[str], Mapping[str, str]]


class Backend(Protocol):
    """The service."""

    engine: Engine
    listeners: list[Callable[[Scores, list[Point]], None]]

    def ask(self, question: Callable[[Engine], T], timeout_s: float = 5.0) -> T:
        """What the question finds, run between two batches."""

    def tell(self, command: Command, timeout_s: float = 5.0) -> list[Point]:
        """Have a command done and written down."""
