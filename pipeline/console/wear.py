"""How every sensor of every machine ages, those first that reach their limit soonest.

All machines are asked for, a few at a time; who asks meanwhile gets what was found before.
"""

from typing import Any, NamedTuple

from pipeline.config.settings import MachineRule
from pipeline.console.asking import Ask, of_each
from pipeline.console.labels import machine_label, sensor_label
from pipeline.engine import ageing
from pipeline.engine.ageing import Ageing
from pipeline.engine.engine import Engine
from pipeline.identity import identity
from pipeline.records import Machine


class Worn(NamedTuple):
    """One sensor of a machine, of which the ageing is known."""

    machine: Machine
    rule: MachineRule
    ageing: Ageing


class Wear(NamedTuple):
    """All of them."""

    sensors: list[Worn]  # in order
    learning: int  # sensors that are not known for long enough
    machines: list[tuple[Ageing, ...]]  # the sensors of each, by slot, also those


def soonest(one: Worn) -> tuple[float, float]:
    """Order: by days until the limit is reached, then by how far it has moved."""
    forecast = one.ageing.forecast
    days = forecast.days if forecast is not None and forecast.days is not None else float("inf")
    return days, -abs(one.ageing.shift or 0.0)


def wear(engine: Engine, ask: Ask) -> Wear:
    """Of all machines; `ask` has a question answered by the main thread."""
    alone = of_each(ask, range(len(engine.fleet.machines)), lambda engine, slot: engine.measured(slot))
    machines, rules = engine.fleet.machines, engine.fleet.rules
    kinds: dict[str | int, list[int]] = {}
    for slot in range(len(alone)):
        kinds.setdefault(rules[slot].kind or slot, []).append(slot)
    of: list[tuple[Ageing, ...]] = [()] * len(alone)
    for mates in kinds.values():
        for slot, sensors in zip(mates, ageing.compared([alone[mate] for mate in mates]), strict=True):
            of[slot] = sensors
    found = [Worn(machines[slot], rules[slot], one) for slot, sensors in enumerate(of) for one in sensors]
    known = [one for one in found if one.ageing.shift is not None]
    return Wear(sorted(known, key=soonest), len(found) - len(known), of)


def searched(found: Wear, search: str) -> list[Worn]:
    """Those of which every word is part of the machine's name, the sensor or the kind."""
    words = search.casefold().split()
    return [one for one in found.sensors if all(word in _words(one) for word in words)]


def _words(one: Worn) -> str:
    names = (one.machine.name, machine_label(one.rule, one.machine.name), one.ageing.sensor, one.rule.kind or "")
    return "\n".join((*names, sensor_label(one.rule, one.ageing.sensor)["name"])).casefold()


def told(one: Worn) -> dict[str, Any]:
    """As JSON."""
    its = one.ageing
    return {
        "machine": one.machine.name,
        "id": identity(one.machine),
        "tags": dict(one.machine.tags),
        "kind": one.rule.kind,
        "label": machine_label(one.rule, one.machine.name),
        **measured(its),
        **sensor_label(one.rule, its.sensor),
    }


def measured(one: Ageing) -> dict[str, Any]:
    """The ageing of a sensor as JSON."""
    forecast, peers = one.forecast and one.forecast._asdict(), one.peers and one.peers._asdict()
    return {**one._asdict(), "forecast": forecast, "peers": peers}
