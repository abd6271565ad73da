"""Notifications of the real service: a broker, a process that is killed, and a receiver of webhooks."""

import json
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from plants import HEALTHY_ROWS, Plant, press
from receivers import Receiver
from servers import until
from typer.testing import CliRunner

from pipeline.cli import app

MACHINES = 6
ROWS, CALM = HEALTHY_ROWS + 40, 900


def channel(receiver: Receiver, **settings: Any) -> dict[str, Any]:
    """A channel that is told of everything at once and by itself."""
    now = {"digest": {"wait": "0s", "from": 1000}, "cooldown": "0s", "events": ["opening", "rising", "closing"]}
    return {"name": "hook", "webhook": receiver.url, **now, **settings}


def told(receiver: Receiver) -> list[tuple[tuple[str, int], str]]:
    """Which openings and closings were told, a message that came twice under one id counted once."""
    found = []
    for content in {headers["idempotency-key"]: content for headers, content in list(receiver.got)}.values():
        for one in content["news"]:
            steps = [one["event"], "closing"] if one["over"] else [one["event"]]
            found += [((one["name"], one["incident"]), step) for step in dict.fromkeys(steps) if step != "rising"]
    return found


def committed(folder: Path) -> set[tuple[tuple[str, int], str]]:
    """Which incidents have opened and closed, according to the database."""
    database = sqlite3.connect(f"file:{folder / 'data' / 'store.sqlite'}?mode=ro", uri=True)
    try:
        rows = database.execute(
            "SELECT tags, fields FROM points JOIN series ON series.id = series WHERE measurement = 'incident'"
        ).fetchall()
    finally:
        database.close()
    found = set()
    for tags, fields in rows:
        named, phase = dict(json.loads(tags)), json.loads(fields)["phase"]
        if phase in ("open", "close"):
            found.add(((named["machine"], int(named["id"])), "opening" if phase == "open" else "closing"))
    return found


@pytest.mark.servers
def test_killed_in_the_middle_every_incident_is_told_and_none_twice(tmp_path: Path, receiver: Receiver) -> None:
    with Plant(tmp_path, notify=[channel(receiver)], snapshot_every="1s") as plant:
        tables = {f"press-{number}": press(ROWS, number, fault=15.0) for number in range(MACHINES)}
        for number, (name, table) in enumerate(tables.items()):
            plant.publish(f"plant/a/{name}", table)
            if number % 2:  # while it scores, tells and writes down
                until(lambda least=number: len(receiver.got) >= least, "somebody was told", 60)
                assert plant.process is not None
                plant.process.send_signal(signal.SIGKILL)
                plant.process.wait()
                plant.start()
        until(lambda: len({key for key, _ in told(receiver)}) >= MACHINES, "all are told", 60)
        for number, name in enumerate(tables):
            plant.publish(f"plant/a/{name}", press(HEALTHY_ROWS, number)[:CALM], ROWS)
        until(lambda: [step for _, step in told(receiver)].count("closing") >= MACHINES, "all are over", 90)
        until(lambda: set(told(receiver)) == committed(tmp_path), "all that the database knows is told", 60)
        assert plant.stop() == 0
        assert "incident.close id=" in plant.log
    assert len(told(receiver)) == len(set(told(receiver))), "one and the same was told under two ids"
    order: dict[tuple[str, int], list[str]] = {}
    for one, step in told(receiver):
        order.setdefault(one, []).append(step)
    assert all(steps in (["opening"], ["opening", "closing"]) for steps in order.values())


@pytest.mark.servers
def test_channels_can_be_tried_and_seen(tmp_path: Path, receiver: Receiver) -> None:
    secret = tmp_path / "token"
    secret.write_text("canary-of-the-webhook")
    away = {"name": "away", "webhook": "http://127.0.0.1:1/canary-path", "token": {"file": str(secret)}}
    with Plant(tmp_path / "plant", notify=[channel(receiver), away]) as plant:
        known = {"authorization": f"Bearer {plant.token}"}
        assert plant.request("POST", "/api/notify/test", b"")[0] == 401
        assert plant.request("POST", "/api/notify/test?channel=nobody", b"", **known)[0] == 404
        status, found, _ = plant.request("POST", "/api/notify/test", b"", **known)
        assert (status, found["channels"]["hook"]) == (200, None)
        assert "refused" in found["channels"]["away"]
        assert receiver.titles == ["Spikewatch: test message"]
        plant.send("press-1", press(ROWS, 1, fault=15.0))
        until(lambda: len(receiver.got) >= 2, "the incident is told", 60)

        def health() -> dict[str, Any]:
            return {one["name"]: one for one in plant.get("/api/health")[1]["notify"]}

        until(lambda: health()["hook"]["sent_s"], "the channel says so", 20)
        metrics = plant.get("/metrics")[1]
        assert "spikewatch_notify_messages_total" in metrics
        assert 'spikewatch_notify_suppressed_total{rule="' not in metrics or "canary" not in metrics
        assert "spikewatch_notify_unsent" in metrics
        shown = json.dumps(plant.get("/api/config")[1])
        assert "canary" not in shown
        assert "canary" not in plant.log
        assert plant.log.count("incident.open id=1 machine=press-1 site=a severity=") == 1


@pytest.mark.servers
def test_trouble_of_the_service_itself_is_told_with_its_end(tmp_path: Path, receiver: Receiver) -> None:
    own = channel(receiver, events=["service"], service_after="1s")
    with Plant(tmp_path, notify=[own]) as plant:
        plant.broker.stop()
        until(lambda: "Spikewatch: broker trouble" in receiver.titles, "that the broker is away", 30)
        plant.broker.start()
        until(lambda: "Spikewatch: broker trouble over" in receiver.titles, "that it is back", 60)
        (tmp_path / "data" / "store.sqlite.corrupt-1").touch()
        until(lambda: "Spikewatch: data trouble" in receiver.titles, "that data was damaged", 30)
        assert "Newest of 1: store.sqlite.corrupt-1." in receiver.got[-1][1]["text"]
        assert plant.stop() == 0
    assert len(receiver.titles) == 3


def test_the_command_sends_a_test_to_each_channel_or_one(tmp_path: Path, receiver: Receiver) -> None:
    path = tmp_path / "plant.yaml"
    away = {"name": "away", "webhook": "http://127.0.0.1:1/"}
    path.write_text(yaml.safe_dump({"notify": [channel(receiver), away]}))

    def run(*arguments: str) -> tuple[int, str]:
        found = CliRunner().invoke(app, ["notify", "--config", str(path), *arguments])
        return found.exit_code, found.output

    assert run("--test", "--channel", "hook") == (0, "hook: sent\n")
    assert receiver.got[0][1]["kind"] == "test"
    code, said = run("--test")
    assert code == 1
    assert "hook: sent\naway: not sent: " in said
    code, said = run("--test", "--json")
    assert (code, json.loads(said[said.index("{") :])["channels"]["hook"]) == (1, None)
    assert run("--test", "--channel", "nobody") == (2, "--channel: there are hook, away\n")
    sent = len(receiver.got)
    nothing = "nothing sent: add --test to send a test message; `run` sends the others, see docs/notifications.md\n"
    assert run() == (2, nothing)
    assert len(receiver.got) == sent


def test_check_finds_an_address_that_no_service_has_without_showing_it(tmp_path: Path) -> None:
    address, path = tmp_path / "address", tmp_path / "plant.yaml"
    address.write_text("nosuchservice://canary")
    path.write_text(yaml.safe_dump({"notify": [{"name": "fitters", "url": {"file": str(address)}}]}))
    found = CliRunner().invoke(app, ["check", "--config", str(path)])
    assert found.exit_code == 2
    assert found.output == "notify fitters: url is of no service that Apprise knows, or not complete\n"


def test_an_address_without_its_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    address, path = tmp_path / "address", tmp_path / "plant.yaml"
    address.write_text("json://canary@127.0.0.1")
    path.write_text(yaml.safe_dump({"notify": [{"name": "fitters", "url": {"file": str(address)}}]}))
    for command in (["check"], ["notify", "--test"], ["run"]):
        found = CliRunner().invoke(app, [*command, "--config", str(path)])
        assert found.exit_code == 2
        assert "notify fitters: url needs the extra notify: pip install '.[notify]'" in found.output
