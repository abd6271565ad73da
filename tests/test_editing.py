"""Changing the configuration over HTTP: checked, compared, saved with the earlier file kept, and taken over."""

import json
import socket
import stat
from pathlib import Path

import pytest
import yaml
from plants import Plant
from servers import until

from pipeline.console.editing import KEPT, EditError, Editor, changed

WRONG = "limits: {machins: 3}\n"


def asked(plant, what, token=None, **body):
    """Status and content of an answer to a change; with the right token unless told otherwise."""
    headers = {
        "content_type": "application/json",
        "authorization": f"Bearer {plant.token if token is None else token}",
    }
    return plant.request("POST", f"/api/setup/{what}", json.dumps(body).encode(), **headers)[:2]


@pytest.fixture
def editor(tmp_path):
    path = tmp_path / "plant.yaml"
    path.write_text("# ours\nlimits: {machines: 3}\n")
    path.chmod(0o640)
    return Editor(path, {})


def files(editor):
    place = editor._path
    return {one.name: one.read_text() for one in sorted(place.parent.iterdir())}


def test_what_is_saved_replaces_the_file_and_the_earlier_one_is_kept_with_the_same_mode(editor, tmp_path):
    opened = editor.opened()
    saved = editor.saved("limits: {machines: 4}\n", opened["tag"])
    assert files(editor) == {"plant.yaml": "limits: {machines: 4}\n", "plant.yaml.1": opened["text"]}
    assert saved["kept"] == str(tmp_path / "plant.yaml.1")
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o640}
    assert editor.opened()["tag"] == saved["tag"]


def test_of_many_earlier_files_the_newest_are_kept(editor):
    for machines in range(4, 4 + KEPT + 3):
        editor.saved(f"limits: {{machines: {machines}}}\n", editor.opened()["tag"])
    kept = files(editor)
    assert len(kept) == KEPT + 1
    assert kept["plant.yaml.1"] == f"limits: {{machines: {KEPT + 5}}}\n"
    assert kept[f"plant.yaml.{KEPT}"] == "limits: {machines: 6}\n"


def test_who_edited_an_older_text_overwrites_nothing(editor):
    first = editor.opened()["tag"]
    editor.saved("limits: {machines: 4}\n", first)
    before = files(editor)
    with pytest.raises(EditError, match="changed by someone else"):
        editor.saved("limits: {machines: 5}\n", first)
    with pytest.raises(EditError, match="changed by someone else"):
        editor.saved("limits: {machines: 5}\n", "")
    assert files(editor) == before


def test_a_text_with_mistakes_is_not_saved_and_each_is_told_with_line_and_key(editor):
    before = files(editor)
    found = editor.checked("# ours\nlimits: {machins: 3}\nmqtt: {url: mqtt://h, qos: 1}\n")
    assert [(one["line"], one["key"]) for one in found["problems"]] == [(2, "limits.machins"), (3, "mqtt.qos")]
    with pytest.raises(EditError, match=r"plant.yaml:1: limits.machins: unknown key"):
        editor.saved(WRONG, editor.opened()["tag"])
    assert files(editor) == before


def test_a_file_that_is_not_there_yet_is_made_for_our_account_only(tmp_path):
    editor = Editor(tmp_path / "new.yaml", {})
    assert editor.opened() == {"file": str(tmp_path / "new.yaml"), "text": "", "tag": ""}
    assert editor.saved("emit: {every: 5s}\n", "")["kept"] is None
    assert stat.S_IMODE((tmp_path / "new.yaml").stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["new.yaml"]


def test_a_link_to_the_file_stays_a_link(editor, tmp_path):
    link = tmp_path / "link.yaml"
    link.symlink_to(editor._path)
    other = Editor(link, {})
    other.saved("limits: {machines: 4}\n", other.opened()["tag"])
    assert link.is_symlink()
    assert editor.opened()["text"] == "limits: {machines: 4}\n"


def test_changes_are_told_with_the_lines_around_them():
    before = [f"line {at}" for at in range(10)]
    after = [*before[:5], "new", *before[6:]]
    assert list(changed(before, after)) == [
        *(
            ("@", ""),
            (" ", "line 3"),
            (" ", "line 4"),
            ("-", "line 5"),
            ("+", "new"),
            (" ", "line 6"),
            (" ", "line 7"),
        ),
    ]
    assert list(changed(before, before)) == []
    many = [str(at) for at in range(5_000)]
    assert list(changed(many, many[::-1])) == [("@", "too many lines were changed to show them")]


@pytest.mark.servers
def test_without_the_token_nothing_is_read_changed_or_restarted(tmp_path):
    with Plant(tmp_path / "plant") as plant:
        before = plant.path.read_text()
        for what, body in (("open", {}), ("check", {"text": ""}), ("save", {"text": ""}), ("restart", {})):
            assert asked(plant, what, "wrong", **body)[0] == 401
            assert plant.get(f"/api/setup/{what}")[0] == 405
        assert plant.path.read_text() == before
        assert plant.process.poll() is None
        assert asked(plant, "save", text=WRONG)[0] == 409
        assert asked(plant, "save", text="emit: {every: 5s}\n", tag="of another")[0] == 409
        assert asked(plant, "save", txt="")[0] == 400
        assert plant.path.read_text() == before
        assert not plant.path.with_name("plant.yaml.1").exists()


@pytest.mark.servers
def test_after_a_restart_the_same_process_runs_with_the_saved_file(tmp_path):
    with Plant(tmp_path / "plant") as plant:
        started = plant.get("/api/health")[1]["started"]
        opened = asked(plant, "open")[1]
        assert opened["text"] == plant.path.read_text()
        settings = {**plant.settings, "limits": {"machines": 7}}
        assert asked(plant, "save", text=yaml.safe_dump(settings), tag=opened["tag"])[0] == 200
        token = plant.token
        assert asked(plant, "restart") == (200, {"restarting": True})

        def again():
            try:
                return plant.get("/api/health")[1].get("started", started) != started
            except OSError:
                return False

        until(again, "it answers again", 60)
        assert plant.process.poll() is None
        assert plant.token == token
        assert not asked(plant, "check", text=plant.path.read_text())[1]["changes"]
        plant.path.write_text(WRONG)
        status, said = asked(plant, "restart")
        assert (status, said["error"].partition(":")[0]) == (409, "not restarted")
        plant.stop()


@pytest.mark.servers
def test_below_systemd_a_restart_ends_the_process_with_the_exit_code_that_is_documented(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with Plant(tmp_path / "plant") as plant:
            assert asked(plant, "restart") == (200, {"restarting": True})
            code = plant.process.wait(60)
    rows = (Path(__file__).parent.parent / "docs" / "operation.md").read_text().splitlines()
    assert [row for row in rows if row.startswith(f"| {code} | *Restart now* on the page")]


@pytest.mark.servers
def test_in_safe_mode_the_file_is_mended_and_the_service_started_from_the_page(tmp_path):
    with Plant(tmp_path / "plant") as plant:
        good = plant.path.read_text()
        plant.path.write_text(good + WRONG)
        tag = asked(plant, "open")[1]["tag"]
        plant.process.terminate()
        plant.process.wait(30)
        plant.start_anyhow()

        def safe():
            try:
                return plant.get("/api/health")[1]["safe_mode"]
            except OSError:
                return False

        until(safe, "safe mode", 60)
        assert asked(plant, "open", "")[0] == 401
        assert asked(plant, "restart")[0] == 409
        assert asked(plant, "save", text=good, tag=tag)[0] == 200
        assert asked(plant, "restart")[0] == 200
        until(lambda: "mqtt.connected" in plant.log, "the service is subscribed", 60)
        assert plant.stop() == 0
