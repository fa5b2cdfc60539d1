"""The face that every way of computing a model's predictions shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Absent(Exception):  # noqa: N818  not an error: a peer that is not installed
    """An engine cannot be used here; the message is the reason shown to the user."""


class Engine(Protocol):
    """A loaded model; results are predictions after the link, float64 (n_rows,) or (n_rows, n_outputs)."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict a float64 C-ordered matrix on the engine's thread count."""

    def predict_one(self, x: np.ndarray) -> Any:
        """Predict one float64 row by the fastest way the engine offers."""


@dataclass(frozen=True, slots=True)
class ForestModel:
    """What engines are built from: LightGBM's own text."""

    text: str
    n_features: int
    n_outputs: int
    objective: str | None
    n_trees: int
    n_leaves: int
    feature_names: list[str]


def describe(text: str) -> ForestModel:
    """Read the header facts of a model text."""
    from scalable.inference.lightgbm_text import parse_text

    model = parse_text(text)
    return ForestModel(
        text, model.n_features, model.trees_per_iteration, model.objective, len(model.trees),
        sum(model.leaves), model.feature_names,
    )  # fmt: skip


def text_of(model: Any) -> str:
    """Return LightGBM's text of whatever ``compile_model`` accepts, a linear model excepted."""
    model = getattr(model, "booster_", model)
    if hasattr(model, "model_to_string"):
        return str(model.model_to_string())
    if isinstance(model, str) and "\n" in model:
        return model
    path = Path(model)
    if path.is_dir():
        from scalable.data.store import read_model

        return str(read_model(path).texts["booster.txt"])
    return path.read_text("utf-8")
