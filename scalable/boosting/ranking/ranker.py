"""LightGBM's ranker, on Parquet past memory or on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from scalable.boosting.estimators import NumberModel
from scalable.boosting.face import Given
from scalable.boosting.params import canonical
from scalable.boosting.training.metrics import PLACES


class LGBMRanker(NumberModel):
    """LightGBM for ordering the rows of queries; see `LGBMModel` for the parameters.

    The objective is ``lambdarank`` (Burges, "From RankNet to LambdaRank to LambdaMART", 2010) unless another is given,
    such as ``rank_xendcg`` (Bruch, 2021). No worker ever holds a part of a query, and trees do not depend on how rows
    are dealt to workers.

    Examples
    --------
    >>> import numpy as np
    >>> from scalable.boosting import LGBMRanker
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> relevance = (x[:, 0] > 0.0).astype(int)
    >>> model = LGBMRanker(n_estimators=5, n_workers=1).fit(x, relevance, group=[50] * 4)
    >>> model.predict(x).shape
    (200,)
    """

    def fit(  # type: ignore[override]  # as LightGBM's, group comes before eval_set
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        init_score: Any = None,
        group: Any = None,
        eval_set: Any = None,
        eval_names: Any = None,
        eval_sample_weight: Any = None,
        eval_init_score: Any = None,
        eval_group: Any = None,
        eval_metric: Any = None,
        eval_at: Sequence[int] = PLACES,
        feature_name: Any = "auto",
        categorical_feature: Any = "auto",
        callbacks: Any = None,
        init_model: Any = None,
        *,
        eval_X: Any = None,
        eval_y: Any = None,
        **options: Any,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X, y, sample_weight, eval_set, eval_names, eval_sample_weight, eval_metric, feature_name, categorical_feature
            As for `LGBMModel.fit`; labels are whole numbers, which ``label_gain`` gives a gain each.
        group : str or array-like of int of shape (n_queries,)
            Name of the column whose neighbouring rows of one value are a query, or how many rows each query has. A
            source may name the column itself: ``ParquetSource(..., group=COLUMN)``.
        eval_group : list of str or of array-like of int
            The same of each validation set; by default the column of `group`.
        eval_at : sequence of int
            How many of a query's first rows NDCG and MAP count.
        callbacks, init_model, eval_X, eval_y, **options
            As for `LGBMModel.fit`.

        Raises
        ------
        DataError, UsageError, PlanError
            When data, queries, parameters or plan cannot work.
        ClusterError
            When workers are lost or unfit.
        """
        given = Given(
            init_score=init_score,
            eval_init_score=eval_init_score,
            group=group,
            eval_set=eval_set,
            eval_x=eval_X,
            eval_y=eval_y,
            eval_names=eval_names,
            eval_sample_weight=eval_sample_weight,
            eval_group=eval_group,
            eval_metric=eval_metric,
            feature_name=feature_name,
            categorical_feature=categorical_feature,
            callbacks=callbacks,
            init_model=init_model,
        )
        params = self._lightgbm_params()
        known = canonical({name: value for name, value in params.items() if not callable(value)})
        if "objective" not in known and not callable(params.get("objective")):
            params["objective"] = "lambdarank"
        if "eval_at" not in known:
            params["eval_at"] = list(eval_at)
        return self._fit(X, y, sample_weight, given, params, options)
