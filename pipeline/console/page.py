"""The files of the page, from memory."""

from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pipeline.console.weight import compressed, has, tag_of, takes_gzip

ASSETS = Path(__file__).parent / "assets"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


class Asset(NamedTuple):
    """A file of the page."""

    content: bytes
    kind: str
    tag: str  # by which a browser knows that it has it already
    packed: bytes = b""  # the same as gzip; empty where that saves nothing


def assets() -> dict[str, Asset]:
    """All files of the page, by name."""
    found = {}
    for path in ASSETS.iterdir():
        content = path.read_bytes()
        kind = KINDS.get(path.suffix, "text/plain; charset=utf-8")
        packed = compressed(content, level=9)
        found[path.name] = Asset(content, kind, tag_of(content), packed if len(packed) < len(content) else b"")
    return found


class Page:
    """The handlers of its addresses."""

    def __init__(self) -> None:
        self.assets = assets()

    async def page(self, request: Request) -> Response:
        """The page; it fetches everything else."""
        return self._asset("index.html", request)

    async def icon(self, request: Request) -> Response:
        """The page's sign."""
        return self._asset("icon.svg", request)

    async def asset(self, request: Request) -> Response:
        """A part of the page."""
        return self._asset(request.path_params["name"], request)

    def _asset(self, name: str, request: Request) -> Response:
        """From memory, since a page of a dozen files should not wait a dozen times for a thread."""
        asset = self.assets.get(name)
        if asset is None:
            raise HTTPException(404, "there is no such file")
        headers = {"cache-control": "no-cache", "etag": asset.tag, "vary": "accept-encoding"}
        if has(request.headers.get("if-none-match", ""), asset.tag):
            return Response(None, 304, headers)
        headers["content-type"] = asset.kind
        if asset.packed and takes_gzip(request.headers.get("accept-encoding", "")):
            return Response(asset.packed, 200, {**headers, "content-encoding": "gzip"})
        return Response(asset.content, 200, headers)
