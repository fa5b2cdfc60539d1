"""Telling ranking by what is asked for, and classification from regression by looking at the target column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from scalable.data.columns import column_kind
from scalable.data.source import Source
from scalable.features.profile import profile_source
from scalable.models.learners import Learner

FEW_LEVELS = 32  # an integer target with more distinct values is taken for a quantity


def find_task(source: Source) -> str:
    """Return ``"classification"`` or ``"regression"``.

    Text and boolean targets, and integers (or whole floats) with few levels, are classes.
    """
    target = source.roles.require_target()
    kind = column_kind(source.field_type(target))
    if kind in ("text", "boolean"):
        return "classification"
    column = profile_source(source, names=[target]).columns[target]
    if kind == "integer" and column.levels is not None and len(column.levels) <= FEW_LEVELS:
        return "classification"
    two_valued = kind == "float" and column.minimum == 0 and column.maximum == 1
    mean, variance = column.mean, column.variance  # p(1-p) is reached only by values of 0 and 1
    if two_valued and abs(variance - mean * (1 - mean)) <= 1e-9:
        return "classification"
    return "regression"


def ranking(learner: Learner, group: str | None, options: Mapping[str, Any]) -> str | None:
    """Return ``"ranking"`` where queries are named, None where rows stand alone.

    Raises
    ------
    typer.BadParameter
        When the learner ranks nothing, or the objective is of queries and nobody names them.
    """
    from scalable.boosting.objectives import RANKING, main_objective

    if group is not None and "ranking" not in learner.classes:
        raise typer.BadParameter("--group is for learners that rank: lightgbm; leave it out")
    objective = options.get("objective") if "ranking" in learner.classes else None
    if group is None and isinstance(objective, str) and main_objective(objective) in RANKING:
        raise typer.BadParameter(
            f"--objective {objective} orders the rows of queries; name their column by --group COL"
        )
    return None if group is None else "ranking"
