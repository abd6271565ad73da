#!/usr/bin/env python3
"""Put boards side by side: ``compare.py [NAME=]A.json [NAME=]B.json ...``.

The files come from ``board.py --json``; one table per measure, one row per board.
"""

import json
import sys
from pathlib import Path

from board import show


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        raise SystemExit(__doc__)
    tables: dict[str, list] = {}
    for argument in sys.argv[1:]:
        name, _, file = argument.rpartition("=")
        report = json.loads(Path(file).read_text())
        for entry in [*report["sets"].values(), *filter(None, [report.get("calibration")])]:
            for title, lines in entry["tables"].items():
                for row, values in lines.items():
                    row = row.removeprefix("this").removeprefix(", ")
                    label = f"{name or Path(file).stem} at {report['threshold']:g}"
                    tables.setdefault(title, []).append((row, label, values))
    for title, lines in tables.items():
        if title.endswith(": every machine"):
            continue
        order = list(dict.fromkeys(row for row, _, _ in lines))
        lines.sort(key=lambda line: order.index(line[0]))
        show(
            title, [(f"{label}  {row}".strip(), values) for row, label, values in lines if row != "every row alarms"]
        )


if __name__ == "__main__":
    main()
