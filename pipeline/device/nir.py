"""What NIR can express of a live machine's network, as a graph in a file; `docs/nir.md` says what that is.

NIR is a format for networks of spiking neurons in continuous time. Time is in seconds here. A reading has one usual
interval: its values are currents that are held for that long, its spikes impulses of area 1 at the beginning. At the
end of the interval the graph is where the network is right after the reading.

Pedersen et al., "Neuromorphic intermediate representation: a unified instruction set for interoperable brain-inspired
computing", Nature Communications 15 (2024).
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import nir
import numpy as np
from numpy.typing import NDArray

from encoders.rate import OUTPUTS as FIELDS
from pipeline.device.export import USUAL_NS, ExportError
from pipeline.engine.engine import Engine
from pipeline.identity import identity
from pipeline.network._core import lib
from pipeline.network.block import Block, delays

POPULATIONS = {  # of a line, with delays; and their synapses
    "levels": lib.SW_LEVELS_HEARD,
    "pattern": lib.SW_PATTERN_HEARD,
    "changes": lib.SW_CHANGES_HEARD,
}
CONTEXT = ((0, 1), (0, 16), (1, 8), (2, 32))  # membrane and delay of its units: UNITS of context.c
OFFSET = 8.0  # compressed units, added to spike times, and that delays are subtracted from: none is farther off
Floats = NDArray[np.float64]


class Exported(NamedTuple):
    """What was written."""

    sensors: list[str]
    nodes: int
    bytes: int


def export(engine: Engine, slot: int, path: Path) -> Exported:
    """Write a machine's graph into a file that does not exist yet; raises ExportError, and OSError."""
    fleet = engine.fleet
    machine, sensors = fleet.machines[slot], [sensor for sensor, _ in fleet.lines_of(slot)]
    if not sensors or not len(fleet.block(slot).order):
        raise ExportError(f"{machine.name}: has had no reading yet")
    if path.exists():
        raise ExportError(f"{path}: is there already")
    made = graph(fleet.core.params, identity(machine), sensors, fleet.block(slot))
    content = io.BytesIO()
    nir.write(content, made)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as place:  # so that the file is whole or not there
        written = Path(place) / path.name
        written.write_bytes(content.getvalue())
        written.rename(path)
    return Exported(sensors, len(made.nodes), len(content.getvalue()))


def graph(params: Any, machine: str, sensors: list[str], block: Block) -> Any:
    """The graph of a machine whose lines have these names."""
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    order = block.order
    for number in sorted(order.tolist()):
        line = block.line[number]
        of_line = _Place(nodes, edges, f"line{number}_", {"machine": machine, "line": sensors[number]})
        interval = _seconds(line["clock"]["usual_ns"])
        _traces(of_line.part("traces"), params.traces, line["traces"], interval)
        for name, synapses in POPULATIONS.items():
            known = int(line[name]["common"]["competition"]["recruited"])
            held = delays(line[name]["delays"]).reshape(synapses, lib.SW_NEURONS)[:, :known]
            _delayed(of_line.part("evolving"), name, held.T, interval)
        _activity(of_line.part("activity"), params.activity, line["activity"], interval)
        _membranes(
            of_line.part("persistence"), [params.persistence.membrane], [line["persistence"]["membrane"]], interval,
            "cubic mean of the rarities of the populations before it",
        )  # fmt: skip
        _membranes(
            of_line.part("condition"), [params.condition.trace], [line["condition"]["trace"]], interval,
            "value of the reading; of a counter its pace",
        )  # fmt: skip
        if block.header["context"]:
            _context(of_line, params.context, block.context[number], interval)
    names = json.dumps([sensors[number] for number in order])
    of_all = _Place(nodes, edges, "", {"machine": machine, "lines": names})
    if len(order) > 1:
        _coupling(of_all.part("coupling"), params.coupling, block, [_seconds(one) for one in _usual(block)])
    known = int(block.machine["condition"]["competition"]["recruited"])
    held = delays(block.line["condition"]["delays"][order])[:, :known]
    interval = _seconds(block.machine["rows"]["usual_ns"])
    _delayed(of_all.part("condition"), "population", held.T, interval)
    return nir.NIRGraph(nodes, edges, {"machine": machine, "lines": names, "time": "seconds"})


class _Place(NamedTuple):
    """Where nodes are put, and what all that are put there say of themselves."""

    nodes: dict[str, Any]
    edges: list[tuple[str, str]]
    prefix: str
    about: dict[str, Any]

    def part(self, name: str) -> _Place:
        """The same for a part of the network."""
        return self._replace(prefix=f"{self.prefix}{name.replace(' ', '_')}_", about={**self.about, "part": name})

    def add(self, name: str, node: Any, *sources: str, **about: Any) -> str:
        """Put a node there that hears the sum of others; its name in the graph."""
        name = self.prefix + name
        node.metadata = {**self.about, **about}
        self.nodes[name] = node
        self.edges.extend((source, name) for source in sources)
        return name

    def value(self, name: str, width: int, means: str) -> str:
        """An input whose values are held for an interval."""
        return self.add(name, nir.Input({"input": np.array([width])}), signal="values", means=means)

    def spikes(self, name: str, width: int, means: str) -> str:
        """An input of impulses."""
        return self.add(name, nir.Input({"input": np.array([width])}), signal="spikes", means=means)

    def output(self, name: str, width: int, means: str, *sources: str, **about: Any) -> str:
        """An output."""
        return self.add(name, nir.Output({"output": np.array([width])}), *sources, means=means, **about)


def _seconds(usual_ns: float) -> float:
    return (float(usual_ns) or USUAL_NS) / 1e9


def _usual(block: Block) -> list[float]:
    """Usual intervals of the lines, by place."""
    found: list[float] = block.line["clock"]["usual_ns"][block.order].tolist()
    return found


def _tau(share: Floats) -> Floats:
    """Time constants, in intervals, of what forgets such shares in one."""
    return -1.0 / np.log1p(-share)


def _li(tau: Floats, r: Floats) -> Any:
    return nir.LI(tau=tau, r=r, v_leak=np.zeros_like(tau))


def _cascade(forget: Floats) -> Floats:
    """What each stage of a cascade of leaky averages is, as a sum of averages that all hear its input.

    Stage k hears stage k - 1 as that is after the reading, not as it moves until the next one, which membranes one
    behind the other would. So they stand side by side: in z = exp(-s) the product of k stages
    r / (1 - p / z), p = 1 - r, is split into partial fractions.
    """
    p, stages = 1.0 - forget, len(forget)
    mixed = np.zeros((stages, stages))
    for k in range(stages):
        for j in range(k + 1):
            others = [i for i in range(k + 1) if i != j]
            mixed[k, j] = np.prod(forget[others]) * np.prod(p[j] / (p[j] - p[others]))
    return mixed


def _traces(part: _Place, params: Any, line: Any, interval: float) -> None:
    """Level and cascade, from the encoder's spikes to what two of the evolving populations hear."""
    forget = np.array(list(params.forget))
    cascade = _cascade(forget)
    stages = len(forget)
    spikes = part.spikes("spikes", 2, "ON and OFF spikes of the delta encoder")
    moved = part.add("signed", nir.Linear(np.array([[1.0, -1.0]])), spikes)
    change = part.add("change", nir.I(r=np.array([float(params.step)])), moved, means="level since the export")
    level = part.add("level", nir.Affine(np.ones((1, 1)), np.array([float(line["level"])])), change, means="level")
    heard = part.add("heard", nir.Linear(np.ones((stages, 1))), level)
    membranes = part.add(
        "membranes",
        _li(_tau(forget) * interval, np.ones(stages)),
        heard,
        means="averages of the level; the traces are sums of them",
        state=np.linalg.solve(cascade, line["trace"].astype(float)),
    )
    above = np.vstack([np.zeros(stages), cascade])  # the level, which is no membrane, and the traces
    for name, of_level, of_membranes, means in (
        ("levels", np.eye(stages + 1, 1), above, "level and the five traces"),
        ("changes", np.eye(stages - 1, 1), (above[:-1] - above[1:])[:-1], "differences of neighbours in levels"),
    ):
        both = (
            part.add(f"{name}_of_level", nir.Linear(of_level), level),
            part.add(f"{name}_of_membranes", nir.Linear(of_membranes), membranes),
        )
        part.output(name, len(of_level), means, *both)


def _delayed(part: _Place, name: str, held: Floats, interval: float) -> None:
    """The synapses of a population: (neurons, synapses) delays, in compressed units.

    A cycle takes an interval. A spike for the time t comes offset + t units after its beginning, a delay d is one of
    offset - d: a neuron that knows the input hears all spikes in the middle of the interval.
    """
    neurons, synapses = held.shape
    if not held.size:
        return
    unit = interval / (4.0 * OFFSET)
    about = {"offset": OFFSET, "unit_seconds": unit, "neurons": neurons, "synapses": synapses}
    spikes = part.spikes(f"{name}_spikes", synapses, "one for each t, offset + t units after the reading")
    each = part.add(f"{name}_axons", nir.Linear(np.tile(np.eye(synapses), (neurons, 1))), spikes)
    late = part.add(f"{name}_delays", nir.Delay((OFFSET - held).ravel() * unit), each, **about)
    part.output(f"{name}_arrivals", held.size, "spikes of all synapses, neuron by neuron", late, **about)


def _activity(part: _Place, params: Any, line: Any, interval: float) -> None:
    """The membrane that counts spikes: one adds what is left of it at the end of its interval."""
    share = np.array([1.0 / params.membrane])
    tau = _tau(share) * interval
    spikes = part.spikes("spikes", lib.SW_STEPS, "of the ten send-on-delta neurons")
    fired = part.add("fired", nir.Linear(np.ones((1, lib.SW_STEPS))), spikes)
    state = np.array([float(line["activity"])])
    membrane = part.add("membrane", _li(tau, tau * share / (1.0 - share)), fired, means="activity", state=state)
    part.output("activity", 1, "activity", membrane)


def _membranes(part: _Place, lengths: list[float], state: list[float], interval: float, means: str) -> None:
    """Leaky averages of one input, of such time constants as the network's."""
    tau = _tau(1.0 / np.array(lengths)) * interval
    heard = part.value("input", 1, means)
    if len(tau) > 1:
        heard = part.add("heard", nir.Linear(np.ones((len(tau), 1))), heard)
    membranes = part.add("membranes", _li(tau, np.ones_like(tau)), heard, state=np.array(state, float))
    part.output("output", len(tau), "averages of the input", membranes)


def _context(of_line: _Place, params: Any, line: Any, interval: float) -> None:
    """The rate code's membranes; and what the units expect, from rates some readings ago."""
    slow = [m for m, length in enumerate(params.code.membranes) if length > 1.0]  # any other is the value itself
    _membranes(
        of_line.part("rate encoder"),
        [params.code.membranes[m] for m in slow],
        line["code"]["membrane"][slow].tolist(),
        interval,
        "value of the reading; of a counter its pace",
    )
    part = of_line.part("context")
    _membranes(
        part, list(params.readouts), line["membrane"].tolist(), interval, "cubic mean of the rarities of the units"
    )
    rates = [
        part.value(f"rates{m}", FIELDS, f"of the fields of membrane {m}") for m in range(len(params.code.membranes))
    ]
    for unit, (membrane, readings) in enumerate(CONTEXT):
        delay = nir.Delay(np.full(FIELDS, readings * interval))
        before = part.add(f"unit{unit}_before", delay, rates[membrane], readings=readings)
        weights = nir.Linear(line["weights"][unit].T.astype(float))
        expects = part.add(f"unit{unit}_weights", weights, before)
        part.output(f"unit{unit}_expected", FIELDS, "rates that the unit expects now", expects)


def _coupling(part: _Place, params: Any, block: Block, intervals: list[float]) -> None:
    """Traces of all lines, and where the others put each, by place."""
    order, lines = block.order, len(block.order)
    tau = _tau(np.full(lines, 1.0 / params.trace)) * np.array(intervals)
    state = block.line["coupling"]["trace"][order].astype(float)
    sigmas = part.value("sigmas", lines, f"distance of each line from its mean, in deviations, +-{params.clip:g}")
    traces = part.add("traces", _li(tau, np.ones(lines)), sigmas, state=state)
    part.output("output", lines, "traces", traces)
    weights = block.coupling[:lines, :lines] * (1.0 - np.eye(lines))
    expected = part.add("weights", nir.Linear(weights.astype(float)), traces)
    part.output("expected", lines, "traces as the other lines let expect", expected)
