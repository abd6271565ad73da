"""`spikewatch init`: formats other than JSON and single numbers are recognised, with what they need."""

import gzip
import json

import cbor2
import msgpack
import pytest
from heard import NOW, SECOND, first, iso, of_all, only, propose, said, understood
from sparkplug_bytes import metric, payload

MS = 10**6


@pytest.mark.parametrize(("unit", "size"), [("s", SECOND), ("ms", MS), ("us", 1000), ("auto", 1)])
def test_line_protocol_is_proposed_with_its_precision(unit, size):
    heard = said("lines/mill3", lambda at: f"spindle,axis=y load=12.5,turns=300i,ok=true {at // size}\n")
    found = propose(heard)
    source = only(found).source
    assert (source.topic, source.payload, source.time_unit) == ("lines/{machine}", "influx", unit)
    assert understood(found, heard)[:3] == [
        ("mill3", "spindle.y.load", 12.5, 0.0),
        ("mill3", "spindle.y.turns", 300.0, 0.0),
        ("mill3", "spindle.y.ok", 1.0, 0.0),
    ]


def test_a_tag_names_the_machine_where_the_topic_does_not():
    heard = said("metrics", lambda at: f"oil,device=saw1 temp=40.5 {at}\noil,device=saw2 temp=41.5 {at}")
    found = propose(heard)
    assert (only(found).source.topic, only(found).source.machine) == ("metrics", "device")
    assert first(found, heard) == {("saw1", "oil.temp"): 40.5, ("saw2", "oil.temp"): 41.5}


def test_line_protocol_without_stamps_takes_the_time_of_arrival():
    heard = said("lines/mill3", "spindle load=12.5")
    assert understood(propose(heard), heard)[0] == ("mill3", "spindle.load", 12.5, 0.04)


def test_csv_with_a_header_is_proposed_with_its_separator_and_decimal_sign():
    heard = said("logger/kiln2", lambda at: f"time;temp;flow\n{iso(at)};823,5;1,25\n")
    found = propose(heard)
    source = only(found).source
    assert (source.payload, source.separator, source.decimal, source.time) == ("csv", ";", ",", "time")
    assert source.columns == ()
    assert understood(found, heard)[:2] == [("kiln2", "temp", 823.5, 0.0), ("kiln2", "flow", 1.25, 0.0)]


def test_csv_without_a_header_asks_for_the_names_of_its_columns():
    heard = said("logger/kiln2", lambda at: f"{at // SECOND}\t823.5\t1.25")
    found = propose(heard)
    source = only(found).source
    assert (source.separator, source.columns, source.time) == ("tab", ("time", "column2", "column3"), "time")
    assert any("give them their names" in note for note in only(found).notes)
    assert understood(found, heard)[:2] == [("kiln2", "column2", 823.5, 0.0), ("kiln2", "column3", 1.25, 0.0)]


def test_a_column_of_csv_names_machines():
    rows = "stamp,device,temp\n{0},saw1,40.5\n{0},saw2,41.5"
    heard = said("collector", lambda at: rows.format(iso(at)))
    found = propose(heard)
    assert (only(found).source.topic, only(found).source.machine) == ("collector", "device")
    assert first(found, heard) == {("saw1", "temp"): 40.5, ("saw2", "temp"): 41.5}


@pytest.mark.parametrize(("name", "packed"), [("cbor", cbor2.dumps), ("msgpack", msgpack.packb)])
def test_binary_objects_are_read_as_json_is(name, packed):
    heard = of_all(
        *(
            said(f"edge/{pump}", lambda at: packed({"ts": at // MS, "flow": 3.25, "motor": {"amps": 7}}))
            for pump in "pq"
        )
    )
    found = propose(heard)
    assert (only(found).source.topic, only(found).source.payload) == ("edge/{machine}", name)
    assert understood(found, heard)[:2] == [("p", "flow", 3.25, 0.0), ("p", "motor.amps", 7.0, 0.0)]


PACK = [
    {"bn": "urn:dev:mac:0024:", "bt": NOW // SECOND, "n": "temp", "u": "Cel", "v": 23.5},
    {"n": "open", "vb": True},
]
LABELS = {"bn": -2, "bt": -3, "n": 0, "u": 1, "v": 2, "vb": 4}


@pytest.mark.parametrize(
    "pack",
    [json.dumps(PACK).encode(), cbor2.dumps([{LABELS[key]: value for key, value in one.items()} for one in PACK])],
    ids=["json", "cbor"],
)
def test_senml_is_proposed_by_its_records(pack):
    heard = said("site/boiler/senml", pack, count=1)
    found = propose(heard)
    assert (only(found).source.topic, only(found).source.payload) == ("site/{machine}/senml", "senml")
    assert understood(found, heard) == [("boiler", "temp", 23.5, 0.0), ("boiler", "open", 1.0, 0.0)]


def test_base_names_are_machines_where_one_topic_has_several():
    heard = [
        message
        for name in ("fan1", "fan2")
        for message in said("gateway/senml", json.dumps([{"bn": f"{name}:", "n": "rpm", "v": 900}]))
    ]
    found = propose(heard)
    assert only(found).source.topic == "gateway/senml"
    assert first(found, heard) == {("fan1", "rpm"): 900.0, ("fan2", "rpm"): 900.0}


def test_what_is_wrapped_is_unwrapped():
    heard = said("edge/press", lambda at: gzip.compress(json.dumps({"ts": at // MS, "force": 410.5}).encode()))
    found = propose(heard)
    assert (only(found).source.compression, only(found).source.payload) == ("gzip", "json")
    assert understood(found, heard)[0] == ("press", "force", 410.5, 0.0)


def test_sparkplug_is_proposed_as_it_is():
    birth = payload(
        0, metric("bdSeq", datatype=4, long=0), metric("Motor/Temp", 7, 10, double=41.5), time_ms=NOW // MS
    )
    heard = said("spBv1.0/plant/NBIRTH/node1", birth, count=1)
    found = propose(heard)
    assert (only(found).source.topic, only(found).source.payload) == ("spBv1.0/#", "sparkplug")
    assert not only(found).notes
    assert first(found, heard) == {("node1", "Motor%2FTemp"): 41.5}


def test_sparkplug_whose_birth_was_missed_is_proposed_and_says_what_it_needs():
    heard = said("spBv1.0/plant/NDATA/node1", payload(3, metric(alias=7, double=41.5), time_ms=NOW // MS))
    found = propose(heard)
    assert only(found).source.payload == "sparkplug"
    assert any("spBv1.0/+/NCMD/+" in note for note in only(found).notes)


@pytest.mark.parametrize(
    "text",
    ["Motor, Pumpe", "all is well", "error: 12, 13", "<xml>1</xml>", "", "2026-06-09T10:13:20Z", "\x00\x01\x02\xff"],
)
def test_other_text_and_bytes_are_no_format(text):
    found = propose(said("plant/press/message", text.encode("latin-1")))
    assert found.proposals == ()
    assert list(found.left_out) == ["plant/press/message"]
