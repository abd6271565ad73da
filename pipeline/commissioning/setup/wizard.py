"""The steps of a first configuration. Each is asked with JSON, and tries what it says against the real thing."""

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from pipeline.commissioning.doctor import of_database
from pipeline.commissioning.setup.draft import BrokerDraft, DatabaseDraft, Draft, text_of
from pipeline.commissioning.setup.listening import Listening
from pipeline.config.checks import CHECKS
from pipeline.config.settings import Config, ConfigError, InfluxDB, Mqtt, Problem, Secret
from pipeline.files import make_folder, open_private, open_to_others, read_bounded
from pipeline.mqtt import Broker, greet
from pipeline.service.connections import broker_of, open_sink

CLIENT_ID = "spikewatch-setup"  # not that of the service, whose session another one may have
TYPED = "SPIKEWATCH_TYPED_SECRET"  # under this name what was typed is looked up, while it is tried
LONGEST_S = 300.0
MOST_KEPT = 20  # files of one kind of secret


class ListenDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to hear."""

    broker: BrokerDraft
    topic: str = "#"
    seconds: float = 30.0


class Wizard:
    """The steps. Raises msgspec.MsgspecError for what is no question, ConfigError and OSError with the reason."""

    def __init__(self, data: Path, environ: Mapping[str, str], zone: str | None) -> None:
        """`data`: folder for the secrets that are typed. `zone`: IANA name of this computer's time zone."""
        self._data, self._environ, self._zone = data, environ, zone
        self.port: int | None = None  # of the console, where that is not the usual one
        self._one_by_one = threading.Lock()
        self._listening: Listening | None = None

    def broker(self, asked: bytes) -> dict[str, Any]:
        """Whether a broker lets us in. A password that was typed is then kept in a file of our own."""
        draft = msgspec.json.decode(asked, type=BrokerDraft)
        try:
            greeting = greet(self._broker(draft))
        except OSError as error:
            raise OSError(f"{draft.url}: {error}") from None
        return {
            "version": greeting.version,
            "took_ms": round(1000 * greeting.took_s),
            "password": self._kept(draft.typed, draft.password, "mqtt-password"),
        }

    def listen(self, asked: bytes) -> dict[str, Any]:
        """Begin to hear a broker."""
        draft = msgspec.json.decode(asked, type=ListenDraft)
        broker = self._broker(draft.broker)
        seconds = min(max(draft.seconds, 1.0), LONGEST_S)
        with self._one_by_one:
            if self._listening is not None:
                self._listening.stop()
            self._listening = Listening(broker, draft.topic, seconds, self._zone)
            return self._listening.told()

    def heard(self) -> dict[str, Any]:
        """What was heard and understood so far."""
        listening = self._listening
        if listening is None:
            raise ConfigError(["nothing is listened to yet"])
        return listening.told()

    def database(self, asked: bytes) -> dict[str, Any]:
        """Whether a database takes a point. A token or password that was typed is then kept in a file of our own."""
        draft = msgspec.json.decode(asked, type=DatabaseDraft)
        known, environ = self._trying(draft.typed, draft.secret)
        settings = draft.settings(known)
        _check(InfluxDB, settings, "influxdb", environ)
        config = Config(influxdb=settings)
        [finding] = of_database(lambda: open_sink(config, environ))
        if finding.fix:
            raise ConfigError([f"{draft.url}: {finding.found}"])
        kept = self._kept(draft.typed, draft.secret, "influxdb-secret")
        return {"found": finding.found, "secret": kept}

    def draft(self, asked: bytes) -> dict[str, Any]:
        """The configuration that all of it makes."""
        draft = msgspec.json.decode(asked, type=Draft)
        proposals = () if self._listening is None else self._listening.proposals
        return {"text": text_of(draft, proposals, self.port)}

    def close(self) -> None:
        """Hear no more."""
        if self._listening is not None:
            self._listening.stop()

    def _broker(self, draft: BrokerDraft) -> Broker:
        known, environ = self._trying(draft.typed, draft.password)
        settings = draft.settings(known)
        if settings.url is None:
            raise ConfigError(["mqtt.url: is missing"])
        _check(Mqtt, settings, "mqtt", environ)
        return broker_of(Config(mqtt=settings), environ, CLIENT_ID)

    def _trying(self, typed: str | None, known: Secret | None) -> tuple[Secret | None, Mapping[str, str]]:
        """Where a secret is while it is tried."""
        if not typed:
            return known, self._environ
        return Secret(env=TYPED), {**self._environ, TYPED: typed}

    def _kept(self, typed: str | None, known: Secret | None, name: str) -> Secret | None:
        """Where a secret is from now on: what was typed is in a file that only our account may read.

        A file with another secret stays as it is, as a configuration may name it; the next free name is taken.
        """
        if not typed:
            return known
        make_folder(self._data)
        content = f"{typed}\n".encode()
        for number in range(1, MOST_KEPT + 1):
            path = self._data.resolve() / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                with os.fdopen(open_private(path, os.O_WRONLY | os.O_EXCL), "wb") as file:
                    file.write(content)
                return Secret(file=str(path))
            if _holds(path, content):
                return Secret(file=str(path))
        raise OSError(f"{self._data}: {MOST_KEPT} files {name}* hold other secrets; remove those that nothing needs")


def _holds(path: Path, content: bytes) -> bool:
    """Whether a file of ours, for our account only, has this content."""
    try:
        ours = not path.is_symlink() and not open_to_others(path)
        return ours and read_bounded(path, len(content)) == content
    except OSError:
        return False


def _check(kind: type, settings: object, name: str, environ: Mapping[str, str]) -> None:
    """Raises ConfigError with what is wrong on paper."""
    problems: Sequence[Problem] = [Problem(what, f"{name}.{key}") for key, what in CHECKS[kind](settings, environ)]
    if problems:
        raise ConfigError(problems)
