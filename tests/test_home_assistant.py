"""Home Assistant's discovery: what it is told of machines, by its own documentation."""

import json
import re

from pipeline.engine.scoring import MachineState
from pipeline.mqtt.announcements import Announcer, topic_of
from pipeline.mqtt.home_assistant import discovery, identifier
from pipeline.records import Machine, Point

PRESS = Machine("press 1/a", (("site", "north"),))
# https://www.home-assistant.io/integrations/sensor.mqtt/, and `origin` of .../integrations/mqtt/#mqtt-discovery
DOCUMENTED = {
    "availability", "availability_mode", "availability_template", "availability_topic", "default_entity_id", "device",
    "device_class", "enabled_by_default", "encoding", "entity_category", "entity_picture", "expire_after",
    "force_update", "icon", "json_attributes_template", "json_attributes_topic", "last_reset_value_template", "name",
    "options", "origin", "payload_available", "payload_not_available", "qos", "state_class", "state_topic",
    "suggested_display_precision", "unique_id", "unit_of_measurement", "value_template",
}  # fmt: skip
OF_DEVICE = {
    "configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model", "model_id", "name",
    "serial_number", "suggested_area", "sw_version", "via_device",
}  # fmt: skip


def introduced(machine: Machine) -> dict[str, dict]:
    state_topic = topic_of("spikewatch", machine, "state")
    return {topic: json.loads(payload) for topic, payload in discovery("spikewatch", machine, state_topic)}


def test_every_key_is_a_documented_one_and_topics_are_as_it_wants_them():
    told = introduced(PRESS)
    assert len(told) == 2
    for topic, config in told.items():
        assert re.fullmatch(r"homeassistant/sensor/[A-Za-z0-9_-]+/config", topic)
        assert set(config) <= DOCUMENTED
        assert set(config["device"]) <= OF_DEVICE
        assert config["state_topic"] == "spikewatch/north/press 1%2Fa/state"
        assert config["availability_topic"] == "spikewatch/status"
        assert not ("options" in config and {"state_class", "unit_of_measurement"} & set(config))
        assert ("options" in config) == (config.get("device_class") == "enum")
        assert config["device"]["identifiers"] == ["spikewatch__north__press_201_2Fa"]
    assert len({config["unique_id"] for config in told.values()}) == 2
    [options] = [config["options"] for config in told.values() if "options" in config]
    assert set(options) == {state.word for state in MachineState}


def test_machines_whose_names_look_alike_stay_apart():
    names = [("a", "b"), ("a_b",), ("a b",), ("a__b",), ("a-b",), ("ä",), ("a", "", "b"), ("a_20b",)]
    assert len({identifier("spikewatch", *name) for name in names}) == len(names)


def test_a_machine_is_introduced_once_before_its_first_state_and_only_if_asked_for():
    def said(announcer: Announcer, second: int) -> list[str]:
        tags = (("machine", PRESS.name), *PRESS.tags)
        point = Point("machine", tags, {"state": "ready", "severity": 0, "score": 0.1}, second * 10**9)
        told = announcer.of([point], lambda machine: None, second * 10**9)
        assert all(one.retain for one in told)
        return [one.topic.split("/")[0] for one in told]

    announcer = Announcer("spikewatch", home_assistant=True)
    assert said(announcer, 1) == ["homeassistant", "homeassistant", "spikewatch"]
    assert said(announcer, 100) == ["spikewatch"]
    assert said(Announcer("spikewatch"), 1) == ["spikewatch"]
