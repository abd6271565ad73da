"""Reading the configuration from YAML: a `Config`, or a `ConfigError` naming file, line and key of every mistake.

Unknown and repeated keys are mistakes too, the former with the nearest known key.
"""

import difflib
import re
import types
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import yaml

from pipeline.config.checks import CHECKS
from pipeline.config.settings import (
    Config,
    ConfigError,
    Console,
    InfluxDB,
    Mqtt,
    NoConfigError,
    Problem,
    Scalar,
    Secret,
    WaveformFile,
)
from pipeline.files import read_bounded

MOST_BYTES = 1 << 20  # of a file; 10,000 rules for machines take two thirds of it
MOST_VALUES = 100_000  # keys and values, an alias counted with all that it stands for
MOST_TOLD = 100  # problems

_Part = TypeVar("_Part", bound=msgspec.Struct)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in the YAML file at `path`; without a path, the defaults.

    `environ` is where secrets are looked up. Relative paths in the file are relative to the working directory.
    Raises ConfigError with every problem that can be found on paper.
    """
    return Config() if path is None else parsed(_text(path), str(path), environ)


def parsed(text: str, name: str, environ: Mapping[str, str]) -> Config:
    """The configuration in a text, which problems call `name`; otherwise as `load`."""
    reader = _Reader(name, environ)
    config = reader.config(text)
    if reader.problems:
        raise ConfigError(reader.told())
    return config


def parsed_waveform(text: str, name: str) -> WaveformFile:
    """The settings of a file of samples in a text, such as `{rate: 25600, unit: g}`; otherwise as `parsed`."""
    reader = _Reader(name, {})
    waveform = reader.part(WaveformFile, text)
    if reader.problems:
        raise ConfigError(reader.told())
    return waveform


def readable(path: Path, environ: Mapping[str, str]) -> Config:
    """What can be read of a wrong configuration, and defaults for the rest; for safe mode only."""
    reader = _Reader(str(path), environ)
    try:
        config = reader.config(_text(path))
    except ConfigError:
        return Config()
    wrong = any(one.key.partition(".")[0] in ("console", "") for one in reader.problems)
    return msgspec.structs.replace(config, console=Console()) if wrong else config


def _text(path: Path) -> str:
    try:
        return read_bounded(path, MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise NoConfigError([Problem(f"cannot be read: {error.strerror}", file=str(path))]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(f"is not UTF-8 text (byte {error.start})", file=str(path))]) from None


class _Yaml(yaml.SafeLoader):
    """YAML with the plain scalars of YAML 1.2: `no` is a name and not False, `10:30` is not 630, nothing a date."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML fills the class's own table
    values = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As PyYAML does; raises _TooManyError."""
        self.values += 1
        if self.values > MOST_VALUES:
            raise _TooManyError(self.line + 1)
        return super().compose_node(parent, index)


class _TooManyError(Exception):
    """More values than MOST_VALUES; the argument is the line."""


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

_TOO_MANY = f"more than {MOST_VALUES:,} keys and values, with all that the aliases stand for"
_BAD: Any = object()
_DESCRIBED: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple[float, float]: "a pair of numbers: [low, high]",
    bool | str: "text, true or false",
    Scalar: "a single value",
}
# What people write by habit, where it is not simply another place.
_INSTEAD: Mapping[tuple[type, str], str] = {
    **{(Mqtt, key): "the broker's host and port go into url: mqtt://host:1883" for key in ("host", "port", "broker")},
    **{(InfluxDB, key): "host and port go into url: http://host:8086" for key in ("host", "port")},
}
_PLAIN_KEY = re.compile(r"[\w-]{1,40}")


class _Reader:
    """Builds the tree from YAML nodes, and collects every problem with its line on the way.

    No problem shows a value of the wrong type, nor a key that is not a word: somebody may have written a password, or
    a URL with one, where it does not belong.
    """

    def __init__(self, file: str, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._environ = environ
        self._lines: dict[str, int] = {"": 1}  # of every key and list entry, by its path

    def config(self, text: str) -> Config:
        """The tree; worth nothing where there are problems."""
        return self.part(Config, text)

    def part(self, kind: type[_Part], text: str) -> _Part:
        """The same of a branch of the tree, which has a default for each of its keys."""
        try:
            self._yaml = _Yaml(text)
            root = self._yaml.get_single_node()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            position = getattr(error, "position", None)  # of a character that YAML does not allow
            line = mark.line + 1 if mark else text.count("\n", 0, position) + 1
            # Not the error's own text: that quotes the line, which may hold a secret.
            why = getattr(error, "problem", None) or getattr(error, "reason", None) or ""
            why = re.sub(
                r"(alias|anchor|handle) ('[^']*'|\"[^\"]*\")", r"\1", why
            )  # a password may begin with * & or !
            self._add("", f"not YAML: {why}", line)
            return kind()
        except RecursionError:
            self._add("", "nested too deeply")
            return kind()
        except _TooManyError as error:
            self._add("", _TOO_MANY, *error.args)
            return kind()
        if root is None or _is_null(root):
            return kind()
        values, line = _values(root)
        if values is None or values > MOST_VALUES:
            self._add("", "an alias stands for itself" if values is None else _TOO_MANY, line)
            return kind()
        built = self._build(kind, root, "")
        return kind() if built is _BAD else built

    def told(self) -> list[Problem]:
        """The problems in the order of the file; the first of very many."""
        found = sorted(self.problems, key=lambda one: (one.line or 0, str(one)))
        more = [Problem(f"and {len(found) - MOST_TOLD} more problems", file=self._file)] if found[MOST_TOLD:] else []
        return found[:MOST_TOLD] + more

    def _add(self, path: str, what: str, line: int = 0) -> None:
        known = path
        while known not in self._lines:  # a default is not in the file, but what it belongs to is
            known = known[: max(known.rfind("."), known.rfind("["), 0)]
        self.problems.append(Problem(what, path, self._file, line or self._lines[known]))

    def _build(self, kind: Any, node: yaml.Node, path: str) -> Any:
        """The value of `node` as a `kind`, or _BAD with a problem added."""
        if get_origin(kind) in (Union, types.UnionType):
            options = [option for option in get_args(kind) if option is not type(None)]
            kind = options[0] if len(options) == 1 else kind
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
            return _BAD if any(value is _BAD for value in found.values()) else found
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
            if not isinstance(key, yaml.ScalarNode) or not key.value.isprintable() or "://" in key.value:
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
            if isinstance(key, yaml.ScalarNode) and key.value.isprintable() and "://" not in key.value:
                items[key.value] = value
                self._lines[_join(path, key.value)] = own.get(key.value, key.start_mark.line + 1)
        return items

    def _struct(self, kind: type[msgspec.Struct], node: yaml.MappingNode, path: str) -> Any:
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        hints = get_type_hints(kind)
        values: dict[str, Any] = {}
        bad: set[str] = set()
        sound = True
        for key, value in self._items(node, path).items():
            if key not in fields:
                sound = False
                self._unknown(kind, key, path)
            elif not _is_null(value):  # a key with nothing after it has its default
                name = fields[key].name
                built = self._build(hints[name], value, _join(path, key))
                if built is not _BAD:
                    values[name] = built
                    continue
                bad.add(key)
                # A bad part within counts as its default, so that the rest can still be checked.
                sound = sound and not isinstance(value, yaml.ScalarNode)
        missing = [key for key, field in fields.items() if field.required and field.name not in values]
        if missing:
            for key in missing:
                if key not in bad:
                    self._add(_join(path, key), "is missing")
            return _BAD
        part = kind(**values)
        if sound:  # else what follows from a misspelt key would be reported as well
            for key, what in CHECKS[kind](part, self._environ):
                self._add(_join(path, key), what)
        return part

    def _unknown(self, kind: type[msgspec.Struct], key: str, path: str) -> None:
        fields = list(kind.__struct_encode_fields__)
        near = difflib.get_close_matches(key, fields, n=1)
        places = _places().get(key, [])
        if kind is Secret and not near:  # it may be the secret
            self._add(path, "expected either {env: NAME} or {file: PATH}")
            return
        if (kind, key) in _INSTEAD:
            hint = _INSTEAD[kind, key]
        elif near and (not places or difflib.SequenceMatcher(None, key, near[0]).ratio() > 0.8):
            hint = f"did you mean {near[0]}?"
        elif places:
            hint = f"it belongs {' or '.join(places[:3])}"
        else:
            hint = f"known are {', '.join(fields)}"
        self._add(_join(path, key) if _PLAIN_KEY.fullmatch(key) else path, f"unknown key ({hint})")

    def _leaf(self, kind: Any, node: yaml.Node, path: str) -> Any:
        single = isinstance(node, yaml.ScalarNode)
        if get_origin(kind) is Literal:
            wrong = f"is not one of {', '.join(map(str, get_args(kind)))}"
        else:
            wrong = f"is not {_DESCRIBED[kind]}" + (" (put it in quotes)" if kind is str and single else "")
        if not single and not (get_origin(kind) is tuple and isinstance(node, yaml.SequenceNode)):
            self._add(path, wrong)
            return _BAD
        try:
            value = self._yaml.construct_object(node, deep=True)
        except (
            *(yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError),
        ):  # what PyYAML raises where a tag and a text do not go together
            self._add(path, "is not plain YAML")
            return _BAD
        if get_origin(kind) is Literal:
            for option in get_args(kind):
                if value == option and type(value) is type(option):
                    return option
            self._add(path, wrong)
            return _BAD
        try:
            built = msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError:
            self._add(path, wrong)
            return _BAD
        odd = _odd(built, path) if isinstance(built, str) else ""
        if odd:
            self._add(path, odd)
            return _BAD
        return built


def _odd(text: str, path: str) -> str:
    """What is wrong with a text, wherever it stands; empty where nothing is."""
    if any(sign < " " or sign == "\x7f" or "\ud800" <= sign <= "\udfff" for sign in text):
        return "holds a line break or control character"
    if "://" in text and path.rpartition(".")[2] not in ("url", "public_url", "webhook"):
        return "is a URL, which belongs in mqtt.url or influxdb.url"
    return ""


def _values(root: yaml.Node) -> tuple[int | None, int]:
    """How many values a node stands for, and the line of the first part that has more than MOST_VALUES.

    An alias counts with all that it stands for; None where one stands for itself, with its line.
    """
    sizes: dict[int, int] = {}
    begun: set[int] = set()
    first = 0
    stack = [root]
    while stack:
        node = stack[-1]
        own = id(node)
        if own in sizes:
            stack.pop()
            continue
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        missing = [part for part in parts if id(part) not in sizes]
        if not missing:
            sizes[own] = min(1 + sum(sizes[id(part)] for part in parts), MOST_VALUES + 1)
            first = first or (node.start_mark.line + 1 if sizes[own] > MOST_VALUES else 0)
        elif own in begun:
            return None, node.start_mark.line + 1
        else:
            begun.add(own)
            stack.extend(missing)
    return sizes[id(root)], first


@cache
def _places() -> Mapping[str, list[str]]:
    """Where in the tree a key of this name is, for whoever has put it elsewhere."""
    found: dict[str, list[str]] = defaultdict(list)

    def walk(kind: Any, path: str) -> None:
        hints = get_type_hints(kind)
        for own, name in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
            hint, where = hints[own], _join(path, name)
            found[name].append(f"in {where}" if path else "at the left margin")
            for part in (hint, *get_args(hint)):
                if isinstance(part, type) and issubclass(part, msgspec.Struct) and part is not Secret:
                    of = get_origin(hint)
                    walk(part, where + ("[]" if of is tuple else ".NAME" if of is dict else ""))

    walk(Config, "")
    return found


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key
