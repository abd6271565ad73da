"""The configuration file as the page shows it: its text, and what is wrong with it, by line and key."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config import ConfigError
from pipeline.config_file import load

LONGEST = 262_144  # characters that are shown
_SECRET = re.compile(
    r"^(\s*(?:-\s+)?[\"']?(?:\w*_)?(?:password|token|secret)[\"']?\s*:\s*)(?!\{|\s*(?:#|$))\S.*$", re.I
)
_WITHIN = re.compile(r"([\"']?(?:\w*_)?(?:password|token|secret)[\"']?\s*:\s*)(?![{\s*#]|$)[^,}]+", re.I)  # in braces
_USER = re.compile(r"(//)[^/\s\"'@]+@")
_PROBLEM = re.compile(r"^(?P<file>.+?):(?P<line>\d+): (?:(?P<key>[^:\s]+): )?(?P<what>.*)$", re.DOTALL)


def hidden(text: str) -> str:
    """The text without what somebody may have written where a secret must not be."""
    lines, deeper = [], None
    for line in text[:LONGEST].splitlines():
        indent = len(line) - len(line.lstrip())
        if deeper is not None and line.strip() and indent > deeper:
            lines.append(" " * indent + "***")
            continue
        deeper = None
        found = _SECRET.match(line)
        if found:
            deeper = indent  # a text that goes on over several lines
            line = found[1] + "***"
        else:
            line = _WITHIN.sub(r"\1***", line)
        lines.append(_USER.sub(r"\1***@", line))
    return "\n".join(lines)


def problem(text: str) -> dict[str, Any]:
    """A line of a ConfigError in its parts."""
    found = _PROBLEM.match(text)
    if found is None:
        return {"file": "", "line": None, "key": "", "what": text}
    return {"file": found["file"], "line": int(found["line"]), "key": found["key"] or "", "what": found["what"]}


def described(path: Path | None, environ: Mapping[str, str], running: bool) -> dict[str, Any]:
    """The file as it is now, which may not be what the service has started with."""
    if path is None:
        return {"running": running, "file": None, "text": "", "problems": []}
    try:
        load(path, environ)
        problems: tuple[str, ...] = ()
    except ConfigError as error:
        problems = error.problems
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        text = ""
    return {
        "running": running,
        "file": str(path),
        "text": hidden(text),
        "problems": [problem(one) for one in problems],
    }
