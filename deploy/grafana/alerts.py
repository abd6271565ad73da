"""Makes Grafana's alert rules in provisioning/alerting/rules.yaml: python deploy/grafana/alerts.py

Beside the notifications of the service itself these are for plants that gather all alarms in Grafana. Queries are
InfluxQL; tests/test_dashboards.py runs each against a real InfluxDB and checks what it makes of a plant with a fault.
Grafana replaces $NAME in provisioned files by its environment, but for annotations: a query's own $ is two therefore.
"""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

FILE = Path(__file__).parent / "provisioning" / "alerting" / "rules.yaml"
SOURCE, EXPRESSION = "spikewatch", "__expr__"  # uids of data sources
HEAD = """# Made by deploy/grafana/alerts.py: change that and run it.
"""


class Alert(NamedTuple):
    """One rule: a number for each series of a query, and from which on it is an alarm."""

    uid: str
    title: str
    severity: str
    query: str
    since_s: int  # the query looks back so far
    reducer: str  # of what the query gives in that time
    above: float
    summary: str
    description: str
    for_: str = "0s"  # it has to last so long
    no_data: str = "OK"  # what it is where there is nothing


BY_MACHINE = 'GROUP BY "machine", "site"'
DAY_S = 86_400


def open_incidents(severity: int) -> str:
    """The highest level of each open incident of this severity; the newest point of a machine says how it stands."""
    newest = (
        'SELECT last("severity") AS "severity", last("ended") AS "ended", last("peak_level") AS "peak_level"'
        f' FROM "incident" WHERE $timeFilter {BY_MACHINE}'
    )
    return f'SELECT "peak_level" FROM ({newest}) WHERE "ended" = 0 AND "severity" = {severity} {BY_MACHINE}'


def newest_state(state: str) -> str:
    """1 for each machine that is in this state."""
    newest = f'SELECT last("state") AS "state" FROM "machine" WHERE $timeFilter {BY_MACHINE}'
    return f'SELECT count("state") FROM ({newest}) WHERE "state" = \'{state}\' {BY_MACHINE}'


def grown(*counters: str) -> str:
    """By how much counters have grown together; a restart, which begins them at 0, is no growth."""
    steps = ", ".join(f'non_negative_difference("{one}") AS "{one}"' for one in counters)
    total = " + ".join(f'sum("{one}")' for one in counters)
    return f'SELECT {total} FROM (SELECT {steps} FROM "service" WHERE $timeFilter GROUP BY "host") GROUP BY "host"'


ALERTS = (
    Alert(
        "spikewatch-critical",
        "Machine critical",
        "critical",
        open_incidents(2),
        30 * DAY_S,
        "last",
        0,
        "{{ $labels.machine }} {{ $labels.site }}: critical, anomaly level up to {{ $values.B.Value }}",
        "A critical incident is open: check the sensor that it names. The alert ends when the incident is closed.",
    ),
    Alert(
        "spikewatch-warning",
        "Machine warning",
        "warning",
        open_incidents(1),
        30 * DAY_S,
        "last",
        0,
        "{{ $labels.machine }} {{ $labels.site }}: warning, anomaly level up to {{ $values.B.Value }}",
        "An incident has been open for 5 minutes: check the sensor that it names.",
        for_="5m",
    ),
    Alert(
        "spikewatch-silent",
        "Machine has stopped sending",
        "warning",
        newest_state("silent"),
        7 * DAY_S,
        "last",
        0,
        "{{ $labels.machine }} {{ $labels.site }} has stopped sending",
        "Check its power and network. The alert ends when it sends again, and after 7 days.",
    ),
    Alert(
        "spikewatch-limit",
        "Sensor reaches its limit soon",
        "warning",
        'SELECT 14 - last("days_earliest") FROM "ageing" WHERE $timeFilter GROUP BY "machine", "site", "sensor"',
        DAY_S,
        "last",
        0,
        "{{ $labels.machine }} {{ $labels.site }}: {{ $labels.sensor }} may reach its limit within 14 days",
        "Plan maintenance: the earliest date at which the trend reaches the configured limit is near.",
    ),
    Alert(
        "spikewatch-stopped",
        "Spikewatch writes nothing",
        "critical",
        'SELECT 1 - count("messages") FROM "service" WHERE $timeFilter',
        300,
        "max",
        0,
        "Spikewatch has written nothing for 5 minutes",
        "The service writes its own counters every 10 seconds: it has stopped, or does not reach the database.",
        no_data="Alerting",
    ),
    Alert(
        "spikewatch-dropped",
        "Spikewatch drops points",
        "critical",
        grown("dropped", "buried"),
        600,
        "max",
        0,
        "Spikewatch on {{ $labels.host }} drops points",
        "Points were dropped at a limit (limits.outbox_bytes, full disk) or rejected by the database for good.",
    ),
)


def rule(alert: Alert) -> dict[str, Any]:
    """A rule as Grafana reads it from a file: a query, what is made of it, and a threshold."""
    reduced = {"type": "reduce", "expression": "A", "reducer": alert.reducer, "settings": {"mode": "dropNN"}}
    threshold = {
        "type": "threshold",
        "expression": "B",
        "conditions": [{"evaluator": {"type": "gt", "params": [alert.above]}}],
    }
    span = {"from": alert.since_s, "to": 0}
    return {
        "uid": alert.uid,
        "title": alert.title,
        "condition": "C",
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": span,
                "datasourceUid": SOURCE,
                "model": {
                    "refId": "A",
                    "rawQuery": True,
                    "query": alert.query.replace("$", "$$"),
                    "resultFormat": "time_series",
                },
            },
            {"refId": "B", "datasourceUid": EXPRESSION, "model": {"refId": "B", **reduced}},
            {"refId": "C", "datasourceUid": EXPRESSION, "model": {"refId": "C", **threshold}},
        ],
        "for": alert.for_,
        "noDataState": alert.no_data,
        "execErrState": "Error",
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "description": alert.description},
    }


def text() -> str:
    """The file."""
    group = {
        "orgId": 1,
        "name": "spikewatch",
        "folder": "Spikewatch",
        "interval": "1m",
        "rules": [rule(alert) for alert in ALERTS],
    }
    return HEAD + yaml.safe_dump({"apiVersion": 1, "groups": [group]}, sort_keys=False, width=118, allow_unicode=True)


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
