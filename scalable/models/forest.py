"""Saved forests: LightGBM's text behind an encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.errors import ModelError
from scalable.features.state import State
from scalable.features.tree_encoder import TreeEncoder
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.formats.lightgbm_trees import forest_of_text
from scalable.inference.forest.places import Columns
from scalable.models.predictors import Predictor
from scalable.models.store import StoredModel

KIND = "forest"
TEXT = "booster.txt"


class ForestPredictor(Predictor):
    """A saved forest: its encoder, then the compiled trees."""

    kind = KIND

    def __init__(self, text: str, encoder: TreeEncoder) -> None:
        self.text = text
        self.encoder: TreeEncoder = encoder
        self.forest = CompiledForest(forest_of_text(text))
        if self.forest.n_features != encoder.n_columns:
            raise ModelError(
                f"the forest splits {self.forest.n_features} columns but its encoder makes {encoder.n_columns}; "
                "train or copy the model again"
            )
        if self.task == "multiclass" and self.classes is not None and self.n_outputs != len(self.classes):
            raise ModelError(
                f"the forest has {self.n_outputs} outputs for {len(self.classes)} classes; train again"
            )

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
