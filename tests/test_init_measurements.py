"""`spikewatch init`: what is no measurement is proposed as ignored, with the reason; words become states."""

import json

import pytest
from heard import NOW, SECOND, first, iso, of_all, only, propose, said, understood

from pipeline.commissioning.proposing import as_yaml
from pipeline.config.settings import Source


def plug(**fields: object):
    return of_all(*(said(f"shed/{name}", json.dumps(fields)) for name in ("a1", "b2")))


RELAY = {
    "load": 212.5, "relay": "ON", "door": "closed", "fan_running": True, "uptime_s": 41234, "wifi": {"RSSI": -61},
    "fw_version": "2.1", "serial": 88123, "ip": "10.0.0.7", "boot": NOW // SECOND - 4000, "tempC": 41.5,
    "tempF": 106.7, "history": [1, 2, 3], "unit": "W",
}  # fmt: skip


def test_what_is_no_measurement_is_ignored_and_says_why():
    heard = plug(**RELAY)
    found = propose(heard)
    one = only(found)
    assert dict(one.reasons) == {
        "boot": "a time, not a measurement",
        "fw_version": "versions and updates of software",
        "history": "an array whose values have no times",
        "ip": "text, such as 10.0.0.7",
        "serial": "an identifier",
        "tempF": "the same as tempC, in another unit",
        "unit": "a unit",
        "uptime_s": "how long the device has been on",
        "wifi.RSSI": "radio signal strength",
    }
    assert one.source.ignore == tuple(one.reasons)
    assert one.ignored == {}
    assert {sensor for _, sensor in first(found, heard)} == {"door", "fan_running", "load", "relay", "tempC"}
    assert dict(only(propose(plug(**{"load": 1.5, "api_token": "x7"}))).reasons) == {"api_token": "text"}
    assert '- "tempF"  # the same as tempC, in another unit' in as_yaml(found, "mqtt://h").replace("        ", "")


def test_words_and_booleans_are_states_and_it_asks_which_is_which():
    heard = plug(**RELAY)
    one = only(propose(heard))
    assert one.source.states == {"door": ("closed", "open"), "fan_running": (False, True), "relay": ("OFF", "ON")}
    assert one.notes == (
        "door: closed is read as 0 and open as 1 (states)",
        "fan_running: false is read as 0 and true as 1 (states)",
        "relay: OFF is read as 0 and ON as 1 (states)",
    )
    assert first(propose(heard), heard)["a1", "relay"] == 1.0


def test_a_word_that_many_pairs_have_is_a_state_only_with_its_other():
    assert only(propose(plug(load=1.5, status="ok"))).source.states == {}
    heard = said("shed/a1", lambda at: {"load": 1.5, "status": "ok" if at // SECOND % 2 else "fault"})
    assert only(propose(heard)).source.states == {"status": ("ok", "fault")}


def test_topics_of_words_among_topics_of_numbers_are_states():
    heard = of_all(*(said(f"home/{m}/{s}", p) for m in ("m1", "m2") for s, p in (("watts", "41.5"), ("relay", "on"))))
    found = propose(heard)
    assert only(found).source.states == {"relay": ("off", "on")}
    assert first(found, heard)["m1", "relay"] == 1.0
    assert found.left_out == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"speed": 1450, "position": 12, "width": 3.5, "grid": 50.0, "valid": 7, "humidity": 40},
        {"battery": 81, "speed": 1.5},
        {"update_rate": 25, "cycle_time": 31, "total": 1781000, "counter": 12, "identity_error": 0.2},
        {"wifi_temp": 48.5, "wifi.power_w": 1.5, "wlan_voltage": 3.3},
        {"c": 20.0, "f": 49.5},
        {"energy_wh": 12_000, "energy_kwh": 3},
        {"pulses": 1_500_000_000},
        {"pressure_bar": 5.0, "flow_psi": 72.5},
        {"power_kw": 0.0, "power_w": 0},
        {"power_kw": 0.0, "power_w": 30},
        {"inlet_bar": 0.0, "inlet_mbar": 12.5},
        {"running_hours": 41_000, "signal": 4.2},
    ],
)
def test_what_is_measured_stays(fields):
    one = only(propose(plug(**fields)))
    assert one.source == Source("shed/{machine}", payload="json")
    assert one.notes == ()


def test_only_what_always_is_in_the_other_unit_is_left_to_one_of_the_two():
    def payload(at):
        return {"oil_bar": 5.0 + at % 7, "oil_psi": round((5.0 + at % 7) * 14.5038, 1), "air_c": 20, "air_k": 300}

    assert dict(only(propose(said("shed/a1", payload))).reasons) == {
        "oil_psi": "the same as oil_bar, in another unit"
    }


def test_of_two_units_the_one_with_the_finer_steps_stays():
    def payload(at):
        watts = 20 + 37 * (at // SECOND % 11)
        return {"power_kw": round(watts / 1000, 1), "power_w": watts, "flow_bar": 0.25, "flow_mbar": 250}

    assert dict(only(propose(said("shed/a1", payload, count=11))).reasons) == {
        "flow_mbar": "the same as flow_bar, in another unit",
        "power_kw": "the same as power_w, in another unit",
    }


def test_a_text_that_stands_for_no_reading_now_is_not_ignored_for_ever():
    one = only(propose(plug(flow="unavailable", temp=4.5)))
    assert one.source.ignore == ()
    assert one.ignored == {"text": 8}


def test_numbers_as_text_among_other_numbers_are_noticed_where_they_have_a_unit_or_change():
    heard = said("meter/m1", lambda at: {"code": 3, "flow": f"{at // SECOND % 7},25 m3/h", "model": "1.5"})
    found = propose(heard)
    assert only(found).source.number_text
    assert first(found, heard)["m1", "flow"] == NOW // SECOND % 7 + 0.25
    assert not only(propose(plug(article="4711", model="1.5", load=3))).source.number_text


def test_what_holds_nothing_but_identifiers_is_left_out_and_says_so():
    found = propose(plug(rssi=-60, uptime=41))
    assert found.proposals == ()
    assert found.left_out["shed/a1"] == "nothing in it is a measurement: rssi, uptime"


def test_numbers_that_may_come_beside_texts_are_not_ignored_beforehand():
    one = only(propose(plug(load=1.5, plate={"model": "X7", "maker": "Y"}, update={"state": "idle", "progress": 0})))
    assert one.source.ignore == ("plate.maker", "plate.model", "update.*")


def test_bits_and_texts_by_the_hundred_make_no_endless_list():
    one = only(
        propose(plug(load=1.5, **{f"bit{n}": True for n in range(200)}, **{f"text{n}": "a" for n in range(200)}))
    )
    assert one.source.states == {"*": (False, True)}
    assert one.source.ignore == ()
    assert one.sensors == 2 * 201


def test_a_battery_is_ignored_of_what_has_a_radio():
    assert dict(only(propose(plug(battery=81, linkquality=77, temp=4.5))).reasons) == {
        "battery": "the battery of the radio sensor",
        "linkquality": "radio signal strength",
    }


def test_states_of_home_assistant_are_values():
    heard = of_all(
        *(
            said(f"ha/{machine}", lambda at: [
                {"entity_id": "sensor.power", "state": "412.5", "last_changed": iso(at)},
                {"entity_id": "switch.pump", "state": "on", "last_changed": iso(at)},
            ])
            for machine in ("cell1", "cell2")
        )
    )  # fmt: skip
    found = propose(heard)
    assert understood(found, heard)[:2] == [("cell1", "sensor.power", 412.5, 0.0), ("cell1", "switch.pump", 1.0, 0.0)]


def test_names_with_signs_of_patterns_are_ignored_by_themselves():
    one = only(
        propose(said("plc/p1", '{"tags": [{"path": "[a]x*", "value": "B7"}, {"path": "[b]y", "value": 2.5}]}'))
    )
    assert one.source.ignore == ("[[]a]x[*]",)
    assert one.sensors == 1
