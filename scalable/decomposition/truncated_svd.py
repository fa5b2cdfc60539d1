"""The largest singular vectors of numbers beside one-hot or hashed categories, which are never made dense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from scalable import lapack
from scalable.data.block import Block
from scalable.data.source import Source
from scalable.errors import DataError, UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import run_reduction
from scalable.features.number_encoder import NumberEncoder
from scalable.models.arrays.category_encoder import CategoryEncoder
from scalable.models.arrays.model import Arrays, complete
from scalable.models.arrays.unsupervised import Unsupervised
from scalable.models.parameters import seed_of

LEAVES = 8  # states have the size of the model
CHUNK = 2**14
Sums = tuple[float, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Products:
    """Reduction to what rows x and their products with `directions`, y, sum to: weight, y, y y^T, squares of x, x y^T.

    Parameters
    ----------
    names : tuple of str
        Columns of numbers, for messages.
    directions : float64 array of shape (n_features, n_directions)
    project : bool
        Whether ``x y^T`` is wanted, of the shape of `directions`; else the sums of x take its place.
    """

    names: tuple[str, ...]
    directions: NDArray[np.float64]
    project: bool

    def init(self) -> Sums:
        """Return zeros."""
        p, k = self.directions.shape
        return 0.0, np.zeros(k), np.zeros((k, k)), np.zeros(p), np.zeros((p, k) if self.project else (p, 1))

    def step(self, state: Sums, block: Block) -> Sums:
        """Add a block."""
        n, total, gram, squares, last = state
        for low in range(0, block.n_rows, CHUNK):
            rows = slice(low, low + CHUNK)
            numbers, cells = complete(block, self.names)[:, rows], block.ids[:, rows]
            one_hot = self._one_hot(cells)
            m = len(numbers)
            y = numbers.T @ self.directions[:m] + one_hot @ self.directions[m:]
            if self.project:
                last[:m] += numbers @ y
                last[m:] += one_hot.T @ y
            else:
                count = np.asarray(one_hot.sum(axis=0)).reshape(-1)
                last[:, 0] += np.r_[numbers.sum(axis=1), count]
                squares += np.r_[(numbers**2).sum(axis=1), count]
                total += y.sum(axis=0)
                gram += y.T @ y
            n += float(numbers.shape[1])
        return n, total, gram, squares, last

    def _one_hot(self, cells: NDArray[np.int32]) -> Any:
        known = (cells >= 0).T
        ends = np.r_[0, np.cumsum(known.sum(axis=1))]
        shape = (len(known), len(self.directions) - len(self.names))
        return sparse.csr_array((np.ones(int(ends[-1])), cells.T[known], ends), shape=shape)

    def merge(self, left: Sums, right: Sums) -> Sums:
        """Return the sums of both."""
        a, b = left, right
        return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4]

    def finish(self, state: Sums) -> Sums:
        """Return the sums."""
        return state


class TruncatedSVD(TransformerMixin, Unsupervised):
    """Truncated singular value decomposition as scikit-learn's, out of core, of numbers beside categories.

    A column of categories is one column for each of them, 1 where a row has it; of more than 1,024, buckets of a hash.
    Columns are not centred. Random directions are multiplied by ``X^T X`` once a pass (Halko, Martinsson and Tropp,
    2011), one more pass ends it; a singular value below about 1e-8 of the largest is not told from rounding.

    Parameters
    ----------
    n_components : int
        How many singular vectors are kept.
    n_iter : int
        Passes over the rows before the last.
    n_oversamples : int
        Directions beyond `n_components`.
    categorical, n_buckets
        As of `scalable.bayes.CategoricalNB`.
    random_state : int, RandomState or None
        Of the directions.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Attributes
    ----------
    components_ : float64 array of shape (n_components, n_columns of numbers and categories)
    singular_values_, explained_variance_, explained_variance_ratio_ : float64 arrays of shape (n_components,)

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.decomposition import TruncatedSVD
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> TruncatedSVD(n_components=1, random_state=0).fit(x).transform(x).shape
    (200, 1)
    """

    n_components: int = 2
    n_iter: int = 5
    n_oversamples: int = 10
    categorical: Any = None
    n_buckets: int = 2**16
    random_state: Any = None
    _matrix: ClassVar[bool] = False
    _positional: ClassVar[tuple[str, ...]] = ("n_components",)

    def _encoder_of(self, source: Source, executor: Executor) -> NumberEncoder:
        return CategoryEncoder.of(source, executor, None, self.categorical, self.n_buckets)

    def _arrays(self, executor: Executor, reader: BlockReader) -> Arrays:
        encoder = reader.encoder
        assert isinstance(encoder, CategoryEncoder)
        names = tuple(name for name, _, _ in encoder.columns)
        p = len(names) + encoder.n_cells
        self._check(p)
        k = min(p, self.n_components + self.n_oversamples)
        directions = np.random.RandomState(seed_of(self.random_state)).normal(size=(p, k))

        def passed(directions: NDArray[np.float64], project: bool) -> Sums:
            work = Products(names, directions, project)
            return run_reduction(executor, work, reader, label="train TruncatedSVD", leaves=LEAVES)

        for _ in range(self.n_iter):
            n, *_, product = passed(lapack.orthonormal(directions), True)
            if n < 1.0:
                raise DataError("n_samples=0: there is no row to learn from; look at the filters")
            directions = product
        directions = lapack.orthonormal(directions)
        n, total, gram, squares, first = passed(directions, False)
        lapack.require_squares(np.maximum(np.sqrt(squares / n), np.abs(first[:, 0]) / n))
        values, vectors = lapack.eigh(gram)
        keep = slice(None, -self.n_components - 1, -1)
        values, turn = np.maximum(values[keep], 0.0), vectors[:, keep]
        components = (directions @ turn).T
        largest = np.abs(components).argmax(axis=1)  # its sign is made positive, as scikit-learn's
        signs = np.sign(components[np.arange(len(components)), largest])
        mean = (total @ turn) / n
        variance = np.maximum(values / n - mean**2, 0.0)
        whole = float((squares / n - (first[:, 0] / n) ** 2).sum())
        return {
            "components": components * signs[:, None],
            "singular_values": np.sqrt(values),
            "explained_variance": variance,
            "explained_variance_ratio": variance / max(whole, np.finfo(float).tiny),
        }

    def _check(self, p: int) -> None:
        if self.n_components > p:
            raise UsageError(
                f"n_components={self.n_components} must be 1 to {p}: numbers and categories are so many columns"
            )

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return the components of a block, shape (n_components, n_rows)."""
        components = arrays["components"]
        m = len(block.columns)
        # Term by term: BLAS adds those of one row in another order than of many.
        out = np.zeros((len(components), block.n_rows))
        for column, weights in zip(block.columns, components.T[:m], strict=True):
            out += weights[:, None] * column
        for cells in block.ids:
            out += np.where(cells >= 0, components[:, m + cells], 0.0)
        return out

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the components of rows, float64 (n_rows, n_components)."""
        check_is_fitted(self)
        return np.ascontiguousarray(self._scores(X).T)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the components, ``truncatedsvd0, truncatedsvd1, ...``."""
        check_is_fitted(self)
        return np.array([f"truncatedsvd{k}" for k in range(self.n_components)], dtype=object)

    def describe_columns(self) -> list[str]:
        """Return one line a column: what was done with it."""
        check_is_fitted(self)
        return [line.removesuffix("; missing values are left out") for line in self._encoder.describe()]
