"""The service's counters for Prometheus: the same figures as measurement `service`, at the moment of asking."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pipeline.console.overview import Figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Everything else only grows.
GAUGES = {
    "machines": "Known machines",
    "outbox": "Points that wait for the database",
    "outbox_bytes": "The same in bytes",
    "upstream_outbox": "Messages that wait for the second broker",
    "upstream_outbox_bytes": "The same in bytes",
    "upstream_connected": "Whether the second broker is connected",
    "journal_bytes": "Readings since the last snapshot, in bytes",
    "reduction": "Bytes received, for every byte of points and announcements, since the start",
    "lag_s": "Longest time from a message's arrival to its commit, since the last point of measurement service",
    "rss_bytes": "Resident memory",
    "disk_free_bytes": "Free space on the disk of the data folder",
    "queue": "Messages received and not yet scored",
    "queue_bytes": "The same in bytes",
    "notify_waiting": "Happenings that wait to be told, by quiet hours, a cooldown, or a channel that is away",
    "notify_unsent": "Messages that could not be sent yet",
    "notify_away": "Channels of notifications that cannot be reached",
    "watched": "Machines of which every row is kept for the console",
    "connections": "Open connections to the console",
}
HELP = {
    "messages": "Messages taken from the broker",
    "readings": "Readings scored",
    "late": "Readings not newer than their sensor's last",
    "points": "Points committed for the database",
    "bytes_in": "Topics and payloads of the messages of all sources, in bytes",
    "points_bytes": "Points committed for the database, in bytes before compression",
    "announcements": "States, incidents, ageing and answers said on MQTT",
    "announcements_bytes": "Their topics and payloads, in bytes",
    "delivered": "Points the database has accepted",
    "dropped": "Points dropped at a limit",
    "upstream_points": "Messages committed for the second broker",
    "upstream_delivered": "Messages the second broker has accepted",
    "upstream_dropped": "Messages for the second broker dropped at a limit",
    "upstream_buried": "Messages the second broker has refused for good",
    "upstream_bytes": "Topics and payloads the second broker has accepted, in bytes",
    "notify_events": "Happenings that a channel might be told of, for each channel",
    "notify_messages": "Messages sent to channels",
    "notify_told": "Happenings told in a message of their own",
    "notify_digested": "Happenings told together with others",
    "notify_dropped": "Happenings dropped at a limit",
    "notify_given_up": "Happenings of messages that did not arrive for a day",
    "notify_retries": "Messages that did not arrive and were kept to be sent again",
}


class _Figures:
    """Figures as metrics."""

    def __init__(
        self,
        figures: Mapping[str, float | int | str | bool],
        attention: Mapping[str, int],
        reached: Mapping[str, bool],
        machines: Sequence[Figures],
    ) -> None:
        self._figures, self._attention = figures, attention
        self._reached, self._machines = reached, machines

    def collect(self) -> Iterator[Metric]:
        """All of them."""
        refused = CounterMetricFamily(
            "spikewatch_refused", "Readings and messages refused, by cause", labels=["cause"]
        )
        labelled = {
            "notify_suppressed_": CounterMetricFamily(
                "spikewatch_notify_suppressed", "Happenings that were not told, by the rule for it", labels=["rule"]
            ),
            "source_messages_": CounterMetricFamily(
                "spikewatch_source_messages", "Messages of a source, by its topic", labels=["source"]
            ),
            "source_bytes_": CounterMetricFamily(
                "spikewatch_source_bytes", "Their topics and payloads, in bytes", labels=["source"]
            ),
            "source_readings_": CounterMetricFamily(
                "spikewatch_source_readings", "Readings in the messages of a source", labels=["source"]
            ),
        }
        for name, value in self._figures.items():
            if isinstance(value, str):
                continue
            if name.startswith("refused_"):
                refused.add_metric([name.removeprefix("refused_")], float(value))
            elif begin := next((begin for begin in labelled if name.startswith(begin)), None):
                labelled[begin].add_metric([name.removeprefix(begin)], float(value))
            elif name in GAUGES:
                yield GaugeMetricFamily(f"spikewatch_{name}", GAUGES[name], value=float(value))
            elif name != "refused":
                text = HELP.get(name, f"Counter {name} of measurement service")
                yield CounterMetricFamily(f"spikewatch_{name}", text, value=float(value))
        yield refused
        yield from labelled.values()
        machines = GaugeMetricFamily("spikewatch_attention", "Machines by status", labels=["attention"])
        for name, count in self._attention.items():
            machines.add_metric([name], count)
        yield machines
        up = GaugeMetricFamily("spikewatch_reached", "Whether it is connected", labels=["what"])
        for name, reached in self._reached.items():
            up.add_metric([name], float(reached))
        yield up
        if self._machines:
            yield from _of_machines(self._machines)


def _of_machines(machines: Sequence[Figures]) -> Iterator[Metric]:
    """Level, severity, state and incident of each machine; captures that it does not have are empty labels."""
    captures = sorted({capture for one in machines for capture, _ in one.machine.tags})
    labels = ["machine", *("capture_state" if capture == "state" else capture for capture in captures)]
    levels = GaugeMetricFamily("spikewatch_machine_level", "Anomaly level, 0 to 10", labels=labels)
    severities = GaugeMetricFamily("spikewatch_machine_severity", "0 normal, 1 warning, 2 critical", labels=labels)
    incidents = GaugeMetricFamily("spikewatch_machine_incident", "Whether an incident is open", labels=labels)
    states = GaugeMetricFamily("spikewatch_machine_state", "1 for the state it is in", labels=[*labels, "state"])
    for one in machines:
        tags = dict(one.machine.tags)
        named = [one.machine.name, *(tags.get(capture, "") for capture in captures)]
        levels.add_metric(named, one.level)
        severities.add_metric(named, one.severity)
        incidents.add_metric(named, float(one.incident))
        states.add_metric([*named, one.state], 1.0)
    yield from (levels, severities, incidents, states)


def exposition(
    figures: Mapping[str, float | int | str | bool],
    attention: Mapping[str, int],
    reached: Mapping[str, bool],
    machines: Sequence[Figures] = (),
) -> bytes:
    """The text that Prometheus reads. `reached`: broker and others, by name."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(figures, attention, reached, machines))
    return generate_latest(registry)
