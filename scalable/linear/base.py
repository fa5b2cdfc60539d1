"""Estimator manners that all linear learners share: inputs, prediction, saving, cloning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from scalable.data.source import Source
from scalable.data.table import as_source
from scalable.errors import UsageError
from scalable.execution.reader import BlockReader
from scalable.features.linear_column import EncoderOptions
from scalable.models.linear import LinearModel
from scalable.models.store import read_model

RENAMED = {"n_lanes": "n_replicas"}  # parameters that saved models know by an older name


class LinearEstimator(BaseEstimator):
    """Base of the linear learners; see `LogisticRegression` for the shared parameters."""

    _classify = False
    model_: LinearModel

    def _source(self, X: Any, y: Any, sample_weight: Any) -> tuple[Source, bool]:
        """Return the training rows as a source, and whether they came as a plain numeric array."""
        if isinstance(X, Source):
            source = as_source(X, y, sample_weight)
            self.feature_names_in_ = np.array(source.feature_names, dtype=object)
            self.n_features_in_ = len(source.feature_names)
            return source, False
        if _is_frame(X):
            validate_data(self, X, skip_check_array=True)
            return as_source(X, y, sample_weight), False
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        X, y = validate_data(
            self, X, y, dtype="numeric", ensure_all_finite="allow-nan", y_numeric=not self._classify
        )
        if sample_weight is not None:
            sample_weight = np.broadcast_to(np.asarray(sample_weight, np.float64), (len(X),))
        return as_source(X, y, sample_weight), True

    def _options(self, plain: bool) -> EncoderOptions:
        """Return how raw columns are treated; plain arrays are taken as they are."""
        p = self.get_params(deep=False)
        log = p.get("log", "auto")
        return EncoderOptions(
            one_hot=p.get("one_hot", 64),
            n_buckets=_power_of_two(p.get("n_bins", 2**18)),
            categorical=tuple(p.get("categorical") or ()),
            log=(not plain)
            if log == "auto"
            else (tuple(log) if isinstance(log, (list, tuple)) else bool(log)),
            missing=p.get("missing", "indicator"),
            identifiers=not plain,
            keep_constant=plain,
            center=bool(p.get("fit_intercept", True)),
            dtype="float64" if plain else "float32",
        )

    def _blocks(self, X: Any) -> Iterator[NDArray[np.float64]]:
        """Yield the scores of consecutive rows, each of shape (n_outputs, n_rows)."""
        check_is_fitted(self)
        if isinstance(X, Source):
            source: Source = X.without_target()
        elif _is_frame(X):
            validate_data(self, X, reset=False, skip_check_array=True)
            source = as_source(X)
        else:
            X = validate_data(self, X, reset=False, dtype="numeric", ensure_all_finite="allow-nan")
            source = as_source(X)
        encoder = self.model_.encoder.features_only
        reader = BlockReader(source, encoder)
        for shard in source.shards:
            for block in reader.blocks(shard):
                yield self.model_.scores(block)

    def _scores(self, X: Any) -> NDArray[np.float64]:
        """Return the scores of all rows, shape (n_outputs, n_rows)."""
        return np.concatenate(list(self._blocks(X)), axis=1)

    def _publish(self, model: LinearModel) -> None:
        """Set the fitted attributes that users read, in raw units."""
        self.model_ = model
        encoder = model.encoder
        n = encoder.n_columns
        dense = model.coef[:, :n] / encoder.column_scales()
        # A dense column is 0 at its offset; categories carry no offset.
        intercept = model.coef[:, n] - dense @ encoder.column_offsets()
        if encoder.one_to_one:
            coef = np.zeros((len(dense), len(encoder.columns)))
            coef[:, [column.action != "drop" for column in encoder.columns]] = dense
            self.coef_names_ = model.feature_names
        else:
            coef = np.hstack([dense, model.coef[:, n + 1 : n + 1 + encoder.n_known]])
            self.coef_names_ = encoder.term_names()
        if self._classify:
            self.classes_ = self._class_array(model)
        self.coef_: Any = coef if self._classify else coef[0]
        self.intercept_: Any = intercept if self._classify else float(intercept[0])

    def _class_array(self, model: LinearModel) -> NDArray[Any]:
        return np.array(list(model.classes or ()))

    def describe_columns(self) -> list[str]:
        """Return one line a feature: what was done with it."""
        check_is_fitted(self)
        return self.model_.encoder.describe()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model as a directory of JSON and arrays.

        Parameters
        ----------
        path : str or path
            Directory to create, or a saved model to replace.
        """
        check_is_fitted(self)
        params = {k: v for k, v in self.get_params(deep=False).items() if k != "client"}
        fitted: dict[str, Any] = {"named": hasattr(self, "feature_names_in_")}
        for name in ("n_iter_", "solver_"):
            if hasattr(self, name):
                fitted[name] = getattr(self, name)
        self.model_.with_info(estimator=type(self).__name__, params=_jsonable(params), fitted=fitted).save(
            path
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote.

        Raises
        ------
        ModelError
            When the directory is not an intact linear model.
        """
        model = LinearModel.from_stored(read_model(path))
        name = model.info.get("estimator", cls.__name__)
        if name != cls.__name__:
            raise UsageError(f"{path} holds a {name}; load it with {name}.load")
        params = model.info.get("params", {})
        estimator = cls(**{RENAMED.get(key, key): value for key, value in params.items()})
        fitted = model.info.get("fitted", {})
        names = model.feature_names
        estimator.n_features_in_ = len(names)
        if fitted.get("named"):
            estimator.feature_names_in_ = np.array(names, dtype=object)
        for key in ("n_iter_", "solver_"):
            if key in fitted:
                setattr(estimator, key, fitted[key])
        estimator._publish(model)
        return estimator

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: missing values are learned from, not refused."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.get_params(deep=False).get("missing") != "error"
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Leave the client behind: connections do not travel."""
        state = dict(super().__getstate__())
        if state.get("client") is not None:
            state["client"] = None
        return state

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted copy with the same parameters, but without the client."""
        params = {k: v for k, v in self.get_params(deep=False).items() if k != "client"}
        from sklearn.base import clone

        return type(self)(**{k: clone(v, safe=False) for k, v in params.items()})


def _is_frame(X: Any) -> bool:
    module = type(X).__module__.partition(".")[0]
    if module == "pandas":
        return (
            not all(kind.kind in "biuf" for kind in map(_numpy_dtype, X.dtypes))
            if hasattr(X, "dtypes")
            else False
        )
    return module in ("polars", "pyarrow")


def _numpy_dtype(kind: Any) -> np.dtype[Any]:
    return kind if isinstance(kind, np.dtype) else np.dtype(object)


def _power_of_two(n_bins: Any) -> int:
    n = int(n_bins)
    if n < 2 or n & (n - 1):
        raise UsageError(f"n_bins must be a power of two, not {n_bins!r}; try {1 << max(1, n.bit_length())}")
    return n


def _jsonable(params: dict[str, Any]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, dict):
            return {str(k): plain(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)

    return {name: plain(value) for name, value in params.items()}
