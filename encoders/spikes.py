"""What a spike is here, and the contract every encoder keeps.

A *line* is one sensor of one machine; its number is the first axis of every state array. A spike is an event
on a line: +1 (ON) or -1 (OFF). One reading may cause none, one or several on each output of its line, so what an
encoder writes per reading is a row of signed spike counts, shape (readings, outputs).

Every encoder is a module with the same five words:

- ``Settings``  what a person writes, with its units.
- ``Params``    the numbers the compiled step reads.
- ``State``     a named tuple of arrays whose first axis is the line. All memory is here; nothing is hidden.
- ``fresh(params, lines)``  the State of lines that have seen nothing.
- ``step(params, state, line, frozen, elapsed, value, out)``  encodes readings in order, in place: ``line`` int64
  (n,), ``frozen`` bool (lines,) says which lines are not to learn, ``elapsed`` float64 (n,) is the time since the
  line's previous reading in units of its usual sampling interval, ``value`` finite float64 (n,) in any unit, ``out``
  int64 (n, OUTPUTS) receives the spike counts.

and with ``OUTPUTS``, the number of outputs of a line. What holds for all of them (``tests/test_encoders.py``):
equal input gives equal spikes; batch borders change nothing; a line never influences another; saved and restored
state goes on with the same bits; a power of two as change of unit changes no spike; equal steps in time are the
plain equations, and an encoder works only when a reading arrives: no clock tick, no idle cost. A frozen line keeps
what it has learned (``LEARNED`` names those fields) to the bit, and still encodes.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.extending import register_jitable

Function = TypeVar("Function", bound=Callable[..., object])


# Arrays come from the caller, who keeps them alive, so they are not counted as references: counting took half of the
# time. A kernel that makes an array of its own does not compile. Entrances that nobody uses, for C and, of what is
# inlined, for Python, are left out: unpacking a hundred arrays in each took almost half of the time to compile.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}
INLINED: dict[str, Any] = {**OPTIONS, "forceinline": True, "no_cpython_wrapper": True}


def kernel(function: Function) -> Function:
    """Compile a function of numbers and arrays; it releases the interpreter lock while it runs.

    Plain IEEE arithmetic: no fast-math, no fused operations, so that every machine computes the same bits.
    Division by zero gives an infinity or NaN instead of an exception, as in numpy.
    """
    return cast(Function, njit(cache=True, **OPTIONS)(function))


def inlined(function: Function) -> Function:
    """Let a function become part of the kernels that call it, where a call would cost more than its work.

    Called from Python it is plain Python.
    """
    return register_jitable(**INLINED)(function)


@inlined
def leak(rate: float, elapsed: float) -> float:
    """Share a membrane forgets in `elapsed` usual sampling intervals, given the share of one interval."""
    return rate if elapsed == 1.0 else 1.0 - (1.0 - rate) ** elapsed
