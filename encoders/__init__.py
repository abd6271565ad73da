"""Encoders: values become spikes, in C; here are their numbers.

A *line* is one sensor of one machine. A spike is an event on a line: +1 (ON) or -1 (OFF). One reading may cause none,
one or several on each output of its line, so what an encoder says of a reading is a row of signed spike counts.

Every encoder, here with the name `x`, is a file, a header and a module with the same words:

- ``Params`` (Python) and ``struct sw_x_params``: its numbers; ``OUTPUTS``, how many outputs a line has.
- ``struct sw_x``: the memory of one line; nothing is hidden elsewhere.
- ``sw_x_init(line)``: a line that has seen nothing; ``sw_x_declare(line, low, high)``: the range of its sensor.
- ``sw_x_step(params, line, frozen, elapsed, value, ...)``: the spikes of a reading. ``frozen``: the line is not to
  learn; ``elapsed``: time since its previous reading, in units of its usual sampling interval; ``value``: finite, in
  any unit.

What holds for all of them (``tests/test_encoders.py``): equal input gives equal spikes; a line never influences
another; a copy of its memory goes on with the same bits; a power of two as change of unit changes no spike; equal
steps in time are the plain equations, and an encoder works only when a reading arrives: no clock tick, no idle cost.
A frozen line keeps what it has learned to the bit, and still encodes.

To add an encoder, write its files and add its line to `ENCODERS`: the tests of this contract then run over it.
"""

from types import ModuleType

from encoders import delta, rate

ENCODERS: dict[str, ModuleType] = {"delta": delta, "rate": rate}
