"""Times in messages: which formats a text may be in, and what a stamp says by each. Pure."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pipeline.config.settings import Source, unix_ns
from pipeline.payloads.decoded import Refusal, Window
from pipeline.payloads.stamps import Stamps, unix_time

DAY_NS = 86_400 * 10**9
YEAR_NS = 365 * DAY_NS
ISO = ""  # in place of a format: ISO 8601
# Where day and month can be taken for one another, the likelier order first: dots have the day first, so has the rest
# of the world but where hours have AM and PM.
DATES = (
    "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y", "%d/%m/%y",
    "%m/%d/%y", "%d %b %Y", "%d-%b-%Y", "%d %B %Y", "%b %d, %Y", "%b %d %Y", "%B %d, %Y", "%a %d %b %Y",
    "%a, %d %b %Y",
)  # fmt: skip
HOURS = (
    "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S,%f", "%H:%M", "%I:%M:%S %p", "%I:%M:%S.%f %p", "%I:%M %p", "%H:%M:%S %z",
)  # fmt: skip
BETWEEN = (" ", "T", ", ", "  ", "-")
WHOLE = (
    "%a %b %d %H:%M:%S %Y", "%H:%M:%S %d.%m.%Y", "%H:%M:%S %d/%m/%Y", "%H:%M:%S %m/%d/%Y", "%Y%m%d%H%M%S",
    "%Y%m%d %H%M%S", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p", "%Y/%m/%d %I:%M:%S %p",
)  # fmt: skip
_ZONED = re.compile(r"(?:[zZ]|[+-][0-9]{2}:?[0-9]{2}(?::?[0-9]{2})?)$")
_ANY_TIME = Window(-(2**62), 2**62)


@lru_cache(maxsize=1)
def _by_outline() -> Mapping[str, Sequence[str]]:
    """Every format that is known by its outline, the likeliest first."""
    found: dict[str, list[str]] = {}
    for written in [f"{date}{between}{hour}" for date in DATES for hour in HOURS for between in BETWEEN] + [*WHOLE]:
        for zone in ("+1", "-1", "+1:1", "-1:1", "Z") if "%z" in written else ("",):
            sample = re.sub("%[abBp]", "x", written.replace("%z", zone))
            found.setdefault(_outline(re.sub("%[a-zA-Z]", "1", sample)), []).append(written)
    return found


def _outline(text: str) -> str:
    """A text with every run of digits and every word as one sign: `31.5.2026 8:00` is `0.0.0 0:0`."""
    return re.sub("[A-Za-z]+", "x", re.sub("[0-9]+", "0", text))


def formats_of(values: Sequence[Any], received_ns: Sequence[int]) -> list[str]:
    """The formats by which all of these stamps are times before their arrival, or nearly so."""
    some = list(zip(values, received_ns, strict=True))
    if all(_plausible(read(value, ISO), at) for value, at in some):
        return [ISO]
    if not all(isinstance(value, str) or _is_digits(value) for value in values):
        return []
    first, arrived = some[0]
    known = _by_outline().get(_outline(str(first)), ())
    fits = [one for one in known if _plausible(read(first, one), arrived)]
    found = [one for one in fits if all(_plausible(read(value, one), at) for value, at in some)]
    halves = any("%p" in one for one in found)  # AM and PM: written where the month comes first
    return sorted(found, key=lambda one: halves and not _month_first(one))


def _month_first(text: str) -> bool:
    return 0 <= text.find("%m") < text.find("%d")


def read(value: Any, written: str) -> int | None:
    """Unix nanoseconds of a stamp as if its clock were in UTC; None where it is none."""
    if isinstance(value, bool):
        return None
    if written == ISO:
        try:
            return unix_ns(value) if isinstance(value, str) else unix_time(value, "auto")
        except ValueError:
            return None
    found = _reader(written).read(value, 0)
    return None if isinstance(found, Refusal) else found


@lru_cache(maxsize=1024)
def _reader(written: str) -> Stamps:
    return Stamps(Source("stamps", payload="json", time="time", time_format=written), _ANY_TIME)


def says_zone(value: Any, written: str) -> bool:
    """Whether a stamp leaves no question of its zone: seconds since 1970, and text with an offset."""
    if not isinstance(value, str):
        return written == ISO
    return "%z" in written or (written == ISO and len(value) > len("2024-05-31") and bool(_ZONED.search(value)))


def _is_digits(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 10**13 <= value < 10**14  # 20240531120000


def _plausible(time_ns: int | None, received_ns: int) -> bool:
    return time_ns is not None and received_ns - 10 * YEAR_NS < time_ns < received_ns + DAY_NS
