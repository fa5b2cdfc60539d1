"""Shows that kernels are being compiled: the first use of a version takes seconds, once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from scalable import progress

EVENT = "numba:compile"  # not sent for kernels that come from the cache


@contextmanager
def compilation_shown() -> Iterator[None]:
    """Show a line that counts kernels as Numba compiles them; nothing when all are cached."""
    from numba.core import event

    with ExitStack() as stack:
        shown: list[progress.task] = []

        class Listener(event.Listener):
            """Opens the line at the first compilation."""

            def on_start(self, _: Any) -> None:
                if not shown:
                    label = "compile kernels, this once"
                    shown.append(stack.enter_context(progress.task(label, unit="kernels")))

            def on_end(self, _: Any) -> None:
                shown[0].advance(1)

        listener = Listener()
        event.register(EVENT, listener)
        try:
            yield
        finally:
            event.unregister(EVENT, listener)
