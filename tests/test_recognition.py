"""Few-shot classes: a person's word on a few incidents names later ones, and nothing that was said is forgotten."""

import numpy as np
import pytest
from machines import START, engine_of, plant, readings, restored, same

from pipeline.config.settings import MachineRule
from pipeline.engine.commands import Command, CommandError
from pipeline.engine.fleet import SnapshotError
from pipeline.engine.recognition import CLASSES, KEPT, LEAST, NEAR, SCALE, WHOLE, Memory, TooManyClassesError
from pipeline.records import Machine

BEGIN, EVERY, LONG = 1500, 1000, 120
PRESS = Machine("m")


def life(kinds, seed=4, lines=4):
    """A machine on which one fault after the other happens: a sensor reads zero, or it is off."""
    table = plant(BEGIN + EVERY * len(kinds), lines, seed)
    for number, kind in enumerate(kinds):
        rows, line = slice(BEGIN + number * EVERY, BEGIN + number * EVERY + LONG), number % lines
        if kind == "dropout":
            table[rows, line] = 0.0
        else:
            table[rows, line] += 8.0
    return table


def say(engine, verb, argument="", machine=PRESS):
    return engine.apply(Command(verb, machine, argument, "anna", "cli", START))


def fault(engine, table, number, slot=0):
    """Live until just before the next fault; what was said of incidents from this fault on."""
    begin = BEGIN + number * EVERY
    scores = engine.step(readings(table[begin : begin + EVERY], begin, slot, engine.lines_of_slot[slot]))
    return [news for news in scores.news if news.incident.started_ns < START + (begin + LONG + 20) * 10**9]


def begun(table, machines=("m",), rule=None):
    """An engine whose machines have lived until the first fault."""
    engine = engine_of(0, rule=rule) if rule else engine_of(0)
    engine.lines_of_slot = []
    for name in machines:
        lines = [engine.fleet.number(Machine(name), f"s{line}")[1] for line in range(table.shape[1])]
        engine.lines_of_slot.append(lines)
    for slot, lines in enumerate(engine.lines_of_slot):
        engine.step(readings(table[:BEGIN], 0, slot, lines))
    return engine


def taught(kinds=("dropout", "offset") * LEAST, more=("offset", "dropout")):
    """An engine to which the first faults of a life were named, and that life."""
    table = life((*kinds, *more))
    engine = begun(table)
    for number, kind in enumerate(kinds):
        fault(engine, table, number)
        say(engine, "label", kind)
    return engine, table


def test_from_three_named_incidents_on_later_ones_carry_the_class_with_a_confidence():
    kinds = ("dropout", "offset") * (LEAST + 1)
    table = life(kinds)
    engine = begun(table)
    for number, kind in enumerate(kinds):
        news = fault(engine, table, number)
        closed = [one for one in news if one.phase == "close"]
        assert closed
        known = number // 2 >= LEAST
        assert closed[-1].incident.label == (kind if known else "")
        assert (0.5 < closed[-1].incident.confidence < 1.0) if known else closed[-1].incident.confidence == 0.0
        [point, audit] = say(engine, "label", kind)
        assert (point.fields["class"], point.fields["confidence"]) == (kind, 1.0)
        assert (point.fields["started"], point.time_ns) == (closed[-1].incident.started_ns, closed[-1].time_ns)
        assert (audit.measurement, audit.fields["argument"]) == ("command", kind)


def test_an_open_incident_is_named_while_it_lasts_and_says_when_its_class_changes():
    engine, table = taught()
    begin = BEGIN + 7 * EVERY  # a dropout
    engine.step(readings(table[BEGIN + 6 * EVERY : begin], BEGIN + 6 * EVERY))
    scores = engine.step(readings(table[begin : begin + LONG], begin))
    assert next(news.phase for news in scores.news) == "open"
    assert {news.phase for news in scores.news} <= {"open", "update"}
    assert engine.incident(0).label == "dropout"
    assert [news.incident.label for news in scores.news][-1] == "dropout"


@pytest.mark.parametrize("rows", [1, 7, 400])
def test_batch_borders_change_nothing(rows):
    whole, table = taught()
    parts = restored(whole)
    first = BEGIN + 6 * EVERY
    news = whole.step(readings(table[first:], first)).news
    later = []
    for begin in range(first, len(table), rows):
        later += parts.step(readings(table[begin : begin + rows], begin)).news
    assert any(one.incident.label for one in news)
    assert tuple(later) == news
    assert same(whole, parts)


def test_what_was_said_and_half_an_incident_survive_a_restart_to_the_bit():
    engine, table = taught()
    middle = BEGIN + 6 * EVERY + LONG // 2
    engine.step(readings(table[BEGIN + 6 * EVERY : middle], BEGIN + 6 * EVERY))
    assert engine.incident(0) is not None
    other = restored(engine)
    assert same(engine, other)
    rest = readings(table[middle:], middle)
    news = engine.step(rest).news
    assert news == other.step(rest).news
    assert {one.incident.label for one in news if one.phase == "close"} == {"offset", "dropout"}
    arrays = engine.fleet.snapshot()
    arrays["classes.signature"] = arrays["classes.signature"][:, :, :-1]
    with pytest.raises(SnapshotError):
        engine_of(0).fleet.restore(arrays)


def test_neither_units_nor_which_sensor_was_hit_make_a_difference():
    table = life(("offset",))
    plain, scaled, turned = begun(table), begun(table * 1024.0), begun(table[:, ::-1])
    fault(plain, table, 0)
    fault(scaled, table * 1024.0, 0)
    fault(turned, table[:, ::-1], 0)
    first, second, third = (e.fleet.state.recognition_machines.closed[0] for e in (plain, scaled, turned))
    assert np.abs((first - second)[-1] / SCALE).max() < 0.1
    assert np.abs((first - third)[-1] / SCALE).max() < 0.1


def test_a_machine_shares_what_was_named_with_its_kind_and_with_nobody_else():
    kinds = ("dropout", "offset") * (LEAST + 1)
    table = life(kinds)
    engine = begun(table, ("press-1", "press-2", "pump"), lambda name: MachineRule(kind=name.partition("-")[0]))
    for number, kind in enumerate(kinds[: 2 * LEAST]):
        for slot in range(3):
            fault(engine, table, number, slot)
        say(engine, "label", kind, Machine("press-1"))
    begin = BEGIN + 2 * LEAST * EVERY  # a dropout
    for slot, label in enumerate(("dropout", "dropout", "")):
        engine.step(readings(table[begin : begin + LONG], begin, slot, engine.lines_of_slot[slot]))
        assert engine.incident(slot).label == label


def test_the_last_word_on_an_incident_counts_and_all_of_it_is_kept():
    table = life(("offset", "offset"))
    with pytest.raises(CommandError, match="no incident"):
        say(engine_of(1), "label", "bearing")
    engine = begun(table)
    engine.step(readings(table[BEGIN : BEGIN + 60], BEGIN))
    say(engine, "label", "bearing")
    half = engine.fleet.memory.signature.copy()
    [point, _] = say(engine, "label", "seal")
    assert point.fields["class"] == "seal"
    engine.step(readings(table[BEGIN + 60 : BEGIN + EVERY], BEGIN + 60))
    memory = engine.fleet.memory
    assert memory.label.tolist() == ["seal"]
    assert not np.array_equal(memory.signature, half)
    assert np.array_equal(memory.signature[0], engine.fleet.state.recognition_machines.closed[0])
    say(engine, "label", "bearing")
    assert engine.fleet.memory.label.tolist() == ["bearing"]


def test_what_was_named_survives_a_repair():
    engine, _ = taught()
    kept = engine.fleet.memory.arrays()
    say(engine, "repaired")
    assert all(np.array_equal(kept[name], array) for name, array in engine.fleet.memory.arrays().items())


def of_class(number, rng):
    """A signature near the middle of a class."""
    middle = np.random.default_rng(number).normal(0.0, 4.0, len(SCALE))
    return (middle + rng.normal(0.0, 0.3, len(SCALE))) * SCALE


def stages(signature):
    return np.tile(signature, (WHOLE + 1, 1))


def filled(classes, examples=5):
    memory, rng = Memory(), np.random.default_rng(0)
    for number in range(classes * examples):
        memory.store(0, number, f"class {number % classes}", stages(of_class(number % classes, rng)))
    return memory


def test_a_fifth_class_changes_no_example_and_forgets_no_class():
    rng = np.random.default_rng(1)
    memory = filled(4)
    asked = [(f"class {number % 4}", of_class(number % 4, rng)) for number in range(40)]
    before = memory.arrays()
    assert [memory.recognise([0], one)[0] for _, one in asked] == [label for label, _ in asked]
    for number in range(5):
        memory.store(0, 100 + number, "class 4", stages(of_class(4, rng)))
    for name in ("slot", "number", "label", "signature"):
        assert np.array_equal(memory.arrays()[f"classes.{name}"][:20], before[f"classes.{name}"])
    assert [memory.recognise([0], one)[0] for _, one in asked] == [label for label, _ in asked]
    assert memory.recognise([0], of_class(4, rng))[0] == "class 4"


def test_unknown_stays_unknown():
    rng = np.random.default_rng(1)
    assert Memory().recognise([0], of_class(0, rng)) == ("", 0.0)
    memory = filled(4)
    assert memory.recognise([1], of_class(0, rng)) == ("", 0.0)
    for number in range(4, 40):
        assert memory.recognise([0], of_class(number, rng)) == ("", 0.0)
    for number in range(LEAST - 1):
        memory.store(0, 100 + number, "rare", stages(of_class(5, rng)))
        assert memory.recognise([0], of_class(5, rng)) == ("", 0.0)
    memory.store(0, 200, "rare", stages(of_class(5, rng)))
    assert memory.recognise([0], of_class(5, rng))[0] == "rare"


def test_confidence_falls_on_the_way_from_one_class_to_the_next():
    memory = Memory()
    for number in range(5):
        shake = np.random.default_rng(number).normal(0.0, 0.3, len(SCALE))
        memory.store(0, number, "one", stages(shake * SCALE))
        memory.store(0, 10 + number, "other", stages((shake + 1.0) * SCALE))
    said = [memory.recognise([0], step * SCALE) for step in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    assert [label for label, _ in said] == ["one"] * 3 + ["other"] * 3
    assert said[0][1] > said[1][1] > said[2][1] > 0.0 < said[3][1] < said[4][1] < said[5][1] < 1.0
    assert memory.recognise([0], -NEAR * 2.0 * SCALE)[0] == ""


def test_the_memory_is_bounded_and_says_what_it_dropped():
    rng = np.random.default_rng(2)
    memory = Memory()
    for number in range(KEPT + 5):
        memory.store(0, number, "worn", stages(of_class(0, rng)))
    assert memory.number.tolist() == list(range(5, KEPT + 5))
    assert memory.dropped == 5
    for number in range(1, CLASSES):
        memory.store(0, 100 + number, f"class {number}", stages(of_class(number, rng)))
    before = memory.arrays()
    with pytest.raises(TooManyClassesError, match="32"):
        memory.store(0, 999, "one too many", stages(of_class(0, rng)))
    assert all(np.array_equal(before[name], array) for name, array in memory.arrays().items())
    memory.store(1, 1, "one too many", stages(of_class(0, rng)))
    assert memory.examples([0])["worn"] == KEPT
    assert Memory.of(memory.arrays()).dropped == 5
