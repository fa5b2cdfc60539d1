"""Models that training goes on from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lightgbm as lgb

from scalable.boosting.prepare import Prepared
from scalable.boosting.training.booster_text import booster_of_text
from scalable.data.columns import require_column
from scalable.data.source import Source
from scalable.data.table import TableSource
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
                f"init_model {_shortened(str(init_model))}: no LightGBM model can be read there "
                f"({_shortened(str(error))}); a saved model of this package is loaded first, by LGBMClassifier.load or "
                "LGBMRegressor.load"
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


def _shortened(text: str) -> str:
    """Return one line: a model's text may be given for the path of one."""
    line = text.partition("\n")[0][:200]
    return line if line == text else f"{line}..."


def check_columns(encoder: TreeEncoder, source: Source) -> None:
    """Raise UsageError when the rows that a model is continued with lack a column of its encoder."""
    missing = [name for name in encoder.needed if name not in source.feature_names]
    if missing:
        raise UsageError(
            f"init_model was trained on columns ({', '.join(missing[:5])}) that {source.describe_place()} does not "
            "have; they are taken by name, and those of an array are x0, x1, ...: give them the names of that fit"
        )


def check_held(encoder: TreeEncoder, held: Source) -> None:
    """Raise DataError when validation rows lack a column of the encoder, before any is read."""
    schema = held.schema if isinstance(held, TableSource) else held.full_schema
    for name in encoder.needed:
        require_column(schema, name, held.describe_place(), "feature")


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
