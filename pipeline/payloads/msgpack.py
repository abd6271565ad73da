"""MessagePack: what JSON can say, in bytes. Decoded to the same tree as JSON.

A whole number as a key is its text, as small devices send to save room. A time stamp is text in ISO 8601, to the
microsecond; other extension types are no numbers. The library `msgpack` decodes, and not msgspec's decoder, as it
gives keys to us before they become a table: one that comes again is told, and one that is an array (a table of them
can be built to take quadratic time) is refused with its message.
"""

from typing import Any

from pipeline.payloads.decoded import Cause, Refusal, refuse


def msgpack_tree(payload: bytes, refused: list[Refusal]) -> Any:
    """The tree of a payload: dict with text as keys, list, str, int, float, bool, None; other objects for the rest.

    Keys that come again are refused into `refused`, their last value counts. ValueError where it is not one
    MessagePack value.
    """
    import msgpack  # here: most plants need none

    def pairs(items: list[tuple[Any, Any]]) -> dict[str, Any]:
        node: dict[str, Any] = {}
        for key, value in items:
            if type(key) is not str:
                if type(key) is not int:
                    raise ValueError("a key is neither text nor an integer")
                key = str(key)
            if key in node:
                refuse(refused, Cause.DUPLICATE_KEY, key)
            node[key] = _text(value) if type(value) is msgpack.Timestamp else value
        return node

    try:
        return msgpack.unpackb(payload, object_pairs_hook=pairs, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:  # of which there are many kinds
        raise ValueError(str(error) or type(error).__name__) from None


def _text(stamp: Any) -> str:
    """A time stamp in ISO 8601; one out of the calendar is a text that is none."""
    try:
        return str(stamp.to_datetime().isoformat())
    except (ValueError, OverflowError):
        return f"{stamp.seconds} s"
