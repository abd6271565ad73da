"""Population rate code: receptive fields whose firing rates say where a value is; the code is `rate.{h,c}`."""

from typing import NamedTuple

OUTPUTS = 16  # receptive fields


class Params(NamedTuple):
    """Times in usual sampling intervals."""

    spikes_per_reading: float = 8.0  # of all fields together
    membranes: tuple[float, float, float] = (1.0, 8.0, 16.0)  # time constants; 1 follows every reading
