"""The arrows of the house: which part may know which, and which outside library has which one door."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PURE = {"numpy", "numba", "msgspec"}
# What each part may import of ours; a folder speaks for its files.
ALLOWED = {
    "encoders": set(),
    "pipeline.records": set(),
    "pipeline.topics": {"pipeline.records"},
    "pipeline.identity": {"pipeline.records"},
    "pipeline.config.settings": {"pipeline.files"},
    "pipeline.config.addresses": set(),
    "pipeline.config.checks": {
        "pipeline.config.addresses",
        "pipeline.config.settings",
        "pipeline.files",
        "pipeline.topics",
        "pipeline.config.prior_file",
    },
    "pipeline.config.file": {"pipeline.config.settings", "pipeline.config.checks", "pipeline.files"},
    "pipeline.payloads": {"pipeline.records", "pipeline.config.settings", "pipeline.topics"},
    "pipeline.network": {"encoders"},
    "pipeline.engine.scoring": {"encoders", "pipeline.records", "pipeline.network"},
    "pipeline.engine.silence": {"pipeline.records"},
    "pipeline.engine.explanation": {"pipeline.records", "pipeline.network", "pipeline.engine.scoring"},
    "pipeline.engine.ageing": set(),
    "pipeline.engine.commands": {"pipeline.records", "pipeline.config.settings"},
    "pipeline.mqtt.announcements": {
        "pipeline.records",
        "pipeline.engine.incidents",
        "pipeline.topics",
        "pipeline.mqtt.home_assistant",
    },
    "pipeline.mqtt.home_assistant": {"pipeline.records", "pipeline.engine.scoring"},
    "pipeline.engine.incidents": {
        "pipeline.records",
        "pipeline.engine.scoring",
        "pipeline.engine.commands",
        "pipeline.engine.explanation",
    },
    "pipeline.engine.fleet": {
        "encoders",
        "pipeline.records",
        "pipeline.config.settings",
        "pipeline.network",
        "pipeline.engine.scoring",
        "pipeline.engine.incidents",
        "pipeline.engine.recognition",
    },
    "pipeline.engine.recognition": {"encoders", "pipeline.records", "pipeline.network", "pipeline.engine.commands"},
    "pipeline.engine.engine": {
        "pipeline.records",
        "pipeline.config.settings",
        "pipeline.network",
        "pipeline.engine.scoring",
        "pipeline.engine.silence",
        "pipeline.engine.fleet",
        "pipeline.engine.explanation",
        "pipeline.engine.ageing",
        "pipeline.engine.commands",
        "pipeline.engine.incidents",
        "pipeline.engine.recognition",
    },
    "pipeline.config.prior_file": {"pipeline.config.settings", "pipeline.network", "pipeline.files"},
    "pipeline.recordings.tables": {"pipeline.records"},
    "pipeline.recordings.replay": {"pipeline.records", "pipeline.recordings.tables"},
    "pipeline.tap": {"pipeline.records", "pipeline.payloads"},
    "pipeline.proposal": {"pipeline.records", "pipeline.config.settings", "pipeline.topics", "pipeline.payloads"},
    "pipeline.recordings.tuning": {"pipeline.records", "pipeline.config.settings"},
    "pipeline.mqtt.listening": {"pipeline.records", "pipeline.mqtt"},
    "pipeline.plant": {"pipeline.records"},
    "pipeline.simulation": {"pipeline.plant"},
    "pipeline.recordings.score": {
        "pipeline.records",
        "pipeline.config.settings",
        "pipeline.recordings.tables",
        "pipeline.engine.engine",
        "pipeline.network",
    },
    "pipeline.recordings.evaluation": {"pipeline.records"},
    "pipeline.recordings.labels": {"pipeline.recordings.evaluation", "pipeline.files", "pipeline.recordings.tables"},
    "pipeline.recordings.report": {"pipeline.recordings.evaluation"},
    "pipeline.recordings.picture": {
        "pipeline.records",
        "pipeline.recordings.tables",
        "pipeline.recordings.evaluation",
    },
    "pipeline.files": set(),
    "pipeline.storage.sqlite_files": {"pipeline.files"},
    "pipeline.storage.journal_file": {"pipeline.records", "pipeline.files", "pipeline.storage.sqlite_files"},
    "pipeline.storage.progress": {"pipeline.records"},
    "pipeline.storage.journal": {
        "pipeline.records",
        "pipeline.engine.commands",
        "pipeline.files",
        "pipeline.storage.sqlite_files",
        "pipeline.storage.journal_file",
        "pipeline.storage.progress",
    },
    "pipeline.storage.snapshots": {"pipeline.files"},
    "pipeline.sinks": {"pipeline.records", "pipeline.files", "pipeline.storage.sqlite_files"},
    "pipeline.sinks.delivery": {
        "pipeline.records",
        "pipeline.storage.journal",
        "pipeline.storage.progress",
        "pipeline.sinks",
        "pipeline.storage.sqlite_files",
    },
    "pipeline.mqtt.arrival": set(),
    "pipeline.mqtt": {"pipeline.records", "pipeline.config.addresses", "pipeline.mqtt.arrival", "pipeline.files"},
    "pipeline.mqtt.redelivery": {"pipeline.records"},
    "pipeline.mqtt.embedded": set(),
    "pipeline.storage.inspection": {
        "pipeline.records",
        "pipeline.storage.journal_file",
        "pipeline.storage.snapshots",
    },
    "pipeline.doctor": {
        "pipeline.records",
        "pipeline.config.settings",
        "pipeline.topics",
        "pipeline.payloads",
        "pipeline.mqtt",
        "pipeline.sinks",
        "pipeline.storage.inspection",
        "pipeline.files",
    },
    "pipeline.service.health": set(),
    "pipeline.storage.data_folder": {
        "pipeline.records",
        "pipeline.config.settings",
        "pipeline.engine.engine",
        "pipeline.engine.fleet",
        "pipeline.storage.journal",
        "pipeline.storage.snapshots",
        "pipeline.config.prior_file",
        "pipeline.engine.commands",
        "pipeline.files",
        "pipeline.storage.sqlite_files",
    },
    "pipeline.service.connections": {
        "pipeline.config.settings",
        "pipeline.storage.data_folder",
        "pipeline.files",
        "pipeline.mqtt",
        "pipeline.sinks",
    },
    "pipeline.console": {
        "pipeline.records",
        "pipeline.config.settings",
        "pipeline.config.file",
        "pipeline.engine.commands",
        "pipeline.engine.engine",
        "pipeline.engine.explanation",
        "pipeline.files",
        "pipeline.identity",
        "pipeline.engine.incidents",
        "pipeline.network",
        "pipeline.engine.scoring",
        "pipeline.sinks",
    },
    "pipeline.board": {"pipeline.engine.engine", "pipeline.recordings.evaluation", "pipeline.engine.scoring"},
}
ONE_DOOR = {
    "paho": "pipeline.mqtt",
    "amqtt": "pipeline.mqtt.embedded",
    "influxdb_client": "pipeline.sinks.influxdb",
    "pandas": "pipeline.recordings.tables",
    "yaml": "pipeline.config.file",
    "typer": "pipeline.cli",
    "matplotlib": "pipeline.recordings.picture",
    "starlette": "pipeline.console",
    "uvicorn": "pipeline.console",
    "prometheus_client": "pipeline.console.metrics",
    "urllib3": "pipeline.sinks.http",
}


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
                    found.append((module, node.module))
    return found


def part_of(module):
    """The part of the house a module belongs to."""
    return next((part for part in ALLOWED if module == part or module.startswith(part + ".")), None)


@pytest.mark.parametrize("part", ALLOWED)
def test_every_part_imports_only_what_it_may_know(part):
    for module, imported in imports():
        if part_of(module) == part and imported.split(".")[0] in {"encoders", "pipeline"} and imported != "pipeline":
            assert part_of(imported) in ALLOWED[part] | {part}, f"{module} imports {imported}"


PURE_PARTS = (
    "encoders",
    "pipeline.network",
    "pipeline.engine.scoring",
    "pipeline.engine.silence",
    "pipeline.engine.ageing",
    "pipeline.engine.engine",
    "pipeline.engine.fleet",
    "pipeline.engine.commands",
    "pipeline.engine.incidents",
    "pipeline.mqtt.announcements",
    "pipeline.mqtt.home_assistant",
    "pipeline.recordings.evaluation",
    "pipeline.mqtt.redelivery",
    "pipeline.mqtt.arrival",
    "pipeline.plant",
    "pipeline.simulation",
    "pipeline.proposal",
    "pipeline.recordings.tuning",
)


@pytest.mark.parametrize("part", PURE_PARTS)
def test_what_computes_knows_no_clock_file_network_or_environment(part):
    forbidden = {"os", "time", "datetime", "socket", "pathlib", "threading", "logging", "random", "sqlite3"}
    assert not [pair for pair in imports() if part_of(pair[0]) == part and pair[1].split(".")[0] in forbidden]


@pytest.mark.parametrize("library", ONE_DOOR)
def test_every_outside_library_has_one_door(library):
    doors = {module for module, imported in imports() if imported.split(".")[0] == library}
    assert doors
    assert all(f"{module}.".startswith(f"{ONE_DOOR[library]}.") for module in doors)
