"""Saved models as predictors over raw Parquet columns, whatever learner made them."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.errors import DataError, ModelError
from scalable.features.state import State
from scalable.features.target import Labels, Where, nth_row
from scalable.features.tree_encoder import TreeEncoder
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.formats.lightgbm_trees import forest_of_text
from scalable.inference.forest.places import Columns
from scalable.models.linear import LinearModel
from scalable.models.store import StoredModel, read_model


class Predictor(Protocol):
    """What scoring and evaluation need of a model; picklable.

    Attributes
    ----------
    needed : list of str
        Raw columns that prediction reads.
    task : str
        "binary", "multiclass" or "regression".
    classes : tuple or None
        Class labels in the order of the outputs.
    n_outputs : int
        Columns of `predict_block`: 1, or the number of classes when there are more than two.
    """

    needed: list[str]
    task: str
    classes: tuple[Any, ...] | None
    n_outputs: int

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return probabilities of the positive class or means (n_rows,), or of all classes (n_rows, k)."""

    def encode_label(self, array: pa.Array, where: Where = nth_row) -> NDArray[np.float64]:
        """Return class indices or target values of a label column."""


class ForestPredictor:
    """A saved forest: its encoder, then the compiled trees."""

    def __init__(self, text: str, encoder: TreeEncoder, classes: tuple[Any, ...] | None) -> None:
        self.text = text
        self.encoder = encoder
        self.classes = classes
        self.forest = CompiledForest(forest_of_text(text))
        if self.forest.n_features != encoder.n_columns:
            raise ModelError(
                f"the forest splits {self.forest.n_features} columns but its encoder makes {encoder.n_columns}; "
                "train or copy the model again"
            )
        self.n_outputs = self.forest.n_outputs
        self.needed = encoder.needed
        self.task = "regression" if classes is None else "binary" if len(classes) == 2 else "multiclass"
        if self.task == "multiclass" and classes is not None and self.n_outputs != len(classes):
            raise ModelError(
                f"the forest has {self.n_outputs} outputs for {len(classes)} classes; train again"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return ForestPredictor, (self.text, self.encoder, self.classes)

    @cached_property
    def booster(self) -> Any:
        """The same model as LightGBM holds it, for comparison."""
        import lightgbm

        return lightgbm.Booster(model_str=self.text)

    def matrix(self, raw: RawBlock) -> NDArray[Any]:
        """Return the encoded rows (n_rows, n_columns) that the trees split."""
        self._check(raw)
        return self.encoder.encode(raw).matrix

    def _check(self, raw: RawBlock) -> None:
        missing = [name for name in self.needed if name not in raw.arrays]
        if missing:
            raise DataError(
                f"column {missing[0]!r}, which the model was trained on, is missing from the data"
            )

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return predictions, see `Predictor`."""
        self._check(raw)
        return self.forest.predict(Columns.of_arrays(self.encoder.arrays(raw), raw.n_rows))

    def encode_label(self, array: pa.Array, where: Where = nth_row) -> NDArray[np.float64]:
        """Return class indices or target values of a label column."""
        labels = self.encoder.labels or Labels("target", self.classes)
        return labels.encode(array, where)


class LinearPredictor:
    """A saved linear model."""

    def __init__(self, model: LinearModel) -> None:
        self.model = model
        self.classes = model.classes
        self.needed = model.needed
        self.n_outputs = len(model.coef)
        self.task = (
            "regression" if self.classes is None else "binary" if len(self.classes) == 2 else "multiclass"
        )

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return predictions, see `Predictor`."""
        return self.model.predict_block(raw)

    def rank_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return what ranks rows, see `LinearModel.rank_block`."""
        return self.model.rank_block(raw)

    def encode_label(self, array: pa.Array, where: Where = nth_row) -> NDArray[np.float64]:
        """Return class indices or target values of a label column."""
        return self.model.encode_label(array, where)


def _forest(stored: StoredModel) -> ForestPredictor:
    try:
        text, encoder, classes = stored.texts["booster.txt"], stored.meta["encoder"], stored.meta["classes"]
    except KeyError as error:
        raise ModelError(f"the saved forest lacks {error}; train or copy the model again") from error
    return ForestPredictor(
        text,
        TreeEncoder.from_state(State.of(encoder, stored.arrays)),
        None if classes is None else tuple(classes),
    )


def load_model(path: str | os.PathLike[str]) -> Any:
    """Load what a learner saved.

    Parameters
    ----------
    path : str or path
        A model directory.

    Returns
    -------
    Predictor

    Raises
    ------
    ModelError
        Not a model, of an unknown kind, damaged, or its parts contradict each other.
    """
    stored = read_model(Path(path))
    try:
        if stored.kind == "forest":
            return _forest(stored)
        if stored.kind == "linear":
            return LinearPredictor(LinearModel.from_stored(stored))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    raise ModelError(f"{path}: holds a {stored.kind!r} model, expected 'forest' or 'linear'")
