"""Topic templates: what is subscribed to and what a topic says."""

import pytest

from pipeline.topics import Captures, parse


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plant/{site}/{machine}/{sensor}", "plant/+/+/+"),
        ("line/{machine}/telemetry", "line/+/telemetry"),
        ("plant/+/{machine}/#", "plant/+/+/#"),
        ("#", "#"),
        ("{machine}", "+"),
        ("/{machine}", "/+"),
    ],
)
def test_a_template_subscribes_to_its_captures_as_wildcards(template: str, expected: str) -> None:
    assert parse(template).filter == expected


def test_machine_and_sensor_have_their_meaning_and_other_captures_become_sorted_tags() -> None:
    template = parse("{site}/{area}/{machine}/{sensor}")
    assert template.match("north/press-shop/press-1/temp") == Captures(
        "press-1", "temp", (("area", "press-shop"), ("site", "north"))
    )
    assert template.captures("machine")
    assert not template.captures("line")


@pytest.mark.parametrize(
    ("template", "topic"),
    [
        ("plant/{machine}", "plant"),
        ("plant/{machine}", "plant/press-1/temp"),
        ("plant/{machine}", "line/press-1"),
        ("plant/{machine}/#", "plant"),
        ("+/{machine}", "$SYS/broker"),
        ("#", "$SYS/broker/uptime"),
        ("plant/{machine}", "Plant/press-1"),
    ],
)
def test_a_topic_of_another_shape_does_not_match(template: str, topic: str) -> None:
    assert parse(template).match(topic) is None


@pytest.mark.parametrize(
    ("template", "topic", "machine"),
    [
        ("plant/{machine}/#", "plant/press-1", "press-1"),
        ("plant/{machine}/#", "plant/press-1/a/b", "press-1"),
        ("plant/{machine}", "plant/", ""),
        ("$SYS/{machine}", "$SYS/broker", "broker"),
        ("+/{machine}", "any/press-1", "press-1"),
    ],
)
def test_wildcards_match_as_mqtt_says(template: str, topic: str, machine: str) -> None:
    assert parse(template).match(topic) == Captures(machine)


@pytest.mark.parametrize(
    "template",
    [
        "",
        "plant/press-{machine}",
        "plant/{machine",
        "plant/{}",
        "plant/{machine}/{machine}",
        "plant/{id}",
        "plant/{time}/{machine}",
        "plant/a+",
        "plant/#/x",
        "plant/a#",
        "$share/group/plant/{machine}",
        "plant/\x00",
        "x" * 70_000,
    ],
)
def test_a_template_that_no_broker_or_person_would_understand_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(template)
