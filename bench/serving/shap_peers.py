"""SHAP values of a LightGBM forest by other libraries; one that cannot be used here says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Contributions = Callable[
    [np.ndarray], np.ndarray
]  # (n_rows, n_features) -> the same or with a column for the expected


class AbsentError(RuntimeError):
    """A library is not installed, or does not take the forest."""


def _fast_tree_shap(booster: Any) -> Contributions:
    import fasttreeshap_fixed  # type: ignore[import-not-found,unused-ignore]

    explainer = fasttreeshap_fixed.TreeExplainer(booster, algorithm="auto", n_jobs=1)

    def contributions(X: np.ndarray) -> np.ndarray:
        found = explainer.shap_values(X, check_additivity=False)
        return np.asarray(found[-1] if isinstance(found, list) else found)

    return contributions


def _daal4py(booster: Any) -> Contributions:
    import daal4py  # type: ignore[import-not-found,unused-ignore]

    daal4py.daalinit(1)
    model = daal4py.mb.convert_model(booster)
    return lambda X: np.asarray(model.predict(X, pred_contribs=True))


def _woodelf(booster: Any) -> Contributions:
    import pandas as pd
    from woodelf import WoodelfExplainer  # type: ignore[import-not-found,unused-ignore]

    explainer = WoodelfExplainer(booster)
    names = booster.feature_name()
    return lambda X: np.asarray(explainer.shap_values(pd.DataFrame(X, columns=names)))


PEERS = {"fasttreeshap": _fast_tree_shap, "daal4py": _daal4py, "woodelf": _woodelf}


def peer(name: str, booster: Any, X: np.ndarray) -> Contributions:
    """Return what computes contributions, once it gave some for `X`.

    Raises
    ------
    AbsentError
        With the reason.
    """
    try:
        found = PEERS[name](booster)
        found(X)
    except Exception as error:  # they raise what they like
        raise AbsentError(f"{type(error).__name__}: {str(error)[:160]}") from error
    return found
