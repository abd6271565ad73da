#!/bin/sh
# InfluxQL asks for a database and a retention policy: this maps them to the bucket. Run once by the influxdb image.
set -eu
influx v1 dbrp create --default --rp autogen --db "$DOCKER_INFLUXDB_INIT_BUCKET" \
    --bucket-id "$DOCKER_INFLUXDB_INIT_BUCKET_ID"
