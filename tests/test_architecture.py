"""The arrows of the house: which part may know which, and which outside library has which one door."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PURE = {"numpy", "msgspec"}
# What each wing may import of ours, from the ground floor up.
ALLOWED = {
    "encoders": set(),
    "pipeline.records": set(),
    "pipeline.files": set(),
    "pipeline.topics": {"pipeline.records"},
    "pipeline.identity": {"pipeline.records"},
    "pipeline.network": {"encoders"},
    "pipeline.config": {"pipeline.network", "pipeline.topics", "pipeline.files"},
    "pipeline.waveforms": {"pipeline.config", "pipeline.records"},
    "pipeline.payloads": {"pipeline.waveforms", "pipeline.config", "pipeline.records", "pipeline.topics"},
    "pipeline.engine": {"encoders", "pipeline.network", "pipeline.config", "pipeline.records"},
    "pipeline.device": {"encoders", "pipeline.network", "pipeline.engine", "pipeline.identity"},
    "pipeline.storage": {"pipeline.engine", "pipeline.config", "pipeline.records", "pipeline.files"},
    "pipeline.sinks": {"pipeline.storage", "pipeline.records", "pipeline.files"},
    "pipeline.mqtt": {"pipeline.engine", "pipeline.config", "pipeline.records", "pipeline.topics", "pipeline.files"},
    "pipeline.notify": {
        "pipeline.sinks", "pipeline.storage", "pipeline.engine", "pipeline.config", "pipeline.records",
        "pipeline.identity", "pipeline.files",
    },
    "pipeline.recordings": {
        "pipeline.waveforms", "pipeline.engine", "pipeline.network", "pipeline.config", "pipeline.records",
        "pipeline.topics", "pipeline.files",
    },
    "pipeline.console": {
        "pipeline.sinks", "pipeline.engine", "pipeline.network", "pipeline.config", "pipeline.records",
        "pipeline.identity", "pipeline.files",
    },
    "pipeline.service": {
        "pipeline.console", "pipeline.sinks", "pipeline.notify", "pipeline.storage", "pipeline.mqtt",
        "pipeline.payloads", "pipeline.engine", "pipeline.config", "pipeline.records", "pipeline.topics",
        "pipeline.files",
    },
    "pipeline.cluster": {
        "pipeline.sinks", "pipeline.storage", "pipeline.engine", "pipeline.records", "pipeline.identity",
    },
    "pipeline.commissioning": {
        "pipeline.service", "pipeline.sinks", "pipeline.notify", "pipeline.storage", "pipeline.mqtt",
        "pipeline.recordings",
        "pipeline.payloads", "pipeline.engine", "pipeline.config", "pipeline.records", "pipeline.topics",
        "pipeline.files",
    },
}  # fmt: skip
# Within a wing too, what is simple knows nothing of what is built on it.
WITHIN = {
    "pipeline.config.settings": set(),
    "pipeline.config.addresses": set(),
    "pipeline.config.prior_file": {"pipeline.config.settings"},
    "pipeline.config.calendars": {"pipeline.config.settings"},
    "pipeline.config.paths": set(),
    "pipeline.config.source_checks": {
        "pipeline.config.settings", "pipeline.config.calendars", "pipeline.config.format_checks",
        "pipeline.config.paths", "pipeline.config.waveforms",
    },
    "pipeline.config.checks": {
        "pipeline.config.settings", "pipeline.config.addresses", "pipeline.config.prior_file",
        "pipeline.config.calendars", "pipeline.config.source_checks", "pipeline.config.waveforms",
        "pipeline.config.notify_checks",
    },
    "pipeline.config.notify_checks": {
        "pipeline.config.settings", "pipeline.config.addresses", "pipeline.config.calendars",
    },
    "pipeline.config.format_checks": {"pipeline.config.settings"},
    "pipeline.payloads.decoded": set(),
    "pipeline.payloads.text_numbers": set(),
    "pipeline.payloads.stamps": {"pipeline.payloads.decoded"},
    "pipeline.payloads.rules": {"pipeline.payloads.decoded", "pipeline.payloads.text_numbers"},
    "pipeline.payloads.layout": {
        "pipeline.payloads.decoded", "pipeline.payloads.rules", "pipeline.payloads.stamps",
    },
    "pipeline.payloads.walk": {"pipeline.payloads.decoded", "pipeline.payloads.layout"},
    "pipeline.payloads.mapping": {
        "pipeline.payloads.decoded", "pipeline.payloads.layout", "pipeline.payloads.walk",
    },
    "pipeline.config.extras": set(),
    "pipeline.config.waveforms": {"pipeline.config.settings", "pipeline.config.paths", "pipeline.config.extras"},
    "pipeline.waveforms.refusals": set(),
    "pipeline.waveforms.samples": {"pipeline.waveforms.refusals"},
    "pipeline.waveforms.statistics": set(),
    "pipeline.waveforms.spectrum": set(),
    "pipeline.waveforms.bearing": set(),
    "pipeline.engine.scoring": set(),
    "pipeline.engine.silence": set(),
    "pipeline.engine.ageing": set(),
    "pipeline.engine.energies": set(),
    "pipeline.engine.account": {"pipeline.engine.energies"},
    "pipeline.engine.verbs": set(),
    "pipeline.engine.commands": {"pipeline.engine.verbs"},
    "pipeline.engine.explanation": {"pipeline.engine.scoring"},
    "pipeline.engine.recognition": {"pipeline.engine.commands"},
    "pipeline.engine.incidents": {
        "pipeline.engine.scoring", "pipeline.engine.commands", "pipeline.engine.explanation", "pipeline.engine.level",
    },
    "pipeline.engine.level": set(),
    "pipeline.engine.earlier": set(),
    "pipeline.engine.fleet": {
        "pipeline.engine.earlier", "pipeline.engine.incidents", "pipeline.engine.recognition",
    },
    "pipeline.engine.lateness": set(),
    "pipeline.engine.scores": {"pipeline.engine.explanation", "pipeline.engine.incidents"},
    "pipeline.engine.reasons": {"pipeline.engine.explanation", "pipeline.engine.fleet", "pipeline.engine.scores"},
    "pipeline.engine.tracking": {
        "pipeline.engine.explanation", "pipeline.engine.fleet", "pipeline.engine.incidents",
        "pipeline.engine.reasons", "pipeline.engine.recognition", "pipeline.engine.scores", "pipeline.engine.silence",
    },
    "pipeline.engine.points": {
        "pipeline.engine.account", "pipeline.engine.ageing", "pipeline.engine.fleet", "pipeline.engine.incidents",
        "pipeline.engine.level", "pipeline.engine.reasons", "pipeline.engine.scores", "pipeline.engine.scoring",
    },
    "pipeline.engine.standing": {
        "pipeline.engine.account", "pipeline.engine.ageing", "pipeline.engine.fleet", "pipeline.engine.incidents",
        "pipeline.engine.lateness", "pipeline.engine.scoring", "pipeline.engine.silence", "pipeline.engine.tracking",
    },
    "pipeline.engine.operations": {
        "pipeline.engine.commands", "pipeline.engine.fleet", "pipeline.engine.incidents", "pipeline.engine.points",
        "pipeline.engine.recognition", "pipeline.engine.scores", "pipeline.engine.tracking",
    },
    "pipeline.console.backend": set(),
    "pipeline.console.asking": set(),
    "pipeline.console.page": {"pipeline.console.weight"},
    "pipeline.console.shared": {
        "pipeline.console.answers", "pipeline.console.backend", "pipeline.console.events", "pipeline.console.heat",
        "pipeline.console.incident_records", "pipeline.console.overview", "pipeline.console.recent",
        "pipeline.console.setup", "pipeline.console.views", "pipeline.console.wear",
    },
    "pipeline.notify.news": set(),
    "pipeline.notify.quiet": set(),
    "pipeline.notify.policy": {"pipeline.notify.news", "pipeline.notify.quiet"},
    "pipeline.notify.text": {"pipeline.notify.news", "pipeline.notify.policy"},
    "pipeline.notify.channels": set(),
    "pipeline.notify.picture": {"pipeline.notify.news"},
    "pipeline.notify.memory": {"pipeline.notify.news", "pipeline.notify.policy"},
    "pipeline.storage.progress": set(),
    "pipeline.storage.snapshots": set(),
    "pipeline.storage.sqlite_files": set(),
    "pipeline.storage.journal_file": {"pipeline.storage.sqlite_files"},
    "pipeline.storage.outbox": {
        "pipeline.storage.journal_file", "pipeline.storage.progress", "pipeline.storage.sqlite_files",
    },
    "pipeline.mqtt.redelivery": set(),
    "pipeline.mqtt.arrival": set(),
    "pipeline.cluster.messages": set(),
    "pipeline.cluster.bucket": {"pipeline.cluster.messages"},
    "pipeline.cluster.spark": set(),
    "pipeline.cluster.spread": {"pipeline.cluster.spark"},
    "pipeline.cluster.kafka_source": set(),
    "pipeline.cluster.processor": {"pipeline.cluster.bucket"},
    "pipeline.cluster.writing": {"pipeline.cluster.processor"},
    "pipeline.cluster.application": {
        "pipeline.cluster.bucket", "pipeline.cluster.kafka_source", "pipeline.cluster.processor",
        "pipeline.cluster.spark",
    },
    "pipeline.recordings.evaluation": set(),
    **{
        f"pipeline.recordings.reading.{name}": {f"pipeline.recordings.reading.{part}" for part in parts.split()}
        for name, parts in {
            "choices": "",
            "cells": "",
            "long": "choices",
            "flags": "choices",
            "source": "choices",
            "encoding": "choices",
            "dates": "choices",
            "local_time": "choices",
            "numbers": "choices cells",
            "layout": "choices cells dates",
            "moments": "cells choices dates local_time numbers",
            "roles": "choices dates",
        }.items()
    },
    "pipeline.commissioning.faults": set(),
    "pipeline.commissioning.plant": {"pipeline.commissioning.faults"},
    "pipeline.commissioning.simulation": {"pipeline.commissioning.plant"},
    **{
        f"pipeline.commissioning.proposing.{name}": {
            f"pipeline.commissioning.proposing.{part}" for part in parts.split()
        }
        for name, parts in {
            "kinds": "",
            "stamps": "",
            "walk": "",
            "words": "",
            "envelopes": "walk",
            "heard": "kinds",
            "no_measurement": "stamps words",
            "clocks": "heard stamps walk words",
            "shapes": "envelopes heard walk words",
            "spread": "heard words",
            "trial": "heard kinds",
            "formats": "clocks heard kinds stamps words",
            "groups": "heard kinds shapes spread words",
            "states": "kinds trial",
            "levels": "groups heard words",
            "draft": "clocks formats groups heard kinds levels no_measurement shapes stamps states trial walk words",
            "proposals": "draft groups heard kinds trial",
            "yaml_text": "proposals trial",
        }.items()
    },
    "pipeline.commissioning.setup.draft": {
        "pipeline.commissioning.proposing", "pipeline.commissioning.proposing.yaml_text",
    },
}  # fmt: skip
ONE_DOOR = {
    "paho": "pipeline.mqtt",
    "amqtt": "pipeline.mqtt.embedded",
    "apprise": "pipeline.notify.channels",
    "influxdb_client": "pipeline.sinks.influxdb",
    "pandas": ("pipeline.recordings.reading", "pipeline.cluster.processor"),  # Spark hands over frames
    "yaml": "pipeline.config.file",
    "typer": "pipeline.cli",
    "PIL": "pipeline.notify.picture",
    "matplotlib": "pipeline.recordings.picture",
    "starlette": "pipeline.console",
    "uvicorn": "pipeline.console",
    "prometheus_client": "pipeline.console.metrics",
    "urllib3": "pipeline.sinks.http",
    "scipy": "pipeline.waveforms",
    "google": "pipeline.payloads.sparkplug_wire",
    "cbor2": "pipeline.payloads.cbor",
    "msgpack": "pipeline.payloads.msgpack",
    "nir": "pipeline.device.nir",
    "joblib": "pipeline.cluster.spread",
    "distributed": "pipeline.cluster.spread",
    "pyspark": ("pipeline.cluster", "pipeline.cli.cluster"),  # there, a type
    "confluent_kafka": "pipeline.cluster.kafka_source",
}


@cache
def imports():
    """(module, imported) for every import of the packages, also those inside functions."""
    found = []
    for package in ("encoders", "pipeline"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found += [(module, alias.name) for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module:
                    parts = [f"{node.module}.{alias.name}" for alias in node.names]
                    modules = [part for part in parts if (ROOT / part.replace(".", "/")).with_suffix(".py").exists()]
                    found += [(module, name) for name in modules or [node.module]]
    return found


def part_of(module):
    """The part of the house a module belongs to."""
    return next((part for part in ALLOWED if module == part or module.startswith(part + ".")), None)


@pytest.mark.parametrize("part", ALLOWED)
def test_every_wing_imports_only_what_lies_below_it(part):
    for module, imported in imports():
        if part_of(module) == part and imported.split(".")[0] in {"encoders", "pipeline"} and imported != "pipeline":
            assert part_of(imported) in ALLOWED[part] | {part}, f"{module} imports {imported}"


@pytest.mark.parametrize("part", WITHIN)
def test_what_is_simple_in_a_wing_knows_nothing_of_what_is_built_on_it(part):
    wing = part_of(part)
    known = {imported for module, imported in imports() if module == part and part_of(imported) == wing}
    assert known <= WITHIN[part]


def test_no_module_lies_outside_the_wings_but_the_ground_floor():
    above = {"pipeline", "pipeline.__main__"}
    outside = {module for module, _ in imports() if part_of(module) is None and not module.startswith("pipeline.cli")}
    assert outside <= above


PURE_PARTS = (
    "encoders",
    "pipeline.records",
    "pipeline.topics",
    "pipeline.network",
    "pipeline.config.paths",
    "pipeline.payloads.layout",
    "pipeline.payloads.mapping",
    "pipeline.payloads.rules",
    "pipeline.payloads.text_numbers",
    "pipeline.payloads.tree",
    "pipeline.payloads.walk",
    "pipeline.engine",
    "pipeline.waveforms",
    "pipeline.mqtt.announcements",
    "pipeline.mqtt.upstream",
    "pipeline.mqtt.home_assistant",
    "pipeline.mqtt.redelivery",
    "pipeline.mqtt.arrival",
    "pipeline.notify.news",
    "pipeline.notify.policy",
    "pipeline.cluster.bucket",
    "pipeline.cluster.messages",
    "pipeline.recordings.evaluation",
    "pipeline.recordings.reading",
    "pipeline.recordings.tuning",
    "pipeline.commissioning.faults",
    "pipeline.commissioning.plant",
    "pipeline.commissioning.simulation",
    "pipeline.commissioning.proposing",
    "pipeline.commissioning.setup.draft",
)


@pytest.mark.parametrize("part", PURE_PARTS)
def test_what_computes_knows_no_clock_file_network_or_environment(part):
    forbidden = {"os", "time", "datetime", "socket", "pathlib", "threading", "logging", "random", "sqlite3"}
    assert not [
        pair for pair in imports() if f"{pair[0]}.".startswith(f"{part}.") and pair[1].split(".")[0] in forbidden
    ]


@pytest.mark.parametrize("library", ONE_DOOR)
def test_every_outside_library_has_one_door(library):
    doors = {module for module, imported in imports() if imported.split(".")[0] == library}
    assert doors
    named = ONE_DOOR[library]
    own = tuple(f"{door}." for door in (named if isinstance(named, tuple) else (named,)))
    assert all(f"{module}.".startswith(own) for module in doors)
