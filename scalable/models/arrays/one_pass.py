"""Learners of one pass: a reduction makes the arrays of a model, see `scalable.models.arrays.model`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

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
from scalable.models.supervised import ProbabilityClassifier, Regressor


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

    def _train(self, X: Any, y: Any, sample_weight: Any) -> None:
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


class OnePassClassifier(ProbabilityClassifier, OnePassEstimator):
    """Base of the classifiers of one pass: scores are logarithms of joint probabilities, one a class."""

    _link = "softmax"


class OnePassRegressor(Regressor, OnePassEstimator):
    """Base of the regressors of one pass: the score is the prediction."""
