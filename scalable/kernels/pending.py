"""Kernels that take seconds to compile and have a slower substitute: when to use which."""

from __future__ import annotations

from typing import Any

from scalable.kernels.jit import is_compiled


class Pending:
    """Tells whether a kernel with a slower substitute is to be used: once compiled, or when there is work enough.

    Parameters
    ----------
    kernel : compiled function
        What takes seconds to compile.
    patience : int
        Work, in units of the caller's, to be left to the substitute in this process before it is compiled.
    """

    def __init__(self, kernel: Any, patience: int) -> None:
        self._kernel, self.patience = kernel, patience

    def pays(self, work: int) -> bool:
        """Return whether to use the kernel for so much more work."""
        if self.patience > 0 and not is_compiled(self._kernel):
            self.patience -= work
        else:
            self.patience = 0
        return self.patience <= 0
