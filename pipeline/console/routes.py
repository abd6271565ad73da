"""The HTTP API: what can be asked and said, as a table, from which its OpenAPI description is made."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.engine.verbs import ARGUMENTS, VERBS

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
OBJECT: Schema = {"type": "object"}
NAMES: Schema = {"type": "array", "items": TEXT}


NO_ERRORS: Mapping[str, str] = MappingProxyType({})


class Parameter(NamedTuple):
    """Something that is asked with."""

    name: str
    says: str
    schema: Schema = TEXT
    where: str = "query"


class Route(NamedTuple):
    """One address."""

    method: str
    path: str
    name: str  # of the handler, and of the operation
    says: str
    parameters: tuple[Parameter, ...] = ()
    body: Schema | None = None
    kind: str = "application/json"  # of the answer
    errors: Mapping[str, str] = NO_ERRORS  # what can be wrong beside the usual


ID = Parameter(
    "id",
    "of the machine, as it is in answers: its name and captures, percent-encoded once (press-1;site=a); it goes into "
    "the path as it is",
    TEXT,
    "path",
)
COMMAND: Schema = {
    "type": "object",
    "required": ["verb"],
    "additionalProperties": False,
    "properties": {
        "verb": {
            "type": "string",
            "enum": list(VERBS),
            "description": "; ".join(f"{k}: {v}" for k, v in VERBS.items()),
        },
        "argument": {
            "type": "string",
            "description": "; ".join(f"{verb}: {what}" for verb, what in ARGUMENTS.items()),
        },
        "by": {"type": "string", "description": "who sends it; recorded with the command"},
        "via": {"type": "string", "enum": ["http", "cli"], "description": "the channel; recorded, too"},
    },
}
EDITED: Schema = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {
        "text": {"type": "string", "description": "a whole configuration"},
        "tag": {"type": "string", "description": "of the text that was edited; empty where there was no file"},
    },
}
NO_MACHINE = {"404": "there is no such machine"}
NO_FILE = {
    "404": "the service runs without a configuration file",
    "409": "it cannot be done, and nothing was changed",
}
NO_STEP = {"404": "there is a configuration already", "409": "it cannot be done, and nothing was changed"}
ROUTES = (
    Route(
        "GET",
        "/api/machines",
        "machines",
        "Machines, those that need attention first, with their open incidents and the trend of their scores. "
        "`changed`: sensors with a lasting change that was accepted and is not confirmed; `unconfirmed`: number of "
        "the incident that waits for a command (normal, repaired, rollback or label), null for none. `quiet`: every "
        "machine is silent, since `newest_s`.",
        (
            Parameter("search", "words, each part of the name, of a capture or of the kind"),
            Parameter("attention", "only those with this status: critical, warning, changed, silent, ..."),
            Parameter(
                "sort",
                "attention (default), name, level, since, newest or sensors: the urgent, high and new ones first; "
                "-name and so on: the other way round",
            ),
            Parameter(
                "group",
                "a capture (site) or kind: machines with the same value beside each other, each group with its "
                "`offset`; 200 groups at most, all others in the last one",
            ),
            Parameter("offset", "machines to skip", WHOLE),
            Parameter("limit", "most machines to return; default 100, at most 500", WHOLE),
            Parameter(
                "view",
                "brief: without sensors, changes and trend, with `cells`; auto: brief for more than 60 machines",
            ),
            Parameter(
                "cells",
                "8h, 1d or 7d: instead of the trend the highest level in each 48th (8h, 1d) or 56th (7d) of that "
                "time, a character for each: 0 to 9, A for 10, - for nothing known. What was before the service was "
                "started comes from the points in the database, within a minute or so",
            ),
        ),
    ),
    Route(
        "GET",
        "/api/machines/{id}",
        "machine",
        "One machine in full, with its sensors; `changed` and `unconfirmed` as in the list. `account`: what its "
        "network does for a reading, in words.",
        (ID,),
        errors=NO_MACHINE,
    ),
    Route(
        "GET",
        "/api/machines/{id}/rows",
        "rows",
        "Its newest rows as columns: score, and of some sensors value, expected, low, high, score and the "
        "populations that fire (a bit each). After a request every row of the machine is kept for five minutes.",
        (
            ID,
            Parameter(
                "cursor", "of an earlier answer: only rows since then (`goes_on` says whether that was possible)"
            ),
            Parameter("sensor", "name of one; may be repeated. Default: the eight most to blame", NAMES),
        ),
        errors=NO_MACHINE,
    ),
    Route(
        "GET",
        "/api/machines/{id}/history",
        "history",
        "What the database has of a machine between two times, as columns of buckets: of its score and of the "
        "readings of some sensors how many points there were, the lowest, the mean and the highest; also the "
        "expected band, the highest severity, and the incidents and commands of that time. A bucket without a point "
        "is left out. The buckets are the narrowest of a fixed list that give no more than `points` of them, begin "
        "at whole multiples of their width `bucket_s`, and cover `from` and `to` whole. 503 says why where the "
        "database cannot be asked.",
        (
            ID,
            Parameter("from", "Unix seconds, or ISO 8601 (without a zone it is UTC). Default: an hour before `to`"),
            Parameter("to", "the same; not included. Default: the newest reading"),
            Parameter("sensor", "name of one; may be repeated, at most 16. Default: the first eight", NAMES),
            Parameter("points", "most buckets; default 600, at most 2,000", WHOLE),
        ),
        errors=NO_MACHINE,
    ),
    Route(
        "GET",
        "/api/machines/{id}/incidents/{number}",
        "incident",
        "One incident in full: sensors with their worst readings and expected bands, what happened and what was said "
        "in order, incidents like it of this machine and its kind, and which commands are about it.",
        (ID, Parameter("number", "of the incident, as it is in answers", WHOLE, "path")),
        errors={"404": "there is no such machine or incident"},
    ),
    Route(
        "GET",
        "/api/machines/{id}/ageing",
        "ageing",
        "How far each sensor has moved since commissioning or the last repair, how fast, when it reaches its "
        "limit, and how that compares with its kind. Updated once a minute.",
        (ID,),
        errors=NO_MACHINE,
    ),
    Route(
        "POST",
        "/api/machines/{id}/command",
        "command",
        "Send a command to a machine. It is done, and on disk, when the answer comes. Needs the token.",
        (ID,),
        COMMAND,
        errors={**NO_MACHINE, "409": "the machine cannot do that now, and nothing was changed"},
    ),
    Route(
        "GET",
        "/api/incidents",
        "incidents",
        "Open incidents, machines with an unconfirmed one, past incidents and the operator log, newest first. Of the "
        "first two the 200 that come first, and in `open_found` and `unconfirmed_found` how many fit the filter. "
        "Incidents of three machines or more that began within five minutes have the same `group`. `incomplete` says "
        "why the database could not be asked; then only what happened since the start is there. `cut`: there were "
        "more than the newest 5,000 points.",
        (
            Parameter("machine", "only those of machines whose name holds this"),
            Parameter("tag", "only those of machines with this capture: site=a; may be repeated", NAMES),
            Parameter("class", "only those of this class"),
            Parameter("severity", "only those that were `warning` or `critical`"),
            Parameter("state", "only those that are open, unacknowledged, unconfirmed or closed"),
            Parameter("offset", "past incidents to skip", WHOLE),
            Parameter("limit", "most past incidents to return; default 200, at most 500", WHOLE),
        ),
    ),
    Route(
        "GET",
        "/api/ageing",
        "wear",
        "Sensors of all machines by how soon they reach their limit, then by how far they have moved; as in "
        "`/api/machines/{id}/ageing`. `learning`: sensors of which it is not known yet. Updated once a minute.",
        (
            Parameter("search", "words, each part of the machine's name, the sensor or the kind"),
            Parameter("offset", "sensors to skip", WHOLE),
            Parameter("limit", "most sensors to return; default 100, at most 500", WHOLE),
        ),
    ),
    Route(
        "GET",
        "/api/health",
        "health",
        "The service's own counters, whether broker and database are connected, and how the channels of "
        "notifications do.",
    ),
    Route(
        "POST",
        "/api/notify/test",
        "notify_test",
        "Send a test message to every channel of notifications, or to the one named `channel`. `channels`: for each, "
        "why it did not arrive, null where it did. Needs the token.",
        (Parameter("channel", "name of one"),),
        errors={"404": "no channel of notifications is configured, or none of this name"},
    ),
    Route(
        "GET",
        "/api/config",
        "configuration",
        "The configuration file without what may be a secret, and its mistakes. `tag` changes with the file. "
        "`editable`: whether it can be changed here.",
    ),
    Route(
        "POST",
        "/api/setup/open",
        "setup_open",
        "The whole text of the configuration file, and its tag. Needs the token.",
        errors=NO_FILE,
    ),
    Route(
        "POST",
        "/api/setup/check",
        "setup_check",
        "What is wrong with a text, and in which lines it is not the configuration file: `changes` are pairs of `+`, "
        "`-`, a space or `@` (lines left out) and the line. Writes nothing. Needs the token.",
        (),
        EDITED,
        errors=NO_FILE,
    ),
    Route(
        "POST",
        "/api/setup/save",
        "setup_save",
        "Write the configuration file. Refused (409) where the text has mistakes, or the file is no longer the one "
        "with this `tag`. The earlier file is kept beside it: `kept`. Needs the token.",
        (),
        EDITED,
        errors=NO_FILE,
    ),
    Route(
        "POST",
        "/api/setup/restart",
        "setup_restart",
        "End the service in order and start it with the configuration file as it is. Refused (409) where that has "
        "mistakes. Needs the token.",
        errors={**NO_FILE, "404": "it cannot be restarted from here"},
    ),
    Route(
        "POST",
        "/api/setup/broker",
        "setup_broker",
        "First configuration: whether a broker lets us in. 409 says why not. A password in `typed` is then kept in a "
        "file of the data folder, which `password` names. This and the following steps: 404 where there is a "
        "configuration already. Needs the token.",
        (),
        OBJECT,
        errors=NO_STEP,
    ),
    Route(
        "POST",
        "/api/setup/listen",
        "setup_listen",
        "First configuration: hear a broker for some seconds, at most 300. Needs the token.",
        (),
        OBJECT,
        errors=NO_STEP,
    ),
    Route(
        "POST",
        "/api/setup/heard",
        "setup_heard",
        "First configuration: the sources that are proposed for what was heard so far, what is left out and why, and "
        "the newest readings by machine. Needs the token.",
        (),
        OBJECT,
        errors=NO_STEP,
    ),
    Route(
        "POST",
        "/api/setup/database",
        "setup_database",
        "First configuration: whether a database takes a point (measurement `service`). 409 says why not. A token or "
        "password in `typed` is then kept in a file of the data folder, which `secret` names. Needs the token.",
        (),
        OBJECT,
        errors=NO_STEP,
    ),
    Route(
        "POST",
        "/api/setup/draft",
        "setup_draft",
        "First configuration: the text of all that was said. Writes nothing. Needs the token.",
        (),
        OBJECT,
        errors=NO_STEP,
    ),
    Route("GET", "/api/openapi.json", "openapi", "This description."),
    Route("POST", "/api/token", "token", "200 where the token is the right one, else 401. Changes nothing."),
    Route("GET", "/healthz", "healthz", "200 where the service is alive, else 503: restart it then."),
    Route(
        "GET",
        "/readyz",
        "readyz",
        "200 where readings come in and points go out: the service is alive, connected to the broker, and the "
        "database is reached. Else 503, and which of them is not.",
    ),
    Route("GET", "/metrics", "metrics", "The counters for Prometheus.", (), None, "text/plain"),
)
USUAL: Mapping[str, str] = {
    "400": "the request is not as described here",
    "421": "the Host header names another computer, and the console answers on loopback only",
    "503": "the service is starting, busy or in safe mode",
}
WHERE_WRITTEN: Mapping[str, str] = {
    "401": "the token is missing or wrong",
    "403": "the request comes from another page",
}
WITH_BODY: Mapping[str, str] = {"413": "the body has too many bytes"}


def errors_of(route: Route) -> dict[str, str]:
    """What can be wrong with a request, by status."""
    writes = route.method != "GET"
    return {**USUAL, **(WHERE_WRITTEN if writes else {}), **(WITH_BODY if route.body else {}), **route.errors}


def described() -> dict[str, Any]:
    """The OpenAPI description of all routes."""
    try:
        installed = version("spikewatch")
    except PackageNotFoundError:
        installed = "0"
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        writes = route.method != "GET"
        answer = {
            "description": "done",
            "content": {route.kind: {"schema": OBJECT if "json" in route.kind else TEXT}},
        }
        operation: dict[str, Any] = {
            "operationId": route.name,
            "summary": route.says,
            "parameters": [
                {
                    "name": one.name,
                    "in": one.where,
                    "required": one.where == "path",
                    "description": one.says,
                    "schema": one.schema,
                }
                for one in route.parameters
            ],
            "responses": {
                "200": answer,
                **{status: {"description": why} for status, why in sorted(errors_of(route).items())},
            },
        }
        if route.body is not None:
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": route.body}}}
        if writes:
            operation["security"] = [{"token": []}]
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Spikewatch",
            "version": installed,
            "description": "States and incidents of machines, and commands to them. Times are Unix seconds of the "
            "data. Reading is open on loopback; writing needs the token.",
        },
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }
