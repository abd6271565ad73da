"""CSV: a row a sample, one or many rows a message.

    time;temp;flow                  the header, in each message
    2024-05-31T12:00:00Z;23,5;1,0

or rows alone, where `Source.columns` says what each column is; a header that says the same is passed over. The column
`Source.time` holds the time of its row, `Source.machine` the machine's name, every other one is a sensor. Cells may
be in double quotes (RFC 4180).

A row with more or fewer cells than there are columns is refused whole: nobody knows which cell is missing.
"""

import csv
from collections import Counter

from pipeline.config.settings import Source
from pipeline.payloads.collection import LONGEST_INTEGER, Collection, number
from pipeline.payloads.decoded import Cause, Decoded, Refusal, Route, Window, refusal
from pipeline.payloads.stamps import Stamps
from pipeline.records import Machine
from pipeline.topics import Captures, escaped

TAB = "tab"  # in place of the character, which no configuration may hold


class CsvRows:
    """The format `csv`, as one source sets it."""

    def __init__(self, source: Source, window: Window) -> None:
        self._columns = list(source.columns)
        self._separator = "\t" if source.separator == TAB else source.separator
        self._comma = source.decimal == ","
        self._time, self._machine = source.time, source.machine
        self._stamps = Stamps(source, window)
        self._arrival_will_do = source.time is None or source.time_missing == "arrival"
        self._window = window

    def route(self, captures: Captures) -> Route:
        """The decoder of one topic."""

        def decode(payload: bytes, received_ns: int) -> Decoded:
            try:
                text = payload.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                return refusal(Cause.NOT_CSV, str(error))
            taken = Collection(self._window, received_ns)
            columns = self._columns
            try:
                for cells in csv.reader(text.splitlines(keepends=True), delimiter=self._separator):
                    cells = [cell.strip() for cell in cells]
                    if cells == columns or not any(cells):
                        continue
                    if not columns:
                        columns = cells
                        again = [name for name, count in Counter(filter(None, cells)).items() if count > 1]
                        for name in again:
                            taken.refuse(Cause.DUPLICATE_KEY, name)
                        if again:
                            break
                    elif len(cells) != len(columns):
                        taken.refuse(Cause.NOT_CSV, f"{len(cells)} cells for {len(columns)} columns")
                    else:
                        self._row(dict(zip(columns, cells, strict=True)), captures, taken)
            except csv.Error as error:  # a cell of more than 131,072 characters
                taken.refuse(Cause.NOT_CSV, str(error))
            return taken.decoded()

        return decode

    def _row(self, row: dict[str, str], captures: Captures, taken: Collection) -> None:
        """Take one row."""
        name, stamp = captures.machine, row.pop(self._time, "") if self._time else ""
        if name is None:
            name = escaped(row.pop(self._machine, "")) if self._machine else ""
            if not name:
                taken.refuse(Cause.NO_MACHINE, self._machine or "")
                return
            if not taken.named(name):
                return
        time_ns = taken.received_ns
        if stamp:
            read = self._stamps.read(self._stamp(stamp), taken.received_ns)
            if isinstance(read, Refusal):
                taken.refuse(read.cause, read.detail)
                return
            time_ns = read
        elif not self._arrival_will_do:
            taken.refuse(Cause.NO_TIME, self._time or "")
            return
        machine = Machine(name, captures.tags)
        for column, text in row.items():
            if not column:  # without a name, so nobody wants it
                continue
            sensor = escaped(column)
            if captures.sensor is not None:
                sensor = captures.sensor if column == "value" else f"{captures.sensor}.{sensor}"
            if not taken.named(sensor):
                continue
            value = self._number(text) if text else Cause.NULL
            if isinstance(value, Cause):
                taken.refuse(value, sensor)
            else:
                taken.add(machine, sensor, time_ns, value)

    def _number(self, text: str) -> float | Cause:
        """The value of a cell."""
        if not self._comma:
            return number(text)
        return Cause.TEXT if "." in text else number(text.replace(",", ".", 1))

    def _stamp(self, text: str) -> int | float | str:
        """A cell of the time column: a number where it is one in decimal."""
        plain = text.replace(",", ".", 1) if self._comma else text
        value = number(plain)
        if isinstance(value, Cause):
            return text
        return int(plain) if plain.lstrip("+-").isdecimal() and len(plain) <= LONGEST_INTEGER else value
