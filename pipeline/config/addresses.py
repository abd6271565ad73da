"""Addresses of brokers and databases: URLs that name a host, and nothing that is secret.

An address is shown by logs, commands and the page. So whatever may hold a password is refused: a user, a query, a
fragment. What is wrong is said without repeating the URL, for the same reason.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

MQTT = ("mqtt", "mqtts")
_HOST = re.compile(r"[\w.-]+")
_PATH = re.compile(r"[\w/.~-]*")


def address(text: str, schemes: Sequence[str], secrets_go: str, path: bool = False) -> SplitResult:
    """The parts of a URL; ValueError, without any part of it, says what would be right.

    `secrets_go` names where user and password go instead. `path`: whether one may follow the host.
    """
    right = f"({schemes[0]}://host or {schemes[1]}://host, with :port where it is not the usual one)"
    if not text.isprintable() or " " in text:
        raise ValueError(f"is not a URL {right}")
    try:
        url = urlsplit(text)
    except ValueError:
        raise ValueError(f"is not a URL {right}") from None
    if url.scheme not in schemes:
        raise ValueError(f"is not a URL of the kind that is needed {right}")
    if "@" in text:  # a password may hold any other sign too, so that what comes before it need not look like a user
        raise ValueError(f"holds a user or password, which would be shown; they go to {secrets_go}")
    if "?" in text or "#" in text:
        raise ValueError(f"holds ? or #, after which a password would be shown; it goes to {secrets_go}")
    try:
        known = url.hostname is not None and _is_host(url.hostname) and url.port != 0
    except ValueError:  # it is no port
        known = False
    if not known:
        raise ValueError(f"is not a URL of the kind that is needed {right}")
    if url.path and not path:
        raise ValueError(f"has more than a host and a port {right}")
    if not _PATH.fullmatch(url.path):
        raise ValueError("has a path with other signs than letters, digits and / . _ ~ -")
    return url


def is_loopback(url: SplitResult) -> bool:
    """Whether a connection to it never leaves this computer."""
    host = url.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_host(name: str) -> bool:
    if ":" not in name:
        return _HOST.fullmatch(name) is not None
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
