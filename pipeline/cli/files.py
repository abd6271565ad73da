"""What may be said about recorded files, the same for every verb that reads them.

A verb takes one parameter `reading`, a `Choices`; `reads_files` gives the command line an option for each of its
fields in that place.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pipeline.cli.terminal import err, fail, listed

if TYPE_CHECKING:
    from pipeline.config.settings import WaveformFile
    from pipeline.recordings.reading.choices import Choices
    from pipeline.recordings.tables import Table

SAID: Any = None  # stands for the options where a verb has its parameter `reading`
MARKS = {"point": ".", ".": ".", "comma": ",", ",": ","}


def _option(*names: str, help: str) -> Any:  # typer's own name for it
    return Annotated[Optional[str], typer.Option(*names, help=help)]  # noqa: UP045


OPTIONS: dict[str, tuple[Any, Any]] = {
    "time_column": (
        Annotated[
            Optional[str],  # noqa: UP045
            typer.Option("--time", help="Time column, or DATE,CLOCK of two columns; else the usual names."),
        ],
        None,
    ),
    "exclude": (Annotated[str, typer.Option(help="Columns that are not sensors, separated by commas.")], ""),
    "encoding": (_option("--encoding", help="Such as utf-8, cp1252 or utf-16."), None),
    "separator": (_option("--separator", help="Of cells: comma, semicolon, tab, bar, blank, or a character."), None),
    "decimal": (_option("--decimal", help="Mark of numbers: point or comma."), None),
    "dayfirst": (
        Annotated[
            Optional[bool],  # noqa: UP045
            typer.Option("--dayfirst/--monthfirst", help="Order of day and month in dates such as 03/04/2025."),
        ],
        None,
    ),
    "time_zone": (_option("--time-zone", help="Of times without one, such as Europe/Berlin; else UTC."), None),
    "time_unit": (
        _option("--time-unit", help="Of times that are numbers: s, ms, us, ns, min, h, excel, digits."),
        None,
    ),
    "start": (_option("--start", help="When the first row was, where times have no date: ISO 8601."), None),
    "machine_column": (_option("--machine-column", help="Column that says of which machine a row is."), None),
    "sensor_column": (
        _option("--sensor-column", help="Where a row is one value: the column that names its sensor."),
        None,
    ),
    "value_column": (_option("--value-column", help="Where a row is one value: the column of the values."), None),
    "strict": (
        Annotated[bool, typer.Option("--strict", help="Refuse files of which anything must be guessed.")],
        False,
    ),
    "waveform": (
        _option(
            "--waveform",
            help="The inputs are samples (WAV, NPY, CSV), not readings: settings as under mqtt.sources[].waveform, "
            "with block (samples), every and start, as '{rate: 25600, unit: g}' or a YAML file. WAV and NPY always "
            "are.",
        ),
        None,
    ),
}


def reads_files(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of `OPTIONS` in place of its parameter `reading`."""
    own = inspect.signature(verb)
    places = []
    for name, parameter in own.parameters.items():
        if name == "reading":
            places += [
                inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
                for option, (kind, default) in OPTIONS.items()
            ]
        else:
            places.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(verb)
    def with_options(**given: Any) -> None:
        said = {name: given.pop(name) for name in OPTIONS}
        verb(**given, reading=choices_of(**said))

    del with_options.__wrapped__  # else its signature would be looked at
    with_options.__signature__ = own.replace(parameters=places)  # type: ignore[attr-defined]
    with_options.__annotations__ = {place.name: place.annotation for place in places}
    return with_options


def choices_of(
    time_column: str | None, exclude: str, decimal: str | None, waveform: str | None = None, **rest: Any
) -> "Choices":
    """The options as the reader takes them; the end of the program where one is wrong."""
    from pipeline.recordings.reading.choices import Choices
    from pipeline.recordings.reading.moments import UNITS

    if decimal is not None and decimal not in MARKS:
        fail(f"--decimal: {decimal!r} is neither point nor comma")
    if rest["time_unit"] is not None and rest["time_unit"] not in UNITS:
        fail(f"--time-unit: {rest['time_unit']!r} is none of {', '.join(UNITS)}")
    return Choices(
        time=time_column,
        exclude=tuple(listed(exclude)),
        decimal=None if decimal is None else MARKS[decimal],
        waveform=waveform_of(waveform),
        **rest,
    )


def waveform_of(text: str | None) -> "WaveformFile | None":
    """The settings of --waveform: keys and values in braces, or the file that holds them."""
    from pipeline.config.file import parsed_waveform
    from pipeline.config.settings import ConfigError

    if text is None:
        return None
    try:
        if text.lstrip().startswith("{"):
            return parsed_waveform(text, "--waveform")
        return parsed_waveform(Path(text).read_text(encoding="utf-8-sig"), text)
    except (OSError, ValueError) as error:
        fail(f"--waveform: {text}: {getattr(error, 'strerror', None) or 'is not UTF-8 text'}")
    except ConfigError as error:
        fail(str(error))


def read_files(
    inputs: list[Path], reading: "Choices", label: str | None = None, quiet: bool = False
) -> "list[tuple[Path, Table]]":
    """Every machine of the files, each with its file; the end of the program for a file that cannot be read.

    Says on standard error how each file was understood, unless `quiet`. Machines must have different names.
    """
    read = [(path, table) for path in inputs for table in read_file(path, reading, label, quiet)]
    different([table.name for _, table in read])
    return read


def read_file(path: Path, reading: "Choices", label: str | None = None, quiet: bool = False) -> "list[Table]":
    """The machines of one file; else as `read_files`."""
    from pipeline.recordings.results import read_machines
    from pipeline.recordings.tables import TableError

    try:
        tables, notes = read_machines(path, reading, label)
    except TableError as error:
        fail(str(error))
    for note in () if quiet else notes:
        err.print(note, markup=False, soft_wrap=True)
    return tables


def different(names: list[str]) -> None:
    """The end of the program where two machines have one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        fail(f"two inputs are named {', '.join(twice)}; each is one machine and needs a name of its own")
