"""Buckets as Spark's state: whoever is killed, and whatever comes twice, they say what one engine says."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import SECOND, packed, plant
from pyspark.sql.streaming.tws_tester import TwsTester
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.cluster import processor
from pipeline.cluster.bucket import Bucket, OtherStateError
from pipeline.cluster.kafka_source import bucket_named
from pipeline.cluster.processor import Scoring, unpacked
from pipeline.cluster.writing import store
from pipeline.engine.engine import Engine
from pipeline.records import Point
from pipeline.sinks.influxdb import InfluxV1


def batch(messages, begin, rng):
    """Messages as a batch of Spark, which has no order."""
    order = rng.permutation(len(messages))
    return pd.DataFrame(
        {
            "bucket": [0] * len(messages),
            "partition": [0] * len(messages),
            "offset": [begin + int(one) for one in order],
            "payload": [messages[one] for one in order],
        }
    )


def said(frame):
    return [point for row in frame["points"] for point in unpacked(row) if point.measurement != "bucket"]


@given(st.integers(0, 2**32), st.integers(1, 6))
@settings(max_examples=10)
def test_batches_of_any_size_on_workers_that_come_and_go_say_what_one_bucket_says(seed, dump_every):
    rng = np.random.default_rng(seed)
    log = packed(plant(rng), 1, rng, 1)[0]
    spark = TwsTester(Scoring(1, Engine, dump_every), timeMode="ProcessingTime")
    points, begin = [], 0
    processor._AT_HAND.clear()
    while begin < len(log):
        if rng.random() < 0.3:
            processor._AT_HAND.clear()  # another worker
        if rng.random() < 0.2 and processor._AT_HAND:  # this one has done a batch that was lost
            _, astray = processor._AT_HAND[0]
            astray.step(log[begin : begin + 3])
            processor._AT_HAND[0] = b"another", astray
        end = begin + int(rng.integers(1, 12))
        points += said(spark.testInPandas(0, batch(log[begin:end], begin, rng)))
        begin = end
    assert sorted(points, key=repr) == sorted(Bucket(0, 1, Engine()).step(log), key=repr)


def test_a_machine_that_stops_sending_is_told_by_a_timer():
    rng = np.random.default_rng(5)
    log = packed(plant(rng), 1, rng, 1)[0]
    spark = TwsTester(Scoring(1, Engine, 3), timeMode="ProcessingTime")
    spark.setProcessingTime(1_000)
    spark.testInPandas(0, batch(log, 0, rng))
    told = [said(spark.setProcessingTime(seconds * 1_000)) for seconds in range(11, 200, 10)]
    assert not any(told[:3])
    assert {point.fields["state"] for one in told for point in one} == {"silent"}


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ((processor.FORMAT + 1, 4), f"state of format {processor.FORMAT + 1}; this version reads {processor.FORMAT}"),
        ((processor.FORMAT, 8), "state of 8 buckets, asked for as 4"),
    ],
)
def test_state_of_another_version_or_number_of_buckets_is_refused(other, why):
    spark = TwsTester(Scoring(4, Engine, 3), timeMode="ProcessingTime")
    spark.updateValueState("head", 0, (*other, b"token", 1))
    with pytest.raises(OtherStateError, match=why):
        spark.testInPandas(0, batch([b"x"], 0, np.random.default_rng()))


@pytest.mark.parametrize(
    ("key", "bucket"), [(b"7", 7), ("12", 12), (None, 0), (b"press", 0), (b"\xff", 0), (b"9" * 99, 0)]
)
def test_a_message_without_a_bucket_in_its_key_goes_where_it_is_refused_and_counted(key, bucket):
    assert bucket_named(key) == bucket


def test_points_wait_for_a_database_that_is_not_there_yet_and_a_bad_one_stops_nobody(influxdb, caplog):
    def opened():
        return InfluxV1(influxdb.url, "late")

    def point(second, **fields):
        return Point("machine", (("machine", "press"),), fields, second * SECOND)

    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            influxdb.query("CREATE DATABASE late")

    good = [point(second, score=float(second)) for second in range(1, 6)]
    store([good[:2], [*good[2:], point(9, score="a text")]], opened, sleep)
    assert len(waits) == 2
    assert [row["score"] for row in influxdb.query("SELECT score FROM machine", "late")] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert 'score="a text"' in caplog.text


def submitted(tmp_path, yaml, *more):
    (tmp_path / "plant.yaml").write_text(yaml)
    own = ["cluster", "submit", "--kafka", "k:1", "--checkpoint", str(tmp_path / "state")]
    return CliRunner().invoke(app, [*own, "--config", str(tmp_path / "plant.yaml"), *more])


def test_what_is_missing_or_wrong_is_said_before_spark_is_started(tmp_path, monkeypatch):
    database = "influxdb: {url: 'http://127.0.0.1:1', database: plant}\n"
    for yaml, more, why in (
        ("{}", (), "influxdb: is missing"),
        (database, ("--trigger", "soon"), "--trigger"),
        (database, ("--conf", "spark.eventLog.enabled"), "--conf: spark.eventLog.enabled: a setting is key=value"),
    ):
        ended = submitted(tmp_path, yaml, *more)
        assert ended.exit_code == 2
        assert why in ended.stderr
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    ended = submitted(tmp_path, database)
    assert ended.exit_code == 2
    assert "cluster needs Java 17, which is not found" in ended.stderr
