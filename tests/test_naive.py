"""The naive twin says what it said, and has the properties of the page, so it may referee the network in C."""

import copy
import math
from collections.abc import Sequence

import pytest
from naive import NaiveMachine, Outputs, averaged, golden_input

# Row, surprise, event, state, gate, what both dendrites say, cause: computed by the twin, to stay as they are, and
# by the core, see test_network.py.
GOLDEN = """
 99  0.000000  0.000000  0.000000  1.000000  0.000000  0.000000  0
100  0.531074  0.531074  0.221058  1.000000  0.577499  0.445040  0
120  0.407827  0.000000  0.312749  1.000000  0.480052  0.278138  1
200  0.342834  0.000000  0.314335  1.000000  0.337969  0.432263  1
299  0.220290  0.000000  0.369824  1.000000  0.334516  0.241838  1
302  0.285052  0.000000  0.377989  1.000000  0.388713  0.000000  0
310  0.723945  0.000000  0.360150  1.000000  0.756155  0.501240  0
400  0.311128  0.000000  0.333187  1.000000  0.271203  0.413829  0
480  1.924406  1.924406  0.418097  1.000000  0.733803  1.793465  1
483  1.712946  0.000000  0.543276  1.000000  1.391305  1.613377  0
500  1.378066  0.000000  2.350633  0.020000  1.105328  1.329387  1
561  0.674086  0.000000  0.909643  0.809781  0.730475  0.360137  0
570  1.564397  0.000000  0.618659  0.974992  1.497546  0.402129  0
599  1.492236  0.000000  0.613108  0.871673  1.438639  0.702061  1
"""
GOLDEN_DECLARED = "150:0.925448 300:0.554359 450:0.701361 561:0.710129 575:1.602175"


def run(rows: Sequence[Sequence[float | None]], machine: NaiveMachine | None = None) -> list[Outputs]:
    machine = machine or NaiveMachine(len(rows[0]))
    return [machine.step(row) for row in rows]


@pytest.fixture(scope="module")
def golden_outputs() -> list[Outputs]:
    return run(golden_input())


@pytest.mark.parametrize("line", GOLDEN.strip().splitlines(), ids=lambda line: f"row {line.split()[0]}")
def test_the_golden_table_is_reproduced_to_its_last_digit(line: str, golden_outputs: list[Outputs]) -> None:
    row, *numbers, cause = line.split()
    out = golden_outputs[int(row)]
    columns = (out.surprise, out.event_raw, out.state_raw, out.gate, *out.channel_raw)
    assert [f"{number:.6f}" for number in columns] == numbers
    assert out.cause == int(cause)


def test_a_declared_range_gives_the_golden_line() -> None:
    outputs = run([row[:1] for row in golden_input()], NaiveMachine(1, ranges=[(-2.0, 2.0)]))
    rows = [int(item.split(":")[0]) for item in GOLDEN_DECLARED.split()]
    assert " ".join(f"{row}:{outputs[row].surprise:.6f}" for row in rows) == GOLDEN_DECLARED


def test_the_score_is_the_larger_of_event_and_state_and_that_of_one_channel_raises_no_alarm() -> None:
    many = run(golden_input())
    one = run([row[1:] for row in golden_input()])
    for outputs, unit, bend in ((many, 2.0, 0.0), (one, 1.6, 2.0)):
        assert max(out.state_raw for out in outputs) > 1.0, "the input must be an alarm"
        for out in outputs:
            assert out.event == 1.0 - 10.0 ** (-2.0 * (out.event_raw / unit))
            assert out.state == 1.0 - 10.0 ** (-2.0 * (out.state_raw / (1.0 + bend * out.state_raw)))
            assert out.score == max(out.event, out.state)
            assert out.channel == [1.0 - 10.0 ** (-2.0 * (S / unit)) for S in out.channel_raw]
    assert max(out.state for out in one) < 0.9


def test_readings_times_eight_give_the_same_bits_of_every_surprise(golden_outputs: list[Outputs]) -> None:
    """z, state and gate have the absolute 1e-12 of `sqrt v` in them, unranked: they keep 10 digits, not all bits."""
    scaled = run([[8.0 * x for x in row] for row in golden_input()])
    for name in ("surprise", "event_raw", "event", "channel_raw", "channel", "parts", "cause", "spikes"):
        assert [getattr(out, name) for out in scaled] == [getattr(out, name) for out in golden_outputs], name
    for name in ("state_raw", "state", "score", "gate"):
        expected = [getattr(out, name) for out in golden_outputs]
        assert [getattr(out, name) for out in scaled] == pytest.approx(expected, rel=0, abs=1e-10), name
    for out, expected in zip(scaled, golden_outputs, strict=True):
        assert out.z == pytest.approx(expected.z, rel=0, abs=1e-10)


def test_the_first_rows_alone_give_the_same_scores(golden_outputs: list[Outputs]) -> None:
    for n in (1, 150, 303, 490):
        assert run(golden_input()[:n]) == golden_outputs[:n]


def test_a_row_without_readings_changes_no_state_and_says_nothing(golden_outputs: list[Outputs]) -> None:
    machine = NaiveMachine(2)
    run(golden_input()[:490], machine)
    before = copy.deepcopy(machine)
    out = machine.step([None, math.nan], elapsed=[7.0, 7.0], machine_elapsed=7.0)
    assert machine == before
    assert (out.surprise, out.event, out.state, out.score, out.spikes) == (0.0, 0.0, 0.0, 0.0, 0)
    assert run(golden_input()[490:], machine) == golden_outputs[490:]


def test_none_and_nan_are_the_same_missing_reading(golden_outputs: list[Outputs]) -> None:
    assert run([[None if math.isnan(x) else x for x in row] for row in golden_input()]) == golden_outputs


def test_usual_steps_give_the_same_bits_as_no_times_at_all(golden_outputs: list[Outputs]) -> None:
    machine = NaiveMachine(2)
    timed = [machine.step(row, elapsed=[1.0, 1.0], machine_elapsed=1.0) for row in golden_input()]
    assert timed == golden_outputs


@pytest.mark.parametrize("n", [1.0, 3.0, 7.0, 20.0])
def test_one_usual_step_of_an_average_has_the_bits_of_the_plain_equation(n: float) -> None:
    for a, b in ((0.1, 0.7), (-3.3, 1e6), (1e-9, 20.3)):
        assert averaged(a, b, n, 1.0) == a + (b - a) / n
        assert averaged(a, b, 1.0, 2.5) == a + (b - a)


def test_leaks_follow_the_elapsed_time_of_their_own_channel() -> None:
    """A reading 2.5 usual steps late in channel 0 moves its membranes by k' = 1 - (1 - k)^2.5, channel 1 as ever."""
    usual = NaiveMachine(2)
    run(golden_input()[:200], usual)
    late = copy.deepcopy(usual)
    before = copy.deepcopy(usual)
    row = golden_input()[200]
    usual.step(row)
    late.step(row, elapsed=[2.5, 1.0])

    def moves(part: str, k: float) -> None:
        owner, name = part.split(".")
        a, one, many = (getattr(getattr(m.channels[0], owner), name) for m in (before, usual, late))
        assert (many - a) / (one - a) == pytest.approx((1.0 - (1.0 - k) ** 2.5) / k)

    moves("activity.act", 1 / 16)
    moves("baseline.ly", 1 / 20)
    trace, one, many = (m.coupling.xt[0] for m in (before, usual, late))
    assert (many - trace) / (one - trace) == pytest.approx((1.0 - 0.75**2.5) / 0.25)
    R, R_late = before.channels[0].encoder.R, late.channels[0].encoder.R
    V, V_late = before.channels[0].encoder.V, late.channels[0].encoder.V
    tau = 1.5
    for k in range(1, 6):
        assert R_late[k] == pytest.approx(R[k] + (1.0 - math.exp(-2.5 / tau)) * (R_late[k - 1] - R[k]))
        tau *= 1.9
    for i, tau in enumerate((4.0, 16.0)):
        rough = abs(R_late[0] - R_late[2])
        assert V_late[i] == pytest.approx(V[i] + (1.0 - math.exp(-2.5 / tau)) * (rough - V[i]))
    assert late.channels[0].encoder.R[0] == usual.channels[0].encoder.R[0]
    assert late.channels[0].value == usual.channels[0].value
    assert late.channels[1].encoder == usual.channels[1].encoder
    assert late.coupling.xt[1] == usual.coupling.xt[1]


def test_the_baseline_of_the_encoder_walks_as_far_as_the_elapsed_time_allows() -> None:
    machine = NaiveMachine(2)
    run(golden_input()[:200], machine)
    before = machine.channels[0].encoder.med
    for far in (1e3, -1e3):
        usual, late = copy.deepcopy(machine), copy.deepcopy(machine)
        usual.step([far, math.nan])
        late.step([far, math.nan], elapsed=[2.5, 1.0])
        one, many = (m.channels[0].encoder.med - before for m in (usual, late))
        assert one == pytest.approx(math.copysign(0.02 * usual.channels[0].encoder.sc, far))
        assert many == pytest.approx(2.5 * one)


def test_silence_counts_elapsed_time_but_a_gap_is_no_evidence() -> None:
    machine = NaiveMachine(1)
    for e in (1.0, 3.0, 0.5):
        machine.step([2.0], elapsed=[e])
    assert machine.channels[0].silence.quiet == 2.5


def test_hold_threshold_and_lateness_follow_the_elapsed_time_of_the_machine() -> None:
    machine = NaiveMachine(2)
    rows = golden_input()
    run(rows[:481], machine)
    assert machine.output.wait > 2.5, "the event of row 480 set the hold"

    usual, late = copy.deepcopy(machine), copy.deepcopy(machine)
    usual.step(rows[481])
    late.step(rows[481], machine_elapsed=2.5)
    assert (usual.output.wait, late.output.wait) == (machine.output.wait - 1.0, machine.output.wait - 2.5)
    assert late.output.th == usual.output.th == machine.output.th
    before, one, many = (m.condition.late for m in (machine, usual, late))
    assert (many - before) / (one - before) == pytest.approx((1 - math.exp(-2.5 / 20)) / (1 - math.exp(-1 / 20)))

    late.step(rows[482], machine_elapsed=1000.0)
    assert late.output.wait == 0.0
    late.output.th = 10.0  # above any surprise of the next row
    late.step(rows[483], machine_elapsed=2.5)
    assert late.output.th == 10.0 * math.exp(-2.5 / 50)
