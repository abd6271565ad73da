"""Home Assistant's MQTT discovery: machines appear there by themselves, as devices with a state and a score. Pure.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery says what a broker has to hold, retained, for that.
"""

import re
from typing import Any

import msgspec

from pipeline.engine.scoring import MachineState
from pipeline.records import Machine

PREFIX = "homeassistant"  # Home Assistant's default


def identifier(*names: str) -> str:
    """Names as one id of letters, digits, - and _, different for different names.

    >>> identifier("spikewatch", "hall 1", "press_2")
    'spikewatch__hall_201__press_5F2'
    """
    return "__".join(
        re.sub(
            r"[^A-Za-z0-9-]",
            lambda found: "".join(f"_{byte:02X}" for byte in found[0].encode("utf-8", "replace")),
            name,
        )
        for name in names
    )


def discovery(client_id: str, machine: Machine, state_topic: str) -> list[tuple[str, bytes]]:
    """(topic, payload) of what introduces a machine, to be retained; `state_topic` is where its state is said."""
    own = identifier(client_id, *(value for _, value in machine.tags), machine.name)
    place = ", ".join(f"{key} {value}" for key, value in machine.tags)
    common: dict[str, Any] = {
        "state_topic": state_topic,
        "availability_topic": f"{client_id}/status",
        "availability_template": "{{ value_json.state }}",  # online or offline, as Home Assistant expects it
        "device": {
            "identifiers": [own],
            "name": f"{machine.name} ({place})" if place else machine.name,
            "manufacturer": "Spikewatch",
            "model": "Watched machine",
        },
        "origin": {"name": "Spikewatch"},
    }
    entities: dict[str, dict[str, Any]] = {
        "state": {
            "name": "State",
            "value_template": "{{ value_json.state }}",
            "device_class": "enum",
            "options": [state.word for state in MachineState],
            "json_attributes_topic": state_topic,
            # Not all of it: what changes with every update would be stored with every update.
            "json_attributes_template": (
                "{{ {'why': value_json.get('why'), 'incident': value_json.get('incident')} | tojson }}"
            ),
            "icon": "mdi:state-machine",
        },
        "level": {
            "name": "Anomaly level",
            "value_template": "{{ value_json.level | default(none) }}",  # a silent machine has none
            "state_class": "measurement",
            "icon": "mdi:chart-bell-curve",
        },
    }
    return [
        (
            f"{PREFIX}/sensor/{own}__{what}/config",
            msgspec.json.encode({"unique_id": f"{own}__{what}", **common, **entity}),
        )
        for what, entity in entities.items()
    ]
