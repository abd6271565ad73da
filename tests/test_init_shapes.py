"""`spikewatch init`: shapes of JSON, and sources that would read one sensor twice."""

import json
from pathlib import Path

import pytest
from heard import NOW, SECOND, first, iso, of_all, only, propose, said, understood

from pipeline.config.settings import GOOD
from pipeline.records import Message

SYSTEMS = sorted((Path(__file__).parent / "payloads").glob("system-*"))


@pytest.mark.parametrize("folder", SYSTEMS, ids=[folder.name for folder in SYSTEMS])
def test_what_is_proposed_for_a_known_system_reads_what_its_documented_source_reads(folder):
    wanted = json.loads((folder / "expected.json").read_text())["readings"]
    topic = (folder / "topic.txt").read_text().strip()
    arrived = max((time_ns for _, _, _, time_ns, _ in wanted), default=NOW)
    heard = [Message(topic, (folder / "payload.json").read_bytes(), arrived)]
    found = propose(heard)
    if wanted:
        assert understood(found, heard) == [
            (machine, sensor, value, (time_ns - NOW) / SECOND) for machine, _, sensor, time_ns, value in wanted
        ]
    else:
        assert found.proposals == ()


def test_qualities_other_than_the_usual_are_noticed_and_asked_about():
    def payload(at):
        items = (("Dryer.Temp", 71.5, 0), ("Dryer.Flow", 3.5, 0), ("Dryer.Level", 0.0, 24))
        return {"data": [{"tagName": name, "Value": value, "q": q, "ts": iso(at)} for name, value, q in items]}

    heard = said("plc/dryer4", payload)
    found = propose(heard)
    assert (only(found).source.quality, only(found).source.good) == ("q", (0,))
    assert any("q is 0 most often" in note for note in only(found).notes)
    assert only(found).ignored == {"bad_quality": 4}
    assert understood(found, heard)[:2] == [("dryer4", "Dryer.Temp", 71.5, 0.0), ("dryer4", "Dryer.Flow", 3.5, 0.0)]


@pytest.mark.parametrize("bad", ["Bad", "BadNoCommunication", "uncertain", False, 0x80310000, -2144337920])
def test_a_quality_that_says_bad_is_never_taken_as_the_good_one(bad):
    heard = said("kepware/press-1", json.dumps({"values": [{"id": name, "v": 1.5, "q": bad} for name in "ab"]}))
    found = propose(heard)
    one = only(found)
    assert (one.source.sensor, one.source.quality, one.source.good) == ("id", "q", GOOD)
    assert one.notes[-1].startswith(f"no sample had a good quality: q was {bad!r}")
    assert one.ignored == {"bad_quality": 8}
    assert understood(found, heard) == []


def test_among_qualities_that_say_bad_the_other_one_is_taken_as_good():
    items = [("temp", "Bad"), ("flow", "Bad"), ("load", "OK")]
    payload = {"values": [{"id": name, "v": 1.5, "q": quality} for name, quality in items]}
    assert only(propose(said("kepware/press-1", json.dumps(payload)))).source.good == ("OK",)


@pytest.mark.parametrize(("quality", "good"), [(192, GOOD), (0, (0,))])
def test_a_quality_that_is_a_number_is_no_sensor_where_each_message_has_one_sample(quality, good):
    heard = said("kepware/press-1", lambda at: {"values": [{"id": "temp", "v": 1.5, "q": quality, "t": at // 10**6}]})
    found = propose(heard)
    assert (only(found).source.quality, only(found).source.good) == ("q", good)
    assert first(found, heard) == {("press-1", "temp"): 1.5}


def test_keys_that_name_sensors_with_a_quality_are_noticed():
    heard = said("io/m1", lambda at: {"at": iso(at), "ports": {
        "/port1/temp": {"val": 41.5, "code": 200}, "/port2/flow": {"val": 2.5, "code": 200}}})  # fmt: skip
    found = propose(heard)
    assert only(found).source.samples == "ports.{sensor}"
    assert understood(found, heard)[:2] == [("m1", "%2Fport1%2Ftemp", 41.5, 0.0), ("m1", "%2Fport2%2Fflow", 2.5, 0.0)]


def test_tables_with_the_names_beside_them_or_in_the_first_row_are_noticed():
    first_row = said("t/m1", lambda at: [["time", "force", "path"], [at // SECOND, 41.5, 2.5]])
    beside = said("t/m1", lambda at: {"names": ["time", "force", "path"], "rows": [[at // SECOND, 41.5, 2.5]]})
    for heard in (first_row, beside):
        assert understood(propose(heard), heard)[:2] == [("m1", "force", 41.5, 0.0), ("m1", "path", 2.5, 0.0)]


def test_rows_without_names_are_proposed_and_it_asks_for_them():
    heard = said("t/m1", lambda at: [[at // SECOND, 41.5, 2.5], [at // SECOND - 1, 41.0, 2.0]])
    found = propose(heard)
    assert only(found).source.row == ("time", "value1", "value2")
    assert any("their names" in note for note in only(found).notes)
    assert understood(found, heard)[0] == ("m1", "value1", 41.5, 0.0)


def test_machines_that_are_named_in_one_message_are_kept_apart():
    heard = said(
        "cell", lambda at: [{"device": name, "ts": iso(at), "temp": 4.5, "load": 3} for name in ("r1", "r2")]
    )
    found = propose(heard)
    assert only(found).source.machine == "device"
    assert len(first(found, heard)) == 4


@pytest.mark.parametrize(
    "fields",
    [
        lambda machine, second: {"name": f"operator-{machine}"},  # one for each topic: the topic says it
        lambda machine, second: {"id": f"message-{second}"},
        lambda machine, second: {"unit": ("degC", "m3/h")[second % 2]},
    ],
)
def test_machines_stay_those_of_the_topic_where_a_name_in_the_messages_is_that_of_something_else(fields):
    heard = of_all(
        *(said(f"hall/{m}", lambda at, m=m: {"temp": 2.5, **fields(m, at // SECOND)}) for m in ("p1", "p2"))
    )
    found = propose(heard)
    assert (only(found).source.topic, only(found).source.machine) == ("hall/{machine}", None)
    assert {machine for machine, *_ in understood(found, heard)} == {"p1", "p2"}


def gateway(name, devices):
    return said(f"hall/{name}", lambda at: [{"device": device, "temp": 2.5} for device in devices])


def test_it_asks_where_machines_are_named_in_the_messages_instead_of_the_topic():
    heard = of_all(gateway("gw1", ("r1", "r2")), gateway("gw2", ("r3", "r4")))
    assert (only(propose(heard)).source.topic, only(propose(heard)).machines) == ("hall/+", 4)
    question = "machines are named by device in the messages (r1, r2, r3, r4), not by the topic: is that right?"
    assert question in only(propose(heard)).notes
    rows = said("line", "device;temp\nr1;2.5\nr2;3.5\n")
    assert only(propose(rows)).notes == (
        "machines are named by device in the messages (r1, r2), not by the topic: is that right?",
    )


def test_devices_that_send_once_each_through_one_topic_are_machines():
    found = propose(said("line/gw", lambda at: {"data": [{"device": f"r{at // SECOND % 4}", "temp": 2.5}]}))
    assert (only(found).source.machine, only(found).machines) == ("device", 4)


def test_machines_of_the_same_name_below_two_gateways_are_two():
    found = propose(of_all(gateway("gw1", ("r1", "r2")), gateway("gw2", ("r1", "r2"))))
    assert (only(found).source.topic, only(found).machines) == ("hall/{gateway}", 4)


def test_sensors_of_machines_that_are_both_named_in_samples_are_kept_apart():
    items = [{"device": m, "metric": s, "val": 1.5} for m in ("r1", "r2") for s in ("temp", "load")]
    heard = said("cell", lambda at: {"ts": at // SECOND, "items": items})
    assert len(first(propose(heard), heard)) == 4


@pytest.mark.parametrize(
    "payload",
    [
        [{"kind": "temp", "measured": 1.5}, {"kind": "load", "measured": 2.5}],
        {"data": [{"x": 1}, {"x": 2}]},
    ],
    ids=["an unknown name", "no name"],
)
def test_samples_that_nothing_tells_apart_are_left_out_and_it_says_so(payload):
    found = propose(of_all(*(said(f"site/{name}", json.dumps(payload)) for name in ("a1", "b2"))))
    assert found.proposals == ()
    assert "several values at one time" in found.left_out["site/a1"]


def test_samples_with_a_coarse_clock_of_their_own_are_proposed_and_it_says_what_is_lost():
    heard = said("site/a1", lambda at: {"data": [{"x": 1.5, "ts": iso(at)}, {"x": 2.5, "ts": iso(at)}]})
    one = only(propose(heard))
    assert one.source.time == "ts"
    assert any("several values at one time" in note for note in one.notes)


def test_the_order_in_which_topics_are_heard_changes_nothing():
    heard = of_all(
        *(said(f"p/m{n}/{s}", str(n)) for n in range(4) for s in ("temp", "load")), said("q/m1", '{"a": 1}')
    )
    assert propose(heard) == propose(sorted(heard, key=lambda one: one.topic, reverse=True))


def test_a_flood_of_one_topic_is_looked_at_in_part():
    heard = said("p/m1/temp", "1.5", count=10_500)
    assert only(propose(heard)).messages == 10_000
