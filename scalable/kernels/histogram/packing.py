"""Gradient, hessian and count of a row in one int64, so that one addition updates all three.

From the highest bit down: the signed gradient, the unsigned hessian, the count. A packed sum is flushed into sums of 64
bits each after at most ``block_rows`` rows.

No integer can overflow. Let a row's gradient be at most ``2**p`` in size, its hessian at most ``2**q`` and a block hold
at most ``2**c - 1`` rows:

- the count is at most ``2**c - 1`` and fits its c bits;
- the hessians add up to at most ``(2**c - 1) * 2**q < 2**(c + q)`` and fit c + q bits, and they are never negative, so
  neither field ever borrows from or carries into the one above;
- the gradients add up to at most ``(2**c - 1) * 2**p < 2**(c + p)`` in size and fit c + p + 1 bits with their sign.

`Packing.of` chooses p and q such that c + (c + q) + (c + p + 1) <= 64. Over all rows a sum is at most
``n_rows * 2**30``, since neither p nor q exceeds 30: below 2**63 for any ``n_rows`` below 2**33, which is `MOST_ROWS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scalable.kernels.jit import kernel

MOST_BITS = 30  # of a gradient or hessian
MOST_ROWS = 2**33 - 1


@dataclass(frozen=True, slots=True)
class Packing:
    """Where the fields of a packed sum lie.

    Attributes
    ----------
    count_bits, hessian_bits : int
        Widths of the lower fields; a width of 0 says that all hessians are one constant and only counted.
    gradient_most, hessian_most : int
        What a row's gradient (in size) and hessian may be; no hessian is packed where all are one constant.
    """

    count_bits: int
    hessian_bits: int
    gradient_most: int
    hessian_most: int

    @classmethod
    def of(cls, count_bits: int, *, constant_hessian: bool) -> Packing:
        """Return the packing of blocks of ``2**count_bits - 1`` rows; fewer rows leave more bits to each."""
        c = count_bits
        if constant_hessian:
            return cls(c, 0, 2 ** min(MOST_BITS, 64 - 2 * c - 1), 0)
        q = (64 - 3 * c - 1) // 2
        p = 64 - 3 * c - 1 - q
        return cls(c, c + q, 2**p, 2**q)

    @property
    def block_rows(self) -> int:
        """Rows between two flushes, at most."""
        return int(2**self.count_bits - 1)


@kernel(inline=True)
def packed(gradient: int, hessian: int, count_bits: int, hessian_bits: int) -> Any:
    """Return a row's fields in one int64."""
    high = np.int64(gradient) << np.int64(count_bits + hessian_bits)
    return high + (np.int64(hessian) << np.int64(count_bits)) + np.int64(1)


@kernel(inline=True)
def unpacked(total: int, count_bits: int, hessian_bits: int) -> Any:
    """Return gradient, hessian and count of a packed sum."""
    count = total & ((np.int64(1) << np.int64(count_bits)) - np.int64(1))
    hessian = (total >> np.int64(count_bits)) & ((np.int64(1) << np.int64(hessian_bits)) - np.int64(1))
    return total >> np.int64(count_bits + hessian_bits), hessian if hessian_bits else count, count
