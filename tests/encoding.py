"""The encoders in C, over lines of readings."""

import numpy as np

from encoders import ENCODERS
from pipeline.network._core import ffi, lib

LEARNED = {"delta": ("baseline", "scale", "low", "high"), "rate": ("low", "high")}  # what a frozen line keeps


class Lines:
    """Some lines of one encoder."""

    def __init__(self, name, count=3):
        self.name = name
        self._params = ffi.new(f"struct sw_{name}_params *", ENCODERS[name].Params()._asdict())
        self.line = ffi.new(f"struct sw_{name}[{count}]")
        for number in range(count):
            self._call("init", number)

    def _call(self, word, number, *given):
        return getattr(lib, f"sw_{self.name}_{word}")(self.line + number, *given)

    def declare(self, number, low, high):
        """Tell a line the range of its sensor; whether that was one."""
        return self._call("declare", number, low, high)

    def encode(self, number, value, elapsed=None, frozen=False):
        """Spikes of values on a line, or each on a line of its own."""
        value = np.asarray(value, float)
        number = np.broadcast_to(number, value.shape).tolist()
        elapsed = np.ones(len(value)) if elapsed is None else np.asarray(elapsed, float)
        out = np.full((len(value), ENCODERS[self.name].OUTPUTS), -99, np.int64)
        for at, (own, one, gone) in enumerate(zip(number, value.tolist(), elapsed.tolist(), strict=True)):
            if self.name == "delta":
                out[at] = lib.sw_delta_step(self._params, self.line + own, frozen, gone, one)
            else:
                lib.sw_rate_step(
                    self._params, self.line + own, frozen, gone, one, ffi.from_buffer("int64_t[]", out[at])
                )
        return out

    def copy(self):
        """The same lines once more."""
        other = Lines(self.name, len(self.line))
        ffi.memmove(other.line, self.line, ffi.sizeof(self.line))
        return other

    def bytes(self, number):
        """All that a line remembers."""
        return bytes(ffi.buffer(self.line + number, ffi.sizeof(f"struct sw_{self.name}")))

    def field(self, number, name):
        """What a line remembers under that name."""
        found = getattr(self.line[number], name)
        return list(found) if isinstance(found, ffi.CData) else found
