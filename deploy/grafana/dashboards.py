"""Makes the Grafana dashboards beside it: python deploy/grafana/dashboards.py, after pip install '.[dev]'.

Written with Grafana's own foundation SDK, so that what it does not know cannot be said. All queries are InfluxQL, the
one language that InfluxDB 1, 2 and 3 speak. Where there is no `site` in the topics, its variable has one choice, All,
which also matches what has no site. Scores are shown as anomaly levels (0 to 10; 5 is a warning, 8 critical), for on
an axis from 0 to 1 all that matters lies on its upper edge. tests/test_dashboards.py runs every query against a real
InfluxDB.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common, statetimeline, statushistory, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import stat as stats
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = models.DataSourceRef("influxdb", "spikewatch")
HERE = '"site" =~ /^${site:regex}$/ AND "machine" =~ /^${machine:regex}$/ AND $timeFilter'
SEVERITIES = {"0": ("normal", "green"), "1": ("warning", "orange"), "2": ("critical", "red")}
STATES = {
    "ready": "green",
    "learning": "blue",
    "drifting": "yellow",
    "changed": "purple",
    "frozen": "light-blue",
    "fault": "red",
    "silent": "text",
}
WIDE, HALF = 24, 12
CONSOLE = "http://localhost:8380"
MACHINE_ID = "${__data.fields.machine:percentencode};site=${__data.fields.site:percentencode}"


class Query(Dataquery, Builder[Dataquery]):
    """One InfluxQL query, of which the SDK has no class."""

    def __init__(self, influxql: str, ref: str = "A", alias: str = "", as_table: bool = False) -> None:
        self.influxql, self.ref, self.alias, self.as_table = influxql, ref, alias, as_table

    def build(self) -> Dataquery:
        return self

    def to_json(self) -> dict[str, object]:
        told: dict[str, object] = {
            "refId": self.ref,
            "datasource": SOURCE,
            "rawQuery": True,
            "query": self.influxql,
            "resultFormat": "table" if self.as_table else "time_series",
        }
        return told | ({"alias": self.alias} if self.alias else {})


class Event(models.AnnotationQuery, Builder[models.AnnotationQuery]):
    """An annotation from an InfluxQL query. Grafana reads it from `target`, of which the SDK knows other fields."""

    def __init__(self, name: str, color: str, influxql: str) -> None:
        super().__init__(name=name, datasource=SOURCE, enable=True, icon_color=color)
        self.influxql = influxql

    def build(self) -> models.AnnotationQuery:
        return self

    def to_json(self) -> dict[str, object]:
        target = {
            "refId": "Anno",
            "datasource": SOURCE,
            "fromAnnotations": True,
            "rawQuery": True,
            "query": self.influxql,
            "textColumn": "sensors",
            "titleColumn": "phase",
            "tagsColumn": "machine",
        }
        return super().to_json() | {"target": target}


def variable(name: str, label: str, query: str, many: bool = True) -> build.QueryVariable:
    """A choice from what the database has; of `many`, All is the first choice and matches what has no such tag."""
    made = (
        build.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(many)
        .include_all(many)
    )
    if many:
        made.all_value(".*").current(models.VariableOption(True, ["All"], ["$__all"]))
    return made


def site() -> build.QueryVariable:
    return variable("site", "Site", 'SHOW TAG VALUES FROM "machine" WITH KEY = "site"')


def machine(many: bool = True) -> build.QueryVariable:
    where = 'WHERE "site" =~ /^${site:regex}$/'
    return variable("machine", "Machine", f'SHOW TAG VALUES FROM "machine" WITH KEY = "machine" {where}', many)


def sensor(measurement: str) -> build.QueryVariable:
    where = 'WHERE "machine" =~ /^${machine:regex}$/'
    return variable("sensor", "Sensor", f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "sensor" {where}')


def incidents_here() -> list[Event]:
    """Incidents as marks in every chart of a dashboard."""

    def of(phase: str) -> str:
        return f'SELECT "sensors", "phase", "machine" FROM "incident" WHERE "phase" = \'{phase}\' AND {HERE}'

    return [Event("Incidents open", "red", of("open")), Event("Incidents close", "green", of("close"))]


def severities() -> list[Any]:
    options = {
        value: models.ValueMappingResult(text, color, index=int(value)) for value, (text, color) in SEVERITIES.items()
    }
    return [models.ValueMap(options)]


def states() -> list[Any]:
    options = {
        word: models.ValueMappingResult(word, color, index=number)
        for number, (word, color) in enumerate(STATES.items())
    }
    return [models.ValueMap(options)]


def steps(*pairs: tuple[float | None, str]) -> build.ThresholdsConfig:
    return (
        build.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value, color) for value, color in pairs])
    )


ALARMS = ((None, "green"), (5.0, "orange"), (8.0, "red"))
LEVEL = "Anomaly level: up to 1 is usual, 5 a warning, 8 critical, on every machine."


def link(title: str, url: str) -> build.DashboardLink:
    return build.DashboardLink(title).url(url).type(models.DashboardLinkType.LINK)


def to_machine() -> models.DynamicConfigValue:
    """A cell that leads to the dashboard of the machine it names."""
    url = "/d/spikewatch-machine?var-machine=${__value.text}&${__url_time_range}"
    on_console = f"${{console}}/#/machines/{MACHINE_ID}"
    return models.DynamicConfigValue(
        "links",
        [
            {"title": "show this machine", "url": url},
            {"title": "open it in the console", "url": on_console, "targetBlank": True},
        ],
    )


def to_incident() -> models.DynamicConfigValue:
    """A cell that leads to the console's page of its incident."""
    url = f"${{console}}/#/incidents/{MACHINE_ID}/${{__data.fields.id:percentencode}}"
    return models.DynamicConfigValue("links", [{"title": "open it in the console", "url": url, "targetBlank": True}])


def console() -> build.TextBoxVariable:
    """Where links to the console lead."""
    return build.TextBoxVariable("console").label("Console").default_value(CONSOLE)


def colored(mappings: list[Any]) -> list[models.DynamicConfigValue]:
    return [
        models.DynamicConfigValue("mappings", mappings),
        models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
    ]


def leveled() -> list[models.DynamicConfigValue]:
    """A column of anomaly levels, in the colours of their severity."""
    return [
        models.DynamicConfigValue("decimals", 1),
        models.DynamicConfigValue("thresholds", steps(*ALARMS).build()),
        models.DynamicConfigValue("color", {"mode": "thresholds"}),
        models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
    ]


def level_axis(panel: timeseries.Panel) -> timeseries.Panel:
    """A chart of anomaly levels, with the lines of both severities."""
    style = common.GraphThresholdsStyleConfig().mode(common_models.GraphTresholdsStyleMode.LINE)
    return panel.min(0).max(10).thresholds(steps(*ALARMS)).thresholds_style(style)


def rows(
    title: str,
    description: str,
    influxql: str,
    order: Sequence[str],
    sort: str,
    height: int = 9,
    hide: Sequence[str] = (),
) -> table.Panel:
    """A table of the columns of `order`, sorted by one of them, the largest first."""
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(Query(influxql, as_table=True))
        .with_transformation(
            models.DataTransformerConfig(
                "organize",
                options={
                    "indexByName": {name: number for number, name in enumerate(order)},
                    "excludeByName": dict.fromkeys(hide, True),
                    "renameByName": {},
                },
            )
        )
        .sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
        .override_by_name("machine", [to_machine()])
        .override_by_name("severity", colored(severities()))
        .override_by_name("state", colored(states()))
        .override_by_name("level", leveled())
        .override_by_name("peak", leveled())
        .override_by_name("id", [to_incident()])
        .span(WIDE)
        .height(height)
    )


def lines(
    title: str, description: str, *targets: Query, unit: str = "none", span: int = WIDE, height: int = 8
) -> timeseries.Panel:
    """A chart over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .line_width(1)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .span(span)
        .height(height)
    )
    for target in targets:
        panel.with_target(target)
    return panel.unit(unit)


def timeline(title: str, description: str, influxql: str, alias: str, mappings: list[Any], height: int = 7) -> Any:
    """A band per machine whose colour is its state."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(Query(influxql, alias=alias))
        .mappings(mappings)
        .show_value(common_models.VisibilityMode.NEVER)
        .merge_values(True)
        .span(WIDE)
        .height(height)
    )


def heat_map(title: str, description: str, influxql: str, alias: str) -> Any:
    """A row per machine, in the colour of its level in each interval."""
    return (
        statushistory.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(Query(influxql, alias=alias))
        .thresholds(steps((None, "green"), (1.0, "#C8F2C2"), (3.0, "yellow"), (5.0, "orange"), (8.0, "red")))
        .color_scheme(build.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .show_value(common_models.VisibilityMode.NEVER)
        .min(0)
        .max(10)
        .decimals(1)
        .unit("none")
        .max_data_points(120)
        .row_height(0.9)
        .span(WIDE)
        .height(12)
    )


def figure(
    title: str,
    description: str,
    influxql: str,
    mappings: Sequence[Any] = (),
    unit: str = "none",
    span: int = 4,
    decimals: int = 0,
) -> Any:
    """One value, large."""
    panel = (
        stats.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(Query(influxql))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("/.*/"))
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .unit(unit)
        .decimals(decimals)
        .span(span)
        .height(4)
    )
    if mappings:
        panel.mappings(list(mappings)).color_mode(common_models.BigValueColorMode.BACKGROUND)
    return panel


def dashboard(
    name: str, title: str, description: str, variables: Sequence[Any], panels: Sequence[Any]
) -> build.Dashboard:
    """A dashboard with a menu of the others."""
    made = (
        build.Dashboard(title)
        .uid(f"spikewatch-{name}")
        .description(description)
        .tags(["spikewatch"])
        .editable()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .refresh("10s")
        .time("now-6h", "now")
        .timezone("browser")
        .link(
            build.DashboardLink("Spikewatch")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["spikewatch"])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    for one in variables:
        made.with_variable(one)
    if any(one.build().name == "machine" for one in variables):
        for event in incidents_here():
            made.annotation(event)
    for panel in panels:
        made.with_panel(panel)
    return made


def last(fields: str, measurement: str, where: str, by: str) -> str:
    return f'SELECT {fields} FROM "{measurement}" WHERE {where} GROUP BY {by}'


INCIDENT = '"phase", "severity", "cause", "sensors", "why", "class", "confidence", "acknowledged", "started"'
INCIDENT_ORDER = (
    "machine",
    "site",
    "id",
    "severity",
    "phase",
    "cause",
    "sensors",
    "why",
    "class",
    "confidence",
    "peak",
)
INCIDENTS = last(f'last("peak_level") AS "peak", {INCIDENT}', "incident", HERE, '"machine", "site", "id"')


def incident_table(title: str, description: str, only_open: bool, height: int = 8) -> table.Panel:
    panel = rows(title, description, INCIDENTS, INCIDENT_ORDER, "Time", height, ("started",))
    if only_open:
        panel.with_transformation(
            models.DataTransformerConfig(
                "filterByValue",
                options={
                    "type": "exclude",
                    "match": "any",
                    "filters": [{"fieldName": "phase", "config": {"id": "equal", "options": {"value": "close"}}}],
                },
            )
        )
    return panel


def fleet() -> build.Dashboard:
    standing = last(
        'last("level") AS "level", "severity", "state", "cause", "why"', "machine", HERE, '"machine", "site"'
    )
    every = 'GROUP BY time($__interval), "machine", "site"'
    return dashboard(
        "fleet",
        "Spikewatch: fleet",
        "Which machine needs attention, since when, and which sensor is to blame.",
        [site(), machine(), console()],
        [
            rows(
                "Machines, latest values",
                "The last point of each in the time range, highest level first. A name leads to its dashboard.",
                standing,
                ("machine", "site", "severity", "level", "state", "cause", "why", "Time"),
                "level",
                10,
            ),
            incident_table("Open incidents", "At most one per machine.", only_open=True),
            timeline(
                "Severity",
                "State of each machine over time.",
                f'SELECT max("severity") FROM "machine" WHERE {HERE} {every} fill(previous)',
                "$tag_machine $tag_site",
                severities(),
            ),
            heat_map(
                "Anomaly level of every machine",
                f"The highest of each interval. {LEVEL}",
                f'SELECT max("level") FROM "machine" WHERE {HERE} {every} fill(none)',
                "$tag_machine $tag_site",
            ),
            level_axis(
                lines(
                    "Anomaly level",
                    LEVEL,
                    Query(
                        f'SELECT max("level") FROM "machine" WHERE {HERE} {every} fill(none)',
                        alias="$tag_machine $tag_site",
                    ),
                )
            ),
        ],
    )


def one_machine() -> build.Dashboard:
    of_sensor = f'"sensor" =~ /^${{sensor:regex}}$/ AND {HERE}'
    band = ", ".join(f'mean("{field}") AS "{field}"' for field in ("value", "expected", "low", "high"))
    thin = [models.DynamicConfigValue("custom.lineWidth", 0), models.DynamicConfigValue("custom.showPoints", "never")]
    green = models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "green"})
    sensors = (
        lines(
            "$sensor",
            "The value, the value expected from the other sensors, and the band that holds 99 of 100 readings.",
            Query(
                f'SELECT {band} FROM "sensor" WHERE {of_sensor} GROUP BY time($__interval) fill(none)', alias="$col"
            ),
        )
        .repeat("sensor")
        .repeat_direction("h")
        .override_by_name(
            "value",
            [
                models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "blue"}),
                models.DynamicConfigValue("custom.lineWidth", 2),
            ],
        )
        .override_by_name("expected", [green])
        .override_by_name("low", [green, *thin])
        .override_by_name(
            "high",
            [
                green,
                *thin,
                models.DynamicConfigValue("custom.fillBelowTo", "low"),
                models.DynamicConfigValue("custom.fillOpacity", 20),
            ],
        )
    )
    by_sensor = 'GROUP BY time($__interval), "sensor" fill(none)'
    return dashboard(
        "machine",
        "Spikewatch: machine",
        "One machine: its anomaly level, its incidents, and its sensors in their expected bands.",
        [site(), machine(many=False), sensor("sensor"), console()],
        [
            figure(
                "State",
                "The state to act on first.",
                f'SELECT last("state") FROM "machine" WHERE {HERE}',
                states(),
            ),
            figure(
                "Severity",
                "Severity of the newest row.",
                f'SELECT last("severity") FROM "machine" WHERE {HERE}',
                severities(),
            ),
            figure("Anomaly level", LEVEL, f'SELECT last("level") FROM "machine" WHERE {HERE}', decimals=1)
            .thresholds(steps(*ALARMS))
            .color_mode(common_models.BigValueColorMode.BACKGROUND),
            figure(
                "Cause",
                "The sensor with the largest share in the newest score.",
                f'SELECT last("cause") FROM "machine" WHERE {HERE}',
            ),
            figure(
                "Learned",
                "Progress of the warm-up.",
                f'SELECT last("learned") FROM "machine" WHERE {HERE}',
                unit="percentunit",
            ),
            figure("Spikes", "In the newest row.", f'SELECT last("spikes") FROM "machine" WHERE {HERE}'),
            level_axis(
                lines(
                    "Anomaly level",
                    LEVEL,
                    Query(
                        f'SELECT max("level") FROM "machine" WHERE {HERE} GROUP BY time($__interval) fill(none)',
                        alias="level",
                    ),
                )
            ),
            incident_table("Incidents", "Latest update of each.", only_open=False),
            sensors,
            lines(
                "Share of each sensor in the score",
                "The shares of one row add up to 1.",
                Query(f'SELECT mean("share") FROM "sensor" WHERE {of_sensor} {by_sensor}', alias="$tag_sensor"),
                unit="percentunit",
                span=HALF,
            ),
            level_axis(
                lines(
                    "Anomaly level of each sensor",
                    "Each sensor's own; the machine's is in the chart above.",
                    Query(f'SELECT max("level") FROM "sensor" WHERE {of_sensor} {by_sensor}', alias="$tag_sensor"),
                    span=HALF,
                )
            ),
            rows(
                "Sensor quality",
                "good, or the fault of the sensor itself; a masked sensor is excluded from the machine's score.",
                last('last("quality") AS "quality", "masked", "changed", "value"', "sensor", of_sensor, '"sensor"'),
                ("sensor", "quality", "masked", "changed", "value", "Time"),
                "sensor",
                7,
            ),
        ],
    )


def ageing() -> build.Dashboard:
    of_sensor = f'"sensor" =~ /^${{sensor:regex}}$/ AND {HERE}'
    by = 'GROUP BY time($__interval), "machine", "site", "sensor" fill(none)'
    name = "$tag_machine $tag_site $tag_sensor"
    fields = ("moved", "per_day", "per_day_unit", "offset", "gain", "days_to_limit", "days_earliest", "days_latest")

    def chart(title: str, description: str, field: str, unit: str = "none") -> timeseries.Panel:
        return lines(
            title,
            description,
            Query(f'SELECT mean("{field}") FROM "ageing" WHERE {of_sensor} {by}', alias=name),
            unit=unit,
            span=HALF,
        )

    return dashboard(
        "ageing",
        "Spikewatch: ageing",
        "How far sensors have moved since commissioning or the last repair, and when a limit is reached.",
        [site(), machine(), sensor("ageing"), console()],
        [
            rows(
                "Sensors, latest values",
                "shift, per_day: in sigmas (of what the other sensors could not predict at commissioning); moved,"
                " per_day_unit, offset: in the sensor's unit; gain: a factor. Days to the declared limit, with the"
                " earliest and the latest.",
                last(
                    'last("shift") AS "shift", ' + ", ".join(f'"{one}"' for one in fields),
                    "ageing",
                    of_sensor,
                    '"machine", "site", "sensor"',
                ),
                ("machine", "site", "sensor", "shift", *fields, "Time"),
                "shift",
                10,
            ),
            chart("Shift", "In sigmas, since commissioning or the last repair.", "shift", "suffix: σ"),
            chart("Moved", "The same in the sensor's unit.", "moved"),
            chart("Trend", "In sigmas per day.", "per_day", "suffix: σ/d"),
            chart("Days to the limit", "Of sensors with a configured limit.", "days_to_limit", "d")
            .thresholds(steps((None, "red"), (7.0, "orange"), (30.0, "green")))
            .thresholds_style(common.GraphThresholdsStyleConfig().mode(common_models.GraphTresholdsStyleMode.LINE)),
            chart(
                "Offset", "Relative to commissioning, in the sensor's unit: for correcting a controller.", "offset"
            ),
            chart("Gain", "Relative to commissioning, as a factor.", "gain"),
        ],
    )


def incidents() -> build.Dashboard:
    opened = f'FROM "incident" WHERE "phase" = \'open\' AND {HERE}'
    return dashboard(
        "incidents",
        "Spikewatch: incidents",
        "Incidents with severity, cause and class, and the operator log.",
        [site(), machine(), console()],
        [
            figure("Opened", "Incidents that began in the time range.", f'SELECT count("peak") {opened}', span=8),
            figure(
                "Worst",
                f"Highest level of an incident. {LEVEL}",
                f'SELECT max("peak_level") FROM "incident" WHERE {HERE}',
                span=8,
                decimals=1,
            ),
            figure(
                "Critical",
                "Incidents that were critical when they closed.",
                f'SELECT count("peak") FROM "incident" WHERE "phase" = \'close\' AND "severity" = 2 AND {HERE}',
                span=8,
            ),
            incident_table("Incidents", "Latest update of each; newest first.", only_open=False, height=12),
            lines(
                "Opened per day",
                "Per machine.",
                Query(
                    f'SELECT count("peak") {opened} GROUP BY time(1d), "machine", "site" fill(0)',
                    alias="$tag_machine $tag_site",
                ),
            )
            .draw_style(common_models.GraphDrawStyle.BARS)
            .fill_opacity(80),
            rows(
                "Operator log",
                "Commands, with operator and channel.",
                f'SELECT "verb", "argument", "by", "via", "machine", "site" FROM "command" WHERE {HERE}',
                ("Time", "machine", "site", "verb", "argument", "by", "via"),
                "Time",
            ),
        ],
    )


def service() -> build.Dashboard:
    here = '"host" =~ /^${host:regex}$/ AND $timeFilter'
    by = 'GROUP BY time($__interval), "host" fill(none)'

    def rates(title: str, description: str, *fields: str, unit: str = "short") -> timeseries.Panel:
        return lines(
            title,
            description,
            *(
                Query(
                    f'SELECT non_negative_derivative(max("{field}"), 1s) FROM "service" WHERE {here} {by}',
                    "ABCDEFGH"[number],
                    f"$tag_host {field}",
                )
                for number, field in enumerate(fields)
            ),
            unit=unit,
            span=HALF,
        )

    def levels(title: str, description: str, *fields: str, unit: str = "short") -> timeseries.Panel:
        return lines(
            title,
            description,
            *(
                Query(
                    f'SELECT max("{field}") FROM "service" WHERE {here} {by}',
                    "ABCDEFGH"[number],
                    f"$tag_host {field}",
                )
                for number, field in enumerate(fields)
            ),
            unit=unit,
            span=HALF,
        )

    return dashboard(
        "service",
        "Spikewatch: service",
        "Health of the service: traffic, queues, refused data, memory and disk.",
        [variable("host", "Host", 'SHOW TAG VALUES FROM "service" WITH KEY = "host"')],
        [
            rates("Traffic per second", "", "messages", "readings", "points", unit="cps"),
            levels("Lag", "Longest time from the arrival of a message to its commit.", "lag_s", unit="s"),
            levels("Queued", "Messages not yet scored, points not yet delivered.", "queue", "outbox"),
            levels("Queued, in bytes", "", "outbox_bytes", "journal_bytes", "queue_bytes", unit="bytes"),
            rates(
                "Not used, per second",
                "Refused parts of messages, late and redelivered readings, points dropped or permanently refused.",
                "refused",
                "late",
                "redelivered",
                "dropped",
                "buried",
                unit="cps",
            ),
            levels(
                "Connection",
                "Reconnects, and sessions that the broker had lost.",
                "reconnects",
                "sessions_lost",
            ),
            levels("Memory and disk", "", "rss_bytes", "disk_free_bytes", unit="bytes"),
            rates("Processor", "Processor cores in use.", "cpu_s", unit="percentunit"),
            levels("Machines", "Number of known machines.", "machines"),
        ],
    )


DASHBOARDS = {
    "fleet": fleet,
    "machine": one_machine,
    "ageing": ageing,
    "incidents": incidents,
    "service": service,
}


def text_of(name: str) -> str:
    """The JSON of one dashboard."""
    return json.dumps(json.loads(JSONEncoder(sort_keys=True).encode(DASHBOARDS[name]().build())), indent=1) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(text_of(name), encoding="utf-8")
