"""Whether a sensor's readings can be believed, as it is told; what each means is in `quality.h`."""

from enum import IntEnum

from pipeline.network._core import lib


class Quality(IntEnum):
    """What is the matter with a sensor."""

    GOOD = lib.SW_GOOD
    STUCK = lib.SW_STUCK
    MISSING = lib.SW_MISSING
    SATURATED = lib.SW_SATURATED
    CLOCK = lib.SW_CLOCK_WRONG
    UNIT_JUMP = lib.SW_UNIT_JUMP

    @property
    def word(self) -> str:
        """As it is written."""
        return self.name.lower().replace("_", "-")
