"""Reading the configuration from YAML: a `Config`, or a `ConfigError` naming file, line and key of every mistake.

Unknown and repeated keys are mistakes too, the former with the nearest known key.
"""

import difflib
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from pipeline.config import Config, ConfigError, Console, Secret
from pipeline.config_checks import CHECKS


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in the YAML file at `path`; without a path, the defaults.

    `environ` is where secrets are looked up. Relative paths in the file are relative to the working directory.
    Raises ConfigError with every problem that can be found on paper.
    """
    if path is None:
        return Config()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from None
    return parsed(text, str(path), environ)


def parsed(text: str, name: str, environ: Mapping[str, str]) -> Config:
    """The configuration in a text, which problems call `name`; otherwise as `load`."""
    reader = _Reader(name, environ)
    config = reader.config(text)
    if reader.problems:
        raise ConfigError([text for _, text in sorted(reader.problems)])
    return config


def readable(path: Path, environ: Mapping[str, str]) -> Config:
    """What can be read of a wrong configuration, and defaults for the rest; for safe mode only."""
    reader = _Reader(str(path), environ)
    try:
        config = reader.config(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return Config()
    wrong = any(": console" in text for _, text in reader.problems)
    return msgspec.structs.replace(config, console=Console()) if wrong else config


class _Yaml(yaml.SafeLoader):
    """YAML with the plain scalars of YAML 1.2: `no` is a name and not False, `10:30` is not 630, nothing a date."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML fills the class's own table


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.inf)|\.nan",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _Yaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))

_BAD: Any = object()
_DESCRIBED: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple[float, float]: "a pair of numbers: [low, high]",
}


class _Reader:
    """Builds the tree from YAML nodes, and collects every problem with its line on the way."""

    def __init__(self, file: str, environ: Mapping[str, str]) -> None:
        self.problems: list[tuple[int, str]] = []
        self._file = file
        self._environ = environ
        self._lines: dict[str, int] = {"": 1}  # of every key and list entry, by its path

    def config(self, text: str) -> Config:
        """The tree; worth nothing where there are problems."""
        try:
            self._yaml = _Yaml(text)
            root = self._yaml.get_single_node()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            position = getattr(error, "position", None)  # of a character that YAML does not allow
            line = mark.line + 1 if mark else text.count("\n", 0, position) + 1
            # Not the error's own text: that quotes the line, which may hold a secret.
            why = getattr(error, "problem", None) or getattr(error, "reason", None)
            self._add("", f"not YAML: {why}", line)
            return Config()
        except RecursionError:
            self._add("", "nested too deeply")
            return Config()
        if root is None or _is_null(root):
            return Config()
        config = self._build(Config, root, "")
        return Config() if config is _BAD else config

    def _add(self, path: str, what: str, line: int = 0) -> None:
        known = path
        while known not in self._lines:  # a default is not in the file, but what it belongs to is
            known = known[: max(known.rfind("."), known.rfind("["), 0)]
        where = f"{self._file}:{line or self._lines[known]}:"
        self.problems.append((line or self._lines[known], f"{where} {path}: {what}" if path else f"{where} {what}"))

    def _build(self, kind: Any, node: yaml.Node, path: str) -> Any:
        """The value of `node` as a `kind`, or _BAD with a problem added."""
        if get_origin(kind) in (Union, types.UnionType):
            kind = next(option for option in get_args(kind) if option is not type(None))
        of = get_args(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if isinstance(node, yaml.MappingNode):
                return self._struct(kind, node, path)
            # The value is not shown: somebody may have written the secret itself.
            self._add(path, f"expected {'{env: NAME} or {file: PATH}' if kind is Secret else 'keys and values'}")
            return _BAD
        if get_origin(kind) is dict:
            if not isinstance(node, yaml.MappingNode):
                self._add(path, "expected names and their settings")
                return _BAD
            found = {}
            for key, value in self._items(node, path).items():  # a name with nothing after it has the defaults
                found[key] = of[1]() if _is_null(value) else self._build(of[1], value, _join(path, key))
            return found
        if get_origin(kind) is tuple and of[1] is ...:
            if not isinstance(node, yaml.SequenceNode):
                self._add(path, "expected a list")
                return _BAD
            values = []
            for number, value in enumerate(node.value):
                self._lines[f"{path}[{number}]"] = value.start_mark.line + 1
                values.append(self._build(of[0], value, f"{path}[{number}]"))
            return _BAD if any(value is _BAD for value in values) else tuple(values)
        return self._leaf(kind, node, path)

    def _items(self, node: yaml.MappingNode, path: str) -> dict[str, yaml.Node]:
        """Keys and values of a mapping, with merge keys (`<<`) resolved; a key given twice is a problem."""
        own: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._add(path, "a key must be plain text", key.start_mark.line + 1)
            elif key.value in own:
                line = key.start_mark.line + 1
                self._add(_join(path, key.value), f"is already set in line {own[key.value]}", line)
            else:
                own[key.value] = key.start_mark.line + 1
        try:
            self._yaml.flatten_mapping(node)
        except (yaml.YAMLError, RecursionError):
            self._add(path, "`<<` needs an alias of keys and values, such as <<: *name", own.get("<<", 0))
            return {}
        items: dict[str, yaml.Node] = {}
        for key, value in node.value:  # merged keys come first, so that the mapping's own override them
            if isinstance(key, yaml.ScalarNode):
                items[key.value] = value
                self._lines[_join(path, key.value)] = own.get(key.value, key.start_mark.line + 1)
        return items

    def _struct(self, kind: type[msgspec.Struct], node: yaml.MappingNode, path: str) -> Any:
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        bad: set[str] = set()
        sound = True
        for key, value in self._items(node, path).items():
            if key not in fields:
                sound = False
                near = difflib.get_close_matches(key, fields, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(fields)}"
                self._add(_join(path, key), f"unknown key ({hint})")
            elif not _is_null(value):  # a key with nothing after it has its default
                built = self._build(hints[key], value, _join(path, key))
                if built is not _BAD:
                    values[key] = built
                    continue
                bad.add(key)
                # A bad part within counts as its default, so that the rest can still be checked.
                sound = sound and not isinstance(value, yaml.ScalarNode)
        missing = [name for name, field in fields.items() if field.required and name not in values]
        if missing:
            for name in missing:
                if name not in bad:
                    self._add(_join(path, name), "is missing")
            return _BAD
        part = kind(**values)
        if sound:  # else what follows from a misspelt key would be reported as well
            for key, what in CHECKS[kind](part, self._environ):
                self._add(_join(path, key), what)
        return part

    def _leaf(self, kind: Any, node: yaml.Node, path: str) -> Any:
        try:
            value = self._yaml.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):
            self._add(path, "is not plain YAML")
            return _BAD
        if get_origin(kind) is Literal:
            for option in get_args(kind):
                if value == option and type(value) is type(option):
                    return option
            self._add(path, f"{_shown(value)} is not one of {', '.join(map(str, get_args(kind)))}")
            return _BAD
        try:
            return msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError:
            quoted = f" (write '{node.value}')" if kind is str and isinstance(node, yaml.ScalarNode) else ""
            self._add(path, f"{_shown(value)} is not {_DESCRIBED[kind]}{quoted}")
            return _BAD


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# What a type does not say. Each check yields (key, what is wrong) of a part whose own keys are well typed.
