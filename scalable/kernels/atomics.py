"""Words of memory that threads hand one another while both stay outside the interpreter.

A thread that waits in Python is woken through the interpreter's lock and the kernel of the system: 10 to 50
microseconds. One that waits here sees a new number in a fraction of one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from scalable.kernels.jit import kernel

_yield = types.ExternalFunction("sched_yield", types.int32())
_sleep = types.ExternalFunction("usleep", types.int32(types.uint32))
SPINS, YIELDS, NAP = (
    4000,
    2000,
    50,
)  # looks before the processor is offered to others, before sleeping; microseconds


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.gep(data, [arguments[1]])


@intrinsic
def load(_context: Any, array: Any, index: Any) -> Any:
    """Read an element of an int64 array and whatever was written before it was stored."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, arguments), "acquire", 8)

    return types.int64(array, index), generate


@intrinsic
def store(_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write an element of an int64 array after all that was written before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[2], _place(context, builder, signature, arguments), "release", 8)
        return context.get_dummy_value()

    return types.void(array, index, types.int64), generate


@intrinsic
def add(_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Add to an element of an int64 array; return what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        return builder.atomic_rmw("add", place, arguments[2], "acq_rel")

    return types.int64(array, index, types.int64), generate


@kernel()
def wait(words: np.ndarray, at: int, least: int, failed: int) -> bool:
    """Wait until ``words[at]`` is at least `least`; False once ``words[failed]`` is not 0.

    Parameters
    ----------
    words : int64 array
    at, least, failed : int
    """
    looks = 0
    while load(words, np.uint64(at)) < least:
        if load(words, np.uint64(failed)) != 0:
            return False
        looks += 1
        if looks > SPINS + YIELDS:
            _sleep(np.uint32(NAP))
        elif looks > SPINS:
            _yield()
    return True
