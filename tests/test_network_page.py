"""The page that explains the network says what the sources say, as far as words can be compared with them."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from pipeline.network import POPULATIONS
from pipeline.network._core import ffi, lib
from pipeline.network.parameters import Params, TracesSettings

ROOT = Path(__file__).parent.parent
HERE = "pipeline/network"  # where files without a folder are
FOLDERS = ("encoders", HERE)
PAGE = (ROOT / "docs" / "network.md").read_text()
# An equation is in a block of its own, so in the text `name = value` is always a constant.
TEXT = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
NAME = r"sizeof\(struct \w+\)|[a-z_]+(?:\.[a-z_]+)+|[A-Z][A-Z0-9_]+"
QUOTED = re.findall(rf"`({NAME}) = ([\d(][^`]*)`", TEXT)
SOURCES = {path: path.read_text() for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.[ch]"))}
TO_BE_ADDED = re.compile(r"sw_hum|SW_HUM|hum\.")  # the example of a population that is not there


def numbers(text):
    """A number, or several between brackets, as the page writes them."""
    found = [Fraction(one.strip().replace("_", "")) for one in text.strip("()").split(",")]
    return [float(one) for one in found]


def defined(name):
    """Every number that a source in C gives to a name of its own; floats are those of a device."""
    found = [re.findall(rf"^#define {name} (\S+)", source, re.MULTILINE) for source in SOURCES.values()]
    return [[float(value)] for values in found for value in values if re.fullmatch(r"[\d.e+-]+", value)]


def known(name):
    """The values that a constant has in the sources; of a name that two files define, both."""
    if name.startswith("sizeof"):
        return [[float(ffi.sizeof(name[len("sizeof(") : -1]))]]
    if "." not in name:
        return [[float(getattr(lib, name))]] if hasattr(lib, name) else defined(name)
    value = Params()
    part, *path = name.split(".")
    value = TracesSettings() if part == "traces" else getattr(value, part)
    for field in path:
        value = getattr(value, field)
    return [[float(one) for one in value] if isinstance(value, tuple) else [float(value)]]


def files_of(words):
    """The files that some words between back quotes may be, less those of the example."""
    found = []
    for word in words:
        name = word.split(" ")[1] if word.startswith("python ") else word
        if not re.fullmatch(r"[\w./]*(\w\.(py|c|h|md)|\.\{h,c\}|/corpus)", name) or TO_BE_ADDED.match(name):
            continue
        ends = ["{h,c}"] if name.endswith("{h,c}") else []
        found += [name.replace(end, one) for end in ends for one in ("h", "c")] or [name]
    return [name if "/" in name or name == "build_core.py" else f"{HERE}/{name}" for name in found]


NAMED = files_of(re.findall(r"`([^`]+)`", TEXT))


@pytest.mark.parametrize(("name", "value"), QUOTED)
def test_a_constant_of_the_page_is_that_of_the_sources(name, value):
    assert numbers(value) in known(name)


def parameters(value, path=""):
    """The dotted name of every number of the network."""
    for name, own in value._asdict().items():
        if hasattr(own, "_asdict"):
            yield from parameters(own, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def test_the_page_quotes_every_number_of_every_part():
    switches = {"clock.by_time", "weights", "weights_alone"}  # the weights are in the table of populations
    quoted = {name for name, _ in QUOTED if "." in name}
    assert quoted == set(parameters(Params()._replace(traces=TracesSettings()))) - switches


def test_every_file_that_the_page_names_is_there():
    assert len(NAMED) > 50
    assert [name for name in NAMED if not (ROOT / name).exists()] == []


def test_every_source_in_c_is_named_by_the_page():
    assert {str(path.relative_to(ROOT)) for path in SOURCES} - set(NAMED) == set()


def test_every_name_in_c_of_the_page_is_in_the_sources():
    names = {name for name in re.findall(r"\b(?:sw|SW)_\w+", PAGE) if not TO_BE_ADDED.match(name)}
    there = set(re.findall(r"\b(?:sw|SW)_\w+", "\n".join(SOURCES.values())))
    assert names - there == set()


def test_the_fields_of_the_table_of_parts_are_those_of_their_structures():
    told = re.findall(r"`(sw_\w+): ([\w, ]+)`", PAGE)
    assert len(told) > 20
    for struct, fields in told:
        assert set(fields.split(", ")) <= dict(ffi.typeof(f"struct {struct}").fields).keys(), struct


def test_the_table_of_populations_is_that_of_the_network():
    rows = re.findall(r"^\| `(SW_[A-Z]+)(?: \+ (\d))?` \| `([^`]+)` \| ([\d.]+) \|", PAGE, re.MULTILINE)
    assert [(name, float(weight)) for _, _, name, weight in rows] == [(one.name, one.weight) for one in POPULATIONS]
    assert [getattr(lib, number) + int(more or 0) for number, more, _, _ in rows] == list(range(len(POPULATIONS)))


def test_readers_of_the_code_are_sent_to_the_page():
    assert "(docs/network.md)" in (ROOT / "README.md").read_text()
    assert "(network.md)" in (ROOT / "docs" / "decisions.md").read_text()
