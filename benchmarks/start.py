"""How long a start takes, how fast a start ends, and what memory it takes; a table with the goals beside.

    python benchmarks/start.py [--runs 9] [--parts cirtm] [--command .venv/bin/spikewatch]

(c) commands, from nothing to the end of the process: `--help`; `machines` on a used data folder with no service
    running; `score` of a CSV with 100 rows of 8 sensors;
(i) the import of `pipeline.engine.engine`, in a Python of its own;
(r) `run` on a used data folder (a snapshot of 5 machines of 8 sensors, and 2,000 readings in the journal since then)
    while a message of 3 rows waits at a broker: from nothing until another connection to the journal sees that the
    message's readings are committed. Their scores are in the same transaction. Looked at every 2 ms;
(t) SIGTERM to such a `run`, at moments that are spread over the first two seconds of its life: from the signal until
    the process is gone. Exit codes other than 0, 143 and -15, processes and files that are left over, and
    tracebacks are named; there should be none;
(m) resident memory: what `run` holds with no machine, and with 1,000 machines of 8 sensors 12 s after 40 rows of each
    have come as fast as the broker gave them; the most that `score` of (c) has held.

What a version compiles or writes into caches at its first start, it does before anything is measured. With two
commands each is measured in turn, so that both meet the same moods of the computer; each has folders of its own:

    python benchmarks/start.py --command ../before/.venv/bin/spikewatch --command .venv/bin/spikewatch

A command may have words before the program: --command 'env PYTHONPATH=elsewhere .venv/bin/spikewatch'.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from load import START_S, Broker
from paho.mqtt.client import CallbackAPIVersion, Client

CLIENT = "start"
MACHINES, SENSORS = 5, 8
SNAPSHOT_ROWS, JOURNAL_ROWS, WAITING_ROWS = 600, 50, 3
MANY, MANY_ROWS = 1000, 40
MOMENTS_S = np.arange(0.05, 2.01, 0.05)
FINE = {0, 128 + signal.SIGTERM, -signal.SIGTERM}
PATIENCE_S = 300.0  # for a version that compiles
SETTLE_S = 12.0  # before memory is looked at: the service tidies every ten seconds
NEWEST = "SELECT max(sequence) FROM readings"
MACHINES_OF = ("machines", "--config", "plant.yaml")
SCORE = ("score", "press-1.csv", "--out", "scores")
IMPORT = ("-c", "import pipeline.engine.engine")
# What Python would otherwise find first is the sources of whoever measures.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


class Timed(NamedTuple):
    """One run of a command."""

    seconds: float
    most_mb: float


class Subject:
    """A spikewatch that is measured, with data folders of its own."""

    def __init__(self, command: str, folder: Path, broker: Broker) -> None:
        self.command = shlex.split(command)
        self.command[-1] = str(Path(self.command[-1]).absolute())
        self.python = [*self.command[:-1], str(Path(self.command[-1]).with_name("python"))]
        self.folder, self._broker, self._at_s, self._ends = folder, broker, START_S, 0
        self.log = folder / "log"
        folder.mkdir()
        source = {"topic": "plant/{machine}", "payload": "json", "time": "time"}
        settings = {
            "data": str(self.data),
            "mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}", "client_id": CLIENT, "sources": [source]},
            "console": {"port": free_port()},
        }
        self.config = folder / "plant.yaml"
        self.config.write_text(json.dumps(settings))  # which is YAML, too

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    def spawn(self, *words: str) -> "subprocess.Popen[bytes]":
        """Begin a command, in a session of its own."""
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [*self.command, *words],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=ENVIRONMENT,
                start_new_session=True,
            )

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        """The service; ended in order if it still runs."""
        process = self.spawn("run", "--config", str(self.config))
        try:
            yield process
            process.terminate()
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()

    def timed(self, *words: str, python: bool = False) -> Timed:
        """Run a command to its end."""
        command = [*(self.python if python else self.command), *words]
        begin = time.perf_counter()
        with self.log.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=ENVIRONMENT)
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{shlex.join(command)}: {process.returncode}: {self.log.read_text()}")
        return Timed(seconds, usage.ru_maxrss / 1e3)

    def publish(self, machines: int, rows: int, last: str = "") -> None:
        """Rows of machines, in messages of at most ten, then one of the machine `last`; the broker has them after."""
        values = np.random.default_rng(self._at_s).normal(20.0, 1.0, (machines, rows, SENSORS)).round(3).tolist()
        client = Client(CallbackAPIVersion.VERSION2)
        client.max_queued_messages_set(0)
        client.connect("127.0.0.1", self._broker.port)
        client.loop_start()
        sent = []
        for first in range(0, rows, 10):
            for machine, own in enumerate(values):
                samples = [
                    {"time": self._at_s + first + row, **{f"s{s}": value for s, value in enumerate(sample)}}
                    for row, sample in enumerate(own[first : first + 10])
                ]
                sent.append(client.publish(f"plant/m-{machine}", json.dumps(samples), qos=1))
        if last:
            sent.append(client.publish(f"plant/{last}", json.dumps({"time": self._at_s, "s0": 20.0}), qos=1))
        for one in sent:
            one.wait_for_publish(PATIENCE_S)
        client.disconnect()
        client.loop_stop()
        self._at_s += rows

    def taken_in(self, machines: int, rows: int, process: "subprocess.Popen[bytes]") -> None:
        """Publish, and wait until it is committed: until the machine is known of which the last message is."""
        self._ends += 1
        name = f"end-{self._ends}"
        self.publish(machines, rows, name)
        self.until(lambda: self.asked(f"SELECT count(*) FROM machines WHERE name = '{name}'") == 1, process, 0.05)

    def asked(self, question: str) -> int:
        """A number that is in the journal; 0 where there is none."""
        try:
            database = sqlite3.connect(f"{(self.data / 'journal.sqlite').as_uri()}?mode=ro", uri=True)
        except sqlite3.Error:
            return 0
        try:
            return int(database.execute(question).fetchone()[0] or 0)
        except sqlite3.Error:
            return 0
        finally:
            database.close()

    def until(self, condition: Callable[[], bool], process: "subprocess.Popen[bytes]", pause_s: float) -> None:
        """Wait, while the process lives."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{shlex.join(self.command)}: {process.poll()}: {self.log.read_text()}")
            time.sleep(pause_s)

    def use(self) -> None:
        """Make a used data folder and a recording, so that each measurement can begin with them."""
        self._broker.subscribe(CLIENT)
        with self.running() as process:
            self.taken_in(MACHINES, SNAPSHOT_ROWS, process)
        with self.running() as process:
            self.taken_in(MACHINES, JOURNAL_ROWS, process)
            process.kill()  # without a snapshot
        self.data.rename(self.folder / "used")
        values = np.random.default_rng(1).normal(20.0, 1.0, (100, SENSORS)).round(3).tolist()
        lines = [f"{START_S + row},{','.join(map(str, one))}" for row, one in enumerate(values)]
        names = ",".join(f"s{s}" for s in range(SENSORS))
        (self.folder / "press-1.csv").write_text("\n".join([f"time,{names}", *lines, ""]))
        self.timed(*SCORE)

    def afresh(self, used: bool = True) -> None:
        """A data folder that has been used, or none."""
        shutil.rmtree(self.data, ignore_errors=True)
        if used:
            shutil.copytree(self.folder / "used", self.data)

    def first_score(self) -> float:
        """Seconds until the readings of a message that waits, and their scores, are committed."""
        self.afresh()
        before = self.asked(NEWEST)
        self.publish(1, WAITING_ROWS)
        begin = time.perf_counter()
        with self.running() as process:
            self.until(lambda: self.asked(NEWEST) > before, process, 0.002)
            return time.perf_counter() - begin

    def stopped(self, after_s: float) -> tuple[float, list[str]]:
        """Seconds that a service takes to end that has lived so long, and what is wrong with how it did."""
        self.afresh()
        with self.running() as process:
            time.sleep(after_s)
            begin = time.perf_counter()
            process.terminate()
            code = process.wait(PATIENCE_S)
            seconds = time.perf_counter() - begin
        wrong = [] if code in FINE else [f"exit code {code}"]
        wrong += [f"process {left} is left over" for left in session(process.pid)]
        wrong += ["a traceback"] if "Traceback" in self.log.read_text(errors="replace") else []
        return seconds, wrong

    def memory(self, machines: int) -> float:
        """Megabytes that a service holds which knows so many machines."""
        self.afresh(used=False)
        with self.running() as process:
            self.until(lambda: "mqtt.connected" in self.log.read_text(errors="replace"), process, 0.05)
            if machines:
                self.taken_in(machines, MANY_ROWS, process)
            time.sleep(SETTLE_S)
            return psutil.Process(process.pid).memory_info().rss / 1e6


def session(leader: int) -> list[int]:
    """Processes that still belong to the session of one that has ended."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                found.append(process.pid)
        except ProcessLookupError:
            continue
    return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Table:
    """Prints a line per measure: the goal, and for each subject the median, the least and the most."""

    def __init__(self, subjects: list[Subject]) -> None:
        self._subjects = subjects
        print(f"{'':34} {'goal':>8}" + "".join(f"   {name:>23}" for name, _ in zip("AB", subjects, strict=False)))

    def line(self, what: str, goal: str, runs: int, measure: Callable[[Subject], float], unit: str = "s") -> None:
        """Measure each subject in turn, so many times."""
        found: list[list[float]] = [[] for _ in self._subjects]
        for _ in range(runs):
            for subject, values in zip(self._subjects, found, strict=True):
                values.append(measure(subject))
        form = "{:.3f}" if unit == "s" else "{:.0f}"
        cells = []
        for values in found:
            middle, least, most = (form.format(one) for one in (statistics.median(values), min(values), max(values)))
            cells.append(f"   {middle:>7} ({least} to {most})".ljust(26))
        print(f"{what + ', ' + unit:34} {goal:>8}{''.join(cells)}".rstrip(), flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", action="append", help="which spikewatch, twice at most; default: this Python's")
    parser.add_argument("--runs", type=int, default=9, help="of each measure; of memory a third")
    parser.add_argument("--moments", type=int, default=1, help="send SIGTERM at every Nth of the 40 moments")
    parser.add_argument("--parts", default="cirtm", help="which of the five")
    options = parser.parse_args()
    commands = options.command or [str(Path(sys.executable).with_name("spikewatch"))]
    with tempfile.TemporaryDirectory(prefix="spikewatch-start-") as folder, ExitStack() as opened:
        subjects = []
        for name, command in zip("AB", commands, strict=False):
            subjects.append(Subject(command, Path(folder) / name, opened.enter_context(Broker())))
            print(f"{name}: {command}", flush=True)
            subjects[-1].use()
        print(f"median (least to most) of {options.runs} runs each")
        table = Table(subjects)
        for part in options.parts:
            measure(part, table, subjects, options.runs, MOMENTS_S[:: options.moments].tolist())


def measure(part: str, table: Table, subjects: list[Subject], runs: int, moments_s: list[float]) -> None:
    """Print the lines of a part."""
    few = max(1, runs // 3)
    match part:
        case "c":
            for subject in subjects:
                subject.afresh()
            table.line("spikewatch --help", "0.15", runs, lambda one: one.timed("--help").seconds)
            table.line("machines, used folder", "0.4", runs, lambda one: one.timed(*MACHINES_OF).seconds)
            table.line("score, 100 rows of 8 sensors", "", runs, lambda one: one.timed(*SCORE).seconds)
        case "i":
            table.line("import pipeline.engine.engine", "", runs, lambda one: one.timed(*IMPORT, python=True).seconds)
        case "r":
            table.line("run, used folder, to first score", "1", runs, Subject.first_score)
        case "t":
            wrong: list[str] = []
            moments = {id(subject): iter(moments_s) for subject in subjects}

            def stopped(subject: Subject) -> float:
                after_s = next(moments[id(subject)])
                seconds, found = subject.stopped(after_s)
                wrong.extend(f"    {shlex.join(subject.command)}: after {after_s:.2f} s: {one}" for one in found)
                return seconds

            table.line(f"SIGTERM to gone, {len(moments_s)} moments", "2 each", len(moments_s), stopped)
            print("\n".join(wrong) if wrong else "    nothing left over, every exit code as it should be", flush=True)
        case "m":
            table.line("run, no machine", "60", few, lambda one: one.memory(0), "MB")
            table.line(f"run, {MANY:,} machines x {SENSORS}", "140", few, lambda one: one.memory(MANY), "MB")
            table.line("score, 100 rows, the most", "", few, lambda one: one.timed(*SCORE).most_mb, "MB")
        case _:
            raise SystemExit(f"there is no part {part}")


if __name__ == "__main__":
    main()
