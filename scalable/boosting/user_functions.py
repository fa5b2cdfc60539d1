"""Objectives and metrics that users write, called with as many arguments as they take."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from scalable.errors import UsageError


def by_arity(function: Callable[..., Any], role: str) -> Callable[..., Any]:
    """Return a function of labels, predictions and weights that gives the user's as many of them as it takes.

    Parameters
    ----------
    function : callable
        Of (y_true, y_pred) or (y_true, y_pred, weight), as LightGBM's scikit-learn estimators take them.
    role : str
        How messages call it.

    Raises
    ------
    UsageError
        When it takes another number of arguments.
    """
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # compiled functions may not tell
        return function
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in given):
        return function
    places = [p for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    least = sum(p.default is p.empty for p in places)
    n = min(len(places), 3)
    if n < 2 or least > 3:
        raise UsageError(
            f"{role} must take (y_true, y_pred) or (y_true, y_pred, weight), but it takes {least} arguments"
        )
    return lambda *arguments: function(*arguments[:n])
