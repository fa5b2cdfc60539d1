"""Models that training goes on from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lightgbm as lgb

from scalable.boosting.prepare import Prepared
from scalable.boosting.training.booster_text import booster_of_text
from scalable.errors import ModelError, UsageError
from scalable.features.tree_encoder import TreeEncoder


def starting_model(init_model: Any) -> tuple[TreeEncoder | None, str]:
    """Return the encoder (None for a bare booster) and the text of the model to continue from."""
    if init_model is None:
        return None, ""
    if isinstance(init_model, str | os.PathLike):
        try:
            init_model = booster_of_text(Path(init_model).read_text(encoding="utf-8"))
        except (ModelError, OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"init_model {init_model}: no LightGBM model can be read there ({error}); a saved model of this "
                "package is loaded first, by LGBMClassifier.load or LGBMRegressor.load"
            ) from error
    booster = getattr(init_model, "booster_", init_model)
    if not isinstance(booster, lgb.Booster):
        raise UsageError(f"init_model must be a Booster or a fitted model, not {type(init_model).__name__}")
    if getattr(booster, "pandas_categorical", None) and not hasattr(init_model, "encoder_"):
        raise UsageError(
            "init_model was trained by plain LightGBM on pandas categories, whose codes this package's encoder need "
            "not give; continue it with lightgbm, or train anew"
        )
    return getattr(init_model, "encoder_", None), str(booster.model_to_string(num_iteration=-1))


def trees_of(text: str, prepared: Prepared) -> int:
    """Return the iterations of a model to continue from, which must fit the data."""
    booster = lgb.Booster(model_str=text)
    by_place = [f"Column_{j}" for j in range(prepared.encoder.n_columns)]  # a model of a nameless array
    if booster.feature_name() not in (prepared.encoder.feature_names, by_place):
        raise UsageError(
            f"init_model was trained on other columns ({', '.join(booster.feature_name()[:5])}, ...); give the model "
            "of the same features, best as the fitted estimator"
        )
    if booster.num_model_per_iteration() != prepared.params.n_scores:
        raise UsageError("init_model has another number of classes than the target")
    return int(booster.current_iteration())
