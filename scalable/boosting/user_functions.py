"""Objectives and metrics that users write, called with as many arguments as they take."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalable.errors import UsageError, shown


def by_arity(function: Callable[..., Any], role: str, *, queries: bool = False) -> Callable[..., Any]:
    """Return a function of labels, predictions, weights and queries that gives the user's as many of them as it takes.

    Parameters
    ----------
    function : callable
        Of (y_true, y_pred), (y_true, y_pred, weight) or (y_true, y_pred, weight, group), as LightGBM's scikit-learn
        estimators take them.
    role : str
        How messages call it.
    queries : bool
        Whether rows belong to queries, whose sizes are the fourth argument.

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
    most = 4 if queries else 3
    n = min(len(places), most)
    if n < 2 or least > most:
        fourth = " or (y_true, y_pred, weight, group)" if queries else ""
        raise UsageError(
            f"{role} must take (y_true, y_pred) or (y_true, y_pred, weight){fourth}, but it takes {least} arguments"
        )
    return lambda *arguments: function(*arguments[:n])


def derivatives(found: Any, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the gradient and the hessian that a user's objective gave for predictions of this shape.

    Raises
    ------
    UsageError
        When it gave anything else than two arrays of so many numbers.
    """
    try:
        gradient, hessian = (np.asarray(each) for each in found)
        right = {gradient.size, hessian.size} == {math.prod(shape)} and gradient.dtype.kind in "biuf"
        right = right and hessian.dtype.kind in "biuf"
    except (TypeError, ValueError):
        right = False
    if not right:
        raise UsageError(
            f"objective must return two arrays of the shape of y_pred, {shape}: gradient and hessian, not "
            f"{shown(found)}"
        )
    return gradient, hessian


def takes_queries(function: Callable[..., Any]) -> bool:
    """Return whether a user's function asks for the sizes of queries, as its fourth argument."""
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return (
        sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in given)
        == 4
    )
