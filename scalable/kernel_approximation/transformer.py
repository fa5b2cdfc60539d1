"""Kernel features as a transformer, for those who want them stored."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from scalable.data.block import Block
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.kernel_approximation.feature_map import draw_map, features
from scalable.models.arrays.model import Arrays
from scalable.models.arrays.unsupervised import Unsupervised


class KernelFeatures(TransformerMixin, Unsupervised):
    """Features whose inner products come near the Gaussian kernel.

    Parameters
    ----------
    kind : {"fourier", "structured", "nystroem"}
        Cosines along random directions, the same by products of Hadamard matrices, or kernels with rows as landmarks;
        see `scalable.kernel_approximation.feature_map.draw_map`.
    n_components : int
        How many features, or landmarks.
    gamma : float or "scale"
        Of the kernel; "scale" is one over columns times the variance of all values.
    random_state : int, RandomState or None
        Seed of directions or landmarks.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.kernel_approximation import KernelFeatures
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> KernelFeatures("fourier", 16, random_state=0).fit(x).transform(x).shape
    (200, 16)
    """

    kind: str = "fourier"
    n_components: int = 128
    gamma: float | str = "scale"
    random_state: Any = None
    _positional: ClassVar[tuple[str, ...]] = ("kind", "n_components")

    def _arrays(self, executor: Executor, reader: BlockReader) -> Arrays:
        return draw_map(executor, reader, self.kind, self.n_components, self.gamma, self.random_state)

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return the features of a block, shape (n_components, n_rows)."""
        return features(arrays, np.asarray(block.columns, np.float64))

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the features of rows, float64 (n_rows, n_components)."""
        check_is_fitted(self)
        return np.ascontiguousarray(self._scores(X).T)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the features, ``kernelfeatures0, ...``."""
        check_is_fitted(self)
        return np.array([f"kernelfeatures{k}" for k in range(self.n_components)], dtype=object)
