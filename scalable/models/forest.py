"""Forests as predictors: saved behind an encoder, or in files of their own, whose columns are plain numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.errors import DataError, ModelError
from scalable.features.state import State
from scalable.features.target import Labels, Where, nth_row
from scalable.features.tree_encoder import TreeEncoder
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.faces import load_compiled
from scalable.inference.forest.file import is_compiled
from scalable.inference.forest.formats import forest_of_file
from scalable.inference.forest.formats.lightgbm_text import gains_of_text
from scalable.inference.forest.formats.lightgbm_trees import forest_of_text
from scalable.inference.forest.places import Columns
from scalable.inference.forest.trees import Forest
from scalable.inference.request.answers import forest_answer, matrix_answer
from scalable.inference.request.category_levels import codes_of, levels_of
from scalable.inference.request.frame_answers import FrameAnswer, forest_frames
from scalable.inference.request.layout import plain_layout, tree_layout
from scalable.models.explanation import Explanation, explain_forest, output_names, tree_owners
from scalable.models.predictors import Predictor
from scalable.models.store import StoredModel

KIND = "forest"
TEXT = "booster.txt"
# Objectives of one output whose predictions are probabilities; of several, each output is a class.
_BINARY = ("binary", "binary:logistic", "Logloss")
_SEVERAL = ("multiclass", "multiclassova", "multi:softprob", "multi:softmax", "MultiClass")


def check_outputs(n_outputs: int, classes: Sequence[Any] | None) -> None:
    """Raise ModelError where a classifier's forest has other outputs than classes; two share one."""
    if classes is not None and max(2, n_outputs) != len(classes):
        raise ModelError(f"the forest has {n_outputs} outputs for {len(classes)} classes; train again")


def check_width(n_features: int, encoder: TreeEncoder) -> None:
    """Raise ModelError where a forest splits other columns than its encoder makes."""
    if n_features != encoder.n_columns:
        raise ModelError(
            f"the forest splits {n_features} columns but its encoder makes {encoder.n_columns}; train or copy the "
            "model again"
        )


class ForestPredictor(Predictor):
    """A saved forest: its encoder, then the compiled trees."""

    kind = KIND

    def __init__(self, text: str, encoder: TreeEncoder) -> None:
        self.text = text
        self.encoder: TreeEncoder = encoder
        self.forest = CompiledForest(forest_of_text(text))
        check_width(self.forest.n_features, encoder)
        check_outputs(self.n_outputs, self.classes)
        self.gains = gains_of_text(text)

    def __reduce__(self) -> tuple[Any, ...]:
        return ForestPredictor, (self.text, self.encoder)

    @property
    def n_outputs(self) -> int:
        """Columns of `predict_block`."""
        return self.forest.n_outputs

    def matrix(self, raw: RawBlock) -> NDArray[Any]:
        """Return the encoded rows (n_rows, n_columns) that the trees split."""
        self.check(raw)
        return self.encoder.encode(raw).matrix

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return predictions, see `Predictor`."""
        self.check(raw)
        return self.forest.predict(Columns.of_arrays(self.encoder.arrays(raw), raw.n_rows))

    def explain_block(self, raw: RawBlock) -> Explanation:
        """Return the contributions of raw columns, see `Predictor.explain`."""
        self.check(raw)
        columns = Columns.of_arrays(self.encoder.arrays(raw), raw.n_rows)
        outputs = output_names(self.n_outputs, self.classes)
        return explain_forest(self.forest, columns, self.needed, tree_owners(self.encoder), outputs)

    def _compile_answer(self) -> Callable[..., Any]:
        return forest_answer(tree_layout(self.encoder), self.forest)

    def _compile_frame_answer(self) -> FrameAnswer | None:
        return forest_frames(tree_layout(self.encoder), self.forest.n_features, self.forest.predict)


def read_forest(stored: StoredModel) -> ForestPredictor:
    """Return the predictor of a saved forest."""
    try:
        text, encoder = stored.texts[TEXT], stored.meta["encoder"]
    except KeyError as error:
        raise ModelError(f"the saved forest lacks {error}; train or copy the model again") from error
    return ForestPredictor(text, TreeEncoder.from_state(State.of(encoder, stored.arrays)))


def compile_forest(stored: StoredModel) -> CompiledForest:
    """Return the trees of a saved forest over the matrix its encoder makes."""
    return CompiledForest(forest_of_text(stored.texts[TEXT]))


class PlainForest(Predictor):
    """A forest over columns of plain numbers, or of categories as the frame had that it was trained on.

    Attributes
    ----------
    levels : dict of str to list
        Of each category column, texts or numbers.
    """

    kind = "plain forest"

    def __init__(self, forest: CompiledForest) -> None:
        self.forest = forest
        self._classes = _classes_of(forest.forest)
        self.levels = levels_of(forest.forest)

    def __reduce__(self) -> tuple[Any, ...]:
        return PlainForest, (self.forest,)

    @property
    def needed(self) -> list[str]:
        """Names of the columns that prediction reads."""
        return list(self.forest.feature_names)

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Class labels in the order of the outputs; None for regression."""
        return self._classes

    @property
    def n_outputs(self) -> int:
        """Columns of `predict_block`."""
        return 1 if self.task == "binary" else self.forest.n_outputs

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return predictions, see `Predictor`."""
        return self._predict_columns(self._columns(raw))

    def _columns(self, raw: RawBlock) -> Columns:
        """Return the columns that the trees split."""
        self.check(raw)
        levels, by_value = self.levels, self.forest.forest.categories is None
        parts = [codes_of(raw.arrays[name], name, levels.get(name), by_value) for name in self.needed]
        return Columns.of_arrays(parts, raw.n_rows)

    def _predict_columns(self, columns: Columns) -> NDArray[np.float64]:
        found = self.forest.predict(columns).astype(np.float64)
        return found[:, 1] if self.task == "binary" and found.ndim == 2 else found

    def explain_block(self, raw: RawBlock) -> Explanation:
        """Return the contributions of columns, see `Predictor.explain`."""
        only = 1 if self.task == "binary" and self.forest.n_outputs > 1 else None
        return explain_forest(
            self.forest,
            self._columns(raw),
            self.needed,
            None,
            output_names(self.n_outputs, self.classes),
            only,
        )

    @property
    def column_types(self) -> list[tuple[str, str, str]]:
        """Name, Arrow type and kind of each column: all but categories that are texts are plain numbers."""
        texts = {name for name, levels in self.levels.items() if type(levels[0]) is str}
        number, text = ("double", "float"), ("string", "text")
        return [(name, *(text if name in texts else number)) for name in self.needed]

    def matrix(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return the rows (n_rows, n_columns) that the trees split."""
        return np.asarray(self._columns(raw).matrix(), np.float64)

    def _compile_answer(self) -> Callable[..., Any]:
        forest, layout = self.forest, plain_layout(self.needed, self.levels)
        if self.task != "binary" or self.forest.n_outputs == 1:
            return forest_answer(layout, forest)
        return matrix_answer(layout, forest.n_features, lambda x: float(forest.predict_one(x)[1]))

    def _compile_frame_answer(self) -> FrameAnswer | None:
        if self.levels:
            return None
        return forest_frames(plain_layout(self.needed, {}), self.forest.n_features, self._predict_columns)

    def check(self, raw: RawBlock) -> None:
        """Raise a DataError when a column is missing."""
        missing = [name for name in self.needed if name not in raw.arrays]
        if missing:
            raise DataError(
                f"{raw.place}column {missing[0]!r}, which the forest splits, is missing from the data"
            )

    def encode_label(self, array: pa.Array, name: str, where: Where = nth_row) -> NDArray[np.float64]:
        """Return class indices or target values of a label column."""
        return Labels(name, self._classes).encode(array, where)


def _classes_of(forest: Forest) -> tuple[Any, ...] | None:
    objective = (forest.objective or "").split()
    if forest.labels is not None:
        return forest.labels.classes
    if objective and objective[0] in _BINARY:
        return (0, 1)
    return tuple(range(forest.trees.n_outputs)) if objective and objective[0] in _SEVERAL else None


def read_plain_forest(path: Path) -> PlainForest:
    """Return the predictor of a file that a forest's library, or ``compile_model(...).save``, wrote.

    Raises
    ------
    ModelError
        It is neither, or the forest is an outlier detector's.
    """
    made = load_compiled(path) if is_compiled(path) else CompiledForest(forest_of_file(path))
    forest = made if isinstance(made, CompiledForest) else made.scores
    if forest.forest.labels is not None and forest.forest.labels.rule == "threshold":
        raise ModelError(f"{path}: tells outliers from the rest; use load_compiled, then decision_function")
    try:
        return PlainForest(forest)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
