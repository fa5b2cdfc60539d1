"""Deal the rows of one call to several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

from scalable.kernels.forest.bitplanes import ROWS

_SHARES = 8  # per thread: a thread that the machine holds up keeps the others waiting for an eighth of its part only
_LEAST_BLOCKS = 4  # per thread: waking one costs about as much as the work of a block or two


def share_rows(n_rows: int, n_threads: int, work: Callable[[int, int], None]) -> None:
    """Call ``work(start, stop)`` for consecutive ranges that cover all rows; whoever is free takes the next one.

    The calling thread is one of the workers: on a busy machine two new threads often begin on the same processor.
    """
    blocks = -(-n_rows // ROWS)
    n_threads = min(n_threads, blocks // _LEAST_BLOCKS)
    if n_threads <= 1:
        work(0, n_rows)
        return
    size = max(1, blocks // (_SHARES * n_threads)) * ROWS
    starts = iter(range(0, n_rows, size))  # advancing it is atomic
    failed: list[BaseException] = []

    def run() -> None:
        try:
            for start in starts:
                work(start, min(start + size, n_rows))
        except BaseException as error:  # raised again in the calling thread
            failed.append(error)

    helpers = [threading.Thread(target=run, name="predict") for _ in range(n_threads - 1)]
    for helper in helpers:
        helper.start()
    run()
    for helper in helpers:
        helper.join()
    if failed:
        raise failed[0]
