"""Parts of the network in C, called one by one; and the network in double precision, for its naive twin."""

import importlib
import importlib.util
import re
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import build_core
from pipeline.network._core import ffi
from pipeline.network.block import Block

PACKAGES = ("pipeline", "encoders")
SINGLE = ["-DSW_SINGLE", "-fsingle-precision-constant"]


def part(block: Block, number: int, name: str):
    """A part of a line of a machine, as C takes it."""
    kind = block.line.dtype
    address = block.line.ctypes.data + number * kind.itemsize + kind.fields[name][1]
    field = dict(ffi.typeof("struct sw_line").fields)[name]
    return ffi.cast(ffi.getctype(field.type, "*"), address)


class Precise(NamedTuple):
    """The engine, and the core below it with its blocks."""

    Engine: type
    Core: type
    Block: type
    ffi: Any
    lib: Any


@cache
def double_precision() -> Precise:
    """A network whose bulky arrays have 64 bits a number instead of 32."""
    folder = Path(tempfile.mkdtemp())
    header = folder / "double_precision.h"
    library = ("alloca", "math", "stdbool", "stddef", "stdint", "stdlib", "string")
    ours = {"float": "double", "sqrtf": "sqrt", "fabsf": "fabs"}
    text = [f"#include <{name}.h>" for name in library] + [f"#define {one} {other}" for one, other in ours.items()]
    header.write_text("\n".join(text) + "\n")
    declared = re.sub(r"\bfloat\b", "double", build_core.declarations())
    return beside(compiled(folder, "_core_in_double_precision", declared, ["-include", str(header)]))


@cache
def single_precision() -> Precise:
    """A network that computes in floats, as on a microcontroller."""
    declared = build_core.declarations().replace("typedef double sw_real;", "typedef float sw_real;")
    return beside(compiled(Path(tempfile.mkdtemp()), "_core_in_single_precision", declared, SINGLE))


def beside(core: ModuleType) -> Precise:
    """The engine with another core: a copy of the packages of its own, so that both live side by side."""
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] in PACKAGES}
    for name in ours:
        del sys.modules[name]
    try:
        sys.modules["pipeline.network._core"] = core
        engine = importlib.import_module("pipeline.engine.engine")
        network = importlib.import_module("pipeline.network.binding")
        return Precise(engine.Engine, network.Core, network.Block, core.ffi, core.lib)
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
            del sys.modules[name]
        sys.modules.update(ours)


def compiled(folder: Path, name: str, declared: str, options: list[str]) -> ModuleType:
    """The core of other declarations, compiled once more; what `options` say comes last."""
    made = build_core.extension(options, name, declared).compile(tmpdir=str(folder))
    spec = importlib.util.spec_from_file_location(name, made)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
