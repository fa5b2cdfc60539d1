"""LightGBM with scikit-learn's manners, on Parquet past memory or on arrays."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin

from scalable.boosting.face import custom
from scalable.boosting.model import LGBMModel

__all__ = ["LGBMClassifier", "LGBMModel", "LGBMRegressor"]


class LGBMClassifier(ClassifierMixin, LGBMModel):
    """LightGBM for two or more classes of any type; see `LGBMModel` for the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.boosting import LGBMClassifier
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = x[:, 0] > 0.0
    >>> model = LGBMClassifier(n_estimators=5, n_workers=1).fit(x, y)
    >>> model.booster_.num_trees()
    5
    >>> model.predict_proba(x).shape
    (200, 2)
    """

    _classify = True

    def predict_proba(
        self,
        X: Any,
        raw_score: bool = False,
        start_iteration: int = 0,
        num_iteration: int | None = None,
        pred_leaf: bool = False,
        pred_contrib: bool = False,
        validate_features: bool = False,
        **kwargs: Any,
    ) -> NDArray[np.float64]:
        """Return class probabilities of shape (n_rows, n_classes), columns in the order of ``classes_``.

        With an objective of the user's: raw scores, and a warning, as LightGBM. Parameters as of `predict`.
        """
        scores = self._output(
            X, raw_score, start_iteration, num_iteration, pred_leaf, pred_contrib, validate_features, kwargs
        )
        if raw_score or pred_leaf or pred_contrib:
            return scores
        if custom(self.booster_):
            warnings.warn(
                "no class probabilities or labels follow from the scores of a custom objective; these are raw scores",
                UserWarning,
                stacklevel=2,
            )
            return scores
        return np.column_stack([1.0 - scores, scores]) if scores.ndim == 1 else scores

    def predict(
        self,
        X: Any,
        raw_score: bool = False,
        start_iteration: int = 0,
        num_iteration: int | None = None,
        pred_leaf: bool = False,
        pred_contrib: bool = False,
        validate_features: bool = False,
        **kwargs: Any,
    ) -> NDArray[Any]:
        """Return the most probable class of each row, of shape (n_rows,).

        Parameters
        ----------
        raw_score, pred_leaf, pred_contrib : bool
            Return raw scores, leaf numbers or SHAP values (of the booster's columns) instead.
        start_iteration, num_iteration : int
            Which trees; by default all that were kept.
        validate_features : bool
            Columns are taken by name whatever it says.
        **kwargs
            Further prediction parameters of LightGBM.
        """
        found = self.predict_proba(
            X, raw_score, start_iteration, num_iteration, pred_leaf, pred_contrib, validate_features, **kwargs
        )
        if raw_score or pred_leaf or pred_contrib or custom(self.booster_):
            return found
        return np.asarray(self.classes_[found.argmax(axis=1)])

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return raw scores: of the second class, shape (n_rows,), or of each class, (n_rows, n_classes)."""
        return self._scores(X, raw_score=True)


class NumberModel(LGBMModel):
    """What regressor and ranker share: they predict numbers, not labels."""

    def predict(
        self,
        X: Any,
        raw_score: bool = False,
        start_iteration: int = 0,
        num_iteration: int | None = None,
        pred_leaf: bool = False,
        pred_contrib: bool = False,
        validate_features: bool = False,
        **kwargs: Any,
    ) -> NDArray[np.float64]:
        """Return what the objective predicts (means, a ranker's scores); parameters as of `LGBMClassifier.predict`."""
        return self._output(
            X, raw_score, start_iteration, num_iteration, pred_leaf, pred_contrib, validate_features, kwargs
        )


class LGBMRegressor(RegressorMixin, NumberModel):
    """LightGBM for a numeric target; see `LGBMModel` for the parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.boosting import LGBMRegressor
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> t = x @ [1.0, 2.0]
    >>> model = LGBMRegressor(n_estimators=20, n_workers=1).fit(x, t)
    >>> model.score(x, t) > 0.9
    True
    """
