"""Gradients of rows that are ranked within their queries: the threads of a worker share the queries out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.crew import Crew
from scalable.boosting.native.rows import NO_WEIGHT, Rows
from scalable.boosting.native.settings import flag
from scalable.boosting.ranking.query_metrics import gains_of
from scalable.boosting.ranking.seeds import seed_of
from scalable.kernels.ranking.lambdarank import best_gains, lambda_gradients
from scalable.kernels.ranking.xendcg import xendcg_gradients

TRUNCATION, SIGMOID = 30, 1.0  # of LightGBM 4
Array = NDArray[Any]


class QueryGradients(ABC):
    """Gradients of one worker's rows, all of whose queries are whole.

    Parameters
    ----------
    rows : Rows
        Filled.
    sizes : int array (n_queries,)
        Rows of each query, in order; labels have been checked against the gains.
    values : mapping
        LightGBM's parameters.
    crew : Crew
        Who computes.
    """

    def __init__(self, rows: Rows, sizes: Array, values: Mapping[str, Any], crew: Crew) -> None:
        self._crew = crew
        self._edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._label = rows.in_order([part.label for part in rows.parts])
        weights = [part.weight for part in rows.parts]
        self._weight = rows.in_order(weights) if len(weights[0]) else NO_WEIGHT
        # threads take queries of as much work each
        work = np.concatenate([[0], np.cumsum(self._work(np.asarray(sizes, np.int64), values))])
        self._firsts = np.searchsorted(work, np.arange(crew.size + 1) * (work[-1] / crew.size))
        self._firsts[[0, -1]] = 0, len(sizes)

    @abstractmethod
    def _work(self, sizes: NDArray[np.int64], values: Mapping[str, Any]) -> NDArray[np.int64]:
        """Return what each query costs."""

    @abstractmethod
    def _write(self, iteration: int, first: int, last: int, score: Array, g: Array, h: Array) -> None:
        """Write gradients and hessians of the queries [first, last), each of shape (n_rows,)."""

    def __call__(self, iteration: int, scores: NDArray[np.float64]) -> tuple[Array, Array]:
        """Return gradients and hessians, each of shape (1, n_rows), for scores of that shape, in the rows' order."""
        g, h = np.empty_like(scores), np.empty_like(scores)

        def one(k: int) -> None:
            first, last = int(self._firsts[k]), int(self._firsts[k + 1])
            self._write(iteration, first, last, scores[0], g[0], h[0])

        self._crew.run(one)
        return g, h


class LambdaGradients(QueryGradients):
    """LambdaRank."""

    def __init__(self, rows: Rows, sizes: Array, values: Mapping[str, Any], crew: Crew) -> None:
        super().__init__(rows, sizes, values, crew)
        self._gains = np.array(gains_of(values))
        self._truncation = _truncation(values)
        self._sigmoid = float(values.get("sigmoid", SIGMOID))
        self._normed = flag(values.get("lambdarank_norm", True))
        self._discounts = 1.0 / np.log2(2.0 + np.arange(int(np.max(sizes, initial=1))))
        self._inverse = np.empty(len(sizes))
        shared = (self._edges, self._label, self._gains, self._discounts, self._truncation)
        best_gains(*shared, self._inverse)

    def _work(self, sizes: NDArray[np.int64], values: Mapping[str, Any]) -> NDArray[np.int64]:
        return np.minimum(sizes, _truncation(values)) * sizes

    def _write(self, iteration: int, first: int, last: int, score: Array, g: Array, h: Array) -> None:
        del iteration
        lambda_gradients(
            self._edges,
            first,
            last,
            score,
            self._label,
            self._weight,
            self._gains,
            self._discounts,
            self._inverse,
            self._truncation,
            self._sigmoid,
            self._normed,
            g,
            h,
        )


class XendcgGradients(QueryGradients):
    """XE-NDCG-MART; what it draws depends on the iteration and the query's place in the dataset alone."""

    def __init__(self, rows: Rows, sizes: Array, values: Mapping[str, Any], crew: Crew) -> None:
        super().__init__(rows, sizes, values, crew)
        self._seed = int(values["objective_seed"])  # that of the worker's first query

    def _work(self, sizes: NDArray[np.int64], values: Mapping[str, Any]) -> NDArray[np.int64]:
        del values
        return sizes

    def _write(self, iteration: int, first: int, last: int, score: Array, g: Array, h: Array) -> None:
        seed = seed_of(self._seed, iteration)
        xendcg_gradients(self._edges, first, last, score, self._label, self._weight, seed, g, h)


RANKINGS: Mapping[str, Callable[[Rows, Array, Mapping[str, Any], Crew], QueryGradients]] = {
    "lambdarank": LambdaGradients,
    "rank_xendcg": XendcgGradients,
}


def _truncation(values: Mapping[str, Any]) -> int:
    return int(values.get("lambdarank_truncation_level", TRUNCATION))
