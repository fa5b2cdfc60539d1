"""Learners of one pass: a reduction makes a few arrays, and a function of these and a block makes the scores.

With these two a learner has everything else: arrays, frames and sources, threads and Dask, saving, the command line,
scoring and evaluation.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from scalable.data.block import Block, RawBlock
from scalable.data.source import Source
from scalable.errors import DataError, ModelError
from scalable.execution.executors import get_executor
from scalable.execution.reader import BlockReader
from scalable.execution.reduction import Reduction, run_reduction
from scalable.features.number_encoder import NumberEncoder
from scalable.features.state import State
from scalable.features.summary import labels_of
from scalable.features.target import class_array
from scalable.features.target_summary import TargetReduction, TargetSummary, check_classes
from scalable.inference.request.answers import matrix_answer
from scalable.inference.request.layout import number_layout
from scalable.models.estimator import Estimator, Parts
from scalable.models.learners import class_named
from scalable.models.links import apply_link
from scalable.models.predictors import Predictor
from scalable.models.store import StoredModel

KIND = "one-pass"
Arrays = Mapping[str, NDArray[Any]]


class OnePassModel(Predictor):
    """A trained model of one pass.

    Parameters
    ----------
    encoder : NumberEncoder
        From raw columns to numbers; knows the classes.
    arrays : mapping of str to array
        What the reduction finished with.
    learner : type
        The estimator's class, which has `scores` and `_link`.
    """

    kind = KIND

    def __init__(self, encoder: NumberEncoder, arrays: Arrays, learner: type[OnePassEstimator]) -> None:
        self.encoder: NumberEncoder = encoder
        self.arrays = {name: np.asarray(array) for name, array in arrays.items()}
        self.learner = learner

    @property
    def n_outputs(self) -> int:
        """Columns of `predict_block`."""
        return 1 if self.classes is None or len(self.classes) == 2 else len(self.classes)

    def scores(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return the scores of a block, shape (n_outputs of the learner, n_rows)."""
        self.check(raw)
        features = NumberEncoder(self.encoder.columns)
        return self.learner.scores(self.arrays, features.encode(raw))

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return predictions, see `Predictor`."""
        found = apply_link(self.learner._link, self.scores(raw))
        return np.ascontiguousarray(found[:, 1]) if self.task == "binary" else found

    def _compile_answer(self) -> Callable[..., Any]:
        names, link = self.needed, self.learner._link

        def answer(x: NDArray[np.float64]) -> Any:
            if not np.isfinite(x).all() and np.isinf(x).any():
                name = names[int(np.flatnonzero(np.isinf(x))[0])]
                raise DataError(f"column {name!r} is infinite; clean it or leave it out")
            block = Block(x.reshape(-1, 1), np.empty((0, 1), np.int32), None, None, 0)
            found = apply_link(link, self.learner.scores(self.arrays, block))[0]
            if self.task == "binary":
                return float(found[1])
            return float(found) if self.n_outputs == 1 else np.asarray(found)

        return matrix_answer(number_layout(self.encoder), len(names), answer)


class OnePassEstimator(Estimator):
    """Base of the learners of one pass."""

    _kind, _result = KIND, "model_"
    _link: ClassVar[str] = "identity"
    model_: OnePassModel

    @abstractmethod
    def _reduction(self, encoder: NumberEncoder, target: TargetSummary) -> Reduction[Any, Block, Arrays]:
        """Check the parameters and return the reduction from blocks to arrays."""

    @staticmethod
    @abstractmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return the scores of a block, shape (n_outputs, n_rows)."""

    @property
    def _encoder(self) -> NumberEncoder:
        return self.model_.encoder

    def _learn(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Run the reduction over a source or arrays."""
        source, _ = self._source(X, y, sample_weight)
        name, label = type(self).__name__, f"train {type(self).__name__}"
        goal = source.roles.require_target()
        with get_executor(self.client, self.n_workers) as executor:
            roles = BlockReader(source, columns=source.roles.learned_from)
            target = run_reduction(executor, TargetReduction(source.roles, self._classify), roles)
            if self._classify:
                check_classes(target, goal)
            labels = labels_of(source, target, classify=self._classify)
            encoder = NumberEncoder.learn(source.schema, labels, source.weight, name)
            wanted = self._reduction(encoder, target)
            arrays = run_reduction(executor, wanted, BlockReader(source, encoder), label=label)
        self._publish(OnePassModel(encoder, arrays, type(self)))

    def _publish(self, model: OnePassModel) -> None:
        """Set the fitted attributes: each array under its name with an underscore behind it."""
        self.model_ = model
        for name, array in model.arrays.items():
            setattr(self, f"{name}_", array)
        if model.classes is not None:
            self.classes_ = class_array(model.classes)

    def _all_scores(self, X: Any) -> NDArray[np.float64]:
        """Return the scores of all rows, shape (n_outputs, n_rows)."""
        source: Source = self._rows(X)
        parts = [
            self.model_.scores(raw)
            for shard in source.shards
            for raw in source.raw_blocks(shard, self.model_.needed)
        ]
        if not parts:  # a selection may leave no row
            no_rows = Block(np.empty((len(self.model_.needed), 0)), np.empty((0, 0), np.int32), None, None, 0)
            return self.scores(self.model_.arrays, no_rows)
        return np.concatenate(parts, axis=1)

    def _parts(self) -> Parts:
        state = self._encoder.state()
        return {"encoder": state.document}, {**self.model_.arrays, **state.parts}, {}

    def _restore(self, stored: StoredModel) -> None:
        self._publish(read_one_pass(stored))


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


def read_one_pass(stored: StoredModel) -> OnePassModel:
    """Return the predictor of a saved model of one pass."""
    try:
        encoder = NumberEncoder.from_state(State.of(stored.meta["encoder"], stored.arrays))
        learner = class_named(stored.meta["learner"]["estimator"])
    except KeyError as error:
        raise ModelError(f"the saved model lacks {error}; train or copy it again") from error
    arrays = {name: array for name, array in stored.arrays.items() if not name.startswith("encoder.")}
    return OnePassModel(encoder, arrays, learner)
