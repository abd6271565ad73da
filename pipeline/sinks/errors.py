"""What can go wrong with a sink, named by what the caller should do."""


class SinkError(Exception):
    """Any of the two below."""


class Unreachable(SinkError):
    """Wait and offer the same points again: the target is away, overloaded, or not set up as configured."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Refused(SinkError):
    """At least one of these points will never be taken: find it and let the others through."""
