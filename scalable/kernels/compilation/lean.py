"""Lean kernels: LLVM looks at what is linked into them once, as a whole, and hardly at each function before.

That is a tenth less to compile. Not where sums may be reordered: what LLVM finds before it looks at loops decides in
which order. And not for every kernel: forests take a third longer to score rows when they are compiled so.
"""

from __future__ import annotations


class Lean:
    """Whether a lean kernel, or what is linked into one, is being compiled; changed under Numba's lock.

    Parameters
    ----------
    wanted : bool
        Whether it is while this is entered.
    """

    now = False

    def __init__(self, wanted: bool) -> None:
        self._wanted, self._before = wanted, False

    def __enter__(self) -> None:
        self._before, Lean.now = Lean.now, self._wanted

    def __exit__(self, *_: object) -> None:
        Lean.now = self._before
