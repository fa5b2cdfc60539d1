"""The face that every way of computing a model's predictions shares."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scalable.errors import ModelError
from scalable.registry.address import model_path


class Absent(Exception):  # noqa: N818  not an error: a peer that is not installed
    """An engine cannot be used here; the message is the reason shown to the user."""


class Engine(Protocol):
    """A loaded model; results are predictions after the link, float64 (n_rows,) or (n_rows, n_outputs).

    One in another process also has ``overhead_seconds``, the part of its last call spent on the way there and back, and
    ``memory_bytes``, that process's.
    """

    n_threads: int

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict a float64 C-ordered matrix on the engine's thread count."""

    def predict_one(self, x: np.ndarray) -> Any:
        """Predict one float64 row by the fastest way the engine offers."""


@dataclass(frozen=True, slots=True)
class ForestModel:
    """What engines of forests are built from: LightGBM's own text, or the compiled forest where there is none.

    Attributes
    ----------
    text : str or None
    compiled : CompiledForest or None
        Of another library's model, or of a file of ours.
    """

    text: str | None
    n_features: int
    n_outputs: int
    objective: str | None
    n_trees: int
    n_leaves: int
    feature_names: list[str]
    compiled: Any = None

    @property
    def lightgbm_text(self) -> str:
        """LightGBM's text, for engines that read nothing else; raises Absent where there is none."""
        if self.text is None:
            raise Absent("reads LightGBM's text, which this model does not hold")
        return self.text

    @property
    def shape(self) -> dict[str, int]:
        """Its size, as reports show it."""
        return {"trees": self.n_trees, "leaves": self.n_leaves, "features": self.n_features}

    @property
    def default(self) -> tuple[str, ...]:
        """Engines compared when none are named."""
        return ("lightgbm", "lightgbm-fast", "scalable")


@dataclass(frozen=True, slots=True)
class LinearFacts:
    """What engines of linear models over plain numbers are built from.

    Attributes
    ----------
    coef : float64 (n_outputs, n_features)
    intercept : float64 (n_outputs,)
    link : str
        "identity", "logistic" or "softmax".
    """

    coef: np.ndarray
    intercept: np.ndarray
    link: str

    @property
    def shape(self) -> dict[str, int]:
        """Its size, as reports show it."""
        return {"outputs": len(self.coef), "features": self.coef.shape[1]}

    @property
    def default(self) -> tuple[str, ...]:
        """Engines compared when none are named."""
        return ("scikit-learn", "linear")


def describe(text: str) -> ForestModel:
    """Read the header facts of a model text, which engines that believe it may read then; ModelError where not."""
    from scalable.boosting.training.booster_text import check_text
    from scalable.inference.forest.formats.lightgbm_text import parse_text

    check_text(text)
    model = parse_text(text)
    return ForestModel(
        text, model.n_features, model.trees_per_iteration, model.objective, len(model.trees),
        sum(model.leaves), model.feature_names,
    )  # fmt: skip


def describe_compiled(compiled: Any) -> ForestModel:
    """Return the facts of a compiled forest, of whatever library."""
    trees = compiled.forest.trees
    return ForestModel(
        None, compiled.n_features, compiled.n_outputs, compiled.objective, trees.n_trees, len(trees.leaf_value),
        compiled.feature_names, compiled,
    )  # fmt: skip


def text_of(model: Any) -> str:
    """Return LightGBM's text of a Booster, of what holds one, of a saved forest, or as it is given or in a file."""
    if isinstance(model, str) and "\n" in model:
        return model
    if not isinstance(model, str | os.PathLike):
        return str(getattr(model, "booster_", model).model_to_string())
    path = model_path(model)
    if path.is_dir():
        from scalable.models.store import read_model

        return str(read_model(path).texts["booster.txt"])
    return path.read_text("utf-8")


def facts_of(model: Any) -> ForestModel | LinearFacts:
    """Return what engines are built from, of whatever ``compile_model`` accepts."""
    from scalable.inference.classifier import CompiledClassifier
    from scalable.inference.linear_row import CompiledLinear
    from scalable.models.compile import compile_model

    if isinstance(model, ForestModel | LinearFacts):
        return model
    compiled = model if isinstance(model, CompiledLinear) else compile_model(model)
    compiled = compiled.scores if isinstance(compiled, CompiledClassifier) else compiled
    if isinstance(compiled, CompiledLinear):
        return LinearFacts(compiled.coef, compiled.intercept, compiled.link)
    try:
        return describe(text_of(model))
    except (ModelError, AttributeError, UnicodeDecodeError):  # not LightGBM's
        return describe_compiled(compiled)
