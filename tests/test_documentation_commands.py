"""What the pages tell people to type is there, and leads where they say."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
import typer
from pages import ALL, DOCS, ROOT, prose, typed
from servers import Mosquitto, until

from pipeline.cli import app


def said(prefix: str) -> set[str]:
    """What the pages tell people to type that begins like this: lines of blocks, and words in back quotes."""
    found = set()
    for page in ALL:
        found |= {line.split("  #")[0].strip() for line in typed(page.read_text())}
        found |= {" ".join(words.split()) for words in re.findall(r"`([^`]+)`", prose(page))}
    return {words for words in found if words.startswith(prefix)}


@pytest.mark.parametrize("words", sorted(said("spikewatch ")))
def test_a_command_that_a_page_names_is_one_with_these_options(words: str):
    command: click.Command = typer.main.get_command(app)
    context = click.Context(command)
    arguments = shlex.split(words.split(" && ")[0].replace("...", ""))[1:]
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
        if name == "COMMAND":
            return
        found = command.get_command(context, name)
        assert found is not None, words
        command = found
    # Without looking for files, or for what is left out where only the command is talked of.
    command.make_context(words, arguments, resilient_parsing=True)


@pytest.mark.parametrize("words", sorted(said("make ")))
def test_a_target_of_make_that_a_page_names_is_in_the_makefile(words: str):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words.split()[1] in targets


def test_every_extra_that_a_page_names_can_be_installed():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {name for page in ALL for name in re.findall(r"'\.\[(\w+)\]'", page.read_text())}
    assert {"files", "waveform", "demo"} <= named <= set(extras)


def ours(*arguments: str) -> list[str]:
    """One of our commands, as a process."""
    return [sys.executable, "-m", "pipeline", *arguments]


def commands_of(page: str, heading: str) -> list[list[str]]:
    """The arguments of our commands in the blocks below a heading of a page."""
    section = (DOCS / page).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [shlex.split(line, comments=True)[1:] for line in typed(section)]


@contextmanager
def running(folder: Path, arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """One of our commands in a folder, until the end of the block; it must then end in order."""
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen(ours(*arguments), cwd=folder, env=environment(folder), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        code = process.wait(30)
    assert code in (0, -signal.SIGTERM, 128 + signal.SIGTERM)


def done(folder: Path, arguments: list[str], answers: str = "") -> str:
    """What one of our commands prints; it must end well."""
    ended = subprocess.run(
        ours(*arguments), cwd=folder, env=environment(folder), input=answers, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def environment(folder: Path) -> dict[str, str]:
    """Nothing of this process's own."""
    return {"PYTHONPATH": str(ROOT), "PATH": os.defpath, "HOME": str(folder)}


def learned(folder: Path, *config: str) -> bool:
    """Whether the sixth press of the simulation is known."""
    journal = folder / "spikewatch-data" / "journal.sqlite"
    return journal.exists() and "press-06" in done(folder, ["machines", *config])


@pytest.mark.servers
def test_without_a_plant_the_two_commands_of_getting_started_make_machines(tmp_path: Path):
    run, simulate = commands_of("getting-started.md", "No plant at hand")
    port = tmp_path / "spikewatch-data" / "broker.port"
    (tmp_path / "spikewatch.yaml").touch()
    with running(tmp_path, run):
        until(lambda: port.exists() and port.read_text().strip(), "the broker is there", 60)
        with running(tmp_path, simulate):
            until(lambda: learned(tmp_path), "six presses are known", 60)


@pytest.mark.servers
def test_the_commands_of_getting_started_lead_from_a_brokers_address_to_machines(tmp_path: Path):
    init, tap, check, run = commands_of("getting-started.md", "Your plant")
    _, simulate = commands_of("getting-started.md", "No plant at hand")
    with Mosquitto(tmp_path / "mosquitto") as broker, running(tmp_path, [*simulate, "--url", broker.url]):
        done(tmp_path, [*init, "--seconds", "3"], f"{broker.url}\n\n")
        assert "press-0" in done(tmp_path, [*tap, "--count", "3"])
        assert "plant/{machine}" in (tmp_path / "plant.yaml").read_text()
        done(tmp_path, check)
        with running(tmp_path, run):
            until(lambda: learned(tmp_path, "--config", "plant.yaml"), "six presses are known", 60)


def test_a_backup_by_the_page_is_for_its_owner_only_and_restores_folder_and_configuration_as_they_were(
    tmp_path: Path,
):
    section = (DOCS / "operation.md").read_text().split("\n## Backup\n")[1].split("\n## ")[0]
    backup, restore = ("\n".join(typed(part)) for part in section.split("To restore"))
    root = tmp_path / "root"
    wanted = {
        "var/lib/private/spikewatch/spikewatch-data/journal.sqlite": b"j",
        "etc/spikewatch/spikewatch.yaml": b"c",
    }
    for name, content in wanted.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(content)
        (root / name).chmod(0o600)
    (root / "var" / "backups").mkdir()
    (tmp_path / "systemctl").write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/said"\n')
    (tmp_path / "systemctl").chmod(0o755)

    def typed_in(lines: str) -> None:
        here = re.sub(r"(?<= )/(?=var|\s|$)", f"{root}/", lines, flags=re.MULTILINE)
        path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        subprocess.run(["sh", "-euc", f"umask 022\n{here}"], env=path, check=True)

    typed_in(backup)
    assert (root / "var/backups/spikewatch.tar.gz").stat().st_mode & 0o777 == 0o600
    for name in wanted:
        (root / name).write_bytes(b"newer")
    typed_in(restore)
    assert {name: (root / name).read_bytes() for name in wanted} == wanted
    assert {(root / name).stat().st_mode & 0o777 for name in wanted} == {0o600}
    assert (root / "var/lib/private/spikewatch.before/spikewatch-data/journal.sqlite").read_bytes() == b"newer"
    assert (tmp_path / "said").read_text().split() == ["stop", "spikewatch", "start", "spikewatch"] * 2
