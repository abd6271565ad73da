"""The configuration file as the page shows it: its text, and what is wrong with it, by line and key."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.config.file import MOST_BYTES, load
from pipeline.config.settings import ConfigError, Problem
from pipeline.files import read_bounded

LONGEST = 262_144  # characters that are shown
_KEY = r"[\"']?(?:\w*_)?(?:password|token|secret)[\"']?\s*:"
_NAMED = r"[\"']?(?:env|file)[\"']?\s*:"  # what says where the secret is, and is no secret
_SECRET = re.compile(rf"^(\s*(?:-\s+)?{_KEY}\s*)(?!\{{\s*{_NAMED}|\s*(?:#|$))\S.*$", re.I)
_BELOW = re.compile(rf"^\s*(?:-\s+)?{_KEY}\s*(?:#.*)?$", re.I)
_WITHIN = re.compile(rf"({_KEY}\s*)(?!\{{\s*{_NAMED}|[\s#]|$)(?:\"[^\"]*\"?|'[^']*'?|[^,}}]+)", re.I)  # in braces
_VARIABLE = re.compile(r"(\benv[\"']?\s*:\s*)(?![\"']?[A-Z_][A-Z0-9_]{0,39}[\"']?\s*(?:[,}#]|$))[^\s,}][^,}]*")
# What may be shown of a URL: all of it, where nothing but a host, a port and a plain path is in it. An address of
# Apprise may be a token and nothing else, and so may the path of a webhook.
_CLEAN = re.compile(
    r"(?:(?<=\bmqtt:)|(?<=\bmqtts:)|(?<=\bhttp:)|(?<=\bhttps:))"
    r"//(?:[\w.-]+|\[[\w:.%]+\])(?::[0-9]{1,5})?(?:/[\w/.~-]*)?(?=[\"'\s,}\]]|$)"
)
_HOOK = re.compile(r"(\bwebhook[\"']?\s*:\s*[\"']?https?://[^/\s\"',}]+/)[^\s\"',}]+")
_KEYED = re.compile(r"\s*(?:-\s+)?[\[{\"']*\w+[\"']?\s*:(?:\s|$)")
_USER = re.compile(r"\S*@")
_QUERY = re.compile(r"[?&;]\s*\w+=.*$")


def hidden(text: str) -> str:
    """The text without what somebody may have written where a secret must not be; hides rather too much.

    By line and not by what YAML makes of it, for it is shown just when it is no YAML.
    """
    lines: list[str] = []
    quote, deeper = "", -1  # what hides the next lines: a quote that is still open; being further in than this
    only_below = False  # of what is further in, all but the names `env` and `file`
    for line in text[:LONGEST].splitlines():
        indent = len(line) - len(line.lstrip())
        if quote or (0 <= deeper < indent and not (only_below and re.match(rf"\s*{_NAMED}", line))):
            lines.append(" " * indent + "***" if line.strip() else "")
            quote = _open_quote(line) if not quote else "" if quote in line else quote
            continue
        if line.strip() and indent <= deeper:
            deeper = -1
        shown = _without(line)
        if shown != line:
            quote = _open_quote(line)
        if _SECRET.match(line) or _BELOW.match(line):
            deeper, only_below = indent, _BELOW.match(line) is not None
        elif "//" in line and not line.lstrip().startswith("#"):
            # A URL that goes on; where it has no key before it, in lines that are as far in.
            deeper, only_below = len(line) - len(line.lstrip("- ")) - (_KEYED.match(line) is None), False
        lines.append(shown)
    return "\n".join(lines)


def _without(line: str) -> str:
    found = _SECRET.match(line)
    if found:
        return found[1] + "***"
    plain = {one.start() for one in _CLEAN.finditer(line)}
    odd = [one.start() for one in re.finditer("//", line) if one.start() not in plain]
    if odd:
        line = line[: odd[0] + 2] + "***"
    hides = ((_WITHIN, r"\1***"), (_VARIABLE, r"\1***"), (_USER, "***@"), (_QUERY, "***"), (_HOOK, r"\1***"))
    for pattern, instead in hides:
        line = pattern.sub(instead, line)
    return line


def _open_quote(line: str) -> str:
    """The quote that is still open at a line's end, empty if none is."""
    quote, before = "", " "
    for sign in line:
        if sign == quote:
            quote = ""
        elif not quote and sign in "\"'" and before in " [{,:-":
            quote = sign
        before = sign
    return quote


def told(problem: Problem) -> dict[str, Any]:
    """A problem as the API has it."""
    return {"file": problem.file, "line": problem.line, "key": problem.key, "what": problem.message}


def tag_of(content: bytes | None) -> str:
    """What tells one content of the file from another; empty where there is no file."""
    return "" if content is None else hashlib.sha256(content).hexdigest()[:20]


def described(path: Path | None, environ: Mapping[str, str], running: bool, may_edit: bool = False) -> dict[str, Any]:
    """The file as it is now, which may not be what the service has started with."""
    if path is None:
        return {"running": running, "file": None, "text": "", "problems": [], "tag": "", "editable": False}
    try:
        load(path, environ)
        problems: tuple[Problem, ...] = ()
    except ConfigError as error:
        problems = error.problems
    try:
        content = read_bounded(path, MOST_BYTES)
    except OSError:
        content = None
    return {
        "running": running,
        "file": str(path),
        "text": hidden((content or b"").decode("utf-8-sig", "replace")),
        "problems": [told(one) for one in problems],
        "tag": tag_of(content),
        "editable": may_edit,
    }
