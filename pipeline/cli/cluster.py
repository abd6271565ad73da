"""Verbs for plants that one gateway does not carry: the same engine on Apache Spark."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.terminal import ConfigPath, app, configured, err, fail, needed, needed_java

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql.streaming.query import StreamingQuery

    from pipeline.config.settings import Config
    from pipeline.engine.engine import Engine

LOOK_S = 1  # between two looks at what Spark has done
cluster = typer.Typer(
    help="Score the machines of a fleet on Apache Spark, with Kafka in front.", no_args_is_help=True
)
app.add_typer(cluster, name="cluster")


class Connector(StrEnum):
    """What reads Kafka."""

    PYTHON = "python"
    SPARK = "spark"


def engines(config: "Config") -> "Callable[[], Engine]":
    """Makes engines of a worker: other workers use the other cores."""
    import msgspec

    from pipeline.config.prior_file import PriorError
    from pipeline.storage.data_folder import beginning

    try:
        return beginning(msgspec.structs.replace(config, threads=1))
    except PriorError as error:
        fail(str(error))


@cluster.command()
def submit(
    kafka: Annotated[str, typer.Option(help="Kafka's brokers, host:port and more after commas.")],
    checkpoint: Annotated[
        str, typer.Option(help="Folder or URL that all of Spark reaches: what the networks have learned is there.")
    ],
    topic: Annotated[str, typer.Option(help="Topic of the readings.")] = "spikewatch",
    master: Annotated[str, typer.Option(help="Spark's master: spark://HOST:7077, or local[2] for this computer.")] = (
        "local[2]"
    ),
    buckets: Annotated[
        int, typer.Option(min=1, max=100_000, help="Into which the machines are divided; fixed with the checkpoint.")
    ] = 16,
    partitions: Annotated[
        int, typer.Option(min=1, max=10_000, help="Of the state: tasks of a batch; fixed with the checkpoint.")
    ] = 2,
    trigger: Annotated[str, typer.Option(help="Time between two batches, such as 1s.")] = "1s",
    once: Annotated[bool, typer.Option("--once", help="Score what is in the log now, and end.")] = False,
    most: Annotated[int, typer.Option(min=1, help="Messages of a batch, at most.")] = 100_000,
    dump_every: Annotated[int, typer.Option(min=1, help="Batches of a bucket between two whole dumps.")] = 10,
    connector: Annotated[
        Connector, typer.Option(help="What reads Kafka: python, or spark where its connector is installed.")
    ] = Connector.PYTHON,
    setting: Annotated[
        list[str] | None, typer.Option("--conf", help="Setting of Spark, key=value; any number.")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Score the readings in Kafka on Spark, until Ctrl-C; what was learned goes on where the checkpoint is.

    Scores, incidents and ageing go to the InfluxDB of the configuration; every executor must reach it, and have this
    version of Spikewatch. Two applications must not have one checkpoint.

    Example: spikewatch cluster submit --kafka broker-1:9092 --checkpoint /srv/spikewatch --config plant.yaml
    """
    import os

    needed("cluster", "spark", "pyspark", "pyarrow", "confluent_kafka")
    needed_java("cluster")
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    from pipeline.cluster.application import Plan, opened, start
    from pipeline.cluster.bucket import OtherStateError
    from pipeline.cluster.spark import SparkError, said
    from pipeline.cluster.writing import writer
    from pipeline.config.settings import ConfigError, duration_ns
    from pipeline.service.connections import open_sink

    read = configured(config)
    if read.influxdb is None:
        fail(f"{config or 'the configuration'}: influxdb: is missing, and executors write to it")
    try:
        wait_s = 0.0 if once else duration_ns(trigger) / 1e9
    except ValueError as error:
        fail(f"--trigger: {error}")
    more = dict(pair.partition("=")[::2] for pair in setting or [])
    if unset := [pair for pair in setting or [] if "=" not in pair]:
        fail(f"--conf: {unset[0]}: a setting is key=value")
    if "://" not in checkpoint:
        checkpoint = str(Path(checkpoint).absolute())
    plan = Plan(kafka, topic, checkpoint, buckets, partitions, most, wait_s, dump_every, connector)
    begin = engines(read)
    try:
        open_sink(read, os.environ).close()
        spark = opened(master, partitions, more)
    except (ConfigError, SparkError) as error:
        fail(str(error))
    try:
        follow(start(spark, plan, begin, writer(lambda: open_sink(read, os.environ))), once)
    except OtherStateError as error:
        fail(str(error), 1)
    except (Py4JError, PySparkException) as error:
        fail(said(error), 1)
    finally:
        spark.stop()


def follow(query: "StreamingQuery", once: bool) -> None:
    """Say how far it is, until it ends or somebody ends it; `once`: until a new batch had nothing to read.

    Spark itself ends no query with timers: there may always be another one. Raises PySparkException where it fails.
    """
    told, first, ended = -1, None, False
    try:
        while not ended:
            ended = bool(query.awaitTermination(LOOK_S))
            for done in query.recentProgress:
                first = done["batchId"] if first is None else first  # may be one that was not finished before
                if once and not done["numInputRows"] and done["batchId"] > first:
                    ended = True
                if done["batchId"] > told and done["numInputRows"]:
                    told = done["batchId"]
                    took = done["durationMs"].get("triggerExecution", 0)
                    err.print(f"batch {told}: {done['numInputRows']:,} messages in {took / 1000:.1f} s", markup=False)
    except KeyboardInterrupt:
        err.print("stopping: a batch that was not finished is done again by the next start", markup=False)
    query.stop()
