"""LightGBM with scikit-learn's manners, on Parquet past memory or on arrays."""

from __future__ import annotations

from typing import Any, Self

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin

from scalable.boosting.params import check_known, main_names
from scalable.boosting.train import Trained, train
from scalable.data.table import as_source
from scalable.errors import ModelError
from scalable.execution.reader import BlockReader
from scalable.features.state import State
from scalable.features.target import class_array
from scalable.features.tree_encoder import TreeEncoder
from scalable.models.estimator import Estimator, Parts
from scalable.models.forest import KIND, TEXT
from scalable.models.store import StoredModel

FEW_ROWS = 4096


class LGBMModel(Estimator):
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
        A client, a scheduler's address, or None for this machine. Clones use the same client; pickles and saved models
        keep its address.
    n_workers : int, optional
        Without a client: local worker processes, by default one with all processors. With a client:
        how many of its workers take part, by default all.
    identifiers : bool
        Whether integer columns named like identifiers (``..._id``, ``..._key``, ``zip``) with many categories are
        encoded as each category's mean target and share of the rows; False passes them as numbers.
    pairs : bool
        Whether pairs of text columns whose interaction shows in the data also have a mean target
        per pair of categories.
    **lightgbm_params
        Any other parameter of LightGBM, under any of its names; one it does not have is refused with the nearest.
        Also ``engine``: "lightgbm" (the default), "native" or "auto", see ``docs/trees.md``.

    Attributes
    ----------
    booster_ : lightgbm.Booster
        An ordinary booster, whose text plain LightGBM loads.
    encoder_ : TreeEncoder
        From raw columns to the booster's matrix.
    engine_ : str
        Who grew the trees: "lightgbm" or "native".
    stats_ : dict
        Seconds of the phases of the fit; per worker rows, seconds and bytes; losses on the way.
    best_iteration_ : int
        Iterations kept, fewer than asked for when training stopped early.
    evals_result_ : dict of str to list of float
        Validation metrics of every iteration.
    """

    n_estimators: int = 100
    num_leaves: int = 31
    learning_rate: float = 0.1
    max_depth: int = -1
    max_bin: int = 255
    min_child_samples: int = 20
    random_state: int | None = None
    identifiers: bool = True
    pairs: bool = True

    _positional = (
        "n_estimators", "num_leaves", "learning_rate", "max_depth", "max_bin", "min_child_samples", "random_state",
        "client", "n_workers", "identifiers", "pairs",
    )  # fmt: skip
    _open = "lightgbm_params"
    _kind, _result = KIND, "booster_"
    _matrix, _finite = False, False
    _kept = ("best_iteration_", "evals_result_")
    _lightgbm_names = {  # noqa: RUF012  never changed
        "n_estimators": "num_iterations",
        "min_child_samples": "min_data_in_leaf",
        "random_state": "seed",
    }

    def _further(self, given: dict[str, Any]) -> None:
        """Take LightGBM's other parameters."""
        check_known(given, self.parameter_names())
        self._extra = {**getattr(self, "_extra", {}), **given}

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return every name the constructor takes."""
        return [*super().parameter_names(), *main_names()]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters, LightGBM's others among them."""
        return {**super().get_params(deep=deep), **self._extra}

    def _lightgbm_params(self) -> dict[str, Any]:
        own = super().get_params(deep=False)
        params = {
            self._lightgbm_names.get(k, k): v for k, v in own.items() if k not in ("client", "n_workers")
        }
        if self.random_state is not None:
            params["seed"] = int(self.random_state)
        return {**params, **self._extra}

    @property
    def _encoder(self) -> TreeEncoder:
        return self.encoder_

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
        source, _ = self._source(X, y, sample_weight)
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
        self.engine_ = trained.engine
        self.best_iteration_ = trained.best_iteration or trained.booster.current_iteration()
        self.evals_result_ = {
            name: [dict(step)[name] for step in trained.history] for name, _ in (trained.history or [[]])[-1]
        }

    def _adopt(self, booster: lgb.Booster, encoder: TreeEncoder) -> None:
        self.booster_ = booster
        self.encoder_ = encoder
        labels = encoder.labels
        if labels is not None and labels.classes is not None:
            self.classes_ = class_array(labels.classes)
            self.n_classes_ = len(labels.classes)

    def _scores(self, X: Any, *, raw_score: bool) -> NDArray[np.float64]:
        """Return LightGBM's output, of shape (n_rows,) or (n_rows, n_classes), streamed over a source."""
        source = self._rows(X)
        reader = BlockReader(source, self.encoder_)
        parts = [
            np.asarray(self.booster_.predict(rows.matrix, raw_score=raw_score, **_threads(rows.matrix)))
            for shard in source.shards
            for rows in reader.blocks(shard)
        ]
        k = self.booster_.num_model_per_iteration()
        return np.concatenate(parts or [np.empty((0, k) if k > 1 else 0)])  # a selection may leave no row

    def _parts(self) -> Parts:
        labels, state = self.encoder_.labels, self.encoder_.state()
        text = self.booster_.model_to_string()
        meta = {
            "encoder": state.document,
            "objective": next((x[10:] for x in text.splitlines() if x.startswith("objective=")), ""),
            "classes": None if labels is None or labels.classes is None else list(labels.classes),
        }
        return meta, state.parts, {TEXT: text}

    def _restore(self, stored: StoredModel) -> None:
        try:
            booster = lgb.Booster(model_str=stored.texts[TEXT])
        except (KeyError, lgb.basic.LightGBMError) as error:
            raise ModelError(f"its {TEXT} cannot be read ({error})") from error
        self._adopt(booster, TreeEncoder.from_state(State.of(stored.meta["encoder"], stored.arrays)))


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
