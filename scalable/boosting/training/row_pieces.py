"""Work on pieces of rows, side by side: the pieces are the same on any number of threads, and so are sums over them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Found = TypeVar("Found")
PIECE = 2**15  # rows: what a metric makes of them stays in the cache


def by_pieces(work: Callable[[slice], Found], n_rows: int, n_threads: int) -> list[Found]:
    """Return what `work` finds in each piece of rows, in their order.

    Parameters
    ----------
    work : callable
        ``f(rows)``, of a slice.
    n_rows : int
        Rows in all; of none, there is one empty piece.
    n_threads : int
        Threads that work.
    """
    pieces = [slice(start, min(start + PIECE, n_rows)) for start in range(0, max(1, n_rows), PIECE)]
    if min(n_threads, len(pieces)) < 2:
        return [work(piece) for piece in pieces]
    with ThreadPoolExecutor(min(n_threads, len(pieces)), thread_name_prefix="pieces") as pool:
        return list(pool.map(work, pieces))
