"""Sparkplug B: births, data, deaths, gaps and restarts; what can be known is not lost, and nothing is misnamed."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sparkplug_bytes import field, metric, payload

from pipeline.config.settings import Source, Times
from pipeline.payloads import Decoded, Decoder, sparkplug
from pipeline.payloads.decoded import Cause, Gone, Kept, Noted, Request
from pipeline.payloads.sparkplug_node import FIRST_ASK_NS, HELD_MESSAGES, HELD_NS
from pipeline.payloads.sparkplug_wire import read
from pipeline.records import MAX_MAGNITUDE, Machine, Message

NOW_NS = 1_717_000_000_000_000_000
NOW_MS = NOW_NS // 1_000_000
SECOND = 1_000_000_000
PRESS = Machine("press-1", (("group", "plant"), ("node", "edge")))
EDGE = Machine("edge", (("group", "plant"),))
FLOAT, INT32, STRING = 9, 3, 12


class Host:
    """A decoder with what a service would keep of its events."""

    def __init__(self, kept: dict[str, bytes] | None = None) -> None:
        self.decoder = Decoder((Source("spBv1.0/#", payload="sparkplug"),), Times(), 1 << 20)
        self.kept = dict(kept or {})
        self.requests: list[Request] = []
        self.gone: list[Machine] = []
        self.now_ns = NOW_NS
        self.connection = 1
        for key, content in self.kept.items():
            self.decoder.restore(key, content)

    def hear(self, kind: str, content: bytes, device: str = "press-1", node: str = "edge") -> Decoded:
        level = f"/{device}" if kind.startswith("D") else ""
        topic = f"spBv1.0/plant/{kind}/{node}{level}"
        return self.note(self.decoder.decode(Message(topic, content, self.now_ns, connection=self.connection)))

    def note(self, decoded: Decoded) -> Decoded:
        for event in decoded.events:
            if isinstance(event, Kept):
                self.kept[event.key] = event.content
                if not event.content:
                    del self.kept[event.key]
            elif isinstance(event, Request):
                self.requests.append(event)
            elif isinstance(event, Gone):
                self.gone += event.machines
        return decoded

    def restarted(self) -> "Host":
        after = Host(self.kept)
        after.now_ns = self.now_ns
        return after


def values(decoded: Decoded) -> list[tuple[str, float]]:
    return [(reading.sensor, reading.value) for reading in decoded.readings]


def causes(decoded: Decoded) -> list[Cause]:
    return [refusal.cause for refusal in decoded.refused]


def node_birth(seq: int = 0, bd_seq: int = 0) -> bytes:
    control = metric("Node Control/Rebirth", None, 11, boolean=False)
    return payload(seq, metric("bdSeq", None, 4, long=bd_seq), control, time_ms=NOW_MS)


def device_birth(seq: int = 1, aliases: tuple[int, int] = (1, 2)) -> bytes:
    return payload(
        seq, metric("temp", aliases[0], FLOAT, float=20.0), metric("rpm", aliases[1], INT32, int=1480), time_ms=NOW_MS
    )


def data(seq: int, temp: float, alias: int = 1, time_ms: int = NOW_MS) -> bytes:
    return payload(seq, metric(None, alias, float=temp), time_ms=time_ms)


def born(host: Host | None = None) -> Host:
    host = host or Host()
    host.hear("NBIRTH", node_birth())
    host.hear("DBIRTH", device_birth())
    return host


def test_data_means_what_the_births_have_said() -> None:
    host = Host()
    assert values(host.hear("NBIRTH", node_birth())) == []
    assert values(host.hear("DBIRTH", device_birth())) == [("temp", 20.0), ("rpm", 1480.0)]
    decoded = host.hear("DDATA", data(2, 21.5, time_ms=NOW_MS - 5))
    assert decoded.readings == [(PRESS, "temp", (NOW_MS - 5) * 1_000_000, 21.5)]
    assert host.requests == []
    assert host.gone == []


def test_a_node_is_a_machine_of_its_group_and_a_device_one_of_its_node() -> None:
    host = Host()
    host.hear("NBIRTH", payload(0, metric("cpu", 7, FLOAT, float=0.5)))
    assert host.hear("NDATA", payload(1, metric(None, 7, float=0.75))).readings[0].machine == EDGE
    host.hear("DBIRTH", payload(2, metric("cpu", 8, FLOAT, float=0.25)), device="edge")
    assert host.hear("DDATA", data(3, 1.0, 8), device="edge").readings[0].machine == Machine("edge", PRESS.tags)


WHOLE = [(1, 8, True), (2, 16, True), (3, 32, True), (4, 64, True), (5, 8, False), (6, 16, False), (7, 32, False)]


@pytest.mark.parametrize(("datatype", "bits", "signed"), [*WHOLE, (8, 64, False)])
def test_integers_of_every_width_come_back_in_both_ways_to_write_a_negative_one(
    datatype: int, bits: int, signed: bool
) -> None:
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    kind = "long" if bits == 64 else "int"
    for number in (lowest, -1 if signed else 0, 0, 1, highest):
        for width in (bits, 64 if kind == "long" else 32):
            host = Host()
            decoded = host.hear("NBIRTH", payload(0, metric("n", 1, datatype, **{kind: number % (1 << width)})))
            assert values(decoded) == [("n", float(number))], (number, width)


def test_an_integer_that_its_data_type_cannot_hold_is_refused_and_not_cut() -> None:
    decoded = Host().hear("NBIRTH", payload(0, metric("n", 1, 1, int=300), metric("u", 2, 5, int=256)))
    assert causes(decoded) == [Cause.MAGNITUDE, Cause.MAGNITUDE]


def test_what_is_no_number_is_counted_with_one_cause_each() -> None:
    decoded = Host().hear(
        "NBIRTH",
        payload(
            0,
            metric("on", 1, 11, boolean=True),
            metric("d", 2, 10, double=2.5),
            metric("text", 3, STRING, string=b"x"),
            metric("since", 4, 13, long=NOW_MS),
            metric("table", 5, 16, dataset=b"\x08\x01"),
            metric("part", 6, 19, template=b""),
            metric("raw", 7, 17, bytes=b"\x00"),
            metric("list", 8, 24, bytes=b"\x00\x00\x00\x00"),
            metric("gap", 9, FLOAT, null=True),
            metric("nothing", 10, FLOAT),
            metric("bad", 11, FLOAT, float=math.nan),
            metric("wrong", 12, FLOAT, string=b"1.5"),
            metric("mixed", 13, 11, int=1),
        ),
    )
    assert values(decoded) == [("on", 1.0), ("d", 2.5)]
    assert [cause.value for cause in causes(decoded)] == [
        *("text", "datetime", "dataset", "template", "binary", "shape", "null", "null", "nan", "text"),
        "not_sparkplug",
    ]


def test_a_time_of_its_own_counts_and_a_historical_value_keeps_it() -> None:
    host = born()
    old = NOW_MS - 3_600_000
    decoded = host.hear("DDATA", payload(2, metric(None, 1, float=1.0, time_ms=old, historical=True), time_ms=NOW_MS))
    assert [reading.time_ns for reading in decoded.readings] == [old * 1_000_000]
    future = host.hear("DDATA", data(3, 1.0, time_ms=NOW_MS + 3_600_000))
    assert causes(future) == [Cause.TIME_FUTURE]
    assert host.hear("DDATA", payload(4, metric(None, 1, float=2.0))).readings[0].time_ns == NOW_NS


def test_a_gap_asks_for_a_rebirth_and_data_waits_for_it() -> None:
    host = born()
    decoded = host.hear("DDATA", payload(4, metric(None, 2, float=1.0)))
    assert (decoded.readings, decoded.refused) == ((), ())
    host.hear("NBIRTH", node_birth())
    assert values(host.hear("DBIRTH", device_birth(aliases=(2, 1))))[0] == ("temp", 1.0)
    [request] = host.requests
    assert request.topic == "spBv1.0/plant/NCMD/edge"
    [asked] = read(request.payload).metrics
    assert (asked.name, asked.value, asked.datatype) == ("Node Control/Rebirth", True, 11)


def test_after_a_gap_without_an_answer_the_births_count_again() -> None:
    host = born()
    host.hear("DDATA", data(4, 1.0))
    assert values(host.note(host.decoder.overdue(host.now_ns + HELD_NS))) == [("temp", 1.0)]
    host.now_ns += HELD_NS
    assert values(host.hear("DDATA", data(5, 2.0))) == [("temp", 2.0)]


def test_a_new_connection_of_ours_is_no_better_than_a_restart() -> None:
    host = born()
    host.connection += 1
    assert values(host.hear("DDATA", data(2, 1.0))) == [("temp", 1.0)]
    host.connection += 1
    assert values(host.hear("DDATA", data(4, 1.0))) == []
    assert causes(host.note(host.decoder.overdue(host.now_ns + HELD_NS))) == [Cause.NO_BIRTH]


def test_requests_are_throttled_per_node_and_go_on_until_the_birth_has_come() -> None:
    host = born()
    for number in range(20):
        host.hear("DDATA", data((4 + 3 * number) % 256, 1.0))
    host.hear("NDATA", payload(9, metric("x", None, FLOAT, float=1.0)), node="other")
    assert [request.topic.split("/")[3] for request in host.requests] == ["edge", "other"]
    host.now_ns += FIRST_ASK_NS
    host.hear("DDATA", data(62, 1.0))  # the next of its sequence, and still something is missing
    assert len(host.requests) == 3
    host.hear("NBIRTH", node_birth())
    host.hear("DBIRTH", device_birth())
    host.now_ns += 10 * FIRST_ASK_NS
    host.hear("DDATA", data(2, 1.0))
    assert len(host.requests) == 3


def test_a_node_that_never_answers_is_asked_ever_more_seldom() -> None:
    host = Host()
    for second in range(3_600):
        host.now_ns = NOW_NS + second * SECOND
        host.hear("DDATA", data(second % 256, 1.0, time_ms=NOW_MS))
    assert 5 <= len(host.requests) <= 15


def test_sequence_numbers_go_round() -> None:
    host = born()
    for number in range(2, 600):
        assert values(host.hear("DDATA", data(number % 256, 1.0))) == [("temp", 1.0)]
    assert host.requests == []


def test_data_that_comes_before_its_birth_waits_for_it_and_keeps_its_time() -> None:
    host = Host()
    host.now_ns = NOW_NS - 3 * SECOND
    for number in range(3):
        decoded = host.hear("DDATA", payload(200 + number, metric(None, 1, float=float(number))))
        assert (decoded.readings, decoded.refused) == ((), ())
        host.now_ns += SECOND
    host.hear("NBIRTH", node_birth())
    decoded = host.hear("DBIRTH", device_birth())
    times = [reading.time_ns for reading in decoded.readings if reading.sensor == "temp"]
    assert times == [NOW_NS - 3 * SECOND, NOW_NS - 2 * SECOND, NOW_NS - SECOND, NOW_NS]
    assert len(host.requests) == 1


def test_what_waits_is_bounded_and_what_has_waited_too_long_is_refused() -> None:
    host = Host()
    refused = 0
    for number in range(HELD_MESSAGES + 50):
        refused += len(host.hear("DDATA", data(number % 256, 1.0)).refused)
    assert refused == 50
    assert host.note(host.decoder.overdue(host.now_ns)) == ([], [], [])
    overdue = host.note(host.decoder.overdue(host.now_ns + HELD_NS))
    assert causes(overdue) == [Cause.NO_BIRTH] * HELD_MESSAGES
    assert not any("#" in key for key in host.kept)


def test_a_metric_that_says_itself_what_it_is_needs_no_birth_in_the_end() -> None:
    host = Host()
    host.hear("DDATA", payload(5, metric("temp", None, FLOAT, float=1.5), metric("n", None, None, int=3)))
    host.now_ns += HELD_NS
    decoded = host.hear("DDATA", payload(6, metric("temp", None, FLOAT, float=2.5)))
    assert values(decoded) == [("temp", 1.5), ("temp", 2.5)]
    assert causes(decoded) == [Cause.NO_BIRTH]


def test_an_alias_that_the_birth_does_not_know_is_refused_and_asks_for_another() -> None:
    host = born()
    decoded = host.hear("DDATA", payload(2, metric(None, 1, float=1.0), metric(None, 77, float=2.0)))
    assert values(decoded) == [("temp", 1.0)]
    assert causes(decoded) == [Cause.NO_BIRTH]
    assert len(host.requests) == 1


def test_a_new_birth_replaces_what_was_said_before() -> None:
    host = born()
    host.hear("NBIRTH", node_birth())
    host.hear("DBIRTH", payload(1, metric("rpm", 1, FLOAT, float=9.5), metric("temp", 2, STRING, string=b"hot")))
    decoded = host.hear("DDATA", payload(2, metric(None, 1, float=7.5), metric(None, 2, string=b"hotter")))
    assert values(decoded) == [("rpm", 7.5)]
    assert causes(decoded) == [Cause.TEXT]


def test_data_of_another_type_than_its_birth_said_is_refused() -> None:
    host = born()
    decoded = host.hear("DDATA", payload(2, metric(None, 1, INT32, int=7)))
    assert causes(decoded) == [Cause.NO_BIRTH]
    assert len(host.requests) == 1


def test_one_alias_for_two_metrics_means_neither() -> None:
    host = Host()
    host.hear("NBIRTH", node_birth())
    decoded = host.hear("DBIRTH", device_birth(aliases=(5, 5)))
    assert causes(decoded) == [Cause.DUPLICATE_KEY, Cause.DUPLICATE_KEY]
    assert causes(host.hear("DDATA", data(2, 1.0, alias=5))) == [Cause.NO_BIRTH]


def test_a_death_makes_the_device_silent_and_that_of_a_node_all_of_its_devices() -> None:
    host = born()
    host.hear("DDEATH", payload(2))
    assert host.gone == [PRESS]
    host.gone.clear()
    host.hear("DBIRTH", device_birth(3))
    host.hear("NDEATH", payload(None, metric("bdSeq", None, 4, long=0)))
    assert set(host.gone) == {EDGE, PRESS}
    assert host.kept == {}
    decoded = host.hear("DDATA", data(4, 1.0))  # after a death an alias means nothing
    assert (decoded.readings, len(host.requests)) == ((), 1)


def test_the_late_word_of_an_earlier_sessions_death_is_not_heeded() -> None:
    host = Host()
    host.hear("NBIRTH", node_birth(bd_seq=8))
    host.hear("NDEATH", payload(None, metric("bdSeq", None, 4, long=7)))
    assert host.gone == []
    host.hear("NDEATH", payload(None, metric("bdSeq", None, 8, long=8)))
    assert host.gone == [EDGE]


def test_after_a_restart_the_next_of_a_sequence_needs_no_birth() -> None:
    host = born().restarted()
    assert values(host.hear("DDATA", data(2, 3.0))) == [("temp", 3.0)]
    assert host.requests == []


def test_after_a_restart_with_messages_missed_no_alias_is_believed_before_the_rebirth() -> None:
    host = born().restarted()
    # Meanwhile the node was born anew, with its aliases the other way round, and nobody told us.
    decoded = host.hear("DDATA", payload(5, metric(None, 2, float=21.0), metric(None, 1, int=1500), time_ms=NOW_MS))
    assert (decoded.readings, decoded.refused) == ((), ())
    assert len(host.requests) == 1
    host.hear("NBIRTH", node_birth())
    decoded = host.hear("DBIRTH", device_birth(aliases=(2, 1)))
    assert values(decoded) == [("temp", 21.0), ("rpm", 1500.0), ("temp", 20.0), ("rpm", 1480.0)]


def test_what_waits_for_a_birth_survives_a_restart() -> None:
    host = Host()
    host.hear("DDATA", data(7, 1.0))
    host = host.restarted().restarted()
    host.hear("NBIRTH", node_birth())
    assert values(host.hear("DBIRTH", device_birth()))[0] == ("temp", 1.0)
    assert not any("#" in key for key in host.kept)


def test_what_was_kept_of_something_else_is_an_error_that_says_so() -> None:
    host = born()
    for key, content in [("spBv1.0/plant/NDATA/edge", b"[1]"), ("spBv1.0/x", b"1"), ("plant/a", b"1"),
                         ("spBv1.0/plant/NBIRTH/edge", b"\xc1"), ("spBv1.0/plant/NDATA/edge#x", b"1")]:  # fmt: skip
        with pytest.raises(ValueError, match=r"\w"):
            host.decoder.restore(key, content)


def test_commands_and_hosts_are_heard_and_noted() -> None:
    decoder = Host().decoder
    for topic in ("spBv1.0/STATE/scada", "spBv1.0/plant/NCMD/edge", "spBv1.0/plant/DCMD/edge/press-1"):
        decoded = decoder.decode(Message(topic, b"anything", NOW_NS))
        assert [type(event) for event in decoded.events] == [Noted]
    for topic in ("spBv1.0/plant/NDATA/edge/x", "spBv1.0/plant/DDATA/edge", "spBv1.0/plant/NBORN/edge"):
        assert causes(decoder.decode(Message(topic, b"", NOW_NS))) == [Cause.NOT_SPARKPLUG]


def test_nodes_and_metrics_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug, "MOST_NODES", 3)
    monkeypatch.setattr(sparkplug, "MOST_DEFINITIONS", 5)
    host = born()
    for name in ("a", "b"):
        host.hear("NBIRTH", payload(0, metric("x", 1, FLOAT, float=1.0)), node=name)
    full = host.hear("NBIRTH", node_birth(), node="c")
    assert causes(full) == [Cause.BIRTHS_FULL]
    host.hear("NDEATH", payload(None), node="a")
    many = host.hear("NBIRTH", payload(0, *(metric(f"m{n}", n, FLOAT, float=1.0) for n in range(9))), node="c")
    assert causes(many) == [Cause.BIRTHS_FULL]


def test_a_payload_that_sparkplug_has_compressed_is_read() -> None:
    import gzip

    body = gzip.compress(payload(0, metric("temp", 1, FLOAT, float=1.5)))
    assert values(Host().hear("NBIRTH", field(4, b"SPBV1.0_COMPRESSED") + field(5, body))) == [("temp", 1.5)]


METRICS = st.builds(
    metric,
    st.sampled_from([None, "temp", "a/b", "bdSeq", "x" * 200, "\n"]),
    st.sampled_from([None, 0, 1, 2, 2**64 - 1]),
    st.sampled_from([None, *range(36), 2**32 - 1]),
    time_ms=st.sampled_from([None, 0, NOW_MS, NOW_MS + 10**9, 2**64 - 1]),
    null=st.sampled_from([None, True]),
    **{"float": st.none() | st.floats(width=32)},  # type: ignore[arg-type]
    **{"int": st.none() | st.integers(0, 2**32 - 1)},  # type: ignore[arg-type]
)
CONTENTS = st.builds(
    lambda seq, metrics, time_ms: payload(seq, *metrics, time_ms=time_ms),
    st.sampled_from([None, 0, 1, 2, 3, 255, 2**64 - 1]),
    st.lists(METRICS, max_size=4),
    st.sampled_from([None, NOW_MS, 2**64 - 1]),
)
KINDS = st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"])
STORIES = st.lists(
    st.tuples(KINDS, CONTENTS | st.binary(max_size=40), st.sampled_from([0, 1, 40]), st.booleans()), max_size=12
)


@given(STORIES)
@settings(deadline=None)
def test_any_story_gives_readings_refusals_or_events_and_never_an_exception(
    story: list[tuple[str, bytes, int, bool]],
) -> None:
    host = Host()
    for kind, content, seconds, restart in story:
        host.now_ns += seconds * SECOND
        decoded = host.hear(kind, content)
        assert decoded.readings or decoded.refused or decoded.events
        overdue = host.note(host.decoder.overdue(host.now_ns))
        for reading in (*decoded.readings, *overdue.readings):
            assert abs(reading.value) <= MAX_MAGNITUDE
        if restart:
            host = host.restarted()


@given(STORIES, st.integers(0, 12))
@settings(deadline=None)
def test_a_restart_changes_no_name(story: list[tuple[str, bytes, int, bool]], at: int) -> None:
    """What a restarted host reads, one that never stopped reads too, and calls it the same."""
    steady, restarted = Host(), Host()
    told: list[set[tuple[object, ...]]] = [set(), set()]
    for number, (kind, content, seconds, _) in enumerate(story):
        for host, readings in zip((steady, restarted), told, strict=True):
            host.now_ns += seconds * SECOND
            readings |= {*host.hear(kind, content).readings, *host.note(host.decoder.overdue(host.now_ns)).readings}
        if number == at:
            restarted = restarted.restarted()
    names = [{(machine, sensor, value) for machine, sensor, _, value in readings} for readings in told]
    assert names[1] <= names[0]
