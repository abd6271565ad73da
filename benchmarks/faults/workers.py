"""The same work in several processes, each with a seed of its own, and what came of it: all that fuzzers share."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psutil


def reports_of(fuzz: Callable[[int, int], Any], kind: Any, description: str | None, executions: int) -> list[Any]:
    """What `fuzz(executions, seed)` reports in every process; `kind` is a report's type, `executions` the default.

    Reads the command line. In a process of our own it prints the report, and ends.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=executions)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=psutil.cpu_count() or 1)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(fuzz(options.executions, options.seed)))
        sys.exit()
    share = -(-options.executions // options.processes)
    command = [sys.executable, sys.argv[0], "--worker", "--executions", str(share), "--seed"]
    seeds = [options.seed * 1_000 + number for number in range(options.processes)]
    workers = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE) for seed in seeds]
    reports = [msgspec.json.decode(worker.communicate()[0], type=kind) for worker in workers]
    done, seconds = sum(report.executions for report in reports), max(report.seconds for report in reports)
    print(f"executions {done:,} in {seconds:.0f} s: {done / seconds:,.0f}/s on {options.processes} processes")
    return reports


def judge(problems: Sequence[str]) -> None:
    """Tell the problems, and end with 1 where there are any."""
    for problem in problems:
        print("  " + problem[:3_000])
    print("BROKEN" if problems else "all promises kept")
    sys.exit(bool(problems))
