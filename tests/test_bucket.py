"""Buckets of machines: however a log is split, stored and delivered, they say what one engine says, bit by bit."""

import io
import subprocess
import sys
from itertools import groupby
from zlib import crc32

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import SECOND, START, logged, of_machines, packed, plant

from pipeline.cluster import messages
from pipeline.cluster.bucket import FORMAT, SENDERS, Bucket, OtherStateError
from pipeline.cluster.messages import Packer, bucket_of
from pipeline.config.settings import Limits
from pipeline.engine import fleet
from pipeline.engine.commands import Command, CommandError
from pipeline.engine.engine import Engine
from pipeline.records import MAX_MAGNITUDE, Machine, Reading
from pipeline.storage.snapshots import arrays_of, write_arrays

PRESS = Machine("press")


def said_by_one_engine(log):
    """Points of one plain engine that gets everything, in order, at once where nobody says anything."""
    engine, points = Engine(), []
    for is_command, run in groupby(log, lambda one: isinstance(one, Command)):
        if is_command:
            for command in run:
                try:
                    points += engine.apply(command)
                except CommandError:
                    continue
        else:
            points += engine.points(engine.step(engine.arrange(run)))
    return points


def said_by_buckets(log, buckets, rng, lives):
    """The same of a log in buckets: split, delivered again, dumped and loaded as the generator decides."""
    delivered, begin = packed(log, buckets, rng, lives), [0] * buckets
    alive = {number: Bucket(number, buckets, Engine()) for number in range(buckets)}
    points = []
    while any(begin[number] < len(delivered[number]) for number in alive):
        number = int(rng.integers(buckets))
        end = begin[number] + int(rng.integers(1, 30))
        again = delivered[number][: begin[number]][-int(rng.integers(1, 4)) :] if rng.random() < 0.5 else []
        points += alive[number].step([*again, *delivered[number][begin[number] : end]])
        begin[number] = end
        if rng.random() < 0.3:
            alive[number] = Bucket.load(number, buckets, Engine(), alive[number].dump())
    assert not any(bucket.refusals for bucket in alive.values())
    return points, alive


@given(st.integers(0, 2**32), st.integers(1, 7), st.integers(1, 3))
@settings(max_examples=15)
def test_any_split_any_number_of_buckets_any_dump_and_repeats_say_what_one_engine_says(seed, buckets, lives):
    rng = np.random.default_rng(seed)
    log = plant(rng)
    points, alive = said_by_buckets(log, buckets, rng, lives)
    assert sorted(points, key=repr) == sorted(said_by_one_engine(log), key=repr)
    assert sum(bucket.counts["readings"] for bucket in alive.values()) == sum(len(one) for one in log)


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=8)
def test_commands_lie_between_the_readings_as_they_were_said(seed, buckets):
    rng = np.random.default_rng(seed)
    log = plant(rng)
    for verb in ("repaired", "freeze", "normal", "rollback", "resume", "ack"):
        where = int(rng.integers(len(log)))
        log.insert(
            where, Command(verb, Machine("press", (("site", "0"),)), by="jo", via="mqtt", time_ns=START + where)
        )
    points, alive = [], {number: Bucket(number, buckets, Engine()) for number in range(buckets)}
    refused = 0
    for number, own in packed(log, buckets, rng, 1).items():
        for payload in own:
            told = alive[number].step([payload])
            points += [point for point in told if "refused" not in point.fields]
            refused += sum("refused" in point.fields for point in told)
    assert sorted(points, key=repr) == sorted(said_by_one_engine(log), key=repr)
    assert refused == sum(bucket.counts["refused_command"] for bucket in alive.values())


def test_a_bucket_has_what_hashes_to_it_for_life():
    assert bucket_of(Machine("press-1"), 16) == crc32(b"press-1") % 16
    assert bucket_of(Machine("press 1", (("line", "a"), ("site", "b"))), 16) == crc32(b"press%201;line=a;site=b") % 16


def test_a_dump_and_the_messages_after_it_are_the_bucket():
    own = logged(of_machines(200))
    whole = Bucket(0, 1, Engine())
    whole.step(own[:100])
    kept = whole.dump()
    whole.step(own[100:])
    again = Bucket.load(0, 1, Engine(), kept)
    again.step(own[100:])
    assert again.dump() == whole.dump()


def test_a_sender_that_is_forgotten_is_the_one_that_was_heard_least_recently():
    bucket = Bucket(0, 1, Engine())
    own = [logged(of_machines(1, at=number), sender=number) for number in range(SENDERS + 1)]
    for message in own[:SENDERS]:
        bucket.step(message)
    bucket.step(own[0])
    assert bucket.counts["repeated"] == 1
    bucket.step(own[SENDERS])  # one more than are known: 1 is forgotten, 0 was heard since
    again = Bucket.load(0, 1, Engine(), bucket.dump())
    again.step(own[0])
    assert again.counts["repeated"] == 2
    again.step(own[1])
    assert again.counts["repeated"] == 2
    assert again.engine.late == 1  # and its reading is not learned from twice


WRONG = {
    "not_message": [b"", b"\xc1", b"\x00" * 40, bytes(range(256))],
    "buckets": logged([[Reading(PRESS, "a", START, 1.0)]], buckets=2, bucket=bucket_of(PRESS, 2)),
    "bucket": [messages._encode(messages.Said(messages.Header(1, 1, 3, 1, 1), Command("freeze", PRESS)))],
    "format": [messages._encode(messages.Said(messages.Header(9, 1, 0, 1, 1), Command("freeze", PRESS)))],
    "command": [
        messages._encode(messages.Said(messages.Header(1, 1, 0, 1, 1), command))
        for command in (Command("explode", PRESS), Command("import", PRESS, "no block"))
    ],
    "value": [
        logged([[Reading(PRESS, "a", START, value)]], sender=sender)[0]
        for sender, value in enumerate((float("nan"), float("-inf"), 2 * MAX_MAGNITUDE))
    ],
}


@pytest.mark.parametrize("cause", WRONG)
def test_a_message_that_cannot_be_taken_is_counted_by_its_cause_and_told(cause):
    bucket = Bucket(0, 1, Engine())
    assert bucket.step([*WRONG[cause], *logged(of_machines(2), sender=9)])
    assert bucket.counts[f"refused_{cause}"] == len(WRONG[cause])
    assert bucket.counts["readings"] == 2
    told = bucket.told(5)
    assert told.tags == (("bucket", "0"),)
    assert told.fields[f"refused_{cause}"] == len(WRONG[cause])
    assert told.fields["refused"].startswith(f"{cause}: ")
    bucket.step([])
    assert "refused" not in bucket.told(6).fields


def test_a_machine_of_another_bucket_is_refused_before_it_is_known():
    wanted = next(number for number in range(2) if number != bucket_of(PRESS, 2))
    [right] = logged([[Reading(PRESS, "a", START, 1.0)]], buckets=2, bucket=1 - wanted)
    message = messages._decode(right)
    wrong = messages._encode(msgspec.structs.replace(message, header=message.header._replace(bucket=wanted)))
    bucket = Bucket(wanted, 2, Engine())
    bucket.step([wrong])
    assert bucket.refusals == {"bucket": f"press is not of bucket {wanted}"}
    assert not bucket.engine.fleet.machines


@given(st.data())
@settings(max_examples=200)
def test_whatever_the_bytes_of_a_message_are_it_is_taken_or_counted(data):
    [whole] = logged([[Reading(PRESS, name, START, 1.0) for name in "abc"]])
    payload = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)) | st.just(len(payload)))
    bucket = Bucket(0, 1, Engine())
    bucket.step([bytes(payload[:cut])])
    counts = bucket.counts
    assert counts["readings"] == 3 or sum(counts.values()) - counts["readings"] >= 1


def test_readings_without_room_are_counted_and_the_others_of_their_row_are_scored():
    limits = Limits(machines=2, sensors=3, sensors_per_machine=2)
    bucket, engine = Bucket(0, 1, Engine(limits=limits)), Engine(limits=limits)
    log = [
        [Reading(Machine(name), sensor, START + row * SECOND, float(row)) for sensor in "abc" for name in ("m", "n")]
        for row in range(30)
    ]
    bucket_points = bucket.step(logged(log))
    assert sorted(bucket_points, key=repr) == sorted(engine.points(engine.step(engine.arrange(log))), key=repr)
    assert bucket.counts["readings"] == 90
    assert bucket.counts["refused_no_room"] == 90


def changed(data, **fields):
    """A dump with other fields in what it says beside its fleet."""
    arrays = arrays_of(data, 0)
    kept = msgspec.json.decode(arrays["bucket"].tobytes()) | fields
    arrays["bucket"] = np.frombuffer(msgspec.json.encode(kept), np.uint8)
    out = io.BytesIO()
    write_arrays(out, 0, arrays)
    return out.getvalue()


def test_a_state_that_is_another_is_refused_with_what_would_be_right(monkeypatch):
    bucket = Bucket(3, 16, Engine())
    data = bucket.dump()
    with pytest.raises(OtherStateError, match=r"bucket 3 of 16, asked for as bucket 3 of 8; .* fixed for the life"):
        Bucket.load(3, 8, Engine(), data)
    with pytest.raises(OtherStateError, match="bucket 3 of 16, asked for as bucket 4 of 16"):
        Bucket.load(4, 16, Engine(), data)
    with pytest.raises(OtherStateError, match=f"format {FORMAT + 1}; this version reads {FORMAT}"):
        Bucket.load(3, 16, Engine(), changed(data, format=FORMAT + 1))
    with pytest.raises(OtherStateError, match="bucket 3: it fails its checksum"):
        Bucket.load(3, 16, Engine(), data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(OtherStateError, match="bucket 3: of version 4; this spikewatch reads versions up to 3"):
        Bucket.load(3, 16, Engine(), data.replace(b"snapshot 3\n", b"snapshot 4\n", 1) + b"more")
    monkeypatch.setattr(fleet, "FORMAT", fleet.FORMAT + 1)
    later = bucket.dump()
    monkeypatch.undo()
    with pytest.raises(OtherStateError, match=f"of format {fleet.FORMAT + 1}; this spikewatch reads formats"):
        Bucket.load(3, 16, Engine(), later)


def test_what_runs_on_a_gateway_never_loads_spark():
    program = (
        "import sys, pipeline, pipeline.cli, pipeline.service.serving, pipeline.cluster.bucket\n"
        "sys.exit(f'loaded: {found}' if (found := {'pyspark', 'py4j', 'pyarrow'} & set(sys.modules)) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_names_that_are_written_in_ever_new_ways_are_not_all_remembered():
    bucket, packer = Bucket(0, 1, Engine(limits=Limits(sensors_per_machine=1))), Packer(1, 1)
    for number in range(1_100):
        packer.add([Reading(PRESS, f"s{number}", START, 1.0)])
        bucket.step([payload for _, payload in packer.flush()])
    assert len(bucket._entries) <= 1_010
    assert bucket.counts["refused_no_room"] == 1_099
