"""InfluxDB, through the API that 2.x, 3.x and 1.8 speak, and through `/write` for older 1.x.

The only file that imports the client, and only when a sink is made: a service with the embedded store does not carry
it. Of the client, the synchronous writer is used, with ready-made lines: its batching writer keeps points in memory
without bound and gives up on them.
"""

import gzip
import logging
from base64 import b64encode
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from pipeline.records import Point
from pipeline.sinks.errors import Refused, SinkError, Unreachable
from pipeline.sinks.lines import lines

TIMEOUT_S = 10.0
OF_A_POINT = {400, 413, 422}


def error_of(
    status: int, reason: str, target: str, retry_after: str | None, secrets: Sequence[str] = ()
) -> SinkError:
    """What an HTTP status means for the points; 0 where there was no answer.

    `secrets` are struck out of the reason: it is the target's text, and some proxies send back what they were sent.

    Only what is surely said about a point refuses it, for refused points are gone: a proxy that sends us to its login
    page, or a method not allowed at a wrong path, is a fault of the target.
    """
    for secret in secrets:
        reason = reason.replace(secret, "***")
    text = f"{target}: {f'{status} ' if status else ''}{' '.join(reason.split())[:300]}"
    if status in OF_A_POINT:
        return Refused(text)
    return Unreachable(text, float(retry_after) if retry_after and retry_after.isdecimal() else None)


def body_of(points: Sequence[Point]) -> bytes:
    """The lines of points as bytes, b"" for none; raises Refused for a text that has no UTF-8 (a lone surrogate)."""
    try:
        return lines(points).encode()
    except UnicodeEncodeError as error:
        raise Refused(str(error)) from None


class InfluxV2:
    """A bucket of InfluxDB 2 or 3, or of anything that speaks its write API."""

    def __init__(self, url: str, bucket: str, org: str = "", token: str = "") -> None:
        from influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        self._target, self._bucket, self._org = f"{url} bucket {bucket}", bucket, org
        self._secrets = [token] if token else []
        # The client tells the root logger, at debug, what it was answered.
        self._safe = lambda record: not any(secret in record.getMessage() for secret in self._secrets)
        logging.getLogger().addFilter(self._safe)
        self._client = InfluxDBClient(url, token, org=org or "-", enable_gzip=True, timeout=int(TIMEOUT_S * 1000))
        self._write = self._client.write_api(SYNCHRONOUS)

    def write(self, points: Sequence[Point]) -> None:
        """Store points; raises Unreachable or Refused."""
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        body = body_of(points)
        if not body:
            return
        try:
            self._write.write(self._bucket, self._org or "-", body)
        except ApiException as error:
            headers: Mapping[str, str] = error.headers or {}
            reason = str(error.body or error.reason or "")
            status, retry_after = int(error.status or 0), headers.get("Retry-After")
            raise error_of(status, reason, self._target, retry_after, self._secrets) from None
        except (HTTPError, OSError) as error:
            raise Unreachable(f"{self._target}: {short(error)}") from None

    def close(self) -> None:
        """Close the connection."""
        logging.getLogger().removeFilter(self._safe)
        self._write.close()  # type: ignore[no-untyped-call]
        self._client.close()  # type: ignore[no-untyped-call]


class InfluxV1:
    """A database of InfluxDB 1.x; it must exist."""

    def __init__(self, url: str, database: str, username: str | None = None, password: str | None = None) -> None:
        import urllib3

        self._target = f"{url} database {database}"
        self._url = f"{url.rstrip('/')}/write?{urlencode({'db': database, 'precision': 'ns'})}"
        self._pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(TIMEOUT_S))
        self._headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
        self._secrets = [password] if password else []
        if username is not None:
            # By ourselves, as urllib3 takes no password outside Latin-1.
            basic = b64encode(f"{username}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {basic}"
            self._secrets.append(basic)

    def write(self, points: Sequence[Point]) -> None:
        """Store points; raises Unreachable or Refused."""
        from urllib3.exceptions import HTTPError

        body = body_of(points)
        if not body:
            return
        try:
            answer = self._pool.request("POST", self._url, body=gzip.compress(body, 1), headers=self._headers)
        except (HTTPError, OSError) as error:
            raise Unreachable(f"{self._target}: {short(error)}") from None
        if answer.status >= 300:
            reason = answer.data.decode("utf-8", "replace")
            raise error_of(answer.status, reason, self._target, answer.headers.get("Retry-After"), self._secrets)

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()


def short(error: BaseException) -> str:
    """A connection's failure in a few words, without the object addresses urllib3 puts into it."""
    text = str(getattr(error, "reason", None) or error)
    return text.split(">: ")[-1].split("object at 0x")[-1].split(": ", 1)[-1][:200]
