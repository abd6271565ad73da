"""Where the messages of one source have what: its paths, resolved once, and the names it has met.

Time, machine, quality, sensor and header are looked for in every object on the way to a sample and in the sample
itself; the innermost counts.
"""

from pipeline.config.paths import EVERY, NAMES, parse_path
from pipeline.config.settings import Scalar, Source
from pipeline.payloads.decoded import Window
from pipeline.payloads.rules import Rules
from pipeline.payloads.stamps import Stamps
from pipeline.records import Machine

FIRST_ROW = "first_row"  # as `Source.header`: the names are the first of the rows
SKIP = ""  # the sensor at a path which is the time, the machine or the like


class Layout:
    """The paths and names of one source. What is remembered is bounded by whoever adds to it."""

    def __init__(self, source: Source, window: Window) -> None:
        self.time = _keys(source.time)
        self.machine = _keys(source.machine)
        self.samples = _keys(source.samples)
        self.sensor = _keys(source.sensor)
        self.value = _keys(source.value)
        self.quality = _keys(source.quality)
        self.good = frozenset([quality_of(one) for one in source.good])
        self.first_row = source.header == FIRST_ROW
        self.header = () if self.first_row else _keys(source.header)
        self.row = source.row
        self.rows = bool(source.row or source.header)  # samples are arrays
        self.stamps = Stamps(source, window)
        self.arrival_will_do = source.time is None or source.time_missing == "arrival"
        self.rules = Rules(source)
        # Whether the source says more than the plain walk knows of.
        self.mapped = bool(
            self.sensor or self.value or self.quality or self.rows or source.ignore or self.rules.reads_words
        ) or any(part in NAMES or part == EVERY for part in self.samples)
        beside = [keys for keys in (self.time, self.machine, self.quality, self.sensor, self.header) if keys]
        self.beside = frozenset([keys[0] for keys in beside])  # keys that name neither a machine nor a sensor
        self.skip = {".".join(keys): SKIP for keys in beside}
        self.names: dict[str, str] = dict(self.skip)  # path in a sample -> sensor, where only the path names it
        self.machines: dict[Machine, Machine] = {}  # those named in payloads


def quality_of(value: Scalar) -> tuple[str, Scalar]:
    """A quality as it is compared: true is not 1, 192 is 192.0, and `good` is `GOOD`."""
    if isinstance(value, bool):
        return "truth", value
    if isinstance(value, str):
        return "word", value.casefold()
    return "number", value


def _keys(path: str | None) -> tuple[str, ...]:
    return () if path is None else parse_path(path)
