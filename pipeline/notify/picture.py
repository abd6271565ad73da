"""The picture of a message: the last hour of a machine, from the database, as a small PNG.

Above the sensor that is blamed, with the band that was expected of it; below the machine's anomaly level. Whatever
goes wrong with it is for the caller, whose message goes without.
"""

import io
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from pipeline.engine.level import level_of
from pipeline.notify.news import News
from pipeline.sinks.history import SECOND, Buckets, Course, History, Question, Unavailable, width_for

HOUR_NS = 3600 * SECOND
POINTS = 240  # buckets of the hour: 15 s each
AWAY_S = 60.0  # for which a database that could not be asked is not asked again
WIDTH, HEIGHT = 640, 360  # pixels, as is all below
LEFT, RIGHT, TOP, BOTTOM, BETWEEN = 64, 12, 28, 24, 26
SPLIT = 0.62  # share of the height that the sensor has
TEXT, GRID = "#333333", "#dddddd"
BAND, VALUE, LEVEL, BEGAN = "#cfe3f5", "#1f5f99", "#b3261e", "#888888"
GAP = 4  # usual distances of points from which a line is interrupted
TOP_LEVEL = 10.0


class Pictures:
    """Draws pictures from a database."""

    def __init__(self, history: History, zone: ZoneInfo, clock: Callable[[], float] = time.monotonic) -> None:
        self._history, self._zone, self._clock = history, zone, clock
        self._away_until_s = float("-inf")

    def of(self, news: News) -> bytes | None:
        """The hour up to this news, as PNG; None where it is of no sensor, or the database has no rows of it.

        Raises Unavailable, once in a while, where the database cannot be asked; ImportError where Pillow is missing.
        """
        if news.about != "incident" or not news.cause or self._clock() < self._away_until_s:
            return None
        tags = tuple(sorted((("machine", news.name), *news.tags)))
        end_ns = news.time_ns + SECOND
        begin_ns = max(end_ns - HOUR_NS, 0)
        width_ns = width_for(begin_ns, end_ns, POINTS)
        try:
            course = self._history.course(Question(tags, (news.cause,), begin_ns, end_ns, width_ns))
        except Unavailable:
            self._away_until_s = self._clock() + AWAY_S
            raise
        if not course.machine.time_ns and not course.sensors[news.cause].time_ns:
            return None
        return drawn(course, news, begin_ns, end_ns, self._zone)


def drawn(course: Course, news: News, begin_ns: int, end_ns: int, zone: ZoneInfo) -> bytes:
    """The picture. Raises ImportError where Pillow is not installed."""
    from PIL import Image, ImageDraw, ImageFont  # here, as only those who are sent pictures need it

    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(12)
    inner = HEIGHT - TOP - BOTTOM - BETWEEN
    middle = TOP + round(inner * SPLIT)
    sensor = course.sensors[news.cause]
    above = _Panel(pen, font, TOP, middle, begin_ns, end_ns, *_range(sensor))
    below = _Panel(pen, font, middle + BETWEEN, HEIGHT - BOTTOM, begin_ns, end_ns, 0.0, TOP_LEVEL)
    above.band(sensor, course.width_ns)
    begins = begin_ns < news.began_ns < end_ns
    for panel in (above, below):
        panel.axes([panel.low, (panel.low + panel.high) / 2, panel.high])
        if begins:
            panel.upright(news.began_ns, BEGAN)
    above.line(sensor.time_ns, sensor.mean, course.width_ns, VALUE)
    highs = [level_of(score) for score in course.machine.high]
    below.line(course.machine.time_ns, highs, course.width_ns, LEVEL)
    pen.text((LEFT, 7), _short(f"{news.name}: {news.cause}, with the band that was expected"), TEXT, font)
    line = f"; grey line: incident {news.number} begins" if begins else ""
    pen.text((LEFT, middle + 7), f"anomaly level{line}", TEXT, font)
    for part in range(5):
        time_ns = begin_ns + (end_ns - begin_ns) * part // 4
        words = datetime.fromtimestamp(time_ns // SECOND, zone).strftime("%H:%M")
        pen.text((below.x(time_ns), HEIGHT - BOTTOM + 6), words, TEXT, font, "ra" if part == 4 else "ma")
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def _range(sensor: Buckets) -> tuple[float, float]:
    """From the lowest to the highest that is drawn, with some room."""
    shown = [one for column in (sensor.low, sensor.high, sensor.band_low, sensor.band_high) for one in column]
    known = [one for one in shown if one is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    room = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _short(text: str) -> str:
    """Of one line, and no longer than there is room for."""
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:79]}…"


class _Panel:
    """A part of the picture with axes of its own."""

    def __init__(
        self, pen: Any, font: Any, top: int, bottom: int, begin_ns: int, end_ns: int, low: float, high: float
    ) -> None:
        self._pen, self._font, self._top, self._bottom = pen, font, top, bottom
        self._begin_ns, self._end_ns, self.low, self.high = begin_ns, end_ns, low, high

    def x(self, time_ns: int) -> float:
        """Where a time is; what is beside the hour is at its border."""
        part = (time_ns - self._begin_ns) / (self._end_ns - self._begin_ns)
        return LEFT + min(max(part, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def _y(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self._bottom - min(max(part, 0.0), 1.0) * (self._bottom - self._top)

    def axes(self, marks: Sequence[float]) -> None:
        """The frame, and values beside it."""
        for mark in marks:
            y = self._y(mark)
            self._pen.line([(LEFT, y), (WIDTH - RIGHT, y)], GRID)
            self._pen.text((LEFT - 6, y), f"{mark:.4g}", TEXT, self._font, "rm")

    def upright(self, time_ns: int, colour: str) -> None:
        """A moment."""
        x = self.x(time_ns)
        self._pen.line([(x, self._top), (x, self._bottom)], colour)

    def band(self, sensor: Buckets, width_ns: int) -> None:
        """Where the sensor was expected, up to the next that is known."""
        longest_ns, times_ns = _longest(sensor.time_ns, width_ns), sensor.time_ns
        for at, (low, high) in enumerate(zip(sensor.band_low, sensor.band_high, strict=True)):
            end_ns = times_ns[at] + width_ns
            if at + 1 < len(times_ns) and times_ns[at + 1] - times_ns[at] <= longest_ns:
                end_ns = times_ns[at + 1]
            if low is not None and high is not None:
                self._pen.rectangle([(self.x(times_ns[at]), self._y(high)), (self.x(end_ns), self._y(low))], BAND)

    def line(self, times_ns: Sequence[int], values: Sequence[float], width_ns: int, colour: str) -> None:
        """A course, interrupted where nothing is known for long."""
        longest_ns, before, before_ns = _longest(times_ns, width_ns), (0.0, 0.0), 0
        for time_ns, value in zip(times_ns, values, strict=True):
            point = self.x(time_ns + width_ns // 2), self._y(value)
            begin = before if time_ns - before_ns <= longest_ns else (point[0] - 1, point[1])
            self._pen.line([begin, point], colour, 2)
            before, before_ns = point, time_ns


def _longest(times_ns: Sequence[int], width_ns: int) -> int:
    """From one point to the next, within which a course goes on: some of the usual distances."""
    steps = sorted(later - earlier for earlier, later in pairwise(times_ns))
    return GAP * max(width_ns, steps[len(steps) // 2] if steps else 0)
