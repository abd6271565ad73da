"""Encoders: values become spikes. Pure, and importing nothing of ours; the contract is in `encoders.spikes`.

To add an encoder, write its file and add its line here: the contract suite then runs over it.
"""

from types import ModuleType

from encoders import delta, rate

ENCODERS: dict[str, ModuleType] = {"delta": delta, "rate": rate}
