"""A machine as a program for a microcontroller: compiled, run on emulated processors, and brought back."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from machines import machine_with_modes
from plants import Plant

import build_core
from pipeline.console.machines_api import BODY_BYTES
from pipeline.device.export import ExportError, export
from pipeline.engine.commands import Command, CommandError
from pipeline.engine.engine import Engine
from pipeline.engine.verbs import VERBS
from pipeline.network import device_block
from pipeline.network._core import lib
from pipeline.network.calendar import Calendar
from pipeline.notify.text import ENDED
from pipeline.records import Machine, Reading

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
PRESS = Machine("press 1", (("site", "a"),))
LEARNED, FOLLOW, BROKEN = 3_000, 1_500, 1_100  # rows on the gateway, on the device, and of these before the fault
CPUS = ("m3", "m4f", "m33")
OF_THE_COMPILER = re.compile(r"__aeabi_\w+|__gnu_\w+|__clz\w+|__udivmod\w+")  # arithmetic that a processor has not
MEMORY = {"memcpy", "memset", "memcmp", "memmove"}


def table(seed=5):
    """Three sensors through modes, which drift as the machine ages; then the second breaks."""
    rows = LEARNED + FOLLOW
    found = machine_with_modes(rows, 3, seed) + np.linspace(0, 2, rows)[:, None]
    found[LEARNED + BROKEN :, 1] += 25.0
    return np.asarray(found, np.float32).astype(float)


def messages(rows, first=0):
    """A message per row."""
    return [
        [Reading(PRESS, f"s{i}", START + (first + at) * SECOND, value) for i, value in enumerate(row)]
        for at, row in enumerate(rows.tolist())
    ]


def lived(rows, **settings):
    """An engine after these rows."""
    engine = Engine(**settings)
    for begin in range(0, len(rows), 500):
        engine.step(engine.arrange(messages(rows[begin : begin + 500], begin)))
    return engine


def made(folder, target, *settings):
    """What a target of the program's Makefile prints."""
    order = ["make", "-s", "-C", folder, target, *settings]
    found = subprocess.run(order, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert found.returncode == 0, found.stdout
    return found.stdout


def figures(text):
    """The figures of a run by their names."""
    return {name: int(number) for name, number in re.findall(r"(\w+) (-?\d+)", text)}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """An exported machine; the rows that follow are its golden vectors."""
    folder = tmp_path_factory.mktemp("device") / "press"
    rows = table()
    export(lived(rows[:LEARNED]), 0, folder, rows[LEARNED:].astype(np.float32))
    return folder


def test_the_program_scores_as_the_gateway_on_this_computer(program):
    found = figures(made(program, "check"))
    assert found["rows"] == FOLLOW
    assert found["alarms"] > 100
    assert found["other_side"] == 0


@pytest.mark.servers
@pytest.mark.parametrize("cpu", CPUS if os.environ.get("SPIKEWATCH_ALL_DEVICES") else ["m4f"])
def test_a_microcontroller_scores_as_the_gateway_and_ends_with_the_same_memory_as_this_computer(program, cpu):
    here, there = figures(made(program, "check")), figures(made(program, "qemu", f"CPU={cpu}"))
    text, data, bss = map(int, made(program, "size", f"CPU={cpu}").splitlines()[1].split()[:3])
    flash, ram = text + data - FOLLOW * 4 * 4, data + bss + there["stack_bytes"]  # without the golden vectors
    print(f"{cpu}: flash {flash:,} with what was learned, RAM {ram:,}, {there}")  # noqa: T201
    same = ("rows", "alarms", "other_side", "apart_ppm", "farthest_ppm", "check")
    assert {name: there[name] for name in same} == {name: here[name] for name in same}


@pytest.mark.servers
def test_the_device_s_library_needs_nothing_but_copies_of_memory_and_arithmetic(program):
    made(program, "device", "CPU=m3")
    library = program / "build" / "libspikewatch-m3.a"
    listed = subprocess.run(["arm-none-eabi-nm", library], check=True, capture_output=True, text=True).stdout
    symbols = re.findall(r"^(?:[0-9a-f]{8})? *([A-Za-z]) (\S+)$", listed, re.MULTILINE)
    own = {name for kind, name in symbols if kind not in "U"}
    needed = {name for kind, name in symbols if kind == "U"} - own
    assert {name for name in needed if not OF_THE_COMPILER.fullmatch(name)} <= MEMORY


@pytest.fixture(scope="module")
def torn(program):
    """A program whose supply fails while it saves, under sanitizers."""
    to = program / "torn"
    core = [str(path) for path in sorted(program.glob("core/**/*.c"))]
    own = [str(program / name) for name in ("device.c", "flash.c", "machine.c")]
    options = ["-std=c99", "-g", "-O1", "-DSW_SINGLE", "-fsingle-precision-constant", "-ffp-contract=off"]
    checks = ["-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsanitize=address,undefined"]
    places = [f"-I{program}", f"-I{program}/core"]
    test = str(Path(__file__).parent / "device_flash.c")
    subprocess.run(["gcc", *options, *checks, *places, test, *own, *core, "-lm", "-o", to], check=True)
    return to


def test_a_save_that_is_cut_off_anywhere_leaves_what_was_saved_before(torn, program):
    [size] = re.findall(r"MACHINE_BLOCK_BYTES (\d+)", (program / "machine.h").read_text())
    whole = 2 * (int(size) + 8)  # erased, then written
    rng = np.random.default_rng(0)
    for count in [
        0,
        1,
        whole // 2,
        whole - 16,
        whole - 9,
        whole - 8,
        whole - 1,
        whole,
        *rng.integers(whole, size=24),
    ]:
        found = subprocess.run([torn, str(count)], capture_output=True, text=True)
        assert (found.returncode, found.stderr) == (0, ""), count


def test_what_a_device_has_learned_goes_on_in_the_service_as_if_it_had_been_there(program, tmp_path):
    rows = table()
    made(program, "host")
    lines = ["time,s0,s1,s2"]
    half = LEARNED + BROKEN - 100
    for at in range(LEARNED, half):
        lines.append(f"{1_700_000_000 + at}," + ",".join(map(repr, rows[at].tolist())))
    said = subprocess.run(
        [program / "build" / "host", "--save", tmp_path / "block"],
        check=True,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert len(said) == 1 + half - LEARNED
    away = lived(rows[:LEARNED])
    block = base64.b64encode((tmp_path / "block").read_bytes()).decode()
    points = away.apply(Command("import", PRESS, block, "anna", "cli", START))
    size = (tmp_path / "block").stat().st_size
    assert str(points[-1].fields["argument"]).startswith(f"{size} bytes, CRC-32 ")
    stayed = lived(rows[:half])
    rest = rows[half:]
    have, want = (
        engine.judge(engine.arrange(messages(rest, half)), last=True).row["score"] for engine in (away, stayed)
    )
    alarms = want >= 0.99
    assert alarms.sum() > 100
    assert ((have >= 0.99) != alarms).sum() <= 2
    away.apply(Command("rollback", PRESS))
    assert len(away.quality(0)) == 3


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-01T00:00:00Z,1,2,3",
        "1700009000000,1,2,3",
        '1700009000,"1",2,3',
        "1700009000;1;2;3",
        "1700009000,1,2,3,4",
    ],
)
def test_a_line_that_is_no_row_ends_the_program_on_a_computer_with_its_number(program, line):
    made(program, "host")
    text = f"time,s0,s1,s2\n1700008999,1,,3\n\n{line}\n"
    found = subprocess.run([program / "build" / "host"], input=text, capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr == "line 4: is not Unix time in seconds and 3 values at most\n"


def test_a_changed_header_is_compiled_and_a_processor_that_is_not_known_is_refused(program):
    made(program, "host")
    assert "gcc" not in made(program, "host", "-n", "CC=gcc")
    header = program / "core" / "pipeline" / "network" / "rank.h"
    later = (program / "build" / "host").stat().st_mtime_ns + SECOND
    os.utime(header, ns=(later, later))
    assert "gcc" in made(program, "host", "-n", "CC=gcc")
    order = ["make", "-C", program, "device", "CPU=m7"]
    refused = subprocess.run(order, capture_output=True, text=True)
    assert (refused.returncode, "CPU=m7: not one of m3, m4f and m33" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("", "import needs the device's block in base64"),
        ("ä", "not a block in base64"),
        (base64.b64encode(b"no block").decode(), "not a machine's block"),
    ],
)
def test_what_is_no_block_is_not_imported_and_changes_nothing(argument, says):
    engine = lived(table()[:300])
    before = engine.fleet.block(0).sealed()
    with pytest.raises(CommandError, match=says):
        engine.apply(Command("import", PRESS, argument))
    assert engine.fleet.block(0).sealed() == before


@pytest.mark.parametrize("other", [Machine("press 2"), PRESS])
def test_a_block_of_another_machine_or_of_other_sensors_is_not_imported(program, other):
    engine = Engine()
    names = [f"of {other.name} {i}" for i in range(3)]
    engine.step(engine.arrange([[Reading(other, name, START, 1.0) for name in names]]))
    words = re.findall(r"0x([0-9a-f]{16})", (program / "machine.c").read_text().split("machine_parameters")[0])
    stored = b"".join(int(word, 16).to_bytes(8, "little") for word in words)
    with pytest.raises(CommandError, match="a block of another machine, or of other sensors"):
        engine.apply(Command("import", other, base64.b64encode(stored).decode()))


def test_a_machine_that_no_device_can_hold_is_not_exported(tmp_path):
    engine = Engine()
    wide = [[Reading(PRESS, f"s{i}", START, 1.0) for i in range(17)]]
    engine.step(engine.arrange(wide))
    with pytest.raises(ExportError, match="press 1: has 17 sensors, and a device takes at most 16"):
        export(engine, 0, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ExportError, match="full: is not empty"):
        export(lived(table()[:50]), 0, tmp_path / "full")


def test_a_machine_whose_values_no_device_takes_is_not_exported_and_the_sensor_is_named(tmp_path):
    engine = Engine()
    for at in range(60):
        row = [
            Reading(PRESS, "small", START + at * SECOND, at % 3.0),
            Reading(PRESS, "huge", START + at * SECOND, 1e60),
        ]
        engine.step(engine.arrange([row]))
    with pytest.raises(
        ExportError, match=r"press 1: sensor huge has values of 3e\+38, and a device takes at most 1e\+15"
    ):
        export(engine, 0, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_largest_block_of_a_device_fits_into_a_request():
    assert 4 * device_block.Parts(lib.SW_COHORT, context=True).bytes / 3 + 1_000 < BODY_BYTES


def test_the_incident_s_page_and_its_last_message_have_words_for_every_command():
    script = (build_core.ROOT / "pipeline" / "console" / "assets" / "incident.js").read_text()
    [says] = re.findall(r"^const SAYS = \{(.*)\};$", script, re.MULTILINE)
    assert set(re.findall(r"(\w+): \"", says)) == set(VERBS)
    assert set(VERBS) - set(ENDED) == {"freeze", "resume", "ack", "snooze", "label"}


def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(self, text):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        export(lived(table()[:50]), 0, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_names_and_local_time_of_any_machine_are_constants_of_c(tmp_path):
    odd = Machine('"Ofen" */ /* \\ ??/ ß', ())
    calendar = Calendar((START - 86_400 * SECOND, START), (3600 * SECOND, 7200 * SECOND), (19_700,))
    engine = Engine(calendars=lambda name: calendar)
    for at in range(60):
        engine.step(engine.arrange([[Reading(odd, 'T "1" °C', START + at * SECOND, at % 7.0)]]))
    export(engine, 0, tmp_path / "odd")
    found = figures(made(tmp_path / "odd", "check"))
    assert (found["rows"], found["other_side"]) == (300, 0)


@pytest.mark.servers
def test_a_machine_goes_from_a_running_service_to_a_device_and_back_by_the_command_line(tmp_path):
    def spikewatch(*words):
        return subprocess.run(
            [sys.executable, "-m", "pipeline", *words, "--config", str(plant.path)],
            capture_output=True,
            text=True,
            cwd=build_core.ROOT,
        )

    with Plant(tmp_path) as plant:
        plant.send("press-1", machine_with_modes(400, 3, 1))
        plant.send("press-1", machine_with_modes(400, 3, 1), site="b")
        wrong = spikewatch("export", "c", "--machine", "press-1", "--out", str(tmp_path / "out"))
        assert (wrong.returncode, "press-1;site=a, press-1;site=b" in wrong.stderr) == (1, True)
        near = spikewatch("export", "c", "--machine", "Press-01", "--out", str(tmp_path / "out"))
        assert "did you mean press-1?" in near.stderr
        done = spikewatch("export", "c", "--machine", "press-1;site=a", "--out", str(tmp_path / "out"), "--json")
        assert json.loads(done.stdout)["sensors"] == ["s0", "s1", "s2"], done.stderr
        made(tmp_path / "out", "host")
        rows = "\n".join(f"{1_700_000_400 + at},{at % 5},{at % 3},1" for at in range(50))
        host = [tmp_path / "out" / "build" / "host", "--save", tmp_path / "block"]
        subprocess.run(host, check=True, input=rows, text=True, capture_output=True)
        brought = spikewatch("import", str(tmp_path / "block"), "--machine", "press-1;site=a", "--by", "anna")
        assert brought.returncode == 0, brought.stderr
        (tmp_path / "cut").write_bytes((tmp_path / "block").read_bytes()[:-8])
        refused = spikewatch("import", str(tmp_path / "cut"), "--machine", "press-1;site=a")
        assert (refused.returncode, "a truncated block" in refused.stderr) == (1, True)
        assert re.search(r"command verb=import .*CRC-32 [0-9a-f]{8}", plant.log)
        plant.process.kill()  # what was imported is in the journal
        plant.process.wait()
        plant.start()
        assert spikewatch("tell", "press-1;site=a", "rollback").returncode == 0
