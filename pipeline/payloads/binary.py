"""CBOR and MessagePack as formats: their bytes give the same tree as JSON, and are read with the same settings."""

from collections.abc import Callable
from typing import Any

from pipeline.config.settings import Source
from pipeline.payloads.cbor import cbor_tree
from pipeline.payloads.decoded import Cause, Decoded, Refusal, Route, Window, refusal
from pipeline.payloads.msgpack import msgpack_tree
from pipeline.payloads.tree import Tree
from pipeline.topics import Captures


class _Binary:
    """A format whose payloads `parse` makes a tree of; it raises ValueError where it cannot."""

    def __init__(
        self, source: Source, window: Window, parse: Callable[[bytes, list[Refusal]], Any], cause: Cause
    ) -> None:
        self._tree, self._parse, self._cause = Tree(source, window), parse, cause

    def route(self, captures: Captures) -> Route:
        """The decoder of one topic."""
        read, parse, cause = self._tree.route(captures), self._parse, self._cause

        def decode(payload: bytes, received_ns: int) -> Decoded:
            if not payload:
                return refusal(Cause.EMPTY)
            refused: list[Refusal] = []
            try:
                root = parse(payload, refused)
            except ValueError as error:
                return refusal(cause, str(error))
            return read(root, received_ns, refused)

        return decode


class Cbor(_Binary):
    """The format `cbor`."""

    def __init__(self, source: Source, window: Window) -> None:
        super().__init__(source, window, cbor_tree, Cause.NOT_CBOR)


class MessagePack(_Binary):
    """The format `msgpack`."""

    def __init__(self, source: Source, window: Window) -> None:
        super().__init__(source, window, msgpack_tree, Cause.NOT_MSGPACK)
