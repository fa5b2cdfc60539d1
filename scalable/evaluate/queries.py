"""How well scores order the rows of queries: NDCG and MAP in one pass, wherever blocks and shards cut queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.evaluate.inputs import Array
from scalable.kernels.ranking.queries import rank_queries

N_GAINS = 31
PLACES = (1, 5, 10)


def default_gains() -> tuple[float, ...]:
    """Return two to the power of a label less one, for labels 0 to 30."""
    return tuple(2.0**k - 1.0 for k in range(N_GAINS))


def query_values(
    sizes: NDArray[np.integer[Any]],
    label: Array,
    score: Array,
    places: Sequence[int],
    gains: Sequence[float],
) -> tuple[Array, Array, Array]:
    """Return NDCG, that of the mean over all orders of the rows, and average precision, of every query at some places.

    Parameters
    ----------
    sizes : int array (n_queries,)
        Rows of each query, in order.
    label, score : float64 array of shape (n_rows,)
    places : sequence of int
        Rising.
    gains : sequence of float
        Of each label; without any, NDCG is NaN, as of a query in which nothing has a gain.

    Returns
    -------
    float64 arrays (n_queries, n_places)
    """
    edges = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    ndcg = np.full((len(sizes), len(places)), np.nan)
    chance, precision = ndcg.copy(), np.empty_like(ndcg)
    rank_queries(
        edges,
        np.ascontiguousarray(label, np.float64),
        np.ascontiguousarray(score, np.float64),
        np.asarray(gains, np.float64),
        1.0 / np.log2(2.0 + np.arange(int(np.max(sizes, initial=0)))),
        np.asarray(places, np.int64),
        ndcg,
        chance,
        precision,
    )
    return ndcg, chance, precision


@dataclass(slots=True)
class Query:
    """Rows of one query that may have more: its value, labels and scores."""

    value: Any
    label: Array
    score: Array


@dataclass(slots=True)
class QueryState:
    """Sums over queries that are whole, and the first and last ones, which others may have rows of."""

    sums: Array
    queries: int = 0
    rows: int = 0
    open: list[Query] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class QueryReport:
    """How well the rows of queries are ordered, each query counting once.

    Attributes
    ----------
    rows, queries : int
    ndcg_1, ndcg_5, ndcg_10 : float
        Of the first rows, by the gains of the labels; 1 where nothing has a gain.
    map_10 : float
        Mean average precision of the first ten, labels above one half counting.
    random_ndcg_1, random_ndcg_5, random_ndcg_10 : float
        NDCG in the mean over all orders.
    """

    rows: int
    queries: int
    ndcg_1: float
    ndcg_5: float
    ndcg_10: float
    map_10: float
    random_ndcg_1: float
    random_ndcg_5: float
    random_ndcg_10: float

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain numbers."""
        return {name: getattr(self, name) for name in self.__slots__ if not name.startswith("random")}


@dataclass(frozen=True, slots=True)
class QueryMetrics:
    """Reduction that measures the order of the rows of queries; NDCG by the gain of each label."""

    gains: tuple[float, ...] = default_gains()

    def init(self) -> QueryState:
        """Return the state of no rows."""
        return QueryState(np.zeros(2 * len(PLACES) + 1))

    def step(
        self, state: QueryState, values: pa.Array, sizes: NDArray[np.int64], label: Array, score: Array
    ) -> QueryState:
        """Add a block.

        Parameters
        ----------
        values, sizes
            Its runs, see `scalable.evaluate.groups.runs_of`.
        label : float64 array of shape (n_rows,)
            Whole numbers that have a gain.
        score : float64 array of shape (n_rows,)
        """
        block = self.init()
        block.rows = len(label)
        ends = np.cumsum(sizes)
        if len(sizes) > 2:  # all but the first and the last are whole
            within = slice(ends[0], ends[-2])
            self._add(block, sizes[1:-1], label[within], score[within])
        for k in sorted({0, len(sizes) - 1}) if len(sizes) else ():
            of = slice(ends[k] - sizes[k], ends[k])
            block.open.append(Query(values[k].as_py(), label[of], score[of]))
        return self.merge(state, block)

    def _add(self, state: QueryState, sizes: NDArray[np.int64], label: Array, score: Array) -> None:
        ndcg, chance, precision = query_values(sizes, label, score, PLACES, self.gains)
        values = np.nan_to_num(np.column_stack([ndcg, chance]), nan=1.0)
        state.sums += np.append(values.sum(axis=0), precision[:, -1].sum())
        state.queries += len(sizes)

    def merge(self, left: QueryState, right: QueryState) -> QueryState:
        """Return the state of both; a query may begin in one and end in the other."""
        queries, others = left.open, right.open
        if queries and others and queries[-1].value == others[0].value:
            one, rest = queries[-1], others[0]
            label, score = np.concatenate([one.label, rest.label]), np.concatenate([one.score, rest.score])
            queries, others = [*queries[:-1], Query(one.value, label, score)], others[1:]
        seen = [*queries, *others]
        joined = QueryState(left.sums + right.sums, left.queries + right.queries, left.rows + right.rows)
        joined.open = [*seen[:1], *seen[1:][-1:]]
        for query in seen[1:-1]:
            self._add(joined, np.array([len(query.label)]), query.label, query.score)
        return joined

    def finish(self, state: QueryState) -> QueryReport:
        """Return the metrics."""
        for query in state.open:
            self._add(state, np.array([len(query.label)]), query.label, query.score)
        state.open = []
        *ndcg, r1, r5, r10, precision = (state.sums / max(1, state.queries)).tolist()
        n1, n5, n10 = ndcg
        return QueryReport(state.rows, state.queries, n1, n5, n10, precision, r1, r5, r10)
