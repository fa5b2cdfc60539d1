"""Saved models as predictors over raw Parquet columns, whatever learner made them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.data.columns import require_column
from scalable.data.table import as_source
from scalable.errors import DataError, ModelError, UsageError
from scalable.features.target import Labels, Where, nth_row
from scalable.inference.request.frame_answers import FrameAnswer, rows_of_frame
from scalable.inference.request.json import parse_json
from scalable.inference.request.row_block import block_of_rows
from scalable.models.explanation import Explanation
from scalable.models.kinds import predictor_of, predictor_of_file
from scalable.models.store import read_model
from scalable.registry.address import model_path
from scalable.storage.documents import understood


class Predictor(ABC):
    """What scoring and evaluation need of a model; picklable.

    Attributes
    ----------
    kind : str
        See `scalable.models.kinds`.
    encoder : Encoder
        From raw columns to what the model computes with; knows the classes.
    gains : tuple of float
        Of each label of a ranking, where the model was trained with others than LightGBM's own.
    """

    kind: ClassVar[str]
    encoder: Any
    gains: tuple[float, ...] = ()

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

    def __repr__(self) -> str:
        return f"<{self.kind} model: {self.task} from {len(self.needed):,} columns>"

    def predict(self, X: Any, missing_keys: str = "refuse") -> NDArray[np.float64]:
        """Predict rows of raw columns.

        Parameters
        ----------
        X : frame, Arrow table, source, dict or list of dict
            Columns are found by name and may be in any order; others are not looked at.
        missing_keys : str
            What a dict without one of the columns is: ``"refuse"``, or ``"missing"``, as if its value were None.

        Returns
        -------
        float64 (n_rows,) or (n_rows, k)
            Probabilities of the positive class, of each of k classes, or means.

        Raises
        ------
        DataError
            A column is missing, or of a type the model was not trained on.
        """
        if isinstance(X, Mapping):
            X = [X]
        if isinstance(X, list) and X and isinstance(X[0], Mapping):
            return self._predict_dicts(X, missing_keys)
        if rows_of_frame(X) and self.answer_frame is not None:
            found = self.answer_frame(X)
            if found is not None:
                return found
        parts = [self.predict_block(raw) for raw in self._blocks(X)]
        empty = np.empty((0, self.n_outputs) if self.n_outputs > 1 else 0)
        return np.concatenate([empty, *parts])

    def _blocks(self, X: Any) -> Iterator[RawBlock]:
        """Yield the rows of a frame, a table or a source."""
        if isinstance(X, np.ndarray) and X.ndim == 2 and not _numbered(self.needed, X.shape[1]):
            raise DataError(
                f"the rows are an array without names, and columns are found by name ({', '.join(self.needed[:3])}, "
                "...); give a frame with these, or use compile_model, which takes columns by their places"
            )
        source = as_source(X, features=self.needed or None).without_target()
        for name in self.needed:
            require_column(source.full_schema, name, source.describe_place(), "feature")
        for shard in source.shards:
            yield from source.raw_blocks(shard, self.needed)

    def predict_one(self, x: Any, missing_keys: str = "refuse") -> Any:
        """Predict one row: a float, or float64 (k,).

        Parameters
        ----------
        x : dict, or frame of one row
            Values are brought to the types of the training columns, times from Python's types, ISO 8601 or integers
            in the column's unit; other keys are not looked at.
        missing_keys : str
            As for `predict`.

        Raises
        ------
        DataError
            A column is missing, or its value is not one of its type.
        """
        if type(x) is dict or isinstance(x, Mapping):
            return self.answer(x, missing_keys)
        found = self.predict(x)
        if len(found) != 1:
            raise DataError(f"predict_one takes one row, found {len(found)}; use predict for several")
        return float(found[0]) if self.n_outputs == 1 else found[0]

    def predict_json(self, data: bytes | bytearray | memoryview | str, missing_keys: str = "refuse") -> Any:
        """Predict what JSON says: one row, an object, as `predict_one` does; an array of them as `predict` does."""
        found = parse_json(data)
        if type(found) is dict:
            return self.answer(found, missing_keys)
        if isinstance(found, list) and all(type(row) is dict for row in found):
            return self._predict_dicts(found, missing_keys)
        raise DataError("expected a JSON object, a row, or an array of them")

    def explain(self, X: Any, top: int | None = None, missing_keys: str = "refuse") -> Any:
        """Say what each raw column adds to the score of rows, or the `top` reasons of each.

        Parameters
        ----------
        X, missing_keys
            As for `predict`.
        top : int, optional
            Return that many reason codes a row instead: a list of (column, contribution), the largest first; with
            several outputs a dict of these by class.

        Returns
        -------
        Explanation or list

        Raises
        ------
        UsageError
            The model has no contributions of columns.
        """
        if isinstance(X, Mapping):
            X = [X]
        if isinstance(X, list) and X and isinstance(X[0], Mapping):
            found = self.explain_block(block_of_rows(X, self.column_types, missing_keys))
        else:
            found = Explanation.joined([self.explain_block(raw) for raw in self._blocks(X)])
        return found if top is None else found.reasons(top)

    def explain_block(self, raw: RawBlock) -> Explanation:
        """Explain the rows of a block, see `explain`."""
        raise UsageError(
            f"a model of the kind {self.kind!r} has no contributions of columns; forests and linear models have"
        )

    @property
    def column_types(self) -> list[tuple[str, str, str]]:
        """Name, Arrow type and kind of each raw column that is read."""
        needed = set(self.needed)
        return [each for each in self.encoder.column_types if each[0] in needed]

    @property
    def arrow_types(self) -> dict[str, str]:
        """Arrow type in training of each raw column that is read, by name."""
        return {name: kind for name, kind, _ in self.column_types}

    @cached_property
    def answer(self) -> Callable[..., Any]:
        """``answer(row, missing_keys="refuse")``: `predict_one` of a dict, compiled on first use."""
        return self._compile_answer()

    @cached_property
    def answer_frame(self) -> FrameAnswer | None:
        """``answer_frame(X)``: `predict` of a frame, None where another way has to; there may be no such function."""
        return self._compile_frame_answer()

    def _compile_frame_answer(self) -> FrameAnswer | None:
        """Return the function behind `answer_frame`."""
        return None

    @abstractmethod
    def _compile_answer(self) -> Callable[..., Any]:
        """Return the function behind `answer`."""

    def __getstate__(self) -> dict[str, Any]:
        """Pickle without what holds addresses, or is made of the rest."""
        made = ("answer", "answer_frame", "used_coef")
        return {name: value for name, value in self.__dict__.items() if name not in made}

    def _predict_dicts(self, rows: Sequence[Mapping[str, Any]], missing_keys: str) -> NDArray[np.float64]:
        out = np.empty((len(rows), self.n_outputs) if self.n_outputs > 1 else len(rows))
        answer = self.answer
        for i, row in enumerate(rows):
            try:
                out[i] = answer(row, missing_keys)
            except DataError as error:
                raise DataError(f"row {i:,}: {error}") from error
        return out

    def rank_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return what ranks rows: predictions, or scores where there are no probabilities."""
        return self.predict_block(raw)

    def check(self, raw: RawBlock) -> None:
        """Raise a DataError when a column is missing."""
        missing = [name for name in self.encoder.needed if name not in raw.arrays]
        if missing:
            raise DataError(
                f"{raw.place}column {missing[0]!r}, which the model was trained on, is missing from the data"
            )

    def encode_label(self, array: pa.Array, name: str, where: Where = nth_row) -> NDArray[np.float64]:
        """Return class indices or target values of a label column, which may be called otherwise than in training."""
        labels = self.encoder.labels
        return Labels(name, None if labels is None else labels.classes).encode(array, where)


def load_model(path: str | os.PathLike[str]) -> Predictor:
    """Load what a learner saved, or a forest's file.

    Parameters
    ----------
    path : str or path
        A model directory; ``registry:NAME@ALIAS``; a file of LightGBM, XGBoost or CatBoost; or what
        ``compile_model(...).save`` wrote. Files know no encoder: their columns are found by name and must be numbers,
        or categories whose levels the file tells.

    Returns
    -------
    Predictor
        Of the kind that was saved.

    Raises
    ------
    ModelError
        Not a model, of an unknown kind, damaged, or its parts contradict each other.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from scalable.inference import load_model
    >>> from scalable.linear import LinearRegression
    >>> rows = pa.table({"size": [1.0, 2.0, 3.0, 4.0]})
    >>> LinearRegression().fit(rows, [3.0, 5.0, 7.0, 9.0]).save("price.model")
    >>> round(load_model("price.model").predict_one({"size": 10.0}), 3)
    21.0
    """
    place = model_path(path)
    if place.is_file():
        plain: Predictor = predictor_of_file(place)
        return plain
    stored = read_model(place)
    try:
        with understood(ModelError, "its parts", "train or copy the model again"):
            predictor: Predictor = predictor_of(stored)
            return predictor
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _numbered(names: Sequence[str], n_columns: int) -> bool:
    """Return whether columns have the names that those of an array get."""
    return {*names} <= {f"x{j}" for j in range(n_columns)}
