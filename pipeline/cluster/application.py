"""The application on Spark: from the log to the database, with buckets in between."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from pyspark.sql import functions

from pipeline.cluster import processor
from pipeline.cluster.bucket import OtherStateError
from pipeline.cluster.kafka_source import Kafka
from pipeline.cluster.processor import POINTS, Scoring
from pipeline.cluster.spark import session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from pipeline.engine.engine import Engine

BEGUN = "spikewatch.json"  # in a checkpoint: what it was begun with
SETTINGS = {
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    "spark.executor.cores": "1",  # so that a bucket meets the same Python worker again, which has it at hand
    "spark.task.maxFailures": "8",
    "spark.log.level": "WARN",
}


class Plan(NamedTuple):
    """What an application is."""

    servers: str  # of Kafka, host:port, ...
    topic: str
    checkpoint: str  # a folder or URL that driver and executors reach
    buckets: int  # fixed for the life of the checkpoint, as is the next one
    partitions: int  # of the state
    most: int  # messages of a batch
    trigger_s: float  # between two batches; 0: what is in the log now, and no more
    dump_every: int  # batches
    connector: str = "python"  # or spark: its own, where its jar is at hand


class Begun(msgspec.Struct):
    """What a checkpoint says of itself."""

    format: int
    buckets: int
    partitions: int
    topic: str


def opened(master: str, partitions: int, more: Mapping[str, str]) -> "SparkSession":
    """Spark at `master`, with `partitions` of the state, and more settings; raises SparkError."""
    own = {**SETTINGS, "spark.sql.shuffle.partitions": str(partitions)}
    if master.startswith("local"):
        own |= {"spark.driver.host": "127.0.0.1", "spark.ui.enabled": "false"}
    return session("spikewatch", master, {**own, **more})


def pin(spark: "SparkSession", plan: Plan) -> None:
    """Write into a new checkpoint what it begins with; raises OtherStateError where an old one began otherwise."""
    own = Begun(processor.FORMAT, plan.buckets, plan.partitions, plan.topic)
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(plan.checkpoint, BEGUN)
    files = path.getFileSystem(spark._jsc.hadoopConfiguration())
    if not files.exists(path):
        stream = files.create(path, False)
        try:
            stream.write(bytearray(msgspec.json.encode(own)))
        finally:
            stream.close()
        return
    stream = files.open(path)
    try:
        text = jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
    finally:
        stream.close()
    try:
        found = msgspec.json.decode(text, type=Begun)
    except msgspec.MsgspecError as error:
        raise OtherStateError(f"{plan.checkpoint}/{BEGUN}: {error}") from None
    for what, was, now in zip(
        Begun.__struct_fields__, msgspec.structs.astuple(found), msgspec.structs.astuple(own), strict=True
    ):
        if was != now:
            raise OtherStateError(
                f"{plan.checkpoint} began with {what} {was}, not {now}; take that, or begin with an empty folder"
            )


def messages(spark: "SparkSession", plan: Plan) -> "DataFrame":
    """The log as a stream."""
    if plan.connector == "spark":
        stream = (
            spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", plan.servers)
            .option("subscribe", plan.topic)
            .option("startingOffsets", "earliest")
            .option("failOnDataLoss", "true")
            .option("maxOffsetsPerTrigger", plan.most)
            .load()
        )
        key = functions.coalesce(functions.col("key").cast("string").try_cast("int"), functions.lit(0))
        return stream.select(key.alias("bucket"), "partition", "offset", functions.col("value").alias("payload"))
    spark.dataSource.register(Kafka)
    own = spark.readStream.format(Kafka.name())
    return own.options(servers=plan.servers, topic=plan.topic, most=plan.most).load()


def start(
    spark: "SparkSession", plan: Plan, begin: Callable[[], "Engine"], write: Callable[["DataFrame", int], None]
) -> "StreamingQuery":
    """Start the application; `begin` makes engines that know nothing, `write` takes each batch's points."""
    pin(spark, plan)
    bucket = functions.when(functions.col("bucket").between(0, plan.buckets - 1), functions.col("bucket")).otherwise(
        functions.lit(0)
    )
    scored = (
        messages(spark, plan)
        .withColumn("bucket", bucket)  # another is refused there, and counted
        .groupBy("bucket")
        .transformWithStateInPandas(Scoring(plan.buckets, begin, plan.dump_every), POINTS, "Append", "ProcessingTime")
    )
    query = scored.writeStream.foreachBatch(write).outputMode("append").option("checkpointLocation", plan.checkpoint)
    if plan.trigger_s:
        return query.trigger(processingTime=f"{round(plan.trigger_s * 1000)} milliseconds").start()
    return query.trigger(availableNow=True).start()
