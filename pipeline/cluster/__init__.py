"""Beyond one box: the same engine on Apache Spark, with Kafka in front. See docs/scale.md."""
