"""How a message leaves: JSON over HTTP, or a service that Apprise knows.

A channel says what happened, and nothing that is secret: what libraries say of a failure may hold the address, which
holds passwords and tokens, so all parts of it are taken out of every error. Retrying is somebody else's business.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, unquote

import msgspec

from pipeline.config.extras import install
from pipeline.config.settings import Channel, ConfigError, Hidden, read_secret
from pipeline.sinks.http import Http

TIMEOUT_S, DEADLINE_S = 10.0, 30.0
LONGEST_REASON = 200
PICTURE = "last-hour.png"  # name of what is attached
_ADDRESS = re.compile(r"\w+://[^\s'\"]+")
_PARTS = re.compile(r"[^\s:/?#&=@,;+]+")
SHORTEST_PART = 4  # of an address that is taken out; shorter ones are in every other word


class NotSent(Exception):
    """A message has not arrived, or nobody knows; the text says why, and holds no secret."""


class Sender(Protocol):
    """A channel's way out."""

    pictures: bool  # whether it can take one

    def send(
        self, id_: str, title: str, body: str, severity: str, content: Mapping[str, Any], picture: bytes | None = None
    ) -> None:
        """Send a message, as words and as JSON; raises NotSent. `id_` is the same whenever it is sent again.

        `picture`: PNG.
        """

    def close(self) -> None:
        """Let go of connections."""


class Missing(ConfigError):
    """A channel needs the package apprise, which is not installed."""

    def __init__(self, channel: str) -> None:
        super().__init__([f"notify {channel}: url needs the extra notify: {install('notify')}"])


def clean(text: str, address: str) -> str:
    """The text without the address, nor any part of it that may be secret; of one line.

    >>> clean("user jo failed at mailto://jo:hunter2@host, bad password hunter2", "mailto://jo:hunter2@host")
    'user jo failed at ***, bad password ***'
    """
    said = " ".join(_ADDRESS.sub("***", text.replace(address, "***") if address else text).split())
    for part in sorted(_secrets(address), key=len, reverse=True):
        said = said.replace(part, "***")
    return said[:LONGEST_REASON]


def _secrets(address: str) -> Iterator[str]:
    """The parts of an address that are long enough to be told from words, in every way that they are written."""
    for form in {address, unquote(address)}:
        for part in _PARTS.findall(form.partition("://")[2]):
            if len(part) >= SHORTEST_PART:
                yield from {part, quote(part, safe=""), unquote(part)}


class Webhook:
    """JSON by POST. The receiver tells a message that comes again by its header Idempotency-Key."""

    pictures = False

    def __init__(self, url: str, token: str = "") -> None:
        """`token` is sent as `Authorization: Bearer`."""
        self._url = url
        self._token = Hidden(token)
        self._http = Http(TIMEOUT_S, DEADLINE_S)

    def send(
        self, id_: str, title: str, body: str, severity: str, content: Mapping[str, Any], picture: bytes | None = None
    ) -> None:
        """See Sender."""
        headers = {"content-type": "application/json", "idempotency-key": id_, "user-agent": "spikewatch"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        try:
            answer = self._http.request("POST", self._url, msgspec.json.encode(content), headers)
        except OSError as error:
            raise NotSent(clean(str(error), self._token)) from None
        if not 200 <= answer.status < 300:
            said = answer.data[:100].decode("utf-8", "replace")
            raise NotSent(clean(f"{answer.status} {answer.reason} {said}", self._token).strip())

    def close(self) -> None:
        """Let go of connections."""
        self._http.clear()


class Apprise:
    """A service that Apprise knows, by the form of its URL."""

    def __init__(self, name: str, url: str) -> None:
        """`name` is the channel's. Raises Missing, or ConfigError where no service has such a URL."""
        try:
            import apprise  # here, as most plants need none: it takes 30 MB and half a second
            from apprise.attachment.memory import AttachMemory
        except ImportError:
            raise Missing(name) from None
        logging.getLogger("apprise").propagate = False  # it logs addresses; what is worth knowing is in the results
        self._url = Hidden(url)
        self._apprise: Any = apprise.Apprise(asset=apprise.AppriseAsset(app_id="Spikewatch", app_desc="Spikewatch"))
        if not self._apprise.add(str(url)) or len(self._apprise) != 1:
            raise ConfigError([f"notify {name}: url is of no service that Apprise knows, or not complete"])
        self.pictures = bool(self._apprise[0].attachment_support)
        self._attachment: Any = AttachMemory
        self._kinds = {"warning": apprise.NotifyType.WARNING, "critical": apprise.NotifyType.FAILURE}
        self._info = apprise.NotifyType.INFO

    @property
    def service(self) -> str:
        """Its name."""
        return str(self._apprise[0].service_name)

    def send(
        self, id_: str, title: str, body: str, severity: str, content: Mapping[str, Any], picture: bytes | None = None
    ) -> None:
        """See Sender. Mail and HTTP get the header Idempotency-Key; other services have no place for it."""
        headers = getattr(self._apprise[0], "headers", None)
        if isinstance(headers, dict):
            headers["Idempotency-Key"] = id_
        try:
            kind = self._kinds.get(severity, self._info)
            attached = None if picture is None else self._attached(picture)
            result = self._apprise.notify(
                body=body, title=title, notify_type=kind, body_format="text", attach=attached
            )
        except Exception as error:  # whatever one of more than a hundred services raises
            raise NotSent(clean(f"{type(error).__name__}: {error}", self._url)) from None
        if not result:
            raise NotSent(clean(_reason(result), self._url) or "refused, or not reached")

    def _attached(self, picture: bytes) -> Any:
        return self._attachment(content=picture, name=PICTURE, mimetype="image/png")

    def close(self) -> None:
        """Let go of connections."""


def _reason(result: Any) -> str:
    """What the service had to say, as far as Apprise knows."""
    try:
        return "; ".join(str(entry.message) for entry in result.logs())
    except (AttributeError, TypeError):
        return ""


class Opened(NamedTuple):
    """A channel that can be used."""

    channel: Channel
    sender: Sender
    kind: str  # in a word or two


def open_channel(channel: Channel, environ: Mapping[str, str]) -> Opened:
    """A channel as configured. Raises ConfigError, which holds no secret, where that is not possible."""
    if channel.webhook is not None:
        token = "" if channel.token is None else read_secret(channel.token, environ)
        return Opened(channel, Webhook(channel.webhook, token), "webhook")
    assert channel.url is not None  # noqa: S101  # for the type checker: the configuration has been checked
    sender = Apprise(channel.name, read_secret(channel.url, environ))
    return Opened(channel, sender, sender.service)
