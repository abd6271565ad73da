"""All machines at once: order, groups and search, and the cells of the heat map."""

import json
from urllib.request import urlopen

import msgspec
import numpy as np
import pytest
from big_fleets import BigFleet, Direct
from fleets import listed
from hypothesis import given
from hypothesis import strategies as st
from machines import START, engine_of, live, plant, readings

from pipeline.config.settings import MachineRule, Sensor
from pipeline.console import asking, overview, views, wear
from pipeline.console.heat import MINUTE_NS, SPANS, Heat
from pipeline.console.recent import Recent
from pipeline.engine.level import level_of
from pipeline.engine.scoring import Severity
from pipeline.records import Machine


@pytest.fixture(scope="module")
def engine():
    """Of twelve machines on two sites, of which nothing is known but their names."""
    engine = engine_of(1, "other")
    for number in range(11):
        engine.fleet.number(Machine(f"press-{number}", (("site", "ab"[number % 2]),)), "s0")
    return engine


def names(engine, **asked):
    return [one["name"] for one in listed(engine, **asked)]


def test_machines_are_ordered_by_name_as_people_count_and_the_other_way_round(engine):
    presses = [f"press-{number}" for number in range(11)]
    assert names(engine, sort="name") == ["other", *presses]
    assert names(engine, sort="-name") == [*presses[::-1], "other"]
    assert names(engine, sort="level") == ["other", *presses], "and by name where nothing tells them apart"


def test_every_word_of_a_search_is_part_of_the_name_or_of_a_capture(engine):
    assert names(engine, search="PRESS-1") == ["press-1", "press-10"]
    assert names(engine, search="press a") == [f"press-{number}" for number in range(0, 11, 2)]
    assert names(engine, search="b 3") == ["press-3"]


def test_groups_are_by_name_and_say_where_they_begin_and_machines_without_one_come_last(engine):
    copy, asked = overview.copied(engine), overview.Asked(group="site", sort="name")
    found = overview.Names(engine.fleet).arranged(copy, asked)
    assert [(one.name, one.offset, one.machines) for one in found.groups] == [("a", 0, 6), ("b", 6, 5), ("", 11, 1)]
    assert names(engine, group="site", sort="name")[5:8] == ["press-10", "press-1", "press-3"]
    assert overview.Names(engine.fleet).arranged(copy, overview.Asked(group="hall")).groups == []


def test_more_groups_than_an_answer_has_room_for_are_one_in_the_end():
    engine = engine_of(1, "other")
    for number in range(overview.GROUPS + 50):
        engine.fleet.number(Machine("press", (("site", f"s{number}"),)), "s0")
    found = overview.Names(engine.fleet).arranged(overview.copied(engine), overview.Asked(group="site"))
    assert len(found.groups) == overview.GROUPS
    assert sum(one.machines for one in found.groups) == len(found.slots) == overview.GROUPS + 51
    assert (found.groups[-1].name, found.groups[-1].machines) == ("all others", 52)


def test_that_nothing_is_received_any_more_is_said_once_of_all_machines_and_of_each_group(engine, monkeypatch):
    copy, asked = overview.copied(engine), overview.Asked(group="site")
    known = overview.Names(engine.fleet)
    assert not known.arranged(copy, asked).quiet
    silent = overview.MachineState.SILENT
    found = known.arranged(copy._replace(states=np.full_like(copy.states, silent)), asked)
    assert found.quiet
    assert [one.quiet for one in found.groups] == [True, True, False], "one machine is no group"


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 20_000), st.floats(0, 1)), min_size=1, max_size=60
)  # slots, minutes, scores


@given(ROWS, st.integers(1, 7))
def test_each_cell_holds_the_highest_level_of_its_time_whatever_the_batches(rows, size):
    heat = Heat()
    slots, minutes, scores = (np.array(column) for column in zip(*rows, strict=True))
    order = np.argsort(minutes, kind="stable")
    slots, minutes, scores = slots[order], minutes[order], scores[order].astype(float)
    times = START + minutes * MINUTE_NS
    for at in range(0, len(slots), size):
        part = slice(at, at + size)
        heat.add(slots[part], times[part], scores[part], 4)
    for span, (count, width_ns) in SPANS.items():
        found = heat.cells([0, 1, 2, 3, 4], span)
        assert found.cell_s == width_ns / 1e9
        assert [len(row) for row in found.machines] == [count] * 5
        assert found.machines[4] == "-" * count, "a machine that is not known yet"
        for slot in range(4):
            for cell, mark in enumerate(found.machines[slot]):
                begin = round(found.begin_s * 1e9) + cell * width_ns
                inside = scores[(slots == slot) & (times >= begin) & (times < begin + width_ns)]
                assert mark == ("-0123456789A"[int(level_of(inside.max())) + 1] if len(inside) else "-")


def test_cells_of_ten_thousand_machines_take_few_megabytes():
    heat = Heat()
    heat.add(np.arange(10_000), np.full(10_000, START), np.full(10_000, 0.5), 10_000)
    assert sum(ring.highest.nbytes for ring in heat._rings.values()) < 3_000_000


def test_sensors_of_all_machines_age_in_order_of_days_left():
    rule = MachineRule(kind="press", sensors={"s0": Sensor(limit=300.0)})
    engine, _ = live(plant(8000, 2, 1, aged=20.0), name="worn", rule=lambda name: rule)
    for line in range(2):
        engine.fleet.number(Machine("young"), f"s{line}")
    engine.step(readings(plant(200, 2, 2), slot=1, lines=range(2, 4)))
    found = wear.wear(engine, Direct(engine).ask)
    assert [(one.machine.name, one.ageing.sensor) for one in found.sensors] == [("worn", "s0"), ("worn", "s1")]
    days = found.sensors[0].ageing.forecast.days
    assert days is not None
    assert days == engine.ageing(0)[0].forecast.days
    assert found.learning == 2
    assert len(wear.searched(found, "WORN s1")) == 1


def test_ageing_of_many_machines_takes_no_more_than_its_share_of_the_main_thread(monkeypatch):
    engine = engine_of(1)
    for number in range(200):
        engine.fleet.number(Machine(f"m{number}"), "s0")
    monkeypatch.setattr(asking, "SHARE_S", 0.0)
    parts = []

    def ask(question):
        parts.append(question(engine))
        return parts[-1]

    assert wear.wear(engine, ask) == wear.Wear([], 0, [()] * 201)
    assert [len(part) for part in parts] == [1] * 201


def fetched(address):
    with urlopen(address, timeout=60) as answer:  # noqa: S310
        return json.load(answer)


def test_a_filter_finds_what_fits_among_all_open_incidents_however_many_there_are(tmp_path):
    with BigFleet(tmp_path, 1000, hours=1) as fleet:
        state = fleet.engine.fleet.state.incident_machines
        last = 999
        state.open[:1000], state.number[:1000], state.began_ns[:1000] = True, 1, np.arange(1, 1001)
        state.severity[:1000], state.acknowledged[last] = Severity.WARNING, True
        state.unconfirmed[:1000] = 1

        def asked(query):
            return fetched(f"{fleet.url}/api/incidents?{query}")

        found = asked(f"machine=press-{last:05d}")
        for name in ("open", "unconfirmed"):
            assert [one["machine"] for one in found[name]] == [f"press-{last:05d}"]
            assert found[f"{name}_found"] == 1
        everything = asked("")
        for name in ("open", "unconfirmed"):
            assert (len(everything[name]), everything[f"{name}_found"]) == (views.OPEN_SHOWN, 1000)
        assert asked("state=unacknowledged")["open_found"] == 999
        assert [group["open"] for group in everything["groups"]] == [1000], "and all of them are known to be open"


def test_the_ageing_of_each_machine_is_from_one_look_at_all_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "SHARE_S", 60.0)
    with BigFleet(tmp_path, 50, hours=1) as fleet:
        asked = []

        def ask(question, timeout_s=5.0):
            asked.append(1)
            return Direct.ask(fleet.backend, question)

        fleet.backend.ask = ask
        found = [
            fetched(f"{fleet.url}/api/machines/press-{slot:05d};site=site-{slot % 10}/ageing") for slot in (3, 4)
        ]
        own = [
            json.loads(msgspec.json.encode([wear.measured(one) for one in fleet.engine.ageing(at)])) for at in (3, 4)
        ]
        assert [one["sensors"] for one in found] == own
        assert len(asked) == 1
        assert len(fetched(f"{fleet.url}/api/ageing")["sensors"]) == 0
        assert len(asked) == 1


def test_the_courses_of_machines_are_looked_for_once_for_all_who_ask_within_a_second(tmp_path, monkeypatch):
    with BigFleet(tmp_path, 40, hours=1) as fleet:
        recent, asked = fleet.server._api.shared.recent, []

        def course(slots, rows):
            asked.append(slots)
            return Recent.course(recent, slots, rows)

        monkeypatch.setattr(recent, "course", course)
        monkeypatch.setattr(fleet.server._api.shared.briefly, "_seconds", 60.0)
        for _ in range(3):
            found = fetched(f"{fleet.url}/api/machines?limit=20")
            assert all(one["course"] for one in found["machines"])
        assert asked == [list(range(20))]
        for slot, one in enumerate(found["machines"]):
            table = recent.look(slot, "", lambda: None)[0]
            assert one["course"] == [level_of(score) for score in table.rows["score"]]


def test_machines_and_sensors_are_named_as_people_call_them_and_keep_their_ids():
    sensors = {"s0": Sensor(name="Oil pressure", unit="bar", group="hydraulics")}
    rule = MachineRule(names={"press-1": "Press in hall 2"}, sensors=sensors)
    engine = engine_of(2, "press-1", rule=lambda name: rule)
    engine.step(readings(plant(5, 2, 1)))
    (row,) = listed(engine, search="hall 2")
    assert (row["id"], row["name"], row["label"]) == ("press-1", "press-1", "Press in hall 2")
    first, second = views.page(views.details(engine, 0))["sensors"]
    assert [first[key] for key in ("sensor", "name", "unit", "group")] == ["s0", "Oil pressure", "bar", "hydraulics"]
    assert [second[key] for key in ("sensor", "name", "unit", "group")] == ["s1", "s1", "", ""]
