"""Payloads in a wrapping of gzip (RFC 1952) or zlib (RFC 1950), of whatever format.

No more is unwrapped than a message may have bytes, whatever a small payload claims to hold.
"""

import zlib

from pipeline.payloads.decoded import Cause, Decoded, Route, refusal

_GZIP_MARK = b"\x1f\x8b"
_WRAPPINGS = {"gzip": 16 + zlib.MAX_WBITS, "zlib": zlib.MAX_WBITS, "auto": 32 + zlib.MAX_WBITS}


def unwrapping(route: Route, wrapping: str, most_bytes: int) -> Route:
    """A route for wrapped payloads: `gzip`, `zlib`, or `auto` for either of them or none."""

    def decode(payload: bytes, received_ns: int) -> Decoded:
        if not payload:
            return refusal(Cause.EMPTY)
        try:
            plain = unwrapped(payload, wrapping, most_bytes)
        except ValueError as error:
            if wrapping != "auto":
                return refusal(Cause.NOT_COMPRESSED, str(error))
            plain = payload  # which says by itself what is wrong with it
        if len(plain) > most_bytes:
            return refusal(Cause.TOO_LARGE, f"more than {most_bytes} bytes when unwrapped")
        return route(plain, received_ns)

    return decode


def unwrapped(payload: bytes, wrapping: str, most_bytes: int) -> bytes:
    """What is in the wrapping, or one byte more than `most_bytes` of it; ValueError where it is no such wrapping."""
    parts: list[bytes] = []
    left = most_bytes + 1
    while payload and left:
        inflater = zlib.decompressobj(_WRAPPINGS[wrapping])
        try:
            parts.append(inflater.decompress(payload, left))
        except zlib.error as error:
            raise ValueError(str(error)) from None
        left -= len(parts[-1])
        if left and not inflater.eof:
            raise ValueError("ends too early")
        payload = inflater.unused_data  # a file of gzip may have several parts
        if left and payload and not payload.startswith(_GZIP_MARK):
            raise ValueError("bytes after its end")
    return b"".join(parts)
