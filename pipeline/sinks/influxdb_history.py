"""The past of machines from InfluxDB, by InfluxQL: the one language that 1.x, 2.x and 3.x all speak, at `/query`.

The database makes the buckets. Whatever else it answers than rows (no such right, no mapping from bucket to database,
a database that only takes points) is said as it says it.
"""

import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from pipeline.records import Point
from pipeline.sinks.history import Buckets, Course, Highest, Question, Tags, Unavailable, widened
from pipeline.sinks.http import Http
from pipeline.sinks.lines import stored

WAIT_S = 4.0  # for what happened: a page waits for it with all else that it shows
PATIENT_S = 20.0  # for a course
MOST_BYTES = 32 << 20  # of an answer
MAIN = {"machine": ("score", "severity"), "sensor": ("value", "score")}
EVENT_FIELDS = {
    "incident": (
        "phase", "severity", "peak", "cause", "sensors", "why", "class", "confidence", "started", "ended",
        "acknowledged", "unconfirmed", "reason",
    ),
    "command": ("verb", "argument", "by", "via"),
}  # fmt: skip
READING = ("value", "expected", "low", "high", "quality")


class Series(msgspec.Struct):
    """As InfluxQL is answered."""

    columns: list[str]
    values: list[list[Any]] = []
    tags: dict[str, str] = {}


class Result(msgspec.Struct):
    """Of one statement."""

    series: list[Series] = []
    error: str = ""


class Answered(msgspec.Struct):
    """The whole answer."""

    results: list[Result] = []
    error: str = ""
    message: str = ""  # 2.x


def text(value: str) -> str:
    """A text in InfluxQL.

    >>> print(text("it's"))
    'it\\'s'
    """
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def name(value: str) -> str:
    """A name in InfluxQL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class InfluxHistory:
    """See `pipeline.sinks.history.History`. Courses are asked for one at a time, and so is all else."""

    def __init__(self, url: str, database: str, allowed: str, keys: Callable[[], Iterable[str]]) -> None:
        """`database`: or the bucket, which 2.x maps by itself. `allowed`: see `authorization`.

        `keys`: gives the tags that machines may have.
        """
        self.name = f"the database at {url}"
        self._url, self._database = url, database
        self._headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if allowed:
            self._headers["Authorization"] = allowed
        self._secret = allowed.partition(" ")[2]
        self._keys = keys
        self._https = {wait_s: Http(wait_s, wait_s, MOST_BYTES) for wait_s in (WAIT_S, PATIENT_S)}
        self._turns = {wait_s: threading.Lock() for wait_s in self._https}

    def _ask(self, wait_s: float, *statements: str) -> list[Result]:
        """The results of InfluxQL statements."""
        body = urlencode({"db": self._database, "q": "; ".join(statements), "epoch": "ns"}).encode()
        if not self._turns[wait_s].acquire(timeout=wait_s):
            raise Unavailable(f"{self.name} is busy with other questions; try again")
        try:
            answer = self._https[wait_s].request("POST", f"{self._url.rstrip('/')}/query", body, self._headers)
        except OSError as error:
            raise Unavailable(f"{self.name} cannot be asked: {error}") from None
        finally:
            self._turns[wait_s].release()
        if answer.status == 200 and len(answer.data) >= MOST_BYTES:
            raise Unavailable(f"{self.name} answered with too much; ask for a shorter time or fewer sensors")
        try:
            told = msgspec.json.decode(answer.data, type=Answered)
        except msgspec.MsgspecError:
            told = Answered()
        wrong = told.error or told.message or next((one.error for one in told.results if one.error), "")
        if wrong == "not executed" and len(statements) > 1:  # 1.x says why to one statement alone
            self._ask(wait_s, statements[0])
        if answer.status != 200 or wrong or len(told.results) != len(statements):
            why = wrong or answer.data.decode("utf-8", "replace") or answer.reason
            why = " ".join(why.split())[:200]
            if self._secret:
                why = why.replace(self._secret, "***")
            raise Unavailable(f"{self.name} cannot be asked about the past: {answer.status} {why}")
        return told.results

    def course(self, question: Question) -> Course:
        """See the protocol."""
        asked = widened(question, question.width_ns)
        machine, sensors = self._ask(PATIENT_S, self._buckets("machine", asked), self._buckets("sensor", asked))
        found = {series.tags.get("sensor", ""): series for series in sensors.series}
        return Course(
            asked.width_ns,
            _columns(machine.series[0] if machine.series else None),
            {sensor: _columns(found.get(stored(sensor))) for sensor in asked.sensors},
        )

    def _buckets(self, measurement: str, asked: Question) -> str:
        main, worst = MAIN[measurement]
        of_sensors, by_sensor = "", ""
        if measurement == "sensor":
            # Without a sensor the statement is there all the same, and finds nothing.
            names = [f'"sensor" = {text(stored(sensor))}' for sensor in asked.sensors] or ["\"sensor\" = ''"]
            of_sensors, by_sensor = f" AND ({' OR '.join(names)})", ', "sensor"'
        return (
            f'SELECT count("{main}"), min("{main}"), mean("{main}"), max("{main}"), max("{worst}"), mean("expected"),'
            f' mean("low"), mean("high") FROM "{measurement}" WHERE {self._of(asked.tags)}{of_sensors}'
            f" AND {_between(asked.begin_ns, asked.end_ns)} GROUP BY time({asked.width_ns}ns){by_sensor} fill(none)"
        )

    def _of(self, tags: Tags) -> str:
        """The condition for this machine, and no other that has more captures."""
        known = {stored(key): stored(value) for key, value in tags}
        keys = {**dict.fromkeys(map(stored, sorted(self._keys())), ""), **known}
        return " AND ".join(f"{name(key)} = {text(value)}" for key, value in keys.items())

    def events(self, tags: Tags | None, begin_ns: int, end_ns: int, most: int) -> list[Point]:
        """See the protocol."""
        of = "" if tags is None else f" AND {self._of(tags)}"
        statements = []
        for measurement, fields in EVENT_FIELDS.items():
            keys = [*sorted({"machine", *self._keys()}), *(["id"] if measurement == "incident" else [])]
            selected = [f"{name(field)}::field AS {name(f'f.{field}')}" for field in fields]
            selected += [f"{name(stored(key))}::tag AS {name(f't.{key}')}" for key in keys]
            statements.append(
                f'SELECT {", ".join(selected)} FROM "{measurement}" WHERE {_between(begin_ns, end_ns)}{of}'
                f" ORDER BY time DESC LIMIT {most}"
            )
        points = []
        for measurement, result in zip(EVENT_FIELDS, self._ask(WAIT_S, *statements), strict=True):
            for row in _rows(result.series):
                own = tuple(sorted((key[2:], row[key]) for key in row if key.startswith("t.")))
                told = {key[2:]: value for key, value in row.items() if key.startswith("f.")}
                points.append(Point(measurement, own, told, row["time"]))
        return sorted(points, key=lambda one: one.time_ns)

    def worst(self, tags: Tags, sensors: tuple[str, ...], begin_ns: int, end_ns: int) -> dict[str, Point]:
        """See the protocol."""
        if not sensors:
            return {}
        fields = ", ".join(f'"{field}"' for field in READING)
        statements = [
            f'SELECT max("score") AS "score", {fields} FROM "sensor" WHERE {self._of(tags)}'
            f' AND "sensor" = {text(stored(sensor))} AND {_between(begin_ns, end_ns)}'
            for sensor in sensors
        ]
        found = {}
        for sensor, result in zip(sensors, self._ask(WAIT_S, *statements), strict=True):
            for row in _rows(result.series):
                time_ns = row.pop("time")
                found[sensor] = Point("sensor", tuple(sorted((*tags, ("sensor", sensor)))), row, time_ns)
        return found

    def highest(self, machines: Sequence[Tags], begin_ns: int, end_ns: int, width_ns: int) -> Highest:
        """See the protocol."""
        place = {_stored(tags): at for at, tags in enumerate(machines)}
        keys = ", ".join(name(key) for key in sorted({"machine", *map(stored, self._keys())}))
        [result] = self._ask(
            PATIENT_S,
            f'SELECT max("score") FROM "machine" WHERE {_between(begin_ns, end_ns)}'
            f" GROUP BY time({width_ns}ns), {keys} fill(none)",
        )
        found = Highest([], [], [])
        for series in result.series:
            at = place.get(tuple(sorted((key, value) for key, value in series.tags.items() if value)))
            if at is not None:
                found.machine.extend([at] * len(series.values))
                found.time_ns.extend(time_ns for time_ns, _ in series.values)
                found.score.extend(score for _, score in series.values)
        return found


def _stored(tags: Tags) -> Tags:
    """Tags as the database has them; it has none without a value."""
    return tuple(sorted((stored(key), stored(value)) for key, value in tags if value))


def _between(begin_ns: int, end_ns: int) -> str:
    return f"time >= {begin_ns} AND time < {end_ns}"


def _rows(series: Sequence[Series]) -> Iterator[dict[str, Any]]:
    """Rows as dictionaries of what is known."""
    for one in series:
        for values in one.values:
            yield {key: value for key, value in zip(one.columns, values, strict=True) if value not in (None, "")}


def _columns(series: Series | None) -> Buckets:
    """The columns of `Buckets` in the order of the statement."""
    rows = [] if series is None else [row for row in series.values if row[1]]
    time_ns, count, low, mean, high, worst, *band = [list(one) for one in zip(*rows, strict=True)] or [[]] * 9
    return Buckets(time_ns, count, low, mean, high, worst, *band)


def authorization(token: str | None, username: str | None, password: str | None) -> str:
    """What the header Authorization says: of a token, or of a user of 1.x."""
    if token:
        return f"Token {token}"
    if username is None:
        return ""
    return f"Basic {b64encode(f'{username}:{password or str()}'.encode()).decode()}"
