"""Learners of one pass: a reduction makes the arrays of a model, see `scalable.models.arrays.model`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets

from scalable.data.block import Block
from scalable.data.source import Source
from scalable.execution.executors import Executor, get_executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import Reduction, run_reduction
from scalable.features.number_encoder import NumberEncoder
from scalable.features.summary import labels_of
from scalable.features.target import Labels
from scalable.features.target_summary import TargetReduction, TargetSummary, check_classes
from scalable.models.arrays.model import ArrayEstimator, ArrayModel, Arrays
from scalable.models.links import apply_link


class OnePassEstimator(ArrayEstimator):
    """Base of the learners of one pass."""

    @abstractmethod
    def _reduction(self, encoder: NumberEncoder, target: TargetSummary) -> Reduction[Any, Block, Arrays]:
        """Check the parameters and return the reduction from blocks to arrays."""

    def _arrays(
        self, executor: Executor, reader: BlockReader, encoder: NumberEncoder, target: TargetSummary
    ) -> Arrays:
        """Return the arrays of the model."""
        label = f"train {type(self).__name__}"
        return run_reduction(executor, self._reduction(encoder, target), reader, label=label)

    def _encoder_of(self, source: Source, executor: Executor, labels: Labels) -> NumberEncoder:
        """Return what makes numbers of the columns."""
        return NumberEncoder.learn(source.schema, labels, source.weight, type(self).__name__)

    def _learn(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Run the reduction over a source or arrays."""
        source, _ = self._source(X, y, sample_weight)
        goal = source.roles.require_target()
        with get_executor(self.client, self.n_workers) as executor:
            roles = BlockReader(source, columns=source.roles.learned_from)
            target = run_reduction(executor, TargetReduction(source.roles, self._classify), roles)
            if self._classify:
                check_classes(target, goal)
            labels = labels_of(source, target, classify=self._classify)
            encoder = self._encoder_of(source, executor, labels)
            arrays = self._arrays(executor, BlockReader(source, encoder), encoder, target)
        self._publish(ArrayModel(encoder, arrays, type(self)))


class OnePassClassifier(ClassifierMixin, OnePassEstimator):
    """Base of the classifiers of one pass: scores are logarithms of joint probabilities, one a class."""

    _classify, _link = True, "softmax"

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train.

        Parameters
        ----------
        X : ParquetSource, or array or frame of shape (n_rows, n_features)
            Features; a source brings its own target and weights.
        y : array of shape (n_rows,), optional
            Labels of any type.
        sample_weight : array of shape (n_rows,), optional
            Non-negative weights.
        """
        if y is not None:
            check_classification_targets(y)
        self._learn(X, y, sample_weight)
        if y is not None:
            self.classes_ = np.unique(np.asarray(y))  # of the dtype that was given
        return self

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithms of `predict_proba`."""
        return np.log(self.predict_proba(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of the classes, shape (n_rows, n_classes)."""
        return apply_link("softmax", self._all_scores(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, shape (n_rows,)."""
        best = self._all_scores(X).argmax(axis=0)
        return np.asarray(self.classes_[best])


class OnePassRegressor(RegressorMixin, OnePassEstimator):
    """Base of the regressors of one pass: the score is the prediction."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train.

        Parameters
        ----------
        X : ParquetSource, or array or frame of shape (n_rows, n_features)
            Features; a source brings its own target and weights.
        y : array of shape (n_rows,), optional
            Target.
        sample_weight : array of shape (n_rows,), optional
            Non-negative weights.
        """
        self._learn(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> Any:
        """Return predictions, shape (n_rows,)."""
        return self._all_scores(X)[0]
