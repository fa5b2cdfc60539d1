"""k-means: Lloyd's iterations, each one pass over the rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from scalable.data.block import Block
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.iterate import Iterate, iterate
from scalable.execution.reader import BlockReader
from scalable.kernels import clusters as kernels
from scalable.mixture.start import best_of, first_centers, sample_rows, seeds
from scalable.models.arrays.model import Arrays, complete
from scalable.models.arrays.unsupervised import Unsupervised


@dataclass
class Clusters:
    """Sums over rows, by the nearest center.

    Attributes
    ----------
    counts : float64 array of shape (k,)
    sums : float64 array of shape (k, n_columns)
        Of the rows less their center.
    inertia : float
        Sum of squared distances.
    farthest, distance : float64 array of shape (n_columns,), float
        The row farthest from its center, for a cluster that lost all of its rows.
    """

    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    farthest: NDArray[np.float64]
    distance: float = -1.0
    inertia: float = 0.0


@dataclass(frozen=True)
class Assign:
    """Reduction to the sums of each cluster."""

    centers: NDArray[np.float64]
    names: tuple[str, ...]

    def init(self) -> Clusters:
        """Return the sums of no rows."""
        k, p = self.centers.shape
        return Clusters(np.zeros(k), np.zeros((k, p)), np.zeros(p))

    def step(self, state: Clusters, block: Block) -> Clusters:
        """Add a block."""
        x = complete(block, self.names)
        if not block.n_rows:
            return state
        nearest, squares = nearest_to(x, self.centers)
        kernels.add_to_clusters(x, nearest, self.centers, state.counts, state.sums)
        state.inertia += float(squares.sum())
        row = int(squares.argmax())
        if squares[row] > state.distance:
            state.distance, state.farthest = float(squares[row]), x[:, row].copy()
        return state

    def merge(self, left: Clusters, right: Clusters) -> Clusters:
        """Return the sums of both."""
        far = right if right.distance > left.distance else left
        counts, sums = left.counts + right.counts, left.sums + right.sums
        return Clusters(counts, sums, far.farthest, far.distance, left.inertia + right.inertia)

    def finish(self, state: Clusters) -> Clusters:
        """Return the sums."""
        return state


@dataclass(frozen=True, kw_only=True)
class Centers(Iterate):
    """Centers between two passes."""

    centers: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))


@dataclass(frozen=True)
class Lloyd:
    """Lloyd's algorithm (1957); converged when the centers move by no more than `least`, squared."""

    names: tuple[str, ...]
    least: float

    def reduction(self, state: Centers) -> Assign:
        """Return what sums the rows of every cluster."""
        return Assign(state.centers, self.names)

    def update(self, state: Centers, sums: Clusters) -> Centers:
        """Move every center to the mean of its rows; a DataError where distances are beyond floating point."""
        if not np.isfinite(sums.inertia):
            raise DataError(
                "squared distances between rows are beyond the range of floating point; scale the columns"
            )
        counts = sums.counts[:, None]
        moved = state.centers + sums.sums / np.maximum(counts, 1.0)
        for k in np.flatnonzero(sums.counts == 0.0)[:1]:  # of several, each pass moves one
            moved[k] = sums.farthest
        still = ((moved - state.centers) ** 2).sum() <= self.least
        done = still and (
            (sums.counts > 0.0).all() or sums.distance == 0.0
        )  # else a row waits for an empty cluster
        return Centers(centers=moved, objective=sums.inertia, converged=bool(done))


class KMeans(ClusterMixin, TransformerMixin, Unsupervised):
    """k-means as scikit-learn's, over rows that need not fit in memory.

    Parameters
    ----------
    n_clusters : int
        How many clusters.
    init : "k-means++" or array of shape (n_clusters, n_features)
        Where to start; k-means++ draws from a sample of the whole dataset.
    n_init : int
        Starts; the one with the least inertia is kept.
    max_iter : int
        Most passes a start.
    tol : float
        Ends when the squared move of all centers is below so many mean variances of a column.
    random_state : int, RandomState or None
        Seed of the starts.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Attributes
    ----------
    cluster_centers_ : float64 array of shape (n_clusters, n_features)
    inertia_ : float
        Sum of squared distances to the centers before the last move, which is below `tol`.
    n_iter_ : int
    converged_ : bool

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.mixture import KMeans
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> x[100:] += 10.0
    >>> model = KMeans(n_clusters=2, random_state=0).fit(x)
    >>> sorted(model.cluster_centers_[:, 0].round().tolist())
    [-0.0, 10.0]
    """

    n_clusters: int = 8
    init: Any = "k-means++"
    n_init: int = 1
    max_iter: int = 300
    tol: float = 1e-4
    random_state: Any = None
    _positional: ClassVar[tuple[str, ...]] = ("n_clusters",)
    _kept = ("n_iter_", "converged_")

    def _arrays(self, executor: Executor, reader: BlockReader) -> Arrays:
        assert reader.encoder is not None
        names = tuple(reader.encoder.needed)
        self._check(len(names))
        drawn = seeds(self.random_state, self.n_init)
        rows = sample_rows(executor, reader, drawn[0])
        given = None if isinstance(self.init, str) else np.array(self.init, np.float64)
        algorithm = Lloyd(names, self.tol * float(rows.var(axis=0).mean()))
        starts = [given] if given is not None else [
            first_centers(rows, self.n_clusters, np.random.RandomState(seed)) for seed in drawn
        ]  # fmt: skip
        best = best_of(
            iterate(
                executor, algorithm, Centers(centers=centers), reader, max_iter=self.max_iter, stage="kmeans",
                label="train KMeans",
            ) for centers in starts
        )  # fmt: skip
        self.n_iter_ = best.n_iter
        distinct = len(np.unique(best.state.centers, axis=0))
        if distinct < self.n_clusters:
            self._tell(
                f"{distinct} of {self.n_clusters} clusters have a center of their own: there are no more distinct rows"
            )
        late = f"{best.n_iter} passes ended before the centers stood still; raise max_iter or tol"
        self._report(None if best.converged else late)
        return {"cluster_centers": best.state.centers, "inertia": np.array(best.state.objective)}

    def _check(self, n_columns: int) -> None:
        if isinstance(self.init, str):
            if self.init != "k-means++":
                raise UsageError(f"init must be 'k-means++' or an array of centers, not {self.init!r}")
        elif np.shape(self.init) != (self.n_clusters, n_columns):
            raise UsageError(
                f"init must have shape {(self.n_clusters, n_columns)}, not {np.shape(self.init)}"
            )

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return the index of the nearest center, shape (1, n_rows)."""
        nearest, squares = nearest_to(np.asarray(block.columns, np.float64), arrays["cluster_centers"])
        known = np.isfinite(squares)  # none is the nearest of those beyond numbers
        return np.where(known, nearest, np.nan)[None]

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return the index of the nearest center of each row, shape (n_rows,)."""
        check_is_fitted(self)
        return np.asarray(self._scores(X)[0], np.int64)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train, see `Unsupervised`; ``labels_`` is kept of rows that are in memory anyway."""
        super().fit(X)
        self.__dict__.pop("labels_", None)  # of other rows
        if not isinstance(X, Source):
            self.labels_ = self.predict(X)
        return self

    def fit_predict(self, X: Any, y: Any = None, **options: Any) -> NDArray[np.int64]:
        """Train, then return the cluster of each row."""
        self.fit(X)
        return self.predict(X) if isinstance(X, Source) else self.labels_

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the distances to all centers, shape (n_rows, n_clusters)."""
        check_is_fitted(self)
        return np.ascontiguousarray(self._over_rows(X, distances).T)


def distances(arrays: Arrays, block: Block) -> NDArray[np.float64]:
    """Return the distances of a block's rows to all centers, shape (n_clusters, n_rows)."""
    apart = [((block.columns - c[:, None]) ** 2).sum(axis=0) for c in arrays["cluster_centers"]]
    return np.asarray(np.sqrt(np.stack(apart)))


def nearest_to(
    x: NDArray[np.float64], centers: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the nearest center and the squared distance to it of rows, given as float64 (n_columns, n_rows)."""
    if centers.ndim != 2 or not len(centers) or centers.shape[1] != len(x):  # of a forged model
        raise ValueError(f"centers of shape {centers.shape} for {len(x)} columns")
    nearest, squares = np.empty(x.shape[1], np.int64), np.empty(x.shape[1])
    kernels.nearest_centers(np.ascontiguousarray(x), np.ascontiguousarray(centers), nearest, squares)
    return nearest, squares
