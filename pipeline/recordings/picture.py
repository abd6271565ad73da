"""A scored recording as a picture: each sensor with its labels, its alarms and its expected band; below, the score.

However long the recording, a picture has as many columns as pixels: each shows the lowest and the highest value that
fell into it, so a spike of one row in a million is seen. The only file that knows matplotlib, which is of the
extra `files`, and only its objects: no window, no global state.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline.recordings.evaluation import Event
from pipeline.recordings.tables import Table
from pipeline.records import Bools, Floats, Ints

SENSORS = 8  # drawn at most
COLUMNS = 1_400  # about the pixels across
WIDTH_IN, DPI = 14.0, 110
NINES = 5.0  # scores are drawn up to 0.99999
LINE, LABEL, ALARM, BAND, LEARNING = "#2f5d8a", "#f4b942", "#c9182b", "#4c9f70", "#8a8f98"


class Band(NamedTuple):
    """What was expected before each row came; all (rows, sensors), in the table's order, NaN where nothing was."""

    low: Floats
    expected: Floats
    high: Floats


class Scene(NamedTuple):
    """A recording and what was said about it; arrays have one entry per row."""

    table: Table
    score: Floats  # [0, 1]
    cause: Sequence[str]  # sensor
    ready: Bools
    events: Sequence[Event]
    threshold: float
    band: Band | None = None


class Columns(NamedTuple):
    """Rows gathered into columns of pixels."""

    x: Floats  # (columns,)
    low: Floats  # (columns,), NaN between columns that are far apart
    high: Floats


def draw(path: Path, scene: Scene) -> None:
    """Write the picture as PNG."""
    figure = compose(scene)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in letters the font lacks
        figure.savefig(path, format="png")


def compose(scene: Scene) -> Figure:
    """The picture, not yet rendered."""
    table = scene.table
    order = np.argsort(table.time_ns, kind="stable")  # as time, where a file's clock goes back
    days = table.time_ns[order] / 86_400e9  # matplotlib's dates are days since 1970
    alarm = (scene.score >= scene.threshold) & scene.ready
    total = int(np.count_nonzero(alarm))
    shown, counts = most_named(table.sensors, scene.cause, alarm)
    heights = [3.2 if len(shown) == 1 else 1.25] * len(shown) + [1.9]
    figure = Figure(figsize=(WIDTH_IN, sum(heights) + 1.0), dpi=DPI)
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.05)
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0].tolist()
    left, right = float(days[0]), float(days[-1])
    margin = 0.004 * (right - left) or 1.0 / 86_400.0
    axes[0].set_xlim(left - margin, right + margin)
    for ax, sensor in zip(axes, shown, strict=False):
        column = table.sensors.index(sensor)
        values = table.values[order, column]
        gathered = gather(days, values, values)
        ax.plot(*zigzag(gathered), color=LINE, linewidth=0.8, zorder=3)
        _fit(ax, values)
        if scene.band is not None:
            _band(ax, days, Band(*(part[order, column] for part in scene.band)))
        here = alarm & (np.array(scene.cause, dtype=object) == sensor)
        _dots(ax, days, values, here[order], scene.score[order])
        share = f"   cause of {counts[sensor]:,} of {total:,} rows in alarm" if counts[sensor] else ""
        ax.set_title(f"{sensor}{share}", loc="left", fontsize=9, parse_math=False, pad=3)
    said = np.where(scene.ready & ~np.isnan(table.values).all(axis=1), scene.score, np.nan)
    _score(axes[-1], days, said[order], alarm[order], scene.threshold)
    for ax in axes:
        _shade(ax, scene, left, right, margin)
        ax.grid(axis="y", color="#e6e8eb", linewidth=0.6)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    locator = AutoDateLocator(minticks=6, maxticks=14)  # type: ignore[no-untyped-call]
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]
    axes[-1].set_xlabel(
        f"{table.stamps[order[0]]} to {table.stamps[order[-1]]}", fontsize=8, color="#555b66", parse_math=False
    )
    more = f" - the {len(shown)} of {len(table.sensors)} sensors most often named as cause"
    title = table.name + (more if len(table.sensors) > len(shown) else "")
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, parse_math=False)
    _legend(figure, scene)
    return figure


def most_named(sensors: Sequence[str], cause: Sequence[str], alarm: Bools) -> tuple[list[str], dict[str, int]]:
    """At most `SENSORS` sensors, those first that are the cause of most rows in alarm; and how many, for each."""
    counts = dict.fromkeys(sensors, 0)
    for row in np.flatnonzero(alarm).tolist():
        if cause[row] in counts:
            counts[cause[row]] += 1
    return sorted(sensors, key=lambda sensor: -counts[sensor])[:SENSORS], counts


def gather(x: Floats, low: Floats, high: Floats, columns: int = COLUMNS) -> Columns:
    """Lowest and highest of each column of pixels; every row a column of its own while there is room.

    `x` rises. Rows without a value are left out, so a sensor that reports now and then is a line too.
    """
    known = ~(np.isnan(low) | np.isnan(high))
    x, low, high = x[known], low[known], high[known]
    if len(x) == 0:
        return Columns(x, low, high)
    if len(x) > 2 * columns and x[-1] > x[0]:
        number = np.minimum(((x - x[0]) / (x[-1] - x[0]) * columns).astype(np.int64), columns - 1)
        begin = np.concatenate(([0], np.flatnonzero(np.diff(number)) + 1))
        gathered = Columns(x[begin], np.minimum.reduceat(low, begin), np.maximum.reduceat(high, begin))
    else:
        gathered = Columns(x, low, high)
    # A line across a gap would be an invention: broken where nothing came for long, and one would see it.
    steps = np.diff(gathered.x)
    usual = float(np.median(steps)) if len(steps) else 0.0
    gaps = np.flatnonzero(steps > max(10.0 * usual, 0.01 * float(x[-1] - x[0]))) + 1
    return Columns(
        np.insert(gathered.x, gaps, gathered.x[gaps - 1]),
        np.insert(gathered.low, gaps, np.nan),
        np.insert(gathered.high, gaps, np.nan),
    )


def zigzag(columns: Columns) -> tuple[Floats, Floats]:
    """One line through the lowest and the highest value of every column."""
    return np.repeat(columns.x, 2), np.column_stack((columns.low, columns.high)).ravel()


def nines(score: Floats) -> Floats:
    """Scores as they are drawn: 0.9 is 1, 0.99 is 2, 0.999 is 3, up to `NINES`."""
    count: Floats = -np.log10(np.maximum(1.0 - score, 10.0**-NINES))
    return count


def _fit(ax: Axes, values: Floats) -> None:
    """The axis shows every value, whatever else is drawn."""
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    margin = 0.08 * (high - low) or max(0.05 * abs(high), 0.5)
    ax.set_ylim(low - margin, high + margin)


def _band(ax: Axes, days: Floats, band: Band) -> None:
    """The expected band; the axis grows for it by half its height at most."""
    bottom, top = ax.get_ylim()
    columns = gather(days, band.low, band.high)
    middle = gather(days, band.expected, band.expected)
    ax.fill_between(columns.x, columns.low, columns.high, color=BAND, alpha=0.4, linewidth=0, zorder=1)
    ax.plot(middle.x, (middle.low + middle.high) / 2.0, color=BAND, linewidth=0.9, zorder=2)
    low, high = columns.low[~np.isnan(columns.low)], columns.high[~np.isnan(columns.high)]
    if len(low) and len(high):
        room = 0.5 * (top - bottom)
        ax.set_ylim(max(min(bottom, float(low.min())), bottom - room), min(max(top, float(high.max())), top + room))


def _dots(ax: Axes, days: Floats, values: Floats, here: Bools, score: Floats, size: float = 3.0) -> None:
    """A dot on the worst alarm of every column of pixels."""
    rows = np.flatnonzero(here)
    if len(rows) == 0:
        return
    number = ((days[rows] - days[0]) / ((days[-1] - days[0]) or 1.0) * COLUMNS).astype(np.int64)
    order = np.lexsort((-score[rows], number))
    worst: Ints = rows[order][np.append(True, np.diff(number[order]) > 0)]
    ax.plot(days[worst], values[worst], "o", color=ALARM, markersize=size, markeredgewidth=0, zorder=5, clip_on=False)


def _score(ax: Axes, days: Floats, score: Floats, alarm: Bools, threshold: float) -> None:
    """The score, with as much room for 0.99 to 0.999 as for 0.9 to 0.99."""
    drawn = nines(score)
    line = float(nines(np.array([threshold]))[0])
    ax.plot(*zigzag(gather(days, drawn, drawn)), color="#555b66", linewidth=0.7, zorder=3)
    ax.axhline(line, color=ALARM, linewidth=1.0, linestyle=(0, (5, 3)), zorder=4)
    _dots(ax, days, drawn, alarm, score, 2.4)
    highest = max(np.max(drawn, initial=0.0, where=~np.isnan(drawn)), line + 0.5, 2.5)
    top = int(np.ceil(min(highest, NINES)))
    ax.set_ylim(0.0, top + 0.15)
    ax.set_yticks(range(top + 1), ["0", *(f"{1.0 - 10.0**-level:.{level}f}" for level in range(1, top + 1))])
    ax.set_title("score", loc="left", fontsize=9, pad=3)


def _shade(ax: Axes, scene: Scene, left: float, right: float, margin: float) -> None:
    """Labels and the time of learning; never too narrow to be seen."""
    least = (right - left) / COLUMNS * 2.0 or margin
    spans = []
    for event in scene.events:
        begin, end = max(event.start_ns / 86_400e9, left - margin), min(event.end_ns / 86_400e9, right + margin)
        spans.append((min(begin, begin + (end - begin - least) / 2.0), max(end - begin, least)))
    across = ax.get_xaxis_transform()
    if spans:
        starts, widths = zip(*_merged(spans), strict=True)
        bars = list(zip(starts, widths, strict=True))
        ax.broken_barh(bars, (0, 1), transform=across, color=LABEL, alpha=0.4, linewidth=0, zorder=0)
    ready = np.flatnonzero(scene.ready)
    until = scene.table.time_ns[ready[0]] / 86_400e9 if len(ready) else right
    ax.broken_barh(
        [(left, until - left)], (0, 1), transform=across, color=LEARNING, alpha=0.22, linewidth=0, zorder=0
    )


def _merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans (start, width) that overlap as one, or their shade would look darker."""
    merged: list[tuple[float, float]] = []
    for start, width in sorted(spans):
        if merged and start <= sum(merged[-1]):
            first = merged[-1][0]
            merged[-1] = (first, max(sum(merged[-1]), start + width) - first)
        else:
            merged.append((start, width))
    return merged


def _legend(figure: Figure, scene: Scene) -> None:
    """What the colours mean, once, beside the title."""
    parts: list[Line2D | Patch] = [Line2D([], [], color=LINE, linewidth=1.5, label="value")]
    if scene.band is not None:
        parts.append(Patch(color=BAND, alpha=0.45, linewidth=0, label="expected"))
    parts += [
        Patch(color=LABEL, alpha=0.5, linewidth=0, label="labelled"),
        Patch(color=LEARNING, alpha=0.3, linewidth=0, label="learning"),
        Line2D([], [], color=ALARM, marker="o", markersize=5, linestyle="", label="alarm, at its cause"),
        Line2D([], [], color=ALARM, linestyle=(0, (5, 3)), label=f"threshold {scene.threshold:g}"),
    ]
    figure.legend(handles=parts, loc="outside upper right", ncols=len(parts), fontsize=9, frameon=False)
