"""Ctrl-C and SIGTERM, once and twice, at every stage: nothing hangs, nothing is left over, no traceback is shown."""

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from servers import free_port, until

from pipeline.service.stopping import Stopped, at_once, until_stopped

ROOT = Path(__file__).parent.parent
ONCE, TWICE = (signal.SIGINT,), (signal.SIGINT, signal.SIGTERM)
NOISE = ("Traceback", "Error", "Task was destroyed", "never retrieved", "Exception ignored")
END_S = 20.0  # with all that a busy machine needs; it takes about two


class Program:
    """A running command, what it has said so far, and its own folders."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.temporary, self._log = folder / "cwd", folder / "tmp", folder / "log"
        for each in (self.folder, self.temporary):
            each.mkdir()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", *arguments],
                stdout=log, stderr=log, cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary), **environment},
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self._log.read_text()

    def says(self, text: str) -> "re.Match[str]":
        """Wait until the program says what matches."""
        until(lambda: re.search(text, self.said) or self.process.poll() is not None, text, 60)
        found = re.search(text, self.said)
        assert found, self.said
        return found

    def end(self, signals: tuple[signal.Signals, ...]) -> int:
        """Send signals and wait; its exit code."""
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait(END_S)


@contextmanager
def program(folder: Path, *arguments: str, **environment: str):
    """A program that does not outlive the test."""
    one = Program(folder, *arguments, **environment)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()


def commands():
    """The command lines of all processes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def tidy(one: Program) -> None:
    """Nothing is left of a demonstration, and nothing was said that only we understand."""
    assert not [noise for noise in NOISE if noise in one.said], one.said
    assert list(one.folder.iterdir()) == []
    assert list(one.temporary.iterdir()) == []


@pytest.mark.parametrize("signals", [ONCE, TWICE])
def test_a_demonstration_that_is_stopped_while_it_plays_leaves_nothing_behind(tmp_path, signals):
    with program(tmp_path / "a", "demo", "--seconds", "120") as one:
        broker = one.says(r"mqtt://127\.0\.0\.1:\d+")[0]
        one.says("machine-temperature")
        until(lambda: any(broker in line for line in commands()), "the player plays")
        assert one.end(signals) in ({0} if signals == ONCE else {130, 143}), one.said
        tidy(one)
        until(lambda: not any(broker in line for line in commands()), "the player is gone", 5)


@pytest.mark.parametrize("signals", [ONCE, TWICE])
def test_a_demonstration_that_is_stopped_while_it_begins_leaves_nothing_behind(tmp_path, signals):
    with program(tmp_path / "a", "demo") as one:
        one.says("Playing recordings of 3 machines over MQTT in 75 s, once, as there is no terminal")
        assert one.end(signals) in ({0} if signals == ONCE else {130, 143}), one.said
        tidy(one)


class Terminal:
    """A demonstration in a terminal of its own, as `script` and people have."""

    def __init__(self, folder: Path) -> None:
        self.end, child = pty.openpty()
        command = [sys.executable, "-m", "pipeline", "demo", "--seconds", "2", str(folder / "m.csv")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), "COLUMNS": "100", "LINES": "30"}
        self.process = subprocess.Popen(
            command, stdin=child, stdout=child, stderr=child, cwd=folder, env=environment, start_new_session=True
        )
        os.close(child)
        os.set_blocking(self.end, False)
        self._said = b""

    @property
    def said(self) -> str:
        with suppress(BlockingIOError, OSError):  # nothing now, or the other end is closed
            while more := os.read(self.end, 65_536):
                self._said += more
        return self._said.decode(errors="replace")

    def ended(self) -> bool:
        return bool(self.said) and self.process.poll() is not None


@pytest.fixture
def terminal(tmp_path):
    rows = "".join(f"2025-03-01T00:{row // 60:02}:{row % 60:02}Z,{20 + row % 5}\n" for row in range(120))
    (tmp_path / "m.csv").write_text(f"time,a\n{rows}")
    one = Terminal(tmp_path)
    yield one
    one.process.kill()
    one.process.wait()
    os.close(one.end)


def test_in_a_terminal_a_demonstration_plays_again_until_ctrl_c(terminal):
    # The recording lasts two minutes: a time beyond them is of the second pass.
    until(lambda: "2025-03-01 00:02:" in terminal.said, "it plays again", 90)
    assert "Playing recordings of 1 machine over MQTT in 2 s, again and again until Ctrl-C" in terminal.said
    terminal.process.send_signal(signal.SIGINT)
    until(terminal.ended, "it ends", END_S)
    assert terminal.process.returncode == 0, terminal.said
    assert "readings scored" in terminal.said


def test_where_the_input_of_the_terminal_ends_a_demonstration_plays_once(terminal):
    os.write(terminal.end, b"\x04")
    until(terminal.ended, "it ends", 90)
    assert terminal.process.returncode == 0, terminal.said
    assert "120 readings scored" in terminal.said


def interrupted(number):
    """A signal in the middle of something that then fails in its own way, as a lock does that is let go of twice."""
    try:
        signal.raise_signal(number)
    except BaseException:
        raise RuntimeError("release unlocked lock") from None


def stopped_twice():
    with until_stopped():
        signal.raise_signal(signal.SIGINT)
        interrupted(signal.SIGTERM)


def stopped_twice_where_exceptions_go_nowhere():
    with until_stopped():
        signal.raise_signal(signal.SIGINT)
        with suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)


def stopped_once_at_once():
    with until_stopped() as stop, at_once(stop):
        interrupted(signal.SIGINT)


def stopped_twice_at_once():
    with until_stopped() as stop, at_once(stop):
        try:
            signal.raise_signal(signal.SIGINT)
        except Stopped:
            interrupted(signal.SIGTERM)


@pytest.mark.parametrize(
    ("stopped", "expected", "code"),
    [
        (stopped_twice, SystemExit, 143),
        (stopped_twice_where_exceptions_go_nowhere, SystemExit, 143),
        (stopped_once_at_once, Stopped, None),
        (stopped_twice_at_once, SystemExit, 143),
    ],
)
def test_what_fails_because_a_signal_came_in_between_ends_as_the_signal_says(stopped, expected, code):
    with pytest.raises(expected) as end:
        stopped()
    assert getattr(end.value, "code", None) == code


def test_a_failure_that_no_signal_caused_stays_what_it_is():
    with pytest.raises(OSError, match="of its own"), until_stopped() as stop, at_once(stop):
        raise OSError("of its own")


def test_ctrl_c_while_the_parts_are_loaded_says_nothing(tmp_path):
    with program(tmp_path / "a", "demo") as one:
        until(lambda: "numpy" in Path(f"/proc/{one.process.pid}/maps").read_text(), "the first library is loaded")
        assert one.end(ONCE) in {-signal.SIGINT, 130, 0}
        tidy(one)


BEGINS = {  # what is to be seen of a service that begins, in this order
    "its libraries are loaded": lambda one: "numpy" in Path(f"/proc/{one.process.pid}/maps").read_text(),
    "it has a broker": lambda one: "broker.embedded" in one.said,
    "it has a page": lambda one: "console.ready" in one.said,
}


@pytest.mark.parametrize("signals", [ONCE, (signal.SIGTERM,), TWICE])
@pytest.mark.parametrize("moment", BEGINS)
def test_a_service_that_is_stopped_while_it_begins_ends_at_once(tmp_path, moment, signals):
    config = tmp_path / "plant.yaml"
    config.write_text(f"console: {{port: {free_port()}}}\n")
    with program(tmp_path / "a", "run", "-c", str(config)) as one:
        until(lambda: BEGINS[moment](one), moment)
        code = one.end(signals)
        before_it_hears = {-int(number) for number in signals} if moment == "its libraries are loaded" else set()
        assert code in {0, 130, 143} | before_it_hears, one.said
        assert not [noise for noise in NOISE if noise in one.said], one.said
        assert not (one.folder / "spikewatch-data" / "broker.port").exists()


def test_two_demonstrations_at_once_have_a_broker_and_a_page_each(tmp_path):
    with program(tmp_path / "a", "demo") as one, program(tmp_path / "b", "demo") as other:
        for text in (r"mqtt://127\.0\.0\.1:\d+", r"http://127\.0\.0\.1:\d+"):
            assert one.says(text)[0] != other.says(text)[0]
        for each in (one, other):
            each.says("machine-temperature")
        for each in (one, other):
            assert each.end(ONCE) == 0
            tidy(each)
