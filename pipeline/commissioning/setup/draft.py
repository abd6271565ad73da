"""What a person has said of a plant so far, and the configuration that it makes. Pure."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from pipeline.commissioning.proposing import Proposal, Proposed, as_yaml
from pipeline.commissioning.proposing.yaml_text import DATABASE, MACHINES, scalar, secret
from pipeline.config.settings import ConfigError, InfluxDB, Mqtt, Secret

WRITER = "the setup page"


class BrokerDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach a broker; without `url` the embedded one."""

    url: str | None = None
    username: str | None = None
    password: Secret | None = None
    typed: str | None = None  # the password itself, until it has been tried and is kept in a file
    insecure_password: bool = False

    def settings(self, password: Secret | None) -> Mqtt:
        """As of the configuration."""
        return Mqtt(self.url, self.username, password, self.insecure_password)


class DatabaseDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach InfluxDB: `bucket` with a token, or `database` with a user and password."""

    url: str
    bucket: str | None = None
    org: str = ""
    database: str | None = None
    username: str | None = None
    secret: Secret | None = None  # token or password
    typed: str | None = None  # the same itself, until it has been tried and is kept in a file
    insecure_password: bool = False

    def settings(self, known: Secret | None) -> InfluxDB:
        """As of the configuration."""
        by_token = self.bucket is not None
        return InfluxDB(
            self.url,
            self.bucket,
            self.org,
            known if by_token else None,
            self.database,
            self.username,
            None if by_token else known,
            self.insecure_password,
        )


class SourceDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source that was proposed, and its topic as the person has it."""

    proposed: str
    topic: str


class SensorDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of all sensors of a name."""

    unit: str = ""
    limit: float | None = None
    ignore: bool = False


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it."""

    broker: BrokerDraft = BrokerDraft()
    sources: tuple[SourceDraft, ...] = ()
    sensors: dict[str, SensorDraft] = {}
    database: DatabaseDraft | None = None


def text_of(draft: Draft, proposals: Sequence[Proposal], port: int | None = None) -> str:
    """The configuration, with comments. What was typed and is in no file is left out.

    `port`: of the console, where that is not the usual one. Raises ConfigError where a source is not proposed any
    more, or a broker has none: the default ones would take its place.
    """
    topics = {one.proposed: one.topic for one in draft.sources}
    gone = topics.keys() - {one.source.topic for one in proposals}
    if gone:
        raise ConfigError([f"{topic}: not among the sources heard last; listen again" for topic in sorted(gone)])
    if draft.broker.url is not None and not topics:
        raise ConfigError(["no source is chosen: choose one, or listen again"])
    chosen = tuple(
        one._replace(source=replace(one.source, topic=topics[one.source.topic]))
        for one in proposals
        if one.source.topic in topics
    )
    broker, sensors = draft.broker, {name: one for name, one in draft.sensors.items() if one != SensorDraft()}
    text = as_yaml(
        Proposed(chosen, {}),
        broker.url,
        broker.username,
        broker.password,
        broker.insecure_password,
        list(_machines(sensors)) if sensors else MACHINES,
        DATABASE if draft.database is None else list(_database(draft.database)),
        WRITER,
    )
    return text if port is None else f"{text}\n# The usual port was taken.\nconsole:\n  port: {port}\n"


def _machines(sensors: Mapping[str, SensorDraft]) -> Iterator[str]:
    yield "# What is known about sensors of these names, of every machine."
    yield "machines:"
    yield '  - match: "*"'
    yield "    sensors:"
    for name, one in sensors.items():
        known = {"unit": one.unit or None, "limit": one.limit, "ignore": one.ignore or None}
        yield f"      {scalar(name)}: {scalar({key: value for key, value in known.items() if value is not None})}"


def _database(draft: DatabaseDraft) -> Iterator[str]:
    settings = draft.settings(draft.secret)
    yield "# Where the scores go."
    yield "influxdb:"
    for key in ("url", "bucket", "org", "database", "username"):
        value = getattr(settings, key)
        if value:
            yield f"  {key}: {scalar(value)}"
    for key, one in (("token", settings.token), ("password", settings.password)):
        if one is not None:
            yield f"  {key}: {secret(one)}"
    if settings.insecure_password:
        yield "  insecure_password: true  # it is sent unencrypted; https:// is better"
