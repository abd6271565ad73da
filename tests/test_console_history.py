"""The API about the past, on the real service over the embedded store and over InfluxDB."""

import sys
import threading
from contextlib import closing, contextmanager
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pasts import COLD, FRIDAY, HOT, MONDAY, SECOND, command, tags_of, written
from plants import HEALTHY_ROWS, Plant, press
from servers import InfluxDB, until

from pipeline.console import incident_records
from pipeline.console.answers import Briefly, Latest
from pipeline.console.events import Events
from pipeline.console.past import Past
from pipeline.engine.level import level_of
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.embedded_history import EmbeddedHistory

PATH = "/api/machines/press-07;site=a"


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Of press-07 on Monday; `readings` are the times and values of its sensor s1."""
    folder = tmp_path_factory.mktemp("plant")
    with closing(Embedded(folder / "data" / "store.sqlite")) as store:
        for points in written(["press-07"]):
            store.write(points)
        with Plant(folder) as running:
            running.send("press-07", press(30, 2), (MONDAY - 1_700_000_000 * SECOND) // SECOND)
            until(lambda: store.query("sensor", MONDAY), "what came on Monday is in the store")
            of_s1 = [point for point in store.query("sensor") if ("sensor", "s1") in point.tags]
            running.readings = [(point.time_ns / SECOND, point.fields["value"]) for point in of_s1]
            yield running


def asked(plant: Plant, **query: object) -> tuple[int, dict]:
    return plant.get(f"{PATH}/history?{urlencode(query, doseq=True)}")[:2]


@pytest.mark.servers
def test_an_answer_about_the_past_holds_every_point_and_says_what_it_covers(plant):
    @given(st.integers(0, 3 * 1440), st.integers(1, 3 * 1440), st.integers(1, 2000))
    def holds(begin, length, most):
        begin_s = FRIDAY // SECOND + begin * 60
        query = {"from": begin_s, "to": begin_s + length * 60, "points": most, "sensor": "s1"}
        status, found = asked(plant, **query)
        assert status == 200
        width = found["bucket_s"]
        covered = (begin_s // width * width, -(-(begin_s + length * 60) // width) * width)
        raw = [value for time_s, value in plant.readings if covered[0] <= time_s < covered[1]]
        s1 = found["sensors"]["s1"]
        assert sum(filter(None, s1["points"])) == len(raw)
        assert min((one for one in s1["low"] if one is not None), default=0) == min(raw, default=0)
        assert max((one for one in s1["high"] if one is not None), default=0) == max(raw, default=0)
        assert len(found["time_s"]) <= most + 1
        for name, levels in found["level"].items():
            assert levels == [None if one is None else level_of(one) for one in found["score"][name]]
        assert all(time_s / width == pytest.approx(round(time_s / width)) for time_s in found["time_s"])

    holds()


@pytest.mark.servers
@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"from": 2_000, "to": 1_000}, "from is not before to"),
        ({"from": 1_000, "to": 1_000}, "from is not before to"),
        ({"from": 0, "to": 400_000_000}, "more than ten years apart"),
        ({"from": "yesterday"}, "from is neither Unix seconds nor ISO 8601"),
        ({"from": "-5"}, "from is neither Unix seconds nor ISO 8601"),
        ({"to": "1e9"}, "to is neither Unix seconds nor ISO 8601"),
        ({"to": "99999999999"}, "to is not between 1970 and 2116"),
        ({"from": "1969-12-31"}, "from is not between 1970 and 2116"),
        ({"points": 0}, "points is not a whole number from 1 to 2000"),
        ({"points": 2_001}, "points is not a whole number from 1 to 2000"),
        ({"points": "many"}, "points is not a whole number from 1 to 2000"),
        ({"sensor": "nothing"}, "the machine has no sensor 'nothing'"),
        ({"sensor": [f"s{number}" for number in range(17)]}, "more than 16 sensors"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_in_words(plant, query, why):
    status, found = asked(plant, **query)
    assert status == 400
    assert why in found["error"]


@pytest.mark.servers
def test_times_are_unix_seconds_or_iso_and_without_any_the_newest_hour_is_told(plant):
    begin, end = HOT // SECOND, COLD // SECOND
    _, found = asked(plant, **{"from": begin, "to": end})
    _, again = asked(plant, **{"from": "2023-11-19T02:13:00Z", "to": "2023-11-19T04:40:00+01:00"})
    assert (found["from_s"], found["to_s"], found["time_s"]) == (again["from_s"], again["to_s"], again["time_s"])
    assert [(one["number"], one["ended_s"]) for one in found["incidents"]] == [("4", end)]
    assert [(one["verb"], one["by"]) for one in found["commands"]] == [("ack", "anna")]
    _, newest = asked(plant)
    assert (newest["to_s"] - newest["from_s"], newest["to_s"]) == (3600, MONDAY // SECOND + 30)
    assert newest["database"] == "the embedded store"
    assert plant.get("/api/machines/nobody/history")[0] == 404
    assert plant.get(f"{PATH}/incidents/99")[0] == 404
    assert plant.get(f"{PATH}/incidents/x")[0] == 400
    for query in ("severity=bad", "state=bad", "tag=site"):
        assert plant.get(f"/api/incidents?{query}")[0] == 400


@pytest.mark.servers
def test_over_influxdb_the_past_is_told_as_well_and_when_it_is_away_the_answer_says_so(tmp_path):
    with InfluxDB(tmp_path / "influxd") as influxdb:
        influxdb.query('CREATE DATABASE "plant"')
        settings = {"influxdb": {"url": influxdb.url, "database": "plant"}}
        with Plant(tmp_path / "plant", **settings) as plant:
            plant.send("press-1", press(HEALTHY_ROWS + 150, 2, fault=8.0))
            assert plant.tell("press-1", "ack")[0] == 200
            path = "/api/machines/press-1;site=a"

            def count():
                rows = influxdb.query("SELECT count(score) FROM machine WHERE machine = 'press-1'", "plant")
                return rows[0]["count"] if rows else 0

            history = f"{path}/history?from=1699999000&to=1700009000&sensor=s1"

            def told():
                status, found, _ = plant.get(history)
                return status == 200 and sum(filter(None, found["score"]["points"])) == count() > 0 and found

            until(told, "all points are in the database, and in the answer")
            found = told()
            assert found["database"] == f"the database at {influxdb.url}"
            assert [one["number"] for one in found["incidents"]] == ["2", "1"]
            raw = influxdb.query("SELECT min(value), max(value) FROM sensor WHERE sensor = 's1'", "plant")[0]
            assert min(filter(None, found["sensors"]["s1"]["low"])) == raw["min"]
            assert max(filter(None, found["sensors"]["s1"]["high"])) == raw["max"]
            until(lambda: plant.get(f"{path}/incidents/2")[1]["timeline"], "its incident is told")
            incident = plant.get(f"{path}/incidents/2")[1]
            assert incident["blamed"][0]["sensor"] == "s1"
            assert incident["blamed"][0]["value"] > incident["blamed"][0]["high"]
            assert plant.stop() == 0
            plant.start()
            until(lambda: plant.machine("press-1"), "the console answers")
            assert [one["verb"] for one in plant.get("/api/incidents")[1]["said"]] == ["ack"], "also after a restart"

            influxdb.stop()
            status, refused, _ = plant.get(history)
            assert status == 503
            assert "cannot be asked" in refused["error"]
            until(lambda: plant.get("/api/incidents")[1]["incomplete"], "that it is away is noticed")
            found = plant.get("/api/incidents")[1]
            assert "Connection refused" in found["incomplete"]
            assert [one["machine"] for one in found["open"]] == ["press-1"], "what is open is known all the same"


class Counted(EmbeddedHistory):
    """The embedded store, and how often it is asked."""

    asked = 0

    @contextmanager
    def _reading(self):
        self.asked += 1
        with super()._reading() as database:
            yield database


def test_many_who_look_at_an_incident_cost_the_database_as_much_as_one(tmp_path):
    path = tmp_path / "store.sqlite"
    with closing(Embedded(path)) as store:
        for points in written(["press-07"]):
            store.write(points)
    history = Counted(path)
    events = Events(history)
    past = Past(history, events)
    tags = tags_of("press-07")
    first = past.incident(tags, "4", [], [])
    assert first["blamed"][0]["value"] > first["blamed"][0]["high"]
    asked = history.asked
    assert asked == 2, "for what happened, and for the worst readings"
    events.take([command("press-07", COLD + 5 * 3600 * SECOND, "ack")])
    for _ in range(5):
        again = past.incident(tags, "4", [], [])
    assert history.asked == asked
    assert again["blamed"] == first["blamed"]
    assert len(again["timeline"]) == len(first["timeline"]) + 1, "what was said meanwhile is there at once"


def record(number: int, began: float, **more: object) -> dict:
    named = {"machine": f"m{number}", "id": f"m{number}", "tags": {"site": "a"}, "number": "1", "class": ""}
    return {**named, "started_s": began, "ended_s": began + 60, "severity": "warning", "state": "closed", **more}


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 4_000)), max_size=30))
def test_a_group_is_incidents_that_began_within_five_minutes_on_three_machines_or_more(began):
    found = [record(machine, float(at)) for machine, at in began]
    incident_records.grouped(found)
    groups = {one["group"] for one in found} - {None}
    for group in groups:
        its = [one for one in found if one["group"] == group]
        assert len({one["id"] for one in its}) >= 3
        assert max(one["started_s"] for one in its) - min(one["started_s"] for one in its) <= 300
    assert sorted(one["incidents"] for one in incident_records.groups(found, found)) == sorted(
        sum(one["group"] == group for one in found) for group in groups
    )


def test_incidents_are_alike_where_the_same_sensors_are_to_blame_in_the_same_direction():
    one = record(1, 0.0, sensors="oil, temp 62 % high, flow 5 % 38 % low")
    assert [part["sensor"] for part in incident_records.blamed(one)] == ["oil, temp", "flow 5 %"]
    other = record(2, 9.0, sensors="oil, temp 40 % high, flow 5 % 60 %")
    third = record(3, 9.0, sensors="oil, temp 90 % low", **{"class": ""})
    assert incident_records.alike(one, other) == pytest.approx(0.4)
    assert [found["id"] for found in incident_records.similar(one, [one, other, third])] == ["m2"]
    named = record(4, 5.0, sensors="x 100 %") | {"class": "bearing"}
    assert incident_records.alike(one | {"class": "bearing"}, named) == 1.0


def test_an_answer_that_is_being_found_is_waited_for_once_and_given_again_until_it_is_old():
    now, asked_for = 0.0, []
    latest: Latest[int] = Latest(lambda: now)

    def find() -> tuple[int, float]:
        asked_for.append(now)
        if len(asked_for) == 2:
            assert latest(find) == 1, "who asks meanwhile gets the one before"
        return len(asked_for), 5.0

    assert latest(find) == latest(find) == 1
    now = 6.0
    assert latest(find) == 2
    latest.forget()
    assert latest(find) == 3
    assert asked_for == [0.0, 6.0, 6.0]


class Slow:
    """Finds its answer when it is told to; usable as the `find` of a Latest."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Semaphore(0), threading.Semaphore(0)
        self.found = 0

    def __call__(self) -> tuple[int, float]:
        self.begun.release()
        assert self.go_on.acquire(timeout=20)
        self.found += 1
        return self.found, 60.0


def in_threads(ask, count: int) -> tuple[list[threading.Thread], list[object]]:
    """Threads that ask, and what they were answered."""
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(ask())) for _ in range(count)]
    for one in threads:
        one.start()
    return threads, answers


def waits_in(thread: threading.Thread, function: str) -> bool:
    """Whether a thread is within a function of that name now."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None and frame.f_code.co_name != function:
        frame = frame.f_back
    return frame is not None


def test_many_who_ask_before_there_is_an_answer_have_it_found_once():
    latest: Latest[int] = Latest()
    slow = Slow()
    threads, answers = in_threads(lambda: latest(slow), 8)
    assert slow.begun.acquire(timeout=20)
    for _ in threads:
        slow.go_on.release()
    for one in threads:
        one.join(20)
    assert (answers, slow.found) == ([1] * 8, 1)


def test_many_who_wait_for_what_cannot_be_found_are_told_why_and_do_not_try_one_after_the_other():
    latest: Latest[int] = Latest()
    tried, go_on = [], threading.Event()

    def find() -> tuple[int, float]:
        tried.append(1)
        assert go_on.wait(20)
        raise TimeoutError("busy")

    def ask() -> str:
        with pytest.raises(TimeoutError) as error:
            latest(find)
        return str(error.value)

    threads, answers = in_threads(ask, 1)
    until(lambda: tried, "somebody looks for it")
    more, their_answers = in_threads(ask, 8)
    until(lambda: all(waits_in(one, "result") for one in more), "the others wait for that")
    go_on.set()
    for one in (*threads, *more):
        one.join(20)
    assert (answers, their_answers, len(tried)) == (["busy"], ["busy"] * 8, 1)
    assert latest(lambda: (5, 1.0)) == 5, "and who comes later tries again"


def test_a_change_while_an_answer_is_being_found_makes_that_one_old_and_is_waited_for_by_whoever_asks_next():
    latest: Latest[int] = Latest()
    assert latest(lambda: (0, 0.0)) == 0
    slow = Slow()
    [before], old = in_threads(lambda: latest(slow), 1)
    assert slow.begun.acquire(timeout=20)
    latest.forget()
    [after], new = in_threads(lambda: latest(slow), 1)
    assert slow.begun.acquire(timeout=20), "who asks after the change is not given the answer from before it"
    slow.go_on.release()
    slow.go_on.release()
    before.join(20)
    after.join(20)
    assert sorted([*old, *new]) == [1, 2]
    assert latest(lambda: (9, 60.0)) in new


def test_saying_that_something_was_changed_waits_for_no_answer_that_is_being_found():
    briefly = Briefly(60.0)
    slow = Slow()
    [asking], _ = in_threads(lambda: briefly("fleet", slow), 1)
    assert slow.begun.acquire(timeout=20)
    [telling], _ = in_threads(briefly.forget, 1)
    telling.join(20)
    assert not telling.is_alive()
    slow.go_on.release()
    asking.join(20)
    assert briefly("fleet", lambda: "after the change") == "after the change"
