"""Principal components, exact, from the second moments of one pass."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from scalable import lapack
from scalable.data.block import Block
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.process_wide import one_blas_thread
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.models.arrays.model import Arrays
from scalable.models.arrays.second_moments import SecondMoments
from scalable.models.arrays.unsupervised import Unsupervised


class PCA(TransformerMixin, Unsupervised):
    """Principal component analysis as scikit-learn's, from one pass over rows that need not fit in memory.

    The components are the eigenvectors of the covariance matrix, so a component whose standard deviation is below
    about 1e-8 of the largest is not told from rounding.

    Parameters
    ----------
    n_components : int, float or None
        How many; a share of the variance below 1 keeps as many as explain it; None keeps all.
    whiten : bool
        Whether `transform` scales every component to variance 1.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Attributes
    ----------
    components_ : float64 array of shape (n_components, n_features)
    explained_variance_, explained_variance_ratio_, singular_values_ : float64 arrays of shape (n_components,)
    mean_ : float64 array of shape (n_features,)
    noise_variance_ : float
        Mean variance of the components left out (Tipping and Bishop, 1999).

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.decomposition import PCA
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> PCA(n_components=1).fit(x).transform(x).shape
    (200, 1)
    """

    n_components: Any = None
    whiten: bool = False
    _positional: ClassVar[tuple[str, ...]] = ("n_components",)

    def _arrays(self, executor: Executor, reader: BlockReader) -> Arrays:
        names = tuple(reader.encoder.needed)  # type: ignore[union-attr]
        self._check(len(names))
        n, mean, squares = run_reduction(executor, SecondMoments(names), reader, label="train PCA")
        if n < 2:
            raise DataError(f"n_samples={n:.0f}: principal components need two rows or more")
        lapack.require_squares(np.sqrt(np.diag(squares)) if squares.any() else np.abs(mean))
        with one_blas_thread():  # two wait for each other, and their sums have another order
            variance, vectors = lapack.eigh(squares / (n - 1.0))
        variance, vectors = np.maximum(variance[::-1], 0.0), vectors[:, ::-1].T
        largest = np.abs(vectors).argmax(axis=1)  # its sign is made positive, as scikit-learn's
        vectors = vectors * np.sign(vectors[np.arange(len(vectors)), largest])[:, None]
        most = min(int(n), len(names))
        k = self._chosen(variance[:most] / max(variance.sum(), np.finfo(float).tiny))
        if k > most:
            raise DataError(
                f"n_samples={most} rows are fewer than the {k} components wanted; lower n_components"
            )
        rest = variance[k:most]
        return {
            "components": vectors[:k],
            "explained_variance": variance[:k],
            "explained_variance_ratio": variance[:k] / max(variance.sum(), np.finfo(float).tiny),
            "singular_values": np.sqrt(variance[:k] * (n - 1.0)),
            "mean": mean,
            "noise_variance": np.array(rest.mean() if len(rest) else 0.0),
            "n_samples": np.array(int(n)),
            "whitens": np.array(bool(self.whiten)),
        }

    def _check(self, n_columns: int) -> None:
        k = self.n_components
        whole = isinstance(k, (int, np.integer)) and k is not True and 1 <= k <= n_columns
        share = isinstance(k, (float, np.floating)) and 0.0 < k < 1.0
        if k is not None and not whole and not share:
            raise UsageError(
                f"n_components must be 1 to {n_columns} (there are so many columns), a share of the variance between 0 "
                f"and 1, or None, not {k!r}"
            )

    def _chosen(self, shares: NDArray[np.float64]) -> int:
        if self.n_components is None:
            return len(shares)
        if isinstance(self.n_components, (int, np.integer)):
            return int(self.n_components)
        return int(np.searchsorted(np.cumsum(shares), self.n_components, side="right")) + 1

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return the components of a block, shape (n_components, n_rows)."""
        x = block.columns - arrays["mean"][:, None]
        # Term by term: BLAS adds those of one row in another order than of many.
        out = np.zeros((len(arrays["components"]), block.n_rows))
        for column, weights in zip(x, arrays["components"].T, strict=True):
            out += weights[:, None] * column
        if arrays["whitens"]:
            out /= _deviation(arrays)[:, None]
        return out

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the components of rows, float64 (n_rows, n_components)."""
        check_is_fitted(self)
        return np.ascontiguousarray(self._scores(X).T)

    def inverse_transform(self, X: Any) -> NDArray[np.float64]:
        """Return the rows that have given components, float64 (n_rows, n_features)."""
        check_is_fitted(self)
        x = np.asarray(X, np.float64) * (_deviation(self.model_.arrays) if self.whiten else 1.0)
        return np.asarray(x @ self.model_.arrays["components"] + self.model_.arrays["mean"])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the components, ``pca0, pca1, ...``."""
        check_is_fitted(self)
        return np.array([f"pca{k}" for k in range(len(self.model_.arrays["components"]))], dtype=object)


def _deviation(arrays: Arrays) -> NDArray[np.float64]:
    variance = arrays["explained_variance"]
    return np.sqrt(np.maximum(variance, np.finfo(float).eps))
