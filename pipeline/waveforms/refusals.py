"""Why a block, or one feature of it, cannot be measured."""

from enum import StrEnum


class Why(StrEnum):
    """The cause; payloads count it by the same word."""

    PART_SAMPLE = "part_sample"  # bytes or values that are no whole number of samples of every channel
    NOT_BASE64 = "not_base64"
    SHORT_BLOCK = "short_block"  # too few samples, or too short a time for a frequency
    TOO_LARGE = "too_large"  # more samples than MAX_SAMPLES
    CONSTANT_BLOCK = "constant_block"  # all samples are equal: nothing to divide by
    BEYOND_RATE = "beyond_rate"  # a frequency above what the rate, or the band of the envelope, can hold
    NO_RATE = "no_rate"  # the configured rate is missing or no rate
    NO_SPEED = "no_speed"  # the configured shaft speed is missing or not above 0
    NAN = "nan"
    INFINITE = "infinite"
    MAGNITUDE = "magnitude"
    NULL = "null"
    TEXT = "text"
    BOOLEAN = "boolean"
    SHAPE = "shape"


class BlockError(Exception):
    """A block cannot be measured at all."""

    def __init__(self, why: Why, detail: str = "") -> None:
        self.why = why
        self.detail = detail
        super().__init__(f"{why}: {detail}" if detail else str(why))
