"""Telling classification from regression by looking at the target column."""

from __future__ import annotations

from scalable.data.columns import column_kind
from scalable.data.source import Source
from scalable.features.profile import profile_source

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
