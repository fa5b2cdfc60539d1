"""Values from one array into another, where callers know that the shapes are equal.

For ``out[:] = values`` in a kernel Numba compiles how to say that they are not: two seconds, most of it for numbers as
text, in every process that compiles such a kernel.
"""

from __future__ import annotations

import numpy as np

from scalable.kernels.jit import kernel


@kernel(inline=True)
def copy_values(values: np.ndarray, out: np.ndarray) -> None:
    """Copy ``out.size`` values of an array, shape (n,), into another; they must not overlap."""
    for i in range(out.size):
        out[i] = values[i]
