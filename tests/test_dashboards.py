"""The Grafana dashboards: made by their generator, known to Grafana's SDK, and every query answered by InfluxDB."""

import importlib.util
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.alerting import Rule
from grafana_foundation_sdk.models.dashboard import Dashboard
from servers import InfluxDB, Mosquitto, until

from pipeline.commissioning.faults import Fault, Kind
from pipeline.commissioning.plant import Plant, sensor_names
from pipeline.commissioning.simulation import messages
from pipeline.config.settings import Alert, Config, Emit, MachineRule, Mqtt, Sensor, Source
from pipeline.config.settings import InfluxDB as Influx
from pipeline.mqtt import Broker, Publisher
from pipeline.records import Point
from pipeline.service import service, serving
from pipeline.sinks.influxdb import InfluxV1

GRAFANA = Path(__file__).parent.parent / "deploy" / "grafana"
NAMES = ("ageing", "fleet", "incidents", "machine", "service")
ROWS = 4500
ROW_S = 600.0  # a month in all, so that there is ageing to tell of
NAMED = ("time", "machine", "site", "sensor", "host")
OPTIONAL = {"why", "site", "class", "argument", "by", "acknowledged"}  # columns that may hold nothing


def generator(name: str = "dashboards") -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, GRAFANA / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def committed(name: str) -> dict:
    return json.loads((GRAFANA / "dashboards" / f"{name}.json").read_text())


def test_the_committed_dashboards_are_what_the_generator_makes_and_there_are_no_others():
    made = generator()
    assert sorted(made.DASHBOARDS) == list(NAMES)
    assert sorted(path.stem for path in (GRAFANA / "dashboards").iterdir()) == list(NAMES)
    for name in NAMES:
        assert (GRAFANA / "dashboards" / f"{name}.json").read_text() == made.text_of(name), (
            f"run dashboards.py: {name}"
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_what_grafana_s_model_knows_and_nothing_else(name):
    told = committed(name)
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(told)))
    for annotation in told["annotations"].get("list", []):
        annotation.pop("target")  # of the data source, which the SDK does not describe
    for annotation in again["annotations"].get("list", []):
        annotation.pop("target")
    assert again == told


def panels(dashboard: dict) -> list[dict]:
    """Panels, also those within rows."""
    return [one for panel in dashboard["panels"] for one in (panel, *panel.get("panels", []))]


@pytest.mark.parametrize("name", NAMES)
def test_panels_lie_beside_one_another_have_a_source_and_a_description_of_their_figures(name):
    taken = set()
    for panel in panels(committed(name)):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["datasource"] == {"type": "influxdb", "uid": "spikewatch"}
        assert panel["targets"]
        if panel["type"] not in ("table", "state-timeline"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert '"score"' not in json.dumps(panel["targets"]), "scores are shown as levels"


def test_links_lead_to_dashboards_that_are_there():
    known = {committed(name)["uid"] for name in NAMES}
    for name in NAMES:
        told = committed(name)
        assert [one["tags"] for one in told["links"]] == [["spikewatch"]]
        assert set(re.findall(r"/d/([\w-]+)", json.dumps(told))) <= known
        assert told["tags"] == ["spikewatch"]


def queries(dashboard: dict) -> list[str]:
    """Of variables, annotations and panels."""
    found = [one["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    found += [one["target"]["query"] for one in dashboard["annotations"].get("list", [])]
    return found + [target["query"] for panel in panels(dashboard) for target in panel["targets"]]


def filled_in(query: str, interval: str, since_ns: int, until_ns: int, **chosen: str) -> str:
    """A query as Grafana sends it."""
    query = query.replace("$timeFilter", f"time >= {since_ns} AND time <= {until_ns}").replace(
        "$__interval", interval
    )
    query = re.sub(r"\$\{(\w+):regex\}", lambda found: chosen.get(found[1], ".*"), query)
    assert "$" not in query.replace("$/", "")
    return query


def not_yet_written(until_ns: int) -> Iterator[Point]:
    """What a healthy month does not bring about: a limit that comes near."""
    tags = (("machine", "press-01"), ("sensor", "vibration"), ("site", "north"))
    limit = dict.fromkeys(("days_to_limit", "days_earliest", "days_latest"), 30.0)
    for hour in range(24):
        yield Point("ageing", tags, {"shift": 1.5, **limit}, until_ns - hour * 3600 * 10**9)


@pytest.fixture
def plant(mosquitto: Mosquitto, influxdb: InfluxDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Three machines, one of them at no site, watched by the service; one breaks and is repaired. (since, until)."""
    monkeypatch.setattr(service, "HEALTH_EVERY_S", 0.3)
    config = Config(
        data=str(tmp_path / "data"),
        mqtt=Mqtt(
            url=mosquitto.url,
            sources=(
                Source(topic="plant/{site}/{machine}", payload="json", time="time"),
                Source(topic="plant/{machine}", payload="json", time="time"),
            ),
        ),
        machines=(MachineRule(sensors={"vibration": Sensor(range=(0.0, 50.0))}, alert=Alert(hold="0s")),),
        influxdb=Influx(url=influxdb.url, database="machines"),
        emit=Emit(every="0s", sensors="1h"),
    )
    stop = threading.Event()
    thread = threading.Thread(target=serving.serve, args=(config, {}, stop))
    thread.start()
    began_ns = time.time_ns() - round(ROWS * ROW_S * 1e9)
    try:
        names = ["north/press-01", "south/press-02", "press-03"]
        simulated = Plant(3, 4, ROW_S, 3, (Fault(Kind.BEARING, 0, ROWS - 200),))
        with Publisher(Broker.of(mosquitto.url, client_id="plant", protocol=4)) as publisher:
            until(lambda: influxdb.query('SELECT * FROM "service" LIMIT 1', "machines"), "the service is up", 90)
            for _, topic, payload in messages(
                simulated, names, sensor_names(4), "plant/{machine}", ROW_S, began_ns, rows=ROWS
            ):
                publisher.publish(topic, payload)
            publisher.drain()
            opened = 'SELECT * FROM "incident" WHERE "phase" = \'open\''
            until(lambda: influxdb.query(opened, "machines"), "an incident is open", 60)
            readings = f'SELECT last("readings") AS "n" FROM "service" WHERE "readings" >= {ROWS * 3 * 4}'
            until(lambda: influxdb.query(readings, "machines"), "all readings are scored", 60)
            publisher.publish("spikewatch/north/press-01/command", b'{"command": "repaired", "by": "anna"}')
            publisher.drain()
            audit = 'SELECT "verb" FROM "command"'
            until(lambda: influxdb.query(audit, "machines"), "the command is written down", 60)
            aged = 'SELECT "shift", "moved", "per_day", "per_day_unit", "offset", "gain" FROM "ageing"'
            until(lambda: influxdb.query(aged, "machines"), "the ageing is written", 60)
            closed = opened.replace("open'", "close'")
            until(lambda: influxdb.query(closed, "machines"), "it is closed", 60)
            until(
                lambda: len(influxdb.query('SELECT "lag_s" FROM "service"', "machines")) > 8, "health is written", 60
            )
    finally:
        stop.set()
        thread.join()
    InfluxV1(influxdb.url, "machines").write(list(not_yet_written(time.time_ns())))
    return began_ns, time.time_ns() + 10**9


@pytest.mark.servers
def test_every_query_is_answered_by_influxdb(plant: tuple[int, int], influxdb: InfluxDB):
    for name in NAMES:
        for query in queries(committed(name)):
            chosen = {"machine": "press-01"} if name == "machine" else {}
            asked = filled_in(query, "1s" if name == "service" else "6h", *plant, **chosen)
            rows = influxdb.query(asked, "machines")
            assert rows, asked
            empty = {column for column in rows[0] if not any(row[column] not in (None, "") for row in rows)}
            assert empty <= OPTIONAL, f"nothing in {empty}: {asked}"


def rules() -> dict[str, dict]:
    told = yaml.safe_load((GRAFANA / "provisioning" / "alerting" / "rules.yaml").read_text())
    return {rule["uid"]: rule for rule in told["groups"][0]["rules"]}


def test_the_committed_alert_rules_are_what_their_generator_makes_and_what_grafana_s_model_knows():
    assert (GRAFANA / "provisioning" / "alerting" / "rules.yaml").read_text() == generator("alerts").text()
    for rule in rules().values():
        told = {"folderUID": "spikewatch", "ruleGroup": "spikewatch", "orgID": 1, **rule}
        again = json.loads(JSONEncoder().encode(Rule.from_json(told)))
        assert again == told
        assert [part["refId"] for part in rule["data"]] == ["A", "B", "C"]
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_every_alert_goes_to_a_contact_point_that_is_there():
    folder = GRAFANA / "provisioning" / "alerting"
    points = {one["name"] for one in yaml.safe_load((folder / "contact-points.yaml").read_text())["contactPoints"]}
    (policy,) = yaml.safe_load((folder / "policies.yaml").read_text())["policies"]
    assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} == points
    assert "ALERT_EMAIL" in (GRAFANA.parent / "compose.yaml").read_text()


@pytest.mark.servers
def test_alert_rules_fire_for_a_machine_with_a_fault_and_for_no_other(plant: tuple[int, int], influxdb: InfluxDB):
    def firing(uid: str, since_ns: int, until_ns: int = plant[1]) -> set[str | None]:
        """Machines of the series above the threshold, as reduced; the last columns of a row are its tags."""
        rule = rules()[uid]
        query = rule["data"][0]["model"]["query"].replace("$$", "$")
        above = rule["data"][2]["model"]["conditions"][0]["evaluator"]["params"][0]
        rows = influxdb.query(filled_in(query, "1m", since_ns, until_ns), "machines")
        figures = [(row.get("machine"), [value for key, value in row.items() if key not in NAMED]) for row in rows]
        return {machine for machine, (value,) in figures if value is not None and float(value) > above}

    def now(measurement: str, machine: str, tags: dict[str, str], **fields: object) -> None:
        nonlocal now_ns
        now_ns += 1_000_000
        named = {"machine": machine, **tags} if machine else tags
        influx.write([Point(measurement, tuple(sorted(named.items())), fields, now_ns)])

    influx, now_ns = InfluxV1(influxdb.url, "machines"), plant[1] - 10**9
    for uid in ("critical", "warning", "silent", "dropped"):
        assert firing(f"spikewatch-{uid}", plant[0]) == set(), "all incidents are closed, and all machines send"
    assert firing("spikewatch-limit", plant[0]) == set(), "30 days are left"
    assert firing("spikewatch-stopped", plant[0]) == set(), "it wrote its counters"

    [opened, *_] = influxdb.query('SELECT "severity" FROM "incident" WHERE "machine" = \'press-01\'', "machines")
    uid = {1: "spikewatch-warning", 2: "spikewatch-critical"}[opened["severity"]]
    assert firing(uid, plant[0], opened["time"]) == {"press-01"}, "while the incident was open"

    begun = now_ns
    now("incident", "press-03", {"id": "7"}, phase="open", severity=1, peak_level=6.5, ended=0)
    assert (firing("spikewatch-warning", plant[0]), firing("spikewatch-critical", plant[0])) == ({"press-03"}, set())
    now("incident", "press-03", {"id": "7"}, phase="update", severity=2, peak_level=9.5, ended=0)
    assert (firing("spikewatch-warning", plant[0]), firing("spikewatch-critical", plant[0])) == (set(), {"press-03"})
    now("incident", "press-03", {"id": "7"}, phase="close", severity=2, peak_level=9.5, ended=begun)
    now("incident", "press-03", {"id": "7"}, phase="update", unconfirmed=False, reason="normal")
    assert firing("spikewatch-critical", plant[0]) == set(), "an answer to a closed incident does not open it"

    now("machine", "press-03", {}, state="silent")
    now("machine", "press-02", {"site": "south"}, state="ready", level=0.5)
    assert firing("spikewatch-silent", plant[0]) == {"press-03"}
    now("machine", "press-03", {}, state="ready", level=0.5)
    assert firing("spikewatch-silent", plant[0]) == set(), "it sends again"

    now("ageing", "press-03", {"sensor": "oil"}, days_earliest=3.0)
    assert firing("spikewatch-limit", plant[0]) == {"press-03"}
    now("service", "", {"host": "h"}, dropped=9, buried=4)
    now("service", "", {"host": "h"}, dropped=0, buried=0)
    assert firing("spikewatch-dropped", plant[0]) == set(), "a restart"
    now("service", "", {"host": "h"}, dropped=0, buried=2)
    assert firing("spikewatch-dropped", plant[0]) == {None}


@pytest.mark.servers
def test_all_sites_has_what_is_at_no_site_and_one_site_only_its_own(plant: tuple[int, int], influxdb: InfluxDB):
    fleet = committed("fleet")
    [standing] = [panel["targets"][0]["query"] for panel in fleet["panels"] if panel["title"].startswith("Machines")]

    def shown(site: str) -> set[str]:
        rows = influxdb.query(filled_in(standing, "1m", *plant, site=site), "machines")
        return {str(row["machine"]) for row in rows}

    assert shown(".*") == {"press-01", "press-02", "press-03"}
    assert shown("north") == {"press-01"}
    assert shown("(north|south)") == {"press-01", "press-02"}
    sites = influxdb.query(fleet["templating"]["list"][0]["query"], "machines")
    assert {row["value"] for row in sites} == {"north", "south"}
