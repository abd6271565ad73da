"""What a database is asked about the past, in the words of no database.

A course is cut into buckets of one width that begin at whole multiples of it since 1970, so two questions that
overlap see the same buckets. A bucket says of all points in it how many there are, the lowest, the highest and the
mean, so nothing that happened is lost however wide it is. Buckets without a point are left out.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pipeline.records import Point

SECOND = 1_000_000_000
MS = 1_000_000
DAY = 86_400 * SECOND
# Each but those of a week and more divides the next larger day, hour or minute: people read them without thinking.
WIDTHS = (
    *(width * MS for width in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(
        width * SECOND
        for width in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
    ),
    DAY,
    7 * DAY,
)
Tags = tuple[tuple[str, str], ...]


class Unavailable(Exception):
    """The database cannot be asked now, or cannot answer this; the message says why, in words for a person."""


class Question(NamedTuple):
    """The course of a machine and of some of its sensors, from the beginning up to, but without, the end."""

    tags: Tags  # of the machine
    sensors: tuple[str, ...]
    begin_ns: int
    end_ns: int
    width_ns: int  # of a bucket


class Buckets(NamedTuple):
    """One entry per bucket that holds a point, in order of time. None where no point in it says so."""

    time_ns: list[int]  # at which it begins
    points: list[int]  # how many
    low: list[float]  # of a machine's score or a sensor's reading, as are the next two
    mean: list[float]
    high: list[float]
    worst: list[float | None]  # highest severity of a machine, score of a sensor
    expected: list[float | None]  # mean, as are the next two; of sensors
    band_low: list[float | None]
    band_high: list[float | None]


class Course(NamedTuple):
    """An answer; its buckets may be wider than asked, where the database no longer has every point."""

    width_ns: int
    machine: Buckets
    sensors: dict[str, Buckets]


class Highest(NamedTuple):
    """One entry per machine and bucket that holds a point."""

    machine: list[int]  # which of those that were asked about
    time_ns: list[int]  # at which the bucket begins
    score: list[float]  # the highest


class History(Protocol):
    """A database that can be asked. Every method may be called by any thread and raises Unavailable."""

    name: str  # of the database, for a person

    def course(self, question: Question) -> Course:
        """What a machine and its sensors did."""

    def events(self, tags: Tags | None, begin_ns: int, end_ns: int, most: int) -> list[Point]:
        """The newest points of incidents and commands, at most `most` of each, in order of time.

        `tags`: of the machine; None for those of all machines.
        """

    def worst(self, tags: Tags, sensors: tuple[str, ...], begin_ns: int, end_ns: int) -> dict[str, Point]:
        """Of each sensor the point with the highest score in that time."""

    def highest(self, machines: Sequence[Tags], begin_ns: int, end_ns: int, width_ns: int) -> Highest:
        """The highest score of each machine in each bucket, from and to whole multiples of its width.

        A width of less than five minutes is not asked for.
        """


def width_for(begin_ns: int, end_ns: int, most: int) -> int:
    """The narrowest width of buckets of which `most` reach from the beginning to the end.

    >>> width_for(0, 86_400 * SECOND, 600) // SECOND
    300
    """
    least = -(-(end_ns - begin_ns) // most)
    for width in WIDTHS:
        if width >= least:
            return width
    return -(-least // WIDTHS[-1]) * WIDTHS[-1]


def widened(question: Question, width_ns: int) -> Question:
    """The same question about whole buckets of this width."""
    begin_ns = question.begin_ns // width_ns * width_ns
    end_ns = -(-question.end_ns // width_ns) * width_ns
    return question._replace(begin_ns=begin_ns, end_ns=end_ns, width_ns=width_ns)
