"""The past from a database: buckets say of all points what the points say, whatever came late or had to go."""

import sqlite3
from collections import defaultdict
from contextlib import closing

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.records import Point
from pipeline.sinks import rollup
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.embedded_history import EmbeddedHistory
from pipeline.sinks.history import SECOND, WIDTHS, Question, Unavailable, width_for
from pipeline.sinks.influxdb import InfluxV1
from pipeline.sinks.influxdb_history import InfluxHistory, authorization

MINUTE = 60 * SECOND
BEGIN = 1_700_000_000 * SECOND
TAGS = (("machine", "press 1's"), ("site", "a"))
OTHER = (("machine", "press 1's"),)  # of a topic with fewer captures


def reading(time_ns: int, value: float, sensor: str = "oil, temp", tags=TAGS) -> Point:
    fields = {"value": value, "score": abs(value) / 1e3, "expected": value + 1, "low": value - 1, "high": value + 2}
    return Point("sensor", tuple(sorted((*tags, ("sensor", sensor)))), fields, time_ns)


def score(time_ns: int, value: float, severity: int = 0, tags=TAGS) -> Point:
    return Point("machine", tags, {"score": value, "severity": severity, "state": "ready"}, time_ns)


def naive(points: list[Point], question: Question) -> dict[int, list[float]]:
    """Values by bucket; of the same series and time the last one counts."""
    buckets = defaultdict(list)
    newest = {point.time_ns: point for point in points}
    for time_ns in sorted(newest):
        start = time_ns // question.width_ns * question.width_ns
        if question.begin_ns <= time_ns < question.end_ns:
            buckets[start].append(newest[time_ns].fields["value"])
    return buckets


def same(found, expected: dict[int, list[float]]) -> None:
    assert found.time_ns == sorted(expected)
    for at, time_ns in enumerate(found.time_ns):
        values = expected[time_ns]
        assert (found.points[at], found.low[at], found.high[at]) == (len(values), min(values), max(values))
        mean = sum(values) / len(values)
        assert found.mean[at] == pytest.approx(mean, abs=1e-9, rel=1e-9)
        assert found.expected[at] == pytest.approx(mean + 1, abs=1e-6, rel=1e-9)
        assert found.band_low[at] == pytest.approx(mean - 1, abs=1e-6, rel=1e-9)
        assert found.band_high[at] == pytest.approx(mean + 2, abs=1e-6, rel=1e-9)
        assert found.worst[at] == pytest.approx(max(map(abs, values)) / 1e3)


TIMES = st.integers(0, 40 * 60).map(lambda second: BEGIN + second * SECOND)
BATCHES = st.lists(
    st.lists(st.tuples(TIMES, st.integers(-1000, 1000)), min_size=1, max_size=12), min_size=1, max_size=8
)


@given(BATCHES, TIMES, st.integers(1, 40 * 60), st.sampled_from([width for width in WIDTHS if width >= SECOND]))
@example([[(BEGIN + 1000 * SECOND, 1)], [(BEGIN, 5)], [(BEGIN + SECOND, 7)]], BEGIN, 2400, 600 * SECOND)
def test_buckets_of_the_embedded_store_hold_every_point_however_they_came(
    tmp_path_factory, batches, begin, length, width
):
    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    with closing(Embedded(path)) as store:
        points = []
        for batch in batches:
            points += [reading(time_ns, float(value)) for time_ns, value in batch]
            store.write(points[-len(batch) :])
            store.write([reading(time_ns, 1e6, "another") for time_ns, _ in batch])
        begin = begin // width * width
        end = -(-(begin + length * SECOND) // width) * width
        question = Question(TAGS, ("oil, temp",), begin, end, width)
        course = EmbeddedHistory(path).course(question)
        same(course.sensors["oil, temp"], naive(points, question))
        assert course.width_ns == width
        assert course.machine.time_ns == []


@given(BATCHES, st.integers(10, 30))  # rows of five minutes have the same bound; 40 minutes are nine at most
@example(
    [[(BEGIN, 1), (BEGIN + 400 * SECOND, 2)]] * 3 + [[(BEGIN + 2000 * SECOND + n * SECOND, n) for n in range(6)]], 5
)
def test_what_goes_to_make_room_is_still_in_the_buckets_as_is_what_comes_after_that(tmp_path_factory, batches, most):
    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    question = Question(TAGS, ("oil, temp",), BEGIN // (5 * MINUTE) * 5 * MINUTE, BEGIN + 3000 * SECOND, 5 * MINUTE)
    points, seen = [], set()
    for batch in batches:
        fresh = [(time_ns, value) for time_ns, value in batch if time_ns not in seen]
        seen.update(time_ns for time_ns, _ in fresh)
        new = list({time_ns: reading(time_ns, float(value)) for time_ns, value in fresh}.values())
        points += new
        with closing(
            Embedded(path, max_points=most)
        ) as store:  # which looks at what is too much with its first write
            store.write(new)
            assert len(store.query("sensor")) <= most
    course = EmbeddedHistory(path).course(question)
    if len(points) <= most:
        same(course.sensors["oil, temp"], naive(points, question))
    else:
        found = course.sensors["oil, temp"]
        assert sum(found.points) == len(points)
        assert min(found.low) == min(point.fields["value"] for point in points)
        assert max(found.high) == max(point.fields["value"] for point in points)
        narrow = EmbeddedHistory(path).course(question._replace(width_ns=SECOND))
        assert narrow.width_ns == rollup.WIDTH_NS, "narrower buckets are no longer known, and it says so"
        assert narrow.sensors == course.sensors


def test_the_rows_of_an_earlier_store_are_made_bit_by_bit_and_nothing_is_missing_meanwhile(tmp_path):
    path = tmp_path / "store.sqlite"
    points = [reading(BEGIN + n * 30 * MINUTE, float(n)) for n in range(200)]
    with closing(Embedded(path)) as store:
        store.write(points)
    with closing(sqlite3.connect(path)) as database:
        database.executescript("DROP TABLE rolled; DROP TABLE rolling")
    question = Question(TAGS, ("oil, temp",), 0, 2 * BEGIN, 3600 * SECOND)
    until = []
    with closing(Embedded(path)) as store:
        for n in range(200, 206):
            points.append(reading(BEGIN + n * 30 * MINUTE, float(n)))
            store.write(points[-1:])
            same(EmbeddedHistory(path).course(question).sensors["oil, temp"], naive(points, question))
            with closing(sqlite3.connect(path)) as database:
                until += database.execute("SELECT until_ns FROM rolling").fetchone()
    assert until[0] < until[2] < until[-1]
    assert max(until) == points[-1].time_ns // rollup.WIDTH_NS * rollup.WIDTH_NS


def test_the_past_is_forgotten_by_age_with_its_rows(tmp_path):
    path = tmp_path / "store.sqlite"
    with closing(Embedded(path, keep_ns=3600 * SECOND)) as store:
        store.write([reading(BEGIN + n * MINUTE, float(n)) for n in range(600)])
    with closing(Embedded(path, keep_ns=3600 * SECOND)) as store:
        store.write([reading(BEGIN + 600 * MINUTE, 600.0)])
    course = EmbeddedHistory(path).course(Question(TAGS, ("oil, temp",), 0, 2 * BEGIN, 5 * MINUTE))
    assert sum(course.sensors["oil, temp"].points) in range(61, 72)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM rolled").fetchone()[0] <= 14


def test_a_question_ends_in_time_and_says_so_and_a_store_that_is_not_there_is_said_to_be_none(tmp_path):
    path = tmp_path / "store.sqlite"
    with closing(Embedded(path)) as store:
        store.write([reading(BEGIN + n * SECOND, float(n)) for n in range(20_000)])
    ticks = iter(range(10**9))
    history = EmbeddedHistory(path, limit_s=2.0, clock=lambda: next(ticks))
    with pytest.raises(Unavailable, match="longer than 2 s; ask for a shorter time or fewer sensors"):
        history.course(Question(TAGS, ("oil, temp",), 0, 2 * BEGIN, SECOND))
    with pytest.raises(Unavailable, match="unable to open database file"):
        EmbeddedHistory(tmp_path / "none.sqlite").events(None, 0, 2 * BEGIN, 10)
    assert not (tmp_path / "none.sqlite").exists(), "who reads makes no store"


def test_a_question_neither_waits_for_a_writer_nor_holds_one_up(tmp_path):
    path = tmp_path / "store.sqlite"
    history = EmbeddedHistory(path, limit_s=0.2)
    question = Question(TAGS, ("oil, temp",), 0, 2 * BEGIN, MINUTE)
    with closing(Embedded(path)) as store:
        store.write([reading(BEGIN, 1.0)])
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("DELETE FROM points")
            assert history.course(question).sensors["oil, temp"].points == [1]
            writer.execute("ROLLBACK")
        with history._reading() as database:
            database.execute("SELECT count(*) FROM points").fetchone()
            store.write([reading(BEGIN + MINUTE, 2.0)])
        with history._reading() as database, pytest.raises(sqlite3.OperationalError, match="readonly"):
            database.execute("DELETE FROM points")
    assert history.course(question).sensors["oil, temp"].points == [1, 1]


@given(st.integers(0, 2**60), st.integers(1, 2**60), st.integers(1, 2_000))
def test_no_more_buckets_than_asked_reach_over_any_time(begin, length, most):
    width = width_for(begin, begin + length, most)
    assert width * most >= length
    assert width in WIDTHS or width % WIDTHS[-1] == 0


EVENTS = [
    Point(
        "incident",
        (("id", "7"), *TAGS),
        {"phase": "open", "severity": 1, "started": BEGIN, "sensors": "x 90 % high"},
        BEGIN,
    ),
    Point("incident", (("id", "7"), *TAGS), {"phase": "close", "severity": 2, "reason": "calm"}, BEGIN + MINUTE),
    Point("incident", (("id", "1"), *OTHER), {"phase": "open", "severity": 1}, BEGIN + 2 * MINUTE),
    Point("command", TAGS, {"verb": "ack", "argument": "", "by": 'an"na', "via": "http"}, BEGIN + MINUTE),
]


def answers_alike(history, points: list[Point]) -> None:
    """What every database must answer to the same points and events."""
    for width in (10 * SECOND, MINUTE, 10 * MINUTE, 3600 * SECOND):
        begin = BEGIN // width * width
        question = Question(TAGS, ("oil, temp", "nothing"), begin, begin + 12 * 3600 * SECOND, width)
        course = history.course(question)
        own = [point for point in points if point.tags == reading(0, 0.0).tags]
        same(course.sensors["oil, temp"], naive(own, question))
        assert course.sensors["nothing"].time_ns == []
        scores = [point for point in points if point.measurement == "machine" and point.tags == TAGS]
        within = [point for point in scores if begin <= point.time_ns < question.end_ns]
        assert sum(course.machine.points) == len(within)
        assert max(course.machine.worst) == max(point.fields["severity"] for point in within)
        assert course.machine.expected == [None] * len(course.machine.time_ns)
    everything = history.events(None, 0, 2 * BEGIN, 100)
    assert [(one.measurement, one.tags, one.time_ns) for one in everything if one.measurement == "incident"] == [
        (one.measurement, tuple(sorted(one.tags)), one.time_ns) for one in EVENTS[:3]
    ]
    own = history.events(TAGS, BEGIN, BEGIN + 2 * MINUTE, 100)
    assert sorted((one.measurement, one.fields.get("phase", ""), one.fields.get("by", "")) for one in own) == [
        ("command", "", 'an"na'),
        ("incident", "close", ""),
        ("incident", "open", ""),
    ]
    assert [
        one.fields["phase"] for one in history.events(TAGS, BEGIN, 2 * BEGIN, 1) if one.measurement == "incident"
    ] == ["close"]
    worst = history.worst(TAGS, ("oil, temp", "nothing"), BEGIN, BEGIN + 3600 * SECOND)
    highest = max(
        (point for point in points if point.tags == reading(0, 0.0).tags and point.time_ns < BEGIN + 3600 * SECOND),
        key=lambda point: point.fields["score"],
    )
    assert list(worst) == ["oil, temp"]
    assert worst["oil, temp"].time_ns == highest.time_ns
    assert {name: worst["oil, temp"].fields[name] for name in ("value", "low", "high")} == {
        name: highest.fields[name] for name in ("value", "low", "high")
    }


def recorded() -> list[Point]:
    """A machine's day, in part, and that of another of the same name."""
    points = []
    for n in range(2_000):
        at = BEGIN + n * 17 * SECOND
        points += [reading(at, float(n % 97) - 40), score(at, n / 2_000, int(n > 1_500))]
        points += [reading(at, 5e5, tags=OTHER), score(at, 0.1, 2, tags=OTHER), reading(at, 3.0, "another")]
    return points


def test_the_embedded_store_answers_about_the_past(tmp_path):
    path, points = tmp_path / "store.sqlite", recorded()
    with closing(Embedded(path)) as store:
        store.write([*points, *EVENTS])
        answers_alike(EmbeddedHistory(path), points)


@pytest.mark.servers
def test_influxdb_1_answers_the_same_about_the_past(influxdb):
    influxdb.query("CREATE DATABASE history")
    points = recorded()
    sink = InfluxV1(influxdb.url, "history")
    sink.write([*points, *EVENTS])
    sink.close()
    answers_alike(InfluxHistory(influxdb.url, "history", "", lambda: {"machine", "site"}), points)


@pytest.mark.servers
def test_a_database_that_cannot_be_asked_says_why_and_never_its_secret(influxdb, victoria_metrics):
    question = Question(TAGS, ("oil, temp",), BEGIN, BEGIN + MINUTE, SECOND)
    allowed = authorization(None, "anna", "hunter2")
    with pytest.raises(Unavailable, match="database not found: nowhere"):
        InfluxHistory(influxdb.url, "nowhere", allowed, set).course(question)
    with pytest.raises(Unavailable, match="cannot be asked about the past") as said:
        InfluxHistory(victoria_metrics.url, "machines", authorization("hunter2", None, None), set).course(question)
    assert "hunter2" not in str(said.value)
    with pytest.raises(Unavailable, match=r"cannot be asked: .*Connection refused"):
        InfluxHistory("http://127.0.0.1:9", "machines", "", set).events(None, 0, BEGIN, 10)
