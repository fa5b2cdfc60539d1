"""Naive Bayes of categories, counted within each class, beside numbers that are normal there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scalable.bayes.gaussian_nb import ClassMoments, GaussianNB, Sums
from scalable.data.block import Block
from scalable.data.source import Source
from scalable.errors import UsageError
from scalable.execution.executors import Executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import FEW_LEAVES, run_reduction
from scalable.features.number_encoder import NumberEncoder
from scalable.features.target import Labels
from scalable.features.target_summary import TargetSummary
from scalable.models.arrays.category_encoder import CategoryEncoder
from scalable.models.arrays.model import Arrays

State = tuple[
    Sums, NDArray[np.float64]
]  # of the numbers; weights of cells in each class, (n_classes, n_cells)


@dataclass(frozen=True)
class ClassCounts:
    """Reduction to the moments of numbers and the weights of categories within every class.

    Parameters
    ----------
    numbers : ClassMoments
        Of the columns of numbers.
    bounds : tuple of int
        Where the cells of each column of categories begin, and where the last ones end.
    alpha : float
        Weight that is added to every category of a column in every class.
    """

    numbers: ClassMoments
    bounds: tuple[int, ...]
    alpha: float

    def init(self) -> State:
        """Return the state of no rows."""
        return self.numbers.init(), np.zeros((len(self.numbers.classes), self.bounds[-1]))

    def step(self, state: State, block: Block) -> State:
        """Add a block; a missing value is in no cell."""
        assert block.label is not None
        moments, counts = state
        weight = np.ones(block.n_rows) if block.weight is None else block.weight
        first, flat = block.label.astype(np.int64) * self.bounds[-1], counts.reshape(-1)
        for cells in block.ids:
            known = cells >= 0
            np.add.at(flat, (first + cells)[known], weight[known])
        return self.numbers.step(moments, block), counts

    def merge(self, left: State, right: State) -> State:
        """Return the state of both."""
        return self.numbers.merge(left[0], right[0]), left[1] + right[1]

    def finish(self, state: State) -> Arrays:
        """Return the arrays of `GaussianNB`, and the logarithms of the probabilities of cells within each class.

        A cell that no row of any weight has says nothing: 0 in every class.
        """
        moments, counts = state
        out = np.zeros_like(counts)
        for low, high in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            part = counts[:, low:high]
            seen = part.sum(axis=0) > 0.0
            smoothed = part[:, seen] + self.alpha
            out[:, low:high][:, seen] = np.log(smoothed) - np.log(smoothed.sum(axis=1, keepdims=True))
        return {**self.numbers.finish(moments), "cell_log_prob": out}


class CategoricalNB(GaussianNB):
    """Naive Bayes: of text, identifiers and named integers as scikit-learn's, of numbers as `GaussianNB`.

    One pass over the columns of categories finds them, one over all rows counts. A missing value, or a category that
    training had not, says nothing of its row's class. Columns of more than 1,024 categories are hashed: those that
    share a bucket are one.

    Parameters
    ----------
    alpha : float
        Weight that is added to every category of a column in every class (Laplace's rule), above 0.
    categorical : sequence of str or int, "all", or None
        Names or places of integer columns that are categories, beside text and integers named like identifiers.
    n_buckets : int
        Buckets of each hashed column, a power of two.
    priors, var_smoothing
        As of `GaussianNB`.
    n_workers, client
        As for every learner, see `scalable.models.estimator.Estimator`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from scalable.bayes import CategoricalNB
    >>> rows = pa.table({"city": ["Bern", "Lima"] * 50})
    >>> model = CategoricalNB().fit(rows, [0, 1] * 50)
    >>> model.predict(rows.slice(0, 2))
    array([0, 1])
    """

    alpha: float = 1.0
    categorical: Any = None
    n_buckets: int = 2**16
    _matrix: ClassVar[bool] = False

    def _encoder_of(self, source: Source, executor: Executor, labels: Labels) -> NumberEncoder:
        if not 0.0 < self.alpha < np.inf:
            raise UsageError(f"alpha must be above 0, not {self.alpha!r}")
        return CategoryEncoder.of(source, executor, labels, self.categorical, self.n_buckets)

    def _arrays(
        self, executor: Executor, reader: BlockReader, encoder: NumberEncoder, target: TargetSummary
    ) -> Arrays:
        assert isinstance(encoder, CategoryEncoder)
        numbers = replace(
            self._reduction(encoder, target), names=tuple(name for name, _, _ in encoder.columns)
        )
        counts = ClassCounts(numbers, (*encoder.bases, encoder.n_cells), float(self.alpha))
        return run_reduction(
            executor, counts, reader, label=f"train {type(self).__name__}", leaves=FEW_LEAVES
        )

    @staticmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return the logarithms of the joint probabilities of class and row, shape (n_classes, n_rows)."""
        out = GaussianNB.scores(arrays, block)
        for cells in block.ids:
            out += np.where(cells >= 0, arrays["cell_log_prob"][:, cells], 0.0)
        return out
