"""The heat map after a start: what the database has of the time before it is in the cells."""

import threading
from contextlib import closing

import numpy as np
import pytest
from big_fleets import Direct
from hypothesis import given
from hypothesis import strategies as st
from machines import SECOND, START
from plants import HEALTHY_ROWS, Plant, press
from servers import InfluxDB, until

from pipeline.console.heat import MINUTE_NS, SPANS, Heat
from pipeline.console.heat_history import FIVE_MINUTES_NS, ROWS, Filling, pieces
from pipeline.engine.engine import Engine
from pipeline.records import Machine, Point, Readings
from pipeline.sinks.embedded import Embedded
from pipeline.sinks.embedded_history import EmbeddedHistory
from pipeline.sinks.history import Unavailable
from pipeline.sinks.influxdb import InfluxV1
from pipeline.sinks.influxdb_history import InfluxHistory

MACHINES = [
    Machine("press 1's", (("site", "a, b"),)),
    Machine("press 1's"),  # of a topic with fewer captures
    Machine("press-2", (("site", "b"),)),
    Machine("new"),  # of which the database has nothing
]
DAY = 1440 * MINUTE_NS


def plant_of(rows: int):
    """An engine that knows all machines, what it wrote of three of them in eight days, and the cells of all that."""
    engine = Engine()
    lines = np.array([engine.fleet.number(machine, "temp")[1] for machine in MACHINES])
    slots, last = np.arange(len(lines)), np.ones(len(lines), np.bool_)
    engine.step(Readings(slots, lines, np.full(len(lines), START), np.zeros(len(lines)), last))
    engine.step(Readings(slots, lines, np.full(len(lines), START + SECOND), np.zeros(len(lines)), last))
    newest_ns = int(engine.look()["closed_ns"].max())
    rng = np.random.default_rng(3)
    times = np.sort(newest_ns - (rng.random(rows) ** 2 * 8 * DAY).astype(np.int64))
    times[-1] = newest_ns
    slot, score = rng.integers(0, 3, rows), rng.random(rows) ** 0.2
    heat = Heat()
    heat.add(slot, times, score, len(MACHINES))
    tags = engine.fleet.tags
    points = [
        Point("machine", tags[at], {"score": one, "severity": 0, "state": "ready"}, time_ns)
        for at, one, time_ns in zip(slot.tolist(), score.tolist(), times.tolist(), strict=True)
    ]
    points.insert(0, Point("machine", (("machine", "gone"),), {"score": 1.0, "severity": 2}, newest_ns))
    points.insert(0, Point("machine", tags[3], {"state": "learning"}, newest_ns))  # without a score
    return engine, points, heat


def cells_of(heat: Heat):
    return {span: heat.cells(list(range(len(MACHINES))), span) for span in SPANS}


def filled(engine, history) -> Heat:
    heat = Heat()
    filling = Filling(heat, history, Direct(engine).ask)
    filling.start()
    assert filling.wait(60)
    return heat


@pytest.mark.parametrize("kept", [1_000_000, 2_500])
def test_after_a_start_the_cells_are_those_of_the_points_in_the_embedded_store(tmp_path, kept):
    engine, points, heat = plant_of(3000)
    with closing(Embedded(tmp_path / "store.sqlite", max_points=kept)) as store:
        for at in range(0, len(points), 100):
            store._since_trim = 10**6  # look now at what there is no room for; its rows of five minutes stay
            store.write(points[at : at + 100])
        assert store.count("machine") == min(kept, len(points))
    assert cells_of(filled(engine, EmbeddedHistory(tmp_path / "store.sqlite"))) == cells_of(heat)


@pytest.mark.servers
def test_after_a_start_the_cells_are_those_of_the_points_in_influxdb(tmp_path):
    engine, points, heat = plant_of(3000)
    with InfluxDB(tmp_path / "influxd") as server:
        server.query('CREATE DATABASE "plant"')
        with closing(InfluxV1(server.url, "plant")) as sink:
            sink.write(points)
        history = InfluxHistory(server.url, "plant", "", lambda: {"machine", "site"})
        assert cells_of(filled(engine, history)) == cells_of(heat)


def test_a_database_that_is_away_is_asked_again_and_what_came_meanwhile_stays(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("pipeline.console.heat_history.AGAIN_S", 0.01)
    engine, points, heat = plant_of(300)
    tries = []
    path = tmp_path / "store.sqlite"
    filled_in = Heat()

    class Counted(EmbeddedHistory):
        def highest(self, *asked):
            tries.append(asked)
            return super().highest(*asked)

    filling = Filling(filled_in, Counted(path), Direct(engine).ask)
    filling.start()
    until(lambda: len(tries) >= 3, "it is asked again")
    newest_ns = int(engine.look()["closed_ns"].max()) + 60 * MINUTE_NS
    for one in (filled_in, heat):
        one.add(np.array([3]), np.array([newest_ns]), np.array([0.9995]), len(MACHINES))
    with closing(Embedded(path)) as store:
        store.write(points)
    assert filling.wait(60)
    assert cells_of(filled_in) == cells_of(heat)
    assert caplog.text.count("heat.waiting") == 1


def test_who_stops_the_service_does_not_wait_for_the_database():
    engine, _, _ = plant_of(3)
    begun, go_on = threading.Event(), threading.Event()
    asked = []

    class Slow(EmbeddedHistory):
        def highest(self, *question):
            asked.append(question)
            begun.set()
            assert go_on.wait(30)
            raise Unavailable("slow")

    filling = Filling(Heat(), Slow(None), Direct(engine).ask)
    filling.start()
    assert begun.wait(30)
    filling.stop()
    go_on.set()
    assert filling.wait(30)
    assert len(asked) == 1


@given(st.integers(1, 2**60), st.sampled_from([1, 10, 300, 10_000, 100_000]))
def test_every_cell_of_every_span_is_asked_for_once_in_pieces_with_a_bound(newest_ns, machines):
    found = list(pieces(newest_ns, machines))
    assert all(one.begin_ns % one.width_ns == one.end_ns % one.width_ns == 0 for one in found)
    assert [later.begin_ns for later in found[:-1]] == [earlier.end_ns for earlier in found[1:]]
    assert found[0].begin_ns <= newest_ns < found[0].end_ns
    least = max(ROWS, machines * 36)  # three hours are asked for in one piece
    assert all((one.end_ns - one.begin_ns) // FIVE_MINUTES_NS * machines <= least for one in found)
    for count, width_ns in SPANS.values():
        first_ns = max((newest_ns // width_ns - count + 1) * width_ns, 0)
        inside = [one for one in found if one.end_ns > first_ns]
        assert found[-1].begin_ns <= first_ns
        assert all(width_ns % one.width_ns == 0 for one in inside), "no piece has longer cells than the span"


@pytest.mark.servers
def test_after_a_restart_the_heat_map_shows_what_it_showed_before(tmp_path):
    with Plant(tmp_path / "plant") as plant:
        plant.send("press-1", press(HEALTHY_ROWS + 150, 2, fault=8.0))
        plant.send("press-2", press(HEALTHY_ROWS, 7))

        def cells(span):
            found = plant.get(f"/api/machines?view=brief&cells={span}&sort=name")[1]
            return found["cells"], [one["cells"] for one in found["machines"]]

        until(lambda: "9" in "".join(cells("8h")[1]) or "A" in "".join(cells("8h")[1]), "the alarm is in its cell")
        before = {span: cells(span) for span in SPANS}
        assert plant.stop() == 0
        plant.start()
        until(lambda: {span: cells(span) for span in SPANS} == before, "the cells are as before")
