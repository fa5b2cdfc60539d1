"""Rows, truth and Bayes scores of any range of rows, without writing anything."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from data_gen.datasets import recipe
from data_gen.errors import RequestError
from data_gen.optimum.scoring import new_truth
from data_gen.recipe import MAX_ROW, empty_frame, part_of
from data_gen.writing import arrow
from scalable.kernels.processors import available_processors

if TYPE_CHECKING:
    import pyarrow as pa

_T = TypeVar("_T")
_PIECE = 1 << 18  # rows scored at a time by one thread


def check_range(start: Any, stop: Any) -> None:
    """Raise `RequestError` unless ``start .. stop`` is a range of rows below 2**63."""
    whole = all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in (start, stop))
    if not whole or not 0 <= start <= stop <= MAX_ROW - (1 << 18):
        raise RequestError(f"rows {start!r} .. {stop!r}: expected 0 <= start <= stop < 2**63")


def _pieces(start: int, stop: int) -> list[tuple[int, int]]:
    """Return the range cut at multiples of a piece, so that no block of rows is computed twice."""
    cuts = [start, *range(start // _PIECE * _PIECE + _PIECE, stop, _PIECE), stop]
    return [(a, b) for a, b in pairwise(cuts) if b > a]


def _each(
    work: Callable[[tuple[int, int]], _T], pieces: list[tuple[int, int]], workers: int | None
) -> Iterator[_T]:
    """Yield the results of all pieces, in order, computed on threads when there are several."""
    size = min(available_processors() if workers is None else max(workers, 1), len(pieces))
    if size <= 1:
        yield from map(work, pieces)
        return
    with ThreadPoolExecutor(size) as pool:
        waiting: deque[Future[_T]] = deque()
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) > 2 * size:  # results may be large
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def rows(
    dataset: str,
    start: int,
    stop: int,
    columns: Iterable[str] | None = None,
    seed: int = 0,
    workers: int | None = None,
    **knobs: Any,
) -> pa.Table:
    """Return rows ``start .. stop`` of a dataset, whatever their number, as an Arrow table.

    Parameters
    ----------
    dataset : str
    start, stop : int
        Up to 2**63; the time taken depends on their difference only.
    columns : iterable of str, optional
        In the order wanted; only what they need is computed.
    seed : int
    workers : int, optional
        Threads; by default the processors this process may use.
    **knobs
        Of the dataset.

    Raises
    ------
    RequestError
        On an unknown name or a bad range.
    """
    check_range(start, stop)
    bound = recipe(dataset, seed, knobs)
    wanted = bound.select(columns)
    start, stop = int(start), int(stop)
    frame = empty_frame(wanted, stop - start)

    def fill(piece: tuple[int, int]) -> None:
        low, high = piece
        bound.compute(low, high, wanted, part_of(frame, low - start, high - start))

    for _ in _each(fill, _pieces(start, stop), workers):
        pass
    return arrow.table(wanted, frame)


def truth(
    dataset: str, start: int, stop: int, seed: int = 0, **knobs: Any
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return p(y=1|x), or the conditional mean of the target, of rows ``start .. stop``.

    Returns
    -------
    (stop - start,) float64

    Raises
    ------
    RequestError
        On an unknown name or a bad range.
    """
    check_range(start, stop)
    bound = recipe(dataset, seed, knobs)
    known = bound.score(int(start), int(stop), ())[1]
    return known[0]  # type: ignore[no-any-return]  # every recipe puts the truth first


def bayes_scores(
    dataset: str,
    ranges: Sequence[tuple[int, int]],
    seed: int = 0,
    workers: int | None = None,
    **knobs: Any,
) -> dict[str, float]:
    """Return the best possible scores on a set of rows, e.g. the held-out shards of an experiment.

    Parameters
    ----------
    dataset : str
    ranges : sequence of (start, stop)
        Rows, which must not overlap.
    seed : int
    workers : int, optional
        Threads; by default the processors this process may use.
    **knobs
        Of the dataset.

    Returns
    -------
    dict
        ``rows``, ``positives``, ``prevalence``; for each of ``auc``, ``average_precision``,
        ``log_loss`` and ``brier`` the score by the labels of these very rows, its expectation
        over the draw of labels (``expected_auc`` ...) and its standard error (``se_auc`` ...).

    Raises
    ------
    RequestError
        On an unknown name or a bad range, or when the dataset has no 0/1 target.
    """
    bound = recipe(dataset, seed, knobs)
    if bound.truth_kind != "binary":
        raise RequestError(f"bayes_scores: {dataset} has no 0/1 target; see data_gen.truth")
    pieces: list[tuple[int, int]] = []
    for start, stop in ranges:
        check_range(start, stop)
        pieces += _pieces(int(start), int(stop))
    if not pieces:
        raise RequestError("bayes_scores: the ranges hold no rows")

    def one(piece: tuple[int, int]) -> Any:
        part = new_truth("binary")
        part.update(bound.score(*piece, ())[1])
        return part.arrays()

    total = new_truth("binary")
    for state in _each(one, pieces, workers):
        total.merge(state)
    found = total.scores()
    flat = {key: found[key] for key in ("rows", "positives", "prevalence")}
    for key in ("auc", "average_precision", "log_loss", "brier"):
        flat[key] = found[key]["realised"]
        flat[f"expected_{key}"] = found[key]["expected"]
        flat[f"se_{key}"] = found[key]["se"]
    return flat
