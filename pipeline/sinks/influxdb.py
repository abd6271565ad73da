"""InfluxDB, through the API that 2.x, 3.x and 1.8 speak, and through `/write` for older 1.x.

The only file that imports the client, and only when a sink is made: a service with the embedded store does not carry
it. Of the client, the synchronous writer is used, with ready-made lines: its batching writer keeps points in memory
without bound and gives up on them.
"""

import gzip
import logging
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from pipeline.records import Point
from pipeline.sinks.errors import Refused, SinkError, Unreachable
from pipeline.sinks.http import Answer, Http
from pipeline.sinks.lines import lines

TIMEOUT_S = 10.0  # of each read and write
DEADLINE_S = 30.0  # of a write with its whole answer
STORED = 204  # the one answer that 1.x, 2.x and 3.x document for points that are stored
OF_A_POINT = {400, 413, 422}


def error_of(
    status: int, reason: str, target: str, retry_after: str | None, secrets: Sequence[str] = ()
) -> SinkError:
    """What an HTTP status other than STORED means for the points.

    `secrets` are struck out of the reason: it is the target's text, and some proxies send back what they were sent.

    Only what may be said about a point refuses it, and only what a database documents is success, for points that
    are refused or stored are gone: a proxy that shows or sends us to its login page, or a method not allowed at a
    wrong path, is a fault of the target.
    """
    for secret in secrets:
        reason = reason.replace(secret, "***")
    said = " ".join(reason.split())[:300]
    if 200 <= status < 300:
        text = f"{target}: answered {status} where a database answers {STORED}; is this InfluxDB? {said}"
    else:
        text = f"{target}: {status} {said}"
    if status in OF_A_POINT:
        return Refused(text)
    return Unreachable(text, float(retry_after) if retry_after and retry_after.isdecimal() else None)


def body_of(points: Sequence[Point]) -> bytes:
    """The lines of points as bytes, b"" for none; raises Refused for a text that has no UTF-8 (a lone surrogate)."""
    try:
        return lines(points).encode()
    except UnicodeEncodeError as error:
        raise Refused(str(error)) from None


class Writing(Http):
    """Posts points; whatever is not documented as success raises what it means for them."""

    def __init__(self, target: str, secrets: Sequence[str]) -> None:
        super().__init__(TIMEOUT_S, DEADLINE_S)
        self._target, self._secrets = target, secrets

    def request(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> Answer:
        """The answer where the points are stored; else raises Unreachable or Refused.

        What else influxdb-client asks of its own connection pool has no meaning here.
        """
        try:
            answer = super().request(method, url, body, headers)
        except OSError as error:
            raise Unreachable(f"{self._target}: {error}") from None
        if answer.status != STORED:
            reason = answer.data.decode("utf-8", "replace") or answer.reason
            raise error_of(answer.status, reason, self._target, answer.headers.get("Retry-After"), self._secrets)
        return answer


class InfluxV2:
    """A bucket of InfluxDB 2 or 3, or of anything that speaks its write API."""

    def __init__(self, url: str, bucket: str, org: str = "", token: str = "") -> None:
        from influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        self._bucket, self._org = bucket, org
        secrets = [token] if token else []
        # The client tells the root logger, at debug, what it was answered.
        self._safe = lambda record: not any(secret in record.getMessage() for secret in secrets)
        logging.getLogger().addFilter(self._safe)
        self._client = InfluxDBClient(url, token, org=org or "-", enable_gzip=True)
        # The client takes every 2xx for success and reads an answer to its end, however long that is.
        requests: Any = self._client.api_client.rest_client
        requests.pool_manager = Writing(f"{url} bucket {bucket}", secrets)
        self._write = self._client.write_api(SYNCHRONOUS)

    def write(self, points: Sequence[Point]) -> None:
        """Store points; raises Unreachable or Refused."""
        body = body_of(points)
        if body:
            self._write.write(self._bucket, self._org or "-", body)

    def close(self) -> None:
        """Close the connection."""
        logging.getLogger().removeFilter(self._safe)
        self._write.close()  # type: ignore[no-untyped-call]
        self._client.close()  # type: ignore[no-untyped-call]


class InfluxV1:
    """A database of InfluxDB 1.x; it must exist."""

    def __init__(self, url: str, database: str, username: str | None = None, password: str | None = None) -> None:
        self._url = f"{url.rstrip('/')}/write?{urlencode({'db': database, 'precision': 'ns'})}"
        self._headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
        secrets = [password] if password else []
        if username is not None:
            # By ourselves, as urllib3 takes no password outside Latin-1.
            basic = b64encode(f"{username}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {basic}"
            secrets.append(basic)
        self._http = Writing(f"{url} database {database}", secrets)

    def write(self, points: Sequence[Point]) -> None:
        """Store points; raises Unreachable or Refused."""
        body = body_of(points)
        if body:
            self._http.request("POST", self._url, gzip.compress(body, 1), self._headers)

    def close(self) -> None:
        """Close the connection."""
        self._http.clear()
