"""`compile_model`: from anything that is a model to the predictor that runs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scalable.errors import ModelError, UsageError
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.formats.lightgbm_trees import forest_of_text


def _from_path(path: Path) -> Any:
    if path.is_dir():
        from scalable.models.store import read_model

        stored = read_model(path)
        if stored.kind != "forest":
            raise ModelError(
                f"{path}: a {stored.kind!r} model needs its encoder, use scalable.inference.load_model"
            )
        return CompiledForest(forest_of_text(stored.texts["booster.txt"]))
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file or directory") from None
    except UnicodeDecodeError:
        raise ModelError(f"{path}: not a LightGBM text model (not UTF-8 text)") from None
    try:
        return CompiledForest(forest_of_text(text))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def compile_model(model: Any) -> Any:
    """Compile a model to a predictor that returns the original's bits, faster.

    Parameters
    ----------
    model : lightgbm.Booster, fitted estimator, str or path
        A Booster; anything with a fitted ``booster_``; a linear estimator with ``coef_`` and ``intercept_``; the text
        of a LightGBM model; the path of such text; or a saved model directory.

    Returns
    -------
    CompiledForest or CompiledLinear
        Both have ``predict(X)`` and ``predict_one(x)``.

    Raises
    ------
    ModelError
        The text is damaged, or something in the model is not supported (named).
    """
    if isinstance(model, str) and "\n" in model:
        return CompiledForest(forest_of_text(model))
    if isinstance(model, str | os.PathLike):
        return _from_path(Path(model))
    booster = getattr(model, "booster_", model)
    if hasattr(booster, "model_to_string"):
        text = booster.model_to_string(num_iteration=-1)
        return CompiledForest(forest_of_text(text, max(0, booster.best_iteration)))
    if hasattr(model, "coef_") and hasattr(model, "intercept_"):
        from scalable.inference.linear_row import CompiledLinear

        return CompiledLinear.from_estimator(model)
    raise UsageError(
        f"cannot compile a {type(model).__name__}: expected a LightGBM model or a fitted linear learner"
    )
