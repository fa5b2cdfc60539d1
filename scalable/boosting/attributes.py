"""The attributes of LightGBM's estimators: parameters by their names, and what a fit leaves."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from scalable.boosting.face import DEFAULTS
from scalable.boosting.params import main_names
from scalable.features.tree_encoder import TreeEncoder


class Attributes:
    """What can be asked of an estimator beside its methods."""

    booster_: lgb.Booster
    encoder_: TreeEncoder
    importance_type: str

    def __getattr__(self, name: str) -> Any:
        """Return a parameter of LightGBM under any of its names, as its own estimators have them."""
        main = main_names()
        if name.startswith("_") or name.endswith("_") or (name not in main and name not in DEFAULTS):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        for given, value in vars(self).get("_extra", {}).items():
            if main[given] == main[name]:
                return value
        if name in DEFAULTS:
            return DEFAULTS[name]
        raise AttributeError(f"{type(self).__name__!r} was given no parameter {name!r}")

    @property
    def n_iter_(self) -> int:
        """Iterations of the model."""
        check_is_fitted(self)
        return int(self.booster_.current_iteration())

    @property
    def n_estimators_(self) -> int:
        """The same, as LightGBM calls it besides."""
        return self.n_iter_

    @property
    def n_features_(self) -> int:
        """Number of the user's columns."""
        check_is_fitted(self)
        return len(self.encoder_.columns)

    @property
    def feature_name_(self) -> list[str]:
        """Names of the user's columns; the booster's own are of the columns that encoding makes of them."""
        check_is_fitted(self)
        return [column.name for column in self.encoder_.columns]

    @property
    def feature_importances_(self) -> NDArray[Any]:
        """Splits or gain (``importance_type``) of the user's columns; the mean of a pair counts for each by half."""
        check_is_fitted(self)
        found = self.booster_.feature_importance(importance_type=self.importance_type)
        widths = [column.width for column in self.encoder_.columns]
        ends = np.cumsum(widths)
        whole = np.array([found[end - width : end].sum() for end, width in zip(ends, widths, strict=True)])
        names = self.feature_name_
        for joined, value in zip(self.encoder_.pairs, found[sum(widths) :], strict=True):
            whole = whole.astype(np.float64)
            for name in joined.pair.names:
                whole[names.index(name)] += value / 2
        return np.asarray(whole)

    @property
    def objective_(self) -> Any:
        """The objective, LightGBM's name or the user's function."""
        check_is_fitted(self)
        if callable(self.objective):
            return self.objective
        lines = self.booster_.model_to_string(num_iteration=1).splitlines()
        return next((line[10:].split()[0] for line in lines if line.startswith("objective=")), "custom")
