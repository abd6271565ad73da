"""Characteristic frequencies of a rolling bearing whose inner ring turns and whose rollers do not slip.

With n rollers of diameter d on a circle of diameter D, contact angle phi and shaft frequency f (Hz):

    BPFO  n f / 2 (1 - d/D cos phi)           a roller passes a point of the outer ring
    BPFI  n f / 2 (1 + d/D cos phi)           a roller passes a point of the inner ring
    FTF   f / 2 (1 - d/D cos phi)             the cage turns
    BSF   D f / (2 d) (1 - (d/D cos phi)^2)   a roller turns about itself

Randall and Antoni, Rolling element bearing diagnostics - a tutorial, Mechanical Systems and Signal Processing 25
(2011) 485. They put the slip of real bearings at 1 to 2 %, which SLIP allows for.
"""

import math

from pipeline.config.settings import Bearing

SLIP = 0.02  # of a frequency, to either side; also for a shaft that is not quite at its stated speed


def frequencies(bearing: Bearing, shaft_hz: float) -> dict[str, float]:
    """Frequency (Hz) by its usual name, in small letters."""
    ratio = bearing.ball / bearing.pitch * math.cos(math.radians(bearing.angle))
    return {
        "bpfo": bearing.rollers * shaft_hz / 2 * (1 - ratio),
        "bpfi": bearing.rollers * shaft_hz / 2 * (1 + ratio),
        "bsf": bearing.pitch * shaft_hz / (2 * bearing.ball) * (1 - ratio * ratio),
        "ftf": shaft_hz / 2 * (1 - ratio),
    }
