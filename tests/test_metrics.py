"""What Prometheus is told of machines, and that the rules that come with it ask for what there is."""

import re
from pathlib import Path

import pytest
import yaml
from plants import Plant, press
from prometheus_client.parser import text_string_to_metric_families
from servers import until

from pipeline.console.metrics import exposition
from pipeline.console.overview import Figures
from pipeline.records import Machine

RULES = Path(__file__).parent.parent / "deploy" / "prometheus" / "spikewatch.rules.yaml"


def machine(name: str, **tags: str) -> Figures:
    return Figures(Machine(name, tuple(sorted(tags.items()))), 8.3, 2, "fault", True)


def samples(text: bytes, name: str) -> list[tuple[dict[str, str], float]]:
    """Labels and values of a metric, as Prometheus's own parser reads them."""
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == name
    ]


def test_machines_with_other_captures_have_the_same_labels_which_are_empty_where_there_is_none():
    machines = [machine("press-1", site="a"), machine('mill "2"\n', line="4", state="x")]
    text = exposition({}, {}, {}, machines)
    assert samples(text, "spikewatch_machine_level") == [
        ({"machine": "press-1", "site": "a", "line": "", "capture_state": ""}, 8.3),
        ({"machine": 'mill "2"\n', "site": "", "line": "4", "capture_state": "x"}, 8.3),
    ]
    assert [(labels["state"], value) for labels, value in samples(text, "spikewatch_machine_state")] == [
        ("fault", 1.0),
        ("fault", 1.0),
    ]
    assert [value for _, value in samples(text, "spikewatch_machine_severity")] == [2.0, 2.0]
    assert [value for _, value in samples(text, "spikewatch_machine_incident")] == [1.0, 1.0]
    assert not samples(exposition({}, {}, {}), "spikewatch_machine_level")


@pytest.mark.servers
def test_a_running_service_tells_as_many_machines_as_it_is_told_to_and_all_that_its_rules_ask_for(tmp_path: Path):
    with Plant(tmp_path / "plant") as plant:
        plant.stop()
        plant.settings["console"]["metrics_machines"] = 2
        plant.start()
        for name in ("press-1", "press-2", "press-3"):
            plant.publish(f"plant/a/{name}", press(20, 2))
        until(lambda: len(plant.get("/api/machines")[1]["machines"]) == 3, "three machines are known")

        def told() -> bytes:
            return plant.get("/metrics")[1].encode()

        until(lambda: len(samples(told(), "spikewatch_machine_level")) == 2, "two machines are told of")
        text = told()
    asked = {
        name
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        for name in re.findall(r"spikewatch_\w+", rule["expr"])
    }
    assert {name for name in asked if not samples(text, name)} == set()
    assert "spikewatch_machine_level" in asked
