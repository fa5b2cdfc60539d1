"""LightGBM with scikit-learn's manners, on Parquet past memory or on arrays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from scalable.boosting.train import Trained, train
from scalable.data.source import Source
from scalable.data.table import as_source
from scalable.errors import ModelError, UsageError
from scalable.execution.reader import BlockReader
from scalable.features.state import State
from scalable.features.tree_encoder import TreeEncoder
from scalable.models.store import read_model, save_model

KIND = "forest"
FEW_ROWS = 4096


class LGBMModel(BaseEstimator):
    """What classifier and regressor share.

    Parameters
    ----------
    n_estimators : int
        Boosting iterations.
    num_leaves : int
        Leaves per tree at most.
    learning_rate : float
        Shrinkage of every tree.
    max_depth : int
        Depth at most; no limit when not positive.
    max_bin : int
        Bins per feature at most; 255 or fewer take a byte a value.
    min_child_samples : int
        Rows per leaf at least. In rotation the hessians in a leaf are bounded too, see ``docs/boosting.md``.
    random_state : int, optional
        Seed of everything random.
    client : distributed.Client, str or None
        A client, a scheduler's address, or None for this machine. Never cloned or pickled.
    n_workers : int, optional
        Without a client: local worker processes, by default one with all processors. With a client:
        how many of its workers take part, by default all.
    identifiers : bool
        Whether integer columns named like identifiers (``..._id``, ``..._key``, ``zip``) with many levels are encoded
        as each level's mean target and share of the rows; False passes them as numbers.
    pairs : bool
        Whether pairs of text columns whose interaction shows in the data also have a mean target per pair of levels.
    **lightgbm_params
        Any other parameter of LightGBM, under any of its names.

    Attributes
    ----------
    booster_ : lightgbm.Booster
        An ordinary booster, whose text plain LightGBM loads.
    encoder_ : TreeEncoder
        From raw columns to the booster's matrix.
    stats_ : dict
        Seconds of the phases of the fit; per worker rows, seconds and bytes; losses on the way.
    best_iteration_ : int
        Iterations kept, fewer than asked for when training stopped early.
    evals_result_ : dict of str to list of float
        Validation metrics of every iteration.
    """

    _classify = False

    def __init__(
        self,
        n_estimators: int = 100,
        num_leaves: int = 31,
        learning_rate: float = 0.1,
        max_depth: int = -1,
        max_bin: int = 255,
        min_child_samples: int = 20,
        random_state: int | None = None,
        client: Any = None,
        n_workers: int | None = None,
        identifiers: bool = True,
        pairs: bool = True,
        **lightgbm_params: Any,
    ) -> None:
        self.n_estimators = n_estimators
        self.num_leaves = num_leaves
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.max_bin = max_bin
        self.min_child_samples = min_child_samples
        self.random_state = random_state
        self.client = client
        self.n_workers = n_workers
        self.identifiers = identifiers
        self.pairs = pairs
        self._extra = dict(lightgbm_params)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters but the client, which belongs to a session and not to the model."""
        params: dict[str, Any] = {**super().get_params(deep=deep), **self._extra}
        params.pop("client", None)
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, LightGBM's others among them."""
        own = set(self._get_param_names())
        for name, value in params.items():
            if name in own:
                setattr(self, name, value)
            else:
                self._extra[name] = value
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "client": None}

    def _lightgbm_params(self) -> dict[str, Any]:
        params = {
            "num_iterations": self.n_estimators,
            "num_leaves": self.num_leaves,
            "learning_rate": self.learning_rate,
            "max_depth": self.max_depth,
            "max_bin": self.max_bin,
            "min_data_in_leaf": self.min_child_samples,
            "identifiers": self.identifiers,
            "pairs": self.pairs,
        }
        if self.random_state is not None:
            params["seed"] = int(self.random_state)
        return {**params, **self._extra}

    def describe_columns(self) -> list[str]:
        """Return one line a column: what was done with it."""
        check_is_fitted(self, "booster_")
        return self.encoder_.describe()

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, **options: Any) -> Self:
        """Train.

        Parameters
        ----------
        X : source, array of shape (n_rows, n_features), or pandas/polars/Arrow table
            A `ParquetSource` names its own target and weights and is never held in memory.
        y : array-like of shape (n_rows,), optional
            Classes of any type, or numbers for a regressor.
        sample_weight : array-like of shape (n_rows,), optional
            Non-negative weights.
        **options
            The attributes of `scalable.boosting.options.Options`: ``valid`` (a source, or a tuple X, y
            or X, y, weights), ``early_stopping`` (iterations), ``custom_metrics``, ``callbacks``,
            ``init_model``, ``checkpoint`` (directory), ``checkpoint_every``, ``resume``,
            ``cache`` (directory), ``on_loss``.

        Raises
        ------
        DataError, UsageError, PlanError
            When data, parameters or plan cannot work.
        ClusterError
            When workers are lost or unfit.
        """
        if type(X).__module__.startswith(("dask.", "dask_expr")):
            raise UsageError(
                'a Dask collection would be held in memory; write it once with `df.to_parquet("rows/")` and fit '
                'ParquetSource("rows/", target=...)'
            )
        source = as_source(X, y, sample_weight)
        if source.target is None:
            raise UsageError("no target: give fit(X, y), or name it in ParquetSource(..., target=COLUMN)")
        if isinstance(options.get("valid"), tuple):
            options["valid"] = as_source(*options["valid"])
        trained = train(
            self._lightgbm_params(),
            source,
            classify=self._classify,
            client=self.client,
            n_workers=self.n_workers,
            **options,
        )
        self._adopt(trained.booster, trained.encoder)
        self._trained(trained)
        return self

    def _trained(self, trained: Trained) -> None:
        self.stats_ = trained.stats
        self.best_iteration_ = trained.best_iteration or trained.booster.current_iteration()
        self.evals_result_ = {
            name: [dict(step)[name] for step in trained.history] for name, _ in (trained.history or [[]])[-1]
        }

    def _adopt(self, booster: lgb.Booster, encoder: TreeEncoder) -> None:
        self.booster_ = booster
        self.encoder_ = encoder
        self.n_features_in_ = len(encoder.columns)
        self.feature_names_in_ = np.array(encoder.needed, dtype=object)
        labels = encoder.labels
        if labels is not None and labels.classes is not None:
            self.classes_ = np.array(list(labels.classes))
            self.n_classes_ = len(labels.classes)

    def _fitted(self) -> lgb.Booster:
        if not hasattr(self, "booster_"):
            raise ModelError(
                f"this {type(self).__name__} is not fitted; call fit first, or load a saved model"
            )
        return self.booster_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "booster_")

    def _scores(self, X: Any, *, raw_score: bool) -> NDArray[np.float64]:
        """Return LightGBM's output, of shape (n_rows,) or (n_rows, n_classes), streamed over a source."""
        booster = self._fitted()
        source: Source = as_source(X).without_target()
        reader = BlockReader(source, self.encoder_)
        parts = [
            np.asarray(booster.predict(rows.matrix, raw_score=raw_score, **_threads(rows.matrix)))
            for shard in source.shards
            for rows in reader.blocks(shard)
        ]
        return np.concatenate(parts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the model as a directory: JSON and LightGBM's own text, no pickle."""
        booster = self._fitted()
        labels, state = self.encoder_.labels, self.encoder_.state()
        meta = {
            "encoder": state.document,
            "objective": _objective_of(booster),
            "classes": None if labels is None or labels.classes is None else list(labels.classes),
            "params": _plain(self.get_params()),
        }
        save_model(path, KIND, meta, state.parts, texts={"booster.txt": booster.model_to_string()})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a saved model.

        Raises
        ------
        ModelError
            When it is damaged, of another kind, or of the other estimator.
        """
        stored = read_model(path)
        if stored.kind != KIND:
            raise ModelError(f"{path}: holds a {stored.kind} model, not a forest")
        if (stored.meta["classes"] is not None) != cls._classify:
            other = "LGBMRegressor" if cls._classify else "LGBMClassifier"
            raise ModelError(f"{path}: was saved by {other}; load it with {other}.load")
        model = cls(**stored.meta.get("params", {}))
        try:
            booster = lgb.Booster(model_str=stored.texts["booster.txt"])
        except (KeyError, lgb.basic.LightGBMError) as error:
            raise ModelError(f"{path}: its booster.txt cannot be read ({error})") from error
        model._adopt(booster, TreeEncoder.from_state(State.of(stored.meta["encoder"], stored.arrays)))
        return model


class LGBMClassifier(ClassifierMixin, LGBMModel):
    """LightGBM for two or more classes of any type; see `LGBMModel` for the parameters.

    Examples
    --------
    >>> from scalable import ParquetSource
    >>> source = ParquetSource("transactions/", target="is_fraud")  # doctest: +SKIP
    >>> model = LGBMClassifier(n_estimators=60, num_leaves=63, n_workers=2).fit(source)  # doctest: +SKIP
    >>> model.save("model/")  # doctest: +SKIP
    """

    _classify = True

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities of shape (n_rows, n_classes), columns in the order of ``classes_``."""
        scores = self._scores(X, raw_score=False)
        return np.column_stack([1.0 - scores, scores]) if scores.ndim == 1 else scores

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable class of each row, of shape (n_rows,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return raw scores: of the second class, shape (n_rows,), or of each class, (n_rows, n_classes)."""
        return self._scores(X, raw_score=True)


class LGBMRegressor(RegressorMixin, LGBMModel):
    """LightGBM for a numeric target; see `LGBMModel` for the parameters."""

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return predicted means (or what the objective predicts), of shape (n_rows,)."""
        return self._scores(X, raw_score=False)


def _threads(matrix: NDArray[Any]) -> dict[str, int]:
    """One thread for few rows: waking the others costs more than they save."""
    return {"num_threads": 1} if len(matrix) < FEW_ROWS else {}


def _objective_of(booster: lgb.Booster) -> str:
    line = next(
        (x for x in booster.model_to_string().splitlines() if x.startswith("objective=")), "objective="
    )
    return line.removeprefix("objective=")


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in params.items()
        if value is None or isinstance(value, (str, int, float, bool, list))
    }
