"""Topic templates: what is subscribed to and what a topic says."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.topics import Captures, escaped, parse


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


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("acme/press-1/temp", Captures("press-1", "temp")),
        ("acme/press-1/hydraulic/temp", Captures("press-1", "hydraulic.temp")),
        ("acme/press-1/v1.2/temp", Captures("press-1", "v1%2E2.temp")),
        ("acme/press-1", None),
    ],
)
def test_the_rest_of_a_topic_can_be_the_sensors_name(topic: str, expected: Captures | None) -> None:
    template = parse("acme/{machine}/{sensor+}")
    assert template.filter == "acme/+/#"
    assert template.captures("sensor")
    assert template.match(topic) == expected


def test_a_leading_slash_is_an_empty_level_as_in_mqtt() -> None:
    template = parse("/factory/{machine}/{sensor}")
    assert template.filter == "/factory/+/+"
    assert template.match("/factory/press1/temp") == Captures("press1", "temp")
    assert template.match("factory/press1/temp") is None


@pytest.mark.parametrize("template", ["{sensor+}/{machine}", "{sensor}/{machine}/{sensor+}", "a/{machine+}"])
def test_the_rest_of_a_topic_is_the_sensor_once_and_at_its_end(template: str) -> None:
    with pytest.raises(ValueError, match=r"captured twice|must be the last level|is not a capture"):
        parse(template)


LEVELS = st.lists(st.text(alphabet="a.%2E/ ", max_size=4), min_size=1, max_size=3)


@given(LEVELS, LEVELS)
@example(["a.b"], ["a", "b"])
@example(["a%2Eb"], ["a.b"])
def test_two_topics_never_name_the_same_sensor(first: list[str], second: list[str]) -> None:
    one, other = ["/".join(levels) for levels in (first, second)]
    template = parse("{sensor+}")
    assert (template.match(one) == template.match(other)) == (one == other)


@given(st.text(alphabet=st.sampled_from("a%2f/F+# \n\u00a0\ud800"), max_size=8))
@example("a%2Fb")
@example("%/")
@example(" ")
def test_an_escaped_name_can_be_a_level_and_says_what_it_was(name: str) -> None:
    safe = escaped(name)
    assert safe.isprintable()
    assert not set("/+#") & set(safe)
    assert safe == safe.strip(" ")
    codes = re.sub(rb"%([0-9A-Fa-f]{2})", lambda code: bytes([int(code[1], 16)]), safe.encode())
    assert codes.decode("utf-8", "surrogatepass") == name
