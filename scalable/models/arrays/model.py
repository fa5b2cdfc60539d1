"""Models that are a few arrays: a function of these and a block makes the scores.

With `scores` a learner has everything else: arrays, frames and sources, threads and Dask, saving, the command line,
scoring and evaluation. What learns them is `scalable.models.arrays.one_pass` or `scalable.models.arrays.unsupervised`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

from scalable.data.block import Block, RawBlock
from scalable.data.source import Source
from scalable.errors import DataError, ModelError
from scalable.features.number_encoder import NumberEncoder
from scalable.features.state import State
from scalable.features.target import class_array
from scalable.inference.request.answers import matrix_answer
from scalable.inference.request.layout import number_layout
from scalable.inference.request.row_block import block_of_rows
from scalable.models.arrays.category_encoder import CategoryEncoder
from scalable.models.estimator import Estimator, Parts
from scalable.models.learners import class_named
from scalable.models.links import apply_link
from scalable.models.predictors import Predictor
from scalable.models.store import StoredModel
from scalable.storage.documents import understood

KIND = "arrays"
Arrays = Mapping[str, NDArray[Any]]


class ArrayModel(Predictor):
    """A trained model of arrays.

    Parameters
    ----------
    encoder : NumberEncoder
        From raw columns to numbers; knows the classes.
    arrays : mapping of str to array
        What learning ended with.
    learner : type
        The estimator's class, which has `scores` and `_link`.
    """

    kind = KIND

    def __init__(self, encoder: NumberEncoder, arrays: Arrays, learner: type[ArrayEstimator]) -> None:
        self.encoder: NumberEncoder = encoder
        self.arrays = {name: np.asarray(array) for name, array in arrays.items()}
        self.learner = learner

    @cached_property
    def ready(self) -> Mapping[str, Any]:
        """What the learner's `scores` takes, made of the arrays once; it is not stored."""
        return self.learner.ready(self.arrays)

    @property
    def n_outputs(self) -> int:
        """Columns of `predict_block`."""
        if self.classes is None:
            return len(self.learner.scores(self.ready, self._no_rows()))
        return 1 if len(self.classes) == 2 else len(self.classes)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle without what is made of the arrays."""
        return {name: value for name, value in super().__getstate__().items() if name != "ready"}

    @property
    def task(self) -> str:
        """What it does; "transform" where there was no target."""
        return super().task if self.learner._wants_target else "transform"

    def features(self, raw: RawBlock) -> Block:
        """Return the numbers of a block; a DataError where one is missing and the learner takes none such."""
        self.check(raw)
        return self._complete(self.encoder.features_only.encode(raw))

    def _no_rows(self) -> Block:
        return _block(np.empty((len(self.encoder.columns), 0)))

    def _complete(self, block: Block) -> Block:
        if self.learner._finite is True:
            complete(block, self._numbers)
        return block

    @property
    def _numbers(self) -> list[str]:
        return [name for name, _, _ in self.encoder.columns]

    def scores(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return the scores of a block, shape (n_outputs of the learner, n_rows)."""
        return self.scored(self.features(raw))

    def scored(self, block: Block) -> NDArray[np.float64]:
        """Return the scores of encoded rows; a DataError where values are so large that nothing can be said of one.

        A score may be minus infinity, as of a class of prior 0, where another is a number.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            found = self.learner.scores(self.ready, block)
            whole = np.isfinite(found.sum())
        if not whole:
            good = np.isfinite(found).all(axis=0)
            if self.learner._link != "identity":
                good = np.isfinite(found.max(axis=0))  # NaN where one of a row is
            if not good.all():
                row = int(np.flatnonzero(~good)[0])
                at = int(np.nan_to_num(np.abs(block.columns[:, row])).argmax())
                raise DataError(
                    f"{_where(block, row)}column {self._numbers[at]!r} is {block.columns[at, row]:g}, far outside the "
                    "range seen in training; clean the column or leave it out of the features"
                )
        return found

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return predictions, see `Predictor`."""
        found = apply_link(self.learner._link, self.scores(raw))
        return np.ascontiguousarray(found[:, 1]) if self.task == "binary" and found.ndim == 2 else found

    def rank_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return what ranks rows: predictions, or of two classes without probabilities the squashed difference."""
        if self.learner._link != "margin":
            return self.predict_block(raw)
        low, high = self.scores(raw)
        return np.asarray(special.expit(high - low))

    def _compile_answer(self) -> Callable[..., Any]:
        names, link = self._numbers, self.learner._link
        if isinstance(self.encoder, CategoryEncoder):  # a block of one row
            types, several = self.encoder.column_types, self.n_outputs > 1

            def mixed(row: Mapping[str, Any], missing_keys: str = "refuse") -> Any:
                found = self.predict_block(block_of_rows([row], types, missing_keys, numbered=False))[0]
                return np.asarray(found) if several else float(found)

            return mixed

        def answer(x: NDArray[np.float64]) -> Any:
            if not np.isfinite(x).all() and np.isinf(x).any():
                at = int(np.flatnonzero(np.isinf(x))[0])
                raise DataError(f"column {names[at]!r} is {x[at]:g}; clean it or leave it out")
            block = self._complete(_block(x.reshape(-1, 1)))
            found = apply_link(link, self.scored(block))[0]
            if self.task == "binary":
                return float(np.ravel(found)[-1])
            return float(found) if self.n_outputs == 1 else np.asarray(found)

        return matrix_answer(number_layout(self.encoder), len(names), answer)


class ArrayEstimator(Estimator):
    """Base of the learners whose models are arrays."""

    _kind, _result = KIND, "model_"
    _link: ClassVar[str] = "identity"
    model_: ArrayModel

    @staticmethod
    def ready(arrays: Arrays) -> Mapping[str, Any]:
        """Return what `scores` takes; of most learners the arrays themselves."""
        return arrays

    @staticmethod
    @abstractmethod
    def scores(arrays: Arrays, block: Block) -> NDArray[np.float64]:
        """Return the scores of a block, shape (n_outputs, n_rows)."""

    @property
    def _encoder(self) -> NumberEncoder:
        return self.model_.encoder

    def _publish(self, model: ArrayModel) -> None:
        """Set the fitted attributes: each array under its name with an underscore behind it."""
        self.model_ = model
        for name, array in model.arrays.items():
            setattr(self, f"{name}_", array)
        if model.classes is not None:
            self.classes_ = class_array(model.classes)

    def _over_rows(self, X: Any, of: Callable[[Arrays, Block], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return a function of the model's arrays and each block for all rows, shape (n_outputs, n_rows)."""
        source: Source = self._rows(X)
        arrays, names = self.model_.ready, self.model_.needed
        parts = [
            of(arrays, self.model_.features(raw))
            for shard in source.shards
            for raw in source.raw_blocks(shard, names)
        ]
        # a selection may leave no row
        return np.concatenate(parts, axis=1) if parts else of(arrays, self.model_._no_rows())

    def _scores(self, X: Any) -> NDArray[np.float64]:
        """Return the scores of all rows, shape (n_outputs, n_rows)."""
        return self._over_rows(X, lambda _, block: self.model_.scored(block))

    def _parts(self) -> Parts:
        state = self._encoder.state()
        return {"encoder": state.document}, {**self.model_.arrays, **state.parts}, {}

    def _restore(self, stored: StoredModel) -> None:
        self._publish(read_array_model(stored))


def complete(block: Block, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the columns of a block, float64 (n_columns, n_rows).

    Raises
    ------
    DataError
        When a value is missing.
    """
    missing = np.isnan(block.columns.sum(axis=0))
    if missing.any():
        row = int(np.flatnonzero(missing)[0])
        name = names[int(np.flatnonzero(np.isnan(block.columns[:, row]))[0])]
        raise DataError(
            f"{_where(block, row)}column {name!r} has no value; fill it, filter the row or leave the column out"
        )
    return np.asarray(block.columns, np.float64)


def read_array_model(stored: StoredModel) -> ArrayModel:
    """Return the predictor of a saved model of arrays, which has scored a row of the first cells and one of the last.

    Raises
    ------
    ModelError
        Its parts do not belong together.
    """
    with understood(ModelError, "the saved model", "train or copy it again"):
        mixed = "categories" in stored.meta["encoder"]
        reads = CategoryEncoder if mixed else NumberEncoder
        encoder = reads.from_state(State.of(stored.meta["encoder"], stored.arrays))
        learner = class_named(stored.meta["learner"]["estimator"])
        arrays = {name: array for name, array in stored.arrays.items() if not name.startswith("encoder.")}
        model = ArrayModel(encoder, arrays, learner)
        first = np.array(getattr(encoder, "bases", ()), np.int32)
        last = np.array([*first[1:], getattr(encoder, "n_cells", 0)][: len(first)], np.int32) - 1
        rows = Block(np.zeros((len(encoder.columns), 2)), np.stack([first, last], axis=1), None, None, 0)
        with np.errstate(all="ignore"):
            scores = learner.scores(model.ready, rows)
        outputs = None if model.classes is None else len(model.classes)
        if not len(scores) or scores.shape != (len(scores), 2) or outputs not in (None, len(scores)):
            raise ValueError(f"scores of shape {scores.shape} for two rows")
    return model


def _where(block: Block, row: int) -> str:
    """Return the beginning of messages on a row: nothing of a single one that comes from nowhere."""
    return "" if block.origin is None and block.n_rows == 1 else f"{block.where(row)}: "


def _block(columns: NDArray[np.float64]) -> Block:
    return Block(columns, np.empty((0, columns.shape[1]), np.int32), None, None, 0)
