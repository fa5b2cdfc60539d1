"""Learners of one pass: a reduction makes the arrays of a model, see `scalable.models.arrays.model`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from scalable.data.block import Block
from scalable.data.source import Source
from scalable.errors import UnforeseenError
from scalable.execution.executors import Executor, get_executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import Reduction, run_reduction
from scalable.features.number_encoder import NumberEncoder
from scalable.features.summary import TARGET_ROWS, foreseeable, labels_of, sampled, target_of
from scalable.features.target import Labels
from scalable.features.target_summary import TargetSummary, check_classes
from scalable.models.arrays.model import ArrayEstimator, ArrayModel, Arrays
from scalable.models.supervised import ProbabilityClassifier, Regressor

MANY = 4  # times as many rows as tell of the target, for the pass over all targets to be worth sparing


class OnePassEstimator(ArrayEstimator):
    """Base of the learners of one pass."""

    _weighs_classes: ClassVar[bool] = (
        False  # so that a spread of the rows, which shows the classes, is enough before
    )

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
        source.roles.require_target()
        with get_executor(self.client, self.n_workers) as executor:
            if self._weighs_classes and source.weight is None and sampled(source, MANY * TARGET_ROWS):
                target = target_of(source, executor, classify=True, max_rows=TARGET_ROWS)
                if foreseeable(target):
                    try:
                        self._publish(self._learned(source, executor, target))
                        return
                    except UnforeseenError as found:
                        self._tell(f"{found}: a spread of the rows did not show that; learning begins anew")
            target = target_of(source, executor, classify=self._classify)
            self._publish(self._learned(source, executor, target))

    def _learned(self, source: Source, executor: Executor, target: TargetSummary) -> ArrayModel:
        """Return the model of a source whose classes are known."""
        if self._classify:
            check_classes(target, source.roles.require_target(), source.describe_place())
        encoder = self._encoder_of(source, executor, labels_of(source, target, classify=self._classify))
        return ArrayModel(
            encoder, self._arrays(executor, BlockReader(source, encoder), encoder, target), type(self)
        )


class OnePassClassifier(ProbabilityClassifier, OnePassEstimator):
    """Base of the classifiers of one pass: scores are logarithms of joint probabilities, one a class."""

    _link = "softmax"


class OnePassRegressor(Regressor, OnePassEstimator):
    """Base of the regressors of one pass: the score is the prediction."""
