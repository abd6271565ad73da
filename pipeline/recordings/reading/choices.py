"""What a person may say about a file, and what was found out where nobody said anything.

Whatever a reader decides goes through `Found`: a fact that the file itself proves is only told, a guess is told as
one together with the option that settles it, and `--strict` refuses it. So no guess can be made silently.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipeline.config.settings import WaveformFile

CELL = 40  # characters of a cell that a message shows


class TableError(Exception):
    """A file cannot be read as a table; the text, one printable line, names the file and what is wrong."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


def printable(text: str) -> str:
    r"""A text in which what would move a terminal's cursor, or show nothing, is escaped.

    >>> print(printable("no column 'a\x1b[2J'"))
    no column 'a\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class Choices(NamedTuple):
    """What is said about files beforehand; None where the reader finds out by itself."""

    time: str | None = None  # time column, or two separated by a comma: that of the date and that of the time of day
    exclude: tuple[str, ...] = ()  # columns that are not sensors
    encoding: str | None = None
    separator: str | None = None  # one character
    decimal: str | None = None  # "." or ","
    dayfirst: bool | None = None  # the day stands before the month in dates of numbers
    time_zone: str | None = None  # of times without one; an IANA name
    time_unit: str | None = None  # of times that are numbers, one of `moments.UNITS`
    start: str | None = None  # when the first row was, where times say no date; ISO 8601
    machine_column: str | None = None
    sensor_column: str | None = None  # of a file with one value per row, as is the next one
    value_column: str | None = None
    strict: bool = False  # refuse whatever would be guessed
    waveform: "WaveformFile | None" = None  # what the samples of a file are, where they are no readings


class Guess(NamedTuple):
    """Something that was decided without proof."""

    what: str
    settle: str  # the option that says it


class Found:
    """What was understood of one file, in the order in which it was found out."""

    def __init__(self) -> None:
        self.facts: list[str] = []
        self.guesses: list[Guess] = []
        self.dayfirst: bool | None = None  # the order that the dates of the file have
        self.dotted = False  # dates are written with dots

    def fact(self, what: str) -> None:
        """The file proves it, or an option says it."""
        self.facts.append(what)

    def guess(self, what: str, settle: str) -> None:
        """It could be otherwise; `settle` is the option that decides."""
        self.facts.append(f"{what} (guessed; {settle})")
        self.guesses.append(Guess(what, settle))

    def sentence(self) -> str:
        """Everything, on one line."""
        return printable("; ".join(self.facts))

    def refuse_guesses(self) -> None:
        """Raises TableError that lists all guesses, each with the option that settles it."""
        if self.guesses:
            told = "; ".join(f"{one.what} ({one.settle})" for one in self.guesses)
            raise TableError(f"--strict: this would be guessed: {told}")


def shown(cell: object) -> str:
    """A cell as a message shows it: quoted and cut."""
    text = str(cell)
    return repr(text if len(text) <= CELL else text[: CELL - 3] + "...")


def counted(number: int, one: str, several: str) -> str:
    """A number with its noun.

    >>> counted(1, "row", "rows"), counted(1200, "row", "rows")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {one if number == 1 else several}"
