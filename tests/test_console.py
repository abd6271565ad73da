"""The console's API on the real service: what it says, who may write, and what it must never do."""

import asyncio
import gzip
import json
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from machines import live, machine_with_modes, readings
from plants import HEALTHY_ROWS, Plant, press
from prometheus_client.parser import text_string_to_metric_families
from servers import free_port, until

from pipeline.config.file import load
from pipeline.config.settings import ConfigError, Console
from pipeline.console.api import Api
from pipeline.console.configuration import hidden
from pipeline.console.door import Door
from pipeline.console.machines_api import BODY_BYTES
from pipeline.console.page import ASSETS
from pipeline.console.recent import READINGS, ROWS, Recent, Ring
from pipeline.console.routes import ROUTES, described
from pipeline.console.server import Server
from pipeline.console.service_api import ServiceApi
from pipeline.console.weight import Light
from pipeline.records import Machine


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    """Of two presses, the first in alarm."""
    with Plant(tmp_path_factory.mktemp("plant")) as running:
        running.send("press-2", press(HEALTHY_ROWS, 7))
        running.send("press-1", press(HEALTHY_ROWS + 150, 2, fault=8.0))
        yield running


@pytest.mark.servers
def test_machines_come_in_order_of_attention_with_since_when_and_which_sensor_says_so(plant):
    status, found, headers = plant.get("/api/machines")
    assert status == 200
    assert [one["name"] for one in found["machines"]] == ["press-1", "press-2"]
    first, second = found["machines"]
    assert first["id"] == "press-1;site=a"
    assert first["attention"] in ("critical", "warning")
    assert first["incident"]["sensors"][0]["sensor"] == "s1"
    assert plant.machine("press-1")["account"].startswith("Per reading: ")
    assert first["incident"]["sensors"][0]["direction"] == "high"
    begin_s = 1_700_000_000 + HEALTHY_ROWS
    assert begin_s <= first["incident"]["started_s"] <= begin_s + 60
    assert 0.99 <= first["incident"]["peak"] <= 1.0
    assert (second["attention"], second["incident"]) == ("ready", None)
    assert sum(found["attention"].values()) == found["total"] == 2
    assert len(first["course"]) > 10
    assert headers["cache-control"] == "no-store"


@pytest.mark.servers
def test_machines_are_found_by_name_and_by_what_they_need_a_page_at_a_time(plant):
    def names(query):
        return [one["name"] for one in plant.get(f"/api/machines?{query}")[1]["machines"]]

    assert names("search=PRESS-2") == ["press-2"]
    assert names("attention=ready") == ["press-2"]
    assert names("limit=1") == ["press-1"]
    assert names("limit=1&offset=1") == ["press-2"]
    assert names("search=nobody") == []
    assert plant.get("/api/machines?limit=many")[0] == 400


@pytest.mark.servers
def test_rows_are_columns_of_one_length_with_every_row_of_a_small_plant_and_go_on_from_a_cursor(plant):
    path = "/api/machines/press-1;site=a/rows"
    status, found, _ = plant.get(path)
    assert status == 200
    assert found["order"][0] == "s1"
    assert next(iter(found["sensors"])) == "s1"
    length = len(found["time_s"])
    assert length > 1000
    assert np.diff(found["time_s"][-500:]).max() == 1.0
    for columns in [found, *found["sensors"].values()]:
        assert {len(column) for name, column in columns.items() if name in {*ROWS, *READINGS}} <= {length}
    s1 = found["sensors"]["s1"]
    fault = slice(length - 100, length)
    assert all(value > high for value, high in zip(s1["value"][fault], s1["high"][fault], strict=True))
    assert any(s1["fires"][fault])
    assert max(s1["fires"]) < 1 << len(found["populations"])
    assert set(found["newest"]) == {"s0", "s1", "s2", "s3"}
    _, later, _ = plant.get(f"{path}?cursor={found['cursor']}&sensor=s2")
    assert (later["time_s"], later["goes_on"], list(later["sensors"])) == ([], True, ["s2"])
    _, again, _ = plant.get(f"{path}?cursor=77.0")
    assert (again["goes_on"], len(again["time_s"])) == (False, length)
    assert plant.get("/api/machines/nobody/rows")[0] == 404


@pytest.mark.servers
def test_whoever_lacks_the_token_or_comes_from_another_page_changes_nothing(plant):
    before = plant.machine("press-2")
    assert plant.tell("press-2", "freeze", authorization="")[0] == 401
    assert plant.tell("press-2", "freeze", authorization="Bearer wrong")[0] == 401
    assert plant.tell("press-2", "freeze", authorization=f"Basic {plant.token}")[0] == 401
    assert plant.tell("press-2", "freeze", origin="http://elsewhere.example")[0] == 403
    assert plant.tell("press-2", "freeze", sec_fetch_site="cross-site")[0] == 403
    assert plant.tell("press-2", "freeze", host="elsewhere.example")[0] == 421
    assert plant.tell("press-2", "freeze", content_type="text/plain")[0] == 400
    assert plant.get("/api/machines", host="elsewhere.example:8380")[0] == 421
    assert plant.get("/api/machines/press-2;site=a/command")[0] == 405
    path = "/api/machines/press-2;site=a/command"
    known = {"authorization": f"Bearer {plant.token}", "content_type": "application/json"}
    assert plant.request("POST", path, b"x" * (BODY_BYTES + 1), **known)[0] == 413
    assert plant.request("POST", path, b'{"verb": "freeze", "sure": 1}', **known)[0] == 400
    assert plant.machine("press-2") == before


NAMED = st.sampled_from(
    ["127.0.0.1", "localhost", "[", "[::1]", "[::1", "a]b", "127.0.0.1:x", "\xbd", "//", "@", "x.y"]
)
ODD = st.one_of(NAMED, st.builds("http://{}".format, NAMED), st.text(st.characters(max_codepoint=255), max_size=12))


@given(st.booleans(), st.sampled_from(["GET", "POST"]), st.lists(ODD, min_size=4, max_size=4))
@example(True, "GET", ["[", "", "", ""])
@example(False, "POST", ["127.0.0.1", "http://[", "", ""])
def test_no_header_that_a_client_chooses_makes_the_door_fail(local, method, values):
    async def within(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    sent = []
    names = (b"host", b"origin", b"sec-fetch-site", b"authorization")
    headers = list(zip(names, [value.encode("latin-1") for value in values], strict=True))
    scope = {"type": "http", "method": method, "path": "/api/x", "raw_path": b"/api/x", "headers": headers}
    door = Door(within, "127.0.0.1" if local else "plant.example", "a-token-of-the-plant")
    asyncio.run(door(scope, receive, send))
    assert sent[0]["status"] in ({200, 400, 401, 403, 421} if method == "GET" and local else {400, 401, 403, 421})
    if values[0] == "[":
        assert sent[0]["status"] == 400


TAIL = b"Host: 127.0.0.1\r\nConnection: close\r\n"
POST = b"POST /api/machines/press-2;site=a/command HTTP/1.1\r\n"
ODD_REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n",
    b"GET /api/machines/ HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n",
    POST + TAIL + b"Origin: http://[\r\nContent-Length: 0\r\n\r\n",
    POST + TAIL + b"Authorization: Bearer \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    b"GET /api/machines/press-1 HTTP/1.0\r\n\r\n",
    b"GET http://127.0.0.1/healthz HTTP/1.1\r\n" + TAIL + b"\r\n",
    b"GET /%zz?%zz=%zz&;&=&limit=\xb2 HTTP/1.1\r\n" + TAIL + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + TAIL + b"\r\n",
    b"GET / HTTP/1.1\r\n" + TAIL + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + TAIL + b"Content-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + TAIL + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
)
QUERY = st.lists(
    st.tuples(
        st.sampled_from(["search", "attention", "offset", "limit", "cursor", "sensor"]),
        st.one_of(
            st.text(st.characters(codec="utf-8"), max_size=12),
            st.sampled_from(["\u00b2", "-1", "1e9", "9" * 400, "1.9", "critical", "s1", "%"]),
        ),
    ),
    max_size=5,
)


@pytest.mark.servers
def test_no_request_whatever_it_holds_writes_a_traceback(plant):
    before = len(plant.log)
    for request in ODD_REQUESTS:
        with socket.create_connection(("127.0.0.1", plant.port), timeout=20) as one:
            one.sendall(request)
            assert one.recv(65536).startswith(b"HTTP/1.1 "), request
    cut_off = POST + TAIL + f"Authorization: Bearer {plant.token}\r\n".encode()
    cut_off += b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", plant.port), timeout=20) as one:
            one.sendall(cut_off)

    @settings(deadline=None, max_examples=50)
    @given(st.sampled_from(["/api/machines", "/api/machines/press-1;site=a/rows", "/api/incidents"]), QUERY)
    def asked(path, query):
        assert plant.get(f"{path}?{urlencode(query)}")[0] in (200, 400)

    @settings(deadline=None, max_examples=50)
    @given(
        st.binary(max_size=20)
        | st.sampled_from([b'{"verb": "ack", "by": "\\ud800"}', b'{"verb":"label","argument":"\\u0000"}'])
    )
    def said(body):
        known = {"authorization": f"Bearer {plant.token}", "content_type": "application/json"}
        path = "/api/machines/press-2;site=a/command"
        assert plant.request("POST", path, body, **known)[0] in (400, 409)

    asked()
    said()
    until(lambda: plant.get("/healthz")[0] == 200, "it answers")
    new = plant.log[before:]
    assert "Traceback" not in new
    assert "request_failed" not in new


def test_a_request_that_fails_for_a_reason_nobody_thought_of_is_told_once_per_cause(tmp_path, monkeypatch, caplog):
    port = free_port()
    monkeypatch.setattr(ServiceApi, "openapi", lambda self, request: 1 // 0)
    server = Server(Console(port=port), "", {}, tmp_path / "plant.yaml")
    assert server.start()
    plant = Plant(tmp_path / "unused")
    plant.port = port
    try:
        for _ in range(5):
            assert plant.get("/api/openapi.json")[0] == 500
    finally:
        server.stop()
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 1
    assert "ZeroDivisionError" in said[0]
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.servers
def test_commands_are_done_when_they_are_answered_and_say_why_where_they_cannot_be(plant):
    assert plant.tell("press-2", "ack") == (409, {"error": "press-2 has no open incident"})
    assert plant.tell("press-2", "dance")[0] == 400
    assert plant.tell("nobody", "ack")[0] == 404
    assert plant.tell("press-2", "rollback")[0] == 409
    status, done = plant.tell("press-2", "freeze")
    assert status == 200
    assert [(point["measurement"], point["fields"]["by"]) for point in done["points"]] == [("command", "anna")]
    assert plant.machine("press-2")["frozen"]
    assert plant.tell("press-2", "resume")[0] == 200
    assert plant.tell("press-1", "ack")[0] == 200
    assert plant.machine("press-1")["incident"]["acknowledged"]
    said = [(one["machine"], one["verb"], one["by"], one["via"]) for one in plant.get("/api/incidents")[1]["said"]]
    assert said[:3] == [
        ("press-1", "ack", "anna", "http"),
        ("press-2", "resume", "anna", "http"),
        ("press-2", "freeze", "anna", "http"),
    ]


@pytest.mark.servers
def test_normal_ends_the_incident_and_what_the_machine_does_now_raises_no_alarm_any_more(tmp_path):
    table = press(HEALTHY_ROWS + 500, 2, fault=8.0)
    with Plant(tmp_path / "plant") as plant:
        plant.send("press-1", table[: HEALTHY_ROWS + 150])
        assert [one["machine"] for one in plant.get("/api/incidents")[1]["open"]] == ["press-1"]
        assert plant.tell("press-1", "normal")[0] == 200
        plant.send("press-1", table[HEALTHY_ROWS + 150 :], HEALTHY_ROWS + 150)
        machine = plant.machine("press-1")
        assert (machine["attention"], machine["incident"]) == ("ready", None)
        _, found, _ = plant.get("/api/incidents")
        assert (found["past"][0]["machine"], found["past"][0]["reason"]) == ("press-1", "normal")
        rows = plant.get("/api/machines/press-1;site=a/rows")[1]["time_s"]
        assert plant.stop() == 0
        plant.start()
        until(lambda: plant.machine("press-1"), "the console answers")
        until(lambda: plant.get("/api/incidents")[1]["past"], "what waited for delivery is in the store")
        _, found, _ = plant.get("/api/incidents")
        assert (found["past"][0]["machine"], found["past"][0]["reason"]) == ("press-1", "normal")
        assert [one["verb"] for one in found["said"]] == ["normal"]
        _, again, _ = plant.get("/api/machines/press-1;site=a/rows")
        assert again["time_s"], "charts after a restart begin with what the store holds"
        assert set(again["time_s"]) <= set(rows)
        assert any(value is not None for value in again["sensors"]["s1"]["high"])


@pytest.mark.servers
def test_an_incident_that_nobody_answered_waits_through_a_restart_and_is_settled_by_an_answer(tmp_path):
    changed, accepted, fault = 960, 1600, 1790  # rows; patient for two thirds of what it has lived through
    table = machine_with_modes(2000, 4, 3)
    table[changed:, 1] += 12.0
    table[fault:, 3] += 25.0
    with Plant(tmp_path / "plant", machines=[{"alert": {"close": "1m"}}]) as plant:
        plant.send("press-1", table[:accepted])
        assert plant.machine("press-1")["unconfirmed"] is None
        plant.send("press-1", table[accepted : accepted + 20], accepted)
        machine = plant.machine("press-1")
        number = machine["incident"]["number"]
        assert (machine["incident"]["unconfirmed"], machine["unconfirmed"], machine["changed"]) == (
            True,
            number,
            ["s1"],
        )
        plant.send("press-1", table[accepted + 20 : fault], accepted + 20)
        assert plant.stop() == 0
        plant.start()
        until(lambda: plant.machine("press-1"), "the console answers")
        machine = plant.machine("press-1")
        assert (machine["attention"], machine["incident"], machine["unconfirmed"]) == ("changed", None, number)
        [listed] = plant.get("/api/machines?attention=changed")[1]["machines"]
        assert (listed["changed"], listed["unconfirmed"]) == (["s1"], number)
        until(lambda: plant.get("/api/incidents")[1]["past"], "what waited for delivery is in the store")
        _, found, _ = plant.get("/api/incidents")
        assert (found["past"][0]["reason"], found["past"][0]["unconfirmed"]) == ("unconfirmed", True)
        [waiting] = found["unconfirmed"]
        assert (waiting["machine"], waiting["unconfirmed"], waiting["changed"]) == ("press-1", number, ["s1"])

        plant.send("press-1", table[fault : fault + 50], fault)
        machine = plant.machine("press-1")
        assert (machine["attention"], machine["unconfirmed"]) == ("critical", number)
        assert machine["incident"]["sensors"][0]["sensor"] == "s3"
        assert plant.tell("press-1", "normal")[0] == 200
        machine = plant.machine("press-1")
        assert (machine["unconfirmed"], machine["changed"], machine["incident"]) == (None, [], None)
        _, found, _ = plant.get("/api/incidents")
        assert found["unconfirmed"] == []
        assert [(one["number"], one["reason"], one["unconfirmed"]) for one in found["past"][:2]] == [
            (str(number + 1), "normal", False),
            (str(number), "normal", False),
        ]
        assert found["past"][1]["peak"] > 0.99, "what was known of it is still told"


@pytest.mark.servers
def test_every_route_is_described_and_every_description_is_answered(plant):
    paths = described()["paths"]
    served = {
        (route.path, *route.methods - {"HEAD"}) for route in Api(None, None, None, None, {}).router().routes[:-3]
    }
    assert served == {(path, method.upper()) for path, operations in paths.items() for method in operations}
    assert len(served) == len(ROUTES)
    for path, operations in paths.items():
        if "get" in operations:
            address = path.replace("{id}", "press-1;site=a").replace("{number}", "2")
            assert plant.get(address)[0] == 200, path
    assert plant.get("/api/openapi.json")[1]["paths"] == paths
    of_machines = {path for path, operations in paths.items() if "machine" in str(operations).partition("'404'")[2]}
    assert of_machines == {path for path in paths if "{id}" in path}, "who asks for no machine is told of none"


@pytest.mark.servers
def test_the_token_is_made_once_and_nobody_but_its_file_shows_it(plant):
    token = plant.token
    assert len(token) >= 32
    assert token not in plant.log
    assert f'token_file="{plant.folder}/data/console.token"' in plant.log
    assert plant.get("/api/health")[1]["token_file"] == f"{plant.folder}/data/console.token"
    for route in ROUTES:
        answer = plant.get(route.path.replace("{id}", "press-1;site=a"))
        assert token not in json.dumps(answer)


@pytest.mark.servers
def test_a_token_can_be_tried_without_changing_anything(plant):
    assert plant.request("POST", "/api/token", None)[0] == 401
    assert plant.request("POST", "/api/token", None, authorization="Bearer wrong")[0] == 401
    right = f"Bearer {plant.token}"
    assert plant.request("POST", "/api/token", None, authorization=right)[:2] == (200, {"ok": True})
    assert plant.request("POST", "/api/token", None, authorization=right, origin="http://elsewhere.example")[0] == 403
    assert plant.get("/api/token", authorization=right)[0] == 405


@pytest.mark.servers
def test_metrics_are_the_counters_of_the_service(plant):
    _, text, _ = plant.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    _, health, _ = plant.get("/api/health")
    assert families["spikewatch_readings"].type == "counter"
    assert families["spikewatch_readings"].samples[0].value == health["figures"]["readings"]
    reached = {sample.labels["what"]: sample.value for sample in families["spikewatch_reached"].samples}
    assert reached == {"broker": 1.0, "database": 1.0}
    assert sum(sample.value for sample in families["spikewatch_attention"].samples) == 2.0
    assert plant.get("/healthz")[:2] == (200, {"ok": True})


@pytest.mark.servers
def test_every_answer_forbids_scripts_from_elsewhere_and_the_page_has_none_within(plant):
    for path in ("/", "/assets/console.js", "/api/machines", "/nowhere"):
        policy = plant.get(path)[2]["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    page = plant.get("/")[1]
    assert "<style" not in page
    assert "style=" not in page
    assert all(piece.startswith((" defer src=", ' type="module" src=')) for piece in page.split("<script")[1:])
    assert page.count("></script>") == page.count("<script")
    assert "://" not in page.replace("http://www.w3.org", "")
    assert (ASSETS / "uPlot.LICENSE").read_text().startswith("The MIT License")


@pytest.mark.servers
def test_a_port_that_is_taken_costs_the_console_and_nothing_else(plant, tmp_path):
    with Plant(tmp_path / "second", console={"port": plant.port}) as second:
        assert f"console.away host=127.0.0.1 port={plant.port}" in second.log
        assert "mqtt.connected" in second.log
        assert second.stop() == 0


BROKEN = """\
data: {folder}/data
console: {{port: {port}}}
mqtt:
  url: mqtt://anna:hunter2@broker
  password: hunter2
limits: {{machins: 3}}
"""


def test_with_a_broken_configuration_the_page_says_what_is_wrong_and_nothing_else_runs(tmp_path):
    port, path = free_port(), tmp_path / "plant.yaml"
    path.write_text(BROKEN.format(folder=tmp_path, port=port))
    command = [sys.executable, "-m", "pipeline", "run", "--config", str(path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    plant = Plant(tmp_path / "unused")
    plant.port = port

    def answers():
        try:
            return plant.get("/api/config")
        except OSError:
            return None

    try:
        until(answers, "the page is served", 60)
        status, found, _ = plant.get("/api/config")
        assert (status, found["running"]) == (200, False)
        assert [(one["line"], one["key"]) for one in found["problems"]] == [
            (5, "mqtt.password"),
            (6, "limits.machins"),
        ]
        assert found["problems"][0]["file"] == str(path)
        assert "hunter2" not in json.dumps(found)
        assert plant.get("/api/machines")[0] == 503
        assert plant.get("/healthz")[0] == 503
        assert plant.get("/readyz")[:2] == (503, {"ready": False, "why": "safe mode"})
        assert plant.request("POST", "/api/token", None, authorization="Bearer ")[0] == 401
        headers = {"authorization": "Bearer ", "content_type": "application/json"}
        assert plant.request("POST", "/api/machines/a/command", b"{}", **headers)[0] == 401
        assert not (tmp_path / "data").exists()
        path.write_text(f"data: {tmp_path}/data\n")
        until(lambda: not plant.get("/api/config")[1]["problems"], "the page looks again")
    finally:
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "plant.yaml:5: mqtt.password" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("console", "problem_at"),
    [
        ("{host: 0.0.0.0}", "console.host"),
        ("{host: plant-7}", "console.host"),
        ("{port: 0}", "console.port"),
        ("{host: 0.0.0.0, token: {env: SHORT}}", "console.token"),
        ("{token: secret}", "console.token"),
    ],
)
def test_a_console_that_others_could_reach_needs_a_token_and_every_mistake_is_named(tmp_path, console, problem_at):
    path = tmp_path / "plant.yaml"
    path.write_text(f"console: {console}\n")
    with pytest.raises(ConfigError, match=f"plant.yaml:1: {problem_at}"):
        load(path, {"SHORT": "abc"})
    path.write_text("console: {host: 0.0.0.0, token: {env: LONG}}\n")
    load(path, {"LONG": "a-token-of-sixteen"})


@pytest.mark.servers
def test_a_console_beyond_loopback_asks_for_the_token_also_to_read(tmp_path, monkeypatch):
    token = "a-token-of-the-plant"  # noqa: S105
    monkeypatch.setenv("CONSOLE_TOKEN", token)
    console = {"host": "0.0.0.0", "port": free_port(), "token": {"env": "CONSOLE_TOKEN"}}  # noqa: S104
    with Plant(tmp_path / "plant", console=console) as plant:
        plant.port = console["port"]
        assert plant.get("/api/machines")[0] == 401
        assert plant.get("/metrics")[0] == 401
        assert plant.get("/api/machines", authorization=f"Bearer {token}")[0] == 200
        assert plant.get("/healthz")[0] == 200
        assert plant.get("/readyz")[:2] == (200, {"ready": True, "broker": True, "database": True})
        assert plant.get("/")[0] == 200
        assert plant.get("/assets/console.css")[0] == 200
        assert not (plant.folder / "data" / "console.token").exists()
        assert token not in plant.log


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), max_size=60), st.lists(st.integers(1, 9), max_size=9)
)
def test_a_ring_holds_the_newest_rows_of_each_machine_whatever_the_batches(rows, cuts):
    ring, at, number = Ring(16, 24), 0, 0
    known = []
    while at < len(rows):
        batch = rows[at : at + (cuts[number % len(cuts)] if cuts else 60)]
        at, number = at + len(batch), number + 1
        counts = np.array([count for _, count in batch])
        values = np.arange(counts.sum(), dtype=float) + 100 * number
        columns = {name: np.arange(len(batch)) + 1000 * number for name in ROWS}
        ring.add(np.array([slot for slot, _ in batch]), columns, counts, dict.fromkeys(READINGS, values))
        ends = np.cumsum(counts)
        for row, (slot, count) in enumerate(batch):
            known.append((slot, row + 1000 * number, values[ends[row] - count : ends[row]].tolist()))
    assert ring.forgotten == max(len(rows) - 16, 0)
    for most in (0, 5, 16, 99):
        slots, scores = ring.newest(most)
        newest = known[-min(most, 16) :] if most else []
        assert (slots.tolist(), scores.tolist()) == ([one[0] for one in newest], [one[1] for one in newest])
    for slot in range(3):
        kept = [one for one in known[-16:] if one[0] == slot]
        table = ring.table(slot)
        assert table.time_ns.tolist() == [time for _, time, _ in kept]
        for row, (_, _, values) in enumerate(kept):
            found = table.readings["value"][table.row == row].tolist()
            assert found in ([], values)
        later = sum(len(values) for _, _, values in known)
        recent = [one for one in known if later - sum(len(v) for _, _, v in known[: known.index(one)]) <= 24]
        if kept and kept[-1] in recent:
            assert table.readings["value"][table.row == len(kept) - 1].tolist() == kept[-1][2]


def test_a_machine_that_is_looked_at_keeps_every_row_while_the_others_keep_those_that_were_written():
    table = machine_with_modes(400, 2, 3)
    engine, _ = live(table[:100], every_ns=10 * 10**9, sensors_every_ns=60 * 10**9)
    for number in range(40):
        engine.fleet.number(Machine(f"other-{number}"), "s")
    seconds = 0.0
    recent = Recent(engine, lambda: seconds)
    recent.take(engine.step(readings(table[100:200], 100)))
    before, cursor, goes_on = recent.look(0, "", lambda: None)
    assert not goes_on
    assert 8 <= len(before.time_ns) <= 40
    recent.take(engine.step(readings(table[200:300], 200)))
    rows, cursor, goes_on = recent.look(0, cursor, lambda: None)
    assert goes_on
    assert len(rows.time_ns) == 100
    assert len(rows.readings["value"]) == 200
    seconds = 1000.0
    recent.take(engine.step(readings(table[300:400], 300)))
    _, _, goes_on = recent.look(0, cursor, lambda: None)
    assert not goes_on
    assert recent.counters()["watched"] == 1


def test_what_somebody_wrote_where_a_secret_must_not_be_is_not_shown():
    text = """\
mqtt:
  url: mqtt://anna:hunter2@broker:1883
  url: 'mqtt://anna:hun/hunter2@broker'
  url: "mqtt://anna:hun hunter2@broker"
  url: mqtt://broker
    :hunter2@broker
  url:
    mqtt://anna:
    hunter2@broker
  url: http://db/?u=admin&p=hunter2
  url: http://db:8086/
    ?u=admin&p=hunter2
  url: "http://db/?u=a&
p=hunter2"
  url: http://db/#hunter2
  password: hunter2
  "token": "hunter2"
influxdb: {token: hunter2, url: 'http://x'}
influxdb: {token: "a,hunter2", url: 'http://x'}
influxdb: {url: http://x?p=hunter2, bucket: b}
  password: 'hidden too
hunter2'
mqtt:
  token: |
    hunter2

    hunter2
  password: *hunter2
  password: {hunter2}
  password: {env: hunter2}
  password: {env: MQTT_PASSWORD}
  password:
    hunter2
  password:
    env: hunter2
    file: /run/secrets/mqtt
  password: 'a
hunter2'
  url: tgram://hunter2/12315544
  - {name: a, url: slack://hunter2/B1}
  webhook: https://hooks.plant/services/hunter2
  - {name: a, webhook: 'https://hooks.plant/hunter2', machines: "*"}
  url: mqtts://broker.plant.local:8883
  url: http://[::1]:8086/influx
  - topic: plant/{machine}/{sensor}
"""
    shown = hidden(text)
    assert "hunter2" not in shown
    for line in ("{env: MQTT_PASSWORD}", "    file: /run/secrets/mqtt", *text.splitlines()[-3:]):
        assert line in shown
    assert len(shown.splitlines()) == len(text.splitlines())


def test_the_page_fetches_at_once_all_that_the_list_of_machines_needs_and_no_more():
    wanted, known = ["console.js"], set()
    while wanted:
        name = wanted.pop()
        known.add(name)
        imported = re.findall(r'^import .* from "\./(\w+\.js)";$', (ASSETS / name).read_text(), re.MULTILINE)
        wanted += [one for one in imported if one not in known]
    page = (ASSETS / "index.html").read_text()
    assert set(re.findall(r'"/assets/(\w+\.js)"', page)) == known


@pytest.mark.servers
def test_what_is_known_already_is_not_sent_again_and_all_else_as_gzip_where_it_is_taken(plant):
    for path in ("/assets/console.css", "/api/openapi.json", "/"):
        status, content, headers = plant.get(path)
        assert (status, "content-encoding" in headers) == (200, False)
        asked = urllib.request.Request(plant.url + path, headers={"accept-encoding": "gzip"})  # noqa: S310
        with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["vary"] == "accept-encoding"
            packed = answer.read()
        text = gzip.decompress(packed).decode()
        assert len(packed) < 0.6 * len(text)
        assert (json.loads(text) if "json" in headers["content-type"] else text) == content
        again = plant.get(path, if_none_match=headers["etag"])
        assert (again[0], again[1]) == (304, "")
        assert plant.get(path, if_none_match='"another"')[0] == 200
    assert plant.get("/api/machines")[2]["cache-control"] == "no-store"
    assert plant.get("/assets/console.webmanifest")[2]["content-type"] == "application/manifest+json"


def test_while_a_large_answer_is_compressed_others_are_answered():
    content = json.dumps(np.random.default_rng(1).random(200_000).tolist()).encode()
    sent, turns = [], 0

    async def answer(scope, receive, send):
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def send(message):
        sent.append((message, turns))

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def both():
        beside = asyncio.create_task(others())
        await asyncio.sleep(0)
        scope = {"type": "http", "method": "GET", "headers": [(b"accept-encoding", b"gzip")]}
        await Light(answer)(scope, None, send)
        beside.cancel()

    asyncio.run(both())
    (start, _), (body, later) = sent
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
    assert gzip.decompress(body["body"]) == content
    assert later > 1, "the loop went on meanwhile"


def test_the_page_asks_nobody_but_this_service():
    for path in Path(ASSETS).glob("*"):
        if path.name.startswith("uPlot") or path.suffix == ".svg":
            continue
        for line in path.read_text().splitlines():
            for scheme in ("https://", "http://"):
                rest = line.partition(scheme)[2]
                assert not rest or rest.startswith(("www.w3.org", "localhost:8086")), f"{path.name}: {line}"


@pytest.mark.servers
def test_a_page_that_hangs_up_or_never_ends_its_request_holds_up_nobody(plant):
    hanging = [socket.create_connection(("127.0.0.1", plant.port)) for _ in range(20)]
    for one in hanging:
        one.sendall(b"POST /api/machines/press-1;site=a/command HTTP/1.1\r\nhost: 127.0.0.1\r\n")
    with urllib.request.urlopen(f"{plant.url}/healthz", timeout=10) as answer:  # noqa: S310
        assert answer.status == 200
    for one in hanging:
        one.close()
