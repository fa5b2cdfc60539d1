"""Learners without a target: one pass or several end in the arrays of a model, see `scalable.models.arrays.model`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal, Self

from sklearn.utils.validation import check_is_fitted

from scalable.data.source import Source
from scalable.errors import UsageError
from scalable.execution.executors import Executor, get_executor
from scalable.execution.reader import BlockReader
from scalable.features.number_encoder import NumberEncoder
from scalable.models.arrays.model import ArrayEstimator, ArrayModel, Arrays


class Unsupervised(ArrayEstimator):
    """Base of the learners without a target; a missing value is refused."""

    _wants_target = False
    _finite: ClassVar[Literal["allow-nan"] | bool] = True

    @abstractmethod
    def _arrays(self, executor: Executor, reader: BlockReader) -> Arrays:
        """Check the parameters and return the arrays of the model."""

    def _encoder_of(self, source: Source, executor: Executor) -> NumberEncoder:
        """Return what makes numbers of the columns."""
        return NumberEncoder.learn(source.schema, None, None, type(self).__name__)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train.

        Parameters
        ----------
        X : ParquetSource, or array or frame of shape (n_rows, n_features)
            Features; a target of a source is left out.
        y : None
            Not looked at.

        Raises
        ------
        UsageError, DataError
            When the source has weights, or a column is unusable.
        """
        self._teach(X, None, None)
        return self

    def _train(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Learn from a source or arrays, and publish the model."""
        source, _ = self._source(X, None, None)
        if source.weight is not None:
            raise UsageError(
                f"{source.describe_place()}: {type(self).__name__} counts every row once; name no weight"
            )
        source = source.without_target()
        with get_executor(self.client, self.n_workers) as executor:
            encoder = self._encoder_of(source, executor)
            arrays = self._arrays(executor, BlockReader(source, encoder))
        self._publish(ArrayModel(encoder, arrays, type(self)))

    def describe_columns(self) -> list[str]:
        """Return one line a column: what was done with it."""
        check_is_fitted(self)
        return [f"{name} ({kind}): number, as it is" for name, kind, _ in self._encoder.columns]
