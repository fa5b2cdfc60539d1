"""The form of a saved forest that was chosen, saved as a model that takes raw rows as the forest does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scalable.boosting.training.booster_text import booster_of_text
from scalable.inference.cascade import Cascade
from scalable.inference.forest.compiled import CompiledForest
from scalable.inference.forest.formats.lightgbm_trees import forest_of_text
from scalable.models.forest import KIND, TEXT
from scalable.models.store import StoredModel, save_model
from scalable.scoring.cascaded import save_cascade


def write_chosen(
    path: Path, stored: StoredModel, model: CompiledForest | Cascade, text: str | None = None
) -> None:
    """Write a form of a saved forest, with the forest's encoder, as a model directory.

    Parameters
    ----------
    path : Path
        Where nothing is, or an earlier model.
    stored : StoredModel
        The forest that the form was made of.
    model : CompiledForest or Cascade
        The form: the forest itself, its first iterations, a smaller forest, or a cascade.
    text : str, optional
        LightGBM's text of the form where it is a forest with trees of its own.

    Raises
    ------
    ModelError
        Nothing can be written to `path`.
    """
    if isinstance(model, Cascade):
        save_cascade(path, stored, model)
        return
    meta = dict(stored.meta)
    if text is None:
        text, n = stored.texts[TEXT], model.n_iterations
        booster = booster_of_text(text)
        if n < booster.current_iteration():
            text = booster.model_to_string(num_iteration=n)
            if "learner" in meta:
                meta["learner"] = _shortened(meta["learner"], n)
    else:
        meta.pop("learner", None)  # its parameters are those of another forest
        meta["objective"] = forest_of_text(text).objective or ""
    save_model(path, KIND, meta, stored.arrays, {**stored.texts, TEXT: text})


def _shortened(learner: dict[str, Any], n: int) -> dict[str, Any]:
    """Return who saved a forest as if it had stopped after `n` iterations; scores of others are left out."""
    of_all = ("evals_result_", "best_score_")
    fitted = {name: value for name, value in learner["fitted"].items() if name not in of_all}
    return {
        **learner,
        "params": {**learner["params"], "n_estimators": n},
        "fitted": {**fitted, "best_iteration_": n},
    }
