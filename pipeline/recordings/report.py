"""Measures as people and programs read them: a table in words, a flat mapping with units in its names."""

from collections.abc import Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.recordings.evaluation import Measures

UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))
NOTHING = "-"


def duration(ns: float | None) -> str:
    """A time span in its two largest units.

    >>> duration(93_784e9), duration(2.34e9), duration(0), duration(None)
    ('1 d 2 h', '2.34 s', '0 s', '-')
    """
    if ns is None:
        return NOTHING
    seconds = ns / 1e9
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    for size, unit, part, smaller in UNITS:
        parts = round(seconds / part)
        if parts * part >= size:
            whole, rest = divmod(parts * part, size)
            return f"{whole} {unit} {rest // part} {smaller}" if rest else f"{whole} {unit}"
    return f"{round(seconds)} s"


def facts(measures: Measures) -> dict[str, float | int | None]:
    """Every figure by its name, for programs."""
    delay = measures.median_delay_ns
    return {
        "precision": measures.precision,
        "recall": measures.recall,
        "f1": measures.f1,
        "events": measures.events,
        "events_found": measures.events_found,
        "events_left_out": measures.events_left_out,
        "median_delay_s": None if delay is None else delay / 1e9,
        "false_alarms": measures.false_alarms,
        "false_alarms_per_day": measures.false_alarms_per_day,
        "healthy_days": measures.healthy_days,
        "healthy_rows": measures.healthy_rows,
        "healthy_share_in_alarm": measures.healthy_share_in_alarm,
        "rows": measures.rows,
        "rows_left_out": measures.rows_left_out,
        "hindsight_f1": measures.hindsight_f1,
        "hindsight_threshold": measures.hindsight_threshold,
    }


def tabulate(measured: Mapping[str, Measures], together: Measures) -> Table:
    """A line for each file and, of several, one for all."""
    table = Table(box=box.SIMPLE_HEAD, header_style="", pad_edge=False, padding=(0, 1), collapse_padding=True)
    heads = (
        "\nprecision",
        "\nrecall",
        "\nF1",
        "events\nfound",
        "median\ndelay",
        "false alarms\nper day (count)",
        "healthy rows\nin alarm",
        "in hindsight:\nbest F1 (at)",
    )
    table.add_column("\nfile", overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for name, one in measured.items():
        table.add_row(Text(name), *_cells(one))
    if len(measured) > 1:
        table.add_section()
        table.add_row("all", *_cells(together))
    return table


def remarks(measured: Mapping[str, Measures], together: Measures) -> list[str]:
    """What was left out, in sentences."""
    of_each = ", ".join(f"{name} {one.rows_left_out:,}" for name, one in measured.items())
    detail = f" ({of_each})" if len(measured) > 1 else ""
    said = [f"left out: {together.rows_left_out:,} of {together.rows:,} rows of the warm-up{detail}"]
    if together.events_left_out:
        said.append(f"left out: {together.events_left_out} events that lie wholly in the warm-up")
    return said


def _cells(one: Measures) -> tuple[str, ...]:
    rate = _decimal(one.false_alarms_per_day, 2)
    share = one.healthy_share_in_alarm
    best = one.hindsight_f1
    return (
        _decimal(one.precision, 3),
        _decimal(one.recall, 3),
        _decimal(one.f1, 3),
        f"{one.events_found} / {one.events}" if one.events else NOTHING,
        duration(one.median_delay_ns),
        rate if rate == NOTHING else f"{rate} ({one.false_alarms})",
        NOTHING if share is None else f"{100.0 * share:.2f} %",
        NOTHING if best is None else f"{best:.3f} ({one.hindsight_threshold:.6f})",
    )


def _decimal(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"
