"""A live machine's network as a graph of NIR: read back, and simulated by the equations that NIR publishes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nir
import numpy as np
import pandas as pd
import pytest
from machines import machine_with_modes
from plants import Plant

import build_core
from encoders.rate import OUTPUTS as FIELDS
from pipeline.device.export import ExportError
from pipeline.device.nir import CONTEXT, export, graph
from pipeline.engine.engine import Engine
from pipeline.network._core import lib
from pipeline.network.binding import Core
from pipeline.network.block import Block, delays
from pipeline.network.parameters import Params, with_context
from pipeline.records import Machine, Reading

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
LEARNED, PLAYED = 1_000, 1_000  # rows before the export, and after it
INTERVAL = {"hydraulic-rig": 1, "machine-temperature": 300, "simulated-press": 60}  # seconds between rows
POPULATIONS = {"levels": 6, "pattern": 3, "changes": 4}  # and their synapses
SEVEN = slice(0, 7)  # populations that persistence hears
TOLERANCE = 1e-9  # of what a graph and the network in C have, relative to the largest ...
PARTS = lib.SW_TIMES_A_UNIT
ROUNDED = 1e-6  # ... and where what the test gives the graph is kept in 32 bits


def recorded(name):
    """Rows of a recording, which come at one interval; what is missing is as before."""
    table = pd.read_csv(build_core.ROOT / "sample_data" / f"{name}.csv.gz", nrows=LEARNED + PLAYED)
    return table.drop(columns="time").ffill().to_numpy(float), list(table.columns[1:])


class Machinery:
    """A machine that is given row by row, and what can be seen of it from outside."""

    def __init__(self, name, params=None):
        self.table, self.sensors = recorded(name)
        self.seconds = INTERVAL[name]
        self.core = Core(params or Params())
        self.core.add(Block.fresh(self.core.params, len(self.sensors)))
        self.row = 0

    @property
    def block(self):
        return self.core.blocks[0]

    def live(self, rows):
        count = len(self.sensors)
        part = self.table[self.row : self.row + rows]
        at = np.repeat(self.row + np.arange(rows), count)
        ends = np.tile(np.arange(count) == count - 1, rows)
        line = np.tile(np.arange(count), rows)
        self.core.step(0 * at, line, START + at * self.seconds * SECOND, part.ravel(), ends)
        self.row += rows

    def graph(self):
        return graph(self.core.params, "press", self.sensors, self.block)


@pytest.fixture(scope="module", params=list(INTERVAL))
def machine(request):
    made = Machinery(request.param, with_context(Params()))
    made.live(LEARNED)
    return made


@pytest.fixture
def read_back(machine, tmp_path):
    """The graph of the machine, through a file."""
    nir.write(tmp_path / "press.nir", machine.graph())
    return nir.read(tmp_path / "press.nir")


def close(have, want, tolerance=TOLERANCE):
    np.testing.assert_allclose(have, want, rtol=0, atol=tolerance * max(np.abs(want).max(), 1.0))


# --- what was written is what the block holds


def test_the_numbers_of_the_block_can_be_read_back_from_the_file(machine, read_back):
    block, params, nodes = machine.block, machine.core.params, read_back.nodes
    for number, line in enumerate(block.line):
        seconds = line["clock"]["usual_ns"] / SECOND
        for name, synapses in POPULATIONS.items():
            known = line[name]["common"]["competition"]["recruited"]
            assert known > 1
            found = delays_of(nodes[f"line{number}_evolving_{name}_delays"])
            close(found, delays(line[name]["delays"]).reshape(synapses, -1).T[:known])
        close(1 - np.exp(-seconds / nodes[f"line{number}_traces_membranes"].tau), list(params.traces.forget))
        close(1 / (1 - np.exp(-seconds / nodes[f"line{number}_condition_membranes"].tau)), [params.condition.trace])
        close(1 / (1 - np.exp(-seconds / nodes[f"line{number}_activity_membrane"].tau)), [params.activity.membrane])
        assert nodes[f"line{number}_traces_level"].bias == line["traces"]["level"]
        assert nodes[f"line{number}_traces_change"].r == params.traces.step
        for unit, weights in enumerate(block.context[number]["weights"]):
            np.testing.assert_array_equal(nodes[f"line{number}_context_unit{unit}_weights"].weight, weights.T)
    known = block.machine["condition"]["competition"]["recruited"]
    close(delays_of(nodes["condition_population_delays"]), delays(block.line["condition"]["delays"]).T[:known])
    if len(machine.sensors) > 1:
        apart = ~np.eye(len(machine.sensors), dtype=bool)
        np.testing.assert_array_equal(nodes["coupling_weights"].weight[apart], block.coupling[apart])
        assert np.abs(nodes["coupling_weights"].weight).max() > 0.01


def delays_of(node):
    """The delays that a node of NIR was made of, (neurons, synapses)."""
    about = node.metadata
    held = about["offset"] - node.delay / about["unit_seconds"]
    return held.reshape(about["neurons"], about["synapses"])


def test_every_node_says_whose_it_is_and_no_time_is_negative(machine, read_back):
    assert read_back.metadata["machine"] == "press"
    assert json.loads(read_back.metadata["lines"]) == machine.sensors
    for name, node in read_back.nodes.items():
        assert node.metadata["machine"] == "press"
        assert name.startswith(node.metadata["part"].replace(" ", "_") if "lines" in node.metadata else "line")
        if "line" in node.metadata:
            assert node.metadata["line"] == machine.sensors[int(re.match(r"line(\d+)_", name)[1])]
        if isinstance(node, nir.Delay):
            assert node.delay.min() >= 0.0


def test_delays_of_eight_bits_are_the_middles_of_their_steps():
    assert delays(np.array([-128, 0, 127], np.int8)).tolist() == [-7.96875, 0.03125, 7.96875]


# --- a simulator of the equations on the page of NIR's primitives


class Network(NamedTuple):
    """A graph in the order in which its nodes hear each other."""

    nodes: dict
    sources: dict


def ordered(graph):
    sources = {name: [pre for pre, post in graph.edges if post == name] for name in graph.nodes}
    order, left = [], list(graph.nodes)
    while left:
        ready = [name for name in left if set(sources[name]) <= set(order)]
        assert ready, "the graph has no cycles"
        order += ready
        left = [name for name in left if name not in ready]
    return Network({name: graph.nodes[name] for name in order}, sources)


def width(node):
    return int(np.prod(next(iter(node.output_type.values()))))


class Simulator:
    """Continuous time: impulses are jumps, the rest moves in steps of an interval or of a part of it."""

    def __init__(self, graph, seconds, *, parts=1, exact=True, rested=False):
        self.network, self.seconds, self.parts, self.exact = ordered(graph), seconds, parts, exact
        self.state = {
            name: np.zeros(width(node)) if rested else np.array(node.metadata.get("state", np.zeros(width(node))))
            for name, node in self.network.nodes.items()
            if isinstance(node, nir.I | nir.LI)
        }
        self.past = {name: [] for name, node in self.network.nodes.items() if isinstance(node, nir.Delay)}

    def interval(self, spikes, values):
        """What every node has at the end of an interval, of which these are the inputs."""
        self._jump(spikes)
        for _ in range(self.parts):
            found = self._move(values, self.seconds / self.parts)
        return found

    def _jump(self, spikes):
        impulse = {}
        for name, node in self.network.nodes.items():
            heard = sum(impulse[one] for one in self.network.sources[name])
            impulse[name] = 0.0
            if isinstance(node, nir.Input):
                impulse[name] = spikes.get(name, 0.0)
            elif np.any(heard):
                match node:
                    case nir.Linear():
                        impulse[name] = node.weight @ heard
                    case nir.I():
                        self.state[name] = self.state[name] + node.r * heard
                    case nir.LI():
                        self.state[name] = self.state[name] + node.r / node.tau * heard
                    case _:
                        raise AssertionError(f"{name}: no impulses are sent there")

    def _move(self, values, seconds):
        found = {}
        for name, node in self.network.nodes.items():
            heard = sum(found[one] for one in self.network.sources[name])
            match node:
                case nir.Input():
                    found[name] = values.get(name, np.zeros(width(node)))
                case nir.Output():
                    found[name] = heard
                case nir.Linear():
                    found[name] = node.weight @ heard
                case nir.Affine():
                    found[name] = node.weight @ heard + node.bias
                case nir.I():
                    self.state[name] = self.state[name] + node.r * heard * seconds
                    found[name] = self.state[name]
                case nir.LI():
                    aim = node.v_leak + node.r * heard
                    share = 1.0 - np.exp(-seconds / node.tau) if self.exact else seconds / node.tau
                    self.state[name] = self.state[name] + share * (aim - self.state[name])
                    found[name] = self.state[name]
                case nir.Delay():
                    past = self.past[name]
                    past.append(heard)
                    steps = node.delay / seconds
                    late = np.rint(steps).astype(int)
                    if values and np.allclose(steps, late):  # else of spikes, see `arrivals`
                        before = [past[-1 - n][i] if n < len(past) else 0.0 for i, n in enumerate(late)]
                        found[name] = np.array(before)
                    else:
                        found[name] = np.zeros_like(heard)
        return found


def arrivals(graph, name, times):
    """When the spikes of a population's synapses arrive, in seconds of its cycle; (neurons, synapses)."""
    axons, late = graph.nodes[f"{name}_axons"], graph.nodes[f"{name}_delays"]
    about = late.metadata
    sent = (about["offset"] + times) * about["unit_seconds"]
    assert (axons.weight.sum(axis=1) == 1).all(), "each axon carries the spikes of one input"
    return (axons.weight @ sent + late.delay).reshape(about["neurons"], about["synapses"])


# --- which does what the network in C does


class Played(NamedTuple):
    """Rows after an export: what a graph is given, and what the network has after each."""

    spikes: list
    values: list
    has: list


def play(machine, rows):
    """Go on for some rows; the inputs of the graph are taken from what the parts before it say."""
    played = Played([], [], [])
    step, clip = machine.core.params.traces.step, machine.core.params.coupling.clip
    for _ in range(rows):
        held, read = machine.block.copy(), machine.table[machine.row]
        before, was_context = held.line, held.context
        machine.live(1)
        block, spikes, values = machine.block, {}, {}
        for number, line in enumerate(block.line):
            value, was = read[number], before[number]
            name = f"line{number}"
            moved = np.rint((line["delta"]["compressed"] - was["delta"]["compressed"]) / step)
            spikes[f"{name}_traces_spikes"] = np.array([max(moved, 0.0), max(-moved, 0.0)])
            fired = line["activity"]["reference"] != was["activity"]["reference"]
            spikes[f"{name}_activity_spikes"] = fired.astype(float)
            values[f"{name}_persistence_input"] = np.cbrt(np.mean(line["rarity"][SEVEN].astype(float) ** 3))[None]
            values[f"{name}_condition_input"] = values[f"{name}_rate_encoder_input"] = np.array([value])
            if block.header["context"]:
                code = block.context[number]["code"]
                values |= {f"{name}_context_rates{m}": rates(code, m) for m in range(3)}
                values[f"{name}_context_input"] = surprise(block, was_context[number], number, machine.core.params)
        deviation = np.sqrt(before["value"]["variance"]) + 1e-6 * np.abs(before["value"]["mean"]) + 1e-12
        values["coupling_sigmas"] = np.clip((read - before["value"]["mean"]) / deviation, -clip, clip)
        played.spikes.append(spikes)
        played.values.append(values)
        played.has.append(block.copy())
    return played


def surprise(block, before, number, params):
    """What the three membranes of context have heard, by how far the first of them has moved."""
    now, was = block.context["membrane"][number][0], before["membrane"][0]
    return np.array([was + (now - was) * params.context.readouts[0]])


def rates(code, membrane):
    """Rates of the sixteen fields, as `encoders/rate.h` has them."""
    share = (code["membrane"][membrane] - code["low"]) / (code["high"] - code["low"])
    place = min(max(share, 0.0), 1.0) * (FIELDS - 1)
    return np.maximum(1.0 - np.abs(np.arange(FIELDS) - place), 0.0)


def membranes(block):
    """Every membrane that a graph has, by its output."""
    found = {}
    for number in range(block.lines):
        found |= of_line(block, number)
    if block.lines > 1:
        found["coupling_output"] = block.line["coupling"]["trace"]
    return found


def of_line(block, number):
    """Those of a line."""
    line = block.line[number]
    trace = line["traces"]["trace"]
    levels = np.array([line["traces"]["level"], *trace])
    slow = block.context[number]["code"]["membrane"][1:]
    return {
        f"line{number}_traces_levels": levels,
        f"line{number}_traces_changes": levels[:4] - levels[1:5],
        f"line{number}_activity_activity": line["activity"]["activity"][None],
        f"line{number}_persistence_output": line["persistence"]["membrane"][None],
        f"line{number}_condition_output": line["condition"]["trace"][None],
        f"line{number}_rate_encoder_output": slow,
        f"line{number}_context_output": block.context[number]["membrane"],
    }


@pytest.fixture(scope="module")
def life(machine):
    """A graph, what came after it was exported, and what the graph made of that."""
    at, before = machine.graph(), machine.block.copy()
    played = play(machine, PLAYED)
    simulator = Simulator(at, machine.seconds)
    found = [simulator.interval(*given) for given in zip(played.spikes, played.values, strict=True)]
    return at, before, played, found


def test_a_graph_has_the_membranes_of_the_network_after_every_reading(life):
    _, _, played, simulated = life
    farthest = 0.0
    for found, block in zip(simulated, played.has, strict=True):
        for name, want in membranes(block).items():
            close(found[name], want, ROUNDED if "persistence" in name else TOLERANCE)
            farthest = max(farthest, np.abs(found[name] - want).max())
    print(f"{len(simulated)} rows, {len(membranes(block))} outputs, at most {farthest:.1e} apart")  # noqa: T201


def only(graph, prefix):
    """The nodes of a graph whose names begin like that."""
    nodes = {name: node for name, node in graph.nodes.items() if name.startswith(prefix)}
    return nir.NIRGraph(nodes, [edge for edge in graph.edges if edge[0] in nodes])


def test_a_simulator_that_steps_more_finely_comes_as_near_as_its_steps_are_fine(machine, life):
    at, _, played, simulated = life
    apart = []
    for parts in (50, 100):
        euler = Simulator(only(at, "line0_traces"), machine.seconds, parts=parts, exact=False)
        worst = 0.0
        for row in range(50):
            found = euler.interval(played.spikes[row], played.values[row])
            worst = max(worst, np.abs(found["line0_traces_levels"] - simulated[row]["line0_traces_levels"]).max())
        apart.append(worst)
    print(f"Euler, 50 and 100 steps an interval: {apart[0]:.4f} and {apart[1]:.4f} apart")  # noqa: T201
    assert 0.0 < apart[1] < 0.6 * apart[0] < 0.03


def test_a_simulator_that_begins_at_rest_has_forgotten_that_after_seven_hundred_readings(machine, life):
    at, _, played, _ = life
    rested = Simulator(only(at, "line0_"), machine.seconds, rested=True)
    for row in range(700):
        found = rested.interval(played.spikes[row], played.values[row])
        if row == 0:
            assert abs(found["line0_condition_output"] - played.has[0].line["condition"]["trace"][0]) > 0.1
    for name, want in membranes(played.has[699]).items():
        if name.startswith("line0_"):
            close(found[name], want, ROUNDED)


@pytest.mark.parametrize("name", [name for name in INTERVAL if name != "machine-temperature"])
def test_the_lines_expect_of_each_other_what_they_do_in_the_network(name):
    """Frozen, so that the weights stay; the membrane of the error tells what was expected."""
    machine = Machinery(name)
    machine.live(LEARNED)
    machine.block.machine["frozen"] = 1
    simulator, params = Simulator(machine.graph(), machine.seconds), machine.core.params.coupling
    error = machine.block.line["coupling"]["error"].copy()
    for spikes, values, block in zip(*play(machine, 100), strict=True):
        found = simulator.interval(spikes, values)
        off = found["coupling_output"] - found["coupling_expected"]
        taken = np.minimum(off**2, 25.0 * block.line["coupling"]["usual"] + 0.1)
        error += (taken - error) / params.membrane
        close(error, block.line["coupling"]["error"])
    assert error.max() > 1e-3


def lateness(graph, name, times, worst):
    """Of every neuron, by when the spikes of its synapses arrive: how far from the middle of the cycle."""
    about = graph.nodes[f"{name}_delays"].metadata
    off = np.abs(arrivals(graph, name, times) / about["unit_seconds"] - 2.0 * about["offset"])
    return (1.0 - worst) * off.mean(axis=1) + worst * off.max(axis=1)


def heard(line, params):
    """Spike times of the three populations of a line."""
    traces = line["traces"]
    levels = np.array([traces["level"], *traces["trace"]])
    rough = params.rough_weight * np.log(traces["rough"] + params.rough_floor)
    return {"levels": levels, "pattern": np.array([levels[4], *rough]), "changes": levels[:4] - levels[1:5]}


def test_the_spikes_arrive_first_together_at_the_neuron_that_the_network_lets_win(machine, life):
    _, _, played, _ = life
    params, graph_of = machine.core.params, lambda block: graph(machine.core.params, "m", machine.sensors, block)
    novel = known = 0
    limits = np.array([block.line["levels"]["common"]["vigilance"] for block in played.has])
    surprised = np.flatnonzero((np.diff(limits, axis=0) > 0.0).any(axis=1)) + 1  # only what is new raises a limit
    for row in sorted({*range(1, PLAYED, 20), *surprised[:10].tolist()}):
        before, after = played.has[row - 1], played.has[row]
        at = graph_of(before)
        asked = []
        for number, (line, was) in enumerate(zip(after.line, before.line, strict=True)):
            if not was["quality"]["masked"]:
                for name, times in heard(line, params.traces).items():
                    asked.append((f"line{number}_evolving_{name}", times, was[name]["common"], line[name]["common"]))
        sigmas = after.line["condition"]["sigmas"]
        squash = params.condition.squash
        times = np.sign(sigmas) * squash * np.log1p(np.abs(sigmas) / squash)
        asked.append(("condition_population", times, before.machine["condition"], after.machine["condition"]))
        for name, times, was, now in asked:
            # The network hears times, and weighs the latest synapse, in whole parts of 256.
            parts = np.floor(np.stack([*times]) * PARTS + 0.5) / PARTS
            late = lateness(at, name, parts, round(params.evolving.worst * PARTS) / PARTS)
            winner = now["competition"]["winner"]
            if (
                now["competition"]["recruited"] > was["competition"]["recruited"]
                or late.min() > was["vigilance"] + ROUNDED
            ):
                assert late.min() > was["vigilance"] - ROUNDED
                novel += 1
            else:
                assert late[winner] < min(late.min(), was["vigilance"]) + ROUNDED
                known += 1
    print(f"{known} inputs were known, {novel} were new")  # noqa: T201
    assert known > 100
    assert novel > 0


def test_the_units_of_context_hear_the_fields_that_they_hear_in_the_network(life):
    _, before, played, simulated = life
    sums = []
    blocks = [before, *played.has]
    for row in range(max(readings for _, readings in CONTEXT), PLAYED):
        was, now = blocks[row], blocks[row + 1]
        for number in np.flatnonzero(was.line["quality"]["masked"] == 0):
            fired = now.context["fired"][number] - was.context["fired"][number]
            for unit in range(len(CONTEXT)):
                found = simulated[row][f"line{number}_context_unit{unit}_before"]
                np.testing.assert_allclose(fired[unit], found, rtol=0, atol=2e-4)  # a float that counts to a thousand
                sums.append(simulated[row][f"line{number}_context_unit{unit}_expected"].sum())
    assert np.median(sums) == pytest.approx(1.0, abs=0.05)  # shares of what followed


# --- what is listed, and the command


def table_of_parts(page):
    """The rows of the first table of a page whose first column is `part`, by that."""
    lines = (build_core.ROOT / "docs" / page).read_text().splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith("| part |"))
    rows = {}
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        part, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows[part] = cells
    return rows


def test_every_part_of_the_network_is_exported_or_listed_with_the_reason_why_not():
    machine = Machinery("simulated-press", with_context(Params()))
    machine.live(300)
    exported = {node.metadata["part"] for node in machine.graph().nodes.values()}
    listed = table_of_parts("nir.md")
    assert set(listed) == set(table_of_parts("network.md"))
    assert {part for part, (has, _) in listed.items() if has} == exported
    assert all(left for _, left in listed.values())


def lived(rows, sensors=2):
    engine = Engine()
    press = Machine("press 1", (("site", "a"),))
    for at in range(rows):
        row = [Reading(press, f"s/{i} °C", START + at * SECOND, float(at * (i + 2) % 7)) for i in range(sensors)]
        engine.step(engine.arrange([row]))
    return engine


def test_a_machine_of_any_names_and_any_age_is_a_file_that_can_be_read(tmp_path):
    for rows, sensors in ((1, 1), (2, 3), (60, 20)):
        made = export(lived(rows, sensors), 0, tmp_path / "below" / f"{rows}.nir")
        found = nir.read(tmp_path / "below" / f"{rows}.nir")
        assert len(found.nodes) == made.nodes
        assert found.metadata["machine"] == "press%201;site=a"
        assert json.loads(found.metadata["lines"]) == made.sensors == [f"s/{i} °C" for i in range(sensors)]
    assert {path.name for path in (tmp_path / "below").iterdir()} == {"1.nir", "2.nir", "60.nir"}


def test_a_file_that_is_there_is_not_overwritten_and_one_that_cannot_be_written_is_not_there(tmp_path, monkeypatch):
    engine = lived(3)
    (tmp_path / "press.nir").write_text("mine")
    with pytest.raises(ExportError, match=r"press\.nir: is there already"):
        export(engine, 0, tmp_path / "press.nir")
    assert (tmp_path / "press.nir").read_text() == "mine"

    def full(self, content):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        export(engine, 0, tmp_path / "new" / "press.nir")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_machine_without_a_reading_is_not_exported(tmp_path):
    engine = Engine()
    engine.fleet.number(Machine("press 1", ()), "s0")
    with pytest.raises(ExportError, match="press 1: has had no reading yet"):
        export(engine, 0, tmp_path / "press.nir")


@pytest.mark.servers
def test_a_machine_of_a_running_service_is_exported_by_the_command_line(tmp_path):
    with Plant(tmp_path) as plant:
        plant.send("press-1", machine_with_modes(400, 3, 1))
        order = [sys.executable, "-m", "pipeline", "export", "nir", "--machine", "press-1", "--config", plant.path]
        done = subprocess.run(
            [*order, "--out", tmp_path / "press.nir", "--json"], capture_output=True, text=True, cwd=build_core.ROOT
        )
        said = json.loads(done.stdout)
        assert said["bytes"] == (tmp_path / "press.nir").stat().st_size, done.stderr
        assert said["nodes"] == len(nir.read(tmp_path / "press.nir").nodes)
        again = subprocess.run(
            [*order, "--out", tmp_path / "press.nir"], capture_output=True, text=True, cwd=build_core.ROOT
        )
        assert (again.returncode, "is there already" in again.stderr) == (1, True)
