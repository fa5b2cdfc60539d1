"""`compile_model`: from anything that is a model to the predictor that runs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scalable.errors import ModelError, UsageError
from scalable.inference.forest.classifier import faced, load_compiled
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.file import is_compiled
from scalable.inference.forest.formats import forest_of_bytes, forest_of_file, forest_of_object
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
    if path.is_file() and is_compiled(path):
        return load_compiled(path)
    return faced(CompiledForest(forest_of_file(path)))


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
        return faced(CompiledForest(forest_of_bytes(model.encode())))
    if isinstance(model, str | os.PathLike):
        return _from_path(Path(model))
    if type(model).__name__ == "CVBooster":
        raise UsageError("a CVBooster holds a Booster for each fold; compile one of its `boosters`")
    forest = forest_of_object(model)
    if forest is not None:
        return faced(CompiledForest(forest))
    if hasattr(model, "coef_") and hasattr(model, "intercept_"):
        from scalable.inference.linear_row import CompiledLinear

        return CompiledLinear.from_estimator(model)
    raise UsageError(
        f"cannot compile a {type(model).__name__}: expected a LightGBM model or a fitted linear learner"
    )
