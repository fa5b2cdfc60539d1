"""The manners every learner shares: intake, parameters, saving, copies, and the cluster it runs on."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from scalable.data.columns import require_column
from scalable.data.intake import refuse_lazy, require_distinct, to_table, unmasked
from scalable.data.parquet import ParquetSource
from scalable.data.source import Source
from scalable.data.table import TableSource, as_source
from scalable.data.types.pandas_metadata import without_index
from scalable.errors import DataWarning, ModelError, StatisticsError, UsageError
from scalable.features.hashing import has_identifier
from scalable.models.checkpoint import forget_checkpoint
from scalable.models.dask_frames.lazy_methods import answer_lazily
from scalable.models.dask_frames.written_rows import is_dask, rows_to_fit
from scalable.models.kinds import predictor_of
from scalable.models.parameters import Declared
from scalable.models.saved import parameter_json
from scalable.models.saved.versions import learner_of
from scalable.models.store import StoredModel, read_model, save_model
from scalable.storage.documents import understood

Parts = tuple[Mapping[str, Any], Mapping[str, np.ndarray], Mapping[str, str]]
BEGINS_ANEW = "partial_fit begins anew with these rows; what fit learned is not gone on from"


class Estimator(Declared, BaseEstimator):
    """Base of the learners.

    A learner declares its parameters, calls `_source` in ``fit`` and `_rows` in ``predict``, and tells what a saved
    model holds by `_parts` and `_restore`.

    Parameters
    ----------
    n_workers : int, optional
        Threads; by default all processors. Does not change the result.
    client : distributed.Client or str, optional
        Dask cluster to train on. Clones use the same client; pickles and saved models keep its address.
    """

    n_workers: int | None = None
    client: Any = None

    _kind: ClassVar[str]  # of its saved models
    _result: ClassVar[str]  # attribute that a finished fit leaves
    _classify: ClassVar[bool] = False
    _wants_target: ClassVar[bool] = True
    _matrix: ClassVar[bool] = True  # whether pandas frames of numbers only are taken as one matrix
    _finite: ClassVar[Literal["allow-nan"] | bool] = "allow-nan"
    _sparse: ClassVar[bool] = False  # whether sparse rows are learned from
    _by_name: bool  # whether rows to predict are taken by the names of training
    _kept: ClassVar[tuple[str, ...]] = ()  # fitted attributes that are saved as they are

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        answer_lazily(cls, Estimator)

    @property
    def _encoder(self) -> Any:
        """From raw columns to what the model computes with."""
        raise NotImplementedError

    def _train(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Learn from a source or arrays, and publish the model; of what learns a target."""
        raise NotImplementedError

    def _scores(self, X: Any) -> np.ndarray:
        """Return the scores of all rows, shape (n_outputs, n_rows)."""
        raise NotImplementedError

    def _parts(self) -> Parts:
        """Return metadata, arrays and texts of the fitted model."""
        raise NotImplementedError

    def _restore(self, stored: StoredModel) -> None:
        """Take the fitted model from what `_parts` gave."""
        raise NotImplementedError

    def _source(self, X: Any, y: Any, sample_weight: Any, more: bool = False) -> tuple[Source, bool]:
        """Return training rows, or `more`, as a source, and whether they came as a plain numeric array."""
        self._check_kinds()
        if not isinstance(X, Source) and is_dask(X):
            X, words = rows_to_fit(X, y, sample_weight, self.client)
            self._tell(words)
            y = sample_weight = None
        X, y, sample_weight = (unmasked(given) for given in (X, y, sample_weight))
        self._by_name = isinstance(X, Source) or (
            _is_frame(X)
            and (not self._matrix or (self._by_name if more else _numeric_pandas(X) and has_identifier(X)))
        )
        require_distinct(X)
        if isinstance(X, Source):
            source = as_source(X, y, sample_weight)
            self.feature_names_in_ = np.array(source.feature_names, dtype=object)
            self.n_features_in_ = len(source.feature_names)
            return source, False
        if self._keeps_columns(X):
            X = without_index(X)
            validate_data(self, X, skip_check_array=True)
            return as_source(X, y, sample_weight), False
        if not self._wants_target:
            X = self._validated(X, dtype="numeric", ensure_all_finite=self._finite)
            table = to_table(X)
            if hasattr(self, "feature_names_in_"):
                table = table.rename_columns(self.feature_names_in_.tolist())
            return TableSource(table), True
        if y is None:
            raise UsageError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: give fit(X, y), or name it "
                "in ParquetSource(..., target=COLUMN)"
            )
        refuse_lazy(y, "y")
        X, y = self._validated(
            X, y, dtype="numeric", ensure_all_finite=self._finite, y_numeric=not self._classify
        )
        table = to_table(X)
        if hasattr(self, "feature_names_in_"):
            table = table.rename_columns(self.feature_names_in_.tolist())
        return as_source(table, y, sample_weight), True

    def _more(self, X: Any, y: Any, sample_weight: Any) -> tuple[Source, bool]:
        """Do `_source` for one more part of the data, which has as many features as those before."""
        n = self.n_features_in_
        source, plain = self._source(X, y, sample_weight, more=True)
        if self.n_features_in_ != n:
            found, self.n_features_in_ = self.n_features_in_, n
            raise ValueError(
                f"X has {found} features, but {type(self).__name__} is expecting {n} features as input"
            )
        return source, plain

    def _rows(self, X: Any) -> Source:
        """Return rows to predict, under the names of training: by name where they have names, else by position."""
        check_is_fitted(self)
        if isinstance(X, Source) or (self._by_name and _is_frame(X)):
            source = as_source(X, features=self._encoder.needed or None).without_target()
            for name in self._encoder.needed:
                require_column(source.full_schema, name, source.describe_place(), "feature")
            return source
        return TableSource(self._named(X))

    def _named(self, X: Any) -> pa.Table:
        """Return rows under the names of training, by name where a frame was learned from, else by position."""
        require_distinct(X)
        X = unmasked(X)
        if self._by_name and _is_frame(X):
            return to_table(without_index(X, tell=False))
        if self._keeps_columns(X):
            X = without_index(X, tell=False)
            validate_data(self, X, reset=False, skip_check_array=True)
        else:
            X = self._validated(X, reset=False, dtype="numeric", ensure_all_finite=self._finite)
        table = to_table(X)
        names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(table.num_columns)])
        return table.rename_columns(list(names))

    def _validated(self, *given: Any, **how: Any) -> Any:
        """Do scikit-learn's `validate_data`, whose advice on missing values takes six lines; here it is one."""
        try:
            return validate_data(self, *given, **how)
        except ValueError as error:
            first, _, more = str(error).partition("\n")
            if not more or "NaN" not in first:
                raise
            raise ValueError(
                f"{first} {type(self).__name__} learns from complete rows: fill the values, filter the rows, or leave "
                "the column out"
            ) from None

    def _keeps_columns(self, X: Any) -> bool:
        """Whether columns have types of their own, rather than being one matrix of numbers."""
        if isinstance(X, np.ndarray):
            return X.dtype == object and any(isinstance(value, str) for value in X.flat)
        return _is_frame(X) and (self._by_name or not (self._matrix and _numeric_pandas(X)))

    def _report(self, reason: str | None) -> None:
        """Keep whether the solver's own rule ended the fit; warn of the `reason` that did instead."""
        self.converged_ = reason is None
        if reason is not None:
            text = f"{type(self).__name__} has not converged: {reason}"
            warnings.warn(text, ConvergenceWarning, stacklevel=_levels_to_caller())

    def _teach(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Do `_train`; anew with all row groups where those left out were left out by statistics that are wrong."""
        self._check_kinds()
        try:
            self._train(X, y, sample_weight)
        except StatisticsError as found:
            whole = X.without_statistics() if isinstance(X, ParquetSource) else None
            if whole is None:
                raise
            if getattr(self, "checkpoint", None) is not None:
                forget_checkpoint(self)
            self._tell(f"{found}; learning begins anew, with all row groups")
            self._train(whole, y, sample_weight)

    def _tell(self, text: str) -> None:
        """Say in one line what was decided about the data, as a warning that points at the caller."""
        warnings.warn(f"{type(self).__name__}: {text}", DataWarning, stacklevel=_levels_to_caller())

    def describe_columns(self) -> list[str]:
        """Return one line a feature: what was done with it."""
        check_is_fitted(self)
        return list(self._encoder.describe())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model as a directory of JSON, arrays and texts, never a pickle.

        Parameters
        ----------
        path : str or path
            Directory to create, or a saved model to replace.

        Raises
        ------
        UsageError
            When a parameter cannot be written, such as a function.
        """
        model = self.stored()
        save_model(path, model.kind, model.meta, model.arrays, model.texts)

    def predictor(self) -> Any:
        """Return the fitted model as `scalable.inference.load_model` reads it."""
        return predictor_of(self.stored())

    def stored(self) -> StoredModel:
        """Return what `save` writes."""
        check_is_fitted(self)
        params = {**self.get_params(deep=False), "client": address_of(self.client)}
        fitted = {
            name: getattr(self, name) for name in (*self._kept, "n_features_in_") if hasattr(self, name)
        }
        fitted["by_name"] = self._by_name
        if hasattr(self, "feature_names_in_"):
            fitted["names"] = self.feature_names_in_.tolist()
        learner = {
            "estimator": type(self).__name__,
            "params": parameter_json.to_json(params),
            "fitted": parameter_json.to_json(fitted),
        }
        meta, arrays, texts = self._parts()
        return StoredModel(self._kind, {**meta, "learner": learner}, dict(arrays), dict(texts))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote.

        Raises
        ------
        ModelError
            When the directory is not an intact model of this estimator.
        """
        stored = read_model(path)
        if stored.kind != cls._kind:
            raise ModelError(f"{path}: holds a {stored.kind} model, not a {cls._kind} one")
        with understood(ModelError, path, "train or copy the model again"):
            learner = learner_of(stored)
            name = learner["estimator"] or cls.__name__
        if name != cls.__name__:
            raise ModelError(f"{path}: was saved by {name}; load it with {name}.load")
        try:
            with understood(ModelError, "its parts", "train or copy the model again"):
                estimator = cls(**parameter_json.from_json(learner["params"]))
                fitted = parameter_json.from_json(learner["fitted"])
                estimator._by_name = bool(fitted.pop("by_name"))
                n, names = fitted["n_features_in_"], fitted.pop("names", None)
                if type(n) is not int or (names is not None and (type(names) is not list or len(names) != n)):
                    raise ValueError(f"{n!r:.60} features, named {names!r:.60}")
                if names is not None:
                    estimator.feature_names_in_ = np.array([str(name) for name in names], dtype=object)
                for key, value in fitted.items():
                    if not key.endswith("_") or hasattr(cls, key):
                        raise ValueError(f"{key!r} is nothing that was learned")
                    setattr(estimator, key, value)
                estimator._restore(stored)
                labels = estimator._encoder.labels
                if cls._classify != (labels is not None and labels.classes is not None):
                    raise ValueError(f"{labels!r:.60} are no labels of a {name}")
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
        return estimator

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, self._result)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: whether missing values and sparse rows are learned from, or refused."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._finite is not True
        tags.input_tags.sparse = self._sparse
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Keep the address of the client: connections do not travel."""
        state = dict(super().__getstate__())
        if "client" in state:
            state["client"] = address_of(state["client"])
        return state

    def __sklearn_clone__(self) -> Self:
        """Return an unfitted copy with the same parameters, on the same cluster."""
        params = self.get_params(deep=False)
        client = params.pop("client")
        return type(self)(**{k: clone(v, safe=False) for k, v in params.items()}, client=client)


def address_of(client: Any) -> str | None:
    """Return where a client's scheduler is; None, and a warning, when that cannot be reached from elsewhere."""
    if client is None or isinstance(client, str):
        return client
    address = str(getattr(getattr(client, "scheduler", None), "address", ""))
    if address and not address.startswith("inproc"):
        return address
    warnings.warn(
        f"{client!r} has no address that others could reach: the copy trains on its own machine; "
        "set_params(client=...) where it is used",
        UserWarning,
        stacklevel=_levels_to_caller(),
    )
    return None


def _levels_to_caller() -> int:
    """Return the ``stacklevel`` at which whoever warns points at the caller of this package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("scalable."):
        level, frame = level + 1, frame.f_back
    return level


def _is_frame(X: Any) -> bool:
    return type(X).__module__.partition(".")[0] in ("pandas", "polars", "pyarrow")


def _numeric_pandas(X: Any) -> bool:
    if type(X).__module__.partition(".")[0] != "pandas" or not hasattr(X, "dtypes"):
        return False
    return all(isinstance(kind, np.dtype) and kind.kind in "biuf" for kind in np.atleast_1d(X.dtypes))
