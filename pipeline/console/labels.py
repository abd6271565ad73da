"""How people call machines and sensors, from the configuration; what is not in it has the name it is sent with."""

from typing import Any

from pipeline.config.settings import MachineRule, Sensor
from pipeline.engine.incidents import Part

UNKNOWN = Sensor()


def machine_label(rule: MachineRule, name: str) -> str:
    """Of a machine of that rule."""
    return rule.names.get(name, name)


def sensor_label(rule: MachineRule, sensor: str) -> dict[str, str]:
    """Name, unit and group of a sensor; empty where there is none.

    >>> sensor_label(MachineRule(sensors={"p": Sensor(name="Oil pressure", unit="bar")}), "p")
    {'name': 'Oil pressure', 'unit': 'bar', 'group': ''}
    """
    known = rule.sensors.get(sensor, UNKNOWN)
    return {"name": known.name or sensor, "unit": known.unit or "", "group": known.group or ""}


def part_told(rule: MachineRule, part: Part) -> dict[str, Any]:
    """A sensor to blame."""
    return {**part._asdict(), "name": sensor_label(rule, part.sensor)["name"]}
