"""Writes the pages of docs/ that say what the code says: settings, HTTP API. `python docs/reference_pages.py`.

A setting's description is its comment in `pipeline/config/settings.py`, a route's what `pipeline/console/routes.py`
says of it. A test compares the pages with what this makes.
"""

import ast
import inspect
import json
import re
import tokenize
import types
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

from pipeline.config import settings
from pipeline.config.settings import Config, Secret
from pipeline.console import routes

DOCS = Path(__file__).parent
MADE = "\n\n<!-- Made by docs/reference_pages.py from {source}: change that, and run it. -->\n\n"
NAMES: dict[Any, tuple[str, str]] = {  # one, several
    str: ("text", "texts"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    bool: ("`true` or `false`", "`true` or `false`"),
    settings.Scalar: ("a value", "values"),
    bool | str: ("a word", "words"),
    tuple[float, float]: ("`[low, high]`", "`[low, high]`"),
    Secret: ("`{env: NAME}` or `{file: PATH}`", "`{env: NAME}` or `{file: PATH}`"),
}
CONFIGURATION = """\
Every setting of the YAML file that `spikewatch run --config FILE` reads. All are optional unless the default says
*required*: an empty file is a working configuration. [A whole file](#a-whole-file) has all of them with longer
comments, to start from.

- `spikewatch check --config FILE` names every mistake with its file, line and key, and connects to nothing.
- An unknown or repeated key is a mistake, too. A key with nothing after it has its default.
- A duration is a number and one of `ms`, `s`, `m`, `h`, `d`, `w`, or several of them: `90s`, `2h30m`.
- Relative paths start at the working directory.
- Changes count from the next start of the service.
- `mqtt.sources[]` means every entry of the list `sources` below `mqtt`; `machines[].sensors.NAME` what stands below a
  name that you choose.

"""
API = """\
What the console's page shows is asked of this API, which the service serves at the same address, by default
`http://127.0.0.1:8380`. `/api/openapi.json` describes it for programs (OpenAPI 3.1). Times are Unix seconds of the
data.

Reading is open on loopback. With another `console.host`, reading needs the token as well as writing, except for
`/healthz` and `/readyz`. The token is in the file `console.token` of the data folder, unless the setting
`console.token` says where yours is:

```
curl http://127.0.0.1:8380/api/machines?attention=critical
TOKEN=$(cat spikewatch-data/console.token)
curl -X POST http://127.0.0.1:8380/api/machines/press-1/command -H "Authorization: Bearer $TOKEN" \\
     -H 'Content-Type: application/json' -d '{"verb": "ack", "by": "anna"}'
```

| address | what it answers |
|---|---|
"""


class Field(NamedTuple):
    """One setting."""

    name: str
    hint: Any
    default: Any  # msgspec.NODEFAULT where it is required
    says: str


class Section(NamedTuple):
    """The settings that stand together."""

    path: str
    kind: type[msgspec.Struct]
    fields: tuple[Field, ...]


@cache
def comments() -> dict[tuple[str, str], str]:
    """What the source of the settings says of each field, by class and name: the comment above it, and behind it."""
    source = inspect.getsource(settings)
    found = {}
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            found[token.start[0]] = (alone, token.string.lstrip("# "))
    told = {}
    for part in ast.parse(source).body:
        for node in part.body if isinstance(part, ast.ClassDef) else ():
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                line = node.lineno
                while found.get(line - 1, (False, ""))[0]:
                    line -= 1
                lines = [found[at][1] for at in range(line, (node.end_lineno or line) + 1) if at in found]
                told[part.name, node.target.id] = " ".join(lines)
    return told


def said_of(kind: type[msgspec.Struct], name: str) -> str:
    """The description of a field, which a class may have from another."""
    return next(comments()[one.__name__, name] for one in kind.__mro__ if (one.__name__, name) in comments())


def fields_of(kind: type[msgspec.Struct]) -> tuple[Field, ...]:
    """In the order of the source."""
    hints = get_type_hints(kind)
    found = []
    for field in msgspec.structs.fields(kind):
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        found.append(Field(field.name, hints[field.name], default, said_of(kind, field.name)))
    return tuple(found)


def without_none(hint: Any) -> Any:
    """The type of a setting that may be left out."""
    if (
        get_origin(hint) not in (Union, types.UnionType)
        or type(None) not in get_args(hint)
        or hint == settings.Scalar
    ):
        return hint
    (own,) = [one for one in get_args(hint) if one is not type(None)]
    return own


def part_of(hint: Any) -> tuple[type[msgspec.Struct], str] | None:
    """The class that a setting holds and what to write behind its name; None for a setting that is a value."""
    hint = without_none(hint)
    own, written = {tuple: (0, "[]"), dict: (1, ".NAME")}.get(get_origin(hint), (None, ""))
    held = hint if own is None else get_args(hint)[own]
    is_part = isinstance(held, type) and issubclass(held, msgspec.Struct) and held is not Secret
    return (held, written) if is_part else None


def sections(kind: type[msgspec.Struct] = Config, path: str = "") -> Iterator[Section]:
    """The whole tree, each part before what it holds."""
    found = fields_of(kind)
    yield Section(path, kind, found)
    for field in found:
        part = part_of(field.hint)
        if part is not None:
            yield from sections(part[0], f"{path}.{field.name}{part[1]}".removeprefix("."))


def type_in_words(hint: Any) -> str:
    """What may be written."""
    hint = without_none(hint)
    if get_origin(hint) is Literal:
        return ", ".join(f"`{json.dumps(one).strip(chr(34))}`" for one in get_args(hint))
    if get_origin(hint) is dict:
        return f"for each name: {type_in_words(get_args(hint)[1])}"
    if get_origin(hint) is tuple and hint not in NAMES:
        own = get_args(hint)[0]
        return f"list of {NAMES[own][1] if own in NAMES else type_in_words(own)}"
    return NAMES[hint][0]


def written(value: Any) -> str:
    """A default as YAML has it."""
    if value is msgspec.NODEFAULT:
        return "*required*"
    if value is None or value in ((), {}):
        return "none"
    return f"`{value or chr(34) * 2}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def cell(text: str) -> str:
    """A text within a table."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def anchor(path: str) -> str:
    """Where on the page a part is, both on the site and where a repository shows the file."""
    return re.sub(r"\W", "", path).lower()


def rows(section: Section) -> Iterator[str]:
    """One for each setting."""
    for field in section.fields:
        part = part_of(field.hint)
        if part is not None:
            own = f"{section.path}.{field.name}{part[1]}".removeprefix(".")
            says = field.says or (inspect.getdoc(part[0]) or "").partition("\n")[0]
            yield f"| `{field.name}` | [{own}](#{anchor(own)}) | | {cell(says)} |"
        else:
            yield f"| `{field.name}` | {type_in_words(field.hint)} | {written(field.default)} | {cell(field.says)} |"


def configuration() -> str:
    """The page of all settings."""
    text = "# Settings" + MADE.format(source="pipeline/config/settings.py") + CONFIGURATION
    for section in sections():
        text += f"## {section.path or 'At the left margin'}\n\n"
        text += f"{inspect.getdoc(section.kind)}\n\n" if section.path else ""
        text += "| key | what may be written | default | what it does |\n|---|---|---|---|\n"
        text += "".join(f"{row}\n" for row in rows(section)) + "\n"
    example = (DOCS.parent / "deploy" / "spikewatch.example.yaml").read_text()
    return f"{text}## A whole file\n\n`deploy/spikewatch.example.yaml`:\n\n```yaml\n{example}```\n"


def api() -> str:
    """The page of the HTTP API."""
    text = "# HTTP API" + MADE.format(source="pipeline/console/routes.py") + API
    for route in routes.ROUTES:
        text += f"| `{route.method} {route.path}` | {cell(route.says)} |\n"
    text += "\n## What is asked with\n\n| address | name | where | what it is |\n|---|---|---|---|\n"
    for route in routes.ROUTES:
        for one in route.parameters:
            where = "address" if one.where == "path" else one.where
            text += f"| `{route.path}` | `{one.name}` | {where} | {cell(one.says)} |\n"
    text += "\n## The body of a command\n\nA JSON object:\n\n| key | what it is |\n|---|---|\n"
    for name, own in routes.COMMAND["properties"].items():
        needed = "" if name in routes.COMMAND["required"] else "optional; "
        text += f"| `{name}` | {needed}{cell(own['description'])} |\n"
    text += '\n## When it fails\n\nThe answer is `{"error": "..."}`.\n\n| status | why |\n|---|---|\n'
    reasons: dict[str, dict[str, None]] = {}
    for route in routes.ROUTES:
        for status, why in routes.errors_of(route).items():
            reasons.setdefault(status, {})[why] = None
    for status, why in sorted((status, "; or ".join(one)) for status, one in reasons.items()):
        text += f"| {status} | {why} |\n"
    return text


PAGES = {"configuration.md": configuration, "api.md": api}


def main() -> None:
    """Write all pages."""
    for name, made in PAGES.items():
        (DOCS / name).write_text(made())


if __name__ == "__main__":
    main()
