"""What the pages say is what the code does, as far as it can be compared."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pages import DOCS, ROOT
from plants import Plant
from servers import until

from pipeline.engine import account, ageing
from pipeline.engine.commands import Command, audit
from pipeline.engine.engine import Engine
from pipeline.engine.incidents import Incident, News, fields
from pipeline.engine.points import QUALITIES, STATES
from pipeline.engine.verbs import VERBS
from pipeline.payloads import PAYLOADS, Cause
from pipeline.records import Machine, Reading
from pipeline.storage.snapshots import Snapshots

LEVELS = {"warning": "warning", "error": "error", "exception": "error", "critical": "critical"}
WHOSE = {
    "delivery.py": ("delivery", "upstream", "notices"),
    "outbox.py": ("outbox", "upstream", "notices"),
}  # `%s` before the event
# The database is always configured, and the notifier takes everything or nothing.
NEVER = {"outbox.dropped", "notices.held", "notices.refused"}
TROUBLE = (DOCS / "troubleshooting.md").read_text()
MEASUREMENTS = (DOCS / "measurements.md").read_text()


def rows(text: str, start: str) -> dict[str, list[str]]:
    """The cells of every table whose header begins like this, by each word in back quotes of their first."""
    found = {}
    for table in re.findall(rf"^\| {start} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE):
        for line in table.splitlines():
            first, *others = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            found |= dict.fromkeys(re.findall(r"`([^`]+)`", first), others)
    return found


def events() -> Iterator[tuple[str, str]]:
    """(event, level) of everything that the code logs as a warning or worse."""
    for path in sorted((ROOT / "pipeline").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and ast.unparse(node.func.value) in ("log", "logging", "logger")
            ):
                said = node.args[0]
                assert isinstance(said, ast.Constant), f"{path}:{node.lineno}: an event has a name that does not vary"
                begin, name = re.findall(r"^(%s)?([a-z_.]*)", said.value)[0]
                for who in WHOSE.get(path.name, ()) if begin else ("",):
                    if name and who + name not in NEVER:  # without a name it is a line that follows an event
                        yield who + name, LEVELS[node.func.attr]


def test_every_warning_and_error_of_the_log_is_explained_and_nothing_else():
    told = {event: cells[0] for event, cells in rows(TROUBLE, "event").items()}
    logged = set(events())
    assert len(logged) > 40
    assert set(told.items()) == logged


def test_every_cause_of_a_refusal_is_explained():
    known = {*map(str, Cause), "no_room", "no_room_group", "command"}
    assert set(rows(TROUBLE, "cause")) == known


def test_every_field_of_a_point_is_described():
    told = {name.split(" ")[0] for name in rows(MEASUREMENTS, "field")}
    incident = fields(News(0, 0, "close", Incident(1, 0, 0, 1, 0.99, 0, (), "", False, 0, "", 0.0, False), "calm"))
    said = audit(Command("ack", Machine("press-1")), ()).fields
    soon = [1.0, 1.0, 50.0, 5.0, 100.0, 0.1, 0.01, 0.0001, 1.0, 1e9]  # a limit that is reached at a steady pace
    aged = {*ageing.fields(ageing.told("heat", soon, 99.0))}
    counted = {*account.fields(account.Account(1.0, 1.0, 1.0, 1.0, (account.Energy("", 1.0, 1.0),)))}
    source = (ROOT / "pipeline" / "engine" / "points.py").read_text()
    plain = set(re.findall(r'"([a-z_]+)": ', source)) | set(re.findall(r'fields\["(\w+)"\]', source))
    assert aged >= {"shift", "gain", "days_to_limit"}
    assert plain >= {"score", "severity", "expected"}
    assert (incident.keys() | said.keys() | aged | counted | plain) - told == set()


def test_every_state_and_quality_and_command_is_described():
    assert set(rows(MEASUREMENTS, "`state`")) == set(STATES)
    assert all(f"`{quality}`" in MEASUREMENTS for quality in QUALITIES)
    incidents = (DOCS / "incidents.md").read_text()
    assert {name.split(" ")[0] for name in rows(incidents, "command")} == set(VERBS)


def test_every_payload_format_is_on_the_page_of_inputs():
    assert set(rows((DOCS / "inputs.md").read_text(), "`payload`")) == set(PAYLOADS)


@pytest.mark.servers
def test_every_counter_of_a_running_service_is_described(tmp_path: Path):
    told = rows(MEASUREMENTS[MEASUREMENTS.index("## service") :], "field")
    patterns = [re.compile(re.sub(r"<\w+>", ".+", name)) for name in told]
    with Plant(tmp_path / "plant") as plant:
        plant.publish("plant/a/press", np.array([[1.0, 2.0]]))
        plant.publish("plant/a/b/c/press", np.array([[1.0, 2.0]]))
        until(lambda: plant.get("/api/health")[1]["figures"]["readings"] == 2, "it is scored")
        counted = plant.get("/api/health")[1]["figures"]
    assert [name for name in counted if not any(pattern.fullmatch(name) for pattern in patterns)] == []


def test_a_snapshot_takes_as_much_of_the_disk_as_the_page_on_installation_says(tmp_path: Path):
    engine, machines, sensors = Engine(), 40, 8
    for row in range(120):
        at_ns = (1_700_000_000 + row) * 10**9
        rows = [
            [
                Reading(Machine(f"press-{one}"), f"s{sensor}", at_ns, float(sensor + row % 7))
                for sensor in range(sensors)
            ]
            for one in range(machines)
        ]
        engine.step(engine.arrange(rows))
    Snapshots(tmp_path).write(1, engine.fleet.snapshot())
    (snapshot,) = tmp_path.iterdir()
    (told,) = re.findall(
        r"\| ([\d.]+) kB a sensor on machines of 8 sensors \|", (DOCS / "installation.md").read_text()
    )
    assert snapshot.stat().st_size / (machines * sensors) == pytest.approx(1_000 * float(told), rel=0.03)
