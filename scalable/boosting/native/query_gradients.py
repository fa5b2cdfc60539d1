"""Gradients of rows that are ranked within their queries: the threads of a worker share the queries out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.boosting.native.crew import Crew
from scalable.boosting.native.rows import NO_WEIGHT, Rows
from scalable.boosting.native.settings import flag
from scalable.boosting.ranking.query_metrics import gains_of
from scalable.kernels.lambdarank import best_gains, lambda_gradients

TRUNCATION, SIGMOID = 30, 1.0  # of LightGBM 4


class QueryGradients:
    """LambdaRank on one worker's rows, all of whose queries are whole.

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

    def __init__(self, rows: Rows, sizes: NDArray[Any], values: Mapping[str, Any], crew: Crew) -> None:
        self._crew = crew
        self._edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._label = rows.in_order([part.label for part in rows.parts])
        weights = [part.weight for part in rows.parts]
        self._weight = rows.in_order(weights) if len(weights[0]) else NO_WEIGHT
        self._gains = np.array(gains_of(values))
        self._truncation = int(values.get("lambdarank_truncation_level", TRUNCATION))
        self._sigmoid = float(values.get("sigmoid", SIGMOID))
        self._normed = flag(values.get("lambdarank_norm", True))
        self._discounts = 1.0 / np.log2(2.0 + np.arange(int(np.max(sizes, initial=1))))
        self._inverse = np.empty(len(sizes))
        shared = (self._edges, self._label, self._gains, self._discounts, self._truncation)
        best_gains(*shared, self._inverse)
        # threads take queries of as many pairs each
        pairs = np.concatenate(
            [[0], np.cumsum(np.minimum(sizes, self._truncation) * np.asarray(sizes, np.int64))]
        )
        shares = np.arange(crew.size + 1) * (pairs[-1] / crew.size)
        self._firsts = np.searchsorted(pairs, shares)
        self._firsts[[0, -1]] = 0, len(sizes)

    def __call__(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return gradients and hessians, each of shape (1, n_rows), for scores of that shape, in the rows' order."""
        g, h = np.empty_like(scores), np.empty_like(scores)

        def one(k: int) -> None:
            lambda_gradients(
                self._edges,
                int(self._firsts[k]),
                int(self._firsts[k + 1]),
                scores[0],
                self._label,
                self._weight,
                self._gains,
                self._discounts,
                self._inverse,
                self._truncation,
                self._sigmoid,
                self._normed,
                g[0],
                h[0],
            )

        self._crew.run(one)
        return g, h
