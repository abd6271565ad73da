"""The same job the way people do it today: paho + River + influxdb-client's batching writer, the bar to beat.

    python benchmarks/usual_way.py --port 1883 --influx http://127.0.0.1:8428 --messages 20000

Like Spikewatch it scores a machine's row when it is complete: where its next value would overwrite one. Unlike it,
nothing is on disk when a message is acknowledged: whatever has not reached the database dies with the process.
"""

import argparse
import json
import time
from collections import defaultdict

from influxdb_client import InfluxDBClient, Point, WriteOptions
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTMessage, MQTTv5
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from river import anomaly, preprocessing


class UsualWay:
    """A subscriber that scores what arrives and hands every score to the database."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.models = defaultdict(lambda: preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees())
        self.features: dict[str, dict[str, float]] = defaultdict(dict)
        self.database = InfluxDBClient(options.influx, token="", org="plant")
        self.writer = self.database.write_api(WriteOptions(batch_size=5_000, flush_interval=1_000))
        self.received, self.expected, self.warm, self.begin = 0, options.messages, options.warm, 0.0
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=options.client_id, protocol=MQTTv5)
        self.client.on_connect = lambda client, *_: client.subscribe(options.topic, qos=1)
        self.client.on_message = self.take
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600
        self.client.connect(options.host, options.port, clean_start=False, properties=session)

    def take(self, client: Client, _: object, message: MQTTMessage) -> None:
        """`plant/machine/sensor` with a number, or `plant/machine` with a JSON array of samples."""
        if self.received == self.warm:
            self.begin = time.perf_counter()
        _, machine, *sensor = message.topic.split("/")
        if sensor:
            row = self.features[machine]
            if sensor[0] in row:
                self.score(machine, row, time.time_ns())
                row = self.features[machine] = {}
            row[sensor[0]] = float(message.payload)
        else:
            for sample in json.loads(message.payload):
                time_ns = sample.pop("time") * 1_000_000_000
                self.score(machine, sample, time_ns)
        self.received += 1
        if self.received == self.expected:
            client.disconnect()

    def score(self, machine: str, row: dict[str, float], time_ns: int) -> None:
        """Score a row, learn from it, and hand the score over."""
        score = self.models[machine].score_one(row)
        self.models[machine].learn_one(row)
        self.writer.write(
            "machines", record=Point("machine").tag("machine", machine).field("score", score).time(time_ns)
        )

    def run(self) -> float:
        """Seconds from the first message that counts until all are scored and the database has every score."""
        self.client.loop_forever()
        self.writer.close()
        return time.perf_counter() - self.begin


def main() -> None:
    """Take so many messages, and print how fast."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--topic", default="plant/#")
    parser.add_argument("--influx", required=True, help="URL of a server that speaks the v2 write API")
    parser.add_argument("--messages", type=int, required=True, help="end after so many")
    parser.add_argument("--warm", type=int, default=0, help="of them, not timed: the first build a machine's trees")
    parser.add_argument("--client-id", default="usual-way", help="of a session that may hold a backlog")
    options = parser.parse_args()
    seconds = UsualWay(options).run()
    timed = options.messages - options.warm
    print(f"{timed / seconds:,.0f} messages/s ({timed:,} in {seconds:.2f} s)")


if __name__ == "__main__":
    main()
