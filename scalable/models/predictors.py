"""Saved models as predictors over raw Parquet columns, whatever learner made them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.errors import DataError, ModelError
from scalable.features.target import Labels, Where, nth_row
from scalable.models.kinds import predictor_of
from scalable.models.store import read_model


class Predictor(ABC):
    """What scoring and evaluation need of a model; picklable.

    Attributes
    ----------
    kind : str
        See `scalable.models.kinds`.
    encoder : Encoder
        From raw columns to what the model computes with; knows the classes.
    """

    kind: ClassVar[str]
    encoder: Any

    @property
    def needed(self) -> list[str]:
        """Names of the raw columns that prediction reads."""
        return list(self.encoder.needed)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Class labels in the order of the outputs; None for regression."""
        return None if self.encoder.labels is None else self.encoder.labels.classes

    @property
    def task(self) -> str:
        """Either "binary", "multiclass" or "regression"."""
        if self.classes is None:
            return "regression"
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Columns of `predict_block`: 1, or the number of classes when there are more than two."""

    @abstractmethod
    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return probabilities of the positive class or means (n_rows,), or of all classes (n_rows, k)."""

    def rank_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return what ranks rows: predictions, or scores where there are no probabilities."""
        return self.predict_block(raw)

    def check(self, raw: RawBlock) -> None:
        """Raise a DataError when a column is missing."""
        missing = [name for name in self.encoder.needed if name not in raw.arrays]
        if missing:
            raise DataError(
                f"column {missing[0]!r}, which the model was trained on, is missing from the data"
            )

    def encode_label(self, array: pa.Array, where: Where = nth_row) -> NDArray[np.float64]:
        """Return class indices or target values of a label column."""
        return (self.encoder.labels or Labels("target")).encode(array, where)


def load_model(path: str | os.PathLike[str]) -> Any:
    """Load what a learner saved.

    Parameters
    ----------
    path : str or path
        A model directory.

    Returns
    -------
    Predictor
        Of the kind that was saved.

    Raises
    ------
    ModelError
        Not a model, of an unknown kind, damaged, or its parts contradict each other.
    """
    stored = read_model(Path(path))
    try:
        return predictor_of(stored)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
