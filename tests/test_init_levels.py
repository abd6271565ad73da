"""`spikewatch init`: which level of a topic is the machine, where machines are spread over levels."""

import pytest
from heard import first, of_all, only, propose, said


def numbers(*topics: str):
    return of_all(*(said(topic, b"21.5") for topic in topics))


def topics_of(found) -> list[str]:
    return [one.source.topic for one in found.proposals]


NAMESPACE = [
    f"co/lyon/weld/linie2/robot{number}/{rest}"
    for number in (7, 8)
    for rest in ("cycle_time", "gun/current", "gun/force", "axis/load", "axis/gear/temp")
]


def test_a_machine_over_several_levels_has_sensors_by_the_rest_of_the_topic():
    heard = numbers(*NAMESPACE)
    found = propose(heard)
    assert topics_of(found) == ["co/lyon/weld/linie2/{machine}/{sensor+}"]
    values = first(found, heard)
    assert len(values) == 10
    assert {("robot7", "cycle_time"), ("robot8", "axis.gear.temp")} <= values.keys()
    (note,) = only(found).notes
    assert "robot7, robot8" in note
    assert "axis, gun" in note


def test_lines_above_become_a_tag():
    heard = numbers(*NAMESPACE, *(topic.replace("linie2", "linie3").replace("robot", "press") for topic in NAMESPACE))
    assert topics_of(propose(heard)) == ["co/lyon/weld/{site}/{machine}/{sensor+}"]


def test_a_stray_topic_above_and_machines_of_other_kinds_change_nothing():
    presses = [
        f"co/lyon/form/linie5/press{n}/{rest}" for n in (1, 2) for rest in ("oee", "hydraulics/flow", "ram/force")
    ]
    found = propose(numbers("co/visitors", *NAMESPACE, *presses))
    assert topics_of(found) == ["{machine}/{sensor}", "co/lyon/{site}/{area}/{machine}/{sensor+}"]


def test_one_machine_alone_is_found_by_the_sensor_beside_its_parts():
    found = propose(numbers(*NAMESPACE[:5]))
    assert topics_of(found) == ["co/lyon/weld/linie2/{machine}/{sensor+}"]
    assert len(only(found).notes) == 2


def test_values_in_json_are_spread_as_numbers_are():
    heard = of_all(*(said(topic, lambda at: {"value": 1.5, "time": at // 10**9}) for topic in NAMESPACE))
    found = propose(heard)
    assert topics_of(found) == ["co/lyon/weld/linie2/{machine}/{sensor+}"]
    assert first(found, heard)["robot7", "gun.force"] == 1.5


def test_machines_on_the_first_level_are_spread_too():
    found = propose(
        numbers(*(f"saw{number}/{rest}" for number in (1, 2) for rest in ("load", "motor/temp", "oil/temp")))
    )
    assert topics_of(found) == ["{machine}/{sensor+}"]


@pytest.mark.parametrize(
    ("topics", "wanted"),
    [
        ([f"plant/{m}/{s}" for m in ("press", "mill") for s in ("temp", "flow")], "plant/{machine}/{sensor}"),
        ([f"plant/{m}/{s}" for m, s in (("press", "force"), ("oven", "temp"))], "plant/{machine}/{sensor}"),
        ([f"line{n}/{m}/temp" for n in (1, 2) for m in ("filler", "capper")], "{site}/{machine}/temp"),
        (
            [f"p/line{n}/{m}/{s}" for n in (1, 2) for m in ("filler", "capper") for s in "ab"],
            "p/{site}/{machine}/{sensor}",
        ),
        ([f"p/hall{n}/m{n}{m}/{s}" for n in (1, 2) for m in (1, 2) for s in "ab"], "p/{site}/{machine}/{sensor}"),
        ([f"p/press{n}/data/{s}" for n in (1, 2) for s in "ab"], "p/{machine}/data/{sensor}"),
    ],
)  # fmt: skip
def test_ordinary_levels_are_proposed_as_ever_and_without_a_question(topics, wanted):
    one = only(propose(numbers(*topics)))
    assert one.source.topic.replace("{sensor}", "temp") == wanted.replace("{sensor}", "temp")
    assert one.notes == ()


def test_a_line_with_a_figure_of_its_own_does_not_swallow_its_machines():
    found = propose(numbers("p/line4/oee", *(f"p/line4/press{n}/{s}" for n in (1, 2) for s in ("temp", "vib"))))
    assert topics_of(found) == ["p/line4/{machine}/{sensor}", "p/{machine}/{sensor}"]


def test_where_two_levels_are_as_likely_it_asks_and_says_which_it_took():
    found = propose(
        numbers(*(f"p/{m}/{part}/{s}" for m in ("big", "small") for part in ("motor", "pump") for s in "ab"))
    )
    one = only(found)
    assert one.source.topic == "p/{site}/{machine}/{sensor}"
    (note,) = one.notes
    assert "motor, pump" in note
    assert "p/{machine}/{sensor+}" in note


def test_components_that_a_device_numbers_are_its_sensors():
    heard = of_all(
        *(
            said(f"shelly-{name}/status/{part}", '{"id": 1, "apower": 75.5}')
            for name in ("a1", "b2")
            for part in ("switch:0", "switch:1")
        )
    )
    found = propose(heard)
    assert topics_of(found) == ["{machine}/status/{sensor}"]
    assert only(found).source.ignore == ("*.id",)
    assert set(first(found, heard)) == {(f"shelly-{m}", f"switch:{n}.apower") for m in ("a1", "b2") for n in (0, 1)}


def test_a_topic_of_one_level_says_why_it_is_left_out():
    assert "no level" in propose(numbers("lonely")).left_out["lonely"]
