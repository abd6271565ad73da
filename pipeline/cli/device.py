"""Verbs for machines on microcontrollers: out as a program in C, and back with what they have learned there."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.answering import near_to, send
from pipeline.cli.terminal import AsJson, ConfigPath, app, as_committed, configured, fail, needed, out

if TYPE_CHECKING:
    from pipeline.engine.engine import Engine
    from pipeline.records import Machine

DEVICE_BYTES = 1 << 20  # of a block, at most


def slot_of(machines: list["Machine"], called: str) -> int:
    """The machine of this name or id; the end of the program where it is not exactly one."""
    from pipeline.identity import identity

    ids = [identity(one) for one in machines]
    fitting = [slot for slot, one in enumerate(machines) if called in (one.name, ids[slot])]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        fail(f"--machine: {called}: there are {', '.join(ids[slot] for slot in fitting)}; take one of these", 1)
    near = near_to(called, {one.name for one in machines})
    fail(f"--machine: no machine {called!r} is known{f'; did you mean {near[0]}?' if near else ''}", 1)


class Form(StrEnum):
    """What a machine can be exported as."""

    C = "c"
    NIR = "nir"


@app.command()
def export(
    form: Annotated[
        Form, typer.Argument(help="c: sources in C99 for a microcontroller; nir: a graph for other spiking networks.")
    ],
    machine: Annotated[str, typer.Option(help="Name of the machine, or its id: press-01;site=a.")],
    to: Annotated[Path, typer.Option("--out", help="c: folder, empty or not there yet; nir: file, not there yet.")],
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Write a machine, with all it has learned, as a program for a microcontroller: it goes on learning there.

    The folder holds the network's sources, the machine as it was at the service's last commit, a main loop, two slots
    in flash, a program that scores a CSV file on a computer, golden vectors to check it by, and a README. Reads the
    data folder only; the service may be running. At most 16 sensors.

    Or write what NIR (Neuromorphic Intermediate Representation) can express of its network, for simulators and chips:
    membranes, weights and delays, which do not learn there.

    Example: spikewatch export c --machine press-01 --out press-01 && make -C press-01 check
    """
    import json

    from pipeline.device.export import ExportError

    if form is Form.NIR:
        needed("export nir", "nir", "nir")
    engine = as_committed(configured(config))
    try:
        write = as_c if form is Form.C else as_nir
        sensors, found, said = write(engine, slot_of(engine.fleet.machines, machine), to)
    except ExportError as error:
        fail(str(error), 1)
    except OSError as error:
        fail(f"{error.filename or to}: {error.strerror}", 1)
    if as_json:
        out.print_json(json.dumps({"out": str(to), "sensors": sensors, **found}))
        return
    out.print(f"{to}: {machine} with {len(sensors)} sensors, {said}", markup=False, soft_wrap=True)


def as_c(engine: "Engine", slot: int, to: Path) -> tuple[list[str], dict[str, int], str]:
    """Write the program; its sensors, its figures by their names, and in words."""
    from pipeline.device.export import export as write

    made = write(engine, slot, to)
    said = f"{made.block_bytes:,} bytes learned, {made.files} files; README.md says how to go on"
    return made.sensors, {"block_bytes": made.block_bytes, "files": made.files}, said


def as_nir(engine: "Engine", slot: int, to: Path) -> tuple[list[str], dict[str, int], str]:
    """The same of the graph."""
    from pipeline.device.nir import export as write

    made = write(engine, slot, to)
    return made.sensors, {"nodes": made.nodes, "bytes": made.bytes}, f"{made.nodes} nodes, {made.bytes:,} bytes"


@app.command("import")
def import_(
    block: Annotated[Path, typer.Argument(help="File with the bytes that `device_save` returned on the device.")],
    machine: Annotated[str, typer.Option(help="Name of the machine, or its id: press-01;site=a.")],
    by: Annotated[str, typer.Option(help="Operator, kept with the command; default: your user name.")] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Let a machine of the running service go on with what a microcontroller has learned of it.

    Version, parameters, number of sensors and check sum of the block must be right. What the machine knew until now
    is kept: `spikewatch tell MACHINE rollback` returns to it. Over MQTT the same block goes to the machine's command
    topic as `import`, a blank, and the bytes in base64.

    Example: spikewatch import press-01.block --machine press-01
    """
    import base64

    from pipeline.files import read_bounded

    try:
        content = read_bounded(block, DEVICE_BYTES)
    except OSError as error:
        fail(f"{block}: {error.strerror}")
    if not content:
        fail(f"{block}: is empty")
    send(configured(config), machine, "import", base64.b64encode(content).decode(), by, as_json, str(block))
