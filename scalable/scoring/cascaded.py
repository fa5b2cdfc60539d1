"""Cascades behind an encoder: a saved forest with a cheap model in front of it, saved as one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.data.block import RawBlock
from scalable.errors import ModelError
from scalable.inference.cascade import Cascade
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.linear_row import CompiledLinear
from scalable.inference.request.answers import matrix_answer
from scalable.inference.request.layout import tree_layout
from scalable.models.forest import ForestPredictor, read_forest
from scalable.models.predictors import Predictor
from scalable.models.store import StoredModel, save_model

KIND = "cascade"


class CascadeModel(Predictor):
    """A saved forest of two classes whose easy rows a cheaper model answers.

    Parameters
    ----------
    model : ForestPredictor
        Of one probability.
    front : mapping
        ``margin``, and ``trees``, how many of the forest's first iterations stand in front of the others, or ``coef``
        and ``intercept`` of a logistic model in front of the whole: see `scalable.inference.cascade.Cascade`.

    Raises
    ------
    ModelError
        The forest is of another task, or the front does not fit it.
    """

    kind = KIND

    def __init__(self, model: ForestPredictor, front: Mapping[str, Any]) -> None:
        if model.task != "binary":
            raise ModelError(f"a cascade is of two classes, and the model's task is {model.task}")
        self.model, self.front, self.encoder = model, dict(front), model.encoder
        self.cascade = _cascade(model.forest, self.front)

    def __reduce__(self) -> tuple[Any, ...]:
        return CascadeModel, (self.model, self.front)

    @property
    def n_outputs(self) -> int:
        """Columns of `predict_block`."""
        return 1

    def predict_block(self, raw: RawBlock) -> NDArray[np.float64]:
        """Return probabilities of the positive class, see `Predictor`."""
        return self.cascade.predict(self.model.matrix(raw))

    def _compile_answer(self) -> Callable[..., Any]:
        return matrix_answer(
            tree_layout(self.model.encoder), self.cascade.n_features, self.cascade.predict_one
        )


def save_cascade(path: str | os.PathLike[str], stored: StoredModel, cascade: Cascade) -> Path:
    """Write a cascade that was made of a saved forest as a model of its own.

    Raises
    ------
    ModelError
        The cascade is of another forest, or `path` cannot be written.
    """
    front: dict[str, Any] = {"margin": float(cascade.margin)}
    if isinstance(cascade.first, CompiledForest):
        front["trees"] = cascade.first.n_iterations
    else:
        front |= {
            "coef": cascade.first.coef[0].tolist(),
            "intercept": float(cascade.first.intercept[0]),
        }
    CascadeModel(read_forest(stored), front)  # refused here rather than when it is read
    return save_model(path, KIND, {"forest": stored.meta, "front": front}, stored.arrays, stored.texts)


def read_cascade(stored: StoredModel) -> CascadeModel:
    """Return the predictor of what `save_cascade` wrote."""
    within = StoredModel("forest", stored.meta["forest"], stored.arrays, stored.texts)
    return CascadeModel(read_forest(within), stored.meta["front"])


def _cascade(forest: CompiledForest, front: Mapping[str, Any]) -> Cascade:
    margin, whole = float(front["margin"]), forest.iterations()
    if "trees" not in front:
        coef = np.asarray(front["coef"], np.float64)
        linear = CompiledLinear(coef, np.array([float(front["intercept"])]), "logistic")
        return Cascade(linear, whole, margin)
    n = front["trees"]
    if type(n) is not int or not 0 < n < whole.n_iterations:
        raise ModelError(f"{n!r:.60} of the {whole.n_iterations} iterations of the forest stand in front")
    return Cascade(whole.iterations(n), whole.iterations(whole.n_iterations - n, n), margin)
